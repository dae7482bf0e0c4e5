import { versionIndex } from '../core/chain.ts'
import { redoTarget, rollbackTarget } from '../core/decide.ts'
import { StrataError } from '../core/errors.ts'
import type { Snapshot, State } from '../core/state.ts'
import { activeSnapshot } from '../core/state.ts'
import { activate, writtenSince } from './activate.ts'
import type { Difference } from './directory.ts'
import { editedFiles } from './preview.ts'
import type { Session } from './session.ts'

export type Switched = { readonly from: Snapshot; readonly to: Snapshot; readonly written: readonly Difference[] }

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

/**
 * Goes back to what was active before a job (by default the last), or before the step to a version.
 * Automatic migration is on hold afterwards. Throws DATA_WRITTEN_SINCE unless `exact`, NOTHING_TO_ROLL_BACK, ABSENT.
 */
export const rollback = async (session: Session, name: string | undefined, exact: boolean): Promise<Switched> => {
  const from = current(session.state)
  const to = rollbackTarget(session.state, name)
  allowNewer(session, from, to, exact)
  const { schemas } = session.context.dataset.chain
  const hold = { reason: `rolled back from ${from.schemaVersion} to ${to.schemaVersion}`, newest: schemas.at(-1)?.version ?? '' }
  const written = await activate(session, to, { reason: 'rollback', hold, exact })
  session.context.log('info', `switched from ${from.id} to ${to.id}`, { step: to.schemaVersion })
  return { from, to, written }
}

/** Returns to what the last rollback left, later edits included. Throws NOTHING_TO_REDO, DATA_WRITTEN_SINCE unless `exact`. */
export const redo = async (session: Session, exact: boolean): Promise<Switched> => {
  const from = current(session.state)
  const to = redoTarget(session.state)
  const since = session.state.undone.at(-1)?.commit
  const written = await activate(session, to, { reason: 'redo', hold: null, exact, ...(since === undefined ? {} : { since }) })
  session.context.log('info', `switched from ${from.id} to ${to.id}`, { step: to.schemaVersion })
  return { from, to, written }
}

/** What a rollback or redo would do; reads only. `pending`: files written and not yet committed. */
export const previewSwitch = (
  session: Pick<Session, 'context' | 'repository' | 'state'>,
  kind: 'rollback' | 'redo',
  name?: string,
): Switched & { pending: readonly string[] } => {
  const from = current(session.state)
  const to = kind === 'rollback' ? rollbackTarget(session.state, name) : redoTarget(session.state)
  const since = kind === 'rollback' ? from.sealed : (session.state.undone.at(-1)?.commit ?? from.sealed)
  const pending = editedFiles(session.context, from)
  return { from, to, written: writtenSince(session as Session, from, since), pending }
}
