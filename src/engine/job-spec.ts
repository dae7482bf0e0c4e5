import { StrataError } from '../core/errors.ts'
import type { ActivationReason, CarriedCounts, EventData, HoldCause, JobKind } from '../core/events.ts'
import type { Oid } from '../core/git-objects.ts'
import type { Issue } from '../core/issues.ts'
import type { FileEntry } from '../core/manifest.ts'
import type { Snapshot } from '../core/state.ts'
import type { Transaction } from '../storage/repository.ts'
import type { Checkpointed, KeptTrees } from './checkpoint.ts'
import type { BlobSink, Workers } from './pass.ts'
import type { Pool } from './pool.ts'
import type { ProgressSink } from './progress.ts'
import type { Session } from './session.ts'
import type { StageTarget, Staging } from './stage.ts'

/** A carry goes on from another snapshot than the one that is left. */
export type Onto = {
  readonly snapshot: Snapshot
  /** Its commit that holds the same data as what was left did, before it was written to. */
  readonly origin: Oid
  readonly files: ReadonlyMap<string, FileEntry>
  /** Its files at `origin` with what is carried alone; null where it has not been written to since. */
  readonly alone: (work: JobWork) => ReadonlyMap<string, FileEntry> | null
  readonly findings: () => Issue[]
}

/** One job: what to make, and how its staged directories are filled. */
export type JobSpec = {
  readonly kind: JobKind
  readonly reason: ActivationReason
  readonly from: Snapshot
  readonly base: number
  readonly positions: readonly number[]
  readonly toVersion: string
  readonly before: Checkpointed
  /** Snapshots besides the targets that the job makes (an adopted capture). */
  readonly announced?: readonly string[]
  readonly adopted?: EventData['Adopted']
  readonly onto?: Onto
  readonly hold?: HoldCause | null
  readonly carried?: () => CarriedCounts
  readonly fill: (work: JobWork) => Promise<void>
  /** Takes in late edits; without it the job starts over. `isCommitted`: they are read from the history, as they may have changed once more. */
  readonly catchUp?: (work: JobWork, changed: readonly string[], now: Checkpointed, isCommitted: boolean) => Promise<void>
}

export type JobWork = {
  readonly session: Session
  readonly staging: Staging
  readonly pool: Pool
  readonly transaction: Transaction
  readonly progress: ProgressSink
  readonly signal: AbortSignal | undefined
  readonly jobId: string
  readonly targets: readonly StageTarget[]
  readonly online: OnlineOptions | undefined
  /** Those of the source, from one round to the next. */
  readonly trees: KeptTrees
}

/**
 * A migration beside a running application: most of the work is done while it writes; then it is asked to pause, only what it
 * wrote last is done again, and the switch is made.
 */
export type OnlineOptions = {
  /** Asks the application to stop writing; what it gives back is called after the switch: the application opens the active directory. */
  readonly pause?: (() => Promise<(() => unknown) | undefined> | (() => unknown) | undefined) | undefined
  /** Without `pause`: for how long nothing may have been written before the switch, and how long to wait for such a moment. */
  readonly quietMs?: number
  readonly patienceMs?: number
}

export type JobOptions = {
  readonly jobId?: string
  readonly progress: ProgressSink
  readonly signal?: AbortSignal | undefined
  readonly online?: OnlineOptions | undefined
}

/** What the files of a job are worked at with; it ends where someone asked for that. */
export const workersOf = ({ pool, transaction, progress, signal }: JobWork, sink: BlobSink = transaction): Workers => ({
  pool,
  sink,
  progress: (...done) => {
    throwIfCancelled(signal)
    progress.advance(...done)
  },
})

/** The job starts over, a few times. */
export const stillWriting = (files: readonly string[]): StrataError =>
  new StrataError('UNSTABLE', `the application keeps writing: ${files.slice(0, 5).join(', ')}`, {
    data: { files },
    hint: 'Close the application, then migrate again.',
  })

export const throwIfCancelled = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted === true)
    throw new StrataError('CANCELLED', 'CANCELLED: stopped on request; the active snapshot is as it was', {
      hint: 'Start again at any time.',
    })
}
