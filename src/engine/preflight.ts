import { StrataError } from '../core/errors.ts'
import { SPACE_FACTOR } from '../core/status.ts'
import type { Context } from './context.ts'

/** What a file system keeps for itself, or for root. */
const RESERVE = 0.03

/** Refuses early what would fail half-way. Throws NO_SPACE. */
export const preflight = (context: Context, bytes: number, files: number, snapshots: number): void => {
  const free = context.fs.statfs(context.root)
  const needed = Math.ceil(bytes * snapshots * SPACE_FACTOR)
  if (needed * (1 + RESERVE) > free.freeBytes)
    throw new StrataError('NO_SPACE', `${needed} bytes are needed, ${free.freeBytes} are free`, {
      data: { needed, free: free.freeBytes },
      hint: 'Free some space, then try again. Nothing was changed.',
    })
  // File systems that make inodes as they need them report none.
  if (free.freeInodes > 0 && files * snapshots > free.freeInodes)
    throw new StrataError('NO_SPACE', `${files * snapshots} files are to be made, ${free.freeInodes} are free`, {
      data: { needed: files * snapshots, free: free.freeInodes },
      hint: 'Remove some files from this disk, then try again. Nothing was changed.',
    })
}
