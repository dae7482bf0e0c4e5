import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { StrataError } from '../core/errors.ts'
import { nodeFsPort } from '../storage/fs.ts'
import { loadDataset } from './load.ts'
import type { Reply, WireError } from './pool.ts'
import type { Task } from './task-types.ts'
import { runTask } from './tasks.ts'

const wireError = (error: unknown): WireError => {
  if (error instanceof StrataError) return { code: error.code, message: error.message, hint: error.hint, data: error.data, stack: '' }
  return { code: null, message: String(error), hint: '', data: {}, stack: error instanceof Error ? (error.stack ?? '') : '' }
}

const serve = (port: NonNullable<typeof parentPort>, module: string): void => {
  const dataset = loadDataset(module)
  port.on('message', (task: Task) => {
    void dataset
      .then((loaded) => {
        const result = runTask({ fs: nodeFsPort, dataset: loaded }, task)
        const reply: Reply = { id: 0, result }
        port.postMessage(reply, 'pack' in result ? [result.pack.buffer] : [])
      })
      .catch((error: unknown) => {
        port.postMessage({ id: 0, error: wireError(error) } satisfies Reply)
      })
  })
}

// The pool hands over the module's path; without a parent port this file was started by mistake, and there is nothing to do.
if (!isMainThread && parentPort !== null) serve(parentPort, (workerData as { module: string }).module)
