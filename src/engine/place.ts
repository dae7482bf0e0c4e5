import { join } from 'node:path'
import type { Place } from '../core/status.ts'
import type { FsPort } from '../storage/fs.ts'
import type { Layout } from '../storage/layout.ts'

type Where = { readonly fs: FsPort; readonly root: string; readonly paths: Layout }

const packBytes = ({ fs, paths }: Where): number =>
  (fs.lstat(paths.packs) === undefined ? [] : fs.readdir(paths.packs))
    .filter((name) => name.endsWith('.pack'))
    .reduce((sum, name) => sum + (fs.lstat(join(paths.packs, name))?.size ?? 0), 0)

/** What a status says of a store besides its journal: a few stats, however many files there are. */
export const placeOf = (where: Where): Place => {
  const { fs, root, paths } = where
  return {
    directoryOf: paths.snapshot,
    hasDirectory: (id) => fs.lstat(paths.snapshot(id)) !== undefined,
    spaceFree: fs.lstat(root) === undefined ? 0 : fs.statfs(root).freeBytes,
    repositoryBytes: packBytes(where),
  }
}
