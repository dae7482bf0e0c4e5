import { randomBytes } from 'node:crypto'
import { discard, writeAll } from './durable.ts'
import type { FsPort } from './fs.ts'

/**
 * Room that is held back so that a rollback succeeds on a full disk: a journal line, HEAD, CURRENT, and a small checkpoint.
 * Random bytes, for file systems that would store zeros in no space at all. Losing the file does no harm.
 */
export const RESERVE_BYTES = 256 * 1024

/** Makes the reserve as large as it should be, or as the disk allows. */
export const keepReserve = (fs: FsPort, path: string): void => {
  const found = fs.lstat(path)
  const size = found?.size ?? 0
  // What would be written through a link that someone else put there lands outside of the store.
  if (size >= RESERVE_BYTES || (found !== undefined && !found.isFile())) return
  try {
    const fd = fs.open(path, 'a', 0o600)
    try {
      writeAll(fs, fd, randomBytes(RESERVE_BYTES - size))
    } finally {
      fs.close(fd)
    }
  } catch {
    // A disk that is full now will not always be.
  }
}

/** Gives the reserve's room free where the disk has hardly any other. */
export const releaseReserve = (fs: FsPort, path: string, root: string): void => {
  if (fs.lstat(path) !== undefined && fs.statfs(root).freeBytes < RESERVE_BYTES) discard(fs, path)
}
