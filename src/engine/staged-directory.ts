import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { flushFiles, fsyncDirectory, rename } from '../storage/durable.ts'
import type { EarlyFlush } from '../storage/early-flush.ts'
import type { Scanned } from '../storage/scan.ts'
import { restMs } from '../storage/scan.ts'
import type { Context } from './context.ts'

/** Makes a directory's staged copy durable: every file that was not flushed `early` and is not durable by itself, then every folder, deepest first. */
export const flushStaged = async (
  { fs }: Pick<Context, 'fs'>,
  dir: string,
  scanned: Scanned,
  early?: EarlyFlush,
  isDurable: (path: string) => boolean = () => false,
): Promise<void> => {
  await early?.settle()
  const left: string[] = []
  for (const [path, stat] of scanned.files) if (!isDurable(path) && early?.has(join(dir, path), stat) !== true) left.push(join(dir, path))
  await flushFiles(fs, left)
  for (const { path } of [...scanned.directories].reverse()) fsyncDirectory(fs, join(dir, path))
  fsyncDirectory(fs, dir)
}

/** Lets the clock move on, so that the index of a staged directory trusts every file in it. */
export const letRest = async (scanned: Scanned, now: () => Date): Promise<void> => {
  const wait = restMs(scanned, now().getTime())
  if (wait > 0) await setTimeout(wait)
}

/** Moves durable staged directories to their place. */
export const publish = ({ fs, paths }: Pick<Context, 'fs' | 'paths'>, ...ids: readonly string[]): void => {
  for (const id of ids) rename(fs, paths.staged(id), paths.snapshot(id))
  fsyncDirectory(fs, paths.snapshots)
  fsyncDirectory(fs, paths.staging)
}

/** Makes the folders of `scanned` below `dir`, parents first, with their modes. */
export const makeFolders = ({ fs }: Pick<Context, 'fs'>, dir: string, scanned: Scanned): void => {
  fs.mkdir(dir, 0o700)
  for (const { path, mode } of scanned.directories) {
    fs.mkdir(join(dir, path), mode | 0o700)
    if ((mode & 0o022) !== 0) fs.chmod(join(dir, path), mode)
  }
}
