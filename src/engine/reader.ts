import { fromSystem } from '../core/errors.ts'
import type { Comparison, Traced } from './compare.ts'
import { compareSnapshots, traceRecord } from './compare.ts'
import type { Context } from './context.ts'
import type { Diagnosis } from './diagnose.ts'
import { diagnose } from './diagnose.ts'
import type { Diff, FileVersion, HistoryEvent, HistoryOptions, SnapshotView } from './history.ts'
import { diffSnapshots, events, fileHistory, showFile, showSnapshot } from './history.ts'
import type { Overview } from './overview.ts'
import { overview, revision } from './overview.ts'
import { readActive, readCommitted } from './read-as.ts'
import type { RecordCount } from './record-counts.ts'
import { countRecords } from './record-counts.ts'

/** A system error that no layer below has named becomes a StrataError here. */
export const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    throw fromSystem(error)
  }
}

/** Reading is synchronous; a promise keeps errors where callers look for them. */
export const answered = <T>(read: () => T): Promise<T> => guarded(() => Promise.resolve(read()))

/** What can be asked of a store's snapshots and its history: nothing here writes, or waits for anyone. */
export class Reader {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  /** All that is true of the store now: the snapshots, jobs, and what is active. Reads the journal's last segment only. */
  overview(): Promise<Overview> {
    return answered(() => overview(this.#context))
  }

  /** Changes whenever the store does, whoever changes it; cheap enough to ask for twice a second. */
  revision(): string {
    return revision(this.#context)
  }

  /** What happened, oldest first; of one job, or the newest `limit` events. Throws NO_STORE, JOURNAL_CORRUPT, ABSENT, BAD_ARGUMENT. */
  history(jobId?: string, options: HistoryOptions = {}): Promise<HistoryEvent[]> {
    return answered(() => events(this.#context, jobId, options))
  }

  fileHistory(path: string): Promise<FileVersion[]> {
    return guarded(() => fileHistory(this.#context, path))
  }

  diff(a: string, b: string, path?: string): Promise<Diff> {
    return answered(() => diffSnapshots(this.#context, a, b, path))
  }

  /** The same by kind of file, record and field, summed up: what a migration did, or what was written since. */
  compare(a: string, b: string, path?: string): Promise<Comparison> {
    return answered(() => compareSnapshots(this.#context, a, b, path))
  }

  /** How many records each file has in two snapshots. Lets others have a turn between two files. */
  countRecords(a: string, b: string): Promise<RecordCount[]> {
    return guarded(() => countRecords(this.#context, a, b))
  }

  /** One record of a file (from 0; without a number what is around the records) after each step to a snapshot, oldest first. */
  trace(path: string, record?: number, snapshot?: string): Promise<Traced[]> {
    return answered(() => traceRecord(this.#context, path, record, snapshot))
  }

  /** A report for a maintainer, without any data of the user. Works on a damaged store as well. */
  diagnose(): Promise<Diagnosis> {
    return answered(() => diagnose(this.#context))
  }

  show(snapshot: string): Promise<SnapshotView> {
    return guarded(() => showSnapshot(this.#context, snapshot))
  }

  /**
   * A file in the form that schema version `as` gives it, by `migrate` or `rollback`, in memory: nothing is written. From the active
   * directory as it stands, or from a snapshot `of` any name as committed. Throws ABSENT, NEWER_SCHEMA, and what a migration throws.
   *
   *     const old = JSON.parse(Buffer.from(await app.read('config.json', { as: '1.0.0' })).toString())
   */
  read(path: string, { as, of }: { as: string; of?: string }): Promise<Uint8Array> {
    return answered(() => (of === undefined ? readActive(this.#context, path, as) : readCommitted(this.#context, of, path, as)))
  }

  /** A file's bytes in a snapshot, as committed. Throws ABSENT. */
  readFile(snapshot: string, path: string): Promise<Uint8Array> {
    return answered(() => showFile(this.#context, snapshot, path))
  }
}
