import type { FileEntry, Manifest } from '../core/manifest.ts'
import { checkPath } from '../core/names.ts'
import { batches } from './batches.ts'
import type { Context } from './context.ts'
import { poolFor } from './pool.ts'
import { makeFolders } from './staged-directory.ts'
import { closeExtracted } from './task-extract.ts'

type Progress = (files: number, bytes: number) => void

/** Writes files from the repository below `to`, whose folders are there; each is checked against its SHA-256. Throws CORRUPT, EXISTS. */
export const extractFiles = async (context: Context, files: readonly FileEntry[], to: string, progress?: Progress): Promise<void> => {
  const { paths } = context
  const pool = poolFor(
    context,
    files.reduce((sum, f) => sum + f.size, 0),
  )
  const tasks = (function* () {
    for (const batch of batches(files)) yield { type: 'extract' as const, packs: paths.packs, to, files: batch }
  })()
  try {
    await pool.each(tasks, ({ files: count, bytes }) => progress?.(count, bytes))
  } finally {
    closeExtracted()
    await pool.close()
  }
}

/** Writes a whole manifest into a directory that must not exist yet. */
export const extractManifest = async (context: Context, manifest: Manifest, to: string, progress?: Progress): Promise<void> => {
  for (const { path } of manifest.directories) checkPath(path)
  makeFolders(context, to, { files: new Map(), directories: manifest.directories })
  await extractFiles(context, manifest.files, to, progress)
}
