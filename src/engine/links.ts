import { join } from 'node:path'
import { immutablePaths } from '../core/dataset.ts'
import type { FileEntry } from '../core/manifest.ts'
import type { State } from '../core/state.ts'
import { readFile } from '../storage/files.ts'
import type { Link } from '../storage/link.ts'
import type { FileStat, Scanned } from '../storage/scan.ts'
import { isSameButCtime, isSameStat } from '../storage/scan.ts'
import type { Context } from './context.ts'
import { renewStats, scan } from './directory.ts'
import { writeStaged } from './staged-file.ts'
import type { KeptLink } from './task-types.ts'

/**
 * Files of snapshots that a job has given another name. A new name moves the file's ctime in every directory that has it, and
 * says nothing of its bytes: so the indexes are told, or else each of them would have all these files read again.
 */
export class Links {
  /** By inode: what was linked last, and what it was before. */
  readonly #kept = new Map<number, KeptLink>()
  readonly #untold = new Map<number, Link>()

  add(links: readonly KeptLink[]): void {
    for (const link of links) {
      const { ino } = link.is
      const before = this.#untold.get(ino)
      const isNext = before !== undefined && isSameStat(before.is, link.was)
      this.#untold.set(ino, isNext ? { was: before.was, is: link.is } : link)
      this.#kept.set(ino, link)
    }
  }

  /**
   * Whether a file is one of a sealed snapshot with another name, and nothing has happened to it since. Then its bytes were flushed and
   * compared when that was sealed, or when its edit was committed: the same that lets a rollback activate a directory after a stat scan.
   */
  #vouches(stat: FileStat | undefined, sha256: string | undefined): boolean {
    const link = stat === undefined ? undefined : this.#kept.get(stat.ino)
    return stat !== undefined && link !== undefined && link.sha256 === sha256 && isSameStat(link.is, stat)
  }

  /** Files of a scanned directory that were written to, through another name, since they got theirs here. */
  writtenIn({ files }: Scanned): string[] {
    if (this.#kept.size === 0) return []
    return [...files].flatMap(([path, stat]) => {
      const link = this.#kept.get(stat.ino)
      return link === undefined || isSameButCtime(link.is, stat) ? [] : [path]
    })
  }

  /** Which files of a scanned directory are such, of those that it should have. */
  vouchedIn(scanned: Scanned | undefined, files: ReadonlyMap<string, FileEntry>): (path: string) => boolean {
    return (path) => this.#vouches(scanned?.files.get(path), files.get(path)?.sha256)
  }

  /** Puts the new stats into the indexes of all snapshots that have these files. */
  tell(context: Context, state: State): void {
    if (this.#untold.size === 0) return
    const now = ({ stat }: { readonly stat: FileStat }): FileStat | undefined => {
      const link = this.#untold.get(stat.ino)
      return link !== undefined && isSameStat(link.was, stat) ? link.is : undefined
    }
    for (const snapshot of Object.values(state.snapshots)) renewStats(context, snapshot, now)
    this.#untold.clear()
  }
}

/** What is not declared immutable, now that all paths are known, becomes a file of its own. Whether there was any. */
const separateOpen = ({ fs, dataset }: Context, dir: string, { files }: Scanned): boolean => {
  const shared = [...files].filter(([, { links }]) => links > 1)
  if (shared.length === 0) return false
  const immutable = immutablePaths(dataset, [...files.keys()])
  const open = shared.filter(([path]) => !immutable.has(path))
  for (const [path, { mode }] of open) writeStaged(fs, join(dir, path), readFile(fs, join(dir, path)) ?? new Uint8Array(), mode)
  return open.length > 0
}

/** A staged directory as it will be sealed. */
export const scanStaged = (context: Context, dir: string): Scanned => {
  const scanned = scan(context, dir)
  return separateOpen(context, dir, scanned) ? scan(context, dir) : scanned
}
