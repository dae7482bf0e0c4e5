import { crc32, deflateSync } from 'node:zlib'
import type { Oid } from '../core/git-objects.ts'
import type { PackEntry } from './pack-write.ts'

/**
 * Deltas of files that grow (gitformat-pack, "Deltified representation"): an older version is the beginning and the end of a newer one,
 * with little of its own in between. Found by comparing from both sides, so it costs what reading costs.
 */

const OFS_DELTA = 6
/** A copy instruction has three bytes for its size. */
const MOST_COPIED = 0xffffff
const MOST_INSERTED = 0x7f

const varint = (value: number): number[] => {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return [...bytes, rest]
}

const PIECE = 64 * 1024

/** How many bytes both begin with. Pieces are compared natively, and only the one that differs byte by byte. */
const commonStart = (a: Buffer, b: Buffer, most: number): number => {
  let at = 0
  while (at + PIECE <= most && a.compare(b, at, at + PIECE, at, at + PIECE) === 0) at += PIECE
  while (at < most && a[at] === b[at]) at += 1
  return at
}

const commonEnd = (a: Buffer, b: Buffer, most: number): number => {
  let n = 0
  while (n + PIECE <= most && a.compare(b, b.length - n - PIECE, b.length - n, a.length - n - PIECE, a.length - n) === 0) n += PIECE
  while (n < most && a[a.length - 1 - n] === b[b.length - 1 - n]) n += 1
  return n
}

const copies = (offset: number, length: number): number[] => {
  const out: number[] = []
  for (let done = 0; done < length; done += MOST_COPIED) {
    const [from, size] = [offset + done, Math.min(MOST_COPIED, length - done)]
    // All seven bytes, zeros too: a few bytes more, and nothing to get wrong.
    out.push(0xff, from & 0xff, (from >>> 8) & 0xff, (from >>> 16) & 0xff, (from >>> 24) & 0xff)
    out.push(size & 0xff, (size >>> 8) & 0xff, (size >>> 16) & 0xff)
  }
  return out
}

/** The instructions that make `target` of `base`: its beginning, what is its own, its end. */
export const prefixDelta = (base: Buffer, target: Buffer): Buffer => {
  const least = Math.min(base.length, target.length)
  const start = commonStart(base, target, least)
  const end = commonEnd(base, target, least - start)
  const own = target.subarray(start, target.length - end)
  const inserts: Buffer[] = []
  for (let at = 0; at < own.length; at += MOST_INSERTED) {
    const piece = own.subarray(at, at + MOST_INSERTED)
    inserts.push(Buffer.from([piece.length]), piece)
  }
  return Buffer.concat([
    Buffer.from([...varint(base.length), ...varint(target.length), ...copies(0, start)]),
    ...inserts,
    Buffer.from(copies(base.length - end, end)),
  ])
}

/** Type and size, as in every entry; then how far back the base is: seven bits at a time, the highest first, each further byte one more. */
const header = (size: number, distance: number): Buffer => {
  const bytes: number[] = []
  let rest = Math.floor(size / 16)
  let byte = (OFS_DELTA << 4) | (size % 16)
  for (; rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push(byte | 0x80)
    byte = rest % 128
  }
  bytes.push(byte)
  const back = [distance % 128]
  for (let left = Math.floor(distance / 128); left > 0; left = Math.floor(left / 128)) {
    left -= 1
    back.unshift((left % 128) | 0x80)
  }
  return Buffer.from([...bytes, ...back])
}

/** An entry whose content is made from the one that stands `distance` bytes before it in the same pack. */
export const deltaEntry = (oid: Oid, delta: Buffer, distance: number): PackEntry => {
  const data = Buffer.concat([header(delta.length, distance), deflateSync(delta, { level: 6 })])
  return { oid, crc32: crc32(data), size: delta.length, data }
}
