import { immutablePaths, isIgnored } from '../core/dataset.ts'
import { fromSystem, hasCode } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { FileEntry, Manifest } from '../core/manifest.ts'
import { compareBytes } from '../core/names.ts'
import type { Snapshot } from '../core/state.ts'
import type { Repository } from '../storage/repository.ts'
import type { Changes, FileStat, Index, IndexEntry, Scanned } from '../storage/scan.ts'
import { readIndex, writeIndex } from '../storage/index-file.ts'
import { changesSince, isRacy, isSameStat, scanDirectory } from '../storage/scan.ts'
import type { Context } from './context.ts'

/** A snapshot's directory as it is now, held against its index. */
export type Looked = { readonly index: Index | undefined; readonly changes: Changes; readonly startedMs: number }

export const scan = (context: Context, root: string): Scanned => scanDirectory(context.fs, root, (path) => isIgnored(context.dataset, path))

/** The index that was read or written last of each snapshot: a command looks at the same directory several times. */
const kept = new WeakMap<Context, Map<string, { readonly stamp: string; readonly index: Index }>>()

const stampOf = ({ fs, paths }: Context, id: string): string => {
  const stat = fs.lstat(paths.index(id))
  return stat === undefined ? '' : `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`
}

const keep = (context: Context, id: string, index: Index): Index => {
  const known = kept.get(context) ?? new Map<string, { stamp: string; index: Index }>()
  // Two sides of a switch; of more, memory would grow with the store.
  if (known.size > 1) known.clear()
  kept.set(context, known.set(id, { stamp: stampOf(context, id), index }))
  return index
}

const indexOf = (context: Context, { id, commit }: Pick<Snapshot, 'id' | 'commit'>): Index | undefined => {
  const known = kept.get(context)?.get(id)
  if (known?.index.commit === commit && known.stamp === stampOf(context, id)) return known.index
  const index = readIndex(context.fs, context.paths.index(id), commit)
  return index === undefined ? undefined : keep(context, id, index)
}

/** Stat scan of a snapshot's directory (about 3 µs a file). */
export const look = (context: Context, snapshot: Pick<Snapshot, 'id' | 'commit'>): Looked => {
  const startedMs = context.now().getTime()
  const index = indexOf(context, snapshot)
  return { index, changes: changesSince(index, scan(context, context.paths.snapshot(snapshot.id))), startedMs }
}

/** The same, as if nothing were known of its files. */
export const lookAfresh = (context: Context, id: string): Looked => ({
  index: undefined,
  changes: changesSince(undefined, scan(context, context.paths.snapshot(id))),
  startedMs: context.now().getTime(),
})

/** Nothing differs by stat: no file has to be read. */
export const isQuiet = ({ changes }: Looked): boolean =>
  changes.changed.length === 0 && changes.removed.length === 0 && !changes.directoriesChanged

/** The known content of a snapshot's directory: from the index, else from the repository. */
export const knownFiles = (looked: Looked, repository: Repository, commit: Oid): ReadonlyMap<string, FileEntry> =>
  looked.index?.entries ?? new Map(repository.manifest(commit).files.map((f) => [f.path, f]))

/** The entry that there was, where it still holds: what has been worked out of it counts on. */
const entryOf = (file: FileEntry | IndexEntry, stat: FileStat): IndexEntry =>
  'stat' in file && file.mode === stat.mode && isSameStat(file.stat, stat) && file.stat.links === stat.links
    ? file
    : { ...file, mode: stat.mode, stat }

/** Remembers what a directory's files are, so that the next scan need not read them. A full disk only makes that scan slower. */
export const remember = (
  context: Context,
  id: string,
  commit: Oid,
  files: ReadonlyMap<string, FileEntry>,
  scanned: Scanned,
  readMs: number,
): void => {
  const entries = new Map<string, IndexEntry>()
  for (const [path, stat] of scanned.files) {
    const file = files.get(path)
    if (file !== undefined) entries.set(path, entryOf(file, stat))
  }
  store(context, id, { entries, directories: scanned.directories, commit, readMs })
}

const store = (context: Context, id: string, index: Index): void => {
  try {
    keep(context, id, writeIndex(context.fs, context.paths.index(id), index))
  } catch (error) {
    if (!hasCode(fromSystem(error), 'NO_SPACE')) throw error
  }
}

/** Puts other stats into the index of a snapshot, where `now` gives one for what is known of a file. */
export const renewStats = (
  context: Context,
  snapshot: Pick<Snapshot, 'id' | 'commit'>,
  now: (entry: IndexEntry) => FileStat | undefined,
): void => {
  const index = indexOf(context, snapshot)
  if (index === undefined) return
  const renewed = new Map<string, IndexEntry>()
  for (const [path, entry] of index.entries) {
    const stat = now(entry)
    if (stat !== undefined) renewed.set(path, { ...entry, stat })
  }
  if (renewed.size > 0) store(context, snapshot.id, { ...index, entries: new Map([...index.entries, ...renewed]) })
}

/** The immutable files of a snapshot for which its index vouches: they were old enough when they were read. */
export const sharableFiles = (context: Context, snapshot: Snapshot | undefined): ReadonlyMap<string, IndexEntry> => {
  const index = snapshot === undefined ? undefined : indexOf(context, snapshot)
  if (index === undefined) return new Map()
  const immutable = immutablePaths(context.dataset, [...index.entries.keys()])
  return new Map([...index.entries].filter(([path, { stat }]) => immutable.has(path) && !isRacy(stat.mtimeMs, index.readMs)))
}

export type Difference = { readonly path: string; readonly change: 'added' | 'changed' | 'removed' }

/** How the files of one manifest differ from those of another. */
export const differences = (before: Manifest, after: Manifest): Difference[] => {
  const old = new Map(before.files.map((f) => [f.path, f]))
  const found: Difference[] = []
  for (const f of after.files) {
    const was = old.get(f.path)
    if (was === undefined) found.push({ path: f.path, change: 'added' })
    else if (was.sha256 !== f.sha256) found.push({ path: f.path, change: 'changed' })
    old.delete(f.path)
  }
  for (const path of old.keys()) found.push({ path, change: 'removed' })
  return found.sort((a, b) => compareBytes(a.path, b.path))
}
