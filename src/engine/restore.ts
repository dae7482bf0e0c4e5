import { dirname, join, relative, resolve } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { FileEntry } from '../core/manifest.ts'
import { checkPath } from '../core/names.ts'
import { removeTree, rename } from '../storage/durable.ts'
import { readFile } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import type { Context } from './context.ts'
import { extractFiles, extractManifest } from './extract.ts'
import { reading } from './history.ts'
import { readState } from './read.ts'
import type { RestoreSource } from './restore-source.ts'
import { restoreSource } from './restore-source.ts'
import { makeFolders } from './staged-directory.ts'
import { sha256 } from './staged-file.ts'

/** Files from the repository into a directory outside of the store. Nothing is written anywhere else, and no link is followed. */

export type Restored = {
  readonly snapshot: string
  readonly commit: string
  /** Absolute: the file, or the directory. */
  readonly to: string
  readonly files: number
  readonly bytes: number
  /** What was in the way and is kept: paths below `movedTo`. */
  readonly replaced: readonly string[]
  readonly movedTo: string | null
}

const within = (root: string, path: string): boolean => {
  const way = relative(root, path)
  return way === '' || (!way.startsWith('..') && resolve(root, way) === path)
}

/** `realpath` of a path that need not be there yet. */
const realPlace = (fs: FsPort, path: string): string =>
  fs.lstat(path) === undefined && dirname(path) !== path
    ? join(realPlace(fs, dirname(path)), relative(dirname(path), path))
    : fs.realpath(path)

const refuseStore = ({ fs, root }: Context, to: string): void => {
  if (!within(fs.realpath(root), realPlace(fs, to))) return
  throw new StrataError('BAD_ARGUMENT', `${to} is inside the store`, {
    data: { path: to },
    hint: 'Name a directory outside of it, or restore into the active one: strata restore SNAPSHOT:PATH --live',
  })
}

const exists = (to: string, paths: readonly string[]): StrataError =>
  new StrataError(
    'EXISTS',
    `${to} holds ${paths.length === 1 ? 'a file' : `${paths.length} files`} already: ${paths.slice(0, 10).join(', ')}`,
    {
      data: { path: to, files: paths },
      hint: 'Name a directory that is not there yet. Or, with --replace, what is there is moved aside, and kept.',
    },
  )

/** Below the target: what a path in the snapshot becomes. A single file, or a folder's content, comes right below it. */
const placed = (source: RestoreSource): ((path: string) => string) => {
  const cut = source.path === null ? 0 : source.isFile ? source.path.lastIndexOf('/') + 1 : source.path.length + 1
  return (path) => path.slice(cut)
}

/** What is to be written, with paths below the target. */
type Wanted = Pick<RestoreSource, 'files' | 'directories'>

const wantedOf = (source: RestoreSource): Wanted => {
  const at = placed(source)
  const moved = <E extends { readonly path: string }>(entries: readonly E[]): E[] =>
    entries.map((e) => ({ ...e, path: at(e.path) })).filter((e) => e.path !== '')
  return { files: moved(source.files), directories: moved(source.directories) }
}

/** A fresh directory appears whole, or not at all. */
const intoFresh = async (context: Context, wanted: Wanted, to: string): Promise<void> => {
  const { fs } = context
  const half = `${to}.strata-${context.id()}`
  try {
    await extractManifest(context, wanted, half)
    // An empty directory may be in its place.
    if (fs.lstat(to) !== undefined) fs.rmdir(to)
    rename(fs, half, to)
  } catch (error) {
    removeTree(fs, half)
    throw error
  }
}

const isSame = (fs: FsPort, path: string, file: FileEntry): boolean => {
  const found = fs.lstat(path)
  if (found?.isFile() !== true || found.size !== file.size) return false
  const bytes = readFile(fs, path)
  return bytes !== undefined && sha256(bytes) === file.sha256
}

const ancestors = (path: string): string[] => {
  const found: string[] = []
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) found.unshift(path.slice(0, at))
  return found
}

/** Paths below the target that are in the way: files that differ, and anything but a folder where a folder should be, or the other way. */
const inTheWay = (fs: FsPort, wanted: Wanted, to: string): { way: Set<string>; kept: Set<string> } => {
  const way = new Set<string>()
  const kept = new Set<string>()
  const folders = new Set([...wanted.directories.map((d) => d.path), ...wanted.files.flatMap((f) => ancestors(f.path))])
  for (const path of [...folders].sort()) {
    checkPath(path)
    if (ancestors(path).some((p) => way.has(p))) continue
    // A link is never followed: it would lead out of the target.
    if (fs.lstat(join(to, path))?.isDirectory() === false) way.add(path)
  }
  for (const file of wanted.files) {
    checkPath(file.path)
    if (ancestors(file.path).some((p) => way.has(p)) || fs.lstat(join(to, file.path)) === undefined) continue
    if (isSame(fs, join(to, file.path), file)) kept.add(file.path)
    else way.add(file.path)
  }
  return { way, kept }
}

const makeMissing = (context: Context, wanted: Wanted, to: string): void => {
  const { fs } = context
  const modes = new Map(wanted.directories.map((d) => [d.path, d.mode]))
  const folders = new Set([...modes.keys(), ...wanted.files.flatMap((f) => ancestors(f.path))])
  for (const path of [...folders].sort())
    if (fs.lstat(join(to, path)) === undefined) fs.mkdir(join(to, path), (modes.get(path) ?? 0o755) | 0o700)
}

/** Into a directory that holds something: what is equal stays, what differs is moved aside first. */
const intoExisting = async (
  context: Context,
  wanted: Wanted,
  to: string,
  replace: boolean,
): Promise<Pick<Restored, 'replaced' | 'movedTo'>> => {
  const { fs } = context
  const { way, kept } = inTheWay(fs, wanted, to)
  if (way.size > 0 && !replace) throw exists(to, [...way])
  const half = join(to, `.strata-${context.id()}`)
  const rest = wanted.files.filter((f) => !kept.has(f.path))
  const movedTo = way.size === 0 ? null : join(to, `replaced-${context.now().toISOString().replace(/[-:.]/g, '')}-${context.id()}`)
  try {
    // Everything is read and checked before anything that is there is touched.
    const folders = [...new Set(rest.flatMap((f) => ancestors(f.path)))].sort().map((path) => ({ path, mode: 0o700 }))
    makeFolders(context, half, { files: new Map(), directories: folders })
    await extractFiles(context, rest, half)
    for (const path of way) {
      for (const folder of ['', ...ancestors(path)])
        if (movedTo !== null && fs.lstat(join(movedTo, folder)) === undefined) fs.mkdir(join(movedTo, folder), 0o700)
      if (movedTo !== null) rename(fs, join(to, path), join(movedTo, path))
    }
    makeMissing(context, wanted, to)
    for (const { path } of rest) rename(fs, join(half, path), join(to, path))
  } finally {
    removeTree(fs, half)
  }
  return { replaced: [...way], movedTo }
}

const bytesOf = (files: readonly FileEntry[]): number => files.reduce((sum, f) => sum + f.size, 0)

const requireRoom = ({ fs }: Context, to: string, bytes: number): void => {
  const { freeBytes } = fs.statfs(to)
  if (bytes <= freeBytes) return
  throw new StrataError('NO_SPACE', `${bytes} bytes are to be restored; ${freeBytes} are free at ${to}`, {
    data: { bytes, free: freeBytes, path: to },
    hint: 'Free some space, or name a directory on another disk.',
  })
}

/** The directory of `to`, which must be one that is there; made if it is missing. Returns it without links on the way. */
const prepare = (context: Context, target: string): string => {
  const { fs } = context
  const parent = dirname(target)
  if (fs.lstat(parent) === undefined) {
    prepare(context, parent)
    fs.mkdir(parent, 0o755)
  }
  return target
}

/**
 * Writes a file, a folder or a whole snapshot, as committed, into the directory `to`. Takes no lock and changes nothing in the store.
 * Throws ABSENT, EXISTS (unless `replace`), NO_SPACE, CORRUPT, BAD_ARGUMENT.
 */
export const restoreTo = (context: Context, name: string, to: string, replace: boolean): Promise<Restored> => {
  const state = readState(context)
  const target = resolve(to)
  const source = reading(context, (repository) => restoreSource(context, state, repository, name))
  return writeTo(context, source, target, replace)
}

const writeTo = async (context: Context, source: RestoreSource, target: string, replace: boolean): Promise<Restored> => {
  const { fs } = context
  refuseStore(context, target)
  prepare(context, target)
  const found = fs.lstat(target)
  if (found !== undefined && !found.isDirectory())
    throw new StrataError('EXISTS', `${target} is there, and no directory`, { data: { path: target }, hint: 'Name a directory.' })
  const wanted = wantedOf(source)
  requireRoom(context, dirname(target), bytesOf(wanted.files))
  const isFresh = found === undefined || fs.readdir(target).length === 0
  const withFolders: Wanted = isFresh ? { ...wanted, directories: allFolders(wanted) } : wanted
  const done = isFresh
    ? (await intoFresh(context, withFolders, target), { replaced: [], movedTo: null })
    : await intoExisting(context, wanted, target, replace)
  const { snapshot, commit, isFile } = source
  const at = isFile ? join(target, wanted.files[0]?.path ?? '') : target
  return { snapshot: snapshot.id, commit, to: at, files: wanted.files.length, bytes: bytesOf(wanted.files), ...done }
}

/** A forged manifest may leave folders out. */
const allFolders = ({ files, directories }: Wanted): Wanted['directories'] => {
  const modes = new Map(directories.map((d) => [d.path, d.mode]))
  const folders = new Set([...modes.keys(), ...files.flatMap((f) => ancestors(f.path))])
  return [...folders].sort().map((path) => ({ path, mode: modes.get(path) ?? 0o755 }))
}
