import type { Carries, JobKind, PlannedStep, SourceDirectory } from './events.ts'
import type { Oid } from './git-objects.ts'
import type { Issue } from './issues.ts'
import type { Hold } from './pointer.ts'

export type Snapshot = {
  readonly id: string
  readonly schemaVersion: string
  /** Head of its branch: the sealed commit, or the latest checkpoint. */
  readonly commit: Oid
  /** What it was when it was captured or sealed. */
  readonly sealed: Oid
  /** The snapshot it was migrated from. */
  readonly from: string | null
  readonly fromCommit: Oid | null
  /** It stands in the place of `from`, and besides has what was written in this snapshot up to this commit. */
  readonly carries: Carries | null
  /** Of its bytes when it was sealed, those of files that `from` had at the same path, byte for byte. */
  readonly shared: number
  readonly job: string | null
  readonly files: number
  readonly bytes: number
  readonly manifest: string
  readonly readableBy: readonly string[]
  readonly createdAt: string
  readonly verifiedAt: string | null
  readonly verifiedCommit: Oid | null
  readonly findings: readonly Issue[]
}

export type Job = {
  readonly id: string
  readonly kind: JobKind
  readonly from: string
  readonly fromCommit: Oid
  readonly fromVersion: string
  readonly toVersion: string
  readonly steps: readonly PlannedStep[]
  readonly status: 'running' | 'completed' | 'failed'
  readonly startTime: string
  readonly endTime: string | null
  readonly files: number
  readonly filesProcessed: number
  /** Of those that were processed: worked out in this job, or known from an earlier one. */
  readonly filesTransformed: number
  readonly filesRemembered: number
  readonly error: string
  readonly errorCode: string | null
  /** How long the application had to wait for the switch; null where it was not running. */
  readonly pausedMs: number | null
}

/** A rollback that `redo` can return from. */
export type Undone = {
  readonly left: string
  readonly target: string
  /** What the target was then: if it has moved on, going back would hide something. */
  readonly commit: Oid
  readonly at: string
}

/** A directory that was left: an application may still hold a file of it open. `late`: how often what came after was carried over. */
export type Left = { readonly snapshot: string; readonly commit: Oid; readonly late: number }

/** A snapshot that `prune` keeps, as it was then. */
export type Pin = { readonly snapshot: string; readonly commit: Oid; readonly note: string; readonly at: string }

/** A path that is no longer in the history, and may still be in directories. `was`: the heads before, by snapshot. */
export type Forgetting = { readonly path: string; readonly was: Readonly<Record<string, Oid>> }

/** The fold of all events: the truth as plain data. */
export type State = {
  readonly storeId: string
  readonly dataset: string
  readonly seq: number
  /** The last seq at which what CURRENT says changed. */
  readonly pointerSeq: number
  readonly active: string | null
  readonly hold: (Hold & { readonly newest: string }) | null
  readonly snapshots: Readonly<Record<string, Snapshot>>
  readonly jobs: readonly Job[]
  readonly running: string | null
  /** Snapshots that someone set out to make; those without a snapshot of their name came to nothing, or are in the making. */
  readonly announced: readonly string[]
  readonly undone: readonly Undone[]
  /** The directories that were active last, each with the commit that the active one accounts for. */
  readonly left: readonly Left[]
  /** Attempts of one migration that failed in a row. */
  readonly failures: { readonly toVersion: string; readonly count: number; readonly message: string } | null
  readonly original: SourceDirectory | null
  readonly originalFindings: readonly Issue[]
  readonly journal: Oid | null
  readonly sliced: number
  readonly lastVerified: { readonly at: string; readonly valid: boolean } | null
  /** Which part of the store was checked last, of how many. */
  readonly sampled: { readonly part: number; readonly of: number } | null
  readonly pins: readonly Pin[]
  /** Commits that the history ends at: their parents are left out. */
  readonly cut: readonly Oid[]
  /** Refs of pins and snapshots that are no more. */
  readonly dropped: readonly string[]
  readonly forgetting: readonly Forgetting[]
  /** Types of events that this version does not know but must not write after. */
  readonly unknownCritical: readonly string[]
}

export const initialState: State = {
  storeId: '',
  dataset: '',
  seq: 0,
  pointerSeq: 0,
  active: null,
  hold: null,
  snapshots: {},
  jobs: [],
  running: null,
  announced: [],
  undone: [],
  left: [],
  failures: null,
  original: null,
  originalFindings: [],
  journal: null,
  sliced: 0,
  lastVerified: null,
  sampled: null,
  pins: [],
  cut: [],
  dropped: [],
  forgetting: [],
  unknownCritical: [],
}
