import { hash } from 'node:crypto'
import { dirname } from 'node:path'
import { isIssue } from '../core/event-shapes.ts'
import type { Oid } from '../core/git-objects.ts'
import { isOid } from '../core/git-objects.ts'
import type { Issue } from '../core/issues.ts'
import { checkPath } from '../core/names.ts'
import type { Gathered } from '../core/notes.ts'
import type { Read } from '../core/reads.ts'
import { discard, fsyncDirectory, fsyncFile, rename, writeAll } from './durable.ts'
import { readFully } from './files.ts'
import type { FsPort } from './fs.ts'
import { READ_FLAGS } from './fs.ts'

/**
 * The log of one run: what became of each file. It is a cache: lines are appended without a flush, each carries its own checksum, and
 * one that is not what was written counts as not there.
 */

/** One file that a result stands for at one step. */
export type MemoOutput = {
  readonly path: string
  readonly size: number
  readonly sha256: string
  readonly oid: Oid
  readonly same: boolean
}
export type MemoEntry = {
  readonly path: string
  readonly sha256: string
  readonly reads: readonly Read[]
  readonly records: number
  readonly damaged: boolean
  readonly issues: readonly Issue[]
  readonly gathered: readonly Gathered[]
  readonly steps: readonly (readonly MemoOutput[])[]
}
/** `targets`: the snapshots whose directories were to get the outputs of each step. */
type MemoHeader = { readonly targets: readonly string[] }

/** A log that has become as long as this is not written any further. */
const MOST_BYTES = 64 * 1024 * 1024
const MOST_LINE = 1024 * 1024
const PIECE = 256 * 1024
const PART = '.part'
const [HEADER, END] = ['strata-memo-2', 'end']

const digest = (text: string | Uint8Array): string => hash('sha256', text, 'hex').slice(0, 32)

/** A step that changed nothing is a 0: it has the outputs of the step before. */
const shorten = ({ steps, ...rest }: MemoEntry): unknown => {
  const all = steps.map((outputs) => outputs.map(({ path, size, sha256, oid, same }) => ({ path, size, sha256, oid, same })))
  const isAsBefore = (i: number): boolean => i > 0 && JSON.stringify(all[i]) === JSON.stringify(all[i - 1])
  return { ...rest, steps: all.map((outputs, i) => (isAsBefore(i) ? 0 : outputs)) }
}

const lengthen = (value: unknown): unknown => {
  if (!isObject(value) || !Array.isArray(value.steps)) return undefined
  let before: unknown = []
  return { ...value, steps: value.steps.map((outputs: unknown) => (before = outputs === 0 ? before : outputs)) }
}

const encodeLine = (key: string, value: unknown): Buffer => {
  const body = `${key} ${JSON.stringify(value)}`
  return Buffer.from(`${digest(body)} ${body}\n`)
}

/** Whether a line is what was written, byte for byte. */
const isGood = (line: Buffer): boolean => line.toString('latin1', 0, 33) === `${digest(line.subarray(33))} `

/** The value of a line, or undefined when its bytes are not what was written. */
const decodeLine = (line: Buffer, key: string): unknown => {
  const body = isGood(line) ? line.toString('utf8', 33) : ''
  return body.startsWith(`${key} `) ? JSON.parse(body.slice(key.length + 1)) : undefined
}

/** What a result is looked up by. */
const keyOf = (path: string, sha256: string): string => digest(`${sha256} ${path}`)

/* ---- anyone can work out a checksum: what is believed of an entry is looked at as well ---- */

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
const isHash = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
const isPath = (value: unknown): boolean => {
  if (typeof value !== 'string') return false
  checkPath(value)
  return true
}
const isOutput = (value: unknown): boolean =>
  isObject(value) &&
  isPath(value.path) &&
  isCount(value.size) &&
  isHash(value.sha256) &&
  typeof value.oid === 'string' &&
  isOid(value.oid) &&
  typeof value.same === 'boolean'
const isRead = (value: unknown): boolean =>
  isObject(value) &&
  (typeof value.glob === 'string' || typeof value.path === 'string') &&
  (typeof value.sha256 === 'string' || value.sha256 === null)
const isGathered = (value: unknown): boolean =>
  isObject(value) && isCount(value.index) && typeof value.kind === 'string' && typeof value.path === 'string'
const areAll = (value: unknown, check: (one: unknown) => boolean): boolean => Array.isArray(value) && value.every(check)

const isEntry = (value: unknown): value is MemoEntry =>
  isObject(value) &&
  isPath(value.path) &&
  isHash(value.sha256) &&
  areAll(value.reads, isRead) &&
  isCount(value.records) &&
  typeof value.damaged === 'boolean' &&
  areAll(value.issues, isIssue) &&
  areAll(value.gathered, isGathered) &&
  areAll(value.steps, (outputs) => areAll(outputs, isOutput))

const isHeader = (value: unknown): value is MemoHeader => isObject(value) && areAll(value.targets, (id) => typeof id === 'string')

const orUndefined = <T>(read: () => T): T | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

/* ---- reading ---- */

type Line = { readonly start: number; readonly bytes: Buffer }

/** The whole lines of a file, piece by piece; what is longer than a line may be, and what has no end, is passed over. */
function* linesOf(fs: FsPort, fd: number): Generator<Line> {
  let rest = Buffer.alloc(0)
  let isTooLong = false
  for (let at = 0, got = PIECE; got === PIECE; at += got) {
    const piece = Buffer.allocUnsafe(PIECE)
    got = readFully(fs, fd, piece, at)
    let bytes = Buffer.concat([rest, piece.subarray(0, got)])
    let start = at - rest.length
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a)) {
      if (!isTooLong) yield { start, bytes: bytes.subarray(0, end) }
      isTooLong = false
      bytes = bytes.subarray(end + 1)
      start += end + 1
    }
    isTooLong ||= bytes.length > MOST_LINE
    rest = isTooLong ? Buffer.alloc(0) : bytes
  }
}

type Place = readonly [start: number, length: number]

/** A log as it lies on the disk. Only where its lines are is held in memory; a line is read, and looked at, when it is wanted. */
export class MemoLog {
  readonly targets: readonly string[]
  readonly #fs: FsPort
  readonly #path: string
  #fd: number | null = null
  readonly #lines = new Map<string, Place | Place[]>()

  constructor(fs: FsPort, path: string) {
    this.#fs = fs
    this.#path = path
    let header: unknown
    try {
      for (const { start, bytes } of linesOf(fs, this.#open())) {
        if (start === 0) header = orUndefined(() => decodeLine(bytes, HEADER))
        else this.#note(bytes.toString('latin1', 33, 65), [start, bytes.length])
      }
    } finally {
      this.close()
    }
    this.targets = isHeader(header) ? header.targets : []
  }

  /** What became of a file with this content, the latest first. */
  find(path: string, sha256: string): MemoEntry[] {
    const key = keyOf(path, sha256)
    const places = this.#lines.get(key) ?? []
    const found = (isPlace(places) ? [places] : places).map((place) => orUndefined(() => this.#read(place, key)))
    return found.filter((entry) => entry?.path === path && entry.sha256 === sha256).reverse() as MemoEntry[]
  }

  /** Lets the file go until something is looked up again: a process may have few handles. */
  close(): void {
    const fd = this.#fd
    this.#fd = null
    if (fd !== null)
      orUndefined(() => {
        this.#fs.close(fd)
      })
  }

  #open(): number {
    return (this.#fd ??= this.#fs.open(this.#path, READ_FLAGS))
  }

  #note(key: string, place: Place): void {
    const before = this.#lines.get(key)
    if (before === undefined) this.#lines.set(key, place)
    else if (isPlace(before)) this.#lines.set(key, [before, place])
    else before.push(place)
  }

  #read([start, length]: Place, key: string): MemoEntry | undefined {
    const line = Buffer.allocUnsafe(length)
    readFully(this.#fs, this.#open(), line, start)
    const entry = lengthen(decodeLine(line, key))
    return isEntry(entry) ? entry : undefined
  }
}

const isPlace = (value: Place | readonly Place[]): value is Place => typeof value[0] === 'number'

/** undefined where there is none, or one that cannot be read. */
export const readMemoLog = (fs: FsPort, path: string): MemoLog | undefined =>
  orUndefined(() => ((fs.lstat(path)?.size ?? 0) > 2 * MOST_BYTES ? undefined : new MemoLog(fs, path)))

export const isFinished = (name: string): boolean => !name.endsWith(PART)

/** Whether the bytes of a finished log are those that were written. */
export const isWholeLog = (fs: FsPort, path: string): boolean => {
  const { size = 0 } = fs.lstat(path) ?? {}
  const fd = fs.open(path, READ_FLAGS)
  try {
    let [count, end] = [0, 0]
    for (const { start, bytes } of linesOf(fs, fd)) {
      if (start !== end || !isGood(bytes)) return false
      count += 1
      end = start + bytes.length + 1
      if (end === size) return orUndefined(() => decodeLine(bytes, END)) === count
    }
    return false
  } finally {
    fs.close(fd)
  }
}

/* ---- writing ---- */

/** Writes one log. What goes wrong ends the log, never the job. */
export class MemoWriter {
  readonly #fs: FsPort
  readonly #path: string
  #fd: number | null
  #lines = 0
  #bytes = 0

  /** The log has `path` once it is finished. Throws what the file system throws. */
  constructor(fs: FsPort, path: string, header: MemoHeader) {
    this.#fs = fs
    this.#path = path
    this.#fd = fs.open(path + PART, 'wx', 0o600)
    this.#write([encodeLine(HEADER, header)])
  }

  add(entries: readonly MemoEntry[]): void {
    if (this.#bytes >= MOST_BYTES) return
    this.#write(
      entries.map((entry) => encodeLine(keyOf(entry.path, entry.sha256), shorten(entry))).filter((line) => line.length <= MOST_LINE),
    )
  }

  /** Makes the log durable under its own name; false where it did not come to that. */
  finish(): boolean {
    this.#write([encodeLine(END, this.#lines + 1)])
    const fd = this.#fd
    if (fd === null) {
      discard(this.#fs, this.#path + PART)
      return false
    }
    try {
      fsyncFile(this.#fs, fd, this.#path)
      this.close()
      rename(this.#fs, this.#path + PART, this.#path)
      fsyncDirectory(this.#fs, dirname(this.#path))
      return true
    } catch {
      this.close()
      discard(this.#fs, this.#path + PART)
      return false
    }
  }

  /** Leaves what was written for the next run. */
  close(): void {
    const fd = this.#fd
    this.#fd = null
    if (fd !== null)
      orUndefined(() => {
        this.#fs.close(fd)
      })
  }

  #write(lines: readonly Buffer[]): void {
    if (this.#fd === null || lines.length === 0) return
    const bytes = Buffer.concat(lines)
    try {
      writeAll(this.#fs, this.#fd, bytes)
      this.#lines += lines.length
      this.#bytes += bytes.length
    } catch {
      this.close()
    }
  }
}
