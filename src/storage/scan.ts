import { join, sep } from 'node:path'
import { StrataError, systemCode } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { DirectoryEntry, FileEntry } from '../core/manifest.ts'
import { sameDirectories } from '../core/manifest.ts'
import { compareBytes } from '../core/names.ts'
import type { FsPort, Stats } from './fs.ts'
import type { FileStat } from './rows.ts'
import { COLUMNS, Rows, differingRows, statAt } from './rows.ts'

export type { FileStat }

export type Scanned = { readonly files: ReadonlyMap<string, FileStat>; readonly directories: readonly DirectoryEntry[] }

// A byte order mark is part of a name: without it another file would be looked for, and this one left out.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type Refused = { path: string; why: string; code: 'SPECIAL_FILE' | 'UNSUPPORTED_NAME' | 'UNREADABLE' }

const nameOf = (raw: Buffer): string | undefined => {
  try {
    return utf8.decode(raw)
  } catch {
    return undefined
  }
}

/** A backup is never partial: what cannot be captured stops it, with a list. */
const refuse = (refused: readonly Refused[]): void => {
  const [first] = refused
  if (first === undefined) return
  const list = refused.map(({ path, why }) => `${path} (${why})`).join(', ')
  throw new StrataError(first.code, `${refused.length === 1 ? 'one path' : `${refused.length} paths`} cannot be captured: ${list}`, {
    data: { paths: refused.map(({ path }) => path), file: first.path },
    hint: 'Move them out of the data directory, or let the dataset ignore them. Nothing was captured.',
  })
}

/** Throws UNREADABLE with every file that may not be read: before any is captured, not at the first that fails. */
export const requireReadable = (fs: FsPort, root: string, paths: Iterable<string>): void => {
  const refused: Refused[] = []
  for (const path of paths)
    try {
      fs.access(join(root, path), 'read')
    } catch (error) {
      // One that has gone meanwhile is in nobody's way.
      if (systemCode(error) !== 'ENOENT') refused.push({ path, why: systemCode(error), code: 'UNREADABLE' })
    }
  refuse(refused)
}

const kindOfSpecial = (stat: { isSymbolicLink(): boolean; isFIFO(): boolean; isSocket(): boolean }): string =>
  stat.isSymbolicLink() ? 'a symbolic link' : stat.isFIFO() ? 'a FIFO' : stat.isSocket() ? 'a socket' : 'a device'

export const fileStat = ({ size, mtimeMs, ctimeMs, ino, mode, nlink }: Stats): FileStat => ({
  size,
  mtimeMs,
  ctimeMs,
  ino,
  mode: mode & 0o777,
  links: nlink,
})

/** The stat of one file; undefined when there is none. */
export const statFile = (fs: FsPort, path: string): FileStat | undefined => {
  const stat = fs.lstat(path)
  return stat?.isFile() === true ? fileStat(stat) : undefined
}

/** Columns that grow with what is found. */
class Found {
  readonly #paths: string[] = []
  #numbers = new Float64Array(1024 * COLUMNS)

  add(path: string, { size, mtimeMs, ctimeMs, ino, mode, nlink }: Stats): void {
    const at = this.#paths.push(path) * COLUMNS
    if (at > this.#numbers.length) {
      const wider = new Float64Array(this.#numbers.length * 2)
      wider.set(this.#numbers)
      this.#numbers = wider
    }
    const numbers = this.#numbers
    numbers[at - 6] = size
    numbers[at - 5] = mtimeMs
    numbers[at - 4] = ctimeMs
    numbers[at - 3] = ino
    numbers[at - 2] = mode & 0o777
    numbers[at - 1] = nlink
  }

  rows(): Rows<FileStat> {
    const numbers = this.#numbers.slice(0, this.#paths.length * COLUMNS)
    return new Rows(this.#paths, numbers, (row) => statAt(numbers, row))
  }
}

/**
 * Lists a dataset's files and directories by stat alone (about 3 µs a file); links are never followed.
 * Throws SPECIAL_FILE, UNSUPPORTED_NAME or UNREADABLE with every path that stands in the way.
 */
export const scanDirectory = (fs: FsPort, root: string, ignored: (path: string) => boolean): Scanned => {
  const found = new Found()
  const directories: DirectoryEntry[] = []
  const refused: Refused[] = []
  const list = (dir: string, prefix: string): readonly (string | Buffer)[] => {
    try {
      const names = fs.readdir(dir)
      // What is no UTF-8 has this character in its place, and so may any other name: the bytes tell.
      return names.some((name) => name.includes('\ufffd')) ? fs.readdirRaw(dir) : names
    } catch (error) {
      if (systemCode(error) === 'ENOENT' && prefix !== '') return []
      refused.push({ path: prefix === '' ? dir : prefix, why: systemCode(error), code: 'UNREADABLE' })
      return []
    }
  }
  const statOf = (at: string, path: string): Stats | undefined => {
    try {
      return fs.lstat(at)
    } catch (error) {
      refused.push({ path, why: systemCode(error), code: 'UNREADABLE' })
      return undefined
    }
  }
  const walk = (dir: string, prefix: string): void => {
    for (const raw of list(dir, prefix)) {
      const name = typeof raw === 'string' ? raw : nameOf(raw)
      if (name === undefined) {
        refused.push({ path: prefix + raw.toString('latin1'), why: 'its name is not UTF-8', code: 'UNSUPPORTED_NAME' })
        continue
      }
      const path = prefix + name
      if (ignored(path)) continue
      const at = `${dir}${sep}${name}`
      const stat = statOf(at, path)
      if (stat === undefined) continue
      if (stat.isDirectory()) {
        if (ignored(`${path}/`)) continue
        directories.push({ path, mode: stat.mode & 0o777 })
        walk(at, `${path}/`)
      } else if (stat.isFile()) found.add(path, stat)
      else refused.push({ path, why: kindOfSpecial(stat), code: 'SPECIAL_FILE' })
    }
  }
  walk(root, '')
  refuse(refused)
  return { files: found.rows(), directories: directories.sort((a, b) => compareBytes(a.path, b.path)) }
}

/** A file of a directory as it was last read: content and stat belong together. */
export type IndexEntry = FileEntry & { readonly stat: FileStat }
export type Index = {
  readonly entries: ReadonlyMap<string, IndexEntry>
  readonly directories: readonly DirectoryEntry[]
  readonly commit: Oid
  /** When the reading of the files began. */
  readonly readMs: number
}

/**
 * A file changed in the same instant as it was read may have changed once more within one tick of the clock (git's racy
 * entries). Where times have no fraction of a second, the tick is a FAT file system's two seconds.
 */
export const TICK_MS = 20
export const isRacy = (mtimeMs: number, readMs: number): boolean => mtimeMs > readMs - (mtimeMs % 1000 === 0 ? 2000 : TICK_MS)

/** How long to wait until no file of a directory that only we write is too young to be trusted. */
export const restMs = ({ files }: Scanned, nowMs: number): number => {
  let newest = 0
  for (const stat of files.values()) newest = Math.max(newest, stat.mtimeMs)
  return Math.min(TICK_MS * 2, Math.max(0, newest + TICK_MS + 1 - nowMs))
}

export const isSameButCtime = (a: FileStat, b: FileStat): boolean =>
  a.size === b.size && a.mtimeMs === b.mtimeMs && a.ino === b.ino && a.mode === b.mode

export const isSameStat = (a: FileStat, b: FileStat): boolean => isSameButCtime(a, b) && a.ctimeMs === b.ctimeMs

export type Changes = {
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  readonly directoriesChanged: boolean
  readonly scanned: Scanned
}

/** Paths that the index does not vouch for, and those that it alone has. */
const filesSince = ({ entries, readMs }: Index, files: Scanned['files']): Pick<Changes, 'changed' | 'removed'> => {
  const isYoung = (mtimeMs: number): boolean => isRacy(mtimeMs, readMs)
  const rows = entries instanceof Rows && files instanceof Rows ? differingRows(entries, files, isYoung) : undefined
  if (rows !== undefined) return { changed: rows, removed: [] }
  const changed: string[] = []
  for (const [path, stat] of files) {
    const known = entries.get(path)
    if (known === undefined || !isSameStat(known.stat, stat) || isYoung(stat.mtimeMs)) changed.push(path)
  }
  return { changed, removed: [...entries.keys()].filter((path) => !files.has(path)) }
}

/** What may differ between a directory and its index: by stat, and too-young entries as well. */
export const changesSince = (index: Index | undefined, scanned: Scanned): Changes => ({
  ...(index === undefined ? { changed: [...scanned.files.keys()], removed: [] } : filesSince(index, scanned.files)),
  directoriesChanged: !sameDirectories(index?.directories ?? [], scanned.directories),
  scanned,
})
