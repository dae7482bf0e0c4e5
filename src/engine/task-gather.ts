import { join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import { isStreamed } from '../core/large-work.ts'
import { sourceOf } from '../core/memory.ts'
import type { Gathered } from '../core/notes.ts'
import { kindOf } from '../core/schema.ts'
import { Transformer } from '../core/transform.ts'
import { LARGE } from '../storage/large-entry.ts'
import { piecesOf } from '../storage/read-large.ts'
import { eachInTime, expired } from './bounded.ts'
import { stagedReader } from './staged-file.ts'
import type { GatherResult, GatherTask, TaskEnv } from './task-types.ts'

/** Takes from files that are at a migration's result what it makes its other files of. */
export const gather = ({ fs, dataset, cancelled }: TaskEnv, task: GatherTask): GatherResult => {
  if (dataset === null) throw new StrataError('BAD_ARGUMENT', 'a step over the dataset needs a dataset')
  const { root, position, indexes } = task
  const aborted = (): 'CANCELLED' | 'MIGRATION_TIMEOUT' | null =>
    cancelled?.() === true ? 'CANCELLED' : expired() ? 'MIGRATION_TIMEOUT' : null
  const transformer = new Transformer(dataset, sourceOf(dataset, task.paths, stagedReader(fs, root), position), { aborted })
  const { kinds = {} } = dataset.chain.schemas[position] ?? {}
  const gathered: Gathered[] = []
  const place = () => transformer.place
  eachInTime(task.files, dataset.secondsPerFile, place, ({ path, size }) => {
    const isLarge = size >= LARGE && isStreamed(kinds[kindOf(kinds, path) ?? ''], path)
    const kept = { pieces: () => piecesOf(fs, join(root, path)), size }
    gathered.push(
      ...(isLarge ? transformer.gatheredByRecords(path, position, indexes, kept) : transformer.gathered(path, position, indexes)),
    )
  })
  return { type: 'gather', gathered }
}
