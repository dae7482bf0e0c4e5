import { dirname, join } from 'node:path'
import { makeDirectory, removeTree, replaceFile } from '../storage/durable.ts'
import type { Context } from './context.ts'

/** Writes the files of a fresh install where they can be captured like any other directory. */
export const writeInitial = ({ fs }: Pick<Context, 'fs'>, dir: string, files: ReadonlyMap<string, Uint8Array>): void => {
  removeTree(fs, dir)
  makeDirectory(fs, dir)
  for (const [path, bytes] of files) {
    makeDirectory(fs, dirname(join(dir, path)))
    replaceFile(fs, join(dir, path), bytes, { mode: 0o644 })
  }
}
