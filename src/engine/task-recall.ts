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

type Placed = { readonly output: RecallOutput; readonly dir: string }

/** Puts bytes in the place of an output; false when they are not what it was. */
const put = (fs: FsPort, { output: { path, size, sha256, mode }, dir }: Placed, source: string, isMoved: boolean): boolean => {
  const target = join(dir, path)
  if (fs.lstat(source)?.isFile() !== true) return false
  makeParents(fs, target)
  if (isMoved) rename(fs, source, target)
  else fs.copyFile(source, target)
  fs.chmod(target, mode)
  const found = hashFile(fs, target)
  return found?.size === size && found.sha256 === sha256
}

const store = ({ fs, packs }: TaskEnv, blobs: Blobs, path: string): void => {
  const size = fs.lstat(path)?.size ?? 0
  if (size >= LARGE) blobs.addLarge(spill(fs, packs, path, size))
  else blobs.add(readFile(fs, path) ?? new Uint8Array())
}

/**
 * Puts an output into its staged directory; false when it is not what it was. A step that looked at the dataset as a whole may have
 * taken it away, or put another in its place: where the step before it left the same bytes, those serve, too. What lies damaged in a
 * half-made directory is no reason to trust its like.
 */
const place = (fs: FsPort, now: Placed, before: readonly Placed[]): boolean => {
  const { path, sha256, same, from } = now.output
  if (from === null) return false
  const source = join(from.dir, path)
  const isThere = fs.lstat(source) !== undefined
  if (isThere && (!from.isLeft || isInside(fs, from.dir, source)) && put(fs, now, source, from.isLeft)) return true
  const alike = same && !(isThere && from.isLeft) ? before.find(({ output }) => output.sha256 === sha256) : undefined
  return alike !== undefined && put(fs, now, join(alike.dir, alike.output.path), false)
}

const recallOne = (env: TaskEnv, file: RecallFile, staging: readonly string[], blobs: Blobs): boolean => {
  const { fs } = env
  const steps = file.steps.map((some, i) => some.map((output): Placed => ({ output, dir: staging[i] ?? '' })))
  const outputs = steps.flat()
  try {
    if (steps.every((some, i) => some.every((output) => place(fs, output, steps[i - 1] ?? [])))) {
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
