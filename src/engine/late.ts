import { versionIndex } from '../core/chain.ts'
import { syncOf } from '../core/counterpart.ts'
import { hasCode, isStrataError } from '../core/errors.ts'
import type { HoldCause } from '../core/events.ts'
import { plural } from '../core/plural.ts'
import type { Left, State } from '../core/state.ts'
import { activeSnapshot } from '../core/state.ts'
import { settleTarget } from './activate.ts'
import type { CarriedPath } from './carry-sides.ts'
import { carry } from './carry.ts'
import type { Checkpointed } from './checkpoint.ts'
import { checkpoint } from './checkpoint.ts'
import { isQuiet, look } from './directory.ts'
import type { JobOptions } from './job-spec.ts'
import { silent } from './progress.ts'
import type { Session } from './session.ts'

/**
 * What an application still writes into a directory after the switch, because it holds a file of it open or has not looked at
 * CURRENT since, is found by a scan of the directories that were left last, and carried over into the active snapshot.
 */

/** `isStart`: nothing works in the active directory yet, so that it may be replaced as often as need be. */
type How = { readonly except?: string; readonly isStart?: boolean }

const holdOf = ({ hold }: State): HoldCause | null => (hold === null ? null : { reason: hold.reason, newest: hold.newest })

/** The directory that was left, with what was written there since committed; undefined where nothing was. */
const writtenAfter = async (session: Session, { snapshot: id, commit }: Left): Promise<Checkpointed | undefined> => {
  const { context } = session
  const left = session.state.snapshots[id]
  if (left === undefined || context.fs.lstat(context.paths.snapshot(id)) === undefined) return undefined
  if (left.commit === commit && isQuiet(look(context, left))) return undefined
  const now = await checkpoint(session, id, 'written after it was left')
  return now.snapshot.commit === commit ? undefined : now
}

const bringOver = async (session: Session, entry: Left, options: JobOptions, { isStart = false }: How): Promise<readonly CarriedPath[]> => {
  const { context } = session
  const active = activeSnapshot(session.state)
  const written = active === undefined ? undefined : await writtenAfter(session, entry)
  if (active === undefined || written === undefined) return []
  const sync = syncOf(session.state, written.snapshot, active)
  const isKnown = [written.snapshot, active].every((s) => versionIndex(context.dataset.chain, s.schemaVersion) >= 0)
  const warn = (what: string): readonly CarriedPath[] => {
    context.log('warning', `${entry.snapshot} was written to after it was left; ${what}`)
    return []
  }
  if (sync?.isExact !== true || !isKnown) return warn('it is in the history of that snapshot')
  // An application that does not look at CURRENT would have its directory replaced again and again.
  if (!isStart && entry.late > 0)
    return warn('it is carried over at the next start of the application, which should open the active directory')
  const to = await settleTarget(session, active)
  const how = { reason: 'carry' as const, hold: holdOf(session.state) }
  const done = await carry(session, to, { ...sync, base: entry.commit, earlier: [] }, written, how, options)
  warn(`${plural(done.carried.length, 'file was', 'files were')} carried over; active is ${done.to.id}`)
  return done.carried
}

/** Carries late writes over. What cannot be, stays in the history, and is tried again; it keeps nobody from going on. */
export const carryLate = async (session: Session, options: JobOptions, how: How = {}): Promise<readonly CarriedPath[]> => {
  const carried: CarriedPath[] = []
  for (const entry of session.state.left) {
    if (entry.snapshot === how.except || entry.snapshot === session.state.active) continue
    try {
      carried.push(...(await bringOver(session, entry, options, how)))
    } catch (error) {
      if (!isStrataError(error) || hasCode(error, 'CONFLICT', 'DURABILITY', 'CANCELLED')) throw error
      session.context.log(
        'warning',
        `${entry.snapshot} was written to after it was left, and that cannot be carried over: ${error.message}`,
      )
    }
  }
  return carried
}

export type ActiveCheckpoint = Checkpointed & {
  /** What had been written into a directory that was left before, and is in the active one now. */
  readonly late: readonly CarriedPath[]
}

/** Commits what the application has written, late writes to the directories that were left included. */
export const checkpointActive = async (
  session: Session,
  reason: string,
  options: JobOptions = { progress: silent },
): Promise<ActiveCheckpoint> => {
  const late = await carryLate(session, options)
  // Not copied: its manifest is worked out when someone asks for it.
  return Object.assign(await checkpoint(session, session.state.active ?? '', reason), { late })
}
