import { hash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { StrataError, systemCode } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import { cloneFile } from '../storage/clone.ts'
import { writeAll } from '../storage/durable.ts'
import { readFile } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import type { EncodedBatch, PackEntry, Spilled } from '../storage/pack-write.ts'
import { joinEntries, packEntry } from '../storage/pack-write.ts'
import type { Link } from '../storage/link.ts'
import { linkFile } from '../storage/link.ts'
import type { FileStat } from '../storage/scan.ts'
import { TICK_MS, isRacy, statFile } from '../storage/scan.ts'

export const sha256 = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex')

/** Gathers blobs of a batch: each is encoded at once, so that its bytes can go. */
export class Blobs {
  readonly #entries: PackEntry[] = []
  readonly #spilled: Spilled[] = []
  add(bytes: Uint8Array): Oid {
    const entry = packEntry('blob', bytes)
    this.#entries.push(entry)
    return entry.oid
  }
  /** A large one, in a file beside the packs. */
  addLarge(spilled: Spilled): void {
    this.#spilled.push(spilled)
  }
  get pack(): EncodedBatch {
    return { ...joinEntries(this.#entries), spilled: this.#spilled }
  }
}

/** Reads files of a staged directory, which are all there. */
export const stagedReader =
  (fs: FsPort, root: string) =>
  (path: string): Uint8Array => {
    const bytes = readFile(fs, join(root, path))
    if (bytes === undefined) throw new StrataError('ABSENT', `there is no ${path}`, { data: { file: path } })
    return bytes
  }

export const makeParents = (fs: FsPort, path: string): void => {
  const dir = dirname(path)
  if (fs.lstat(dir) !== undefined) return
  makeParents(fs, dir)
  try {
    fs.mkdir(dir, 0o755)
  } catch (error) {
    // Another worker was faster.
    if (systemCode(error) !== 'EEXIST') throw error
  }
}

/**
 * A file that holds the very bytes that are to be written, and the stat under which they were read; null where only we write.
 * `isImmutable`: the application never writes it again, so that it may get another name.
 */
export type SameFile = { readonly path: string; readonly stat: FileStat | null; readonly isImmutable: boolean }

/** What was written in the instant in which it was read may have been written once more without a newer time. */
const isAtRest = ({ stat }: SameFile): boolean => stat === null || !isRacy(stat.mtimeMs, Date.now() - TICK_MS)

/** Gives an immutable file another name; undefined where that cannot be. */
export const shareFile = (fs: FsPort, path: string, mode: number, same: SameFile): Link | undefined =>
  same.isImmutable && isAtRest(same) && statFile(fs, same.path)?.mode === mode
    ? linkFile(fs, same.path, path, same.stat ?? undefined)
    : undefined

/** Opens a new file. One that is there goes first: it may be another name of a file that is not ours to write. */
export const openNew = (fs: FsPort, path: string, mode: number): number => {
  try {
    return fs.open(path, 'wx', mode)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    fs.unlink(path)
    return fs.open(path, 'wx', mode)
  }
}

/**
 * Writes a file of a staged directory; made durable later, together with the others of its batch. With `same`, its blocks are shared
 * where the file system can do that (a file of its own all the same), else the whole file where that is allowed: then the link is
 * returned.
 */
export const writeStaged = (fs: FsPort, path: string, bytes: Uint8Array, mode: number, same?: SameFile): Link | undefined => {
  makeParents(fs, path)
  if (same !== undefined && (same.stat?.mode ?? mode) === mode) {
    if (cloneFile(fs, same.path, path, same.stat)) return undefined
    const linked = shareFile(fs, path, mode, same)
    if (linked !== undefined) return linked
  }
  const fd = openNew(fs, path, mode)
  try {
    writeAll(fs, fd, bytes)
    if (fs.fstat(fd).size !== bytes.byteLength) throw new StrataError('NO_SPACE', `${path} was not written whole`)
  } finally {
    fs.close(fd)
  }
  // The process's umask takes group and other write bits off a new file.
  if ((mode & 0o022) !== 0) fs.chmod(path, mode)
  return undefined
}
