import { createHash } from 'node:crypto'
import { StrataError } from './errors.ts'
import { SHAPES, isEventData } from './event-shapes.ts'
import type { Oid } from './git-objects.ts'
import type { Issue } from './issues.ts'

/** Who wrote an event. */
export type Actor = { readonly app: string; readonly appVersion: string; readonly host: string; readonly pid: number }

export type ActivationReason = 'capture' | 'migration' | 'rollback' | 'redo' | 'restore' | 'carry' | 'adopt' | 'mend'
export type JobKind = 'migration' | 'adopt' | 'mend' | 'carry' | 'restore'

/** The snapshot that data was carried from, and the commit up to which. */
export type Carries = { readonly snapshot: string; readonly commit: Oid }
/** How much a switch brought along: files and records, and how often both sides had changed the same. */
export type CarriedCounts = { readonly files: number; readonly added: number; readonly removed: number; readonly clashes: number }

/** Which part of the journal a packed transaction carried into the branch strata/journal. */
export type Slice = { readonly commit: Oid; readonly upTo: number }

/** Why automatic migration stops, and the newest schema version there was then: a newer one ends the hold. */
export type HoldCause = { readonly reason: string; readonly newest: string }

export type PlannedStep = { readonly version: string; readonly snapshot: string }
export type SourceDirectory = { readonly path: string; readonly snapshot: string }

/** What an event says, by type. Facts only: ids, paths, counts, hashes; never a value of the user's data. */
export type EventData = {
  /** Kept by `prune` for as long as it is pinned, at the commit that it had then. */
  Pinned: { snapshot: string; commit: Oid; note: string }
  Unpinned: { snapshot: string }
  /** Directories that are removed; their snapshots are in the repository. */
  Evicted: { snapshots: string[] }
  /** The history ends at `cut`, whose parents are left out from now on; `snapshots` are no more. */
  Pruned: { snapshots: string[]; cut: Oid[] }
  /**
   * A file, or all in a folder, was taken out of every snapshot: what each of them is now, and which commit stands for which from
   * now on, of those that the state names.
   */
  Forgotten: {
    path: string
    snapshots: { snapshot: string; files: number; bytes: number; manifest: string }[]
    commits: { was: Oid; is: Oid }[]
  }
  /** It is in no directory any more, either. */
  Erased: { path: string; slice: Slice }
  /** Packs were rewritten, and what nothing leads to left out. */
  Compacted: { packsBefore: number; packsAfter: number; bytesBefore: number; bytesAfter: number; dropped: number }
  /** `announced`: the snapshot that the first capture is going to make. */
  StoreCreated: { storeId: string; format: 1; dataset: string; announced: string[] }
  /** `state` is the fold of everything before, by the reducer of that number (see state.ts). */
  SegmentOpened: { reducer: number; state: object | null }
  SnapshotCaptured: {
    snapshot: string
    schemaVersion: string
    commit: Oid
    files: number
    bytes: number
    manifest: string
    source: SourceDirectory | null
    readableBy: string[]
    findings: Issue[]
    slice: Slice | null
  }
  CheckpointTaken: {
    snapshot: string
    commit: Oid
    changed: number
    files: number
    bytes: number
    manifest: string
    reason: string
    findings: Issue[]
    slice: Slice
  }
  MigrationStarted: {
    kind: JobKind
    from: string
    fromCommit: Oid
    fromVersion: string
    toVersion: string
    steps: PlannedStep[]
    /** Snapshots that the job is going to make: what recovery may sweep up when it ends half-way. */
    announced: string[]
    files: number
  }
  StepCompleted: {
    version: string
    description: string
    changed: number
    created: number
    removed: number
    records: number
    issues: Issue[]
    /** How many files the job has worked out, and how many of its results an earlier run had left. */
    transformed?: number
    remembered?: number
  }
  SnapshotSealed: {
    snapshot: string
    schemaVersion: string
    commit: Oid
    from: string
    fromCommit: Oid
    /** It stands in the place of `from`, and has besides what was written in this snapshot. */
    carries?: Carries
    /** Of its bytes, those of files that `from` has at the same path, byte for byte. */
    shared?: number
    files: number
    bytes: number
    manifest: string
    readableBy: string[]
    findings: Issue[]
    slice: Slice | null
  }
  SnapshotVerified: { snapshot: string; commit: Oid; files: number; bytes: number }
  SnapshotActivated: {
    snapshot: string
    from: string | null
    reason: ActivationReason
    hold: HoldCause | null
    carried?: CarriedCounts
    pausedMs?: number
  }
  HoldLifted: { snapshot: string }
  MigrationFailed: { code: string; message: string; file: string | null; record: number | null; step: string | null }
  IntegrityChecked: { valid: boolean; filesChecked: number; errors: number; warnings: number; sample: { part: number; of: number } | null }
  CorruptionFound: { issues: Issue[] }
  Recovered: { actions: string[] }
  /** `lost`: what no copy was left of. */
  Repaired: { actions: string[]; lost: string[] }
  Adopted: { files: string[]; source: SourceDirectory }
  OriginalCompared: { path: string; findings: Issue[] }
}

export type EventType = keyof EventData

/** One fact. `seq` alone gives the order; `at` of its line is for people. */
export type StrataEvent = {
  [T in EventType]: { readonly seq: number; readonly id: string; readonly type: T; readonly jobId?: string; readonly data: EventData[T] }
}[EventType]

/** An event before the journal gives it its place. */
export type NewEvent = { [T in EventType]: { readonly type: T; readonly jobId?: string; readonly data: EventData[T] } }[EventType]

/** One append: one line of the journal. */
export type Line = {
  readonly v: 1
  readonly epoch: number
  readonly at: string
  readonly actor: Actor
  readonly events: readonly StrataEvent[]
  readonly prev: string
  readonly hash: string
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The hash that the first line of a store names as the one before it. */
export const genesis = (storeId: string): string => sha256(storeId)

/** The text of a line, without its line feed. `hash` is SHA-256 over the text from `{` up to, and without, `,"hash"`. */
export const encodeLine = (line: Omit<Line, 'hash'>): { text: string; hash: string } => {
  const { v, epoch, at, actor, events, prev } = line
  const body = JSON.stringify({ v, epoch, at, actor, events, prev }).slice(0, -1)
  const hash = sha256(body)
  return { text: `${body},"hash":"${hash}"}`, hash }
}

const HASH = /,"hash":"([0-9a-f]{64})"\}$/

// Every type of event has a shape that is checked.
SHAPES satisfies Readonly<Record<EventType, unknown>>

const isEvent = (value: unknown): value is StrataEvent => {
  const { seq, id, type, jobId, data }: Partial<Record<keyof StrataEvent, unknown>> = value ?? {}
  const isFramed =
    Number.isSafeInteger(seq) && Number(seq) > 0 && typeof id === 'string' && (jobId === undefined || typeof jobId === 'string')
  return isFramed && typeof type === 'string' && isEventData(type, data)
}

const isOrdered = (events: readonly unknown[]): boolean =>
  events.length > 0 && events.every((e, i) => isEvent(e) && (i === 0 || e.seq === (events[i - 1] as StrataEvent).seq + 1))

const isLine = (value: unknown): value is Line => {
  const { epoch, prev, at, actor, events }: Partial<Record<keyof Line, unknown>> = value ?? {}
  const isFramed = Number.isSafeInteger(epoch) && typeof prev === 'string' && typeof at === 'string' && actor instanceof Object
  return isFramed && Array.isArray(events) && isOrdered(events)
}

/** A line read back, or undefined when its bytes are not what its hash says. Throws NEWER_FORMAT for a line of a later version. */
export const decodeLine = (text: string): Line | undefined => {
  const hash = HASH.exec(text)
  if (sha256(text.slice(0, hash?.index)) !== hash?.[1]) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value === 'object' && value !== null && 'v' in value && typeof value.v === 'number' && value.v > 1)
    throw new StrataError('NEWER_FORMAT', `the journal has lines of version ${value.v}; this Strata knows version 1`, {
      hint: 'Use the newer version of the application. Nothing was changed.',
    })
  return isLine(value) ? value : undefined
}

export const lastSeq = (line: Line): number => line.events.at(-1)?.seq ?? 0
export const firstSeq = (line: Line): number => line.events[0]?.seq ?? 0
