import { createHash } from 'node:crypto'
import { StrataError } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import { oidAt } from '../core/git-objects.ts'

/** Version 2 of git's pack index (gitformat-pack): fan-out, ids, CRC-32s, offsets, 64-bit offsets, two checksums. */

const MAGIC = 0xff744f63
const HEADER = 8
const FAN_OUT = 256 * 4
const LARGE = 0x80000000

export type IndexedEntry = { readonly oid: Oid; readonly crc32: number; readonly offset: number }

const sha1 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha1')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export const encodeIndex = (entries: readonly IndexedEntry[], packChecksum: Uint8Array): Buffer => {
  const sorted = [...entries].sort((a, b) => (a.oid < b.oid ? -1 : a.oid > b.oid ? 1 : 0))
  const large = sorted.filter((e) => e.offset >= LARGE)
  const body = Buffer.alloc(HEADER + FAN_OUT + sorted.length * 28 + large.length * 8)
  body.writeUInt32BE(MAGIC, 0)
  body.writeUInt32BE(2, 4)
  const ids = HEADER + FAN_OUT
  const crcs = ids + sorted.length * 20
  const offsets = crcs + sorted.length * 4
  const wide = offsets + sorted.length * 4
  const counts = new Uint32Array(256)
  let largeAt = 0
  sorted.forEach((e, i) => {
    body.write(e.oid, ids + i * 20, 'hex')
    counts[body[ids + i * 20] ?? 0] = (counts[body[ids + i * 20] ?? 0] ?? 0) + 1
    body.writeUInt32BE(e.crc32, crcs + i * 4)
    if (e.offset < LARGE) body.writeUInt32BE(e.offset, offsets + i * 4)
    else {
      body.writeUInt32BE((LARGE | largeAt) >>> 0, offsets + i * 4)
      body.writeBigUInt64BE(BigInt(e.offset), wide + largeAt * 8)
      largeAt += 1
    }
  })
  let sum = 0
  counts.forEach((n, byte) => {
    sum += n
    body.writeUInt32BE(sum, HEADER + byte * 4)
  })
  return Buffer.concat([body, packChecksum, sha1(body, packChecksum)])
}

/** An index in memory: found by binary search in the raw bytes, no list of strings. */
export class PackIndex {
  readonly count: number
  readonly #bytes: Buffer
  readonly #ids: number

  /** Throws CORRUPT when the bytes cannot be an index; `checkSum` tells whether they are undamaged. */
  constructor(bytes: Buffer, name: string) {
    const broken = (why: string): StrataError =>
      new StrataError('CORRUPT', `${name}: ${why}`, { data: { file: name }, hint: 'Run: strata verify' })
    if (bytes.length < HEADER + FAN_OUT + 40 || bytes.readUInt32BE(0) !== MAGIC || bytes.readUInt32BE(4) !== 2)
      throw broken('is not a pack index of version 2')
    this.#bytes = bytes
    this.#ids = HEADER + FAN_OUT
    this.count = bytes.readUInt32BE(HEADER + 255 * 4)
    for (let i = 1; i < 256; i++) if (this.#fan(i) < this.#fan(i - 1)) throw broken('its fan-out table decreases')
    const least = this.#ids + this.count * 28 + 40
    if (bytes.length < least || (bytes.length - least) % 8 !== 0) throw broken('its length does not fit its count')
  }

  get packChecksum(): Buffer {
    return this.#bytes.subarray(this.#bytes.length - 40, this.#bytes.length - 20)
  }

  checkSum(): boolean {
    return sha1(this.#bytes.subarray(0, -20)).equals(this.#bytes.subarray(-20))
  }

  /** The offset of an object in the pack. */
  find(oid: Oid): number | undefined {
    const wanted = Buffer.from(oid, 'hex')
    const first = wanted[0] ?? 0
    let low = first === 0 ? 0 : this.#fan(first - 1)
    let high = this.#fan(first) - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const at = this.#ids + middle * 20
      const order = this.#bytes.compare(wanted, 0, 20, at, at + 20)
      if (order === 0) return this.#offset(middle)
      if (order < 0) low = middle + 1
      else high = middle - 1
    }
    return undefined
  }

  *entries(): Generator<IndexedEntry> {
    const crcs = this.#ids + this.count * 20
    for (let i = 0; i < this.count; i++)
      yield { oid: oidAt(this.#bytes, this.#ids + i * 20), crc32: this.#bytes.readUInt32BE(crcs + i * 4), offset: this.#offset(i) }
  }

  #fan(byte: number): number {
    return this.#bytes.readUInt32BE(HEADER + byte * 4)
  }

  #offset(i: number): number {
    const offsets = this.#ids + this.count * 24
    const small = this.#bytes.readUInt32BE(offsets + i * 4)
    if (small < LARGE) return small
    const at = offsets + this.count * 4 + (small - LARGE) * 8
    if (at + 8 > this.#bytes.length - 40) throw new StrataError('CORRUPT', 'a pack index points outside its table of large offsets')
    const large = this.#bytes.readBigUInt64BE(at)
    if (large > BigInt(Number.MAX_SAFE_INTEGER)) throw new StrataError('CORRUPT', 'a pack index has an offset that no file has')
    return Number(large)
  }
}
