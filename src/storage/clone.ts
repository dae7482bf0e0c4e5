import { dirname } from 'node:path'
import { systemCode } from '../core/errors.ts'
import { discard } from './durable.ts'
import type { FsPort } from './fs.ts'
import type { FileStat } from './scan.ts'
import { TICK_MS, isSameStat, statFile } from './scan.ts'

/** Devices that have refused once are not asked again, nor is it looked up again on which of them a folder is. */
const refusing = new Set<number>()
const onRefusing = new Set<string>()

const isAsRead = (fs: FsPort, path: string, was: FileStat): boolean => {
  const now = statFile(fs, path)
  return now !== undefined && isSameStat(now, was)
}

/**
 * Makes `to` a file of its own that shares its blocks with `from` until one of the two is written to (a reflink). False, and no file,
 * where the file system does not do that, or where `from` may no longer hold what was read under `stat` (null: nobody else writes it):
 * the caller writes the bytes.
 */
export const cloneFile = (fs: FsPort, from: string, to: string, stat: FileStat | null): boolean => {
  if (onRefusing.has(dirname(from))) return false
  const before = fs.lstat(from)
  if (before !== undefined && refusing.has(before.dev)) onRefusing.add(dirname(from))
  // What was written in the instant in which it was read may have been written once more without a newer time.
  if (before === undefined || refusing.has(before.dev) || (stat !== null && Date.now() - stat.mtimeMs <= 2 * TICK_MS)) return false
  try {
    fs.copyFile(from, to, 'clone')
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    if (!['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EINVAL', 'ENOTTY'].includes(systemCode(error))) throw error
    refusing.add(before.dev)
    discard(fs, to)
    return false
  }
  if (stat === null || (isAsRead(fs, from, stat) && fs.lstat(to)?.size === stat.size)) return true
  discard(fs, to)
  return false
}
