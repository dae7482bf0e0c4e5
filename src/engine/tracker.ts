import type { MigrationJob } from '../core/status.ts'
import type { Phase, ProgressSink } from './progress.ts'

/** T022's MigrationProgress. Counts are of what is done; `safeToClose`: nothing is lost by ending the process now. */
export type MigrationProgress = {
  job: MigrationJob | null
  phase: Phase
  step: { index: number; total: number; version: string; description: string } | null
  filesDone: number
  /** Of those that are done: taken from an earlier run of the same steps. */
  filesRemembered: number
  filesTotal: number
  bytesDone: number
  bytesTotal: number
  recordsDone: number
  currentFile: string | null
  elapsedSeconds: number
  remainingSeconds: number | null
  safeToClose: boolean
  cancellable: boolean
  updatedAt: string
}

type Step = { readonly version: string; readonly description: string }

/** Keeps count of the job that this process runs. */
export class Tracker implements ProgressSink {
  job: MigrationJob | null = null
  readonly #now: () => Date
  readonly #listeners = new Set<(progress: MigrationProgress) => void>()
  #phase: Phase = 'idle'
  #steps: readonly Step[] = []
  #files = { done: 0, total: 0 }
  #bytes = { done: 0, total: 0 }
  #records = 0
  #remembered = 0
  #current: string | null = null
  #began = 0
  #migrating = 0
  #updated = 0

  constructor(now: () => Date) {
    this.#now = now
    this.#updated = now().getTime()
  }

  onChange(listener: (progress: MigrationProgress) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The same sink, telling one caller when its job is recorded. */
  with(onStarted: (jobId: string) => void): ProgressSink {
    return {
      started: onStarted,
      phase: (phase) => {
        this.phase(phase)
      },
      totals: (files, bytes, steps) => {
        this.totals(files, bytes, steps)
      },
      advance: (...done) => {
        this.advance(...done)
      },
    }
  }

  started(): void {
    this.#touch()
  }

  phase(phase: Phase): void {
    if (phase === 'backup') this.#reset()
    if (phase === 'migrating') this.#migrating = this.#now().getTime()
    this.#phase = phase
    this.#current = null
    this.#touch()
  }

  totals(files: number, bytes: number, steps: readonly Step[]): void {
    this.#files = { done: 0, total: files }
    this.#bytes = { done: 0, total: bytes }
    this.#steps = steps
    this.#touch()
  }

  /** Files that changed meanwhile are done again: the totals grow with them. */
  advance(files: number, bytes: number, records: number, current: string | null, remembered = 0): void {
    this.#remembered += remembered
    this.#files = grow(this.#files, files)
    this.#bytes = grow(this.#bytes, bytes)
    this.#records += records
    this.#current = current
    this.#touch()
  }

  ended(job: MigrationJob): void {
    this.job = job
    this.#phase = 'done'
    this.#current = null
    this.#touch()
  }

  get progress(): MigrationProgress {
    const now = this.#now().getTime()
    const running = this.#phase !== 'idle' && this.#phase !== 'done'
    const elapsed = this.#began === 0 ? 0 : ((running ? now : this.#updated) - this.#began) / 1000
    const last = this.#steps.at(-1)
    return {
      job: this.job === null ? null : { ...this.job, filesProcessed: running ? this.#files.done : this.job.filesProcessed },
      phase: this.#phase,
      // The steps of a job run over each file in turn: the chain as a whole is what progresses.
      step:
        last === undefined
          ? null
          : { index: this.#steps.length - 1, total: this.#steps.length, version: last.version, description: last.description },
      filesDone: this.#files.done,
      filesRemembered: this.#remembered,
      filesTotal: this.#files.total,
      bytesDone: this.#bytes.done,
      bytesTotal: this.#bytes.total,
      recordsDone: this.#records,
      currentFile: this.#current,
      elapsedSeconds: elapsed,
      remainingSeconds: this.#remaining((now - this.#migrating) / 1000),
      safeToClose: true,
      cancellable: this.#phase === 'backup' || this.#phase === 'migrating' || this.#phase === 'verifying',
      updatedAt: new Date(this.#updated).toISOString(),
    }
  }

  #remaining(elapsed: number): number | null {
    const share = this.#bytes.done / Math.max(1, this.#bytes.total)
    // A first small file says nothing about the rest.
    if (this.#phase !== 'migrating' || share < 0.02) return null
    return (elapsed * Math.max(0, 1 - share)) / share
  }

  #reset(): void {
    this.#files = { done: 0, total: 0 }
    this.#bytes = { done: 0, total: 0 }
    this.#records = 0
    this.#remembered = 0
    this.#steps = []
    this.job = null
    this.#began = this.#now().getTime()
  }

  #touch(): void {
    this.#updated = this.#now().getTime()
    for (const listener of this.#listeners) listener(this.progress)
  }
}

const grow = (count: { done: number; total: number }, by: number): { done: number; total: number } => {
  const done = count.done + by
  return { done, total: Math.max(count.total, done) }
}
