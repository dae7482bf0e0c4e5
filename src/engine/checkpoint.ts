import { join } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import type { Issue } from '../core/issues.ts'
import type { DirectoryEntry, FileEntry } from '../core/manifest.ts'
import { SnapshotTrees } from '../core/snapshot-trees.ts'
import type { Snapshot } from '../core/state.ts'
import { commitMessage } from '../core/slice.ts'
import { flushFiles } from '../storage/durable.ts'
import { isSameButCtime } from '../storage/scan.ts'
import { batches } from './batches.ts'
import { fileFindings } from './survey.ts'
import type { Looked } from './directory.ts'
import { isQuiet, knownFiles, look, lookAfresh, remember } from './directory.ts'
import type { Pool } from './pool.ts'
import { poolFor } from './pool.ts'
import type { Session } from './session.ts'
import { putBack } from './shared.ts'
import type { CaptureResult, CaptureTask, Captured } from './task-types.ts'

export type Checkpointed = {
  readonly snapshot: Snapshot
  readonly changed: readonly string[]
  readonly files: ReadonlyMap<string, FileEntry>
  readonly directories: readonly DirectoryEntry[]
}

const sizeOf = (looked: Looked, path: string): number => looked.changes.scanned.files.get(path)?.size ?? 0
const bytesOf = (looked: Looked): number => looked.changes.changed.reduce((sum, path) => sum + sizeOf(looked, path), 0)

const tasksFor = (root: string, base: number | null, looked: Looked, known: ReadonlyMap<string, FileEntry>): CaptureTask[] => {
  const files = looked.changes.changed.map((path) => ({ path, size: sizeOf(looked, path), known: known.get(path)?.sha256 ?? null }))
  return Array.from(batches(files), (batch) => ({ type: 'capture', root, copyTo: null, base, files: batch }))
}

/** Findings of files that did not change stay; those of changed files are judged again. */
const judge = (session: Session, snapshot: Snapshot, changed: ReadonlyMap<string, Captured>, gone: ReadonlySet<string>): Issue[] => {
  const { dataset } = session.context
  const base = versionIndex(dataset.chain, snapshot.schemaVersion)
  const edited = [...changed.values()].filter((f) => !f.same)
  const again = new Set([...edited.map((f) => f.path), ...gone])
  const kept = snapshot.findings.filter((f) => f.file === null || !again.has(f.file))
  return base < 0 ? kept : [...kept, ...edited.flatMap((f) => fileFindings(dataset, base, f))]
}

/** Trees of what was committed last, for one who commits the same directory again and again. */
export type KeptTrees = { last: SnapshotTrees | undefined }

export type CheckpointOptions = {
  /** Nothing that was known counts: every file is read and stored (a repair, where the repository has lost what the last commit held). */
  readonly afresh?: boolean
  /** Takes what can wait: branches and the index. */
  readonly later?: (rest: () => void) => void
  readonly trees?: KeptTrees
  /** One that has more to do afterwards. */
  readonly pool?: Pool
  /** Hears what will be committed, before it is. */
  readonly found?: (now: Checkpointed) => void
}

type Known = ReadonlyMap<string, FileEntry>

/** What a checkpoint has found; `written`: files whose bytes may not be on the disk yet. */
type Found = {
  readonly files: Map<string, FileEntry>
  readonly changed: Map<string, Captured>
  readonly gone: Set<string>
  readonly written: string[]
}

/** Whether a file was written since it was last read, be it with the same bytes. */
const wasWritten = ({ index }: Looked, { path, stat }: Captured): boolean => {
  const known = index?.entries.get(path)?.stat
  return known === undefined || !isSameButCtime(known, stat)
}

const take = ({ files, changed, gone, written }: Found, looked: Looked, known: Known, result: CaptureResult): void => {
  for (const path of result.gone) gone.add(path)
  for (const f of result.files) {
    const { path, size, sha256, stat, same, oid } = f
    const before = known.get(path)
    files.set(path, { path, size, sha256, mode: stat.mode, oid: same && before !== undefined ? before.oid : oid })
    const isEdited = !same || before?.mode !== stat.mode
    if (isEdited) changed.set(path, f)
    if (isEdited || wasWritten(looked, f)) written.push(path)
  }
}

const atOnce = (rest: () => void): void => {
  rest()
}

/** A directory as it is to be committed, and what was known of it: what came in through another name of a file is put back first. */
const lookAt = (session: Session, snapshot: Snapshot, afresh: boolean): { looked: Looked; known: Known } => {
  const { context, state, repository } = session
  if (afresh) return { looked: lookAfresh(context, snapshot.id), known: new Map() }
  const looked = look(context, snapshot)
  const known = knownFiles(looked, repository, snapshot.commit)
  const isPutBack = snapshot.id !== state.active && putBack(session, snapshot, looked, known)
  return { looked: isPutBack ? look(context, snapshot) : looked, known }
}

const goneFrom = ({ index, changes }: Looked, known: Known): Set<string> =>
  new Set(index === undefined ? [...known.keys()].filter((path) => !changes.scanned.files.has(path)) : changes.removed)

type Wanted = { readonly snapshot: Snapshot; readonly reason: string; readonly looked: Looked; readonly known: Known }

/** Reads what has changed, and commits it. */
const commitChanges = async (
  session: Session,
  { snapshot, reason, looked, known }: Wanted,
  pool: Pool,
  { afresh = false, later = atOnce, trees = { last: undefined }, found: tell }: CheckpointOptions,
): Promise<Checkpointed> => {
  const { context, repository } = session
  const { fs, paths, dataset } = context
  const { scanned, directoriesChanged } = looked.changes
  const root = paths.snapshot(snapshot.id)
  const { directories } = scanned
  const base = versionIndex(dataset.chain, snapshot.schemaVersion)
  const transaction = repository.begin()
  if (later !== atOnce) transaction.hurry()
  const found: Found = { files: new Map(known), changed: new Map(), gone: goneFrom(looked, known), written: [] }
  const { files, changed, gone } = found
  const taken = (result: CaptureResult): void => {
    transaction.addBatch(result.pack)
    take(found, looked, known, result)
  }
  try {
    await pool.each(tasksFor(root, base < 0 ? null : base, looked, known), taken, bytesOf(looked))
    for (const path of gone) files.delete(path)
    const edited = [...changed.keys(), ...gone]
    tell?.({ snapshot, changed: edited, files, directories })
    // The index will say that what these files hold is known: so it must be on the disk, not only in its cache. That goes for the same
    // bytes, written once more, too: a new snapshot may give such a file another name, and rely on it.
    await flushFiles(
      fs,
      found.written.map((path) => join(root, path)),
      true,
    )
    const findings = judge(session, snapshot, changed, gone)
    const stored = record(
      session,
      snapshot,
      { files, directories, directoriesChanged, edited, reason, findings, afresh, trees },
      transaction,
    )
    if (stored === undefined) transaction.abort()
    const now = session.state.snapshots[snapshot.id] ?? snapshot
    later(() => {
      if (stored !== undefined) session.project()
      remember(context, snapshot.id, now.commit, files, scanned, looked.startedMs)
    })
    return { snapshot: now, changed: now.commit === snapshot.commit ? [] : edited, files, directories }
  } catch (error) {
    transaction.abort()
    throw error
  }
}

/**
 * Commits the application's own edits of a snapshot's directory. Reads only files whose stat differs from the index;
 * without a difference in content nothing is written but the index. What was written into a directory that is not active through another
 * name of a file is put back first. Throws UNSTABLE, UNREADABLE, SPECIAL_FILE.
 */
export const checkpoint = async (session: Session, id: string, reason: string, options: CheckpointOptions = {}): Promise<Checkpointed> => {
  const snapshot = session.state.snapshots[id]
  if (snapshot === undefined) throw new Error(`no snapshot ${id}`)
  const { looked, known } = lookAt(session, snapshot, options.afresh ?? false)
  if (isQuiet(looked)) return { snapshot, changed: [], files: known, directories: looked.changes.scanned.directories }
  const pool = options.pool ?? poolFor(session.context, bytesOf(looked))
  try {
    return await commitChanges(session, { snapshot, reason, looked, known }, pool, options)
  } finally {
    if (options.pool === undefined) await pool.close()
  }
}

type Edits = {
  files: Known
  directories: readonly DirectoryEntry[]
  directoriesChanged: boolean
  edited: readonly string[]
  reason: string
  findings: Issue[]
  afresh: boolean
  trees: KeptTrees
}

/** One commit and one event, unless nothing was edited, or the tree turns out to be the one there is (only times had changed). */
const record = (session: Session, snapshot: Snapshot, edits: Edits, transaction: Parameters<Session['seal']>[0]): true | undefined => {
  const { files, directories, edited, reason, findings, afresh, trees: kept } = edits
  if (edited.length === 0 && !edits.directoriesChanged) return undefined
  const trees = kept.last ?? new SnapshotTrees(files, directories)
  trees.update(files, directories, edited)
  kept.last = trees
  if (!afresh && trees.digest() === snapshot.manifest) return undefined
  const { result: stored, slice } = session.seal(transaction, (t) =>
    t.addSnapshot(trees, (digest) => ({
      message: commitMessage(`Checkpoint ${snapshot.schemaVersion}: ${reason}`, {
        'Strata-Snapshot': snapshot.id,
        'Strata-Seq': session.state.seq + 1,
        'Schema-Version': snapshot.schemaVersion,
        'Manifest-Sha256': digest,
      }),
      parents: afresh && !session.repository.isReadable(snapshot.commit) ? [] : [snapshot.commit],
      timestamp: session.seconds,
    })),
  )
  session.commit({
    type: 'checkpoint',
    data: {
      snapshot: snapshot.id,
      commit: stored.commit,
      changed: edited.length,
      files: files.size,
      bytes: [...files.values()].reduce((sum, f) => sum + f.size, 0),
      manifest: stored.manifest,
      reason,
      findings,
      slice,
    },
  })
  return true
}
