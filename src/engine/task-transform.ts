import { join } from 'node:path'
import type { Dataset } from '../core/dataset.ts'
import type { Mended } from '../core/mend-records.ts'
import { mendFile } from '../core/mend-file.ts'
import { LARGE } from '../storage/large-entry.ts'
import { readOnce } from '../storage/read-stable.ts'
import { eachInTime } from './bounded.ts'
import { forgetTransformer, transformerFor } from './directory-source.ts'
import { Blobs, sha256 } from './staged-file.ts'
import type { TaskEnv, TransformFile, TransformResult, TransformTask } from './task-types.ts'
import type { Done } from './trail.ts'
import { Trail, doneOf, unchanged } from './trail.ts'
import { transformLarge } from './transform-large.ts'

/** Only a mend says where files are already. */
const mendedBy = ({ dataset }: TaskEnv, { there }: TransformTask, work: (dataset: Dataset) => Mended): Mended =>
  there === null || dataset === null ? { outputs: [], issues: [] } : work(dataset)

const transformOne = (env: TaskEnv, task: TransformTask, file: TransformFile, blobs: Blobs): Done | undefined => {
  if (file.size >= LARGE && file.bytes === undefined) {
    const done = transformLarge(env, task, file, blobs)
    if (done !== 'whole') return done
  }
  const { transformer, source } = transformerFor(env, task)
  const read = file.bytes === undefined ? readOnce(env.fs, join(task.root, file.path), file.path) : { bytes: file.bytes }
  if (read === undefined || sha256(read.bytes) !== file.sha256) return undefined
  source.held = { path: file.path, bytes: read.bytes }
  const start = Math.min(source.start(file.path), task.base)
  const last = task.positions.at(-1) ?? task.base
  const made = file.isAsItIs === true ? unchanged(file.path, last - start) : transformer.file(file.path, start, last)
  // Bytes that came with the task are not what is in the directory now: nothing can be cloned from there.
  const at = 'stat' in read ? { path: join(task.root, file.path), stat: read.stat, isImmutable: file.isImmutable === true } : undefined
  const own = { ...file, same: true, bytes: read.bytes, at, isKept: task.isSnapshot }
  const trail = new Trail(env, own, blobs, task.positions.length)
  const mended = mendedBy(env, task, (dataset) => mendFile(dataset, source, transformer, file.path, made))
  for (let position = start; position <= last; position++) {
    if (position === last) trail.mend(mended)
    const index = task.positions.indexOf(position)
    if (index >= 0) trail.write(index, task.staging[index] ?? '')
    trail.step(made.steps[position - start] ?? [])
  }
  source.held = undefined
  return doneOf({ ...made, issues: [...made.issues, ...mended.issues] }, trail)
}

/** Takes each file of a batch through all steps: read once, parsed once, written and encoded at every position. */
export const transform = (env: TaskEnv, task: TransformTask): TransformResult => {
  const blobs = new Blobs()
  const stale: string[] = []
  const done: NonNullable<ReturnType<typeof transformOne>>[] = []
  const { transformer } = transformerFor(env, task)
  try {
    eachInTime(
      task.files,
      env.dataset?.secondsPerFile,
      () => transformer.place,
      (file) => {
        const one = transformOne(env, task, file, blobs)
        if (one === undefined) stale.push(file.path)
        else done.push(one)
      },
    )
  } catch (error) {
    forgetTransformer()
    throw error
  }
  const files = done.map(({ result, steps }) => ({ ...result, steps }))
  return { type: 'transform', files, stale, links: done.flatMap(({ links }) => links), pack: blobs.pack }
}
