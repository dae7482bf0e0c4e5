import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { StrataError, fromSystem } from '../core/errors.ts'
import { nodeFsPort } from '../storage/fs.ts'
import { loadDataset } from './load.ts'
import type { Ready, Reply, WireError } from './hand.ts'
import type { WorkerData } from './pool.ts'
import { envOf } from './pool.ts'
import type { Task } from './task-types.ts'
import { runTask } from './tasks.ts'

/** A system error is named here: its code would be lost on the way. */
const wireError = (cause: unknown): WireError => {
  const error = fromSystem(cause)
  if (error instanceof StrataError) return { code: error.code, message: error.message, hint: error.hint, data: error.data, stack: '' }
  return { code: null, message: String(error), hint: '', data: {}, stack: error.stack ?? '' }
}

const serve = (port: NonNullable<typeof parentPort>, { module, ...shared }: WorkerData): void => {
  const dataset = module === null ? Promise.resolve(null) : loadDataset(module)
  // Whoever cannot load says nothing and ends: the pool goes on without this worker.
  dataset.then(
    () => {
      port.postMessage('ready' satisfies Ready)
    },
    () => {
      port.close()
    },
  )
  // One after the other, whatever a task waits for: replies come in the order of the tasks.
  let last: Promise<unknown> = dataset
  port.on('message', (task: Task) => {
    last = last
      .then(async () => {
        const result = await runTask(envOf(nodeFsPort, await dataset, shared), task)
        const reply: Reply = { result }
        port.postMessage(reply, 'pack' in result ? [result.pack.buffer] : [])
      })
      .catch((error: unknown) => {
        port.postMessage({ error: wireError(error) } satisfies Reply)
      })
  })
}

// The pool hands over the module's path; without a parent port this file was started by mistake, and there is nothing to do.
if (!isMainThread && parentPort !== null) serve(parentPort, workerData as WorkerData)
