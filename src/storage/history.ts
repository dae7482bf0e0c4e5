import type { CommitObject, ReadCommitResult } from 'isomorphic-git'
import { StrataError, messageOf } from '../core/errors.ts'
import type { FsPort, Stats } from './fs.ts'
import { readFile } from './files.ts'

/**
 * Reads history with isomorphic-git, through a file system that cannot write: the library writes in place and without
 * fsync, so every write of this store goes through our own code.
 */

const failing = (code: string, path: string): Error => Object.assign(new Error(`${code}: ${path}`), { code })

const readOnly = (path: string): Promise<never> => Promise.reject(failing('EROFS', path))

const statOf = (fs: FsPort, path: string): Promise<Stats> => {
  const stat = fs.lstat(path)
  return stat === undefined ? Promise.reject(failing('ENOENT', path)) : Promise.resolve(stat)
}

/** isomorphic-git calls this without a path and waits for callbacks for ever unless it gets a promise: it must not throw. */
const read = (fs: FsPort, path: string | undefined, options?: string | { encoding?: string }): Promise<Buffer | string> => {
  const bytes = path === undefined ? undefined : readFile(fs, path)
  if (bytes === undefined) return Promise.reject(failing('ENOENT', path ?? ''))
  const encoding = typeof options === 'string' ? options : options?.encoding
  return Promise.resolve(encoding === 'utf8' ? bytes.toString('utf8') : bytes)
}

const readOnlyFs = (fs: FsPort) => ({
  promises: {
    readFile: (path: string | undefined, options?: string | { encoding?: string }) => read(fs, path, options),
    readdir: (path: string) => Promise.resolve(fs.lstat(path) === undefined ? [] : fs.readdir(path)),
    stat: (path: string) => statOf(fs, path),
    lstat: (path: string) => statOf(fs, path),
    readlink: readOnly,
    symlink: readOnly,
    writeFile: readOnly,
    mkdir: readOnly,
    rmdir: readOnly,
    unlink: readOnly,
    chmod: readOnly,
  },
})

export type LoggedCommit = {
  readonly oid: string
  readonly subject: string
  readonly trailers: Readonly<Record<string, string>>
  readonly parents: readonly string[]
  readonly at: string
}

const TRAILER = /^([A-Z][A-Za-z0-9-]*): (.*)$/

const trailersOf = (message: string): Record<string, string> =>
  Object.fromEntries(
    message.split('\n').flatMap((line) => {
      const [, key, value] = TRAILER.exec(line) ?? []
      return key === undefined || value === undefined ? [] : [[key, value]]
    }),
  )

const asLogged = (oid: string, commit: CommitObject): LoggedCommit => ({
  oid,
  subject: commit.message.split('\n')[0] ?? '',
  trailers: trailersOf(commit.message.slice(commit.message.indexOf('\n') + 1)),
  parents: commit.parent,
  at: new Date(commit.committer.timestamp * 1000).toISOString(),
})

/** The commits that led to `oid`, newest first. */
export const logCommits = async (fs: FsPort, gitdir: string, oid: string, depth?: number): Promise<LoggedCommit[]> => {
  const git = await import('isomorphic-git')
  let found: ReadCommitResult[]
  try {
    found = await git.log({ fs: readOnlyFs(fs), gitdir, ref: oid, ...(depth === undefined ? {} : { depth }), cache: {} })
  } catch (error) {
    throw new StrataError('CORRUPT', `the history of commit ${oid} cannot be read: ${messageOf(error)}`, {
      data: { oid },
      hint: 'Run: strata verify',
      cause: error,
    })
  }
  return found.map(({ oid: id, commit }) => asLogged(id, commit))
}
