import { join } from 'node:path'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import { isOid, oidAt } from '../core/git-objects.ts'
import { discard } from './durable.ts'
import { readFile } from './files.ts'
import type { FsPort } from './fs.ts'
import { READ_FLAGS } from './fs.ts'
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

/** Packs with objects that are not wanted, or that another pack has too, and the small ones among the rest if they are many. */
export const planRepack = (fs: FsPort, dir: string, isWanted: (oid: Oid) => boolean, most: number): RepackPlan => {
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

/**
 * Rewrites the packs of a plan. `between` runs when the new ones are durable, and before an old one goes. Throws CORRUPT, NO_SPACE;
 * then nothing was removed.
 */
export const repack = (
  fs: FsPort,
  dir: string,
  plan: RepackPlan,
  isWanted: (oid: Oid) => boolean,
  { store, between }: { readonly store: PackStore; readonly between: (done: Repacked) => void },
): Repacked => {
  const { packs, all, dropped } = plan
  const elsewhere = new Set(all.filter((pack) => !packs.includes(pack)).flatMap((pack) => pack.entries.map((e) => e.oid)))
  const output = new Output(fs, dir)
  const written = new Set<Oid>()
  const copyAll = (pack: Pack): void => {
    const fd = fs.open(join(dir, `${pack.name}.pack`), READ_FLAGS)
    try {
      const isCopied = !hasDeltas(fs, fd, pack)
      for (const entry of pack.entries) {
        if (!isWanted(entry.oid) || elsewhere.has(entry.oid) || written.has(entry.oid)) continue
        written.add(entry.oid)
        const found = isCopied ? undefined : store.readFrom(`${pack.name}.pack`, entry.oid)
        if (found === undefined) output.next().copy(entry, entry.length, { fd, name: `${pack.name}.pack` })
        else output.next().add(packEntry(found.type, found.bytes))
      }
    } finally {
      fs.close(fd)
    }
  }
  try {
    for (const pack of packs) copyAll(pack)
    output.finish()
  } catch (error) {
    output.abort()
    throw error
  }
  const old = packs.map(({ name }) => name).filter((name) => !output.names.includes(name))
  const done: Repacked = {
    packsBefore: all.length,
    packsAfter: all.length - packs.length + output.names.length,
    bytesBefore: bytesOf(all),
    bytesAfter: bytesOf(all) - bytesOf(packs) + output.bytes,
    dropped,
  }
  between(done)
  store.close()
  // What stock git worked out over packs is no longer true.
  discard(fs, join(dir, 'multi-pack-index'))
  removePacks(fs, dir, old)
  store.refresh()
  return done
}

/** The ids that a tree names, of whatever mode: a branch that someone else made may hold links. Submodules are not here. */
const treeIds = (bytes: Buffer): { oid: Oid; isTree: boolean }[] => {
  const found: { oid: Oid; isTree: boolean }[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at)
    if (end < 0 || end + 21 > bytes.length) break
    const mode = bytes.toString('latin1', at, bytes.indexOf(0x20, at))
    if (mode !== '160000') found.push({ oid: oidAt(bytes, end + 1), isTree: mode === '40000' })
    at = end + 21
  }
  return found
}

const named = (text: string, key: string): Oid[] =>
  (text.split('\n\n', 1)[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith(`${key} `))
    .map((line) => line.slice(key.length + 1))
    .filter(isOid)

const leadsTo = (type: ObjectType, bytes: Buffer, isCut: boolean): { oid: Oid; isBlob: boolean }[] => {
  if (type === 'blob') return []
  if (type === 'tree') return treeIds(bytes).map(({ oid, isTree }) => ({ oid, isBlob: !isTree }))
  const text = bytes.toString('latin1')
  const ids = type === 'tag' ? named(text, 'object') : [...named(text, 'tree'), ...(isCut ? [] : named(text, 'parent'))]
  return ids.map((oid) => ({ oid, isBlob: false }))
}

/** Everything that `roots` lead to; at `cut`, the history ends. `missing` is told of what is not there. */
export const reachable = (store: PackStore, roots: Iterable<Oid>, cut: ReadonlySet<Oid>, missing: (oid: Oid) => void): Set<Oid> => {
  const seen = new Set<Oid>()
  const queue: Oid[] = []
  const add = (oid: Oid, isBlob: boolean): void => {
    if (seen.has(oid)) return
    seen.add(oid)
    // A blob leads nowhere: it need not be read.
    if (!isBlob) queue.push(oid)
  }
  for (const oid of roots) add(oid, false)
  for (let oid = queue.pop(); oid !== undefined; oid = queue.pop()) {
    const found = store.read(oid)
    if (found === undefined) missing(oid)
    else for (const next of leadsTo(found.type, found.bytes, cut.has(oid))) add(next.oid, next.isBlob)
  }
  return seen
}
