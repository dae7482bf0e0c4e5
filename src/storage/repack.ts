import { join } from 'node:path'
import type { Oid } from '../core/git-objects.ts'
import { discard } from './durable.ts'
import { readFile } from './files.ts'
import type { FsPort } from './fs.ts'
import { READ_FLAGS } from './fs.ts'
import { deltaEntry, prefixDelta } from './pack-delta.ts'
import { readEntryHeader } from './pack-entry.ts'
import type { IndexedEntry } from './pack-index.ts'
import { PackIndex } from './pack-index.ts'
import type { PackStore } from './pack-read.ts'
import { PACK_BYTES, PackWriter, packEntry, removePacks } from './pack-write.ts'

/**
 * Rewrites packs: many small ones into few, or without what nothing leads to. Entries are copied as they stand, deflated; only
 * deltas, which stock git may have made, are written out. New packs are durable before an old one is touched.
 */

const CHECKSUM = 20
type Entry = IndexedEntry & { readonly length: number }
type Pack = { readonly name: string; readonly bytes: number; readonly entries: readonly Entry[] }

const readPack = (fs: FsPort, dir: string, name: string): Pack | undefined => {
  const idx = readFile(fs, join(dir, `${name}.idx`))
  const size = fs.lstat(join(dir, `${name}.pack`))?.size
  if (idx === undefined || size === undefined) return undefined
  const sorted = [...new PackIndex(idx, `${name}.idx`).entries()].sort((a, b) => a.offset - b.offset)
  const end = size - CHECKSUM
  return { name, bytes: size, entries: sorted.map((e, i) => ({ ...e, length: (sorted[i + 1]?.offset ?? end) - e.offset })) }
}

/** Names of the packs that have an index, without their endings. A pack that someone else holds with a `.keep` is left alone. */
export const packNames = (fs: FsPort, dir: string): string[] => {
  const names = new Set(fs.lstat(dir) === undefined ? [] : fs.readdir(dir))
  return [...names].flatMap((name) => {
    const base = name.replace(/\.idx$/, '')
    return name.endsWith('.idx') && names.has(`${base}.pack`) && !names.has(`${base}.keep`) ? [base] : []
  })
}

/** How many bytes of the packs each object takes; the least of them where it is there twice. */
export const objectSizes = (fs: FsPort, dir: string): Map<Oid, number> => {
  const sizes = new Map<Oid, number>()
  for (const name of packNames(fs, dir))
    for (const { oid, length } of readPack(fs, dir, name)?.entries ?? []) sizes.set(oid, Math.min(length, sizes.get(oid) ?? length))
  return sizes
}

export type Repacked = {
  readonly packsBefore: number
  readonly packsAfter: number
  readonly bytesBefore: number
  readonly bytesAfter: number
  /** Objects that were left out. */
  readonly dropped: number
}

/** What rewriting would do: the packs that would be, and how much of them stays. */
export type RepackPlan = { readonly packs: readonly Pack[]; readonly kept: number; readonly dropped: number; readonly all: readonly Pack[] }

const bytesOf = (packs: readonly Pack[]): number => packs.reduce((sum, pack) => sum + pack.bytes, 0)

/** What may be left out, and which objects are versions of one file. */
export type Wishes = {
  readonly isWanted: (oid: Oid) => boolean
  /** Lists of ids, the newest first, each under its first. */
  readonly families: ReadonlyMap<Oid, readonly Oid[]>
}

/** Older versions are worth a rewrite where they are so much of a pack. */
const DELTA_SHARE = 0.25

/** Whether much of a pack is older versions, each still stored whole. */
const isWorthDeltas = (fs: FsPort, dir: string, pack: Pack, older: ReadonlySet<Oid>): boolean => {
  const bytes = pack.entries.reduce((sum, e) => sum + (older.has(e.oid) ? e.length : 0), 0)
  return bytes >= pack.bytes * DELTA_SHARE && bytes >= LEAST && isPlain(fs, dir, pack)
}

/**
 * Packs with objects that are not wanted, or that another pack has too, those that older versions of files fill, and the small ones
 * among the rest if they are many.
 */
export const planRepack = (fs: FsPort, dir: string, { isWanted, families }: Wishes, most: number): RepackPlan => {
  const all = packNames(fs, dir).flatMap((name) => readPack(fs, dir, name) ?? [])
  const seen = new Set<Oid>()
  const full = new Set<Pack>()
  let dropped = 0
  // The largest first: of an object that is there twice, the copy in the larger pack stays where it is.
  for (const pack of [...all].sort((a, b) => b.bytes - a.bytes))
    for (const { oid } of pack.entries) {
      const isUnwanted = !isWanted(oid)
      if (isUnwanted) dropped += 1
      if (isUnwanted || seen.has(oid)) full.add(pack)
      seen.add(oid)
    }
  const older = new Set([...families.values()].flatMap((family) => family.slice(1)))
  const members = new Set([...families.values()].flat())
  const grown = older.size === 0 ? [] : all.filter((pack) => !full.has(pack) && isWorthDeltas(fs, dir, pack, older))
  // The newest version comes along, so that there is something to be told apart from.
  for (const pack of grown) full.add(pack)
  const small = (pack: Pack): boolean => pack.bytes < PACK_BYTES / 4 && pack.entries.some(({ oid }) => members.has(oid))
  if (grown.length > 0) for (const pack of all) if (small(pack) && isPlain(fs, dir, pack)) full.add(pack)
  const rest = all.filter((pack) => !full.has(pack))
  const packs = [...full, ...(rest.length + full.size > most ? smallOnes(rest) : [])]
  const kept = packs.flatMap((pack) => pack.entries).reduce((sum, e) => sum + (isWanted(e.oid) ? e.length : 0), 0)
  return { packs, kept, dropped, all }
}

/** The most small packs whose merging leaves every pack at least twice as large as all smaller ones together. */
const smallOnes = (packs: readonly Pack[]): Pack[] => {
  const sorted = [...packs].sort((a, b) => a.bytes - b.bytes)
  let split = 0
  let sum = 0
  sorted.forEach((pack, i) => {
    if (pack.bytes < 2 * sum) split = i + 1
    sum += pack.bytes
  })
  return sorted.slice(0, split)
}

const isPlain = (fs: FsPort, dir: string, pack: Pack): boolean => {
  const fd = fs.open(join(dir, `${pack.name}.pack`), READ_FLAGS)
  try {
    return !hasDeltas(fs, fd, pack)
  } finally {
    fs.close(fd)
  }
}

const hasDeltas = (fs: FsPort, fd: number, { name, entries }: Pack): boolean =>
  entries.some((entry) => readEntryHeader(fs, fd, name, entry.offset).kind.endsWith('delta'))

/** Gathers entries in packs of at most a gigabyte. */
class Output {
  readonly names: string[] = []
  bytes = 0
  #pack: PackWriter | null = null
  readonly #fs: FsPort
  readonly #dir: string

  constructor(fs: FsPort, dir: string) {
    this.#fs = fs
    this.#dir = dir
  }

  next(): PackWriter {
    if ((this.#pack?.bytes ?? 0) > PACK_BYTES) this.finish()
    this.#pack ??= new PackWriter(this.#fs, this.#dir)
    return this.#pack
  }

  finish(): void {
    const made = this.#pack?.finish() ?? null
    this.#pack = null
    if (made === null) return
    this.names.push(made.name)
    this.bytes += made.bytes
  }

  abort(): void {
    this.#pack?.abort()
  }
}

/** A file whose versions are smaller gains nothing, one that is larger takes too much memory; both are of the content. */
const LEAST = 512
const MOST = 64 * 1024 * 1024
/** A delta has to be worth the trouble of reading two objects. */
const GAIN = 0.5

type Placed = { readonly pack: Pack; readonly entry: Entry }

/** Copies the objects of some packs into new ones. */
class Copier {
  readonly output: Output
  readonly #fs: FsPort
  readonly #dir: string
  readonly #store: PackStore
  readonly #families: ReadonlyMap<Oid, readonly Oid[]>
  readonly #familyOf: ReadonlyMap<Oid, Oid>
  /** What is to be written, and where it is; what has been written is no longer here. */
  readonly #left: Map<Oid, Placed>
  readonly #plain = new Map<string, boolean>()
  #open: { name: string; fd: number } | null = null

  constructor(fs: FsPort, dir: string, store: PackStore, families: ReadonlyMap<Oid, readonly Oid[]>, left: Map<Oid, Placed>) {
    this.output = new Output(fs, dir)
    this.#fs = fs
    this.#dir = dir
    this.#store = store
    this.#families = families
    this.#familyOf = new Map([...families].flatMap(([newest, family]) => family.map((oid) => [oid, newest] as const)))
    this.#left = left
  }

  pack(pack: Pack): void {
    // Distances between deltas and their bases stay what they are where everything is copied in its order.
    if (!this.#isPlain(pack) && pack.entries.every(({ oid }) => this.#left.get(oid)?.pack === pack)) {
      const writer = this.output.next()
      for (const entry of pack.entries) this.#raw({ pack, entry }, writer)
      return
    }
    for (const { oid } of pack.entries) {
      const newest = this.#familyOf.get(oid)
      if (newest !== undefined) this.#family(this.#families.get(newest) ?? [])
      else this.#whole(this.#left.get(oid), this.output.next())
    }
  }

  close(): void {
    if (this.#open !== null) this.#fs.close(this.#open.fd)
    this.#open = null
  }

  /** The newest version as it stands, the others as what they differ in. */
  #family(family: readonly Oid[]): void {
    const [base, ...older] = family.flatMap((oid) => this.#left.get(oid) ?? [])
    if (base === undefined) return
    const writer = this.output.next()
    const at = writer.bytes
    this.#whole(base, writer)
    if (older.length === 0) return
    const bytes = this.#content(base)
    for (const placed of older) {
      const content = bytes === undefined ? undefined : this.#content(placed)
      const delta = bytes === undefined || content === undefined ? undefined : prefixDelta(bytes, content)
      const entry = delta === undefined ? undefined : deltaEntry(placed.entry.oid, delta, writer.bytes - at)
      if (entry === undefined || entry.data.byteLength > placed.entry.length * GAIN) this.#whole(placed, writer)
      else {
        writer.add(entry)
        this.#left.delete(placed.entry.oid)
      }
    }
  }

  #content({ pack, entry }: Placed): Buffer | undefined {
    const bytes = this.#store.readFrom(`${pack.name}.pack`, entry.oid)?.bytes
    return bytes === undefined || bytes.length < LEAST || bytes.length > MOST ? undefined : bytes
  }

  #whole(placed: Placed | undefined, writer: PackWriter): void {
    if (placed === undefined) return
    const { pack, entry } = placed
    const found = this.#isPlain(pack) ? undefined : this.#store.readFrom(`${pack.name}.pack`, entry.oid)
    if (found === undefined) this.#raw(placed, writer)
    else writer.add(packEntry(found.type, found.bytes))
    this.#left.delete(entry.oid)
  }

  #raw({ pack, entry }: Placed, writer: PackWriter): void {
    writer.copy(entry, entry.length, { fd: this.#handle(pack), name: `${pack.name}.pack` })
    this.#left.delete(entry.oid)
  }

  #isPlain(pack: Pack): boolean {
    const known = this.#plain.get(pack.name) ?? !hasDeltas(this.#fs, this.#handle(pack), pack)
    this.#plain.set(pack.name, known)
    return known
  }

  #handle({ name }: Pack): number {
    if (this.#open?.name === name) return this.#open.fd
    this.close()
    this.#open = { name, fd: this.#fs.open(join(this.#dir, `${name}.pack`), READ_FLAGS) }
    return this.#open.fd
  }
}

const allOf = (packs: readonly Pack[], isWanted: (oid: Oid) => boolean, elsewhere: ReadonlySet<Oid>): Map<Oid, Placed> => {
  const left = new Map<Oid, Placed>()
  for (const pack of packs)
    for (const entry of pack.entries)
      if (isWanted(entry.oid) && !elsewhere.has(entry.oid) && !left.has(entry.oid)) left.set(entry.oid, { pack, entry })
  return left
}

/**
 * Rewrites the packs of a plan. `between` runs when the new ones are durable, and before an old one goes. Throws CORRUPT, NO_SPACE;
 * then nothing was removed.
 */
export const repack = (
  fs: FsPort,
  dir: string,
  plan: RepackPlan,
  { isWanted, families }: Wishes,
  { store, between }: { readonly store: PackStore; readonly between: (done: Repacked) => void },
): Repacked => {
  const { packs, all, dropped } = plan
  const elsewhere = new Set(all.filter((pack) => !packs.includes(pack)).flatMap((pack) => pack.entries.map((e) => e.oid)))
  const copier = new Copier(fs, dir, store, families, allOf(packs, isWanted, elsewhere))
  const { output } = copier
  try {
    for (const pack of packs) copier.pack(pack)
    output.finish()
  } catch (error) {
    output.abort()
    throw error
  } finally {
    copier.close()
  }
  const old = packs.map(({ name }) => name).filter((name) => !output.names.includes(name))
  const done: Repacked = {
    packsBefore: all.length,
    packsAfter: all.length - packs.length + output.names.length,
    bytesBefore: bytesOf(all),
    bytesAfter: bytesOf(all) - bytesOf(packs) + output.bytes,
    dropped,
  }
  if (old.length === 0) return done
  between(done)
  store.close()
  // What stock git worked out over packs is no longer true.
  discard(fs, join(dir, 'multi-pack-index'))
  removePacks(fs, dir, old)
  store.refresh()
  return done
}
