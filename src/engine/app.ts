import type { SchemaVersion } from '../core/chain.ts'
import type { Dataset } from '../core/dataset.ts'
import { StrataError, fromSystem, isStrataError, messageOf } from '../core/errors.ts'
import { schemaVersionOf } from '../core/manager.ts'
import { planMigration, summaryOf } from '../core/plan.ts'
import type { MigrationJob, MigrationStatus } from '../core/status.ts'
import { jobOf, statusOf } from '../core/status.ts'
import type { Adopted } from './adopt.ts'
import { adopt } from './adopt.ts'
import type { Context, ContextOptions } from './context.ts'
import { createContext } from './context.ts'
import { initFresh, initFrom, surveyCandidates } from './init.ts'
import type { JobOptions, OnlineOptions } from './job-spec.ts'
import type { ActiveCheckpoint } from './late.ts'
import { checkpointActive } from './late.ts'
import { loadDataset } from './load.ts'
import { migrate } from './migrate.ts'
import type { OriginalChange } from './original.ts'
import { compareOriginal } from './original.ts'
import { placeOf } from './place.ts'
import type { Preview } from './preview.ts'
import { previewPlan } from './preview.ts'
import type { ProgressSink } from './progress.ts'
import { readState, readView } from './read.ts'
import { mergePacks } from './gc.ts'
import { Keeper } from './keeper.ts'
import { answered, guarded } from './reader.ts'
import { recover } from './recover.ts'
import type { SwitchPreview, Switched } from './rollback.ts'
import { previewSwitch, redo, rollback } from './rollback.ts'
import type { Session } from './session.ts'
import { openSession } from './session.ts'
import type { StartOptions, Started } from './start.ts'
import { ambiguous, defaultLocations, start } from './start.ts'
import { Tracker } from './tracker.ts'
import type { MigrationProgress } from './tracker.ts'
import type { RepairReport } from './repair.ts'
import { planRepair, repairStore } from './repair.ts'
import type { WatchOptions, Watching } from './watch.ts'
import { watchStore } from './watch.ts'
import type { SampleReport, ValidationReport } from './verify.ts'
import { verifyActive, verifySample, verifyStore } from './verify.ts'
import { survey } from './survey.ts'
import { Repository } from '../storage/repository.ts'
import { releaseReserve } from '../storage/reserve.ts'

export type AppOptions = Omit<ContextOptions, 'dataset' | 'module'> & {
  /** Path of the module that exports the dataset as default: workers load it too. */
  migrations: string
}

/** What the views of one App share. */
type Running = { readonly tracker: Tracker; readonly jobs: Map<string, Promise<MigrationJob>>; readonly aborts: Set<AbortController> }

/**
 * A store, as an application sees it. Methods that write take the store's lock for as long as they run; those that read
 * never wait. Every error is a StrataError.
 *
 *     const app = await App.open({ store: dir, migrations: fileURLToPath(new URL('./migrations.js', import.meta.url)) })
 *     const { directory } = await app.start({ migrate: true, reads: ['2.2.0'] })
 */
export class App extends Keeper {
  readonly #context: Context
  readonly #tracker: Tracker
  readonly #jobs: Map<string, Promise<MigrationJob>>
  /** What `cancelMigration` stops: everything of this App that writes. */
  readonly #aborts: Set<AbortController>

  constructor(context: Context, running: Running = { tracker: new Tracker(context.now), jobs: new Map(), aborts: new Set() }) {
    super(context)
    this.#context = context
    this.#tracker = running.tracker
    this.#jobs = running.jobs
    this.#aborts = running.aborts
  }

  /** Loads the migrations; reads and writes nothing of the store yet. Throws BAD_CHAIN. */
  static async open(options: AppOptions): Promise<App> {
    const { migrations, ...rest } = options
    return new App(createContext({ ...rest, dataset: await loadDataset(migrations), module: migrations }))
  }

  /**
   * The same store, for one change that rests on what its caller has seen: `head` of an `overview`. Where the store has changed
   * since, the change throws STALE, and nothing happens.
   */
  expecting(head: string): App {
    return new App({ ...this.#context, expected: head }, { tracker: this.#tracker, jobs: this.#jobs, aborts: this.#aborts })
  }

  get dataset(): Dataset {
    return this.#context.dataset
  }

  /** The schema versions of the chain, oldest first. */
  get schemaVersions(): SchemaVersion[] {
    return this.dataset.chain.migrations.map(schemaVersionOf)
  }

  /** Start-up in one call: see `Started`. */
  start(options: StartOptions = {}): Promise<Started> {
    return guarded(() => this.#cancellable((signal) => start(this.#context, options, this.#jobOptions(signal))))
  }

  /** Makes the store from a directory (only read), from the only place that holds data, or fresh. Throws EXISTS, AMBIGUOUS, NO_DATA. */
  init(options: { from?: string } = {}): Promise<MigrationStatus> {
    return guarded(async () => {
      const { from } = options
      const found = from === undefined ? surveyCandidates(this.#context, defaultLocations(this.#context)) : [this.#surveyOf(from)]
      const [first] = found
      if (found.length > 1) throw ambiguous(found)
      await (first === undefined ? initFresh(this.#context) : initFrom(this.#context, first))
      return this.checkMigrationsNeeded()
    })
  }

  /** T022: what there is, and whether a newer schema version is waiting. Reads the journal's last segment only. */
  checkMigrationsNeeded(): Promise<MigrationStatus> {
    return answered(() => statusOf(readView(this.#context)?.state, summaryOf(this.dataset), placeOf(this.#context)))
  }

  /** What `startMigration` would do, and what is worth knowing before; writes nothing. `edited`: files that the checkpoint would take in first. */
  plan(to?: string): Promise<Preview & { original: readonly OriginalChange[] }> {
    return answered(() => {
      const original = this.#readableOriginal()
      return { ...previewPlan(this.#context, original, to), original }
    })
  }

  /**
   * T022: records a job and lets it run; resolves once it is recorded (`pending`), or at once when there is nothing to do
   * (`completed`). Follow it with `getMigrationStatus`, await it with `waitForJob`. With `online` the application goes on writing
   * meanwhile, and is asked to `pause` only for the switch.
   */
  async startMigration(options: { to?: string; online?: boolean | OnlineOptions } = {}): Promise<MigrationJob> {
    this.#requireKnown()
    const { online = false } = options
    const how = online === true ? {} : online === false ? undefined : online
    return this.#launch((session, job) => migrate(session, options.to, { ...job, online: how }))
  }

  /** T022: how far the running job is. Answers at once, from memory. */
  getMigrationStatus(): Promise<MigrationProgress> {
    return Promise.resolve(this.#tracker.progress)
  }

  /** Calls back whenever the running job's progress changes; returns what ends that. */
  onProgress(listener: (progress: MigrationProgress) => void): () => void {
    return this.#tracker.onChange(listener)
  }

  /**
   * The job at its end, completed or failed. Throws DURABILITY or CONFLICT where the journal could not take the failure, ABSENT for
   * a job that this App did not start and the journal does not know.
   */
  async waitForJob(id: string): Promise<MigrationJob> {
    const running = this.#jobs.get(id)
    if (running !== undefined) return running
    const job = readState(this.#context).jobs.find((j) => j.id === id)
    if (job === undefined) throw new StrataError('ABSENT', `there is no job ${id}`, { data: { id }, hint: 'See the jobs: strata history' })
    return jobOf(job, { directoryOf: this.#context.paths.snapshot })
  }

  /** Resolves when no migration that this App has started is under way. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#jobs.values())
  }

  /** Stops the running job before its switch; it ends as failed, with an error that begins CANCELLED. */
  cancelMigration(): void {
    for (const abort of this.#aborts) abort.abort()
  }

  /**
   * T022: goes back to what was active before a job (its id), before the step to a version, or, without a name, before the
   * last job. With `reads` and no name: to the nearest snapshot that an application of one of these schema versions can read, which
   * needs no migration code. What was written since comes along; where it cannot, it throws DATA_WRITTEN_SINCE, or NEEDS_NEWER_VERSION
   * where this chain does not know it, unless `exact`.
   */
  rollbackMigration(migrationID = '', options: { exact?: boolean; reads?: readonly string[] | undefined } = {}): Promise<Switched> {
    return this.#write(
      (session, signal) => rollback(session, { name: migrationID, reads: options.reads }, options.exact ?? false, this.#jobOptions(signal)),
      true,
    )
  }

  /** Returns to what the last rollback left; what was written since comes along. */
  redo(options: { exact?: boolean } = {}): Promise<Switched> {
    return this.#write((session, signal) => redo(session, options.exact ?? false, this.#jobOptions(signal)), true)
  }

  /** What a rollback or redo would do; writes nothing. */
  preview(kind: 'rollback' | 'redo', name?: string, { reads }: { reads?: readonly string[] | undefined } = {}): Promise<SwitchPreview> {
    return answered(() => {
      const repository = new Repository(this.#context.fs, this.#context.paths.repository)
      try {
        return previewSwitch({ context: this.#context, repository, state: readState(this.#context) }, kind, { name, reads })
      } finally {
        repository.close()
      }
    })
  }

  /** T022: reads and compares every byte of the active directory and the repository; changes nothing. */
  validateDataIntegrity(): Promise<ValidationReport> {
    return guarded(() => verifyStore(this.#context))
  }

  /** Like `validateDataIntegrity`, of the active directory alone. */
  verifyActive(): Promise<ValidationReport> {
    return guarded(() => verifyActive(this.#context))
  }

  /** Like `validateDataIntegrity`, of one of `of` parts; the journal remembers which, so that the next call takes the next. */
  verifySample(of: number): Promise<SampleReport> {
    return guarded(() => verifySample(this.#context, of))
  }

  /** Heals what is damaged from what is not; `dryRun` only says what that would be. Throws LOCKED, NO_STORE. */
  repair(options: { dryRun?: boolean } = {}): Promise<RepairReport> {
    return guarded(() => (options.dryRun === true ? planRepair(this.#context) : repairStore(this.#context)))
  }

  /** Commits what the application has written into the active directory. */
  async checkpoint(message = 'requested'): Promise<ActiveCheckpoint> {
    this.#requireKnown()
    return this.#write((session) => checkpointActive(session, message))
  }

  /**
   * Tells what happens to the store: another snapshot is active, files were written, a file of an older schema appeared. Commits what
   * was written where `checkpoints` says when. Ends with `close`. Throws NO_STORE.
   *
   *     const watching = await app.watch({ onEvent: (event) => console.log(event), checkpoints: { everyMs: 300_000 } })
   */
  async watch(options: WatchOptions): Promise<Watching> {
    return guarded(() => watchStore(this.#context, options, { checkpoint: (reason) => this.checkpoint(reason) }))
  }

  /** What has been written to the original directory since it was captured; reads only. */
  compareOriginal(): readonly OriginalChange[] {
    const repository = new Repository(this.#context.fs, this.#context.paths.repository)
    try {
      return compareOriginal(this.#context, readState(this.#context), repository)
    } finally {
      repository.close()
    }
  }

  /** Takes over what an old build has written to the original directory, as a job of its own. */
  async adopt(): Promise<Adopted> {
    this.#requireKnown()
    return this.#write((session, signal) => adopt(session, this.#jobOptions(signal)))
  }

  /** What has been written to the original; nothing where it cannot be read, which must not keep anyone from planning. */
  #readableOriginal(): readonly OriginalChange[] {
    try {
      return this.compareOriginal()
    } catch (error) {
      this.#context.log('warning', `the original directory cannot be compared: ${messageOf(error)}`)
      return []
    }
  }

  /** A store that a newer build has upgraded is not written. Throws NEWER_SCHEMA, BAD_CHAIN, NO_STORE. */
  #requireKnown(): void {
    try {
      planMigration(readState(this.#context), this.dataset.chain)
    } catch (error) {
      throw fromSystem(error)
    }
  }

  #surveyOf(dir: string) {
    const stat = this.#context.fs.lstat(dir)
    if (stat?.isDirectory() !== true)
      throw new StrataError('NO_DATA', `${dir} is not a directory`, {
        data: { path: dir },
        hint: 'Name the directory that holds the data.',
      })
    return survey(this.#context.fs, this.dataset, dir)
  }

  protected override inSession<T>(work: (session: Session, job: JobOptions) => Promise<T>): Promise<T> {
    this.#requireKnown()
    return this.#write((session, signal) => work(session, this.#jobOptions(signal)))
  }

  /** `mayUseReserve`: a switch must succeed on a full disk, too. */
  async #write<T>(work: (session: Session, signal: AbortSignal) => Promise<T>, mayUseReserve = false): Promise<T> {
    return this.#cancellable((signal) =>
      guarded(async () => {
        readState(this.#context)
        const session = await openSession(this.#context)
        try {
          if (mayUseReserve) releaseReserve(this.#context.fs, this.#context.paths.reserve, this.#context.root)
          recover(session)
          const result = await work(session, signal)
          mergePacks(session)
          return result
        } catch (error) {
          throw session.explain(error)
        } finally {
          await session.close()
        }
      }),
    )
  }

  async #cancellable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController()
    this.#aborts.add(abort)
    try {
      return await work(abort.signal)
    } finally {
      this.#aborts.delete(abort)
    }
  }

  #jobOptions(signal: AbortSignal, progress: ProgressSink = this.#tracker): JobOptions {
    return { progress, signal }
  }

  #launch(run: (session: Session, job: JobOptions) => Promise<{ jobId: string | null }>): Promise<MigrationJob> {
    return new Promise((resolve, reject) => {
      let recorded: string | null = null
      const onStarted = (id: string): void => {
        recorded = id
        // The session is opened asynchronously, so `settled` exists before a job can start.
        this.#jobs.set(id, settled)
        const job = this.#recorded(id)
        this.#tracker.job = job
        resolve({ ...job, status: 'pending' })
      }
      const ended = this.#write((session, signal) => run(session, this.#jobOptions(signal, this.#tracker.with(onStarted))))
      const settled: Promise<MigrationJob> = ended.then(
        ({ jobId }) => this.#ended(jobId ?? recorded),
        (error: unknown) => {
          if (recorded === null || !isStrataError(error)) throw error
          const job = this.#ended(recorded)
          if (job.status === 'failed') return job
          // The journal could not be written, or what failed came after the switch: it has no word of the failure.
          this.#tracker.ended({ ...job, status: 'failed', error: error.message })
          throw error
        },
      )
      settled.then(resolve, reject)
    })
  }

  #recorded(id: string): MigrationJob {
    const job = readState(this.#context).jobs.find((j) => j.id === id)
    if (job === undefined) throw new StrataError('ABSENT', `there is no job ${id}`)
    return jobOf(job, { directoryOf: this.#context.paths.snapshot })
  }

  #ended(id: string | null): MigrationJob {
    const status = statusOf(readState(this.#context), summaryOf(this.dataset), placeOf(this.#context))
    const job = id === null ? nothingDone(status, this.#context.now().toISOString()) : this.#recorded(id)
    this.#tracker.ended(job)
    return job
  }
}

/** There was nothing to migrate: a job that is complete without having been one. */
const nothingDone = (status: MigrationStatus, now: string): MigrationJob => ({
  id: '',
  fromVersion: status.currentVersion,
  toVersion: status.currentVersion,
  status: 'completed',
  startTime: now,
  endTime: now,
  filesProcessed: 0,
  filesTransformed: 0,
  filesRemembered: 0,
  totalFiles: 0,
  backupPath: '',
  error: '',
  errorCode: null,
  kind: 'migration',
  snapshot: status.snapshot,
  pausedMs: null,
})
