import { StrataError } from '../core/errors.ts'
import type { Actor, StrataEvent } from '../core/events.ts'
import type { Oid } from '../core/git-objects.ts'
import { treeName } from '../core/names.ts'
import { resolveSnapshot } from '../core/resolve.ts'
import type { Snapshot } from '../core/state.ts'
import { activeSnapshot } from '../core/state.ts'
import type { LoggedCommit } from '../storage/history.ts'
import { logCommits } from '../storage/history.ts'
import { linesAfter, readLines } from '../storage/journal.ts'
import { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'
import type { Difference } from './directory.ts'
import { differences } from './directory.ts'
import { readState } from './read.ts'

export type HistoryEvent = StrataEvent & { readonly at: string; readonly actor: Actor }

export type HistoryOptions = {
  /** Only the newest so many events, which need not be read from the journal's beginning. */
  readonly limit?: number | undefined
}

const requireLimit = (limit: number | undefined): void => {
  if (limit === undefined || (Number.isSafeInteger(limit) && limit > 0)) return
  throw new StrataError('BAD_ARGUMENT', `limit is ${limit}, not a whole number above 0`, { hint: 'For example: { limit: 100 }' })
}

/** Every event, oldest first; those of one job when it is named. Throws NO_STORE, JOURNAL_CORRUPT, ABSENT, BAD_ARGUMENT. */
export const events = (context: Context, jobId?: string, { limit }: HistoryOptions = {}): HistoryEvent[] => {
  const { fs, paths } = context
  requireLimit(limit)
  const { seq } = readState(context)
  const lines =
    limit === undefined || jobId !== undefined ? readLines(fs, paths.journal) : linesAfter(fs, paths.journal, Math.max(0, seq - limit))
  const found: HistoryEvent[] = []
  for (const line of lines)
    for (const event of line.events)
      if (event.type !== 'SegmentOpened' && (jobId === undefined || event.jobId === jobId))
        found.push({ ...event, at: line.at, actor: line.actor })
  if (limit !== undefined && found.length > limit) found.splice(0, found.length - limit)
  if (jobId !== undefined && found.length === 0)
    throw new StrataError('ABSENT', `there is no job ${jobId}`, { data: { jobId }, hint: 'See the jobs: strata history' })
  return found
}

/** Opens the repository for one reading call. */
export const reading = <T>(context: Context, use: (repository: Repository) => T): T => {
  const repository = new Repository(context.fs, context.paths.repository)
  try {
    return use(repository)
  } finally {
    repository.close()
  }
}

/** The blob at a dataset path in a commit; undefined when there is none. */
export const blobAt = (repository: Repository, commit: Oid, path: string): Oid | undefined => {
  let at: Oid | undefined = repository.tree(repository.commit(commit).tree).find((e) => e.name === 'files')?.oid
  for (const name of path.split('/')) {
    if (at === undefined) return undefined
    at = repository.tree(at).find((e) => e.name === treeName(name))?.oid
  }
  return at
}

export type FileVersion = LoggedCommit & { readonly blob: string | null; readonly change: 'added' | 'changed' | 'removed' }

/** The commits on the way to the active snapshot in which a file's content changed, newest first. Throws ABSENT. */
export const fileHistory = async (context: Context, path: string): Promise<FileVersion[]> => {
  const active = activeSnapshot(readState(context))
  const commits = active === undefined ? [] : await logCommits(context.fs, context.paths.repository, active.commit)
  return reading(context, (repository) => {
    const found: FileVersion[] = []
    let previous: Oid | undefined
    for (const commit of commits.reverse()) {
      // isomorphic-git has just read this commit under its id.
      const blob = blobAt(repository, commit.oid as Oid, path)
      if (blob !== previous)
        found.push({ ...commit, blob: blob ?? null, change: previous === undefined ? 'added' : blob === undefined ? 'removed' : 'changed' })
      previous = blob
    }
    if (found.length === 0)
      throw new StrataError('ABSENT', `no snapshot on the way to the active one has ${path}`, {
        data: { file: path },
        hint: 'Paths are relative to the data directory, with /.',
      })
    return found.reverse()
  })
}

export type Diff = { readonly before: Snapshot; readonly after: Snapshot; readonly files: readonly Difference[] }

/** Which files differ between two snapshots, as committed. `path` narrows it to a file or a folder. */
export const diffSnapshots = (context: Context, a: string, b: string, path?: string): Diff => {
  const state = readState(context)
  const [before, after] = [resolveSnapshot(state, a), resolveSnapshot(state, b)]
  const all = reading(context, (r) => differences(r.manifest(before.commit), r.manifest(after.commit)))
  return { before, after, files: path === undefined ? all : all.filter((f) => f.path === path || f.path.startsWith(`${path}/`)) }
}

/** A file's bytes in a snapshot, as committed. Throws ABSENT. */
export const showFile = (context: Context, name: string, path: string): Uint8Array => {
  const snapshot = resolveSnapshot(readState(context), name)
  return reading(context, (repository) => {
    const blob = blobAt(repository, snapshot.commit, path)
    if (blob === undefined || repository.read(blob).type !== 'blob')
      throw new StrataError('ABSENT', `${snapshot.id} has no file ${path}`, {
        data: { snapshot: snapshot.id, file: path },
        hint: `See its files: strata show ${snapshot.id}`,
      })
    return repository.blob(blob)
  })
}

export type SnapshotView = {
  readonly snapshot: Snapshot
  readonly active: boolean
  readonly files: readonly { path: string; size: number; sha256: string }[]
  readonly commits: readonly LoggedCommit[]
}

/** A snapshot: what it is, its files, and the commits on its own branch. */
export const showSnapshot = async (context: Context, name: string): Promise<SnapshotView> => {
  const state = readState(context)
  const snapshot = resolveSnapshot(state, name)
  const files = reading(context, (repository) => repository.manifest(snapshot.commit).files)
  const commits = await logCommits(context.fs, context.paths.repository, snapshot.commit)
  return {
    snapshot,
    active: state.active === snapshot.id,
    files: files.map(({ path, size, sha256 }) => ({ path, size, sha256 })),
    commits: commits.filter((c) => c.trailers['Strata-Snapshot'] === snapshot.id),
  }
}
