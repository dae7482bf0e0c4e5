import { inflateSync, constants } from 'node:zlib'
import { StrataError, messageOf } from '../core/errors.ts'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import { oidAt } from '../core/git-objects.ts'
import { readFully } from './files.ts'
import type { FsPort } from './fs.ts'

/** What stands at an offset of a pack (gitformat-pack). */
export type RawEntry = {
  readonly kind: ObjectType | 'ofs-delta' | 'ref-delta'
  /** Size of the content, or of the delta. */
  readonly size: number
  /** Where the deflated data begins. */
  readonly start: number
  readonly base: number | Oid | null
}

const KINDS: Readonly<Record<number, RawEntry['kind']>> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag', 6: 'ofs-delta', 7: 'ref-delta' }
const HEADER_MOST = 48

const corrupt = (name: string, offset: number, why: string): StrataError =>
  new StrataError('CORRUPT', `${name}, offset ${offset}: ${why}`, { data: { file: name, offset }, hint: 'Run: strata verify' })

/** Distance to the base of an offset delta: big-endian, each further byte adds one (gitformat-pack). */
const ofsDistance = (bytes: Uint8Array, start: number): { distance: number; next: number } => {
  let at = start
  let distance = (bytes[at] ?? 0) & 0x7f
  while (((bytes[at] ?? 0) & 0x80) !== 0) {
    at += 1
    distance = (distance + 1) * 128 + ((bytes[at] ?? 0) & 0x7f)
  }
  return { distance, next: at + 1 }
}

/** Throws CORRUPT for a type or size that no pack has. */
export const readEntryHeader = (fs: FsPort, fd: number, name: string, offset: number): RawEntry => {
  const bytes = Buffer.alloc(HEADER_MOST)
  return decodeEntryHeader(bytes, readFully(fs, fd, bytes, offset), name, offset)
}

/** The same of the bytes that stand at `offset`, of which there are `got`. */
export const decodeEntryHeader = (bytes: Buffer, got: number, name: string, offset: number): RawEntry => {
  let at = 0
  let size = (bytes[0] ?? 0) & 0x0f
  let scale = 16
  while (((bytes[at] ?? 0) & 0x80) !== 0 && at < 10) {
    at += 1
    size += ((bytes[at] ?? 0) & 0x7f) * scale
    scale *= 128
  }
  const kind = KINDS[((bytes[0] ?? 0) >> 4) & 7]
  if (kind === undefined || at >= 10 || got <= at) throw corrupt(name, offset, 'is no object')
  const data = at + 1
  if (kind === 'ofs-delta') {
    const { distance, next } = ofsDistance(bytes, data)
    if (distance <= 0 || distance >= offset) throw corrupt(name, offset, 'a delta points outside the pack')
    return { kind, size, start: offset + next, base: offset - distance }
  }
  if (kind === 'ref-delta') return { kind, size, start: offset + data + 20, base: oidAt(bytes, data) }
  return { kind, size, start: offset + data, base: null }
}

export type Inflated = { readonly bytes: Buffer; readonly consumed: number }

/** The largest object that is made in memory; more is refused as a bomb. */
export const MOST_BYTES = 4 * 1024 ** 3 - 1

/** Worst growth of deflate, and room for its header and checksum. */
const deflatedBound = (size: number): number => size + Math.ceil(size / 1000) + 64

/**
 * Inflates the data of an entry. The declared size bounds the output (deflate bombs). `end` is where the pack's data ends.
 * Throws CORRUPT.
 */
export const inflateEntry = (fs: FsPort, fd: number, name: string, entry: Pick<RawEntry, 'size' | 'start'>, end: number): Inflated => {
  if (entry.size > MOST_BYTES) throw corrupt(name, entry.start, `declares ${entry.size} bytes`)
  const most = Math.min(end - entry.start, deflatedBound(entry.size), MOST_BYTES)
  const input = Buffer.allocUnsafe(Math.max(0, most))
  return inflate(input.subarray(0, readFully(fs, fd, input, entry.start)), name, entry)
}

/** What is inflated at once: in one piece it takes half the time. Not more, for what an entry declares of itself. */
const PIECE_LEAST = 64
const PIECE_MOST = 4 * 1024 * 1024
/** zlib keeps the piece of what it could not inflate until the event loop pauses: after so much of that, pieces are small. */
const FAILED_MOST = 16 * 1024 * 1024
const PIECE_CAREFUL = 16 * 1024
let failed = 0

const pieceFor = (size: number): number => {
  const most = failed > FAILED_MOST ? PIECE_CAREFUL : PIECE_MOST
  // One more: else a second piece is made, to see that nothing follows.
  return Math.min(most, Math.max(PIECE_LEAST, size + 1))
}

/** Inflates the data of an entry, which `input` begins with. Throws CORRUPT. */
export const inflate = (input: Buffer, name: string, entry: Pick<RawEntry, 'size' | 'start'>): Inflated => {
  const chunkSize = pieceFor(entry.size)
  try {
    // `info` also tells how many bytes of the input the stream took.
    const result = inflateSync(input, {
      info: true,
      chunkSize,
      maxOutputLength: Math.max(1, entry.size),
      finishFlush: constants.Z_SYNC_FLUSH,
    }) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    if (result.buffer.length !== entry.size) throw new Error(`has ${result.buffer.length} bytes instead of ${entry.size}`)
    return { bytes: result.buffer, consumed: result.engine.bytesWritten }
  } catch (error) {
    failed += chunkSize
    throw corrupt(name, entry.start, `the object cannot be inflated: ${messageOf(error)}`)
  }
}

const badDelta = (): StrataError => new StrataError('CORRUPT', 'a delta does not fit its base')

const varint = (bytes: Uint8Array, start: number): { value: number; next: number } => {
  let [value, scale, at] = [0, 1, start]
  for (;;) {
    const byte = bytes[at]
    if (byte === undefined) throw badDelta()
    value += (byte & 0x7f) * scale
    at += 1
    if ((byte & 0x80) === 0 || at > start + 9) return { value, next: at }
    scale *= 128
  }
}

/** A copy instruction's offset or size: the set bits of the opcode say which bytes are there. */
const operand = (delta: Uint8Array, at: number, bits: number, count: number): { value: number; next: number } => {
  let [value, next] = [0, at]
  for (let i = 0; i < count; i++)
    if ((bits & (1 << i)) !== 0) {
      value += (delta[next] ?? 0) * 256 ** i
      next += 1
    }
  return { value, next }
}

/** Hands on each piece that the instructions of a delta, from `start` on, make; returns how many bytes they are together. */
const eachPiece = (
  base: Uint8Array,
  delta: Uint8Array,
  start: number,
  most: number,
  use: (piece: Uint8Array, at: number) => void,
): number => {
  let [at, filled] = [start, 0]
  while (at < delta.length) {
    const op = delta[at] ?? 0
    at += 1
    if (op === 0) throw badDelta()
    let piece: Uint8Array
    if ((op & 0x80) === 0) {
      piece = delta.subarray(at, at + op)
      at += op
      if (piece.length !== op) throw badDelta()
    } else {
      const from = operand(delta, at, op & 0x0f, 4)
      const size = operand(delta, from.next, (op >> 4) & 0x07, 3)
      at = size.next
      const length = size.value === 0 ? 0x10000 : size.value
      piece = base.subarray(from.value, from.value + length)
      if (piece.length !== length) throw badDelta()
    }
    if (filled + piece.length > most) throw badDelta()
    use(piece, filled)
    filled += piece.length
  }
  return filled
}

/** The content that a delta makes of its base (gitformat-pack, "Deltified representation"). Throws CORRUPT. */
export const applyDelta = (base: Uint8Array, delta: Uint8Array): Buffer => {
  const source = varint(delta, 0)
  const target = varint(delta, source.next)
  if (source.value !== base.length || target.value > MOST_BYTES) throw badDelta()
  // A few bytes may declare gigabytes: nothing is allocated before the instructions are found to fill it.
  if (eachPiece(base, delta, target.next, target.value, () => undefined) !== target.value) throw badDelta()
  const out = Buffer.allocUnsafe(target.value)
  eachPiece(base, delta, target.next, target.value, (piece, at) => {
    out.set(piece, at)
  })
  return out
}
