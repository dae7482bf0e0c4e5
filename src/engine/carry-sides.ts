import { join } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import type { CarriedFile, Content, Contents } from '../core/carry-file.ts'
import { bytesAt, carryFile, contentOf, pathThere, routeOf } from '../core/carry-file.ts'
import type { Sync } from '../core/counterpart.ts'
import type { Dataset } from '../core/dataset.ts'
import { StrataError } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { FileEntry } from '../core/manifest.ts'
import { compareBytes } from '../core/names.ts'
import { kindOf } from '../core/schema.ts'
import { startOf } from '../core/start.ts'
import type { Snapshot } from '../core/state.ts'
import { Paths } from '../core/paths.ts'
import type { Newer } from '../core/three-way.ts'
import type { Source } from '../core/transform.ts'
import { readStable } from '../storage/read-stable.ts'
import type { Repository } from '../storage/repository.ts'
import { inTime } from './bounded.ts'
import type { Context } from './context.ts'
import type { Difference } from './directory.ts'
import { differences } from './directory.ts'

/** What a carry works on: both snapshots, each as it is and as it was when they were the same. */
export type CarrySides = {
  readonly from: Snapshot
  readonly to: Snapshot
  readonly sync: Sync
  /** What was written in `from` since, those files first that others are made with. */
  readonly written: readonly Difference[]
  readonly contents: Contents
  readonly ourFiles: ReadonlyMap<string, FileEntry>
  readonly theirFiles: ReadonlyMap<string, FileEntry>
}

type Reader = { readonly context: Context; readonly repository: Repository }

const LAST_READ_KEPT = 8

/** Files of a commit, but for `others`, which come from elsewhere; read when they are wanted. */
class FilesSource implements Source {
  readonly paths: readonly string[]
  readonly #reader: Reader
  readonly #files: Files
  readonly #others: ReadonlyMap<string, () => Uint8Array>
  readonly base: number
  readonly #read = new Map<string, Uint8Array>()

  constructor(reader: Reader, files: Files, position: number, others: ReadonlyMap<string, () => Uint8Array>) {
    this.#reader = reader
    this.#files = files
    this.base = position
    this.#others = others
    this.paths = [...new Set([...files.keys(), ...others.keys()])]
  }

  bytes(path: string): Uint8Array {
    const known = this.#read.get(path)
    if (known !== undefined) return known
    const bytes = this.#fetch(path)
    this.#read.set(path, bytes)
    const [oldest] = this.#read.keys()
    if (this.#read.size > LAST_READ_KEPT && oldest !== undefined) this.#read.delete(oldest)
    return bytes
  }

  start(path: string): number {
    return startOf(this.#reader.context.dataset, path, this.bytes(path), this.base)
  }

  #fetch(path: string): Uint8Array {
    const other = this.#others.get(path)
    if (other !== undefined) return other()
    const entry = this.#files.get(path)
    if (entry === undefined) throw new StrataError('ABSENT', `there is no ${path}`, { data: { file: path } })
    return this.#reader.repository.blob(entry.oid, entry.size)
  }
}

type Files = ReadonlyMap<string, FileEntry>
type Fetched = ReadonlyMap<string, () => Uint8Array>

const byPath = (repository: Repository, commit: Oid): Map<string, FileEntry> =>
  new Map(repository.manifest(commit).files.map((f) => [f.path, f]))

/** Documents before records: what is made of a record may depend on them. */
const documentsFirst = ({ dataset }: Context, position: number, files: readonly Difference[]): Difference[] => {
  const kinds = dataset.chain.schemas[position]?.kinds ?? {}
  const rank = ({ path }: Difference): number => (kinds[kindOf(kinds, path) ?? '']?.record === undefined ? 0 : 1)
  return [...files].sort((a, b) => rank(a) - rank(b))
}

/** Edits of the directory that no checkpoint has taken yet, for a look ahead. */
export type Pending = { readonly changed: readonly string[]; readonly removed: readonly string[] }
const NOTHING_PENDING: Pending = { changed: [], removed: [] }

const between = ({ repository }: Pick<Reader, 'repository'>, from: Oid, to: Oid): Difference[] =>
  from === to ? [] : differences(repository.manifest(from), repository.manifest(to))

/** Where a file of an earlier snapshot is in a later one; as it is called where the chain does not know the way. */
const leading = (
  dataset: Dataset,
  from: { paths: Iterable<string>; version: string },
  to: { paths: Iterable<string>; version: string },
) => {
  const [start, end] = [versionIndex(dataset.chain, from.version), versionIndex(dataset.chain, to.version)]
  if (start < 0 || end < 0 || start === end) return (path: string): string => path
  const paths = new Paths(dataset, [...from.paths], start, { position: end, paths: to.paths })
  return (path: string): string => paths.between(path, start, end)
}

/** What has been written in `from`, and in what it was made from on the way to the other side, since the two were the same. */
export const writtenAlong = ({ context, repository }: Reader, from: Snapshot, sync: Sync): Difference[] => {
  const found = new Map(between({ repository }, sync.base, from.commit).map((d) => [d.path, d]))
  const to = { version: from.schemaVersion, paths: sync.earlier.length === 0 ? [] : byPath(repository, sync.base).keys() }
  for (const { base, left, version } of sync.earlier) {
    const lead = leading(context.dataset, { version, paths: byPath(repository, base).keys() }, to)
    for (const d of between({ repository }, base, left)) {
      const path = lead(d.path)
      if (!found.has(path)) found.set(path, { ...d, path })
    }
  }
  return [...found.values()].sort((a, b) => compareBytes(a.path, b.path))
}

/** The content that both sides last had in common, as the side that is left would have it. */
const baseContent = (reader: Reader, sync: Sync, position: number): { files: Files; others: Fetched } => {
  const { dataset } = reader.context
  const files = byPath(reader.repository, sync.base)
  const others = new Map<string, () => Uint8Array>()
  // The farthest of the earlier snapshots in which a file was written has it as both sides had it.
  for (const { base, left, version } of sync.earlier) {
    const before = byPath(reader.repository, base)
    const at = versionIndex(dataset.chain, version)
    const content = contentOf(dataset, at, new FilesSource(reader, before, at, new Map()), { position, paths: [...files.keys()] })
    for (const { path: then } of between(reader, base, left)) {
      const path = content.transformer.paths.between(then, at, position)
      files.delete(path)
      others.delete(path)
      if (before.has(then)) others.set(path, () => bytesAt(dataset, content, then, position))
    }
  }
  return { files, others }
}

const changeOf = (path: string, base: { files: Files; others: Fetched }, theirs: ReadonlySet<string>): Difference => {
  if (!theirs.has(path)) return { path, change: 'removed' }
  return { path, change: base.files.has(path) || base.others.has(path) ? 'changed' : 'added' }
}

/** Gathers what a carry from `from` to `to` needs to know; reads manifests only. */
export const sidesOf = (reader: Reader, from: Snapshot, to: Snapshot, sync: Sync, pending = NOTHING_PENDING): CarrySides => {
  const { context, repository } = reader
  const { chain } = context.dataset
  const [left, target] = [versionIndex(chain, from.schemaVersion), versionIndex(chain, to.schemaVersion)]
  const base = baseContent(reader, sync, left)
  const [theirFiles, ourFiles] = [byPath(repository, from.commit), byPath(repository, to.commit)]
  for (const path of pending.removed) theirFiles.delete(path)
  const live = new Map(pending.changed.map((path) => [path, () => liveBytes(context, from, path)]))
  const there = new Set([...theirFiles.keys(), ...live.keys()])
  const paths = new Set([...writtenAlong(reader, from, sync).map((d) => d.path), ...pending.changed, ...pending.removed])
  const written = [...paths].map((path) => changeOf(path, base, there))
  const original = byPath(repository, sync.origin)
  const where = { position: target, paths: [...original.keys(), ...ourFiles.keys()] }
  const content = (files: Files, position: number, others: Fetched = new Map()): Content =>
    contentOf(context.dataset, position, new FilesSource(reader, files, position, others), target > position ? where : undefined)
  return {
    from,
    to,
    sync,
    written: documentsFirst(context, left, written),
    ourFiles,
    theirFiles,
    contents: {
      base: content(base.files, left, base.others),
      theirs: content(theirFiles, left, live),
      original: content(original, target),
      ours: content(ourFiles, target),
    },
  }
}

const liveBytes = ({ fs, paths }: Context, { id }: Snapshot, path: string): Uint8Array => {
  const read = readStable(fs, join(paths.snapshot(id), path), path)
  if (read === undefined) throw new StrataError('ABSENT', `there is no ${path}`, { data: { file: path } })
  return read.bytes
}

export type Obstacle = { readonly path: string; readonly change: Difference['change']; readonly why: string }

/** Files that no step leads where they should go. */
export const obstacles = ({ dataset }: Context, { written, contents }: CarrySides): Obstacle[] =>
  written.flatMap(({ path, change }) => {
    const route = routeOf(dataset, path, contents.theirs.position, contents.ours.position)
    return route.way === 'none' ? [{ path, change, why: route.why }] : []
  })

const modified = ({ fs, paths }: Context, snapshot: Snapshot, path: string): number =>
  fs.lstat(join(paths.snapshot(snapshot.id), path))?.mtimeMs ?? 0

/** Which side of a file was written last, by the clock of its disk; ours only where that is plain. */
export const newerSide = (context: Context, { from, to, contents }: CarrySides, path: string): Newer =>
  modified(context, to, pathThere(contents, path)) > modified(context, from, path) ? 'ours' : 'theirs'

/** What the steps make of one file, within its time limit. Throws what they throw. */
export const carriedFile = (context: Context, sides: CarrySides, contents: Contents, path: string): CarriedFile => {
  const size = sides.theirFiles.get(path)?.size ?? 0
  const work = (): CarriedFile => carryFile(context.dataset, contents, path, newerSide(context, sides, path))
  return inTime({ path, size }, context.dataset.secondsPerFile, () => contents.theirs.transformer.place, work)
}

/** What was done with one file that had been written: for people and programs. */
export type CarriedPath = {
  readonly path: string
  readonly change: Difference['change']
  /** `kept`: the file there stays as it is; `unreadable`: the same, as no step can take along what was written. It stays in the history. */
  readonly result: 'carried' | 'removed' | 'kept' | 'unreadable'
  readonly added: number
  readonly removed: number
  readonly clashes: number
}

export const carriedPath = ({ path, change }: Difference, file: CarriedFile): CarriedPath => {
  if (file.what === 'write') return { path, change, result: 'carried', added: file.added, removed: file.removed, clashes: file.clashes }
  if (file.what === 'remove') return { path, change, result: 'removed', added: 0, removed: 0, clashes: 0 }
  return { path, change, result: file.isUnreadable ? 'unreadable' : 'kept', added: 0, removed: 0, clashes: file.clashes }
}
