import { join } from 'node:path'
import type { Oid } from '../core/git-objects.ts'
import { isOid } from '../core/git-objects.ts'
import { discard, removeTree, replaceFile } from './durable.ts'
import { readText } from './files.ts'
import type { FsPort } from './fs.ts'

/** git's file of commits whose parents are left out (gitrepository-layout): one id a line. */
const file = (repository: string): string => join(repository, 'shallow')

export const readShallow = (fs: FsPort, repository: string): Set<Oid> =>
  new Set((readText(fs, file(repository)) ?? '').split('\n').filter(isOid))

/** Durable when it returns, so that what is left out may be removed afterwards. */
export const writeShallow = (fs: FsPort, repository: string, commits: readonly Oid[]): void => {
  // What stock git has worked out over the history would say otherwise; it makes these anew.
  for (const name of ['commit-graph', 'commit-graphs']) removeTree(fs, join(repository, 'objects', 'info', name))
  if (commits.length === 0) discard(fs, file(repository))
  else
    replaceFile(
      fs,
      file(repository),
      Buffer.from(
        [...commits]
          .sort()
          .map((oid) => `${oid}\n`)
          .join(''),
      ),
    )
}
