import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { constants, crc32, deflateRawSync } from 'node:zlib'
import { StrataError } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import { discard, writeAll } from './durable.ts'
import type { FsPort } from './fs.ts'
import type { Spilled } from './pack-write.ts'
import { TEMPORARY, entryHeader } from './pack-write.ts'

/** Files from this size on are read, hashed, deflated and written piece by piece: memory must not grow with the data. */
export const LARGE = 8 * 1024 * 1024

/** How much of a large file is in memory at once. */
export const PIECE = 128 * 1024

const MODULUS = 65521

/** So many bytes can be added up before the second sum is beyond a small integer. */
const MOST_ADDED = 3800

/** The Adler-32 of what was before, and of more (RFC 1950). zlib has one, but gives it only with a copy of all bytes. */
const adlerOf = (bytes: Uint8Array, before: number): number => {
  let [a, b] = [before & 0xffff, before >>> 16]
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(at + MOST_ADDED, bytes.length)
    for (; at < end; at++) {
      a += bytes[at] ?? 0
      b += a
    }
    a %= MODULUS
    b %= MODULUS
  }
  return b * 0x10000 + a
}

// 32 KB window, the fastest level (RFC 1950).
const ZLIB_HEADER = Buffer.from([0x78, 0x01])
/** An empty last block with fixed codes (RFC 1951). */
const LAST_BLOCK = Buffer.from([0x03, 0x00])

/** Encodes one blob of a size that is known beforehand, piece by piece: each piece is deflated by itself, and the blocks follow each other in one stream. */
export class LargeEntry {
  readonly #fs: FsPort
  readonly #path: string
  readonly #size: number
  readonly #hash = createHash('sha1')
  #fd: number | null
  #adler = 1
  #crc = 0
  #taken = 0
  #length = 0

  /** `dir`: the folder of the packs. */
  constructor(fs: FsPort, dir: string, size: number) {
    this.#fs = fs
    this.#size = size
    this.#path = join(dir, `${TEMPORARY}blob_${randomBytes(6).toString('hex')}`)
    this.#hash.update(`blob ${size}\0`)
    this.#fd = fs.open(this.#path, 'wx', 0o600)
    try {
      this.#put(entryHeader('blob', size))
      this.#put(ZLIB_HEADER)
    } catch (error) {
      this.abort()
      throw error
    }
  }

  add(piece: Uint8Array): void {
    this.#hash.update(piece)
    this.#adler = adlerOf(piece, this.#adler)
    this.#taken += piece.byteLength
    this.#put(deflateRawSync(piece, { level: 1, finishFlush: constants.Z_SYNC_FLUSH }))
  }

  /** What is to be copied into a pack. Throws UNSTABLE when it has become another size. */
  finish(): Spilled {
    if (this.#taken !== this.#size) {
      this.abort()
      throw new StrataError('UNSTABLE', `${this.#taken} bytes were read instead of ${this.#size}`)
    }
    const trailer = Buffer.alloc(4)
    trailer.writeUInt32BE(this.#adler)
    this.#put(LAST_BLOCK)
    this.#put(trailer)
    this.#close()
    // A SHA-1 in hex is what an Oid is.
    return { path: this.#path, oid: this.#hash.digest('hex') as Oid, crc32: this.#crc, length: this.#length, size: this.#size }
  }

  abort(): void {
    this.#close()
    discard(this.#fs, this.#path)
  }

  #put(bytes: Uint8Array): void {
    if (this.#fd === null) throw new StrataError('DURABILITY', 'this entry is closed')
    writeAll(this.#fs, this.#fd, bytes)
    this.#crc = crc32(bytes, this.#crc)
    this.#length += bytes.byteLength
  }

  #close(): void {
    if (this.#fd !== null) this.#fs.close(this.#fd)
    this.#fd = null
  }
}
