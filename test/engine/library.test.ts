import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import type * as Library from '../../src/index.ts'
import { temporary } from '../contract/temporary.ts'
import { makeOriginal } from '../crash/scenarios.ts'

/** The built library, as an application imports it; workers load the built migrations. */
const dist = join(import.meta.dirname, '../../dist')
const library = (await import(pathToFileURL(join(dist, 'index.js')).href)) as typeof Library
const NETMONITOR = join(dist, 'netmonitor.js')

const place = (): { store: string; original: string } => {
  const dir = temporary()
  const original = join(dir, 'original')
  makeOriginal(original)
  return { store: join(dir, 'store'), original }
}

const open = (store: string, more: Partial<Library.AppOptions> = {}): Promise<Library.App> =>
  library.App.open({ store, migrations: NETMONITOR, ...more })

const sorted = (value: object): string[] => Object.keys(value).sort()

describe("the task's five methods", () => {
  test('answer with exactly the members that the task names, and more', async () => {
    const { store, original } = place()
    const app = await open(store)
    expect((await app.checkMigrationsNeeded()).state).toBe('no-store')
    await app.init({ from: original })
    const status = await app.checkMigrationsNeeded()
    expect(status).toMatchObject({ needed: true, currentVersion: '1.0.0', targetVersion: '2.1.0', state: 'pending' })
    expect(status.pending.map((p) => p.version)).toEqual(['1.1.0', '1.2.0', '2.0.0', '2.1.0'])

    const job = await app.startMigration()
    expect(job.status).toBe('pending')
    for (const name of [
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
    ])
      expect(sorted(job)).toContain(name)
    const done = await app.waitForJob(job.id)
    expect(done).toMatchObject({
      status: 'completed',
      fromVersion: '1.0.0',
      toVersion: '2.1.0',
      filesProcessed: 3,
      totalFiles: 3,
      error: '',
    })
    expect(nodeFs.existsSync(join(done.backupPath, 'config.json'))).toBe(true)

    const progress = await app.getMigrationStatus()
    expect(progress).toMatchObject({ phase: 'done', filesDone: 3, filesTotal: 3, job: { id: job.id, status: 'completed' } })
    const report = await app.validateDataIntegrity()
    expect(sorted(report)).toEqual(['errorsFound', 'filesChecked', 'issues', 'valid', 'warningsFound'])
    expect(report).toMatchObject({ valid: true, errorsFound: 0 })

    await app.rollbackMigration(job.id)
    expect(await app.checkMigrationsNeeded()).toMatchObject({ state: 'held', currentVersion: '1.0.0' })
    await app.redo()
    expect(await app.checkMigrationsNeeded()).toMatchObject({ state: 'up-to-date', currentVersion: '2.1.0', needed: false })
  })

  test('a job that has nothing to do is complete at once', async () => {
    const { store } = place()
    const app = await open(store)
    await app.start({ from: [] })
    expect(await app.startMigration()).toMatchObject({ id: '', status: 'completed', fromVersion: '2.1.0', toVersion: '2.1.0' })
  })
})

describe('start-up is one call', () => {
  test('that makes the store, migrates when asked to, and names the active directory', async () => {
    const { store, original } = place()
    const app = await open(store)
    const first = await app.start({ from: [original] })
    expect(first).toMatchObject({ schemaVersion: '1.0.0', migrated: false, readable: false, error: null })
    const second = await app.start({ migrate: true, reads: ['2.1.0'] })
    expect(second).toMatchObject({ schemaVersion: '2.1.0', migrated: true, readable: true })
    expect(nodeFs.existsSync(join(second.directory, 'config.json'))).toBe(true)
    expect(await app.start({ migrate: true, reads: ['1.0.0'] })).toMatchObject({
      migrated: false,
      readable: false,
      snapshot: second.snapshot,
    })
  })

  test('after a rollback leaves the data where it is', async () => {
    const { store, original } = place()
    const app = await open(store)
    await app.start({ from: [original], migrate: true })
    await app.rollbackMigration()
    expect(await app.start({ migrate: true })).toMatchObject({ schemaVersion: '1.0.0', migrated: false })
    await app.waitForJob((await app.startMigration()).id).catch(() => undefined)
    expect((await app.start({ migrate: true })).schemaVersion).toBe('2.1.0')
  })
})

/** One day of about `megabytes`, in shape A. */
const bigDay = (original: string, megabytes: number): void => {
  const record = (i: number): object => ({
    timestamp: `2026-01-02T${String(Math.floor(i / 36000) % 24).padStart(2, '0')}:00:00.${String(1000000 + (i % 8999999))}-05:00`,
    endpoint_id: 'Default-Google DNS',
    latency_ms: 20 + (i % 90),
    status: 'success',
  })
  const text = JSON.stringify(
    Array.from({ length: Math.round((megabytes * 1e6) / 150) }, (_, i) => record(i)),
    null,
    2,
  )
  nodeFs.writeFileSync(join(original, 'data/2026-01-02.json'), text)
}

describe('while a 100 MB file is being transformed', () => {
  test('status answers within a tenth of a second, and its counts are true', { timeout: 180_000 }, async () => {
    const { store, original } = place()
    bigDay(original, 100)
    const app = await open(store)
    await app.init({ from: original })
    const job = await app.startMigration()
    const seen: Library.MigrationProgress[] = []
    const waits: number[] = []
    const ended = new AbortController()
    const done = app.waitForJob(job.id).finally(() => {
      ended.abort()
    })
    while (!ended.signal.aborted) {
      const before = performance.now()
      await setImmediate()
      seen.push(await app.getMigrationStatus())
      waits.push(performance.now() - before)
      await setTimeout(5)
    }
    expect((await done).status).toBe('completed')
    const working = seen.filter((p) => p.phase === 'migrating')
    expect(working.length).toBeGreaterThan(20)
    for (const p of seen) expect(p.filesDone).toBeLessThanOrEqual(p.filesTotal)
    expect(working.some((p) => p.filesDone < p.filesTotal)).toBe(true)
    expect(await app.getMigrationStatus()).toMatchObject({ phase: 'done', filesDone: 3, filesTotal: 3 })
    // Other programs share this machine: the typical answer is what the promise is about.
    const typical = waits.sort((a, b) => a - b)[Math.floor(waits.length * 0.99)] ?? 0
    expect(typical).toBeLessThan(100)
  })

  test('it can be cancelled: the job fails with CANCELLED, and the old snapshot stays', { timeout: 120_000 }, async () => {
    const { store, original } = place()
    bigDay(original, 20)
    const app = await open(store)
    await app.init({ from: original })
    const job = await app.startMigration()
    app.cancelMigration()
    const ended = await app.waitForJob(job.id)
    expect(ended.status).toBe('failed')
    expect(ended.error).toMatch(/^CANCELLED/)
    expect(await app.checkMigrationsNeeded()).toMatchObject({ currentVersion: '1.0.0', state: 'pending' })
    expect(nodeFs.readdirSync(join(store, 'staging'))).toEqual([])
    expect((await app.validateDataIntegrity()).valid).toBe(true)
  })
})

describe('two writers', () => {
  test('the second is told who holds the store, or waits; readers never wait', { timeout: 120_000 }, async () => {
    const { store, original } = place()
    bigDay(original, 20)
    const app = await open(store, { app: 'NetMonitor' })
    await app.init({ from: original })
    const job = await app.startMigration()
    const other = await open(store, { app: 'settings page' })
    await expect(other.checkpoint()).rejects.toMatchObject({ code: 'LOCKED', data: { holder: { app: 'NetMonitor', pid: process.pid } } })
    expect((await other.checkMigrationsNeeded()).currentVersion).toBe('1.0.0')
    const patient = await open(store, { waitMs: 60_000 })
    await patient.checkpoint()
    expect((await app.waitForJob(job.id)).status).toBe('completed')
  })
})
