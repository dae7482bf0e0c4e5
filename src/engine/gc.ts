import { StrataError, messageOf } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { State } from '../core/state.ts'
import { refsOf } from '../core/state.ts'
import { readLooseRefs, readPackedRefs } from '../storage/refs.ts'
import { releasePacks } from '../storage/pack-write.ts'
import type { RepackPlan, Repacked, Wishes } from '../storage/repack.ts'
import { packNames, planRepack, repack } from '../storage/repack.ts'
import { reachable } from '../storage/reachable.ts'
import type { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'
import { dropLeftovers } from './memo.ts'
import { reading } from './history.ts'
import { readState } from './read.ts'
import type { Session } from './session.ts'
import { familiesOf } from './versions.ts'

/** More packs than this are merged: 10,000 of them make `git log` take seconds. */
const MOST_PACKS = 32
const EVERYTHING: Wishes = { isWanted: () => true, families: new Map() }

export type Collected = Repacked & {
  /** Whether it was done, or only said. */
  readonly applied: boolean
  /** How many bytes more the store takes at most while this runs. */
  readonly peak: number
}

/** Every commit that something may still ask for, besides what the branches lead to. */
export const rootsOf = ({ fs, paths }: Context, state: State): Set<Oid> => {
  const snapshots = Object.values(state.snapshots).flatMap((s) => [
    s.commit,
    s.sealed,
    ...(s.verifiedCommit === null ? [] : [s.verifiedCommit]),
    ...(s.fromCommit === null || state.snapshots[s.from ?? ''] === undefined ? [] : [s.fromCommit]),
    ...(s.carries === null || state.snapshots[s.carries.snapshot] === undefined ? [] : [s.carries.commit]),
  ])
  return new Set([
    ...snapshots,
    ...state.left.map((l) => l.commit),
    ...state.undone.map((u) => u.commit),
    ...refsOf(state).values(),
    ...[...readPackedRefs(fs, paths.repository), ...readLooseRefs(fs, paths.repository)].flatMap(([ref, oid]) =>
      state.dropped.includes(ref) ? [] : [oid],
    ),
  ])
}

type Planned = { readonly plan: RepackPlan; readonly wishes: Wishes }

const planGc = (context: Context, repository: Repository, state: State): Planned => {
  const wanted = reachable(repository.packs, rootsOf(context, state), new Set(state.cut), (oid) => {
    throw new StrataError('CORRUPT', `object ${oid} is missing from the repository`, {
      data: { oid },
      hint: 'Nothing was removed. See what can be healed: strata repair',
    })
  })
  // The journal's folder of slices changes with each of them, too.
  const heads = [...Object.values(state.snapshots).map((s) => s.commit), ...(state.journal === null ? [] : [state.journal])]
  const wishes = { isWanted: (oid: Oid) => wanted.has(oid), families: familiesOf(repository, heads) }
  return { plan: planRepack(context.fs, context.paths.packs, wishes, 1), wishes }
}

const told = ({ plan }: Planned, applied: boolean): Collected => {
  const bytesBefore = plan.all.reduce((sum, pack) => sum + pack.bytes, 0)
  const old = plan.packs.reduce((sum, pack) => sum + pack.bytes, 0)
  return {
    applied,
    peak: plan.kept,
    packsBefore: plan.all.length,
    packsAfter: plan.all.length - plan.packs.length + (plan.kept > 0 ? 1 : 0),
    bytesBefore,
    bytesAfter: bytesBefore - old + plan.kept,
    dropped: plan.dropped,
  }
}

/** What `gc` would do; reads only. */
export const previewGc = (context: Context): Collected =>
  reading(context, (repository) => told(planGc(context, repository, readState(context)), false))

const requireRoom = ({ fs, root }: Context, peak: number): void => {
  const { freeBytes } = fs.statfs(root)
  if (freeBytes > peak * 1.02) return
  throw new StrataError('NO_SPACE', `gc needs ${peak} bytes for a while, and ${freeBytes} are free`, {
    data: { needed: peak, free: freeBytes },
    hint: 'Free some space, or remove directories first: strata prune',
  })
}

/**
 * Makes the space of what nothing leads to free: of history that was cut, of failed attempts. Remembered results of runs that did
 * not come to their end go, too. Throws NO_SPACE, CORRUPT; then nothing was removed.
 */
export const collectGarbage = (session: Session): Collected => {
  const { context, repository, state } = session
  const { fs, paths } = context
  dropLeftovers(context)
  const planned = planGc(context, repository, state)
  const before = told(planned, true)
  if (planned.plan.packs.length === 0) return before
  requireRoom(context, before.peak)
  // Another writer, where the lock does not reach, may rest on what is going: the line takes the journal from it first.
  const between = (done: Repacked): void => {
    session.commit({ type: 'note', event: { type: 'Compacted', data: done } })
  }
  const done = repack(fs, paths.packs, planned.plan, planned.wishes, { store: repository.packs, between })
  releasePacks(fs, paths.packs)
  return { ...done, applied: true, peak: before.peak }
}

/** Merges small packs once there are many. Nothing is left out; whatever goes wrong is not the command's trouble. */
export const mergePacks = ({ context, repository }: Session, most = MOST_PACKS): void => {
  const { fs, paths } = context
  try {
    if (packNames(fs, paths.packs).length <= most) return
    const plan = planRepack(fs, paths.packs, EVERYTHING, most)
    if (plan.packs.length < 2 || fs.statfs(context.root).freeBytes < plan.kept * 1.1) return
    repack(fs, paths.packs, plan, EVERYTHING, { store: repository.packs, between: () => undefined })
    releasePacks(fs, paths.packs)
  } catch (error) {
    context.log('warning', `packs were not merged: ${messageOf(error)}`)
  }
}
