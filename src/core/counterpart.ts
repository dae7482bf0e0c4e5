import type { Oid } from './git-objects.ts'
import type { Snapshot, State } from './state.ts'
import { chainOf } from './state.ts'

/**
 * Two commits of two snapshots that hold the same data: `base` on the side that is left, `origin` on the one that is gone to.
 * What was written since `base` is what has to be carried.
 */
export type Sync = { readonly base: Oid; readonly origin: Oid }

/** The snapshots that `snapshot` was migrated from, each with the commit that was taken and what was made of it. */
function* ancestors(state: State, snapshot: Snapshot): Generator<{ id: string; commit: Oid }> {
  const seen = new Set<string>()
  for (let at: Snapshot | undefined = snapshot; at !== undefined && !seen.has(at.id); ) {
    seen.add(at.id)
    if (at.from === null || at.fromCommit === null) return
    yield { id: at.from, commit: at.fromCommit }
    at = state.snapshots[at.from]
  }
}

const byCarrying = (one: Snapshot, other: Snapshot): Sync | undefined => {
  if (one.carries?.snapshot === other.id) return { base: one.sealed, origin: one.carries.commit }
  if (other.carries?.snapshot === one.id) return { base: other.carries.commit, origin: other.sealed }
  return undefined
}

/** Where `from` and `to` were last the same: one carries the other's data, or was migrated from it. */
export const syncOf = (state: State, from: Snapshot, to: Snapshot): Sync | undefined => {
  const own = chainOf(state, from)
  for (const at of own) {
    const found = byCarrying(at, to)
    if (found !== undefined) return found
  }
  // What a carry goes on from is the same snapshot at an earlier time; what it was migrated from comes behind the first of them.
  const root = own.at(-1) ?? from
  for (const { id, commit } of ancestors(state, root)) if (id === to.id) return { base: root.sealed, origin: commit }
  const target = chainOf(state, to).at(-1) ?? to
  for (const { id, commit } of ancestors(state, target)) if (own.some((at) => at.id === id)) return { base: commit, origin: target.sealed }
  return undefined
}

/**
 * Of the snapshots that stand in the place of `target` the newest that `from` has been the same as: what was carried there
 * already need not be carried again.
 */
export const counterpart = (state: State, from: Snapshot, target: Snapshot): { to: Snapshot; sync: Sync | undefined } => {
  const place = chainOf(state, target).at(-1)?.id
  const standing = Object.values(state.snapshots).filter((s) => chainOf(state, s).at(-1)?.id === place)
  for (const to of standing.reverse()) {
    const sync = to.id === from.id ? undefined : syncOf(state, from, to)
    if (sync !== undefined) return { to, sync }
  }
  return { to: target, sync: undefined }
}
