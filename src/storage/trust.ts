import { join, relative } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { FsPort } from './fs.ts'
import type { Layout } from './layout.ts'

/** A store that someone else made may hold links: what is written through them lands outside of it. */
export const refuseLink = (fs: FsPort, root: string, path: string): void => {
  const found = fs.lstat(path)
  if (found === undefined || found.isDirectory()) return
  const name = relative(root, path)
  throw new StrataError('UNTRUSTED', `${name} in the store is ${found.isSymbolicLink() ? 'a symbolic link' : 'no directory'}`, {
    data: { file: name },
    hint: 'Strata never makes one there. Find out who did before you use this store; a copy made with cp -rL holds what the link points to.',
  })
}

const refuseOwner = (fs: FsPort, root: string): void => {
  const user = process.getuid?.()
  const owner = fs.lstat(root)?.uid
  // The superuser may work on anybody's store; Windows has no such ids.
  if (user === undefined || user === 0 || owner === undefined || owner === user) return
  throw new StrataError('UNTRUSTED', `the store belongs to another user (${owner}, you are ${user})`, {
    data: { owner, user },
    hint: 'Run the command as that user. Reading is possible.',
  })
}

/** The folders of a store, and its snapshots' directories, are real ones, and our own. Throws UNTRUSTED. */
export const requireTrust = (fs: FsPort, paths: Layout, snapshots: readonly string[]): void => {
  refuseOwner(fs, paths.root)
  const inRepository = ['objects', 'objects/pack', 'objects/info', 'refs', 'refs/heads', 'info'].map((name) => join(paths.repository, name))
  const folders = [
    paths.journal,
    paths.repository,
    ...inRepository,
    paths.snapshots,
    paths.indexes,
    paths.staging,
    paths.quarantine,
    paths.memos,
    paths.leftovers,
  ]
  for (const path of [...folders, ...snapshots.map((id) => paths.snapshot(id))]) refuseLink(fs, paths.root, path)
}
