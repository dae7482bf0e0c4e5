import { versionIndex } from '../core/chain.ts'
import { carryFile } from '../core/carry-file.ts'
import type { Sync } from '../core/counterpart.ts'
import { counterpart, syncOf } from '../core/counterpart.ts'
import { redoTarget, rollbackTarget } from '../core/decide.ts'
import { StrataError, hasCode, isStrataError, messageOf } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { Snapshot, State } from '../core/state.ts'
import { activeSnapshot } from '../core/state.ts'
import { activate, hidden, leave, settleTarget, writtenSince } from './activate.ts'
import type { CarryReason } from './carry.ts'
import { carry } from './carry.ts'
import type { CarriedPath, Obstacle } from './carry-sides.ts'
import { carriedPath, newerSide, obstacles, sidesOf, writtenAlong } from './carry-sides.ts'
import { checkpoint } from './checkpoint.ts'
import type { Difference } from './directory.ts'
import { look } from './directory.ts'
import type { JobOptions } from './job-spec.ts'
import { carryLate } from './late.ts'
import { editedFiles } from './preview.ts'
import { silent } from './progress.ts'
import type { Session } from './session.ts'

/** `written`: what had been written since the two sides were the same; `carried`: what became of it on the side that is active now. */
export type Switched = {
  readonly from: Snapshot
  readonly to: Snapshot
  readonly written: readonly Difference[]
  readonly carried: readonly CarriedPath[]
}

const current = (state: State): Snapshot => {
  const active = activeSnapshot(state)
  if (active === undefined)
    throw new StrataError('NO_STORE', 'the store holds no snapshot yet', { hint: 'Capture one with: strata init --from DIR' })
  return active
}

/** A chain that does not know the active schema may only go back exactly, and only to what it can read. */
const allowNewer = (session: Session, from: Snapshot, to: Snapshot, exact: boolean): void => {
  const { chain } = session.context.dataset
  if (versionIndex(chain, from.schemaVersion) >= 0) return
  if (exact && versionIndex(chain, to.schemaVersion) >= 0) return
  const known = chain.schemas.map((s) => s.version)
  throw new StrataError('NEWER_SCHEMA', `the active snapshot is of schema ${from.schemaVersion}, which this chain does not know`, {
    data: { version: from.schemaVersion, known },
    hint: exact
      ? `The target is of schema ${to.schemaVersion}; name one of: ${known.join(', ')}`
      : 'Only an exact rollback to a snapshot that this version can read is possible: rollback VERSION --exact.',
  })
}

/** Switches to a directory that is there; false where something has been written since `commit`, at the last moment. */
const flip = async (session: Session, to: Snapshot, commit: Oid, how: CarryReason & { exact: boolean }): Promise<boolean> => {
  const from = session.state.active ?? ''
  try {
    await activate(session, to, { ...how, since: commit })
    session.context.log('info', `switched from ${from} to ${to.id}`, { step: to.schemaVersion })
    return true
  } catch (error) {
    if (how.exact || !hasCode(error, 'DATA_WRITTEN_SINCE')) throw error
    return false
  }
}

/** Whether the history still has what a carry compares with: its oldest end may have been cut off. */
const isReadable = ({ repository }: Pick<Session, 'repository'>, { base, origin, earlier }: Sync): boolean =>
  [base, origin, ...earlier.flatMap((hop) => [hop.base, hop.left])].every((oid) => repository.isReadable(oid))

/** Switches to `to`, and takes along what was written since `sync`, unless `exact`: then it stays in the history. */
const goTo = async (
  session: Session,
  to: Snapshot,
  sync: Sync | undefined,
  how: CarryReason & { exact: boolean },
  options: JobOptions,
): Promise<Switched> => {
  const from = current(session.state)
  const reason = how.reason === 'rollback' ? 'before rollback' : 'before switching'
  const { snapshot, written: fresh, isCommitted } = await leave(session, reason, from.commit)
  const isKnown = sync !== undefined && isReadable(session, sync)
  const written = isKnown ? [...writtenAlong(session, snapshot, sync), ...(isCommitted ? [] : fresh)] : fresh
  const isUntouched = written.length === 0 && (isKnown || snapshot.commit === snapshot.sealed)
  if (how.exact || isUntouched) {
    if (await flip(session, to, snapshot.commit, how)) return { from, to, written, carried: [] }
    // The application has written between the two looks.
    return goTo(session, to, sync, how, options)
  }
  // On a full disk there is no room for a copy either; and history that was cut off says no more what is new.
  if (!isCommitted || !isKnown || !sync.isExact) throw hidden(to, written)
  const target = await settleTarget(session, to)
  const before = await checkpoint(session, from.id, 'before switching')
  const done = await carry(session, target, sync, before, how, options)
  session.context.log('info', `switched from ${from.id} to ${done.to.id}, with ${done.carried.length} files written since`, {
    step: to.schemaVersion,
  })
  return { from, to: done.to, written, carried: done.carried }
}

/** Where a rollback goes: what was active before, or what has taken its place since. */
const rollbackSides = (state: State, name: string | undefined): { from: Snapshot; to: Snapshot; sync: Sync | undefined } => {
  const from = current(state)
  return { from, ...counterpart(state, from, rollbackTarget(state, name)) }
}

/**
 * Goes back to what was active before a job (by default the last), or before the step to a version. What was written since comes
 * along, through the `rollback` functions of the steps that are undone. Automatic migration is on hold afterwards.
 * Throws NOTHING_TO_ROLL_BACK, ABSENT, and, unless `exact`, DATA_WRITTEN_SINCE with the files that no step leads back.
 */
export const rollback = async (
  session: Session,
  name: string | undefined,
  exact: boolean,
  options: JobOptions = { progress: silent },
): Promise<Switched> => {
  const wanted = rollbackSides(session.state, name)
  allowNewer(session, wanted.from, wanted.to, exact)
  await carryLate(session, options, { except: wanted.to.id })
  const { from, to, sync } = rollbackSides(session.state, name)
  const { schemas } = session.context.dataset.chain
  const hold = { reason: `rolled back from ${from.schemaVersion} to ${to.schemaVersion}`, newest: schemas.at(-1)?.version ?? '' }
  return goTo(session, to, sync, { reason: 'rollback', hold, exact }, options)
}

/** Returns to what the last rollback left, and takes along what was written since. Throws NOTHING_TO_REDO, DATA_WRITTEN_SINCE unless `exact`. */
export const redo = async (session: Session, exact: boolean, options: JobOptions = { progress: silent }): Promise<Switched> => {
  const to = redoTarget(session.state)
  await carryLate(session, options, { except: to.id })
  const sync = syncOf(session.state, current(session.state), to)
  return goTo(session, to, sync, { reason: 'redo', hold: null, exact }, options)
}

/** `pending`: files written and not yet committed. `inTheWay`: files that cannot be taken along; only an exact switch is possible. */
export type SwitchPreview = Switched & { readonly pending: readonly string[]; readonly inTheWay: readonly Obstacle[] }

type Reader = Pick<Session, 'context' | 'repository' | 'state'>

/** What a carry would do, file by file; nothing is written. */
const foresee = (
  reader: Reader,
  from: Snapshot,
  to: Snapshot,
  sync: Sync,
  edited: readonly string[],
): Pick<SwitchPreview, 'carried' | 'inTheWay'> => {
  const { context } = reader
  const gone = new Set(look(context, from).changes.removed)
  const pending = { changed: edited.filter((path) => !gone.has(path)), removed: edited.filter((path) => gone.has(path)) }
  const sides = sidesOf(reader, from, to, sync, pending)
  const inTheWay = obstacles(context, sides)
  if (inTheWay.length > 0) return { carried: [], inTheWay }
  const carried: CarriedPath[] = []
  for (const difference of sides.written)
    try {
      const { path } = difference
      carried.push(carriedPath(difference, carryFile(context.dataset, sides.contents, path, newerSide(context, sides, path))))
    } catch (error) {
      if (!isStrataError(error)) throw error
      inTheWay.push({ ...difference, why: messageOf(error) })
    }
  return { carried, inTheWay }
}

/** What a rollback or redo would do; reads only. */
export const previewSwitch = (reader: Reader, kind: 'rollback' | 'redo', name?: string): SwitchPreview => {
  const { state, context } = reader
  const from = current(state)
  const again = (): Snapshot => redoTarget(state)
  const { to, sync } = kind === 'rollback' ? rollbackSides(state, name) : { to: again(), sync: syncOf(state, from, again()) }
  const pending = editedFiles(context, from)
  const isWhole = sync !== undefined && isReadable(reader, sync)
  const written = isWhole ? writtenAlong(reader, from, sync) : writtenSince(reader, from, from.sealed)
  const isKnown = versionIndex(context.dataset.chain, from.schemaVersion) >= 0 && versionIndex(context.dataset.chain, to.schemaVersion) >= 0
  if (!isWhole || !isKnown || !sync.isExact || written.length + pending.length === 0)
    return { from, to, written, pending, carried: [], inTheWay: [] }
  return { from, to, written, pending, ...foresee(reader, from, to, sync, pending) }
}
