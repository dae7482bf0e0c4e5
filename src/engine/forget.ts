import { dirname, join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import { isInside } from '../core/names.ts'
import { isWithin, refsOf } from '../core/state.ts'
import type { State } from '../core/state.ts'
import { fsyncDirectory, isLockedByGit, removeTree } from '../storage/durable.ts'
import { readText } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import { readLooseRefs, readPackedRefs } from '../storage/refs.ts'
import type { Repository } from '../storage/repository.ts'
import { readIndex, writeIndex } from '../storage/index-file.ts'
import { oldestFirst, restsOn } from './ancestry.ts'
import type { Context } from './context.ts'
import type { Rewritten } from './forget-rewrite.ts'
import { holders, rewriteWithout } from './forget-rewrite.ts'
import { collectGarbage, rootsOf } from './gc.ts'
import { reading } from './history.ts'
import { settle } from './prune.ts'
import { readState } from './read.ts'
import type { Session } from './session.ts'

export type Forgotten = {
  /** Whether it was done, or only said. */
  readonly applied: boolean
  readonly path: string
  /** The snapshots in whose history it is. */
  readonly snapshots: readonly string[]
  /** The snapshots from whose directories it goes. */
  readonly directories: readonly string[]
  /** Commits that are written anew, each with all that rest on it. */
  readonly commits: number
  /** Where it is, or may be, besides; in words. */
  readonly unreached: readonly string[]
}

/** What a path names in a directory, unless a link leads out on the way there. */
const placeIn = (fs: FsPort, dir: string, path: string): string | undefined => {
  let at = dir
  for (const name of path.split('/')) {
    if (fs.lstat(at)?.isDirectory() !== true) return undefined
    at = join(at, name)
  }
  return fs.lstat(at) === undefined ? undefined : at
}

const pathOf = (given: string): string => {
  const path = given.replace(/\/+$/, '')
  if (isInside(path)) return path
  throw new StrataError('BAD_ARGUMENT', `${JSON.stringify(given)} is no path of the dataset`, {
    data: { path: given },
    hint: 'Give it relative to the data directory, with /, for example: strata forget data/secret.txt --dry-run',
  })
}

const REMOTE = /^\s*\[remote "(.*)"\]\s*$/gm

/** Refs that are not the store's own: a developer's branches and tags, what a repair kept under lost/. */
const othersRefs = ({ fs, paths }: Context, state: State): [string, Oid][] => {
  const own = refsOf(state)
  return [...new Map([...readPackedRefs(fs, paths.repository), ...readLooseRefs(fs, paths.repository)])].filter(
    ([name]) => !own.has(name) && !state.dropped.includes(name),
  )
}

const refsWith = (context: Context, repository: Repository, state: State, path: string): string[] =>
  othersRefs(context, state).flatMap(([name, oid]) => {
    if (!repository.isReadable(oid) || repository.read(oid).type !== 'commit') return []
    const has = holders(repository, oldestFirst(repository, [oid]), path).size > 0
    return has ? [`${name} of the repository has it; remove that with: git -C repo.git update-ref -d ${name}; then: strata gc`] : []
  })

/** Other names of the same content, in what the snapshots are now. */
const copiesOf = (repository: Repository, state: State, path: string): string[] => {
  const heads = Object.values(state.snapshots).map((s) => ({ id: s.id, files: repository.manifest(s.commit).files }))
  const isOurs = (file: string): boolean => isWithin(file, path)
  const contents = new Set(heads.flatMap(({ files }) => files.flatMap((f) => (isOurs(f.path) && f.size > 0 ? [f.oid] : []))))
  const others = new Set(heads.flatMap(({ files }) => files.flatMap((f) => (!isOurs(f.path) && contents.has(f.oid) ? [f.path] : []))))
  return [...others].sort().map((file) => `${file} has the same content; forget it too, if it is the same secret`)
}

const elsewhere = (context: Context, repository: Repository, state: State, path: string): string[] => {
  const { fs, paths } = context
  const remotes = [...(readText(fs, join(paths.repository, 'config')) ?? '').matchAll(REMOTE)].map(([, name = '']) => name)
  const { original } = state
  const isAside = fs.lstat(paths.quarantine) !== undefined && fs.readdir(paths.quarantine).length > 0
  return [
    ...copiesOf(repository, state, path),
    ...refsWith(context, repository, state, path),
    ...remotes.map((name) => `what was pushed to the remote ${name} has it still, and so has every clone of that`),
    ...(original !== null && placeIn(fs, original.path, path) !== undefined
      ? [`the original directory has it: ${join(original.path, path)}`]
      : []),
    ...(isAside ? [`quarantine/ was not looked through: ${paths.quarantine}`] : []),
    'what migrations made of it in other files stays, and so does its name in the journal',
    'copies of the store, and the disk itself, may keep the bytes for a while',
  ]
}

type Plan = Omit<Forgotten, 'applied'> & { readonly order: readonly Oid[]; readonly having: ReadonlySet<Oid> }

const planForget = (context: Context, repository: Repository, state: State, path: string): Plan => {
  const { fs, paths } = context
  // The journal's own branch holds lines, not files; branches of others are not ours to write.
  const roots = rootsOf(context, { ...state, journal: null })
  if (state.journal !== null) roots.delete(state.journal)
  for (const [, oid] of othersRefs(context, state)) roots.delete(oid)
  const order = oldestFirst(repository, [...roots, ...Object.values(state.snapshots).map((s) => s.commit)])
  const having = holders(repository, order, path)
  const resting = new Set(having)
  for (const oid of order) if (restsOn(repository, oid).some((named) => resting.has(named))) resting.add(oid)
  const all = Object.values(state.snapshots)
  return {
    path,
    order,
    having,
    commits: resting.size,
    snapshots: all.filter((s) => resting.has(s.commit)).map((s) => s.id),
    directories: all.filter((s) => placeIn(fs, paths.snapshot(s.id), path) !== undefined).map((s) => s.id),
    unreached: elsewhere(context, repository, state, path),
  }
}

const told = ({ order: _, having: __, ...plan }: Plan, applied: boolean): Forgotten => ({ applied, ...plan })

const requireSomething = (plan: Plan): void => {
  if (plan.having.size > 0 || plan.directories.length > 0) return
  throw new StrataError('ABSENT', `no snapshot has, or had, ${plan.path}`, {
    data: { file: plan.path },
    hint: 'Paths are relative to the data directory, with /. If it was forgotten before and its space is still taken: strata gc',
  })
}

/** What `forget` would do; reads only. Throws ABSENT, BAD_ARGUMENT. */
export const previewForget = (context: Context, given: string): Forgotten =>
  reading(context, (repository) => {
    const plan = planForget(context, repository, readState(context), pathOf(given))
    requireSomething(plan)
    return told(plan, false)
  })

/** Takes a path out of the snapshots' directories. What the indexes knew of the other files counts for the new commits. */
const erase = ({ fs, root, paths }: Context, state: State, path: string): void => {
  const was = state.forgetting.find((f) => f.path === path)?.was ?? {}
  for (const { id, commit } of Object.values(state.snapshots)) {
    const place = placeIn(fs, paths.snapshot(id), path)
    const index = readIndex(fs, paths.index(id), commit) ?? readIndex(fs, paths.index(id), was[id] ?? commit)
    if (place !== undefined) {
      removeTree(fs, place)
      fsyncDirectory(fs, dirname(place))
    }
    if (index !== undefined)
      writeIndex(fs, paths.index(id), {
        ...index,
        commit,
        entries: new Map([...index.entries].filter(([file]) => !isWithin(file, path))),
        directories: index.directories.filter((d) => !isWithin(d.path, path)),
      })
  }
  // Remembered results may hold it, or what was made of it.
  removeTree(fs, paths.memos)
  fsyncDirectory(fs, root)
}

/** The rest of a `forget`, once the journal has it: directories, and the journal's own copy in the repository. */
export const finishForgetting = (session: Session, path: string): void => {
  erase(session.context, session.state, path)
  // A journal that is rebuilt from the repository must know which commits stand for which.
  const { slice } = session.transact(() => undefined)
  session.commit({ type: 'note', event: { type: 'Erased', data: { path, slice } } })
}

const record = (session: Session, path: string, made: ReadonlyMap<Oid, Rewritten>): void => {
  const { context, state } = session
  const snapshots = Object.values(state.snapshots).flatMap((s) => {
    const now = made.get(s.commit)
    return now === undefined || now.manifest === null
      ? []
      : [{ snapshot: s.id, files: now.files, bytes: now.bytes, manifest: now.manifest }]
  })
  const commits = [...new Set([...rootsOf(context, state), ...state.cut])].flatMap((was) => {
    const is = made.get(was)?.commit
    return is === undefined ? [] : [{ was, is }]
  })
  session.commit({ type: 'note', event: { type: 'Forgotten', data: { path, snapshots, commits } } })
}

/** A branch that could not follow yet would keep what is to go. */
const requireFollowing = (session: Session): void => {
  const { fs, paths } = session.context
  session.project()
  if (!isLockedByGit(fs, join(paths.repository, 'packed-refs'))) return
  throw new StrataError('LOCKED', 'git is at work in the repository', {
    data: { file: 'repo.git/packed-refs.lock' },
    hint: 'Try again when it is done. Nothing was changed.',
  })
}

/**
 * Removes a file, or a folder with all in it, from every snapshot, directory and commit, and makes its space free: for what should
 * never have been captured. Nothing brings it back. Throws ABSENT, BAD_ARGUMENT, LOCKED; and NO_SPACE, when everything is done but
 * the space (then: `strata gc`).
 */
export const forget = async (session: Session, given: string): Promise<Forgotten> => {
  const path = pathOf(given)
  const { context, repository } = session
  requireSomething(planForget(context, repository, session.state, path))
  requireFollowing(session)
  // What else was written is committed first: without an index nobody could tell it from damage.
  await settle(
    session,
    Object.keys(session.state.snapshots).filter((id) => context.fs.lstat(context.paths.snapshot(id)) !== undefined),
    'before a file was forgotten',
  )
  const plan = planForget(context, repository, session.state, path)
  if (plan.having.size > 0) {
    record(session, path, rewriteWithout(repository, plan.order, plan.having, path))
    session.project()
  }
  finishForgetting(session, path)
  session.project()
  collectGarbage(session)
  return told(plan, true)
}
