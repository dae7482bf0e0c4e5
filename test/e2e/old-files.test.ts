import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { decode } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import { captured, migrated, sample } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { contents, json } from '../support/tree.ts'

/** Files of older versions that appear in NetMonitor's up-to-date data: a restored backup, an old build that ran once. */

const DATES = ['2025-12-11', '2025-12-12', '2025-12-13', '2025-12-14']
const SOURCE = 'data/2025-12-11.json'
const A = [
  { timestamp: '2025-11-01T17:32:19.4320309-05:00', endpoint_id: 'Default-Google DNS', latency_ms: 144, status: 'success' },
  { timestamp: '2025-11-01T17:32:20-05:00', endpoint_id: 'Default-Google DNS', latency_ms: 0, status: 'failure', error: 'no route' },
]
const B = [{ ts: 1765233139, id: 'fd6a02b', ms: 144, st: 0, err: null }]
const C = [{ ts: 1765233139432, id: 'fd6a02b', ms: 144, st: 1, err: null }]
const pairOf = (date: string): string[] => [`aggregated/${date}-daily.json`, `aggregated/${date}-hourly.json`]
const codes = (box: Sandbox): [string, string][] =>
  box.doc('status').findings.map(({ code, file }: { code: string; file: string }) => [code, file])

/** The day that the sample begins with, as it was in every version, under another date. */
const versions = (date: string): Record<string, unknown> => {
  const box = captured(sample(1))
  const path = 'data/2025-12-14.json'
  const found: Record<string, unknown> = { '1.0.0': json(box.active(), path) }
  for (const version of ['1.1.0', '1.2.0', '2.1.0']) {
    box.ok('migrate', '--to', version)
    found[version] = { ...json(box.active(), path), date }
  }
  return found
}

describe('a day of an older version', () => {
  it('of each shape and version is found, and taken through the chain alone, with its aggregates and its place in the index', () => {
    const box = migrated(sample(4))
    const days: [string, unknown][] = [
      ['2025-11-01', A],
      ['2025-11-02', B],
      ['2025-11-03', C],
      ['2025-11-04', [...A, ...B, ...C]],
      ['2025-11-05', []],
      ...Object.values(versions('2025-11-06')).map((day, i): [string, unknown] => [
        `2025-11-${10 + i}`,
        Array.isArray(day) ? day : { ...(day as object), date: `2025-11-${10 + i}` },
      ]),
      ['2026-01-01', C],
    ]
    const before = contents(box.active())
    for (const [date, day] of days) box.edit(`data/${date}.json`, day)
    const files = days.map(([date]) => `data/${date}.json`)
    expect(box.doc('plan').plan).toMatchObject({ kind: 'mend', files })
    box.ok('checkpoint')
    expect(codes(box)).toEqual(files.map((file) => ['LEGACY_FILE', file]))
    box.ok('migrate')
    expect(codes(box)).toEqual([])
    const now = contents(box.active())
    for (const path of Object.keys(before).filter((path) => path !== 'index.json')) expect(now[path], path).toBe(before[path])
    expect(Object.keys(now).sort()).toEqual([...Object.keys(before), ...files, ...days.flatMap(([date]) => pairOf(date))].sort())
    // As they would have come from a migration of them all.
    const whole = migrated(
      Object.fromEntries([...sample(4), ...days.slice(0, 5).map(([date, day]) => [`data/${date}.json`, day] as const)]),
    )
    for (const [date] of days.slice(0, 5)) {
      for (const path of pairOf(date)) expect(now[path], path).toBe(contents(whole.active())[path])
      const packed = decode(gunzipSync(readFileSync(join(whole.active(), `data/${date}.msgpack.gz`)))) as { results: { ts: number[] } }
      expect(json(box.active(), `data/${date}.json`).results).toHaveLength(packed.results.ts.length)
    }
    const indexed = json(box.active(), 'index.json').days.map(({ file }: { file: string }) => file)
    expect(indexed).toEqual([...files.slice(0, -1), ...Object.keys(before).filter((path) => path.startsWith('data/')), files.at(-1)])
    expect(box.run(['verify']).code).toBe(0)
  })

  it('in the place of a day that there is: its records, and its aggregates', () => {
    const box = migrated(sample(2))
    box.edit('data/2025-12-14.json', C)
    box.ok('migrate')
    expect(json(box.active(), 'data/2025-12-14.json').results).toMatchObject([{ ts: 1765233139432, st: 1 }])
    expect(json(box.active(), 'aggregated/2025-12-14-daily.json').aggregates).toMatchObject([{ testCount: 1, failureCount: 1 }])
  })

  it('beside the compact form of that day: both are kept and told, nothing of the other changes, and a rollback has all records once', () => {
    const box = migrated(sample(4))
    const before = contents(box.active())
    box.edit(SOURCE, C)
    expect(box.run(['migrate']).stderr).toContain('FILE_TWICE')
    const now = contents(box.active())
    for (const path of ['data/2025-12-11.msgpack.gz', ...pairOf('2025-12-11')]) expect(now[path]).toBe(before[path])
    expect(json(box.active(), SOURCE).results).toHaveLength(1)
    const records = (json(box.data, SOURCE) as unknown[]).length
    box.ok('rollback', '1.1.0')
    const back = json(box.active(), SOURCE) as { ts?: number }[]
    expect(back).toHaveLength(records + 1)
  })

  it('of more than 8 MB as well', () => {
    const box = migrated(sample(4))
    const before = contents(box.active())
    const many = Array.from({ length: 130_000 }, (_, i) => ({ ts: 1765233139432 + i, id: 'fd6a02b', ms: 144, st: 0, err: null }))
    box.edit(SOURCE, JSON.stringify(many))
    box.edit('data/2025-11-01.json', JSON.stringify(many))
    expect(box.run(['migrate']).stderr).toContain('FILE_TWICE')
    const now = contents(box.active())
    for (const path of pairOf('2025-12-11')) expect(now[path]).toBe(before[path])
    expect(json(box.active(), 'aggregated/2025-11-01-daily.json').aggregates).toMatchObject([{ testCount: 130_000 }])
    expect(json(box.active(), SOURCE).results).toHaveLength(130_000)
  })

  it('as a restored config.json is taken up as well', () => {
    const box = migrated(sample(2))
    const now = contents(box.active())['config.json']
    for (const version of ['1.0.0', '1.1.0', '2.0.0']) {
      const old = captured(sample(2))
      if (version !== '1.0.0') old.ok('migrate', '--to', version)
      box.edit('config.json', readFileSync(join(old.active(), 'config.json'), 'utf8'))
      expect(box.doc('plan').plan).toMatchObject({ kind: 'mend', files: ['config.json'] })
      box.ok('migrate')
      expect(contents(box.active())['config.json']).toBe(now)
    }
  })
})

it('days that are up to date are no finding, whatever their format', () => {
  const box = migrated(sample(4))
  for (const date of DATES) expect(Object.keys(contents(box.active())).some((path) => path.startsWith(`data/${date}`))).toBe(true)
  box.edit('data/2025-12-15.json', { ...json(box.active(), 'data/2025-12-14.json'), date: '2025-12-15' })
  box.ok('checkpoint')
  expect(codes(box)).toEqual([])
})
