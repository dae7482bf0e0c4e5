import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { application, library, refusal } from '../support/library.ts'
import { TOY, toyModule } from '../support/toy.ts'
import { contents, json, put } from '../support/tree.ts'

const keys = (value: object): string[] => Object.keys(value).sort()

describe('the five methods of T022', () => {
  it('checkMigrationsNeeded: every member is there, before and after', async () => {
    const { app, data } = await application()
    const members = [
      ...['needed', 'currentVersion', 'targetVersion', 'state', 'pending', 'snapshot', 'directory', 'files', 'bytes', 'spaceNeeded'],
      ...['spaceFree', 'findings', 'heldSince', 'holdReason', 'original', 'lastJob', 'sizes', 'repositoryBytes'],
    ].sort()
    expect(keys(await app.checkMigrationsNeeded())).toEqual(members)
    await app.init({ from: data })
    const pending = await app.checkMigrationsNeeded()
    expect(keys(pending)).toEqual(members)
    expect(pending).toMatchObject({ needed: true, state: 'pending', files: 3, heldSince: null, lastJob: null })
    expect(keys(pending.pending[0] ?? {})).toEqual(['changes', 'description', 'readableFrom', 'reversible', 'version'])
    expect(JSON.parse(JSON.stringify(pending))).toEqual(pending)
  })

  it('startMigration: the MigrationJob of the task, pending at once, completed when it is waited for', async () => {
    const { app, data } = await application()
    await app.init({ from: data })
    const job = await app.startMigration()
    const named = [
      'id',
      'fromVersion',
      'toVersion',
      'status',
      'startTime',
      'endTime',
      'filesProcessed',
      'totalFiles',
      'backupPath',
      'error',
    ]
    expect(keys(job)).toEqual(expect.arrayContaining(named))
    expect(job).toMatchObject({ status: 'pending', fromVersion: '1.0.0', toVersion: '2.2.0', endTime: null, totalFiles: 3, error: '' })
    const done = await app.waitForJob(job.id)
    expect(done).toMatchObject({ id: job.id, status: 'completed', filesProcessed: 3 })
    expect(Date.parse(done.endTime ?? '')).toBeGreaterThanOrEqual(Date.parse(done.startTime))
    expect(contents(done.backupPath)).toEqual(contents(data))
  })

  it('startMigration with nothing to do is completed at once, and no job', async () => {
    const { app, data } = await application()
    await app.init({ from: data })
    await app.waitForJob((await app.startMigration()).id)
    expect(await app.startMigration()).toMatchObject({ id: '', status: 'completed' })
  })

  it('getMigrationStatus: the MigrationProgress of the design, idle, running and done', async () => {
    const { app, data } = await application()
    const members = [
      ...['job', 'phase', 'step', 'filesDone', 'filesRemembered', 'filesTotal', 'bytesDone', 'bytesTotal', 'recordsDone', 'currentFile'],
      ...['elapsedSeconds', 'remainingSeconds', 'safeToClose', 'cancellable', 'updatedAt'],
    ].sort()
    const idle = await app.getMigrationStatus()
    expect(keys(idle)).toEqual(members)
    expect(idle).toMatchObject({ job: null, phase: 'idle' })
    await app.init({ from: data })
    const phases = new Set<string>()
    app.onProgress((p) => phases.add(p.phase))
    const job = await app.startMigration()
    await app.waitForJob(job.id)
    const done = await app.getMigrationStatus()
    expect(keys(done)).toEqual(members)
    expect(done).toMatchObject({ phase: 'done', filesDone: 3, filesTotal: 3, cancellable: false })
    expect(done.bytesDone).toBe(done.bytesTotal)
    expect(done.job).toMatchObject({ id: job.id, status: 'completed' })
    expect([...phases]).toEqual(['backup', 'migrating', 'verifying', 'activating', 'done'])
  })

  it('counts every record', async () => {
    const { app, data } = await application()
    await app.init({ from: data })
    await app.waitForJob((await app.startMigration()).id)
    const records = ['2025-12-13', '2025-12-14'].reduce((n, date) => n + (json(data, `data/${date}.json`) as unknown[]).length, 0)
    expect((await app.getMigrationStatus()).recordsDone - records).toBeLessThanOrEqual(1)
  })

  it('rollbackMigration: by job, by version, or the last', async () => {
    const { app, data } = await application()
    await app.init({ from: data })
    const { id } = await app.startMigration()
    await app.waitForJob(id)
    await app.rollbackMigration('2.0.0')
    expect((await app.checkMigrationsNeeded()).currentVersion).toBe('1.2.0')
    await app.redo()
    await app.rollbackMigration(id)
    const status = await app.checkMigrationsNeeded()
    expect(status).toMatchObject({ currentVersion: '1.0.0', state: 'held' })
    expect(contents(status.directory)).toEqual(contents(data))
    expect((await refusal(app.rollbackMigration('nope'))).code).toBe('ABSENT')
  })

  it('validateDataIntegrity: exactly the ValidationReport of the task', async () => {
    const { app, data } = await application()
    await app.init({ from: data })
    const report = await app.validateDataIntegrity()
    expect(report).toEqual({ valid: true, filesChecked: expect.any(Number), errorsFound: 0, warningsFound: 0, issues: [] })
  })

  it('schemaVersions are the SchemaVersion data of the task', async () => {
    const { app } = await application()
    expect(app.schemaVersions.map((v) => v.version)).toEqual(['1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0'])
    for (const v of app.schemaVersions) {
      expect(keys(v)).toEqual(['changes', 'createdAt', 'description', 'version'])
      expect(Number.isNaN(Date.parse(v.createdAt))).toBe(false)
    }
  })
})

describe('start', () => {
  it('makes the store, migrates, and says where the data is', async () => {
    const { app, data, store } = await application()
    const started = await app.start({ migrate: true, from: [data], reads: ['2.2.0'] })
    expect(started).toMatchObject({ schemaVersion: '2.2.0', readable: true, migrated: true, error: null })
    expect(started.directory).toBe(join(store, 'snapshots', started.snapshot))
    expect(json(started.directory, 'config.json').header.schemaVersion).toBe('2.2.0')
    expect(await app.start({ migrate: true, reads: ['2.2.0'] })).toMatchObject({ migrated: false, jobId: null, snapshot: started.snapshot })
  })

  it('without `migrate` it only says what there is', async () => {
    const { app, data } = await application()
    expect(await app.start({ from: [data], reads: ['1.0.0'] })).toMatchObject({ schemaVersion: '1.0.0', readable: true, migrated: false })
    expect(await app.start({ reads: ['2.2.0'] })).toMatchObject({ schemaVersion: '1.0.0', readable: false })
  })

  it('tells an application that cannot read what is active', async () => {
    const { app, data } = await application()
    expect(await app.start({ migrate: true, from: [data], reads: ['1.0.0'] })).toMatchObject({ schemaVersion: '2.2.0', readable: false })
    expect(await app.start({ reads: [] })).toMatchObject({ readable: false })
  })

  it('reports a failed migration and lets the application go on with what was active', async () => {
    const { app, data } = await application(TOY, toyModule({ record: '() => { throw new Error("boom") }' }))
    const started = await app.start({ migrate: true, from: [data], reads: ['1.0.0'] })
    expect(started).toMatchObject({ schemaVersion: '1.0.0', readable: true, migrated: false })
    expect(started.error?.code).toBe('MIGRATION_FAILED')
    expect(contents(started.directory)).toEqual(contents(data))
  })

  it('with two places that hold data throws AMBIGUOUS, and makes no store', async () => {
    const { app, data, dir } = await application()
    put(dir, 'other/config.json', readFileSync(join(data, 'config.json')))
    const error = await refusal(app.start({ from: [data, join(dir, 'other')] }))
    expect(error.code).toBe('AMBIGUOUS')
    expect(error.data.candidates).toHaveLength(2)
    expect((await app.checkMigrationsNeeded()).state).toBe('no-store')
  })
})

describe('jobs', () => {
  it('a cancelled one is failed with CANCELLED, everything as it was; the next works', async () => {
    const { app, data, store } = await application()
    await app.init({ from: data })
    const before = await app.checkMigrationsNeeded()
    const job = await app.startMigration()
    app.cancelMigration()
    expect(await app.waitForJob(job.id)).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(/^CANCELLED/),
      errorCode: 'CANCELLED',
    })
    const after = await app.checkMigrationsNeeded()
    expect(after).toMatchObject({ state: 'pending', snapshot: before.snapshot })
    expect(contents(join(store, 'staging'))).toEqual({})
    expect(await app.waitForJob((await app.startMigration()).id)).toMatchObject({ status: 'completed' })
  })

  it('cancelling when nothing runs does nothing', async () => {
    const { app, data } = await application()
    app.cancelMigration()
    await app.init({ from: data })
    app.cancelMigration()
    expect(await app.waitForJob((await app.startMigration()).id)).toMatchObject({ status: 'completed' })
  })

  it('waitForJob knows jobs of earlier processes from the journal, and no others', async () => {
    const { app, data, open } = await application()
    await app.init({ from: data })
    const { id } = await app.startMigration()
    await app.waitForJob(id)
    expect(await (await open()).waitForJob(id)).toMatchObject({ id, status: 'completed' })
    expect((await refusal(app.waitForJob('job-nope'))).code).toBe('ABSENT')
  })

  it('two at once in one process: the second is refused or waits, none is lost, the result is one migration', async () => {
    const { app, data, open } = await application()
    await app.init({ from: data })
    const other = await open()
    const outcomes = await Promise.allSettled([app.startMigration().then((j) => app.waitForJob(j.id)), other.startMigration()])
    for (const o of outcomes) if (o.status === 'rejected') expect((o.reason as { code: string }).code).toBe('LOCKED')
    expect((await app.history()).filter((e) => e.type === 'MigrationStarted')).toHaveLength(1)
    expect((await app.checkMigrationsNeeded()).currentVersion).toBe('2.2.0')
  })

  it('log entries have time, level, step, file and message', async () => {
    const { app, data, logged } = await application()
    await app.init({ from: data })
    await app.waitForJob((await app.startMigration()).id)
    expect(logged.map((l) => l.step)).toEqual(expect.arrayContaining(['1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0']))
    for (const entry of logged) {
      expect(Number.isNaN(Date.parse(entry.time))).toBe(false)
      expect(['info', 'warning', 'error']).toContain(entry.level)
      expect(entry.message).not.toBe('')
    }
  })
})

describe('errors', () => {
  it('are StrataErrors only, with a code of the documented union and a hint', async () => {
    const { app, data, dir } = await application()
    const calls = [
      app.startMigration(),
      app.rollbackMigration(),
      app.redo(),
      app.checkpoint(),
      app.history(),
      app.fileHistory('x'),
      app.diff('@', '@-'),
      app.show('@'),
      app.readFile('@', 'x'),
      app.validateDataIntegrity(),
      app.plan(),
      app.init({ from: join(dir, 'nope') }),
    ]
    for (const call of calls) {
      const error = await refusal(call)
      expect(library.ERROR_CODES).toContain(error.code)
      expect(`${error.code}: ${error.hint}`).not.toMatch(/: $/)
    }
    await app.init({ from: data })
    expect((await refusal(app.startMigration({ to: '9.9.9' }))).code).toBe('ABSENT')
  })

  it('of a module that is none, or exports no dataset, name it', async () => {
    const { open, dir } = await application()
    const missing = join(dir, 'missing.mjs')
    expect((await refusal(open(missing))).message).toContain(missing)
    put(dir, 'none.mjs', 'export default {}')
    expect((await refusal(open(join(dir, 'none.mjs')))).message).toContain('none.mjs')
  })
})
