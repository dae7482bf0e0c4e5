import * as z from 'zod'
import type {
  CarriedPath,
  Comparison,
  Diff,
  Difference,
  FieldChange,
  FileVersion,
  Finding,
  HistoryEvent,
  Issue,
  ListedSnapshot,
  MigrationJob,
  MigrationProgress,
  MigrationStatus,
  Overview,
  PlanStep,
  RecordCount,
  Snapshot,
  SnapshotView,
  ValidationReport,
} from '../index.ts'

/**
 * What methods answer, as zod schemas: the documents are generated from them, and the compiler holds each against the library's type.
 * Everything that several methods answer has a name here.
 */
const named = <T>(id: string, schema: z.ZodType<T>): z.ZodType<T> => schema.meta({ id })

const count = z.int().min(0)
const orNull = <T extends z.ZodType>(schema: T) => z.union([schema, z.null()])
const time = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/)
  .describe('RFC 3339')

export const issue = named<Issue>(
  'Issue',
  z.object({
    severity: z.enum(['error', 'warning']),
    code: z.string(),
    message: z.string(),
    hint: z.string(),
    file: orNull(z.string()).describe('path in the dataset'),
    record: orNull(count).describe('index of the first record, from 0'),
    line: orNull(count),
    column: orNull(count),
    snapshot: orNull(z.string()),
    step: orNull(z.string()).describe('the schema version of the step that found it'),
    count: count.describe('how often'),
  }),
)

// Text that the repository has checked: the brand is put on where it is read.
const oid = z.string() as unknown as z.ZodType<Snapshot['commit']>

const snapshotMembers = {
  id: z.string(),
  schemaVersion: z.string(),
  commit: oid.describe('head of its branch in the repository'),
  sealed: oid.describe('its commit when it was made'),
  from: orNull(z.string()).describe('the snapshot that it was migrated from'),
  fromCommit: orNull(oid),
  carries: orNull(z.object({ snapshot: z.string(), commit: oid })),
  shared: count.describe('bytes of files that were the same in the snapshot it was made of, when it was made'),
  job: orNull(z.string()),
  files: count,
  bytes: count,
  manifest: z.string().describe('SHA-256 over the rows of its manifest'),
  readableBy: z.array(z.string()).describe('schema versions whose applications can read it, oldest first'),
  createdAt: time,
  verifiedAt: orNull(time),
  verifiedCommit: orNull(oid),
  findings: z.array(issue),
}

export const snapshot = named<Snapshot>('Snapshot', z.object(snapshotMembers))
const listedSnapshot = named<ListedSnapshot>(
  'ListedSnapshot',
  z.object({ ...snapshotMembers, isMaterialised: z.boolean().describe('whether its directory is there'), isPinned: z.boolean() }),
)

export const job = named<MigrationJob>(
  'MigrationJob',
  z.object({
    id: z.string().describe('empty where there was nothing to do'),
    fromVersion: z.string(),
    toVersion: z.string(),
    status: z.enum(['pending', 'running', 'completed', 'failed']),
    startTime: z.string(),
    endTime: orNull(time),
    filesProcessed: count,
    filesTransformed: count.describe('of those, worked out in this job'),
    filesRemembered: count.describe('of those, taken from an earlier run'),
    totalFiles: count,
    backupPath: z.string().describe('a directory that holds the data as it was before'),
    error: z.string(),
    errorCode: orNull(z.string()),
    kind: z.enum(['migration', 'adopt', 'mend', 'carry', 'restore']),
    snapshot: orNull(z.string()),
    pausedMs: orNull(count).describe('how long an online migration had the application wait'),
  }),
)

export const planStep = named<PlanStep>(
  'PlanStep',
  z.object({
    version: z.string(),
    description: z.string(),
    changes: z.array(z.string()),
    reversible: z.boolean().describe('whether new data can be carried back'),
    readableFrom: orNull(z.string()),
  }),
)

export const status = named<MigrationStatus>(
  'MigrationStatus',
  z.object({
    needed: z.boolean(),
    currentVersion: z.string(),
    targetVersion: z.string(),
    state: z.enum(['no-store', 'up-to-date', 'pending', 'running', 'held', 'newer', 'failed-repeatedly']),
    pending: z.array(planStep),
    snapshot: z.string(),
    directory: z.string(),
    files: count,
    bytes: count,
    spaceNeeded: count,
    spaceFree: count,
    findings: z.array(issue),
    heldSince: orNull(time),
    holdReason: orNull(z.string()),
    original: orNull(z.string()),
    lastJob: orNull(job),
    sizes: z.array(
      z.object({ snapshot: z.string(), schemaVersion: z.string(), files: count, bytes: count, shared: count, hasDirectory: z.boolean() }),
    ),
    repositoryBytes: count,
  }),
)

export const progress = named<MigrationProgress>(
  'MigrationProgress',
  z.object({
    job: orNull(job),
    phase: z.enum(['idle', 'planning', 'backup', 'migrating', 'verifying', 'activating', 'done']),
    step: orNull(z.object({ index: count, total: count, version: z.string(), description: z.string() })),
    filesDone: count,
    filesRemembered: count.describe('of those, taken from an earlier run'),
    filesTotal: count,
    bytesDone: count,
    bytesTotal: count,
    recordsDone: count,
    currentFile: orNull(z.string()),
    elapsedSeconds: z.number(),
    remainingSeconds: orNull(z.number()),
    safeToClose: z.boolean(),
    cancellable: z.boolean(),
    updatedAt: time,
  }),
)

export const report = named<ValidationReport>(
  'ValidationReport',
  z.object({ valid: z.boolean(), filesChecked: count, errorsFound: count, warningsFound: count, issues: z.array(issue) }),
)

export const change = z.enum(['added', 'changed', 'removed'])
export const difference = named<Difference>('Difference', z.object({ path: z.string(), change }))

export const diff: z.ZodType<Diff> = z.object({ before: snapshot, after: snapshot, files: z.array(difference) })

export const carriedPath = named<CarriedPath>(
  'CarriedPath',
  z.object({
    path: z.string(),
    change,
    result: z.enum(['carried', 'removed', 'kept', 'unreadable']),
    added: count,
    removed: count,
    clashes: count,
  }),
)

export const finding = named<Finding>(
  'Finding',
  z.object({
    level: z.enum(['info', 'decision', 'blocker']),
    code: z.string(),
    message: z.string(),
    hint: z.string(),
    file: orNull(z.string()),
    count,
  }),
)

export const overview = named<Overview>(
  'Overview',
  z.object({
    head: z.string().describe('changes with every event; what a change is expected to rest on'),
    seq: count,
    storeId: z.string(),
    dataset: z.string(),
    versions: z.array(z.string()).describe('the schema versions that this chain knows, oldest first'),
    active: orNull(z.string()),
    hold: orNull(z.object({ since: time, reason: z.string() })),
    snapshots: z.array(listedSnapshot),
    jobs: z.array(job),
    running: orNull(z.string()),
    redo: orNull(z.object({ snapshot: z.string(), at: time })),
    lastVerified: orNull(z.object({ at: time, valid: z.boolean() })),
  }),
)

export const event = named(
  'Event',
  z.object({
    seq: count,
    id: z.string(),
    type: z.string().describe('store/README.md says what each type tells'),
    jobId: z.string().optional(),
    data: z.record(z.string(), z.unknown()),
    at: time,
    actor: z.object({ app: z.string(), appVersion: z.string(), host: z.string(), pid: count }),
  }),
) as z.ZodType<HistoryEvent>

const recordChanges = z.object({ before: count, after: count, added: count, removed: count, changed: count })
const fieldChange = named<FieldChange>(
  'FieldChange',
  z.object({
    field: z.string(),
    change,
    count,
    before: orNull(z.string()).describe('the first example; null unless values were asked for'),
    after: orNull(z.string()),
  }),
)

export const comparison = named<Comparison>(
  'Comparison',
  z.object({
    before: snapshot,
    after: snapshot,
    kinds: z.array(
      z.object({
        kind: orNull(z.string()),
        added: count,
        removed: count,
        changed: count,
        unread: count,
        records: orNull(recordChanges),
        fields: z.array(fieldChange),
      }),
    ),
  }),
)

export const recordCount = named<RecordCount>('RecordCount', z.object({ path: z.string(), before: orNull(count), after: orNull(count) }))

const commit = { oid: z.string(), subject: z.string(), trailers: z.record(z.string(), z.string()), parents: z.array(z.string()), at: time }

export const fileVersion: z.ZodType<FileVersion> = z.object({ ...commit, blob: orNull(z.string()), change })

export const snapshotView = named<SnapshotView>(
  'SnapshotView',
  z.object({
    snapshot,
    active: z.boolean(),
    files: z.array(z.object({ path: z.string(), size: count, sha256: z.string() })),
    commits: z.array(z.object(commit)),
  }),
)

/** What becomes of a snapshot's directory and history, and why. */
export const decision = z.object({
  snapshot: z.string(),
  schemaVersion: z.string(),
  createdAt: z.string(),
  bytes: z.number(),
  directory: z.enum(['keep', 'remove', 'absent']),
  history: z.enum(['keep', 'remove']),
  reasons: z.array(z.string()),
})
