import { dirname, join, relative } from 'node:path'
import { discard, rename } from '../storage/durable.ts'
import { hashFile, readFile } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import { LARGE } from '../storage/large-entry.ts'
import { spill } from './large-file.ts'
import { Blobs, makeParents } from './staged-file.ts'
import type { RecallFile, RecallOutput, RecallResult, RecallTask, TaskEnv } from './task-types.ts'

/** Whether the folders from `root` down to a file are real ones: a link would lead a move out of the store. */
const isInside = (fs: FsPort, root: string, path: string): boolean => {
  for (let at = dirname(path); relative(root, at) !== ''; at = dirname(at)) if (fs.lstat(at)?.isDirectory() !== true) return false
  return true
}

/** Puts an output into its staged directory; false when it is not what it was. */
const place = (fs: FsPort, { path, size, sha256, mode, from }: RecallOutput, dir: string): boolean => {
  if (from === null) return false
  const [source, target] = [join(from.dir, path), join(dir, path)]
  if (fs.lstat(source)?.isFile() !== true) return false
  makeParents(fs, target)
  if (!from.isLeft) fs.copyFile(source, target)
  else if (isInside(fs, from.dir, source)) rename(fs, source, target)
  else return false
  fs.chmod(target, mode)
  const found = hashFile(fs, target)
  return found?.size === size && found.sha256 === sha256
}

const store = ({ fs, packs }: TaskEnv, blobs: Blobs, path: string): void => {
  const size = fs.lstat(path)?.size ?? 0
  if (size >= LARGE) blobs.addLarge(spill(fs, packs, path, size))
  else blobs.add(readFile(fs, path) ?? new Uint8Array())
}

const recallOne = (env: TaskEnv, file: RecallFile, staging: readonly string[], blobs: Blobs): boolean => {
  const { fs } = env
  const outputs = file.steps.flatMap((some, i) => some.map((output) => ({ output, dir: staging[i] ?? '' })))
  try {
    if (outputs.every(({ output, dir }) => place(fs, output, dir))) {
      const unstored = new Map(outputs.flatMap(({ output, dir }) => (output.isStored ? [] : [[output.oid, join(dir, output.path)]])))
      for (const path of unstored.values()) store(env, blobs, path)
      return true
    }
  } catch {
    // Whatever it was: working the result out anew does not need what is remembered.
  }
  for (const { output, dir } of outputs) discard(fs, join(dir, output.path))
  return false
}

/** Takes results of an earlier run over: nothing is parsed, each byte is compared with its hash. */
export const recall = (env: TaskEnv, task: RecallTask): RecallResult => {
  const blobs = new Blobs()
  const done: string[] = []
  const missed: string[] = []
  for (const file of task.files) (recallOne(env, file, task.staging, blobs) ? done : missed).push(file.path)
  return { type: 'recall', done, missed, pack: blobs.encode().pack }
}
