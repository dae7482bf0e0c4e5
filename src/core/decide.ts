import { StrataError } from './errors.ts'
import type { ActivationReason, CarriedCounts, EventData, HoldCause, NewEvent } from './events.ts'
import type { Oid } from './git-objects.ts'
import type { Snapshot, State } from './state.ts'
import { neededHistory } from './retention.ts'
import { activeSnapshot, beforeJob, lineage } from './state.ts'

/**
 * Proof that every byte of a snapshot's directory was compared with its manifest. Only `verified` makes one, from what
 * `verify` counted, so that nothing can be activated that was not checked.
 */
export type VerifiedSnapshot = {
  readonly snapshot: string
  readonly commit: Oid
  readonly files: number
  readonly bytes: number
  readonly __verified: unique symbol
}

export const verified = (facts: { snapshot: string; commit: Oid; files: number; bytes: number; differences: number }): VerifiedSnapshot => {
  const { differences, ...proof } = facts
  if (differences > 0)
    throw new StrataError('CORRUPT', `${differences} files of ${facts.snapshot} are not what was written`, {
      data: { snapshot: facts.snapshot, differences },
      hint: 'The active snapshot is untouched. Check the disk, then try again.',
    })
  // The only place where the brand is put on: everything above has been compared.
  return proof as VerifiedSnapshot
}

/** A recorded verification stands in for a fresh one while a stat scan finds nothing changed in the directory. */
export const verifiedBefore = (snapshot: Snapshot, unchanged: boolean): VerifiedSnapshot | undefined => {
  if (!unchanged || snapshot.verifiedCommit !== snapshot.commit) return undefined
  return verified({ snapshot: snapshot.id, commit: snapshot.commit, files: snapshot.files, bytes: snapshot.bytes, differences: 0 })
}

export type Command =
  | { type: 'create'; data: EventData['StoreCreated'] }
  | { type: 'capture'; data: EventData['SnapshotCaptured'] }
  | { type: 'checkpoint'; data: EventData['CheckpointTaken'] }
  | { type: 'start'; jobId: string; data: EventData['MigrationStarted'] }
  | {
      type: 'seal'
      jobId: string
      steps: readonly {
        completed: EventData['StepCompleted']
        sealed: EventData['SnapshotSealed']
        /** What its directory has besides what it was sealed as. */
        then?: EventData['CheckpointTaken'] | undefined
      }[]
    }
  | {
      type: 'activate'
      proof: VerifiedSnapshot
      reason: ActivationReason
      jobId?: string
      hold: HoldCause | null
      adopted?: EventData['Adopted']
      carried?: CarriedCounts
      pausedMs?: number
    }
  | { type: 'fail'; jobId: string; data: EventData['MigrationFailed'] }
  | { type: 'verify'; proofs: readonly VerifiedSnapshot[] }
  | { type: 'pin'; data: EventData['Pinned'] }
  | { type: 'unpin'; snapshot: string }
  | { type: 'prune'; data: EventData['Pruned'] }
  | { type: 'note'; event: NewEvent }

const existing = (state: State, id: string): Snapshot => {
  const found = state.snapshots[id]
  if (found === undefined)
    throw new StrataError('ABSENT', `there is no snapshot ${id}`, { data: { snapshot: id }, hint: 'See: strata history' })
  return found
}

const mayWrite = (state: State): void => {
  if (state.unknownCritical.length > 0)
    throw new StrataError(
      'READ_ONLY',
      `a newer Strata wrote events that this one does not understand: ${state.unknownCritical.join(', ')}`,
      {
        data: { types: state.unknownCritical },
        hint: 'Use the newer version of the application. Reading is possible.',
      },
    )
}

const isRunning = (state: State, jobId: string): void => {
  if (state.running !== jobId)
    throw new StrataError('CONFLICT', `job ${jobId} is not the running one`, { data: { jobId, running: state.running } })
}

const startJob = (state: State, jobId: string, data: EventData['MigrationStarted']): NewEvent[] => {
  if (state.running !== null) throw new StrataError('CONFLICT', `job ${state.running} is still running`, { data: { jobId: state.running } })
  if (existing(state, data.from).commit !== data.fromCommit)
    throw new StrataError('CONFLICT', `${data.from} has changed since the plan was made`, { hint: 'Plan again.' })
  return [{ type: 'MigrationStarted', jobId, data }]
}

const activate = (state: State, command: Extract<Command, { type: 'activate' }>): NewEvent[] => {
  const { proof, reason, jobId, hold, adopted, carried, pausedMs } = command
  if (existing(state, proof.snapshot).commit !== proof.commit)
    throw new StrataError('CONFLICT', `${proof.snapshot} has changed since it was verified`, { data: { snapshot: proof.snapshot } })
  const event: NewEvent = {
    type: 'SnapshotActivated',
    ...(jobId === undefined ? {} : { jobId }),
    data: {
      snapshot: proof.snapshot,
      from: state.active,
      reason,
      hold,
      ...(carried === undefined ? {} : { carried }),
      ...(pausedMs === undefined ? {} : { pausedMs }),
    },
  }
  return adopted === undefined ? [event] : [{ type: 'Adopted', ...(jobId === undefined ? {} : { jobId }), data: adopted }, event]
}

const verifiedEvents = (proofs: readonly VerifiedSnapshot[]): NewEvent[] =>
  proofs.map(({ snapshot, commit, files, bytes }) => ({ type: 'SnapshotVerified', data: { snapshot, commit, files, bytes } }))

const unpin = (state: State, snapshot: string): NewEvent[] => {
  if (state.pins.some((pin) => pin.snapshot === snapshot)) return [{ type: 'Unpinned', data: { snapshot } }]
  throw new StrataError('ABSENT', `${snapshot} is not pinned`, {
    data: { snapshot, pins: state.pins.map((pin) => pin.snapshot) },
    hint: 'See what is pinned: strata prune --dry-run',
  })
}

/** Whatever a policy says: what is active, pinned, or needed to go back or forward, stays. */
const prune = (state: State, data: EventData['Pruned']): NewEvent[] => {
  const needed = neededHistory(state)
  for (const id of data.snapshots) {
    existing(state, id)
    const reason = needed.get(id)
    if (reason !== undefined)
      throw new StrataError('BAD_ARGUMENT', `${id} cannot be pruned: ${reason.join(', ')}`, { data: { snapshot: id, reasons: reason } })
  }
  return [{ type: 'Pruned', data }]
}

/** The events that a command leads to; throws when the state does not allow it. Pure. */
export const decide = (state: State, command: Command): NewEvent[] => {
  mayWrite(state)
  switch (command.type) {
    case 'create':
      return [{ type: 'StoreCreated', data: command.data }]
    case 'capture':
      return [{ type: 'SnapshotCaptured', data: command.data }]
    case 'checkpoint':
      existing(state, command.data.snapshot)
      return [{ type: 'CheckpointTaken', data: command.data }]
    case 'start':
      return startJob(state, command.jobId, command.data)
    case 'seal':
      isRunning(state, command.jobId)
      return command.steps.flatMap(({ completed, sealed, then }): NewEvent[] => [
        { type: 'StepCompleted', jobId: command.jobId, data: completed },
        { type: 'SnapshotSealed', jobId: command.jobId, data: sealed },
        ...(then === undefined ? [] : [{ type: 'CheckpointTaken' as const, data: then }]),
      ])
    case 'activate':
      return activate(state, command)
    case 'fail':
      isRunning(state, command.jobId)
      return [{ type: 'MigrationFailed', jobId: command.jobId, data: command.data }]
    case 'verify':
      return verifiedEvents(command.proofs)
    case 'pin':
      existing(state, command.data.snapshot)
      return [{ type: 'Pinned', data: command.data }]
    case 'unpin':
      return unpin(state, command.snapshot)
    case 'prune':
      return prune(state, command.data)
    case 'note':
      return [command.event]
  }
}

const nothing = (message: string): StrataError =>
  new StrataError('NOTHING_TO_ROLL_BACK', message, { hint: 'See which snapshots there are: strata history' })

/** The snapshot that was active before a job, or before the step to a version; without a name, before the last job. */
export const rollbackTarget = (state: State, name?: string): Snapshot => {
  const active = activeSnapshot(state)
  if (active === undefined) throw nothing('no snapshot is active yet')
  const line = lineage(state)
  if (name === undefined || name === '') {
    const before = beforeJob(state, active)
    if (before === null) throw nothing(`${active.id} was not made by a migration, so there is nothing before it`)
    return existing(state, before)
  }
  // What a carry made stands in the place of what a migration made.
  const steps = line.filter((s) => s.carries === null)
  const made = steps.find((s) => s.job === name)
  const step = steps.find((s) => s.schemaVersion === name && s.from !== null)
  const target = made === undefined ? step?.from : beforeJob(state, made)
  if (target === undefined || target === null) {
    const known = steps.filter((s) => s.from !== null).map((s) => s.schemaVersion)
    throw new StrataError('ABSENT', `${name} is no job or migrated version that led to the active snapshot`, {
      data: { name, versions: known },
      hint: known.length === 0 ? 'The active snapshot was not made by a migration.' : `Name one of: ${known.join(', ')}`,
    })
  }
  return existing(state, target)
}

/** The nearest snapshot on the way to the active one that an application of one of the versions `reads` can read. */
export const readableTarget = (state: State, reads: readonly string[]): Snapshot => {
  const [active, ...earlier] = lineage(state)
  const found = earlier.find((s) => s.readableBy.some((version) => reads.includes(version)))
  if (found !== undefined) return found
  throw new StrataError(
    'NOTHING_TO_ROLL_BACK',
    `no snapshot before ${active?.id ?? 'the first one'} can be read by ${reads.join(' or ')}`,
    {
      data: { reads, snapshots: earlier.map(({ id, readableBy }) => ({ id, readableBy })) },
      hint: 'Use the newer version of the application. Nothing was changed.',
    },
  )
}

/** The snapshot that the last rollback left. */
export const redoTarget = (state: State): Snapshot => {
  const last = state.undone.at(-1)
  if (last === undefined)
    throw new StrataError('NOTHING_TO_REDO', 'nothing has been rolled back since the last migration', {
      hint: 'Upgrade with: strata migrate',
    })
  return existing(state, last.left)
}
