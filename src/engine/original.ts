import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { messageOf } from '../core/errors.ts'
import type { SourceDirectory } from '../core/events.ts'
import type { Issue } from '../core/issues.ts'
import { issue } from '../core/issues.ts'
import type { FileEntry, Manifest } from '../core/manifest.ts'
import type { State } from '../core/state.ts'
import { readStable } from '../storage/read-stable.ts'
import type { Scanned } from '../storage/scan.ts'
import { readIndex, writeIndex } from '../storage/index-file.ts'
import { changesSince } from '../storage/scan.ts'
import type { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'
import { scan } from './directory.ts'
import type { Session } from './session.ts'

/**
 * The directory that the data was captured from. Nothing is ever written there; an old build that is started once more may
 * go on writing it, which is found by comparing it with what was captured.
 */

export const ORIGINAL_INDEX = 'original'

/** Remembers the original's stats as they were when it was captured. `captured`: what was captured, where that is at hand. */
export const writeOriginalIndex = (
  { context, state, repository }: Session,
  source: SourceDirectory,
  scanned: Scanned,
  captured?: Manifest,
): void => {
  const snapshot = state.snapshots[source.snapshot]
  if (snapshot === undefined) return
  const known = new Map((captured ?? repository.manifest(snapshot.sealed)).files.map((f) => [f.path, f]))
  const entries = new Map(
    [...scanned.files].flatMap(([path, stat]) => {
      const file = known.get(path)
      // A file that had another size when it was captured has changed since the scan: it is read again next time.
      return file?.size !== stat.size ? [] : [[path, { ...file, stat }] as const]
    }),
  )
  writeIndex(context.fs, context.paths.index(ORIGINAL_INDEX), {
    entries,
    directories: scanned.directories,
    commit: snapshot.sealed,
    readMs: context.now().getTime(),
  })
}

/** Makes the index of the original anew: only of files that are, byte for byte, what was captured. */
export const rebuildOriginalIndex = ({ context, state, repository }: Session): void => {
  const { original } = state
  const captured = original === null ? undefined : state.snapshots[original.snapshot]
  if (original === null || captured === undefined || context.fs.lstat(original.path)?.isDirectory() !== true) return
  const readMs = context.now().getTime()
  const { files, directories } = scan(context, original.path)
  const known = new Map(repository.manifest(captured.sealed).files.map((f) => [f.path, f]))
  const entries = new Map(
    [...files].flatMap(([path, stat]) => {
      const file = known.get(path)
      return file === undefined || contentDiffers(context, original.path, path, file) ? [] : [[path, { ...file, stat }] as const]
    }),
  )
  writeIndex(context.fs, context.paths.index(ORIGINAL_INDEX), { entries, directories, commit: captured.sealed, readMs })
}

export type OriginalChange = { readonly path: string; readonly change: 'added' | 'changed' }

const contentDiffers = (context: Context, root: string, path: string, known: FileEntry | undefined): boolean => {
  if (known === undefined) return true
  const read = readStable(context.fs, join(root, path), path)
  return read !== undefined && createHash('sha256').update(read.bytes).digest('hex') !== known.sha256
}

/** What has been added to the original since it was captured. One stat scan; only files whose stat differs are read. */
export const compareOriginal = (context: Context, state: State, repository: Repository): OriginalChange[] => {
  const { original } = state
  const captured = original === null ? undefined : state.snapshots[original.snapshot]
  if (original === null || captured === undefined || context.fs.lstat(original.path)?.isDirectory() !== true) return []
  const index = readIndex(context.fs, context.paths.index(ORIGINAL_INDEX), captured.sealed)
  const { changed } = changesSince(index, scan(context, original.path))
  if (changed.length === 0) return []
  const known = new Map(repository.manifest(captured.sealed).files.map((f) => [f.path, f]))
  return changed
    .filter((path) => contentDiffers(context, original.path, path, known.get(path)))
    .map((path) => ({ path, change: known.has(path) ? 'changed' : 'added' }))
}

const originalFindings = (changes: readonly OriginalChange[]): Issue[] =>
  changes.map(({ path, change }) =>
    issue({
      severity: 'warning',
      code: 'ORIGINAL_CHANGED',
      file: path,
      message: `was ${change} in the original directory after it was captured`,
      hint: 'Take it over with: strata adopt',
    }),
  )

/** Compares at start, and records what was found when it is news. */
export const noteOriginal = (session: Session): Issue[] => {
  const { context, state, repository } = session
  let findings: Issue[]
  try {
    findings = originalFindings(compareOriginal(context, state, repository))
  } catch (error) {
    // It is not in use any more: whatever is wrong there must not keep the application from starting.
    context.log('warning', `the original directory cannot be compared: ${messageOf(error)}`)
    return [...state.originalFindings]
  }
  const same = JSON.stringify(findings) === JSON.stringify(state.originalFindings)
  if (!same && state.original !== null)
    session.commit({ type: 'note', event: { type: 'OriginalCompared', data: { path: state.original.path, findings } } })
  return findings
}
