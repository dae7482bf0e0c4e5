import { describe, expect, test } from 'vitest'
import { immutablePaths } from '../../src/core/dataset.ts'
import netmonitor, { sampleFiles } from '../../migrations/index.ts'
import { config, take, textOf, VERSIONS } from './support.ts'

describe('detection', () => {
  const detect = (path: string, head: string) => netmonitor.detect?.({ path, head })

  test.each([
    ['config.json', JSON.stringify(config, null, 2)],
    ['config.json', '{"settings":{}'],
    ['data/2025-12-08.json', '[\n  {'],
    ['data/2025-12-08.json', '[]'],
    ['data/2025-12-08.json', '\uFEFF []'],
  ])('%s that starts %j is 1.0.0', (path, head) => expect(detect(path, head)).toBe('1.0.0'))

  test.each([
    ['config.json', '{"theme":1}'],
    ['config.json', ''],
    ['data/2025-12-08.json', '{}'],
    ['data/2025-12-08.json', ''],
    ['data/2025-12-10_optimized.json', '[]'],
    ['package.json', '{"regions":{}}'],
  ])('%s that starts %j is not told', (path, head) => expect(detect(path, head)).toBeNull())
})

test('logs and the store are not part of the dataset', () => expect(netmonitor.ignore).toEqual(['logs/**', 'store/**']))

test('a day that is over is never written again, in whatever form, nor what was worked out of it; the newest two are', () => {
  const paths = [
    'config.json',
    'data/2025-12-07.msgpack.gz',
    'data/2025-12-08.json',
    'data/2025-12-08.msgpack.gz',
    'data/2025-12-09.json',
    'data/2025-12-10.json',
    'data/2025-12-01_optimized.json',
    'aggregated/2025-12-08-daily.json',
    'aggregated/2025-12-08-hourly.json',
    'aggregated/2025-12-09-daily.json',
    'aggregated/2026-01-01-daily.json',
    'index.json',
  ]
  const closed = [paths[1], paths[2], paths[3], paths[7], paths[8]]
  expect([...immutablePaths(netmonitor, paths)]).toEqual(closed)
  expect([...immutablePaths(netmonitor, paths.slice(0, 1))]).toEqual([])
  expect([...immutablePaths(netmonitor, ['data/2025-12-09.json', 'data/2025-12-10.json'])]).toEqual([])
})

test('the chain is the one of the contract', () => {
  const { chain } = netmonitor
  expect(chain.schemas.map((s) => s.version)).toEqual([...VERSIONS])
  expect(chain.migrations.map((m) => m.description)).toEqual([
    'Add endpoint metadata fields',
    'Change timestamp format',
    'Restructure configuration format',
    'Add aggregation data',
    'Compact history',
  ])
  for (const m of chain.migrations) expect([Number.isNaN(Date.parse(m.createdAt)), m.changes.length > 0]).toEqual([false, true])
})

test('the data may lie in the configuration directory, or beside the program', () => {
  const at = (platform: string, env: Record<string, string> = {}) => netmonitor.locations?.({ platform, home: 'HOME', cwd: 'HERE', env })
  expect(at('win32', { APPDATA: 'C:\\A' })).toEqual(['C:\\A\\NetMonitor', 'HERE'])
  expect(at('linux')).toEqual(['HOME/.config/NetMonitor', 'HERE'])
  expect(at('linux', { XDG_CONFIG_HOME: '/x' })).toEqual(['/x/NetMonitor', 'HERE'])
})

test('a fresh install is of the newest shape and has no migrations behind it', () => {
  const files = netmonitor.initial?.() ?? {}
  expect(Object.keys(files)).toEqual(['config.json'])
  expect(files['config.json']).toMatchObject({ header: { schemaVersion: '2.2.0', migrations: [] } })
  expect(netmonitor.chain.schemas.at(-1)?.kinds.config?.doc.safeParse(files['config.json']).success).toBe(true)
})

describe('sample data', () => {
  const files = new Map(sampleFiles({ days: 6, endDate: '2025-11-05', seed: 7 }))
  const texts = [...files].filter(([path]) => path !== 'config.json').map(([, bytes]) => textOf(bytes))

  test('is a configuration and a file a day, up to the last one', () => {
    expect([...files.keys()]).toEqual([
      'config.json',
      ...['10-31', '11-01', '11-02', '11-03', '11-04', '11-05'].map((day) => `data/2025-${day}.json`),
    ])
  })

  test('is the same for the same seed, and other for another', () => {
    expect([...sampleFiles({ days: 6, endDate: '2025-11-05', seed: 7 })]).toEqual([...files])
    expect([...sampleFiles({ days: 6, endDate: '2025-11-05', seed: 8 })]).not.toEqual([...files])
  })

  test('covers every shape, failures, timeouts, emptied records, an orphan and an ampersand', () => {
    const all = texts.join('\n')
    for (const part of [
      /"timestamp": ".*-04:00"/,
      /"ts": \d{10},/,
      /"ts": \d{13},/,
      /"ts": 0,\n\s+"id": "",/,
      /"st": 1,/,
      /"st": 2,/,
      /"err": \{\}/,
      /"error": "/,
      /Default-Old-Router/,
      /R\\u0026D \\u003clab\\u003e/,
    ])
      expect(all).toMatch(part)
    for (const text of texts) expect((JSON.parse(text) as unknown[]).length).toBeGreaterThan(300)
  })

  test("is written as Go writes it: any JSON text of it is what Go's encoder would give", () => {
    for (const text of texts) {
      expect(text).toBe(
        JSON.stringify(JSON.parse(text), null, 2).replaceAll('&', '\\u0026').replaceAll('<', '\\u003c').replaceAll('>', '\\u003e'),
      )
      expect(text).not.toMatch(/\.\d*0(?:-0\d:00|Z)"/)
    }
  })

  test('migrates with nothing to report but orphans and emptied records', () => {
    const { issues } = take(files)
    expect(new Set(issues.map((found) => found.code))).toEqual(new Set(['ORPHANED_ENDPOINT', 'EMPTY_RECORD']))
  })
})
