import type { ActivationReason, Line, StrataEvent } from './events.ts'
import type { Oid } from './git-objects.ts'
import type { Pointer } from './pointer.ts'
import type { Job, Left, Snapshot, State, Undone } from './state-shape.ts'

export type * from './state-shape.ts'
export { initialState } from './state-shape.ts'

/** Bumped when `evolve` folds differently: a segment's saved state of another reducer is not used. */
export const REDUCER = 6
const JOBS_KEPT = 50
const LEFT_KEPT = 4
/** How many ids that came to nothing are remembered: who set out to make them may be at it where the lock does not reach. */
const ANNOUNCED_KEPT = 16
/** How many refs that are to be removed are remembered: a process that was killed may not have come to it. */
const DROPPED_KEPT = 64

const putSnapshot = (state: State, snapshot: Snapshot): State => ({ ...state, snapshots: { ...state.snapshots, [snapshot.id]: snapshot } })

const changeSnapshot = (state: State, id: string, change: Partial<Snapshot>): State => {
  const found = state.snapshots[id]
  return found === undefined ? state : putSnapshot(state, { ...found, ...change })
}

const putJob = (state: State, job: Job): State => ({
  ...state,
  jobs: [...state.jobs.filter((j) => j.id !== job.id), job].slice(-JOBS_KEPT),
})

const changeJob = (state: State, id: string | undefined, change: Partial<Job>): State => {
  const found = state.jobs.find((j) => j.id === id)
  return found === undefined ? state : putJob(state, { ...found, ...change })
}

const taken = (state: State, data: { slice: { commit: Oid; upTo: number } | null }): State =>
  data.slice === null ? state : { ...state, journal: data.slice.commit, sliced: data.slice.upTo }

type Of<T extends StrataEvent['type']> = Extract<StrataEvent, { type: T }>

const captured = (state: State, { data }: Of<'SnapshotCaptured'>, at: string): State => {
  const { snapshot: id, source, slice, ...rest } = data
  const made = putSnapshot(state, {
    ...rest,
    id,
    sealed: data.commit,
    from: null,
    fromCommit: null,
    carries: null,
    shared: 0,
    job: null,
    createdAt: at,
    verifiedAt: null,
    verifiedCommit: null,
  })
  return taken({ ...made, original: source ?? state.original }, { slice })
}

const checkpointed = (state: State, { data }: Of<'CheckpointTaken'>): State => {
  const { snapshot, commit, files, bytes, manifest, findings } = data
  return taken(changeSnapshot(state, snapshot, { commit, files, bytes, manifest, findings }), data)
}

const started = (state: State, { data, jobId = '' }: Of<'MigrationStarted'>, at: string): State => {
  const { announced, ...plan } = data
  const counts = { filesProcessed: 0, filesTransformed: 0, filesRemembered: 0 }
  const open = { endTime: null, error: '', errorCode: null, pausedMs: null }
  const job: Job = { ...plan, id: jobId, status: 'running', startTime: at, ...counts, ...open }
  const before = state.announced.filter((id) => state.snapshots[id] === undefined).slice(-ANNOUNCED_KEPT)
  return { ...putJob(state, job), running: jobId, announced: [...before, ...announced] }
}

const sealed = (state: State, { data, jobId }: Of<'SnapshotSealed'>, at: string): State => {
  const { snapshot: id, slice, carries = null, shared = 0, ...rest } = data
  return taken(
    putSnapshot(state, {
      ...rest,
      id,
      carries,
      shared,
      sealed: data.commit,
      job: jobId ?? null,
      createdAt: at,
      verifiedAt: null,
      verifiedCommit: null,
    }),
    { slice },
  )
}

/** Only a rollback holds; and only it can be undone. Anything else that activates starts afresh. */
const undoneAfter = (state: State, reason: ActivationReason, left: string | null, target: string, at: string): readonly Undone[] => {
  const commit = state.snapshots[target]?.commit
  if (reason === 'rollback' && left !== null && commit !== undefined) return [...state.undone, { left, target, commit, at }]
  if (reason === 'carry') return state.undone
  return reason === 'redo' ? state.undone.slice(0, -1) : []
}

/** What was left, and how much of it is in what is active now. */
const leftAfter = (state: State, from: string | null, active: Snapshot | undefined, reason: ActivationReason): readonly Left[] => {
  const { carries = null, from: before = null } = active ?? {}
  const known = state.left.filter((l) => l.snapshot !== active?.id && l.snapshot !== from)
  const commitOf = (id: string): Oid | undefined => {
    if (id === carries?.snapshot) return carries.commit
    // A carry has what its own predecessor had, to its head.
    return carries !== null && id === before ? state.snapshots[id]?.commit : undefined
  }
  const seen = known.map((l) => {
    const commit = commitOf(l.snapshot)
    return commit === undefined ? l : { ...l, commit, late: reason === 'carry' && l.snapshot === carries?.snapshot ? l.late + 1 : l.late }
  })
  const left = from === null || from === active?.id ? undefined : state.snapshots[from]
  return [...seen, ...(left === undefined ? [] : [{ snapshot: left.id, commit: left.commit, late: 0 }])].slice(-LEFT_KEPT)
}

/** A job whose end says nothing about the migrations. */
const isNoMigration = (job: Job | undefined): boolean => job?.kind === 'carry' || job?.kind === 'restore'

const activated = (state: State, { data, jobId, seq }: Of<'SnapshotActivated'>, at: string): State => {
  const { snapshot, from, reason, hold, pausedMs = null } = data
  const undone = undoneAfter(state, reason, from, snapshot, at)
  const next: State = {
    ...state,
    active: snapshot,
    undone,
    left: leftAfter(state, from, state.snapshots[snapshot], reason),
    hold: hold === null ? null : { since: at, ...hold },
    pointerSeq: seq,
  }
  if (jobId === undefined) return next
  const job = state.jobs.find((j) => j.id === jobId)
  const done = changeJob(next, jobId, { status: 'completed', endTime: at, filesProcessed: job?.files ?? 0, pausedMs })
  return { ...done, running: null, failures: isNoMigration(job) ? state.failures : null }
}

const failed = (state: State, { data, jobId }: Of<'MigrationFailed'>, at: string): State => {
  const job = state.jobs.find((j) => j.id === jobId)
  const toVersion = job?.toVersion ?? ''
  const count = (state.failures?.toVersion === toVersion ? state.failures.count : 0) + 1
  const next = changeJob(state, jobId, { status: 'failed', endTime: at, error: data.message, errorCode: data.code })
  // A job that was cancelled or disturbed, or that only carried, says nothing about the migration, so it does not count towards giving up.
  const counts = data.code !== 'CANCELLED' && data.code !== 'UNSTABLE' && !isNoMigration(job)
  return { ...next, running: null, failures: counts ? { toVersion, count, message: data.message } : state.failures }
}

/** The counts are the job's; each of its steps says them. */
const stepped = (state: State, { data, jobId }: Of<'StepCompleted'>): State =>
  jobId === undefined ? state : changeJob(state, jobId, { filesTransformed: data.transformed ?? 0, filesRemembered: data.remembered ?? 0 })

const pinRef = (snapshot: string): string => `refs/pins/${snapshot}`

const drop = (state: State, refs: readonly string[]): State => ({ ...state, dropped: [...state.dropped, ...refs].slice(-DROPPED_KEPT) })

const pinned = (state: State, { data }: Of<'Pinned'>, at: string): State => ({
  ...state,
  pins: [...state.pins.filter((pin) => pin.snapshot !== data.snapshot), { ...data, at }],
  dropped: state.dropped.filter((ref) => ref !== pinRef(data.snapshot)),
})

const unpinned = (state: State, { data }: Of<'Unpinned'>): State =>
  drop({ ...state, pins: state.pins.filter((pin) => pin.snapshot !== data.snapshot) }, [pinRef(data.snapshot)])

const pruned = (state: State, { data }: Of<'Pruned'>): State => {
  const gone = new Set(data.snapshots)
  const snapshots = Object.fromEntries(Object.entries(state.snapshots).filter(([id]) => !gone.has(id)))
  const left = state.left.filter((l) => !gone.has(l.snapshot))
  return drop(
    { ...state, snapshots, left, cut: data.cut },
    data.snapshots.map((id) => `refs/heads/${id}`),
  )
}

/** Whether a file is what a path names, or lies in it. */
export const isWithin = (file: string, path: string): boolean => file === path || file.startsWith(`${path}/`)

/** Commits without the path stand for those that had it, wherever the state names one. */
const forgotten = (state: State, { data }: Of<'Forgotten'>): State => {
  const now = new Map(data.commits.map(({ was, is }) => [was, is]))
  const contents = new Map(data.snapshots.map(({ snapshot, ...content }) => [snapshot, content]))
  const of = (oid: Oid): Oid => now.get(oid) ?? oid
  const orNull = (oid: Oid | null): Oid | null => (oid === null ? null : of(oid))
  const renewed = Object.values(state.snapshots).map(
    (s): Snapshot => ({
      ...s,
      ...contents.get(s.id),
      commit: of(s.commit),
      sealed: of(s.sealed),
      fromCommit: orNull(s.fromCommit),
      verifiedCommit: orNull(s.verifiedCommit),
      carries: s.carries === null ? null : { ...s.carries, commit: of(s.carries.commit) },
      findings: s.findings.filter((f) => f.file === null || !isWithin(f.file, data.path)),
    }),
  )
  const heads = Object.fromEntries(Object.values(state.snapshots).map((s) => [s.id, s.commit]))
  const placed = <T extends { readonly commit: Oid }>(items: readonly T[]): T[] =>
    items.map((item) => ({ ...item, commit: of(item.commit) }))
  return {
    ...state,
    snapshots: Object.fromEntries(renewed.map((s) => [s.id, s])),
    left: placed(state.left),
    undone: placed(state.undone),
    pins: placed(state.pins),
    // A commit that was made anew has no parents to leave out.
    cut: state.cut.filter((oid) => !now.has(oid)),
    forgetting: [...state.forgetting, { path: data.path, was: heads }],
  }
}

const erased = (state: State, { data }: Of<'Erased'>): State =>
  taken({ ...state, forgetting: state.forgetting.filter(({ path }) => path !== data.path) }, data)

const unknown = (state: State, event: { type: string; data: unknown }): State => {
  const critical = typeof event.data === 'object' && event.data !== null && 'critical' in event.data && event.data.critical === true
  return critical ? { ...state, unknownCritical: [...state.unknownCritical, event.type] } : state
}

/** Events that change nothing but the count of events: facts for people. */
const TOLD: readonly string[] = ['SegmentOpened', 'CorruptionFound', 'Recovered', 'Repaired', 'Evicted', 'Compacted']

const foldKept = (state: State, event: StrataEvent, at: string): State => {
  switch (event.type) {
    case 'Pinned':
      return pinned(state, event, at)
    case 'Unpinned':
      return unpinned(state, event)
    case 'Pruned':
      return pruned(state, event)
    case 'Forgotten':
      return forgotten(state, event)
    case 'Erased':
      return erased(state, event)
    default:
      return TOLD.includes(event.type) ? state : unknown(state, event)
  }
}

const foldJob = (state: State, event: StrataEvent, at: string): State => {
  switch (event.type) {
    case 'MigrationStarted':
      return started(state, event, at)
    case 'StepCompleted':
      return stepped(state, event)
    case 'SnapshotSealed':
      return sealed(state, event, at)
    case 'SnapshotActivated':
      return activated(state, event, at)
    case 'MigrationFailed':
      return failed(state, event, at)
    case 'Adopted':
      return { ...state, original: event.data.source, originalFindings: [] }
    default:
      return foldKept(state, event, at)
  }
}

const fold = (state: State, event: StrataEvent, at: string): State => {
  switch (event.type) {
    case 'StoreCreated':
      return { ...state, storeId: event.data.storeId, dataset: event.data.dataset, announced: event.data.announced }
    case 'SnapshotCaptured':
      return captured(state, event, at)
    case 'CheckpointTaken':
      return checkpointed(state, event)
    case 'SnapshotVerified':
      return changeSnapshot(state, event.data.snapshot, { verifiedAt: at, verifiedCommit: event.data.commit })
    case 'HoldLifted':
      return { ...state, hold: null, pointerSeq: event.seq }
    case 'IntegrityChecked':
      return { ...state, lastVerified: { at, valid: event.data.valid }, sampled: event.data.sample }
    case 'OriginalCompared':
      return { ...state, originalFindings: event.data.findings }
    default:
      return foldJob(state, event, at)
  }
}

/** The state after one event. Pure: replaying any prefix of the journal gives the state as it was then. */
export const evolve = (state: State, event: StrataEvent, at: string): State => ({ ...fold(state, event, at), seq: event.seq })

export const evolveLine = (state: State, line: Pick<Line, 'events' | 'at'>): State =>
  line.events.reduce((s, e) => evolve(s, e, line.at), state)

/** What CURRENT should say; undefined before anything is active. */
export const pointerOf = (state: State): Pointer | undefined => {
  const active = state.active === null ? undefined : state.snapshots[state.active]
  if (active === undefined) return undefined
  const { id, schemaVersion, readableBy } = active
  const hold = state.hold === null ? null : { since: state.hold.since, reason: state.hold.reason }
  return {
    format: 1,
    storeId: state.storeId,
    seq: state.pointerSeq,
    snapshot: id,
    directory: `snapshots/${id}`,
    schemaVersion,
    readableBy,
    hold,
  }
}

/** Every ref that should exist: a branch for each snapshot, one for each pin, and the journal's. */
export const refsOf = (state: State): Map<string, Oid> => {
  const refs = new Map<string, Oid>(Object.values(state.snapshots).map((s) => [`refs/heads/${s.id}`, s.commit]))
  for (const pin of state.pins) refs.set(pinRef(pin.snapshot), pin.commit)
  if (state.journal !== null) refs.set('refs/heads/strata/journal', state.journal)
  return refs
}

export const activeSnapshot = (state: State): Snapshot | undefined => (state.active === null ? undefined : state.snapshots[state.active])

/** A snapshot, and those whose place it has taken by carrying data there, back to the one that a migration or a capture made. */
export const chainOf = (state: State, snapshot: Snapshot): Snapshot[] => {
  const found: Snapshot[] = []
  for (let at: Snapshot | undefined = snapshot; at !== undefined && !found.includes(at); ) {
    found.push(at)
    at = at.carries === null ? undefined : state.snapshots[at.from ?? '']
  }
  return found
}

/** What was active before the job that made `snapshot`, also when the job itself is no longer kept. */
export const beforeJob = (state: State, active: Snapshot): string | null => {
  const snapshot = chainOf(state, active).at(-1) ?? active
  const job = state.jobs.find((j) => j.id === snapshot.job)
  if (job !== undefined) return job.from
  let at = snapshot
  const seen = new Set<string>()
  for (let next = at; at.job !== null && next.job === at.job && !seen.has(next.id); ) {
    at = next
    seen.add(at.id)
    next = state.snapshots[at.from ?? ''] ?? { ...at, job: null }
  }
  return at.from
}

/** The active snapshot and those it was made from, newest first. */
export const lineage = (state: State): Snapshot[] => {
  const found: Snapshot[] = []
  // A forged journal may lead in a circle.
  const next = ({ from }: Snapshot): Snapshot | undefined => (from === null ? undefined : state.snapshots[from])
  for (let at = activeSnapshot(state); at !== undefined && !found.includes(at); at = next(at)) found.push(at)
  return found
}

/** All snapshots, by the time they were made. */
export const newestFirst = (state: State): Snapshot[] =>
  Object.values(state.snapshots).sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : a.id < b.id ? 1 : -1))
