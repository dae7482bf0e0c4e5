import * as z from 'zod'
import type { FieldChange, SwitchPreview, Switched } from '../index.ts'
import type { Method } from './method.ts'
import { method } from './method.ts'
import * as s from './schemas.ts'

const nothing = z.object({})
const name = z.string().min(1).max(300)
const path = z.string().min(1).max(4096).describe('path in the dataset, with /')
const snapshotName = name.describe('an id or the beginning of one, a schema version, @ (active) or @- (before the last job)')
const exact = z.boolean().default(false).describe('switch even where what was written since cannot come along: it stays in the history')
const reads = z.array(name).min(1).max(100).optional().describe('the schema versions that the application can read')
const migrationID = z.string().max(300).default('').describe('a job, a schema version, or empty for the last job')

const switchedMembers = {
  from: s.snapshot,
  to: s.snapshot,
  written: z.array(s.difference).describe('what had been written since'),
  carried: z.array(s.carriedPath).describe('what became of it on the side that is active now'),
}
const switched: z.ZodType<Switched> = z.object(switchedMembers)
const previewed: z.ZodType<SwitchPreview> = z.object({
  ...switchedMembers,
  pending: z.array(z.string()).describe('files written and not yet committed'),
  inTheWay: z.array(z.object({ path: z.string(), change: s.change, why: z.string() })).describe('files that cannot come along'),
})

/** Values of the user's data are shown to whoever asks for them. */
const withoutValues = (fields: readonly FieldChange[]): FieldChange[] => fields.map((f) => ({ ...f, before: null, after: null }))

/** Every method, once. One more is one more entry. */
export const METHODS: Readonly<Record<string, Method>> = {
  CheckMigrationsNeeded: method({
    summary: 'What there is, and whether a newer schema version is waiting',
    params: {},
    result: s.status,
    run: (app) => app.checkMigrationsNeeded(),
  }),
  StartMigration: method({
    summary: 'Records a migration and lets it run; follow it with progress, GetMigrationStatus or WaitForJob',
    params: { to: name.optional().describe('stop at this schema version') },
    result: s.job,
    changes: true,
    run: (app, { to }) => app.startMigration({ to }),
  }),
  GetMigrationStatus: method({
    summary: 'How far the running job is',
    params: {},
    result: s.progress,
    run: (app) => app.getMigrationStatus(),
  }),
  RollbackMigration: method({
    summary: 'Goes back to what was active before a job; what was written since comes along',
    params: { migrationID, exact, reads },
    result: switched,
    changes: true,
    run: (app, { migrationID: id, ...options }) => app.rollbackMigration(id, options),
  }),
  ValidateDataIntegrity: method({
    summary: 'Reads and compares every byte; changes nothing',
    params: {},
    result: s.report,
    run: (app) => app.validateDataIntegrity(),
  }),
  Start: method({
    summary: "All of an application's start: makes the store, recovers, upgrades, and names the active directory",
    params: {
      migrate: z.boolean().default(false).describe('upgrade where it is needed and not on hold'),
      reads,
      from: z.array(path).max(20).optional().describe('where data may lie when there is no store yet'),
    },
    result: z.object({
      directory: z.string(),
      snapshot: z.string(),
      schemaVersion: z.string(),
      readable: z.boolean().describe('whether one of `reads` can read it'),
      migrated: z.boolean(),
      jobId: z.union([z.string(), z.null()]),
      error: z
        .union([z.object({ code: z.string(), message: z.string(), hint: z.string(), data: z.record(z.string(), z.unknown()) }), z.null()])
        .describe('why there was no upgrade: the application runs on the snapshot before it'),
      recovered: z.array(z.string()),
      findings: z.array(s.issue),
    }),
    changes: true,
    run: async (app, options) => {
      const started = await app.start(options)
      return { ...started, recovered: [...started.recovered], findings: [...started.findings], error: started.error?.toJSON() ?? null }
    },
  }),
  Redo: method({
    summary: 'Returns to what the last rollback left',
    params: { exact },
    result: switched,
    changes: true,
    run: (app, options) => app.redo(options),
  }),
  CancelMigration: method({
    summary: 'Stops the running job before its switch; it ends as failed, with an error that begins CANCELLED',
    params: {},
    result: nothing,
    changes: 'always',
    run: (app) => {
      app.cancelMigration()
      return Promise.resolve({})
    },
  }),
  WaitForJob: method({
    summary: 'A job at its end',
    params: { id: name },
    result: s.job,
    run: (app, { id }) => app.waitForJob(id),
  }),
  Overview: method({
    summary: 'All that is true of the store now: snapshots, jobs, what is active, and the head that a change rests on',
    params: {},
    result: s.overview,
    run: (app) => app.overview(),
  }),
  Plan: method({
    summary: 'What StartMigration would do; writes nothing',
    params: { to: name.optional() },
    result: z.object({
      kind: z.enum(['none', 'redo', 'mend', 'migration']),
      from: s.snapshot,
      target: z.union([s.snapshot, z.null()]).describe('of a redo: what it switches to'),
      files: z.array(z.string()).describe('of a mend: the files of an older version'),
      steps: z.array(s.planStep),
      edited: z.array(z.string()).describe('files that are committed first'),
      preflight: z.array(s.finding),
    }),
    run: async (app, { to }) => {
      const { plan, edited, preflight } = await app.plan(to)
      return {
        kind: plan.kind,
        from: plan.from,
        target: plan.kind === 'redo' ? plan.target : null,
        files: plan.kind === 'mend' ? [...plan.files] : [],
        steps: plan.kind === 'migration' ? [...plan.steps] : [],
        edited: [...edited],
        preflight: [...preflight],
      }
    },
  }),
  PreviewSwitch: method({
    summary: 'What RollbackMigration or Redo would do; writes nothing',
    params: { kind: z.enum(['rollback', 'redo']), migrationID, reads },
    result: previewed,
    run: (app, { kind, migrationID: id, reads: versions }) => app.preview(kind, id, { reads: versions }),
  }),
  History: method({
    summary: 'What happened, newest first',
    params: {
      job: name.optional(),
      before: z.int().min(1).optional().describe('only events with a lower seq'),
      limit: z.int().min(1).max(5000).default(500),
    },
    result: z.object({ events: z.array(s.event), more: z.boolean() }),
    run: async (app, { job, before = Infinity, limit }) => {
      const found = (await app.history(job)).filter((e) => e.seq < before)
      return { events: found.slice(-limit).reverse(), more: found.length > limit }
    },
  }),
  ShowSnapshot: method({
    summary: 'A snapshot, its files and the commits on its branch',
    params: { snapshot: snapshotName },
    result: s.snapshotView,
    run: (app, { snapshot }) => app.show(snapshot),
  }),
  Diff: method({
    summary: 'Which files differ between two snapshots',
    params: { a: snapshotName, b: snapshotName, path: path.optional() },
    result: s.diff,
    run: (app, { a, b, path: within }) => app.diff(a, b, within),
  }),
  Compare: method({
    summary: 'How two snapshots differ by kind of file, record and field',
    params: {
      a: snapshotName,
      b: snapshotName,
      path: path.optional(),
      values: z.boolean().default(false).describe('with examples of values'),
    },
    result: s.comparison,
    run: async (app, { a, b, path: within, values }) => {
      const found = await app.compare(a, b, within)
      return values ? found : { ...found, kinds: found.kinds.map((k) => ({ ...k, fields: withoutValues(k.fields) })) }
    },
  }),
  CountRecords: method({
    summary: 'How many records each file has in two snapshots',
    params: { a: snapshotName, b: snapshotName },
    result: z.array(s.recordCount),
    run: (app, { a, b }) => app.countRecords(a, b),
  }),
  FileHistory: method({
    summary: 'The commits in which a file changed, newest first',
    params: { path },
    result: z.array(s.fileVersion),
    run: (app, { path: file }) => app.fileHistory(file),
  }),
  Read: method({
    summary: 'A file of a snapshot, as committed, or in the form that a schema version gives it',
    params: { snapshot: snapshotName.default('@'), path, as: name.optional() },
    result: z.object({ size: z.int(), base64: z.base64() }),
    run: async (app, { snapshot, path: file, as }) => {
      const bytes = await (as === undefined ? app.readFile(snapshot, file) : app.read(file, { as, of: snapshot }))
      return { size: bytes.byteLength, base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') }
    },
  }),
  Checkpoint: method({
    summary: 'Commits what the application has written',
    params: { message: z.string().max(500).default('requested') },
    result: z.object({ snapshot: s.snapshot, changed: z.array(z.string()), late: z.array(s.carriedPath) }),
    changes: true,
    run: async (app, { message }) => {
      const { snapshot, changed, late } = await app.checkpoint(message)
      return { snapshot, changed: [...changed], late: [...late] }
    },
  }),
  Adopt: method({
    summary: 'Takes over what an old build has written to the original directory',
    params: {},
    result: z.object({ jobId: z.union([z.string(), z.null()]), files: z.array(z.string()) }),
    changes: true,
    run: async (app) => {
      const { jobId, files } = await app.adopt()
      return { jobId, files: [...files] }
    },
  }),
  Restore: method({
    summary: 'Puts a file, a folder or a whole snapshot into the active data, as a job; what is there is committed first',
    params: { snapshot: snapshotName, path: path.optional() },
    result: z.object({ jobId: z.union([z.string(), z.null()]), snapshot: z.string(), commit: z.string(), files: z.array(z.string()) }),
    changes: true,
    run: async (app, { snapshot, path: within }) => {
      const done = await app.restoreLive(within === undefined ? snapshot : `${snapshot}:${within}`)
      return { ...done, files: [...done.files] }
    },
  }),
  Prune: method({
    summary: 'Removes directories that nobody needs and cuts old history; with dryRun only says what that would be, and why',
    params: {
      dryRun: z.boolean().default(false),
      directories: z.number().int().nonnegative().optional(),
      directoryBytes: z.number().int().nonnegative().nullable().default(null),
      days: z.number().int().nonnegative().nullable().default(null),
      historyBytes: z.number().int().nonnegative().nullable().default(null),
    },
    result: z.object({ applied: z.boolean(), decisions: z.array(s.decision), bytes: z.number(), cut: z.number() }),
    changes: true,
    run: async (app, { directories, ...options }) => {
      const { decisions, ...done } = await app.prune(directories === undefined ? options : { ...options, directories })
      return { ...done, decisions: decisions.map((d) => ({ ...d, reasons: [...d.reasons] })) }
    },
  }),
  CollectGarbage: method({
    summary: 'Makes the space of what nothing leads to free; with dryRun only says how much',
    params: { dryRun: z.boolean().default(false) },
    result: z.object({
      applied: z.boolean(),
      packsBefore: z.number(),
      packsAfter: z.number(),
      bytesBefore: z.number(),
      bytesAfter: z.number(),
      dropped: z.number(),
      peak: z.number(),
    }),
    changes: true,
    run: (app, options) => app.gc(options),
  }),
  Pin: method({
    summary: 'Keeps a snapshot and its directory, whatever is pruned',
    params: { snapshot: z.string(), note: z.string().max(1000).default('') },
    result: z.object({ snapshot: z.string(), commit: z.string(), note: z.string() }),
    changes: true,
    run: (app, { snapshot, note }) => app.pin(snapshot, note),
  }),
  Unpin: method({
    summary: 'Lets pruning decide about a snapshot again',
    params: { snapshot: z.string() },
    result: z.object({ snapshot: z.string() }),
    changes: true,
    run: (app, { snapshot }) => app.unpin(snapshot),
  }),
  Repair: method({
    summary: 'Heals what is damaged from what is not; with dryRun only says what that would be',
    params: { dryRun: z.boolean().default(false) },
    result: z.object({ applied: z.boolean(), actions: z.array(z.string()), lost: z.array(z.string()) }),
    // A damaged journal has no head to rest on.
    changes: 'always',
    run: async (app, options) => {
      const { applied, actions, lost } = await app.repair(options)
      return { applied, actions: [...actions], lost: [...lost] }
    },
  }),
}
