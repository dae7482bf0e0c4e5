import { createHash } from 'node:crypto'
import { cloneFile } from '../storage/clone.ts'
import { discard, writeAll } from '../storage/durable.ts'
import type { FsPort } from '../storage/fs.ts'
import { LargeEntry } from '../storage/large-entry.ts'
import type { Link } from '../storage/link.ts'
import type { Spilled } from '../storage/pack-write.ts'
import type { Taker } from '../storage/read-large.ts'
import { piecesOf, readLarge } from '../storage/read-large.ts'
import type { FileStat } from '../storage/scan.ts'
import type { SameFile } from './staged-file.ts'
import { makeParents, openNew, shareFile } from './staged-file.ts'

/** Files that do not fit into memory, on their way to the store: what staged-file.ts does with bytes, piece by piece. */

/** Writes a file of a staged directory from pieces; made durable later, with the others of its batch. */
export const writePieces = (
  fs: FsPort,
  path: string,
  pieces: Iterable<Uint8Array>,
  mode: number,
): { readonly size: number; readonly sha256: string } => {
  makeParents(fs, path)
  const hash = createHash('sha256')
  let size = 0
  const fd = openNew(fs, path, mode)
  try {
    for (const piece of pieces) {
      hash.update(piece)
      size += piece.byteLength
      writeAll(fs, fd, piece)
    }
  } catch (error) {
    discard(fs, path)
    throw error
  } finally {
    fs.close(fd)
  }
  if ((mode & 0o022) !== 0) fs.chmod(path, mode)
  return { size, sha256: hash.digest('hex') }
}

/** A file that only we write as a pack entry beside the packs. */
export const spill = (fs: FsPort, packs: string, path: string, size: number): Spilled => {
  const entry = new LargeEntry(fs, packs, size)
  try {
    for (const piece of piecesOf(fs, path)) entry.add(piece)
    return entry.finish()
  } catch (error) {
    entry.abort()
    throw error
  }
}

/** Copies a file that a step leaves alone, or gives it another name where it may have one: then the link is returned. */
export const copyLarge = (fs: FsPort, from: SameFile, to: string, mode: number): Link | undefined => {
  makeParents(fs, to)
  const isAlike = (from.stat?.mode ?? mode) === mode
  if (isAlike && cloneFile(fs, from.path, to, from.stat)) return undefined
  const link = isAlike ? shareFile(fs, to, mode, from) : undefined
  if (link === undefined) writePieces(fs, to, piecesOf(fs, from.path), mode)
  return link
}

/** Size, SHA-256 and stat of a file that an application may be writing; undefined when it is gone. Throws as `readLarge`. */
export const hashLarge = (fs: FsPort, path: string, name: string): { readonly sha256: string; readonly stat: FileStat } | undefined => {
  let hash = createHash('sha256')
  const stat = readLarge(fs, path, name, () => {
    hash = createHash('sha256')
    return { take: (piece) => void hash.update(piece), undo: () => undefined, end: () => undefined }
  })
  return stat === undefined ? undefined : { sha256: hash.digest('hex'), stat }
}

type Captured = { readonly sha256: string; readonly stat: FileStat; readonly spilled: Spilled }

/** Reads a file that an application may be writing into a pack entry, and a copy where one is wanted; undefined when it is gone. */
export const captureLarge = (fs: FsPort, packs: string, path: string, name: string, copy: string | null): Captured | undefined => {
  let sha256 = createHash('sha256')
  let entry: LargeEntry | undefined
  const begin = (stat: FileStat): Taker => {
    sha256 = createHash('sha256')
    const own = new LargeEntry(fs, packs, stat.size)
    entry = own
    if (copy !== null) makeParents(fs, copy)
    const isCloned = copy !== null && cloneFile(fs, path, copy, stat)
    let fd = copy === null || isCloned ? null : openNew(fs, copy, stat.mode)
    const end = (): void => {
      if (fd !== null) fs.close(fd)
      fd = null
      if (copy !== null && (stat.mode & 0o022) !== 0) fs.chmod(copy, stat.mode)
    }
    return {
      take: (piece) => {
        sha256.update(piece)
        own.add(piece)
        if (fd !== null) writeAll(fs, fd, piece)
      },
      undo: () => {
        end()
        own.abort()
        if (copy !== null) discard(fs, copy)
      },
      end,
    }
  }
  const stat = readLarge(fs, path, name, begin)
  return stat === undefined || entry === undefined ? undefined : { sha256: sha256.digest('hex'), stat, spilled: entry.finish() }
}
