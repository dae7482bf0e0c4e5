import { StrataError, systemCode } from '../core/errors.ts'
import { readFully } from './files.ts'
import type { FsPort } from './fs.ts'
import { READ_FLAGS } from './fs.ts'
import type { FileStat } from './scan.ts'
import { fileStat } from './scan.ts'

/** A file written this recently may still be in the middle of being written. */
export const FRESH_MS = 2000
export const PATIENCE_MS = 10_000
export const PAUSE_MS = 25
const clock = new Int32Array(new SharedArrayBuffer(4))

/** Lets the writer go on. */
export const pauseRead = (): void => {
  Atomics.wait(clock, 0, 0, PAUSE_MS)
}

type Read = { readonly bytes: Buffer; readonly stat: FileStat }

export const special = (path: string): StrataError =>
  new StrataError('SPECIAL_FILE', `${path} is not a regular file`, { data: { file: path }, hint: 'Move it out of the data directory.' })

/** A file is hashed and deflated in one piece, and Node takes no longer one. */
const MOST_BYTES = 2 ** 31 - 1

const tooLarge = (path: string, size: number): StrataError =>
  new StrataError('UNREADABLE', `${path} has ${size} bytes; a file may have at most ${MOST_BYTES}`, {
    data: { file: path, size, most: MOST_BYTES },
    hint: 'Move it out of the data directory, or let the dataset ignore it. Nothing was changed.',
  })

/** One read; undefined when the file changed meanwhile. */
const attempt = (fs: FsPort, fd: number, path: string): Read | undefined => {
  const before = fs.fstat(fd)
  if (!before.isFile()) throw special(path)
  if (before.size > MOST_BYTES) throw tooLarge(path, before.size)
  const buffer = Buffer.allocUnsafe(before.size)
  const got = readFully(fs, fd, buffer, 0)
  const after = fs.fstat(fd)
  const still = got === before.size && after.size === before.size && after.mtimeMs === before.mtimeMs && after.ctimeMs === before.ctimeMs
  return still ? { bytes: buffer, stat: fileStat(after) } : undefined
}

const isWhiteSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Whether JSON bytes are whole: a writer that truncates first leaves an empty or cut file behind a stat that looks quiet. */
const looksComplete = (bytes: Buffer): boolean => {
  let end = bytes.length - 1
  while (end >= 0 && isWhiteSpace(bytes[end] ?? 0)) end -= 1
  if (end < 0 || !(bytes[end] === 0x7d || bytes[end] === 0x5d)) return false
  try {
    JSON.parse(bytes.toString('utf8'))
    return true
  } catch {
    return false
  }
}

/** A fresh JSON file is taken when it is whole; any other fresh file when two reads in a row agree. */
const trustworthy = (path: string, read: Read, previous: Read | undefined): boolean => {
  if (Date.now() - read.stat.mtimeMs > FRESH_MS) return true
  if (/\.json$/i.test(path)) return looksComplete(read.bytes)
  return previous?.stat.mtimeMs === read.stat.mtimeMs && previous.bytes.equals(read.bytes)
}

export const readError = (error: unknown, path: string): StrataError => {
  if (error instanceof StrataError) return error
  const code = systemCode(error)
  // A socket cannot be opened.
  if (code === 'ELOOP' || code === 'ENXIO') return special(path)
  return new StrataError('UNREADABLE', `${path} cannot be read: ${code}`, {
    data: { file: path, systemCode: code },
    hint: code === 'EIO' ? 'Check the disk.' : 'Check its permissions.',
    cause: error,
  })
}

export const unstable = (name: string): StrataError =>
  new StrataError('UNSTABLE', `${name} kept changing while it was read`, {
    data: { file: name },
    hint: 'Close the application that writes it, then try again.',
  })

type Look = { readonly isThere: boolean; readonly read: Read | undefined }

const lookAt = (fs: FsPort, path: string, name: string): Look => {
  let fd: number
  try {
    fd = fs.open(path, READ_FLAGS)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { isThere: false, read: undefined }
    throw readError(error, name)
  }
  try {
    return { isThere: true, read: attempt(fs, fd, name) }
  } catch (error) {
    throw readError(error, name)
  } finally {
    fs.close(fd)
  }
}

/**
 * The bytes of a file whose hash the caller knows, which tells whether they are whole; undefined when it is gone or being written.
 * Throws UNREADABLE, SPECIAL_FILE.
 */
export const readOnce = (fs: FsPort, path: string, name: string): Read | undefined => lookAt(fs, path, name).read

/**
 * The bytes of a file that an application may be writing, and the stat that belongs to them; undefined when it is gone.
 * `name` is the dataset path for messages. Throws UNSTABLE when the file never comes to rest, UNREADABLE, SPECIAL_FILE.
 */
export const readStable = (fs: FsPort, path: string, name: string): Read | undefined => {
  let previous: Read | undefined
  for (let waited = 0; waited <= PATIENCE_MS; waited += PAUSE_MS) {
    const { isThere, read } = lookAt(fs, path, name)
    if (!isThere || (read !== undefined && trustworthy(name, read, previous))) return read
    previous = read
    pauseRead()
  }
  throw unstable(name)
}
