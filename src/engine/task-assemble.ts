import { join } from 'node:path'
import { assemble as assembleDataset } from '../core/assemble.ts'
import { StrataError } from '../core/errors.ts'
import { sourceOf } from '../core/memory.ts'
import { Transformer } from '../core/transform.ts'
import { discard } from '../storage/durable.ts'
import { expired, inTime } from './bounded.ts'
import { stagedReader, writeStaged } from './staged-file.ts'
import type { AssembleResult, AssembleTask, TaskEnv } from './task-types.ts'

/** What a step does with the dataset as a whole: reads what it wants of the staged directory, and writes into it. */
export const assemble = ({ fs, dataset, cancelled }: TaskEnv, task: AssembleTask): AssembleResult => {
  if (dataset === null) throw new StrataError('BAD_ARGUMENT', 'a step over the dataset needs a dataset')
  const { root, position } = task
  const source = sourceOf(dataset, task.paths, stagedReader(fs, root), position)
  const aborted = (): 'CANCELLED' | 'MIGRATION_TIMEOUT' | null =>
    cancelled?.() === true ? 'CANCELLED' : expired() ? 'MIGRATION_TIMEOUT' : null
  const transformer = new Transformer(dataset, source, { aborted })
  const made = new Map<string, number>()
  const removed = new Set<string>()
  const put = (path: string, bytes: Uint8Array | null): void => {
    const file = join(root, path)
    // Not over a file whose blocks or name another directory may share.
    discard(fs, file)
    made.delete(path)
    removed.delete(path)
    if (bytes === null) removed.add(path)
    else {
      writeStaged(fs, file, bytes, 0o600)
      made.set(path, bytes.byteLength)
    }
  }
  const place = (): { step: string | null; record: null } => ({ step: dataset.chain.schemas[position]?.version ?? null, record: null })
  const issues = inTime({ path: 'the dataset', size: task.bytes }, dataset.secondsPerFile, place, () =>
    assembleDataset(dataset, source, position - 1, task.gathered, transformer, put, task.isAgain),
  )
  const known = new Set(task.paths)
  return {
    type: 'assemble',
    made: Array.from(made, ([path, size]) => ({ path, size })),
    removed: [...removed].filter((path) => known.has(path)),
    issues,
  }
}
