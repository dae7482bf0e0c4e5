import { join } from 'node:path'
import type { Snapshot, State } from '../core/state.ts'
import type { MigrationJob } from '../core/status.ts'
import { jobOf } from '../core/status.ts'
import { segmentsOf } from '../storage/journal.ts'
import type { Context } from './context.ts'
import { readView } from './read.ts'

/** A snapshot, and whether its directory is there: one that was removed to save space comes back when it is needed. */
export type ListedSnapshot = Snapshot & { readonly isMaterialised: boolean; readonly isPinned: boolean }

/** All that the journal says is true now. */
export type Overview = {
  /** Hash of the journal's last line: it changes with every event. Empty where there is no store. */
  readonly head: string
  readonly seq: number
  readonly storeId: string
  readonly dataset: string
  /** The schema versions that this chain knows, oldest first. */
  readonly versions: readonly string[]
  readonly active: string | null
  readonly hold: { readonly since: string; readonly reason: string } | null
  /** Oldest first. */
  readonly snapshots: readonly ListedSnapshot[]
  readonly jobs: readonly MigrationJob[]
  readonly running: string | null
  /** Where `redo` returns to. */
  readonly redo: { readonly snapshot: string; readonly at: string } | null
  readonly lastVerified: { readonly at: string; readonly valid: boolean } | null
}

const redoOf = (state: State): Overview['redo'] => {
  const last = state.undone.at(-1)
  return last === undefined ? null : { snapshot: last.left, at: last.at }
}

/** Reads the journal's last segment only. Throws JOURNAL_CORRUPT, NEWER_FORMAT. */
export const overview = (context: Context): Overview => {
  const { fs, paths, dataset } = context
  const view = readView(context)
  const versions = dataset.chain.schemas.map((s) => s.version)
  const nothing = { active: null, hold: null, snapshots: [], jobs: [], running: null, redo: null, lastVerified: null }
  if (view === undefined) return { ...nothing, head: '', seq: 0, storeId: '', dataset: dataset.name, versions }
  const { state } = view
  return {
    head: view.prev,
    seq: state.seq,
    storeId: state.storeId,
    dataset: dataset.name,
    versions,
    active: state.active,
    hold: state.hold === null ? null : { since: state.hold.since, reason: state.hold.reason },
    snapshots: Object.values(state.snapshots).map((s) => ({
      ...s,
      isMaterialised: fs.lstat(paths.snapshot(s.id)) !== undefined,
      isPinned: state.pins.some((pin) => pin.snapshot === s.id),
    })),
    jobs: state.jobs.map((job) => jobOf(job, { directoryOf: paths.snapshot })),
    running: state.running,
    redo: redoOf(state),
    lastVerified: state.lastVerified,
  }
}

/** Changes whenever the journal does, for the price of a look at its newest file's size. */
export const revision = ({ fs, paths }: Context): string => {
  const newest = segmentsOf(fs, paths.journal).at(-1)
  const stat = newest === undefined ? undefined : fs.lstat(join(paths.journal, newest))
  return newest === undefined || stat === undefined ? '' : `${newest}:${stat.size}:${stat.mtimeMs}`
}
