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
export type Sync = {
  readonly base: Oid
  readonly origin: Oid
  readonly earlier: readonly Hop[]
  /** False: one of the two has more than the other, so that nothing can be carried there. */
  readonly isExact: boolean
}

const byCarrying = (one: Snapshot, other: Snapshot): Sync | undefined => {
  if (one.carries?.snapshot === other.id) return { base: one.sealed, origin: one.carries.commit, earlier: [], isExact: true }
  if (other.carries?.snapshot === one.id) return { base: other.carries.commit, origin: other.sealed, earlier: [], isExact: true }
  return undefined
}

/** By way of another snapshot that `made` had the data of, up to `commit`. */
const through = (made: Snapshot, via: Snapshot, commit: Oid, further: Sync | undefined): Sync | undefined => {
  if (further === undefined) return undefined
  const hop = { base: further.base, left: commit, version: via.schemaVersion }
  return {
    base: made.sealed,
    origin: further.origin,
    earlier: [...(hop.base === hop.left ? [] : [hop]), ...further.earlier],
    isExact: true,
  }
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
  if (parent.id === to.id) return { base: root.sealed, origin: root.fromCommit, earlier: [], isExact: true }
  return through(root, parent, root.fromCommit, search(look, parent))
}

/** The same seen from the other side. What was written on the way is there already, and in no commit of its own. */
const mirrored = (sync: Sync | undefined): Sync | undefined =>
  sync === undefined ? undefined : { base: sync.origin, origin: sync.base, earlier: [], isExact: sync.earlier.length === 0 }

/**
 * `to` was made from what `from` stands in the place of, over steps between which nothing was written: all that has been carried
 * there since is new to it.
 */
const inPlaceOf = (state: State, from: Snapshot, to: Snapshot): Sync | undefined => {
  const own = new Set(chainOf(state, from).map(({ id }) => id))
  for (let made: Snapshot | undefined = to; made?.fromCommit !== undefined && made.fromCommit !== null && made.carries === null; ) {
    if (own.has(made.from ?? '')) return { base: made.fromCommit, origin: to.sealed, earlier: [], isExact: true }
    const parent: Snapshot | undefined = state.snapshots[made.from ?? '']
    made = parent?.sealed === made.fromCommit ? parent : undefined
  }
  return undefined
}

/** Where `from` and `to` were last the same: one carries the other's data, or was migrated from it. */
export const syncOf = (state: State, from: Snapshot, to: Snapshot): Sync | undefined =>
  search({ state, to, seen: new Set() }, from) ?? inPlaceOf(state, from, to) ?? mirrored(search({ state, to: from, seen: new Set() }, to))

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
