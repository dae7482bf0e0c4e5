import { systemCode } from '../core/errors.ts'
import { discard, linkUnsupported } from './durable.ts'
import type { FsPort } from './fs.ts'
import type { FileStat } from './scan.ts'
import { isSameButCtime, isSameStat, statFile } from './scan.ts'

/** A file that got one more name. That moves its ctime, and nothing else. */
export type Link = { readonly was: FileStat; readonly is: FileStat }

/**
 * Gives the file `from` the name `to` as well. undefined, and no file, where it cannot have another name, or is no longer what it was
 * under `stat` (undefined: nobody else writes it).
 */
export const linkFile = (fs: FsPort, from: string, to: string, stat?: FileStat): Link | undefined => {
  const was = statFile(fs, from)
  if (was === undefined || (stat !== undefined && !isSameStat(was, stat))) return undefined
  try {
    fs.link(from, to)
  } catch (error) {
    if (systemCode(error) === 'EEXIST' || linkUnsupported(error)) return undefined
    throw error
  }
  const is = statFile(fs, to)
  if (is !== undefined && isSameButCtime(is, was)) return { was, is }
  discard(fs, to)
  return undefined
}
