import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { systemCode } from '../core/errors.ts'
import { discard, fsyncDirectory, writeAll } from './durable.ts'
import { readFully } from './files.ts'
import type { FsPort } from './fs.ts'
import { READ_FLAGS } from './fs.ts'

/**
 * The files `journal/epoch-<n>`: each writer session claims one, which is the fence between writers, and notes in it the seqs
 * whose events it has acknowledged. So a last line that rotted away is not taken for one that was never finished.
 */

const EPOCH = /^epoch-(\d+)$/
const NOTE = /^(\d{1,15}) ([0-9a-f]{16})$/
/** The last note is what counts: it is within the end of the file. */
const TAIL = 4096

const epochFile = (dir: string, n: number): string => join(dir, `epoch-${n}`)
const check = (epoch: number, seq: number): string => createHash('sha256').update(`${epoch} ${seq}`).digest('hex').slice(0, 16)

export const epochsOf = (fs: FsPort, dir: string): number[] =>
  (fs.lstat(dir) === undefined ? [] : fs.readdir(dir)).flatMap((name) => Number(EPOCH.exec(name)?.[1] ?? Number.NaN) || [])

/** Claims the first free epoch above `above`; returns it with the open file. */
export const claimEpoch = (fs: FsPort, dir: string, above: number): { epoch: number; fd: number } => {
  for (let epoch = above + 1; ; epoch++) {
    try {
      const fd = fs.open(epochFile(dir, epoch), 'wx', 0o600)
      fsyncDirectory(fs, dir)
      return { epoch, fd }
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
  }
}

/** Notes that everything up to `seq` is durable. Not flushed, and no error if it fails: it only makes the check for rot stricter. */
export const acknowledge = (fs: FsPort, fd: number, epoch: number, seq: number): void => {
  try {
    writeAll(fs, fd, Buffer.from(`${seq} ${check(epoch, seq)}\n`))
  } catch {
    // The events are durable all the same.
  }
}

/** Removes the claims of earlier sessions; what stays behind does no harm. */
export const dropEpochsBelow = (fs: FsPort, dir: string, epoch: number): void => {
  for (const n of epochsOf(fs, dir)) if (n < epoch) discard(fs, epochFile(dir, n))
}

const tailOf = (fs: FsPort, path: string): string => {
  let fd: number
  try {
    fd = fs.open(path, READ_FLAGS)
  } catch (error) {
    // A session that came after it has removed it.
    if (systemCode(error) === 'ENOENT') return ''
    throw error
  }
  try {
    const { size } = fs.fstat(fd)
    const buffer = Buffer.alloc(Math.min(size, TAIL))
    return buffer.subarray(0, readFully(fs, fd, buffer, size - buffer.length)).toString('latin1')
  } finally {
    fs.close(fd)
  }
}

export type Notes = { readonly epoch: number; readonly seq: number; readonly damaged: boolean }

/** What an epoch file says. `damaged`: a line of it that is not the last is no note. The first line may have been cut off. */
export const notesOf = (fs: FsPort, dir: string, epoch: number): Notes => {
  const text = tailOf(fs, epochFile(dir, epoch))
  const lines = text.split('\n').slice(0, -1)
  const whole = text.length < TAIL ? lines : lines.slice(1)
  const seqs = whole.map((line) => {
    const [, digits, sum] = NOTE.exec(line) ?? []
    return digits !== undefined && sum === check(epoch, Number(digits)) ? Number(digits) : undefined
  })
  return { epoch, seq: Math.max(0, ...seqs.flatMap((seq) => seq ?? [])), damaged: seqs.includes(undefined) }
}

/** The highest seq that any session on disk has acknowledged. */
export const acknowledgedSeq = (fs: FsPort, dir: string): number =>
  Math.max(0, ...epochsOf(fs, dir).map((epoch) => notesOf(fs, dir, epoch).seq))
