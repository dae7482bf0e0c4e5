import { join } from 'node:path'
import { immutablePaths } from '../core/dataset.ts'
import type { FileEntry } from '../core/manifest.ts'
import type { Snapshot } from '../core/state.ts'
import { replaceFile } from '../storage/durable.ts'
import { hashFile } from '../storage/files.ts'
import { Quarantine } from '../storage/quarantine.ts'
import type { Repository } from '../storage/repository.ts'
import type { FileStat } from '../storage/scan.ts'
import { statFile } from '../storage/scan.ts'
import type { Context } from './context.ts'
import type { Looked } from './directory.ts'
import type { Session } from './session.ts'
import { sha256 } from './staged-file.ts'

/**
 * Snapshots may share an immutable file under several names. Whoever writes into it all the same writes into all of them at once. In
 * the active directory that is an edit, like any other, and stays where it is. In every other directory it is damage: nobody edited
 * that snapshot. It is put back from the repository as a file of its own, wherever such a directory is about to be committed.
 */

/** The other names may have gone since, or have been replaced: the index knows that there were some of the same file. */
const isShared = (known: FileStat | undefined, now: FileStat | undefined): boolean =>
  now !== undefined && (now.links > 1 || (known?.ino === now.ino && known.links > 1))

/** Whether a change of a file of a directory that is not active can have come through another name of it. `paths`: as committed. */
export const throughOtherNames = (context: Context, looked: Looked, paths: Iterable<string>): ((path: string) => boolean) => {
  const { index, changes } = looked
  const shared = new Set(changes.changed.filter((path) => isShared(index?.entries.get(path)?.stat, changes.scanned.files.get(path))))
  const immutable = shared.size === 0 ? shared : immutablePaths(context.dataset, [...paths])
  return (path) => shared.has(path) && immutable.has(path)
}

const differs = ({ fs }: Context, path: string, { size, mode, sha256: hash }: FileEntry): boolean => {
  const stat = statFile(fs, path)
  return stat !== undefined && (stat.size !== size || stat.mode !== mode || hashFile(fs, path)?.sha256 !== hash)
}

/** The bytes of a committed file; undefined where the repository has lost them. */
export const storedBytes = (repository: Repository, { oid, size, sha256: hash }: FileEntry): Uint8Array | undefined => {
  try {
    const bytes = repository.blob(oid, size)
    return sha256(bytes) === hash ? bytes : undefined
  } catch {
    return undefined
  }
}

/** Writes a file of a snapshot anew, as a file of its own. */
export const rewrite = ({ fs, paths, id }: Context, snapshot: string, { path, mode }: FileEntry, bytes: Uint8Array): void => {
  const file = join(paths.snapshot(snapshot), path)
  replaceFile(fs, file, bytes, { mode, temporary: join(paths.staging, `mend-${id()}`) })
  // The process's umask takes group and other write bits off a new file.
  if ((mode & 0o022) !== 0) fs.chmod(file, mode)
}

const isActiveFile = ({ context: { fs, paths }, state }: Session, snapshot: string, path: string): boolean => {
  const stat = (id: string): FileStat | undefined => statFile(fs, join(paths.snapshot(id), path))
  return state.active !== null && stat(state.active)?.ino === stat(snapshot)?.ino
}

const MOST_TOLD = 50

const told = (id: string, files: readonly FileEntry[]): string[] => {
  const more = files.length - MOST_TOLD
  return [
    ...files.slice(0, MOST_TOLD).map(({ path }) => `put ${path} of ${id} back: it was written to through another directory that shared it`),
    ...(more > 0 ? [`put ${more} more files of ${id} back for the same reason`] : []),
  ]
}

/**
 * Puts files that were written to through another name back, as `known` has them; whether there were any. What was written stays in the
 * active directory, if that has the file, else in quarantine/. Where the repository has lost what was committed, the file stays as it is.
 */
export const putBack = (session: Session, { id }: Snapshot, looked: Looked, known: ReadonlyMap<string, FileEntry>): boolean => {
  const { context, repository } = session
  const { fs, paths, now } = context
  const isSuspect = throughOtherNames(context, looked, known.keys())
  const suspects = looked.changes.changed.filter(isSuspect).flatMap((path) => known.get(path) ?? [])
  const wrong = suspects.filter((file) => differs(context, join(paths.snapshot(id), file.path), file) && storedBytes(repository, file))
  if (wrong.length === 0) return false
  const actions = told(id, wrong)
  // Told first: the line takes the journal from a process that may be alive where the lock does not reach.
  session.commit({ type: 'note', event: { type: 'Repaired', data: { actions, lost: [] } } })
  const quarantine = new Quarantine(fs, paths.quarantine, `${now().getTime()}-shared`)
  // One after another: all of them may be more than memory holds.
  for (const file of wrong) {
    const bytes = storedBytes(repository, file)
    if (bytes === undefined) continue
    if (!isActiveFile(session, id, file.path)) quarantine.copy(join(paths.snapshot(id), file.path), join(id, file.path))
    rewrite(context, id, file, bytes)
  }
  for (const action of actions) context.log('warning', `repaired: ${action}`)
  return true
}
