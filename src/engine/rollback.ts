import { versionIndex } from '../core/chain.ts'
import type { Sync } from '../core/counterpart.ts'
import { counterpart, syncOf } from '../core/counterpart.ts'
import type { VerifiedSnapshot } from '../core/decide.ts'
import { readableTarget, redoTarget, rollbackTarget } from '../core/decide.ts'
import { StrataError, hasCode, isStrataError, messageOf } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import { plural } from '../core/plural.ts'
import type { Snapshot, State } from '../core/state.ts'
import { activeSnapshot } from '../core/state.ts'
import { activate, hidden, leaveFor, settleTarget, writtenSince } from './activate.ts'
import type { CarryReason } from './carry.ts'
import { carry } from './carry.ts'
import type { CarriedPath, Obstacle } from './carry-sides.ts'
import { carriedFile, carriedPath, obstacles, sidesOf, writtenAlong } from './carry-sides.ts'
import { checkpoint } from './checkpoint.ts'
import type { Context } from './context.ts'
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

/** Where to: a job, a version, or nothing for the last job; or the nearest snapshot that these versions can read. */
export type Destination = { readonly name?: string | undefined; readonly reads?: readonly string[] | undefined }

const isKnownTo = ({ dataset }: Context, { schemaVersion }: Snapshot): boolean => versionIndex(dataset.chain, schemaVersion) >= 0

/** From a schema that this chain does not know it only goes to what its application can read: no migration code is needed for that. */
const allowNewer = ({ context }: Session, from: Snapshot, to: Snapshot, reads: readonly string[] | undefined): void => {
  const known = context.dataset.chain.schemas.map((s) => s.version)
  if (isKnownTo(context, from) || to.readableBy.some((version) => (reads ?? known).includes(version))) return
  throw new StrataError('NEWER_SCHEMA', `the active snapshot is of schema ${from.schemaVersion}, which this chain does not know`, {
    data: { version: from.schemaVersion, known },
    hint: `The target is of schema ${to.schemaVersion}, too; name one that can be read by ${(reads ?? known).join(' or ')}`,
  })
}

const NEWER_ONLY = 'only the version of the application that wrote it can carry it back'

const needsNewer = (from: Snapshot, to: Snapshot, files: readonly Difference[]): StrataError =>
  new StrataError('NEEDS_NEWER_VERSION', `${pluralFiles(files.length)} written since at schema ${from.schemaVersion}: ${NEWER_ONLY}`, {
    data: { version: from.schemaVersion, files, target: to.id },
    hint: 'Go back with the newer version, or with --exact: then what was written stays in the history, and redo returns to it.',
  })

const pluralFiles = (n: number): string => `${n} ${n === 1 ? 'file was' : 'files were'}`

/** Switches to a directory that is there; false where something has been written since `commit`, at the last moment. */
const flip = async (
  session: Session,
  to: Snapshot,
  commit: Oid,
  how: CarryReason & { exact: boolean },
  proof: VerifiedSnapshot | undefined,
): Promise<boolean> => {
  const from = session.state.active ?? ''
  try {
    await activate(session, to, { ...how, since: commit, proof })
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

/** Where no difference is seen, whether there can be none: what was carried to a snapshot, only an exact `sync` tells of. */
const hasNothingMore = ({ commit, sealed, carries }: Snapshot, to: Snapshot, known: Sync | undefined): boolean => {
  if (known?.isExact === true) return true
  return (known !== undefined || commit === sealed) && (carries === null || carries.snapshot === to.id)
}

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
  const { snapshot, written: fresh, isCommitted, proof } = await leaveFor(session, to, reason, from.commit)
  const isKnown = sync !== undefined && isReadable(session, sync)
  const written = isKnown ? [...writtenAlong(session, snapshot, sync), ...(isCommitted ? [] : fresh)] : fresh
  const isUntouched = written.length === 0 && hasNothingMore(snapshot, to, isKnown ? sync : undefined)
  if (how.exact || isUntouched) {
    if (await flip(session, to, snapshot.commit, how, proof)) return { from, to, written, carried: [] }
    // The application has written between the two looks.
    return goTo(session, to, sync, how, options)
  }
  if (!isKnownTo(session.context, from)) throw needsNewer(from, to, written)
  // On a full disk there is no room for a copy either; and history that was cut off says no more what is new.
  if (!isCommitted || !isKnown || !sync.isExact) throw hidden(to, written)
  const target = await settleTarget(session, to)
  const before = await checkpoint(session, from.id, 'before switching')
  const done = await carry(session, target, sync, before, how, options)
  session.context.log('info', `switched from ${from.id} to ${done.to.id}, with ${plural(done.carried.length, 'file')} written since`, {
    step: to.schemaVersion,
  })
  return { from, to: done.to, written, carried: done.carried }
}

/** Where a rollback goes: what was active before, or what has taken its place since. */
const rollbackSides = (state: State, { name = '', reads }: Destination): { from: Snapshot; to: Snapshot; sync: Sync | undefined } => {
  const from = current(state)
  const target = name === '' && reads !== undefined ? readableTarget(state, reads) : rollbackTarget(state, name)
  return { from, ...counterpart(state, from, target) }
}

/**
 * Goes back to what was active before a job (by default the last), or before the step to a version. What was written since comes
 * along, through the `rollback` functions of the steps that are undone. Automatic migration is on hold afterwards.
 * Throws NOTHING_TO_ROLL_BACK, ABSENT, NEWER_SCHEMA, and, unless `exact`, DATA_WRITTEN_SINCE with the files that no step leads back,
 * and NEEDS_NEWER_VERSION where this chain does not know what was written.
 */
export const rollback = async (
  session: Session,
  destination: Destination,
  exact: boolean,
  options: JobOptions = { progress: silent },
): Promise<Switched> => {
  const wanted = rollbackSides(session.state, destination)
  allowNewer(session, wanted.from, wanted.to, destination.reads)
  await carryLate(session, options, { except: wanted.to.id })
  const { from, to, sync } = rollbackSides(session.state, destination)
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
      carried.push(carriedPath(difference, carriedFile(context, sides, sides.contents, difference.path)))
    } catch (error) {
      if (!isStrataError(error)) throw error
      inTheWay.push({ ...difference, why: messageOf(error) })
    }
  return { carried, inTheWay }
}

/** What a rollback or redo would do; reads only. */
export const previewSwitch = (reader: Reader, kind: 'rollback' | 'redo', destination: Destination = {}): SwitchPreview => {
  const { state, context } = reader
  const from = current(state)
  const again = (): Snapshot => redoTarget(state)
  const { to, sync } = kind === 'rollback' ? rollbackSides(state, destination) : { to: again(), sync: syncOf(state, from, again()) }
  const pending = editedFiles(context, from)
  const isWhole = sync !== undefined && isReadable(reader, sync)
  const written = isWhole ? writtenAlong(reader, from, sync) : writtenSince(reader, from, from.sealed)
  const found = { from, to, written, pending }
  if (written.length + pending.length === 0) return { ...found, carried: [], inTheWay: [] }
  const isKnown = isKnownTo(context, from) && isKnownTo(context, to)
  if (isWhole && isKnown && sync.isExact) return { ...found, ...foresee(reader, from, to, sync, pending) }
  const why = isKnown ? 'the history no longer tells what is new in it' : NEWER_ONLY
  const fresh = pending.filter((path) => !written.some((w) => w.path === path)).map((path): Difference => ({ path, change: 'changed' }))
  return { ...found, carried: [], inTheWay: [...written, ...fresh].map((file) => ({ ...file, why })) }
}
