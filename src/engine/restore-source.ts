import { isAbsolute, relative, sep } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { DirectoryEntry, FileEntry } from '../core/manifest.ts'
import { checkPath } from '../core/names.ts'
import { resolveSnapshot } from '../core/resolve.ts'
import type { Snapshot, State } from '../core/state.ts'
import type { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'

/** A commit of a snapshot: its newest one, or an earlier checkpoint. */
export type NamedCommit = { readonly snapshot: Snapshot; readonly commit: Oid }

const COMMIT = /^[0-9a-f]{7,40}$/

/** A checkpoint that is named by the beginning of its id, as `git log` and `history PATH` print it. */
const checkpointNamed = (state: State, repository: Repository, name: string): NamedCommit | undefined => {
  const found = new Map<Oid, Snapshot>()
  for (const snapshot of Object.values(state.snapshots)) {
    const owner = `Strata-Snapshot: ${snapshot.id}\n`
    for (let at: Oid | undefined = snapshot.commit; at !== undefined; ) {
      const { message, parents } = repository.commit(at)
      if (!message.includes(owner)) break
      if (at.startsWith(name)) found.set(at, snapshot)
      at = parents[0]
    }
  }
  const [first] = found
  if (found.size > 1)
    throw new StrataError('AMBIGUOUS', `${name} is the beginning of ${found.size} checkpoints`, {
      data: { name, matches: [...found.keys()] },
      hint: 'Give more of its digits.',
    })
  return first === undefined ? undefined : { commit: first[0], snapshot: first[1] }
}

/** The commit that a snapshot's name, or the beginning of a checkpoint's id, stands for. Throws ABSENT, AMBIGUOUS. */
const resolveCommit = (state: State, repository: Repository, name: string): NamedCommit => {
  try {
    const snapshot = resolveSnapshot(state, name)
    return { snapshot, commit: snapshot.commit }
  } catch (error) {
    const checkpoint = COMMIT.test(name) ? checkpointNamed(state, repository, name) : undefined
    if (checkpoint === undefined) throw error
    return checkpoint
  }
}

/** `SNAPSHOT`, `SNAPSHOT:PATH`, or a place in a snapshot's directory (a job's `backupPath`), there or not. */
const splitName = ({ paths }: Pick<Context, 'paths'>, name: string): { name: string; path: string | null } => {
  const inside = isAbsolute(name) ? relative(paths.snapshots, name) : ''
  const text = inside === '' || inside.startsWith('..') || isAbsolute(inside) ? name : inside.split(sep).join('/')
  const [, id = text, path] = /^([^:/]*)[:/](.*)$/s.exec(text) ?? []
  const trimmed = path?.replace(/^\.?\/+|\/+$/g, '') ?? ''
  return { name: id, path: trimmed === '' ? null : trimmed }
}

/** What is to be restored: files and folders, with their paths in the snapshot. */
export type RestoreSource = NamedCommit & {
  /** A file or a folder; null: the whole snapshot. */
  readonly path: string | null
  readonly isFile: boolean
  readonly files: readonly FileEntry[]
  readonly directories: readonly DirectoryEntry[]
}

/** Throws ABSENT, AMBIGUOUS, UNSUPPORTED_NAME. */
export const restoreSource = (context: Pick<Context, 'paths'>, state: State, repository: Repository, text: string): RestoreSource => {
  const { name, path } = splitName(context, text)
  const { snapshot, commit } = resolveCommit(state, repository, name)
  const { files, directories } = repository.manifest(commit)
  if (path === null) return { snapshot, commit, path, isFile: false, files, directories }
  checkPath(path)
  const file = files.find((f) => f.path === path)
  if (file !== undefined) return { snapshot, commit, path, isFile: true, files: [file], directories: [] }
  const below = <E extends { readonly path: string }>(entries: readonly E[]): E[] =>
    entries.filter((e) => e.path === path || e.path.startsWith(`${path}/`))
  const folder = { files: below(files), directories: below(directories) }
  if (folder.files.length + folder.directories.length === 0)
    throw new StrataError('ABSENT', `${snapshot.id} has nothing at ${path}`, {
      data: { snapshot: snapshot.id, file: path },
      hint: `See its files: strata show ${snapshot.id}`,
    })
  return { snapshot, commit, path, isFile: false, ...folder }
}
