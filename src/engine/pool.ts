import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import type { Dataset } from '../core/dataset.ts'
import type { FsPort } from '../storage/fs.ts'
import { areHandlesScarce } from '../storage/fs.ts'
import type { Context } from './context.ts'
import type { Waiting } from './hand.ts'
import { Hand } from './hand.ts'
import { startWorker } from './modules.ts'
import type { Result, ResultOf, Task, TaskEnv } from './task-types.ts'
import { runTask } from './tasks.ts'

/** Below this much data, starting workers costs more than they save. */
const WORKER_BYTES = 5 * 1024 * 1024
const MOST_WORKERS = 4
/** What V8 lets grow before it looks for what is no longer used: with its default a worker takes 30 MB more, and is no faster. */
const YOUNG_MB = 6

/** So many bytes take no longer than a moment. */
const SHORT = 2 * 1024 * 1024

const sizeOf = (task: Task): number => {
  if (task.type === 'objects') return task.entries.reduce((sum, { offset, end }) => sum + end - offset, 0)
  return task.type === 'assemble' ? task.bytes : (task.files as readonly { size: number }[]).reduce((sum, { size }) => sum + size, 0)
}

const wantsDataset = ({ type }: Task): boolean => type === 'capture' || type === 'transform' || type === 'gather' || type === 'assemble'

/** What a worker is started with: the dataset's module if its tasks want one, the folder of the packs, and two words of shared memory: one is set when it should stop, one counts bytes of large files. */
export type WorkerData = {
  readonly module: string | null
  readonly packs: string
  readonly stop: Int32Array
  readonly done: BigInt64Array
}

/** What a task may use, on whatever thread. */
export const envOf = (fs: FsPort, dataset: Dataset | null, { packs, stop, done }: Omit<WorkerData, 'module'>): TaskEnv => ({
  fs,
  packs,
  dataset,
  cancelled: () => Atomics.load(stop, 0) !== 0,
  advance: (bytes) => {
    Atomics.add(done, 0, BigInt(bytes))
  },
})

export type PoolOptions = {
  fs: FsPort
  /** The folder of the repository's packs. */
  packs: string
  dataset: Dataset | null
  module: string | null
  bytes: number
  /** Its tasks want no dataset: a worker that need not load one is there sooner. */
  isPlain?: boolean
  workers?: number | undefined
  /** This thread has nothing else to do: it takes tasks that are short, too, in the place of one worker. */
  mayBlock?: boolean
  signal?: AbortSignal | undefined
}

/** Runs tasks in workers, or here when `bytes` of work are few. */
export class Pool {
  readonly #fs: FsPort
  readonly #packs: string
  readonly #dataset: Dataset | null
  readonly #module: string | null
  readonly #isPlain: boolean
  #size: number
  readonly #queue: Waiting[] = []
  readonly #hands = new Set<Hand>()
  readonly #stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  /** Bytes of large files that are done, and that nobody has been told of. */
  readonly #done = new BigInt64Array(new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT))
  readonly #helps: boolean
  /** Whether this thread works at a task. */
  #isBusy = false
  /** Whether a worker has read files as the dataset says: it is faster at more of them than a thread that has not. */
  #isPractised = false

  /** `module` is where a worker finds the dataset; without it everything runs on this thread. `signal` tells tasks to stop. */
  constructor(options: PoolOptions) {
    this.#fs = options.fs
    this.#packs = options.packs
    this.#dataset = options.dataset
    this.#module = options.module
    this.#isPlain = options.isPlain ?? false
    options.signal?.addEventListener('abort', () => void Atomics.store(this.#stop, 0, 1), { once: true })
    const isScarce = areHandlesScarce()
    this.#helps = options.mayBlock === true && options.workers === undefined && !isScarce
    const wanted = options.workers ?? Math.min(availableParallelism(), MOST_WORKERS) - (this.#helps ? 1 : 0)
    // Each holds a dozen handles for itself.
    const most = isScarce ? Math.min(1, wanted) : wanted
    this.#size = options.module === null || options.bytes < WORKER_BYTES ? 0 : most
    // At once: it loads while this thread prepares the work. The others come when there is work for them.
    if (this.#size > 0) this.#start()
  }

  /** How many tasks are worth having under way. */
  get width(): number {
    if (this.#size === 0) return 1
    return this.#helps ? (this.#size + 1) * 3 : this.#size * 2
  }

  /** How many bytes of large files were done since the last call: one may take minutes. */
  takeDone(): number {
    return Number(Atomics.exchange(this.#done, 0, 0n))
  }

  async run<T extends Task>(task: T, isLittle = false): Promise<ResultOf<T>> {
    // A task's result is of the task's own type: see runTask.
    return (await (this.#size > 0 && !isLittle ? this.#delegate(task) : this.#here(task))) as ResultOf<T>
  }

  /**
   * Runs `tasks` with bounded fan-out; hands results to `take` in the order of the tasks. `bytes`: how many they have to read, where
   * that may be few of what there is.
   */
  async each<T extends Task>(tasks: Iterable<T>, take: (result: ResultOf<T>) => void, bytes = WORKER_BYTES): Promise<void> {
    const width = bytes < WORKER_BYTES ? 1 : this.width
    const under: Promise<ResultOf<T>>[] = []
    const next = async (): Promise<void> => {
      const first = under.shift()
      if (first !== undefined) take(await first)
    }
    try {
      for (const task of tasks) {
        const result = this.run(task, bytes < WORKER_BYTES && (this.#helps || !this.#isPractised || !wantsDataset(task)))
        // It may fail before its turn has come: until then nobody waits for it, which would end the process.
        result.catch(() => undefined)
        under.push(result)
        if (under.length >= width) await next()
      }
      while (under.length > 0) await next()
    } finally {
      await Promise.allSettled(under)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#hands].map((hand) => hand.end()))
    this.#hands.clear()
  }

  async #here(task: Task): Promise<Result> {
    // Lets timers, signals and callers have their turn between two batches.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    return runTask(envOf(this.#fs, this.#dataset, { packs: this.#packs, stop: this.#stop, done: this.#done }), task)
  }

  #delegate(task: Task): Promise<Result> {
    this.#isPractised ||= wantsDataset(task)
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, resolve, reject })
      this.#pump()
    })
  }

  #pump(): void {
    // In the place of one that has ended.
    while (this.#starting < this.#queue.length && this.#hands.size < this.#size) this.#start()
    // A worker that starts opens many files at once: nothing else is begun until it has.
    while (this.#starting === 0 && this.#queue.length > 0) {
      const hand = this.#freeHand()
      const waiting = hand === undefined ? undefined : this.#queue.shift()
      if (hand === undefined || waiting === undefined) break
      hand.give(waiting)
    }
    // No worker can be had: what waits is done on this thread.
    if (this.#size === 0) for (const { task, resolve, reject } of this.#queue.splice(0)) this.#here(task).then(resolve, reject)
    if (this.#helps && !this.#isBusy) this.#help()
  }

  get #starting(): number {
    return [...this.#hands].filter((hand) => !hand.isReady).length
  }

  /** The one that has least to do. Where this thread works, too, it may be late: each has a task more, so that none waits. */
  #freeHand(): Hand | undefined {
    const [first] = [...this.#hands].sort((a, b) => a.load - b.load)
    return first !== undefined && first.load < (this.#helps ? 2 : 1) ? first : undefined
  }

  #help(): void {
    const place = this.#queue.findIndex(({ task }) => task.type !== 'assemble' && sizeOf(task) <= SHORT)
    const [waiting] = place < 0 ? [] : this.#queue.splice(place, 1)
    if (waiting === undefined) return
    this.#isBusy = true
    const next = (): void => {
      this.#isBusy = false
      this.#pump()
    }
    this.#here(waiting.task).then(waiting.resolve, waiting.reject).finally(next)
  }

  #start(): void {
    let worker: Worker
    try {
      // Without a module there are no workers.
      worker = startWorker({
        workerData: {
          module: this.#isPlain ? null : this.#module,
          packs: this.#packs,
          stop: this.#stop,
          done: this.#done,
        } satisfies WorkerData,
        stdin: false,
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      })
    } catch {
      this.#size = this.#hands.size
      return
    }
    const hand = new Hand(worker, (what) => {
      if (what === 'gone') this.#hands.delete(hand)
      // This thread has loaded the same modules: there was not enough of something. The workers that are there must do.
      if (what === 'gone' && !hand.isReady) this.#size = this.#hands.size
      this.#pump()
    })
    this.#hands.add(hand)
  }
}

/** The pool for so many bytes of work at a store's files. */
export const poolFor = ({ fs, paths, dataset, module, workers, mayBlock }: Context, bytes: number, signal?: AbortSignal): Pool =>
  new Pool({ fs, packs: paths.packs, dataset, module, bytes, workers, mayBlock, signal })
