import { systemCode } from '../core/errors.ts'
import { BracketScan } from '../core/json/brackets.ts'
import { readFully } from './files.ts'
import type { FsPort, Stats } from './fs.ts'
import { READ_FLAGS } from './fs.ts'
import { PIECE } from './large-entry.ts'
import { FRESH_MS, PATIENCE_MS, PAUSE_MS, pauseRead, readError, special, unstable } from './read-stable.ts'
import type { FileStat } from './scan.ts'
import { fileStat } from './scan.ts'

/** What a reading in vain counts: it takes long enough by itself. */
const READING_MS = 2000

let shared: Buffer | undefined

/** The bytes of a file that only we write, piece by piece; each is overwritten by the next. */
export function* piecesOf(fs: FsPort, path: string): Generator<Uint8Array> {
  // Its own: two may be under way at once.
  const buffer = Buffer.allocUnsafe(PIECE)
  const fd = fs.open(path, READ_FLAGS)
  try {
    for (let at = 0, got = PIECE; got === PIECE; at += got) {
      got = readFully(fs, fd, buffer, at)
      if (got > 0) yield buffer.subarray(0, got)
    }
  } finally {
    fs.close(fd)
  }
}

/** What takes the pieces; then `end`, or `undo` when the file has changed while it was read, and another reading begins. */
export type Taker = { readonly take: (piece: Uint8Array) => void; readonly undo: () => void; readonly end: () => void }

const isSame = (a: Stats, b: Stats): boolean => a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs

const readPiece = (fs: FsPort, fd: number, name: string, buffer: Buffer, at: number): number => {
  try {
    return readFully(fs, fd, buffer, at)
  } catch (error) {
    throw readError(error, name)
  }
}

/** One reading; `fresh` where it had to be waited for, `changed` where it was in vain. */
const attempt = (fs: FsPort, fd: number, name: string, begin: (stat: FileStat) => Taker): FileStat | 'fresh' | 'changed' => {
  const before = fs.fstat(fd)
  if (!before.isFile()) throw special(name)
  const isFresh = Date.now() - before.mtimeMs <= FRESH_MS
  const isJson = /\.json$/i.test(name)
  // What is no JSON says nothing of whether it is whole: it has to come to rest first.
  if (isFresh && !isJson) return 'fresh'
  const taker = begin(fileStat(before))
  try {
    const brackets = isFresh ? new BracketScan() : undefined
    const buffer = (shared ??= Buffer.allocUnsafe(PIECE))
    let at = 0
    for (let got = PIECE; got === PIECE && at < before.size; at += got) {
      got = readPiece(fs, fd, name, buffer.subarray(0, Math.min(PIECE, before.size - at)), at)
      brackets?.add(buffer.subarray(0, got))
      taker.take(buffer.subarray(0, got))
    }
    if (at === before.size && isSame(before, fs.fstat(fd)) && brackets?.isOpen !== true) {
      taker.end()
      return fileStat(before)
    }
  } catch (error) {
    taker.undo()
    throw error
  }
  taker.undo()
  return 'changed'
}

/**
 * Reads a large file that an application may be writing, piece by piece. Returns the stat that belongs to what the last taker took;
 * undefined when the file is gone. Throws UNSTABLE when it never comes to rest, UNREADABLE, SPECIAL_FILE, and what `begin` throws.
 */
export const readLarge = (fs: FsPort, path: string, name: string, begin: (stat: FileStat) => Taker): FileStat | undefined => {
  for (let waited = 0; waited <= PATIENCE_MS; ) {
    let fd: number
    try {
      fd = fs.open(path, READ_FLAGS)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined
      throw readError(error, name)
    }
    try {
      const found = attempt(fs, fd, name, begin)
      if (typeof found === 'object') return found
      waited += found === 'fresh' ? PAUSE_MS : READING_MS
    } finally {
      fs.close(fd)
    }
    pauseRead()
  }
  throw unstable(name)
}
