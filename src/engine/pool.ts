import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Dataset } from '../core/dataset.ts'
import type { ErrorCode, ErrorData } from '../core/errors.ts'
import { StrataError } from '../core/errors.ts'
import type { FsPort } from '../storage/fs.ts'
import type { Result, ResultOf, Task } from './task-types.ts'
import { runTask } from './tasks.ts'

/** Below this much data, starting workers costs more than they save. */
const WORKER_BYTES = 5 * 1024 * 1024
const MOST_WORKERS = 4

export type WireError = { code: ErrorCode | null; message: string; hint: string; data: ErrorData; stack: string }
export type Reply = { id: number; result: Result } | { id: number; error: WireError }

const revive = (error: WireError): Error =>
  error.code === null
    ? Object.assign(new Error(error.message), { stack: error.stack })
    : new StrataError(error.code, error.message, { data: error.data, hint: error.hint })

// From the sources the built worker is used; in the build it lies beside this file's bundle.
const workerUrl = (): URL =>
  import.meta.url.endsWith('.ts')
    ? new URL('../../dist/worker.js', import.meta.url)
    : new URL(import.meta.url.includes('/chunks/') ? '../worker.js' : './worker.js', import.meta.url)

type Waiting = { task: Task; resolve: (result: Result) => void; reject: (error: Error) => void }

/** Runs tasks in workers, or here when `bytes` of work are few. */
export class Pool {
  readonly #fs: FsPort
  readonly #dataset: Dataset | null
  readonly #module: string | null
  readonly #size: number
  readonly #queue: Waiting[] = []
  readonly #idle: Worker[] = []
  readonly #all = new Set<Worker>()

  /** `module` is where a worker finds the dataset; without it everything runs on this thread. */
  constructor(options: { fs: FsPort; dataset: Dataset | null; module: string | null; bytes: number; workers?: number }) {
    this.#fs = options.fs
    this.#dataset = options.dataset
    this.#module = options.module
    const most = options.workers ?? Math.min(availableParallelism(), MOST_WORKERS)
    this.#size = options.module === null || options.bytes < WORKER_BYTES ? 0 : most
  }

  /** How many tasks are worth having under way. */
  get width(): number {
    return this.#size === 0 ? 1 : this.#size * 2
  }

  async run<T extends Task>(task: T): Promise<ResultOf<T>> {
    // A task's result is of the task's own type: see runTask.
    if (this.#size > 0) return (await this.#delegate(task)) as ResultOf<T>
    // Lets timers, signals and callers have their turn between two batches.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    return runTask({ fs: this.#fs, dataset: this.#dataset }, task) as ResultOf<T>
  }

  /** Runs `tasks` with bounded fan-out; hands results to `take` in the order of the tasks. */
  async each<T extends Task>(tasks: Iterable<T>, take: (result: ResultOf<T>) => void): Promise<void> {
    const under: Promise<ResultOf<T>>[] = []
    const next = async (): Promise<void> => {
      const first = under.shift()
      if (first !== undefined) take(await first)
    }
    try {
      for (const task of tasks) {
        under.push(this.run(task))
        if (under.length >= this.width) await next()
      }
      while (under.length > 0) await next()
    } finally {
      await Promise.allSettled(under)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((worker) => worker.terminate()))
    this.#all.clear()
    this.#idle.length = 0
  }

  #delegate(task: Task): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, resolve, reject })
      this.#pump()
    })
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.pop() ?? (this.#all.size < this.#size ? this.#start() : undefined)
      const waiting = worker === undefined ? undefined : this.#queue.shift()
      if (worker === undefined || waiting === undefined) return
      this.#send(worker, waiting)
    }
  }

  #start(): Worker {
    const worker = new Worker(workerUrl(), { workerData: { module: this.#module }, stdin: false })
    this.#all.add(worker)
    worker.unref()
    return worker
  }

  #send(worker: Worker, { task, resolve, reject }: Waiting): void {
    const settle = (act: () => void): void => {
      worker.off('message', onMessage)
      worker.off('error', onError)
      worker.off('exit', onExit)
      act()
    }
    const onMessage = (reply: Reply): void => {
      settle(() => {
        if ('error' in reply) reject(revive(reply.error))
        else resolve(reply.result)
        this.#idle.push(worker)
        worker.unref()
        this.#pump()
      })
    }
    const onError = (error: Error): void => {
      settle(() => {
        this.#all.delete(worker)
        reject(error)
      })
    }
    const onExit = (): void => {
      onError(
        new StrataError('MIGRATION_FAILED', 'the worker that ran the migration has ended', {
          hint: 'It may have run out of memory. The active snapshot is untouched.',
        }),
      )
    }
    worker.on('message', onMessage)
    worker.on('error', onError)
    worker.on('exit', onExit)
    worker.ref()
    worker.postMessage(task)
  }
}
