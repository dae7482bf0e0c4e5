import { dirname, join } from 'node:path'
import { constants, inflateSync } from 'node:zlib'
import { StrataError, messageOf, systemCode } from '../core/errors.ts'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import { objectOid } from '../core/git-objects.ts'
import { readFile } from './files.ts'
import type { FsPort } from './fs.ts'
import { READ_FLAGS } from './fs.ts'
import type { RawEntry } from './pack-entry.ts'
import type { LargeObject } from './large-object.ts'
import { MOST_BYTES, applyDelta, inflateEntry, readEntryHeader } from './pack-entry.ts'
import { PackIndex } from './pack-index.ts'

export type ObjectContent = { readonly type: ObjectType; readonly bytes: Buffer }

const OPEN_PACKS = 8
const DELTA_DEPTH = 4096
const MOST_KEPT = 64 * 1024 * 1024
/** SHA-1 over all of a pack, at its end. */
export const CHECKSUM = 20

const LOOSE_HEADER = /^(blob|tree|commit|tag) (0|[1-9]\d{0,12})\0/

/** Type and size come first, inside the deflated data; the size bounds what is inflated (deflate bombs). */
const inflateLoose = (packed: Buffer, most: number): ObjectContent => {
  const start = inflateSync(packed.subarray(0, 512), { finishFlush: constants.Z_SYNC_FLUSH })
  const [header, type, digits] = LOOSE_HEADER.exec(start.toString('latin1', 0, 32)) ?? []
  const size = Number(digits)
  if (header === undefined) throw new Error('its header is not one that git writes')
  if (size > most) throw new Error(`declares ${size} bytes`)
  const bytes = inflateSync(packed, { maxOutputLength: header.length + size }).subarray(header.length)
  if (bytes.length !== size) throw new Error(`has ${bytes.length} bytes instead of ${size}`)
  // The expression above lets these four through.
  return { type: type as ObjectType, bytes }
}

/** A version that a delta is made from may be larger than what is made, within reason. */
const mostOfBase = (most: number): number => Math.min(MOST_BYTES, Math.max(16 * most, 512 * 1024 * 1024))

type Pack = { readonly name: string; readonly index: PackIndex }

const applied = (base: Buffer, delta: Buffer): Buffer => applyDelta(base, delta)

/** Throws CORRUPT for an object that is not what its id says. */
export const checkId = (oid: Oid, found: ObjectContent, file: string): ObjectContent => {
  if (objectOid(found.type, found.bytes) === oid) return found
  throw new StrataError('CORRUPT', `object ${oid} is not what its id says (${file})`, { data: { oid, file }, hint: 'Run: strata verify' })
}

/** Reads objects of a repository: packs (deltas and 64-bit offsets included) and loose objects that stock git wrote. */
export class PackStore {
  readonly #fs: FsPort
  readonly #dir: string
  #packs: Map<string, Pack> | null = null
  /** Why an index could not be read: what is not found may be in its pack. */
  #broken: StrataError | undefined
  /** Least recently used first; bounded, so that few file handles are enough. */
  readonly #open = new Map<string, { fd: number; end: number }>()
  /** What the last delta was made from: versions of one file follow each other. */
  #lastBase: { readonly name: string; readonly offset: number; readonly found: ObjectContent } | null = null

  constructor(fs: FsPort, dir: string) {
    this.#fs = fs
    this.#dir = dir
  }

  has(oid: Oid): boolean {
    return this.#locate(oid) !== undefined || this.#fs.lstat(this.#loosePath(oid)) !== undefined
  }

  /** The object, its id checked; undefined when there is none. One that declares more than `most` bytes is not read. Throws CORRUPT. */
  read(oid: Oid, most = MOST_BYTES): ObjectContent | undefined {
    try {
      const found = this.#read(oid, most)
      if (found !== undefined) return found
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
    }
    // A developer's `git gc` may have replaced packs, or packed loose objects, since the packs were listed.
    this.refresh()
    const found = this.#read(oid, most)
    if (found === undefined && this.#broken !== undefined) throw this.#broken
    return found
  }

  /** A large object that stands in a pack by itself; undefined where it has to be read whole. The caller closes `fd`. */
  large(oid: Oid, least: number): { readonly fd: number; readonly name: string; readonly object: LargeObject } | undefined {
    const at = this.#locate(oid)
    if (at === undefined) return undefined
    const { name } = at.pack
    const fd = this.#fs.open(join(this.#dir, name), READ_FLAGS)
    const { kind, size, start } = readEntryHeader(this.#fs, fd, name, at.offset)
    if (size >= least && kind !== 'ofs-delta' && kind !== 'ref-delta')
      return { fd, name, object: { type: kind, size, start, end: this.#fs.fstat(fd).size - CHECKSUM } }
    this.#fs.close(fd)
    return undefined
  }

  /** The object as the pack file `name` itself has it, its id checked. Throws CORRUPT. */
  readFrom(name: string, oid: Oid): ObjectContent | undefined {
    if (this.#packs === null) this.refresh()
    const pack = this.#packs?.get(name.replace(/\.pack$/, '.idx'))
    const offset = pack?.index.find(oid)
    return pack === undefined || offset === undefined ? undefined : checkId(oid, this.#entry(pack, offset), pack.name)
  }

  /** The ids that the pack file `name` lists. */
  *listed(name: string): Generator<Oid> {
    if (this.#packs === null) this.refresh()
    for (const { oid } of this.#packs?.get(name.replace(/\.pack$/, '.idx'))?.index.entries() ?? []) yield oid
  }

  /** An object that stock git wrote as a file of its own, its id checked; undefined when there is none. Throws CORRUPT. */
  readLoose(oid: Oid, most = MOST_BYTES): ObjectContent | undefined {
    const found = this.#loose(oid, most)
    return found === undefined ? undefined : checkId(oid, found, 'loose')
  }

  /** Looks for new packs. */
  refresh(): void {
    this.close()
    const before = this.#packs
    const names = this.#fs.lstat(this.#dir) === undefined ? [] : this.#fs.readdir(this.#dir)
    const packs = names.filter((name) => name.endsWith('.idx') && names.includes(name.replace(/\.idx$/, '.pack')))
    const loaded = new Map<string, Pack>()
    this.#broken = undefined
    for (const name of packs) {
      try {
        loaded.set(name, before?.get(name) ?? this.#load(name))
      } catch (error) {
        // Gone since it was listed: its objects are in a new pack. Damaged: the other packs can still be read.
        if (error instanceof StrataError) this.#broken = error
        else if (systemCode(error) !== 'ENOENT') throw error
      }
    }
    this.#packs = loaded
  }

  close(): void {
    this.#lastBase = null
    for (const { fd } of this.#open.values()) this.#fs.close(fd)
    this.#open.clear()
  }

  #load(name: string): Pack {
    const bytes = readFile(this.#fs, join(this.#dir, name)) ?? Buffer.alloc(0)
    return { name: name.replace(/\.idx$/, '.pack'), index: new PackIndex(bytes, name) }
  }

  #locate(oid: Oid): { pack: Pack; offset: number } | undefined {
    if (this.#packs === null) this.refresh()
    for (const pack of this.#packs?.values() ?? []) {
      const offset = pack.index.find(oid)
      if (offset !== undefined) return { pack, offset }
    }
    return undefined
  }

  #read(oid: Oid, most: number): ObjectContent | undefined {
    const at = this.#locate(oid)
    if (at !== undefined) return checkId(oid, this.#entry(at.pack, at.offset, most), at.pack.name)
    return this.readLoose(oid, most)
  }

  #entry(pack: Pack, offset: number, most = MOST_BYTES): ObjectContent {
    const deltas: Buffer[] = []
    // Deltas on an earlier offset end somewhere. Deltas on an id may go round in a circle.
    const bases = new Set<Oid>()
    for (let at = { pack, offset }; deltas.length <= DELTA_DEPTH; ) {
      const { name } = at.pack
      const known = this.#lastBase
      if (deltas.length > 0 && known?.name === name && known.offset === at.offset)
        return { type: known.found.type, bytes: deltas.reduceRight(applied, known.found.bytes) }
      const { fd, end } = this.#handle(name)
      const entry = readEntryHeader(this.#fs, fd, name, at.offset)
      if (entry.size > (deltas.length === 0 ? most : mostOfBase(most)))
        throw new StrataError('CORRUPT', `${name}, offset ${at.offset}: declares ${entry.size} bytes`, { data: { file: name } })
      const { bytes } = inflateEntry(this.#fs, fd, name, entry, end)
      if (entry.kind !== 'ofs-delta' && entry.kind !== 'ref-delta') {
        if (deltas.length > 0 && bytes.length <= MOST_KEPT) this.#lastBase = { name, offset: at.offset, found: { type: entry.kind, bytes } }
        return { type: entry.kind, bytes: deltas.reduceRight(applied, bytes) }
      }
      deltas.push(bytes)
      if (typeof entry.base === 'string') {
        if (bases.has(entry.base)) break
        bases.add(entry.base)
      }
      at = this.#base(at.pack, entry)
    }
    throw new StrataError('CORRUPT', `${pack.name}: a chain of deltas does not end`, { data: { file: pack.name } })
  }

  #base(pack: Pack, entry: RawEntry): { pack: Pack; offset: number } {
    if (typeof entry.base === 'number') return { pack, offset: entry.base }
    const at = entry.base === null ? undefined : this.#locate(entry.base)
    if (at === undefined) throw new StrataError('CORRUPT', `${pack.name}: the base of a delta is missing`, { data: { file: pack.name } })
    return at
  }

  #handle(name: string): { fd: number; end: number } {
    const known = this.#open.get(name)
    if (known !== undefined) {
      this.#open.delete(name)
      this.#open.set(name, known)
      return known
    }
    const [oldest] = this.#open
    if (oldest !== undefined && this.#open.size >= OPEN_PACKS) {
      this.#fs.close(oldest[1].fd)
      this.#open.delete(oldest[0])
    }
    const fd = this.#fs.open(join(this.#dir, name), READ_FLAGS)
    const opened = { fd, end: this.#fs.fstat(fd).size - CHECKSUM }
    this.#open.set(name, opened)
    return opened
  }

  #loosePath(oid: Oid): string {
    return join(dirname(this.#dir), oid.slice(0, 2), oid.slice(2))
  }

  #loose(oid: Oid, most: number): ObjectContent | undefined {
    const packed = readFile(this.#fs, this.#loosePath(oid))
    if (packed === undefined) return undefined
    try {
      return inflateLoose(packed, most)
    } catch (error) {
      throw new StrataError('CORRUPT', `loose object ${oid}: ${messageOf(error)}`, { data: { oid }, hint: 'Run: strata verify' })
    }
  }
}
