import { constants } from 'node:buffer'
import { createHash } from 'node:crypto'
import { StrataError } from '../core/errors.ts'
import type { FsPort } from './fs.ts'
import { MOST_AT_ONCE, READ_FLAGS } from './fs.ts'

/** Fills `buffer` from `position` on; returns how many bytes there were. */
export const readFully = (fs: FsPort, fd: number, buffer: Uint8Array, position: number): number => {
  let done = 0
  while (done < buffer.byteLength) {
    const got = fs.read(fd, buffer, done, Math.min(buffer.byteLength - done, MOST_AT_ONCE), position + done)
    if (got === 0) break
    done += got
  }
  return done
}

/** The whole file, or undefined when there is none. */
export const readFile = (fs: FsPort, path: string): Buffer | undefined => {
  if (fs.lstat(path) === undefined) return undefined
  const fd = fs.open(path, READ_FLAGS)
  try {
    const buffer = Buffer.allocUnsafe(fs.fstat(fd).size)
    return buffer.subarray(0, readFully(fs, fd, buffer, 0))
  } finally {
    fs.close(fd)
  }
}

/** Throws CORRUPT for a file of the store that no string can hold: Strata never makes one as large. */
export const readText = (fs: FsPort, path: string): string | undefined => {
  const size = fs.lstat(path)?.size ?? 0
  if (size > constants.MAX_STRING_LENGTH)
    throw new StrataError('CORRUPT', `${path} has ${size} bytes, far more than it can need`, {
      data: { file: path, size },
      hint: 'It was not written by Strata. Set it aside, then run: strata verify',
    })
  return readFile(fs, path)?.toString('utf8')
}

const PIECE = 1024 * 1024
let piece: Buffer | undefined

/** Size and SHA-256 of a file, read in pieces; undefined when there is none. */
export const hashFile = (fs: FsPort, path: string): { size: number; sha256: string } | undefined => {
  if (fs.lstat(path) === undefined) return undefined
  const buffer = (piece ??= Buffer.allocUnsafe(PIECE))
  const fd = fs.open(path, READ_FLAGS)
  try {
    const hash = createHash('sha256')
    let size = 0
    for (let got = PIECE; got === PIECE; size += got) {
      got = readFully(fs, fd, buffer, size)
      hash.update(buffer.subarray(0, got))
    }
    return { size, sha256: hash.digest('hex') }
  } finally {
    fs.close(fd)
  }
}
