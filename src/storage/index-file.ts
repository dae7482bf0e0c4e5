import { createHash } from 'node:crypto'
import type { Oid } from '../core/git-objects.ts'
import type { DirectoryEntry } from '../core/manifest.ts'
import { checkPath } from '../core/names.ts'
import { replaceFile } from './durable.ts'
import { readFile } from './files.ts'
import type { FsPort } from './fs.ts'
import { COLUMNS, Rows, statAt } from './rows.ts'
import type { Index, IndexEntry } from './scan.ts'

/**
 * The index of a directory on disk: a cache, written whole, checked by its own hash, and thrown away when in doubt. After a line of
 * text come columns of numbers, ids, hashes and names: of 10,000 files it is read in a few milliseconds, where rows of text take sixty.
 */

const MAGIC = 'strata-index 3'
const LINE_FEED = 0x0a
const NUMBER = 8
const OID = 20
const SHA256 = 32

/** Over everything that is believed, the commit and the time included. */
const digest = (commit: string, readMs: number | string, body: Uint8Array): string =>
  createHash('sha256').update(`${commit} ${readMs}\n`).update(body).digest('hex')

const bytesOf = (numbers: Float64Array): Buffer => Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)

const encode = (files: readonly IndexEntry[], directories: Index['directories']): { numbers: Float64Array; body: Buffer } => {
  const n = files.length
  const numbers = new Float64Array(2 + n * COLUMNS + directories.length)
  numbers[0] = n
  numbers[1] = directories.length
  const ids = Buffer.allocUnsafe(n * OID)
  const sums = Buffer.allocUnsafe(n * SHA256)
  files.forEach(({ size, mode, oid, sha256, stat }, i) => {
    numbers.set([size, stat.mtimeMs, stat.ctimeMs, stat.ino, mode, stat.links], 2 + i * COLUMNS)
    ids.write(oid, i * OID, OID, 'hex')
    sums.write(sha256, i * SHA256, SHA256, 'hex')
  })
  numbers.set(
    directories.map((d) => d.mode),
    2 + n * COLUMNS,
  )
  const names = [...files, ...directories].map(({ path }) => `${path}\0`).join('')
  return { numbers, body: Buffer.concat([bytesOf(numbers), ids, sums, Buffer.from(names)]) }
}

/** Returns the same index, with its numbers in columns. */
export const writeIndex = (fs: FsPort, path: string, index: Index): Index => {
  const { commit, readMs, directories } = index
  const files = [...index.entries.values()]
  const { numbers, body } = encode(files, directories)
  replaceFile(fs, path, Buffer.concat([Buffer.from(`${MAGIC} ${commit} ${readMs} ${digest(commit, readMs, body)}\n`), body]))
  const stats = numbers.subarray(2, 2 + files.length * COLUMNS)
  const entryAt = (row: number): IndexEntry => {
    const entry = files[row]
    if (entry === undefined) throw new RangeError(`an index of ${files.length} files has no row ${row}`)
    return entry
  }
  const paths = files.map((f) => f.path)
  return { ...index, entries: new Rows(paths, stats, entryAt) }
}

/** The numbers from `offset` on; undefined where there are not as many, or one is none. */
const numbersAt = (body: Buffer, offset: number, count: number): Float64Array | undefined => {
  const end = offset + count * NUMBER
  if (!(count >= 0 && end <= body.length)) return undefined
  // A copy of its own: the view has to begin at a multiple of eight.
  const numbers = new Float64Array(body.buffer.slice(body.byteOffset + offset, body.byteOffset + end))
  return numbers.every((number) => Number.isFinite(number)) ? numbers : undefined
}

/** Anyone can work out a checksum: what is believed has to be numbers, and names that do not lead out, as well. */
const decode = (body: Buffer): Pick<Index, 'entries' | 'directories'> | undefined => {
  const [n = -1, folders = -1] = numbersAt(body, 0, 2) ?? []
  if (![n, folders].every((count) => Number.isSafeInteger(count) && count >= 0)) return undefined
  const numbers = numbersAt(body, 2 * NUMBER, n * COLUMNS + folders)
  if (numbers === undefined) return undefined
  const ids = (2 + numbers.length) * NUMBER
  const sums = ids + n * OID
  const names = sums + n * SHA256
  if (names > body.length) return undefined
  const paths = body.toString('utf8', names).split('\0')
  if (paths.pop() !== '' || paths.length !== n + folders) return undefined
  for (const path of paths) checkPath(path)
  const stats = numbers.subarray(0, n * COLUMNS)
  const own = paths.slice(0, n)
  const entryAt = (row: number): IndexEntry => {
    const stat = statAt(stats, row)
    // Hex digits of twenty bytes.
    const oid = body.toString('hex', ids + row * OID, ids + (row + 1) * OID) as Oid
    const sha256 = body.toString('hex', sums + row * SHA256, sums + (row + 1) * SHA256)
    return { path: own[row] ?? '', size: stat.size, sha256, mode: stat.mode, oid, stat }
  }
  const entries = new Rows(own, stats, entryAt)
  const directories = paths.slice(n).map((path, i): DirectoryEntry => ({ path, mode: numbers[n * COLUMNS + i] ?? 0 }))
  return { entries, directories }
}

type Head = { readonly commit: string; readonly readMs: number; readonly body: Buffer }

/** What the first line says, if the bytes after it are those that were written. */
const open = (fs: FsPort, path: string): Head | undefined => {
  const bytes = readFile(fs, path)
  const end = bytes?.indexOf(LINE_FEED) ?? -1
  if (bytes === undefined || end < 0) return undefined
  const [name, version, commit = '', readMs = '', sum] = bytes.toString('latin1', 0, end).split(' ')
  const body = bytes.subarray(end + 1)
  return `${name ?? ''} ${version ?? ''}` === MAGIC && sum === digest(commit, readMs, body)
    ? { commit, readMs: Number(readMs), body }
    : undefined
}

/** Whether the bytes of an index are those that were written, of whatever commit. */
export const isWholeIndex = (fs: FsPort, path: string): boolean => open(fs, path) !== undefined

/** The index of a snapshot's directory as of `commit`; undefined when there is none, it is of another commit, or damaged. */
export const readIndex = (fs: FsPort, path: string, commit: Oid): Index | undefined => {
  const head = open(fs, path)
  // No time is younger than NaN: every entry would be believed.
  if (head?.commit !== commit || !Number.isFinite(head.readMs)) return undefined
  try {
    const content = decode(head.body)
    return content === undefined ? undefined : { ...content, commit, readMs: head.readMs }
  } catch {
    // Its checksum is right, but it is none of ours: anyone can work out a checksum.
    return undefined
  }
}
