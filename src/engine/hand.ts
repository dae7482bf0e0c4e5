import type { Worker } from 'node:worker_threads'
import type { ErrorCode, ErrorData } from '../core/errors.ts'
import { StrataError } from '../core/errors.ts'
import type { Result, Task } from './task-types.ts'

export type WireError = { code: ErrorCode | null; message: string; hint: string; data: ErrorData; stack: string }
/** What a worker says once it has loaded everything: until then it may fail for want of open files or memory. */
export type Ready = 'ready'
export type Reply = { result: Result } | { error: WireError }

/** A task, and who waits for its result. */
export type Waiting = { task: Task; resolve: (result: Result) => void; reject: (error: Error) => void }

const revive = (error: WireError): Error =>
  error.code === null
    ? Object.assign(new Error(error.message), { stack: error.stack })
    : new StrataError(error.code, error.message, { data: error.data, hint: error.hint })

const ended = (): StrataError =>
  new StrataError('MIGRATION_FAILED', 'the worker that ran the migration has ended', {
    hint: 'It may have run out of memory. The active snapshot is untouched.',
  })

/** A worker and what it was given to do, which it does one after the other. */
export class Hand {
  /** Whether it has loaded everything. */
  isReady = false
  readonly #worker: Worker
  readonly #given: Waiting[] = []
  #error: Error | undefined
  #isEnding = false

  /** `changed`: it is ready, has done a task, or is gone. */
  constructor(worker: Worker, changed: (what: 'ready' | 'done' | 'gone') => void) {
    this.#worker = worker
    worker.on('message', (message: Ready | Reply) => {
      if (message === 'ready') this.isReady = true
      else this.#settle(message)
      // One that waits for work keeps no process alive.
      if (this.#given.length === 0 && !this.#isEnding) worker.unref()
      changed(message === 'ready' ? 'ready' : 'done')
    })
    worker.on('error', (error: Error) => {
      this.#error = error
    })
    // It follows an error, whatever the worker was doing.
    worker.on('exit', () => {
      for (const { reject } of this.#given.splice(0)) reject(this.#error ?? ended())
      changed('gone')
    })
  }

  /** How many tasks it has. */
  get load(): number {
    return this.#given.length
  }

  give(waiting: Waiting): void {
    this.#given.push(waiting)
    this.#worker.ref()
    this.#worker.postMessage(waiting.task)
  }

  /** Whoever waits for its end has nothing else that keeps the process alive. */
  async end(): Promise<void> {
    this.#isEnding = true
    await this.#worker.terminate()
  }

  #settle(reply: Reply): void {
    const waiting = this.#given.shift()
    if ('error' in reply) waiting?.reject(revive(reply.error))
    else waiting?.resolve(reply.result)
  }
}
