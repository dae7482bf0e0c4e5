import { StrataError } from '../core/errors.ts'
import { sourceOf } from '../core/memory.ts'
import type { Gathered } from '../core/notes.ts'
import { Transformer } from '../core/transform.ts'
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
  const gathered: Gathered[] = []
  const place = () => transformer.place
  eachInTime(task.files, dataset.secondsPerFile, place, ({ path }) => {
    gathered.push(...transformer.gathered(path, position, indexes))
  })
  return { type: 'gather', gathered }
}
