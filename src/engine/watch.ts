import { performance } from 'node:perf_hooks'
import { versionIndex } from '../core/chain.ts'
import type { StrataError } from '../core/errors.ts'
import { fromSystem, hasCode, isStrataError, messageOf } from '../core/errors.ts'
import type { Snapshot } from '../core/state.ts'
import { Repository } from '../storage/repository.ts'
import type { Scanned } from '../storage/scan.ts'
import type { CarriedPath } from './carry-sides.ts'
import type { Context } from './context.ts'
import { scan } from './directory.ts'
import type { Hints, OpenHints } from './hints.ts'
import { chokidarHints } from './hints.ts'
import type { ActiveCheckpoint } from './late.ts'
import { compareOriginal } from './original.ts'
import { editedFiles } from './preview.ts'
import { currentPointer, readState } from './read.ts'
import { findingsOnDisk } from './survey.ts'

/** What a watched store has come to. Directories are absolute; files are dataset paths. */
export type WatchEvent =
  /** Another snapshot is active: whoever works in the old directory opens the new one. */
  | { readonly type: 'switched'; readonly snapshot: string; readonly directory: string; readonly schemaVersion: string }
  /** Files of the active directory were written, added or removed. */
  | { readonly type: 'changed'; readonly files: readonly string[] }
  /** Files of an older schema: `strata migrate` takes those in the active directory along, `strata adopt` those in the original one. */
  | { readonly type: 'legacy'; readonly files: readonly string[]; readonly directory: string }
  /** What was written is committed. `late` came from a directory that had been left. */
  | { readonly type: 'checkpoint'; readonly commit: string; readonly files: readonly string[]; readonly late: readonly CarriedPath[] }
  /** The system gives no more hints: the directory is looked at often instead. */
  | { readonly type: 'polling'; readonly why: string }
  /** Something kept it from looking or committing; it goes on. */
  | { readonly type: 'error'; readonly error: StrataError }

/** When what was written is committed: when nothing has been written for `quiet`, at most every `every`, at least every `atLeast`. */
export type CheckpointPolicy = { readonly quietMs: number; readonly everyMs: number; readonly atLeastMs: number }

const CHECKPOINTS: CheckpointPolicy = { quietMs: 10_000, everyMs: 5 * 60_000, atLeastMs: 24 * 60 * 60_000 }

export type WatchOptions = {
  readonly onEvent: (event: WatchEvent) => void
  /** Off by default. */
  readonly checkpoints?: Partial<CheckpointPolicy> | null
  /** How long at most until a change is seen of which no hint came. Default 60 s. */
  readonly pollMs?: number
}

export type Watching = {
  /** Looks now. */
  readonly look: () => Promise<void>
  readonly close: () => Promise<void>
}

/** What the watcher has of the outside: replaced in tests. `now` never jumps. */
export type WatchParts = {
  readonly openHints: OpenHints
  readonly now: () => number
  readonly checkpoint: (reason: string) => Promise<ActiveCheckpoint>
}

const POLL_MS = 60_000
/** Without hints. */
const FAST_POLL_MS = 2_000
/** A hint seldom comes alone. */
const GATHER_MS = 100

const differing = (before: Scanned, after: Scanned): string[] => {
  const changed: string[] = []
  for (const [path, stat] of after.files) {
    const was = before.files.get(path)
    const same = was?.mtimeMs === stat.mtimeMs && was.ctimeMs === stat.ctimeMs && was.size === stat.size && was.ino === stat.ino
    if (!same) changed.push(path)
  }
  return [...changed, ...[...before.files.keys()].filter((path) => !after.files.has(path))]
}

/** Watches one store. Hints only say when to look; each look is a scan of everything, so that none that is missing loses anything. */
class StoreWatch implements Watching {
  readonly #context: Context
  readonly #options: WatchOptions
  readonly #parts: WatchParts
  readonly #policy: CheckpointPolicy | null
  #seen: { snapshot: string; scanned: Scanned } | null = null
  #legacy = new Set<string>()
  #hints: Hints | null = null
  #hasHints = true
  #timer: NodeJS.Timeout | null = null
  #looking: Promise<void> | null = null
  #isClosed = false
  /** When the last change was seen, and when the last checkpoint was tried, by a clock that never jumps. */
  #changedAt: number | null = null
  #checkpointAt: number

  constructor(context: Context, options: WatchOptions, parts: WatchParts) {
    this.#context = context
    this.#options = options
    this.#parts = parts
    const { checkpoints = null } = options
    this.#policy = checkpoints === null ? null : { ...CHECKPOINTS, ...checkpoints }
    this.#checkpointAt = parts.now()
  }

  async start(): Promise<this> {
    // Without a store there is nothing to watch.
    currentPointer(this.#context)
    await this.look()
    return this
  }

  look = async (): Promise<void> => {
    // One at a time; who asks meanwhile gets a look that begins after that.
    while (this.#looking !== null) await this.#looking
    if (this.#isClosed) return
    this.#looking = this.#once().finally(() => {
      this.#looking = null
    })
    await this.#looking
    this.#schedule(this.#wait())
  }

  close = async (): Promise<void> => {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#looking
    await this.#hints?.close()
    this.#hints = null
  }

  #wait(): number {
    const longest = Math.min(this.#options.pollMs ?? POLL_MS, this.#hasHints ? Infinity : FAST_POLL_MS)
    if (this.#policy === null || this.#changedAt === null) return longest
    const { quietMs, everyMs, atLeastMs } = this.#policy
    const quiet = Math.max(this.#changedAt + quietMs, this.#checkpointAt + everyMs)
    return Math.max(GATHER_MS, Math.min(longest, Math.min(quiet, this.#checkpointAt + atLeastMs) - this.#parts.now()))
  }

  #schedule(ms: number): void {
    if (this.#isClosed) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.look(), ms)
    // A program that has nothing else to do may end.
    this.#timer.unref()
  }

  async #once(): Promise<void> {
    try {
      await this.#follow()
      this.#findLegacy()
      await this.#commit()
    } catch (error) {
      this.#tell({ type: 'error', error: named(error) })
    }
  }

  #tell(event: WatchEvent): void {
    this.#options.onEvent(event)
  }

  /** What is active, and what has changed there since the last look; at first, since the last checkpoint. */
  async #follow(): Promise<void> {
    const { snapshot, schemaVersion } = currentPointer(this.#context)
    const directory = this.#context.paths.snapshot(snapshot)
    const before = this.#seen
    const isNew = before?.snapshot !== snapshot
    if (isNew && before !== null) this.#tell({ type: 'switched', snapshot, directory, schemaVersion })
    if (isNew) await this.#listen(directory)
    const scanned = scan(this.#context, directory)
    this.#seen = { snapshot, scanned }
    const active = readState(this.#context).snapshots[snapshot]
    const files = isNew ? this.#edited(active) : differing(before.scanned, scanned)
    if (files.length === 0) return
    this.#changedAt = this.#parts.now()
    this.#tell({ type: 'changed', files })
    if (active !== undefined) this.#judge(active, files)
  }

  #edited(active: Snapshot | undefined): string[] {
    return active === undefined ? [] : editedFiles(this.#context, active)
  }

  #judge(active: Snapshot, files: readonly string[]): void {
    const { fs, dataset, paths } = this.#context
    const position = versionIndex(dataset.chain, active.schemaVersion)
    if (position < 0) return
    const directory = paths.snapshot(active.id)
    const behind = files.filter((path) => findingsOnDisk(fs, dataset, position, directory, path).some((f) => f.code === 'LEGACY_FILE'))
    if (behind.length > 0) this.#tell({ type: 'legacy', files: behind, directory })
  }

  /** An old build that was started once more goes on writing the original place. */
  #findLegacy(): void {
    const state = readState(this.#context)
    if (state.original === null) return
    const repository = new Repository(this.#context.fs, this.#context.paths.repository)
    try {
      const found = compareOriginal(this.#context, state, repository).map((change) => change.path)
      const fresh = found.filter((path) => !this.#legacy.has(path))
      this.#legacy = new Set(found)
      if (fresh.length > 0) this.#tell({ type: 'legacy', files: fresh, directory: state.original.path })
    } finally {
      repository.close()
    }
  }

  async #listen(directory: string): Promise<void> {
    await this.#hints?.close()
    this.#hints = null
    if (!this.#hasHints) return
    const onHint = (): void => {
      this.#schedule(GATHER_MS)
    }
    const onEnd = (why: string): void => {
      if (!this.#hasHints || this.#isClosed) return
      this.#hasHints = false
      void this.#hints?.close()
      this.#hints = null
      this.#tell({ type: 'polling', why })
      this.#schedule(GATHER_MS)
    }
    try {
      this.#hints = await this.#parts.openHints([this.#context.paths.current, directory], onHint, onEnd)
    } catch (error) {
      onEnd(messageOf(error))
    }
  }

  async #commit(): Promise<void> {
    const { now, checkpoint } = this.#parts
    if (this.#policy === null || this.#changedAt === null) return
    const { quietMs, everyMs, atLeastMs } = this.#policy
    const since = now() - this.#checkpointAt
    const isQuiet = now() - this.#changedAt >= quietMs
    if (!((isQuiet && since >= everyMs) || since >= atLeastMs)) return
    this.#checkpointAt = now()
    try {
      const { snapshot, changed: files, late } = await checkpoint('while watching')
      this.#changedAt = null
      if (files.length > 0 || late.length > 0) this.#tell({ type: 'checkpoint', commit: snapshot.commit, files, late })
    } catch (error) {
      // Another host is at work, or has done it already: the next look tells.
      if (!hasCode(error, 'LOCKED', 'CONFLICT')) throw error
    }
  }
}

const named = (error: unknown): StrataError => {
  const found = fromSystem(error)
  if (isStrataError(found)) return found
  throw found
}

/** Watches a store until it is closed. `parts` are what it has of the outside. */
export const watchStore = (
  context: Context,
  options: WatchOptions,
  parts: Pick<WatchParts, 'checkpoint'> & Partial<WatchParts>,
): Promise<Watching> => new StoreWatch(context, options, { openHints: chokidarHints, now: () => performance.now(), ...parts }).start()
