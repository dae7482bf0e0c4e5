import { readableBy, versionIndex } from '../core/chain.ts'
import { StrataError } from '../core/errors.ts'
import type { Carries, Line, NewEvent, StrataEvent } from '../core/events.ts'
import { encodeLine, firstSeq, genesis, lastSeq } from '../core/events.ts'
import type { Oid } from '../core/git-objects.ts'
import { isOid } from '../core/git-objects.ts'
import type { Pointer } from '../core/pointer.ts'
import type { State } from '../core/state.ts'
import { REDUCER, evolveLine, initialState } from '../core/state.ts'
import type { Piece, Salvaged } from '../storage/journal-salvage.ts'
import { readShallow } from '../storage/shallow.ts'
import { readLooseRefs, salvageRefs } from '../storage/refs.ts'
import type { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'
import type { FoundCommit } from './journal-copies.ts'
import { newestSlice } from './journal-copies.ts'

/**
 * Tells again what a journal has lost: lines that are whole behind a gap, snapshots that only their commits still know of, and
 * the activation that CURRENT names. Each lost event that nothing tells of leaves a `Recovered` in its place, so that no seq that
 * was ever given is given again.
 */

type Known = {
  readonly salvaged: Salvaged
  readonly commits: ReadonlyMap<Oid, FoundCommit>
  readonly pointer: Pointer | undefined
  readonly seen: number
}

/** The commits that branches lead to: a branch is written after the line that its commit rests on. */
const recorded = ({ fs, paths }: Context, { commits, pointer }: Known): FoundCommit[] => {
  const refs = [...salvageRefs(fs, paths.repository), ...readLooseRefs(fs, paths.repository)]
  const own = [...commits.values()].filter((c) => c.trailers.has('Strata-Snapshot'))
  const tips = refs.flatMap(([name, oid]) => (/^refs\/heads\/(?!strata\/|lost\/)/.test(name) ? [oid] : []))
  const queue = tips.length === 0 ? own.map((c) => c.oid) : tips
  queue.push(...own.filter((c) => c.trailers.get('Strata-Snapshot') === pointer?.snapshot).map((c) => c.oid))
  const reached = new Set<Oid>()
  for (let oid = queue.pop(); oid !== undefined; oid = queue.pop()) {
    if (reached.has(oid)) continue
    reached.add(oid)
    queue.push(...(commits.get(oid)?.parents ?? []))
  }
  return own.filter((c) => reached.has(c.oid))
}

const depthOf = (commit: FoundCommit, commits: ReadonlyMap<Oid, FoundCommit>): number => {
  let depth = 0
  for (let at: FoundCommit | undefined = commit; at?.parents[0] !== undefined; at = commits.get(at.parents[0])) depth += 1
  return depth
}

const commitsIn = (events: readonly StrataEvent[]): Oid[] =>
  events.flatMap((e) =>
    e.type === 'SnapshotCaptured' || e.type === 'SnapshotSealed' || e.type === 'CheckpointTaken' ? [e.data.commit] : [],
  )

type Size = { readonly files: number; readonly bytes: number }

const sizeOf = (repository: Repository, commit: Oid): Size => {
  try {
    const { files } = repository.manifest(commit)
    return { files: files.length, bytes: files.reduce((sum, f) => sum + f.size, 0) }
  } catch {
    return { files: 0, bytes: 0 }
  }
}

const carriesIn = (trailer: string): { carries?: Carries } => {
  const [snapshot, commit] = trailer.split(' ')
  return snapshot !== undefined && commit !== undefined && isOid(commit) ? { carries: { snapshot, commit } } : {}
}

/** The event that recorded a commit, from its trailers. */
const eventOf = (
  context: Context,
  repository: Repository,
  commit: FoundCommit,
  known: Known,
  isKnown: (snapshot: string) => boolean,
): NewEvent => {
  const { chain } = context.dataset
  const text = (key: string): string => commit.trailers.get(key) ?? ''
  const [snapshot, schemaVersion, manifest] = [text('Strata-Snapshot'), text('Schema-Version'), text('Manifest-Sha256')]
  const position = versionIndex(chain, schemaVersion)
  // Lines that the newest slice has are never lost: whatever is told here comes after them.
  const slice = newestSlice(known.commits.values())
  const shared = { snapshot, commit: commit.oid, manifest, findings: [], ...sizeOf(repository, commit.oid) }
  const readable = position < 0 ? [schemaVersion] : readableBy(chain, position)
  const [parent] = commit.parents
  // A checkpoint that the history was cut at has none either.
  const isCheckpoint = commit.message.startsWith('Checkpoint ') && isKnown(snapshot)
  if (parent === undefined && !isCheckpoint)
    return { type: 'SnapshotCaptured', data: { ...shared, schemaVersion, source: null, readableBy: readable, slice } }
  if (commit.trailers.has('Migration') && parent !== undefined) {
    const from = known.commits.get(parent)?.trailers.get('Strata-Snapshot') ?? ''
    const carries = carriesIn(text('Carries'))
    const data = { ...shared, schemaVersion, from, fromCommit: parent, ...carries, readableBy: readable, slice }
    return { type: 'SnapshotSealed', jobId: text('Job'), data }
  }
  const reason = /^Checkpoint [^:]*: (.*)/.exec(commit.message)?.[1] ?? 'recovered'
  return { type: 'CheckpointTaken', data: { ...shared, changed: 0, reason, slice: slice ?? { commit: commit.oid, upTo: 0 } } }
}

/** Builds lines one after another, each event with the next seq. */
class Teller {
  readonly lines: Piece[] = []
  state: State
  #prev: string
  readonly #context: Context
  readonly #epoch: number

  constructor(context: Context, state: State, prev: string, epoch: number) {
    this.#context = context
    this.state = state
    this.#prev = prev
    this.#epoch = epoch
  }

  get next(): number {
    return this.state.seq + 1
  }

  tell(events: readonly NewEvent[], as: Pick<Line, 'at' | 'actor'> | null = null, ids: readonly string[] = []): void {
    if (events.length === 0) return
    const { actor, now, id } = this.#context
    const placed = events.map((event, i) => ({ seq: this.next + i, id: ids[i] ?? id(), ...event }))
    const body = {
      v: 1 as const,
      epoch: this.#epoch,
      at: as?.at ?? now().toISOString(),
      actor: as?.actor ?? actor,
      events: placed,
      prev: this.#prev,
    }
    const { text, hash } = encodeLine(body)
    this.lines.push({ line: { ...body, hash }, text })
    this.#prev = hash
    this.state = evolveLine(this.state, body)
  }

  /** Leaves a mark for each lost event before `seq`. */
  fillTo(seq: number): void {
    const count = Math.min(seq - this.next, MOST_FILLED)
    const lost = Array.from(
      { length: Math.max(0, count) },
      (_, i): NewEvent => ({ type: 'Recovered', data: { actions: [`event ${this.next + i} is lost`] } }),
    )
    this.tell(lost)
  }
}

/** More are not told one by one. */
const MOST_FILLED = 100_000

/** The same events without their places; the state that a segment began with would be out of place. */
const unplaced = (events: readonly StrataEvent[]): NewEvent[] =>
  events.map(({ seq: _, id: __, ...event }): NewEvent => {
    if (event.type === 'SegmentOpened') return { type: 'Recovered', data: { actions: ['a segment began here'] } }
    // Without seq and id, a StrataEvent is the NewEvent of its type.
    return event
  })

/** What CURRENT says, if the events do not: the switch was durable before CURRENT was written. */
const activationOf = (state: State, pointer: Pointer | undefined): NewEvent[] => {
  if (pointer === undefined || pointer.seq <= state.pointerSeq || state.snapshots[pointer.snapshot] === undefined) return []
  if (state.active === pointer.snapshot && (state.hold === null) === (pointer.hold === null)) return []
  const hold = pointer.hold === null ? null : { reason: pointer.hold.reason, newest: '' }
  const job = state.snapshots[pointer.snapshot]?.job ?? undefined
  const finishes = job !== undefined && job === state.running
  const reason = hold !== null ? ('rollback' as const) : finishes ? ('migration' as const) : ('restore' as const)
  const event: NewEvent = {
    type: 'SnapshotActivated',
    ...(finishes ? { jobId: job } : {}),
    data: { snapshot: pointer.snapshot, from: state.active, reason, hold },
  }
  return [event]
}

/** What git's own file says of the end of the history, if the events do not: snapshots before it are no more. */
const prunedOf = ({ fs, paths }: Context, repository: Repository, state: State): NewEvent[] => {
  const cut = [...readShallow(fs, paths.repository)].filter((oid) => repository.isReadable(oid)).sort()
  if (cut.every((oid) => state.cut.includes(oid)) && cut.length === state.cut.length) return []
  const gone = Object.values(state.snapshots).filter((s) => s.id !== state.active && !repository.isReadable(s.commit))
  return [{ type: 'Pruned', data: { snapshots: gone.map((s) => s.id), cut } }]
}

/** A pin has a ref of its own. */
const pinsOf = ({ fs, paths }: Context, state: State): NewEvent[] =>
  [...salvageRefs(fs, paths.repository)].flatMap(([ref, commit]): NewEvent[] => {
    const snapshot = ref.replace(/^refs\/pins\//, '')
    const isNew = snapshot !== ref && state.snapshots[snapshot] !== undefined && !state.pins.some((pin) => pin.snapshot === snapshot)
    return isNew ? [{ type: 'Pinned', data: { snapshot, commit, note: '' } }] : []
  })

const firstEvents = (context: Context, { pointer, commits }: Known): NewEvent[] => {
  const storeId = pointer?.storeId ?? context.id() + context.id()
  if (pointer === undefined && commits.size === 0)
    throw new StrataError('JOURNAL_CORRUPT', 'nothing is left that the journal could be rebuilt from', {
      data: { file: 'journal' },
      hint: 'The data may still be below snapshots/. Make a new store from it: strata --store OTHER init --from DIR',
    })
  return [
    { type: 'StoreCreated', data: { storeId, format: 1, dataset: context.dataset.name, announced: [] } },
    { type: 'SegmentOpened', data: { reducer: REDUCER, state: null } },
  ]
}

export type Retold = { readonly lines: readonly Piece[]; readonly state: State; readonly events: number; readonly lost: number }

/** The lines that follow what was kept. `epoch` is above every other. */
export const retell = (context: Context, repository: Repository, known: Known, epoch: number): Retold => {
  const { salvaged, commits, pointer, seen } = known
  const { kept, later } = salvaged
  const before = kept.reduce((state, { line }) => evolveLine(state, line), initialState)
  const first = kept.length === 0 ? firstEvents(context, known) : []
  const created = first[0]?.type === 'StoreCreated' ? genesis(first[0].data.storeId) : ''
  const teller = new Teller(context, before, kept.at(-1)?.line.hash ?? created, epoch)
  if (first.length > 0) teller.tell(first)
  else teller.tell([{ type: 'SegmentOpened', data: { reducer: REDUCER, state: before } }])
  const told = new Set(commitsIn([...kept, ...later.flat()].flatMap(({ line }) => [...line.events])))
  const runs = [kept, ...later].flatMap((run) => {
    const [start, end] = [run[0], run.at(-1)]
    return start === undefined || end === undefined ? [] : [{ first: firstSeq(start.line), last: lastSeq(end.line) }]
  })
  // What was written anew by a `forget` has another id than the event of its number says, and is no other fact.
  const isTold = (seq: number): boolean => runs.some(({ first: from, last }) => from <= seq && seq <= last)
  let facts = recorded(context, known)
    .filter((c) => !told.has(c.oid))
    .map((commit) => ({ commit, seq: Number(commit.trailers.get('Strata-Seq')), depth: depthOf(commit, commits) }))
    .filter(({ seq }) => !isTold(seq))
    .sort((a, b) => a.seq - b.seq || a.depth - b.depth)
  const tellFacts = (until: number): void => {
    const due = facts.filter((f) => f.seq < until)
    facts = facts.filter((f) => f.seq >= until)
    teller.tell(due.map(({ commit }) => eventOf(context, repository, commit, known, (id) => teller.state.snapshots[id] !== undefined)))
  }
  for (const run of later) {
    const [start] = run
    if (start === undefined) continue
    tellFacts(firstSeq(start.line))
    teller.fillTo(firstSeq(start.line))
    for (const { line } of run) {
      const ids = line.events.map((e) => e.id)
      teller.tell(unplaced(line.events), line, ids)
    }
  }
  tellFacts(Number.POSITIVE_INFINITY)
  teller.tell(prunedOf(context, repository, teller.state))
  teller.tell(pinsOf(context, teller.state))
  teller.tell(activationOf(teller.state, pointer))
  teller.fillTo(seen + 1)
  const lost = teller.lines
    .flatMap(({ line }) => [...line.events])
    .filter((e) => e.type === 'Recovered' && e.data.actions[0] === `event ${e.seq} is lost`)
  return { lines: teller.lines, state: teller.state, events: lastSeq(teller.lines.at(-1)?.line ?? EMPTY) - before.seq, lost: lost.length }
}

const EMPTY: Line = { v: 1, epoch: 0, at: '', actor: { app: '', appVersion: '', host: '', pid: 0 }, events: [], prev: '', hash: '' }
