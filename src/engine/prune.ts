import { join } from 'node:path'
import type { Oid } from '../core/git-objects.ts'
import { resolveSnapshot } from '../core/resolve.ts'
import type { Age, Decision, Retention } from '../core/retention.ts'
import { RETENTION, retention } from '../core/retention.ts'
import type { State } from '../core/state.ts'
import { StrataError } from '../core/errors.ts'
import { discard, fsyncDirectory, removeTree, rename } from '../storage/durable.ts'
import { EVICTED } from '../storage/layout.ts'
import { objectSizes } from '../storage/repack.ts'
import type { Repository } from '../storage/repository.ts'
import { checkpoint } from './checkpoint.ts'
import type { Context } from './context.ts'
import { isQuiet, look, scan } from './directory.ts'
import { oldestFirst } from './ancestry.ts'
import { rootsOf } from './gc.ts'
import { reading } from './history.ts'
import { readState } from './read.ts'
import type { Session } from './session.ts'

export type Pruned = {
  /** Whether it was done, or only said. */
  readonly applied: boolean
  readonly decisions: readonly Decision[]
  /** Bytes of the directories that go, but for files that a directory that stays has as well. */
  readonly bytes: number
  /** Commits that the history is cut at; what is before them goes with the next `gc`. */
  readonly cut: number
}

export type PruneOptions = Partial<Retention> & { readonly dryRun?: boolean }

const isCount = (value: number | null): boolean => value === null || (Number.isSafeInteger(value) && value >= 0)

const policyOf = (options: PruneOptions): Retention => {
  const { directories = RETENTION.directories, directoryBytes = null, days = null, historyBytes = null } = options
  const policy = { directories, directoryBytes, days, historyBytes }
  const wrong = Object.entries(policy).find(([, value]) => !isCount(value))
  if (wrong === undefined) return policy
  throw new StrataError('BAD_ARGUMENT', `${wrong[0]} is ${String(wrong[1])}, not a whole number of 0 or more`, {
    data: { policy },
    hint: 'For example: strata prune --directories 2 --days 365 --dry-run',
  })
}

const present = ({ fs, paths }: Context, state: State): Set<string> =>
  new Set(Object.keys(state.snapshots).filter((id) => fs.lstat(paths.snapshot(id)) !== undefined))

/** The state without the snapshots whose history goes. */
const without = (state: State, gone: ReadonlySet<string>): State => ({
  ...state,
  snapshots: Object.fromEntries(Object.entries(state.snapshots).filter(([id]) => !gone.has(id))),
})

/**
 * Where the history ends if everything before `beforeMs` goes: each commit that is kept, and has no parent that is. What something
 * may still ask for is kept, however old.
 */
const cutOf = (context: Context, repository: Repository, state: State, beforeMs: number | null): readonly Oid[] => {
  if (beforeMs === null) return state.cut
  const cut = new Set<Oid>()
  const known = new Set(state.cut)
  const roots = rootsOf(context, { ...state, journal: null })
  if (state.journal !== null) roots.delete(state.journal)
  const seen = new Set<Oid>()
  const queue = [...roots]
  const isKept = (oid: Oid): boolean => roots.has(oid) || repository.commit(oid).committer.timestamp * 1000 >= beforeMs
  for (let oid = queue.pop(); oid !== undefined; oid = queue.pop()) {
    if (seen.has(oid)) continue
    seen.add(oid)
    if (repository.read(oid).type !== 'commit') continue
    const { parents } = repository.commit(oid)
    if (known.has(oid)) cut.add(oid)
    else if (parents.length > 0 && !parents.some(isKept)) cut.add(oid)
    else queue.push(...parents)
  }
  return [...cut].sort()
}

/** What each commit of the history adds to the repository, the newest first: what a later one has as well is the later one's. */
const agesOf = ({ fs, paths }: Context, repository: Repository, state: State): Age[] => {
  const sizes = objectSizes(fs, paths.packs)
  const seen = new Set<Oid>()
  const weigh = (oid: Oid, isTree: boolean): number => {
    if (seen.has(oid)) return 0
    seen.add(oid)
    const own = sizes.get(oid) ?? 0
    return isTree ? repository.tree(oid).reduce((sum, e) => sum + weigh(e.oid, e.mode === '40000'), own) : own
  }
  const heads = Object.values(state.snapshots).map((s) => s.commit)
  const commits = oldestFirst(repository, heads).map((oid) => ({ oid, ...repository.commit(oid) }))
  commits.reverse().sort((a, b) => b.committer.timestamp - a.committer.timestamp)
  return commits.map(({ oid, tree, committer }) => ({ atMs: committer.timestamp * 1000, bytes: weigh(oid, false) + weigh(tree, true) }))
}

const isGone = (decision: Decision): boolean => decision.history === 'remove'

type Plan = {
  readonly decisions: readonly Decision[]
  readonly gone: readonly string[]
  readonly cut: readonly Oid[]
  readonly bytes: number
}

const planPrune = (context: Context, repository: Repository, state: State, policy: Retention): Plan => {
  const ages = policy.historyBytes === null ? [] : agesOf(context, repository, state)
  const nowMs = context.now().getTime()
  const { decisions, beforeMs } = retention(state, policy, { present: present(context, state), nowMs, ages })
  const gone = decisions.filter(isGone).map((d) => d.snapshot)
  const after = without({ ...state, dropped: [...state.dropped, ...gone.map((id) => `refs/heads/${id}`)] }, new Set(gone))
  const bytes = freedBy(
    context,
    decisions.filter((d) => d.directory === 'remove').map((d) => d.snapshot),
  )
  return { decisions, gone, cut: cutOf(context, repository, after, beforeMs), bytes }
}

/** What comes free with directories: a file that others share is still there. */
const freedBy = (context: Context, ids: readonly string[]): number => {
  const names = new Map<number, number>()
  let bytes = 0
  for (const id of ids)
    for (const { ino, links, size } of scan(context, context.paths.snapshot(id)).files.values()) {
      const seen = (names.get(ino) ?? 0) + 1
      names.set(ino, seen)
      if (seen === links) bytes += size
    }
  return bytes
}

const newlyCut = (state: State, cut: readonly Oid[]): number => cut.filter((oid) => !state.cut.includes(oid)).length

/** What `prune` would do, and why; reads only. Throws BAD_ARGUMENT. */
export const previewPrune = (context: Context, options: PruneOptions): Pruned =>
  reading(context, (repository) => {
    const state = readState(context)
    const { decisions, cut, bytes } = planPrune(context, repository, state, policyOf(options))
    return { applied: false, decisions, bytes, cut: newlyCut(state, cut) }
  })

/** Takes a directory away in one step; what it held is committed before. */
const evict = (session: Session, id: string): void => {
  const { fs, paths } = session.context
  const aside = join(paths.staging, `${id}${EVICTED}`)
  rename(fs, paths.snapshot(id), aside)
  // A power cut must not bring half of it back: what is missing would be taken for an edit.
  fsyncDirectory(fs, paths.snapshots)
  fsyncDirectory(fs, paths.staging)
  removeTree(fs, aside)
  discard(fs, paths.index(id))
}

/** What was edited in directories is committed on their branches first. */
export const settle = async (session: Session, ids: readonly string[], reason: string): Promise<void> => {
  for (const id of ids) {
    const snapshot = session.state.snapshots[id]
    if (snapshot !== undefined && !isQuiet(look(session.context, snapshot))) await checkpoint(session, id, reason)
  }
}

/**
 * Removes directories that the policy does not keep, and cuts the oldest end of the history. What is active, pinned, or needed to go
 * back or forward stays, whatever the policy says. The repository's space is made free by `gc`. Throws BAD_ARGUMENT.
 */
export const prune = async (session: Session, options: PruneOptions): Promise<Pruned> => {
  const { context, repository } = session
  const policy = policyOf(options)
  const going = planPrune(context, repository, session.state, policy).decisions.filter((d) => d.directory === 'remove')
  const ids = going.map((d) => d.snapshot)
  await settle(session, ids, 'before its directory was removed')
  const before = session.state
  const { decisions, gone, cut, bytes } = planPrune(context, repository, before, policy)
  if (ids.length > 0) session.commit({ type: 'note', event: { type: 'Evicted', data: { snapshots: ids } } })
  for (const id of ids) evict(session, id)
  const fresh = newlyCut(before, cut)
  if (gone.length > 0 || fresh > 0) {
    session.commit({ type: 'prune', data: { snapshots: [...gone], cut: [...cut] } })
    session.project()
  }
  return { applied: true, decisions, bytes, cut: fresh }
}

export type PinnedSnapshot = { readonly snapshot: string; readonly commit: Oid; readonly note: string }

/** Keeps a snapshot, as it is committed now, with its directory, whatever `prune` is told. Throws ABSENT, AMBIGUOUS. */
export const pin = (session: Session, name: string, note: string): PinnedSnapshot => {
  const { id: snapshot, commit } = resolveSnapshot(session.state, name)
  const known = session.state.pins.find((p) => p.snapshot === snapshot)
  if (known?.commit === commit && known.note === note) return { snapshot, commit, note }
  session.commit({ type: 'pin', data: { snapshot, commit, note } })
  session.project()
  return { snapshot, commit, note }
}

/** Throws ABSENT when it is not pinned. */
export const unpin = (session: Session, name: string): { readonly snapshot: string } => {
  const { id: snapshot } = resolveSnapshot(session.state, name)
  session.commit({ type: 'unpin', snapshot })
  session.project()
  return { snapshot }
}
