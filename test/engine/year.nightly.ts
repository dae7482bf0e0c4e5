import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { App } from '../../src/engine/app.ts'
import { temporary } from '../contract/temporary.ts'
import { NETMONITOR } from '../support/library.ts'

/**
 * A year of NetMonitor: every day a file that grows from checkpoint to checkpoint, a retention of 90 days, a migration in the middle,
 * and what a careful application does once a month: prune and gc.
 */

const DAYS = 365
const KEPT = 90
const CHECKPOINTS = 4
const RECORDS = 60
const DAY_MS = 86_400_000
const START = Date.UTC(2026, 0, 1)

const sizeOf = (dir: string): number =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)

const CONFIG = {
  regions: { Default: { endpoints: [{ name: 'Google DNS', type: 'ICMP', address: '8.8.8.8', timeout: 1000 }], thresholds: {} } },
  settings: { test_interval_minutes: 5, data_retention_days: KEPT, notifications_enabled: true },
}

let random = 1
const next = (): number => (random = (random * 16_807) % 2_147_483_647)

type Day = { results?: unknown[] } | unknown[]

const dateOf = (day: number): string => new Date(START + day * DAY_MS).toISOString().slice(0, 10)

/** So many records more in the file of a day, in the form of the version that is active. */
const write = (root: string, day: number, version: string, count: number): void => {
  const date = dateOf(day)
  const path = join(root, `data/${date}.json`)
  const records = Array.from({ length: count }, (_, i) => {
    const ts = START + day * DAY_MS + (next() % DAY_MS) + i
    const ms = next() % 900
    return version === '1.0.0'
      ? { ts, id: 'fd6a02b', ms, st: 0, err: null }
      : { ts, endpoint_id: 'fd6a02b', latency_ms: ms, status: 'success' }
  })
  let known: Day =
    version === '1.0.0'
      ? []
      : ({ header: { formatVersion: '1', schemaVersion: '1.2.0', createdWith: 'NetMonitor', migrations: [] }, date, results: [] } as Day)
  try {
    known = JSON.parse(readFileSync(path, 'utf8')) as Day
  } catch {
    // The first of the day.
  }
  ;(Array.isArray(known) ? known : (known.results ?? [])).push(...records)
  writeFileSync(path, JSON.stringify(known, null, 2))
  const past = Date.now() / 1000 - 60
  utimesSync(path, past, past)
}

test('a year of daily use costs two copies of the data, and at most 8 KB for each checkpoint; every byte of it is sound', {
  timeout: 600_000,
}, async () => {
  const dir = temporary()
  const from = join(dir, 'data')
  mkdirSync(join(from, 'data'), { recursive: true })
  writeFileSync(join(from, 'config.json'), JSON.stringify(CONFIG, null, 2))
  // Time goes on as the days do: what is old is old by the clock of the store.
  let now = START
  const app = await App.open({ store: join(dir, 'store'), migrations: NETMONITOR, now: () => new Date((now += 1000)), workers: 0 })
  await app.init({ from })
  for (let day = 0; day < DAYS; day++) {
    now = START + day * DAY_MS
    const { directory, currentVersion } = await app.checkMigrationsNeeded()
    for (let n = 0; n < CHECKPOINTS; n++) {
      write(directory, day, currentVersion, RECORDS / CHECKPOINTS)
      await app.checkpoint()
    }
    const old = join(directory, `data/${dateOf(day - KEPT)}.json`)
    rmSync(old, { force: true })
    if (day % 30 === 29) {
      await app.prune({ directories: 0, days: KEPT })
      await app.gc()
    }
    if (day === Math.floor(DAYS / 2)) {
      const job = await app.startMigration()
      expect((await app.waitForJob(job.id)).status).toBe('completed')
    }
  }
  await app.prune({ directories: 0, days: KEPT })
  await app.gc()
  const { directory } = await app.checkMigrationsNeeded()
  const [active, store] = [sizeOf(directory), sizeOf(join(dir, 'store'))]
  expect(readdirSync(join(dir, 'store/repo.git/objects/pack')).length).toBeLessThan(80)
  expect((await app.validateDataIntegrity()).valid).toBe(true)
  process.stdout.write(`a year: ${DAYS * CHECKPOINTS} checkpoints, data ${active} bytes, store ${store} bytes\n`)
  expect(store).toBeLessThan(2 * active + 8_000 * DAYS * CHECKPOINTS)
})
