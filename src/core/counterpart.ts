import type { Oid } from './git-objects.ts'
import type { Snapshot, State } from './state.ts'
import { chainOf } from './state.ts'

/** What was written in another snapshot on the way: since `base`, and up to `left`, when it was taken on. */
export type Hop = { readonly base: Oid; readonly left: Oid; readonly version: string }

/**
 * Two commits of two snapshots that hold the same data: `base` on the side that is left, `origin` on the one that is gone to.
 * What was written since `base` is what has to be carried. Where several jobs lie between the two, what was written after the
 * earlier ones is not in `origin` either: `earlier`, the nearest to `base` first.
 */
export type Sync = { readonly base: Oid; readonly origin: Oid; readonly earlier: readonly Hop[] }

const byCarrying = (one: Snapshot, other: Snapshot): Sync | undefined => {
  if (one.carries?.snapshot === other.id) return { base: one.sealed, origin: one.carries.commit, earlier: [] }
  if (other.carries?.snapshot === one.id) return { base: other.carries.commit, origin: other.sealed, earlier: [] }
  return undefined
}

/** By way of another snapshot that `made` had the data of, up to `commit`. */
const through = (made: Snapshot, via: Snapshot, commit: Oid, further: Sync | undefined): Sync | undefined => {
  if (further === undefined) return undefined
  const hop = { base: further.base, left: commit, version: via.schemaVersion }
  return { base: made.sealed, origin: further.origin, earlier: [...(hop.base === hop.left ? [] : [hop]), ...further.earlier] }
}

type Search = { readonly state: State; readonly to: Snapshot; readonly seen: Set<string> }

/** What was carried is younger than what was migrated: it is looked at first. */
const search = (look: Search, from: Snapshot): Sync | undefined => {
  const { state, to, seen } = look
  if (seen.has(from.id)) return undefined
  seen.add(from.id)
  const own = chainOf(state, from)
  for (const at of own) {
    const found = byCarrying(at, to)
    if (found !== undefined) return found
  }
  for (const at of own) {
    const via = at.carries === null ? undefined : state.snapshots[at.carries.snapshot]
    const found = at.carries === null || via === undefined ? undefined : through(at, via, at.carries.commit, search(look, via))
    if (found !== undefined) return found
  }
  const root = own.at(-1) ?? from
  const parent = state.snapshots[root.from ?? '']
  if (parent === undefined || root.fromCommit === null) return undefined
  if (parent.id === to.id) return { base: root.sealed, origin: root.fromCommit, earlier: [] }
  return through(root, parent, root.fromCommit, search(look, parent))
}

/** The way up: `to` was migrated from `from`, and nothing was written between the jobs that `from` would not know of. */
const searchUp = (state: State, from: Snapshot, to: Snapshot): Sync | undefined => {
  const own = new Set(chainOf(state, from).map((s) => s.id))
  const target = chainOf(state, to).at(-1) ?? to
  const seen = new Set<string>()
  for (let at = target; at.from !== null && at.fromCommit !== null && !seen.has(at.id); ) {
    seen.add(at.id)
    if (own.has(at.from)) return { base: at.fromCommit, origin: target.sealed, earlier: [] }
    const parent = state.snapshots[at.from]
    if (parent?.sealed !== at.fromCommit) return undefined
    at = parent
  }
  return undefined
}

/** Where `from` and `to` were last the same: one carries the other's data, or was migrated from it. */
export const syncOf = (state: State, from: Snapshot, to: Snapshot): Sync | undefined =>
  search({ state, to, seen: new Set() }, from) ?? searchUp(state, from, to)

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
