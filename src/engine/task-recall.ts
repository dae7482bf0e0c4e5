import { dirname, join, relative } from 'node:path'
import { cloneFile } from '../storage/clone.ts'
import { discard, rename } from '../storage/durable.ts'
import { hashFile, readFile } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import type { Link } from '../storage/link.ts'
import { linkFile } from '../storage/link.ts'
import { isSameStat, statFile } from '../storage/scan.ts'
import { LARGE } from '../storage/large-entry.ts'
import { spill } from './large-file.ts'
import { Blobs, makeParents } from './staged-file.ts'
import type { KeptLink, RecallFile, RecallOutput, RecallResult, RecallTask, TaskEnv } from './task-types.ts'

/** Whether the folders from `root` down to a file are real ones: a link would lead out of the store. */
const isInside = (fs: FsPort, root: string, path: string): boolean => {
  for (let at = dirname(path); relative(root, at) !== ''; at = dirname(at)) if (fs.lstat(at)?.isDirectory() !== true) return false
  return true
}

type Placed = { readonly output: RecallOutput; readonly dir: string }

/** Links that were made of one file's outputs, by inode; several snapshots may have one under the same. */
type Links = Map<number, Link & { readonly all: readonly KeptLink[] }>

/** Whether a file that was taken over is what it was, byte for byte. */
const isWhole = (fs: FsPort, { size, sha256, mode }: RecallOutput, path: string): boolean => {
  const stat = statFile(fs, path)
  if (stat === undefined) return false
  // Of what may be another name of a file that is not ours to write, not even the mode is changed.
  if (stat.mode !== mode && stat.links > 1) return false
  if (stat.mode !== mode) fs.chmod(path, mode)
  const found = hashFile(fs, path)
  return found?.size === size && found.sha256 === sha256
}

/** As long as its stat is what the index of its snapshot says, what an output holds is known, and need not be read. */
const share = (fs: FsPort, { sha256, mode, from }: RecallOutput, source: string, target: string, made: Links): boolean => {
  if (from?.stat?.mode !== mode) return false
  const before = made.get(from.stat.ino)
  // An earlier link has moved it on.
  const isMoved = before !== undefined && isSameStat(before.was, from.stat)
  const link = linkFile(fs, source, target, isMoved ? before.is : from.stat)
  if (link === undefined) return false
  made.set(link.is.ino, { was: from.stat, is: link.is, all: [...(isMoved ? before.all : []), { ...link, sha256 }] })
  return true
}

/** Puts bytes in the place of an output; false when they are not what it was. `from`: where they are not those of the output itself. */
const put = (fs: FsPort, { output, dir }: Placed, source: string, how: 'move' | 'share' | 'copy', made: Links): boolean => {
  const target = join(dir, output.path)
  if (fs.lstat(source)?.isFile() !== true) return false
  makeParents(fs, target)
  if (how === 'move') rename(fs, source, target)
  else if (!cloneFile(fs, source, target, null)) {
    if (how === 'share' && share(fs, output, source, target, made)) return true
    fs.copyFile(source, target)
  }
  return isWhole(fs, output, target)
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
const place = (fs: FsPort, now: Placed, before: readonly Placed[], made: Links): boolean => {
  const { path, sha256, same, from } = now.output
  if (from === null) return false
  const source = join(from.dir, path)
  const isThere = fs.lstat(source) !== undefined
  if (isThere && isInside(fs, from.dir, source) && put(fs, now, source, from.isLeft ? 'move' : 'share', made)) return true
  const alike = same && !(isThere && from.isLeft) ? before.find(({ output }) => output.sha256 === sha256) : undefined
  return alike !== undefined && put(fs, now, join(alike.dir, alike.output.path), 'copy', made)
}

const recallOne = (env: TaskEnv, file: RecallFile, staging: readonly string[], blobs: Blobs): readonly KeptLink[] | null => {
  const { fs } = env
  const steps = file.steps.map((some, i) => some.map((output): Placed => ({ output, dir: staging[i] ?? '' })))
  const outputs = steps.flat()
  const made: Links = new Map()
  try {
    if (steps.every((some, i) => some.every((output) => place(fs, output, steps[i - 1] ?? [], made)))) {
      const unstored = new Map(outputs.flatMap(({ output, dir }) => (output.isStored ? [] : [[output.oid, join(dir, output.path)]])))
      for (const path of unstored.values()) store(env, blobs, path)
      return [...made.values()].flatMap(({ all }) => all)
    }
  } catch {
    // Whatever it was: working the result out anew does not need what is remembered.
  }
  for (const { output, dir } of outputs) discard(fs, join(dir, output.path))
  return null
}

/** Takes results of an earlier run over: nothing is parsed, each byte is compared with its hash, or vouched for. */
export const recall = (env: TaskEnv, task: RecallTask): RecallResult => {
  const blobs = new Blobs()
  const done: string[] = []
  const missed: string[] = []
  const links: KeptLink[] = []
  for (const file of task.files) {
    const made = recallOne(env, file, task.staging, blobs)
    ;(made === null ? missed : done).push(file.path)
    links.push(...(made ?? []))
  }
  return { type: 'recall', done, missed, links, pack: blobs.pack }
}
