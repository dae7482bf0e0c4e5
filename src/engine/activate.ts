import type { VerifiedSnapshot } from '../core/decide.ts'
import { verifiedBefore } from '../core/decide.ts'
import { StrataError } from '../core/errors.ts'
import type { ActivationReason, HoldCause } from '../core/events.ts'
import { plural } from '../core/plural.ts'
import type { Snapshot } from '../core/state.ts'
import { activeSnapshot } from '../core/state.ts'
import { checkpoint } from './checkpoint.ts'
import type { Context } from './context.ts'
import type { Difference, Looked } from './directory.ts'
import { differences, isQuiet, look } from './directory.ts'
import { materialise } from './materialise.ts'
import { poolFor } from './pool.ts'
import { editedFiles } from './preview.ts'
import type { Session } from './session.ts'
import { verifySnapshot } from './verify-directory.ts'

/** `isCommitted`: what is in the directory that is left is in its history, too. `isQuiet`: it was so at the last look, a moment ago. */
type Left = {
  readonly snapshot: Snapshot
  readonly written: readonly Difference[]
  readonly isCommitted: boolean
  readonly isQuiet: boolean
}

/** What a checkpoint needs besides the files: packs, trees, a journal line. */
const CHECKPOINT_BYTES = 128 * 1024

/** On a full disk the edits stay where they are: the directory that is left is never removed, and its next checkpoint takes them. */
const hasRoomFor = ({ fs, root }: Context, { changes }: Looked): boolean => {
  const bytes = changes.changed.reduce((sum, path) => sum + (changes.scanned.files.get(path)?.size ?? 0), 0)
  return fs.statfs(root).freeBytes > bytes + CHECKPOINT_BYTES
}

/** The snapshot that is left, what the application wrote into it committed, and what has been written there since a commit. */
const leave = async (session: Session, reason: string, since: Snapshot['commit'] | undefined): Promise<Left> => {
  const { context } = session
  const active = activeSnapshot(session.state)
  if (active === undefined) throw new StrataError('NO_STORE', 'the store holds no snapshot yet')
  const looked = look(context, active)
  const from = since ?? active.sealed
  if (isQuiet(looked)) return { snapshot: active, written: writtenSince(session, active, from), isCommitted: true, isQuiet: true }
  if (hasRoomFor(context, looked)) {
    const { snapshot } = await checkpoint(session, active.id, reason)
    return { snapshot, written: writtenSince(session, snapshot, from), isCommitted: true, isQuiet: false }
  }
  const edited = editedFiles(context, active).map((path): Difference => ({ path, change: 'changed' }))
  const known = writtenSince(session, active, from)
  if (edited.length > 0) context.log('warning', `the disk is full: ${edited.length} edited files of ${active.id} are committed later`)
  const more = edited.filter((e) => !known.some((k) => k.path === e.path))
  return { snapshot: active, written: [...known, ...more], isCommitted: edited.length === 0, isQuiet: false }
}

/** The target, what was found in its directory committed; no byte is read that the index vouches for. */
export const settleTarget = async (session: Session, target: Snapshot): Promise<Snapshot> => {
  const { context } = session
  if (context.fs.lstat(context.paths.snapshot(target.id)) === undefined) await materialise(session, target)
  const { snapshot, changed } = await checkpoint(session, target.id, 'found when it was gone back to')
  if (changed.length > 0)
    context.log('warning', `${plural(changed.length, 'file')} of ${target.id} had been edited while it was not active; that is merged`, {
      step: target.schemaVersion,
    })
  return snapshot
}

/** The target as what it was verified to be, where a look at its directory is all that it takes. */
const knownTarget = ({ context }: Session, target: Snapshot): VerifiedSnapshot | undefined =>
  context.fs.lstat(context.paths.snapshot(target.id)) === undefined ? undefined : verifiedBefore(target, isQuiet(look(context, target)))

/** `leave`, with a look at where it goes before; `proof`: neither side differs from what is known of it, so the switch may follow at once. */
export const leaveFor = async (
  session: Session,
  target: Snapshot,
  reason: string,
  since: Snapshot['commit'],
): Promise<Left & { readonly proof: VerifiedSnapshot | undefined }> => {
  const known = knownTarget(session, target)
  const left = await leave(session, reason, since)
  return { ...left, proof: left.isQuiet ? known : undefined }
}

/** The target's directory, complete, checked, and with edits that do not belong to it committed on its own branch. */
const prepareTarget = async (session: Session, target: Snapshot): Promise<VerifiedSnapshot> => {
  const { context } = session
  if (context.fs.lstat(context.paths.snapshot(target.id)) === undefined) await materialise(session, target)
  const known = knownTarget(session, target)
  if (known !== undefined) return known
  const now = await checkpoint(session, target.id, 'found when it was activated')
  if (now.changed.length > 0)
    context.log(
      'warning',
      `${plural(now.changed.length, 'file')} of ${target.id} had been edited while it was not active; that is committed on its branch`,
      { step: target.schemaVersion },
    )
  const pool = poolFor(context, now.snapshot.bytes)
  try {
    return await verifySnapshot(context, pool, now.snapshot, [...now.files.values()])
  } finally {
    await pool.close()
  }
}

export const hidden = (target: Snapshot, files: readonly Difference[]): StrataError =>
  new StrataError(
    'DATA_WRITTEN_SINCE',
    files.length === 0
      ? 'data may have been written since, and the history does not tell any more'
      : `${plural(files.length, 'file has', 'files have')} been written since: ${files
          .slice(0, 10)
          .map((f) => `${f.path} (${f.change})`)
          .join(', ')}${files.length > 10 ? ', …' : ''}`,
    {
      data: { files, target: target.id },
      hint: 'With --exact the switch is made all the same: what was written stays in the history and in its directory, and redo returns to it.',
    },
  )

/** What was written since a commit of the same snapshot; empty when the tree is the same. */
export const writtenSince = (session: Pick<Session, 'repository'>, snapshot: Snapshot, commit: Snapshot['commit']): Difference[] =>
  snapshot.commit === commit ? [] : differences(session.repository.manifest(commit), session.repository.manifest(snapshot.commit))

export type Activation = {
  readonly reason: ActivationReason
  readonly hold: HoldCause | null
  readonly exact: boolean
  readonly since?: Snapshot['commit']
  /** Both sides were looked at a moment ago: see `leaveFor`. */
  readonly proof?: VerifiedSnapshot | undefined
}

/**
 * Switches to another snapshot. The target is activated only as what it was verified to be; then, at the last moment, comes a look at
 * the side that is left: what was written there is committed, and refused (DATA_WRITTEN_SINCE) unless `exact`.
 */
export const activate = async (session: Session, target: Snapshot, how: Activation): Promise<readonly Difference[]> => {
  const proof = how.proof ?? (await prepareTarget(session, target))
  const written = how.proof === undefined ? (await leave(session, 'before switching', how.since)).written : []
  if (written.length > 0 && !how.exact) throw hidden(target, written)
  const fresh = session.state.snapshots[target.id]?.verifiedCommit !== proof.commit
  session.commit(...(fresh ? [{ type: 'verify' as const, proofs: [proof] }] : []), {
    type: 'activate',
    proof,
    reason: how.reason,
    hold: how.hold,
  })
  session.project()
  return written
}
