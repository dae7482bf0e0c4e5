import type { Issue } from './issues.ts'
import { legacyFiles } from './issues.ts'
import type { Job, Snapshot, State } from './state.ts'
import { activeSnapshot, newestFirst } from './state.ts'

/** One migration that a plan would run. */
export type PlanStep = {
  readonly version: string
  readonly description: string
  readonly changes: readonly string[]
  readonly reversible: boolean
  readonly readableFrom: string | null
}

/** What start-up needs to know of a chain without loading it: its versions, and what each step is. */
export type ChainSummary = { readonly name: string; readonly versions: readonly string[]; readonly steps: readonly PlanStep[] }

/** T022's MigrationJob; more members than the task names. `backupPath` is a directory that `restore` accepts. */
export type MigrationJob = {
  id: string
  fromVersion: string
  toVersion: string
  status: 'pending' | 'running' | 'completed' | 'failed'
  startTime: string
  endTime: string | null
  filesProcessed: number
  /** Worked out in this job, and taken from an earlier run of the same steps. */
  filesTransformed: number
  filesRemembered: number
  totalFiles: number
  backupPath: string
  error: string
  /** The error's code while it is `failed`, such as NO_SPACE. */
  errorCode: string | null
  kind: Job['kind']
  snapshot: string | null
  /** Of an online migration: how long the application had to wait for the switch, in milliseconds. */
  pausedMs: number | null
}

export type StatusState = 'no-store' | 'up-to-date' | 'pending' | 'running' | 'held' | 'newer' | 'failed-repeatedly'

/** T022's CheckMigrationsNeeded. Members are never absent. */
export type MigrationStatus = {
  needed: boolean
  currentVersion: string
  targetVersion: string
  state: StatusState
  pending: PlanStep[]
  snapshot: string
  directory: string
  files: number
  bytes: number
  spaceNeeded: number
  spaceFree: number
  findings: Issue[]
  heldSince: string | null
  holdReason: string | null
  /** The directory that the data was captured from. */
  original: string | null
  lastJob: MigrationJob | null
  /** The newest first. */
  sizes: SnapshotSize[]
  /** Bytes of the packs: the whole history. */
  repositoryBytes: number
}

/** How large a snapshot is. `shared`: bytes of files that were the same in the snapshot it was made of, when it was made. */
export type SnapshotSize = {
  snapshot: string
  schemaVersion: string
  files: number
  bytes: number
  shared: number
  /** Whether it has a directory; without one, it takes no room but in the repository. */
  hasDirectory: boolean
}

export const SPACE_FACTOR = 1.6
const ATTEMPTS_IN_A_ROW = 3

/** Where a store is, and what is there. */
export type Place = {
  readonly directoryOf: (snapshot: string) => string
  readonly hasDirectory: (snapshot: string) => boolean
  readonly spaceFree: number
  readonly repositoryBytes: number
}

export const jobOf = (job: Job, place: Pick<Place, 'directoryOf'>): MigrationJob => ({
  id: job.id,
  fromVersion: job.fromVersion,
  toVersion: job.toVersion,
  status: job.status,
  startTime: job.startTime,
  endTime: job.endTime,
  filesProcessed: job.filesProcessed,
  filesTransformed: job.filesTransformed,
  filesRemembered: job.filesRemembered,
  totalFiles: job.files,
  backupPath: place.directoryOf(job.from),
  error: job.error,
  errorCode: job.errorCode,
  kind: job.kind,
  snapshot: job.steps.at(-1)?.snapshot ?? null,
  pausedMs: job.pausedMs,
})

const MEND: PlanStep = {
  version: '',
  description: 'Files of an older schema go through the chain alone',
  changes: [],
  reversible: true,
  readableFrom: null,
}

const pendingSteps = (summary: ChainSummary, active: Snapshot): PlanStep[] => {
  const base = summary.versions.indexOf(active.schemaVersion)
  if (base < 0) return []
  const steps = summary.steps.slice(base)
  const behind = legacyFiles(active.findings)
  return steps.length === 0 && behind.length > 0 ? [{ ...MEND, version: active.schemaVersion, changes: behind }] : steps
}

/** A newer version than there was at the rollback ends the hold. */
export const isHeld = (state: State, versions: readonly string[]): boolean => {
  if (state.hold === null) return false
  const newest = versions.indexOf(state.hold.newest)
  return newest < 0 || newest === versions.length - 1
}

export const hasFailedRepeatedly = (state: State, newest: string): boolean =>
  state.failures !== null && state.failures.toVersion === newest && state.failures.count >= ATTEMPTS_IN_A_ROW

const stateName = (state: State, summary: ChainSummary, active: Snapshot, pending: number): StatusState => {
  if (!summary.versions.includes(active.schemaVersion)) return 'newer'
  if (state.running !== null) return 'running'
  if (pending === 0) return 'up-to-date'
  if (isHeld(state, summary.versions)) return 'held'
  return hasFailedRepeatedly(state, summary.versions.at(-1) ?? '') ? 'failed-repeatedly' : 'pending'
}

const nothingYet = (summary: ChainSummary, place: Place): MigrationStatus => ({
  needed: false,
  currentVersion: '',
  targetVersion: summary.versions.at(-1) ?? '',
  state: 'no-store',
  pending: [],
  snapshot: '',
  directory: '',
  files: 0,
  bytes: 0,
  spaceNeeded: 0,
  spaceFree: place.spaceFree,
  findings: [],
  heldSince: null,
  holdReason: null,
  original: null,
  lastJob: null,
  sizes: [],
  repositoryBytes: 0,
})

const sizesOf = (state: State, place: Place): SnapshotSize[] =>
  newestFirst(state).map(({ id, schemaVersion, files, bytes, shared }) => ({
    snapshot: id,
    schemaVersion,
    files,
    bytes,
    shared,
    hasDirectory: place.hasDirectory(id),
  }))

/** What there is and what could be done, from the folded journal and what `place` says. Pure. */
export const statusOf = (state: State | undefined, summary: ChainSummary, place: Place): MigrationStatus => {
  const active = state === undefined ? undefined : activeSnapshot(state)
  if (state === undefined || active === undefined) return nothingYet(summary, place)
  const pending = pendingSteps(summary, active)
  const lastJob = state.jobs.at(-1)
  return {
    needed: pending.length > 0,
    currentVersion: active.schemaVersion,
    targetVersion: summary.versions.at(-1) ?? '',
    state: stateName(state, summary, active, pending.length),
    pending,
    snapshot: active.id,
    directory: place.directoryOf(active.id),
    files: active.files,
    bytes: active.bytes,
    spaceNeeded: Math.ceil(active.bytes * pending.length * SPACE_FACTOR),
    spaceFree: place.spaceFree,
    findings: [...active.findings, ...state.originalFindings].map((f) => ({ ...f, snapshot: f.snapshot ?? active.id })),
    heldSince: state.hold?.since ?? null,
    holdReason: state.hold?.reason ?? null,
    original: state.original?.path ?? null,
    lastJob: lastJob === undefined ? null : jobOf(lastJob, place),
    sizes: sizesOf(state, place),
    repositoryBytes: place.repositoryBytes,
  }
}
