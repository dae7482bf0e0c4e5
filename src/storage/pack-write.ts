import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { StrataError } from '../core/errors.ts'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import { objectOid } from '../core/git-objects.ts'
import { discard, fsyncDirectory, fsyncFile, rename, writeAll } from './durable.ts'
import { readFully, readText } from './files.ts'
import type { FsPort } from './fs.ts'
import type { IndexedEntry } from './pack-index.ts'
import { encodeIndex } from './pack-index.ts'

const TYPES: Readonly<Record<ObjectType, number>> = { commit: 1, tree: 2, blob: 3, tag: 4 }
/** One native deflate state costs about 225 KB to set up; small content is done with a small window (measured: 1.5 times as fast). */
const SMALL = 4096

/** 0 stores bytes as they are. */
type Level = 0 | 1

/** One object, as it stands in a pack. */
export type PackEntry = { readonly oid: Oid; readonly crc32: number; readonly size: number; readonly data: Uint8Array }

/** A pack entry in a file of its own, beside the packs: it is too large for memory. Recovery removes what a killed process leaves. */
export type Spilled = { readonly path: string; readonly oid: Oid; readonly crc32: number; readonly length: number; readonly size: number }

/** Many entries in one transferable buffer, and where each is. */
export type EncodedBatch = {
  readonly buffer: ArrayBuffer
  /** Large objects, each in a file of its own; whoever takes the batch removes these. */
  readonly spilled?: readonly Spilled[]
  readonly table: readonly {
    readonly oid: Oid
    readonly crc32: number
    readonly offset: number
    readonly length: number
    readonly size: number
  }[]
}

/** Type and size, seven bits at a time with the lowest first, four of them in the first byte (gitformat-pack). */
export const entryHeader = (type: ObjectType, size: number): Buffer => {
  const bytes: number[] = []
  let rest = Math.floor(size / 16)
  let byte = (TYPES[type] << 4) | (size % 16)
  while (rest > 0) {
    bytes.push(byte | 0x80)
    byte = rest % 128
    rest = Math.floor(rest / 128)
  }
  return Buffer.from([...bytes, byte])
}

const deflate = (bytes: Uint8Array, level: Level): Buffer =>
  bytes.byteLength <= SMALL ? deflateSync(bytes, { level, windowBits: 12, memLevel: 5 }) : deflateSync(bytes, { level })

/** Encodes one object: pure, synchronous, fit for workers. */
export const packEntry = (type: ObjectType, bytes: Uint8Array, oid = objectOid(type, bytes), level: Level = 1): PackEntry => {
  const data = Buffer.concat([entryHeader(type, bytes.byteLength), deflate(bytes, level)])
  return { oid, crc32: crc32(data), size: bytes.byteLength, data }
}

export const encodeEntries = (objects: readonly { readonly type: ObjectType; readonly bytes: Uint8Array }[]): EncodedBatch =>
  joinEntries(objects.map(({ type, bytes }) => packEntry(type, bytes)))

/** Entries in one buffer. */
export const joinEntries = (entries: readonly PackEntry[]): EncodedBatch => {
  const buffer = new ArrayBuffer(entries.reduce((sum, e) => sum + e.data.byteLength, 0))
  const target = new Uint8Array(buffer)
  let offset = 0
  const table = entries.map(({ oid, crc32: crc, size, data }) => {
    target.set(data, offset)
    const row = { oid, crc32: crc, offset, length: data.byteLength, size }
    offset += data.byteLength
    return row
  })
  return { buffer, table }
}

/** Not `tmp_`: those are stock git's own, and `git gc --prune=now` deletes them all. */
export const TEMPORARY = 'strata_tmp_'

const KEEP = 'strata: until its branch is written\n'

/** `git gc --prune=now` would drop a pack that no branch leads to yet; it leaves alone what has such a file. */
const keepPack = (fs: FsPort, path: string): void => {
  const fd = fs.open(path, 'w', 0o600)
  try {
    writeAll(fs, fd, Buffer.from(KEEP))
  } finally {
    fs.close(fd)
  }
}

const isOurKeep = (fs: FsPort, path: string): boolean => {
  // A crash may have left it empty, or cut.
  const text = readText(fs, path)
  return text !== undefined && KEEP.startsWith(text)
}

/** Packs of ours that never got an index: their transaction never happened. */
export const unfinishedPacks = (fs: FsPort, dir: string): string[] => {
  const names = fs.lstat(dir) === undefined ? [] : fs.readdir(dir)
  const isUnfinished = (name: string): boolean =>
    !names.includes(name.replace(/\.pack$/, '.idx')) && isOurKeep(fs, join(dir, name.replace(/\.pack$/, '.keep')))
  return names.filter((name) => name.endsWith('.pack') && isUnfinished(name)).map((name) => join(dir, name))
}

/**
 * Removes packs whose objects are in others by now. A kill in between leaves packs without an index, with the file that tells
 * recovery that they are to go.
 */
export const removePacks = (fs: FsPort, dir: string, names: readonly string[]): void => {
  const left = names.filter((name) => fs.lstat(join(dir, `${name}.pack`)) !== undefined)
  for (const name of left) keepPack(fs, join(dir, `${name}.keep`))
  fsyncDirectory(fs, dir)
  // The index first: git and we look for packs by it.
  for (const name of left) discard(fs, join(dir, `${name}.idx`))
  fsyncDirectory(fs, dir)
  // An index that cannot be removed keeps its pack: one without the other would be missing objects.
  const gone = left.filter((name) => fs.lstat(join(dir, `${name}.idx`)) === undefined)
  for (const ending of ['rev', 'bitmap', 'mtimes', 'pack']) for (const name of gone) discard(fs, join(dir, `${name}.${ending}`))
  fsyncDirectory(fs, dir)
  for (const name of left) discard(fs, join(dir, `${name}.keep`))
}

/** Leaves packs to git again, now that branches lead to what is in them. Keeps that others made stay. */
export const releasePacks = (fs: FsPort, dir: string): void => {
  for (const name of fs.lstat(dir) === undefined ? [] : fs.readdir(dir)) {
    if (name.endsWith('.keep') && isOurKeep(fs, join(dir, name))) discard(fs, join(dir, name))
  }
}

/** A pack is closed at this size; the next object starts another. */
export const PACK_BYTES = 1024 ** 3

const CHUNK = 1024 * 1024
const HEADER_BYTES = 12

const packHeader = (count: number): Buffer => {
  const header = Buffer.from('PACK\0\0\0\u0002\0\0\0\0', 'latin1')
  header.writeUInt32BE(count, 8)
  return header
}

export type FinishedPack = { readonly name: string; readonly count: number; readonly bytes: number }

/** Writes one pack. It exists for readers once `finish` has renamed its index; until then it is a temporary file that git ignores. */
export class PackWriter {
  readonly #fs: FsPort
  readonly #dir: string
  readonly #temporary: string
  readonly #entries: IndexedEntry[] = []
  readonly #seen = new Set<Oid>()
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  #bytes = HEADER_BYTES
  #fd: number | null
  /** Temporary files that are still there. */
  readonly #left = new Set<string>()

  constructor(fs: FsPort, dir: string) {
    this.#fs = fs
    this.#dir = dir
    this.#temporary = join(dir, `${TEMPORARY}pack_${randomBytes(6).toString('hex')}`)
    this.#fd = fs.open(this.#temporary, 'wx+', 0o600)
    this.#left.add(this.#temporary)
    try {
      writeAll(fs, this.#fd, packHeader(0))
    } catch (error) {
      this.abort()
      throw error
    }
  }

  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#entries.length
  }

  /** Appends an encoded object unless this pack has it already. */
  add(entry: PackEntry): void {
    if (this.#seen.has(entry.oid)) return
    this.#seen.add(entry.oid)
    this.#entries.push({ oid: entry.oid, crc32: entry.crc32, offset: this.#bytes })
    this.#bytes += entry.data.byteLength
    this.#pending.push(entry.data)
    this.#pendingBytes += entry.data.byteLength
    if (this.#pendingBytes >= CHUNK) this.#flush()
  }

  /** Appends an entry of another pack as it stands there. Throws CORRUPT when it is not what that pack's index says. */
  copy(entry: IndexedEntry, length: number, from: { readonly fd: number; readonly name: string }): void {
    if (this.#seen.has(entry.oid)) return
    this.#flush()
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, length))
    let crc = 0
    for (let done = 0; done < length; ) {
      const got = readFully(this.#fs, from.fd, buffer.subarray(0, Math.min(buffer.length, length - done)), entry.offset + done)
      if (got === 0) break
      crc = crc32(buffer.subarray(0, got), crc)
      writeAll(this.#fs, this.#open(), buffer.subarray(0, got), this.#bytes + done)
      done += got
    }
    if (crc !== entry.crc32)
      throw new StrataError('CORRUPT', `object ${entry.oid} is damaged in ${from.name}`, {
        data: { file: `repo.git/objects/pack/${from.name}`, oid: entry.oid },
        hint: 'Nothing was removed. See what can be healed: strata repair',
      })
    this.#seen.add(entry.oid)
    this.#entries.push({ oid: entry.oid, crc32: crc, offset: this.#bytes })
    this.#bytes += length
  }

  /** Makes pack and index durable, the index last; null when there was nothing to write. Throws DURABILITY, NO_SPACE. */
  finish(): FinishedPack | null {
    if (this.#entries.length === 0) {
      this.abort()
      return null
    }
    try {
      return this.#complete(this.#open())
    } catch (error) {
      this.abort()
      throw error
    }
  }

  /** Removes what was written; safe to call twice, and after `finish`. */
  abort(): void {
    if (this.#fd !== null) this.#fs.close(this.#fd)
    this.#fd = null
    for (const path of this.#left) discard(this.#fs, path)
    this.#left.clear()
  }

  #complete(fd: number): FinishedPack {
    this.#flush()
    writeAll(this.#fs, fd, packHeader(this.#entries.length), 0)
    const checksum = this.#checksum(fd)
    writeAll(this.#fs, fd, checksum, this.#bytes)
    if (this.#fs.fstat(fd).size !== this.#bytes + checksum.length)
      throw new StrataError('NO_SPACE', 'a pack was not written whole', { hint: 'Free some space, then try again.' })
    this.#fs.chmod(this.#temporary, 0o400)
    fsyncFile(this.#fs, fd, this.#temporary)
    this.#fd = null
    this.#fs.close(fd)
    return this.#publish(checksum)
  }

  #publish(checksum: Buffer): FinishedPack {
    const name = `pack-${checksum.toString('hex')}`
    const index = this.#temporary.replace(`${TEMPORARY}pack_`, `${TEMPORARY}idx_`)
    const fd = this.#fs.open(index, 'wx', 0o400)
    this.#left.add(index)
    try {
      writeAll(this.#fs, fd, encodeIndex(this.#entries, checksum))
      fsyncFile(this.#fs, fd, index)
    } finally {
      this.#fs.close(fd)
    }
    // Before the pack has its name: so a pack without an index is known as one of ours that was never finished.
    keepPack(this.#fs, join(this.#dir, `${name}.keep`))
    rename(this.#fs, this.#temporary, join(this.#dir, `${name}.pack`))
    this.#left.delete(this.#temporary)
    // A reader that sees the index must find the pack, also after a power cut: names become durable in this order.
    fsyncDirectory(this.#fs, this.#dir)
    rename(this.#fs, index, join(this.#dir, `${name}.idx`))
    // A writer that the store's lock does not reach may have swept it up as unfinished.
    if (this.#fs.lstat(join(this.#dir, `${name}.pack`)) === undefined) {
      discard(this.#fs, join(this.#dir, `${name}.idx`))
      throw new StrataError('CONFLICT', 'another process has removed a pack that was being written', { hint: 'Run the command again.' })
    }
    this.#left.delete(index)
    fsyncDirectory(this.#fs, this.#dir)
    return { name, count: this.#entries.length, bytes: this.#bytes + checksum.length }
  }

  /** The count in the header is known only now, and the checksum covers it: the pack is read once more, in pieces. */
  #checksum(fd: number): Buffer {
    const hash = createHash('sha1')
    const buffer = Buffer.allocUnsafe(CHUNK)
    for (let at = 0; at < this.#bytes; ) {
      const got = readFully(this.#fs, fd, buffer.subarray(0, Math.min(CHUNK, this.#bytes - at)), at)
      if (got === 0) throw new StrataError('DURABILITY', 'a pack is shorter than what was written to it')
      hash.update(buffer.subarray(0, got))
      at += got
    }
    return hash.digest()
  }

  #flush(): void {
    if (this.#pendingBytes === 0) return
    writeAll(this.#fs, this.#open(), Buffer.concat(this.#pending), this.#bytes - this.#pendingBytes)
    this.#pending = []
    this.#pendingBytes = 0
  }

  #open(): number {
    if (this.#fd === null) throw new StrataError('DURABILITY', 'this pack is closed')
    return this.#fd
  }
}
