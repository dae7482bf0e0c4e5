import { describe, expect, test } from 'vitest'
import { config, configWith, DAILY, DAY, google, HOURLY, limits, take, web } from './support.ts'

type Measured = { at?: string; ms?: number | null; ok?: boolean; id?: string }

/** A record of shape A (so that nothing of the instant is lost), at noon UTC unless said otherwise. */
const record = ({ at = '2025-12-08T12:00:00Z', ms = 1, ok = true, id = 'Default-Google DNS' }: Measured) => ({
  timestamp: at,
  endpoint_id: id,
  latency_ms: ms,
  status: ok ? 'success' : 'failure',
})

const up = (records: readonly Measured[], of: object = config) => take({ 'config.json': of, [DAY]: records.map(record) })
const hourly = (records: readonly Measured[], of?: object) => up(records, of).json('2.1.0', HOURLY).aggregates
const daily = (records: readonly Measured[], of?: object) => up(records, of).json('2.1.0', DAILY).aggregates
const stats = (latencies: readonly (number | null)[]) => daily(latencies.map((ms) => ({ ms })))[0]

const NOON = 1765195200000
const MIDNIGHT = 1765152000000

test('a row, member for member', () => {
  const rows = hourly([{ ms: 10 }, { ms: 20 }, { ms: 30 }, { ms: 40 }, { ms: 5000, ok: false }])
  expect(JSON.stringify(rows)).toBe(
    JSON.stringify([
      {
        startTime: NOON,
        endTime: NOON + 3600000,
        endpointId: 'fd6a02b',
        region: 'Default',
        testCount: 5,
        successCount: 4,
        failureCount: 1,
        avgLatencyMs: 25,
        minLatencyMs: 10,
        maxLatencyMs: 40,
        p95LatencyMs: 40,
        stdDevLatencyMs: 11.18,
        availabilityPercent: 80,
      },
    ]),
  )
})

test.each([
  [HOURLY, 'hourly'],
  [DAILY, 'daily'],
])('%s is a file that the migration creates', (path, period) => {
  const doc = up([]).json('2.1.0', path)
  expect(Object.entries(doc)).toEqual([
    [
      'header',
      {
        formatVersion: '1',
        schemaVersion: '2.1.0',
        createdWith: 'Strata',
        migrations: [{ version: '2.1.0', description: 'Add aggregation data' }],
      },
    ],
    ['date', '2025-12-08'],
    ['period', period],
    ['aggregates', []],
  ])
})

test('every readable day has its pair, and everything else keeps its bytes', () => {
  const torn = 'data/2025-12-09.json'
  const taken = take({ 'config.json': config, [DAY]: [record({})], [torn]: '[{' })
  expect([...taken.files('2.1.0').keys()].sort()).toEqual([DAILY, HOURLY, 'config.json', DAY, torn])
  for (const path of ['config.json', DAY, torn]) expect(taken.files('2.1.0').get(path)).toEqual(taken.files('2.0.0').get(path))
})

describe('buckets', () => {
  test('are UTC hours, the end exclusive', () => {
    const rows = hourly([{ at: '2025-12-08T12:59:59.999Z' }, { at: '2025-12-08T08:00:00-05:00' }, { at: '2025-12-08T12:00:00Z' }])
    expect(rows.map((r: { startTime: number; testCount: number }) => [r.startTime, r.testCount])).toEqual([
      [NOON, 2],
      [NOON + 3600000, 1],
    ])
  })

  test('are UTC days: a local day touches two', () => {
    const rows = daily([{ at: '2025-12-08T18:59:59.999-05:00' }, { at: '2025-12-08T19:00:00-05:00' }])
    expect(rows.map((r: { startTime: number; endTime: number }) => [r.startTime, r.endTime])).toEqual([
      [MIDNIGHT, MIDNIGHT + 86400000],
      [MIDNIGHT + 86400000, MIDNIGHT + 2 * 86400000],
    ])
  })

  test('before 1970 are floored too', () => {
    expect(hourly([{ at: '1969-12-31T23:59:59.5Z' }])[0].startTime).toBe(-3600000)
    expect(daily([{ at: '1969-12-31T23:59:59.5Z' }])[0].startTime).toBe(-86400000)
  })

  test('are sorted by start, then by endpoint', () => {
    const at = (hour: number, id: string) => ({ at: `2025-12-08T${hour}:00:00Z`, id: `Default-${id}` })
    const rows = hourly([at(13, 'Google DNS'), at(12, 'Google DNS'), at(13, 'GitHub HTTP'), at(12, 'GitHub HTTP'), at(13, 'Google DNS')])
    expect(rows.map((r: { startTime: number; endpointId: string }) => `${(r.startTime - NOON) / 3600000} ${r.endpointId}`)).toEqual([
      '0 c7ac87a',
      '0 fd6a02b',
      '1 c7ac87a',
      '1 fd6a02b',
    ])
  })

  test('leave emptied records out', () => {
    const zero = { ts: 0, id: '', ms: 0, st: 0, err: null }
    expect(take({ 'config.json': config, [DAY]: [zero, zero] }).json('2.1.0', DAILY).aggregates).toEqual([])
  })
})

describe('region', () => {
  test('is the first one in the configuration', () => {
    const of = configWith({ B: { endpoints: [web], thresholds: limits }, A: { endpoints: [google] }, C: { endpoints: [google] } })
    expect(daily([{ id: 'C-Google DNS' }], of)[0].region).toBe('A')
  })
  test('is null for an orphan', () => expect(daily([{ id: 'Default-Gone' }])[0].region).toBeNull())
})

describe('latencies', () => {
  test('of failures do not count', () => {
    expect(daily([{ ms: 10 }, { ms: 9000, ok: false }])[0]).toMatchObject({ maxLatencyMs: 10, testCount: 2, failureCount: 1 })
  })

  test('a success without one is a test, not a latency', () => {
    expect(stats([null, 30])).toMatchObject({ testCount: 2, successCount: 2, avgLatencyMs: 30, minLatencyMs: 30, availabilityPercent: 100 })
  })

  test('are null where there are none', () => {
    const row = daily([{ ok: false }])[0]
    const none = { avgLatencyMs: null, minLatencyMs: null, maxLatencyMs: null, p95LatencyMs: null, stdDevLatencyMs: null }
    expect(row).toMatchObject({ ...none, availabilityPercent: 0 })
  })

  test.each([
    [1, 1],
    [2, 2],
    [19, 19],
    [20, 19],
    [21, 20],
    [40, 38],
    [100, 95],
    [101, 96],
  ])('of 1 to %d, the 95th percentile is %d', (n, p95) => {
    expect(stats(Array.from({ length: n }, (_, i) => n - i)).p95LatencyMs).toBe(p95)
  })

  test('are sorted as numbers', () => expect(stats([9, 10, 100])).toMatchObject({ minLatencyMs: 9, maxLatencyMs: 100, p95LatencyMs: 100 }))
})

describe('rounding, half up to three decimals, of exact sums', () => {
  test.each([
    [[14.523, 14.524], 14.524],
    [[0.001, 0.002], 0.002],
    [[1, 1, 2], 1.333],
    [[1, 2, 2], 1.667],
    [[0.1, 0.2], 0.15],
    [[-0.001, -0.002], -0.001],
    [[9007199254740991, 9007199254740991, 9007199254740991], 9007199254740991],
  ])('the mean of %j is %d', (latencies, avg) => expect(stats(latencies).avgLatencyMs).toBe(avg))

  test.each([
    [[5], 0],
    [[1, 2], 0.5],
    [[10, 20, 30, 40], 11.18],
    [[0, 0.001], 0.001],
    [[0, 0.003], 0.002],
    [[0.1, 0.1, 0.1], 0],
    [[1e9, 1e9 + 1], 0.5],
    [[94906267, 94906267, 94906267], 0],
  ])('the deviation of %j is %d', (latencies, deviation) => expect(stats(latencies).stdDevLatencyMs).toBe(deviation))

  test.each([
    [2, 3, 66.667],
    [1, 3, 33.333],
    [1, 64, 1.563],
    [63, 64, 98.438],
  ])('%d of %d tests is %d percent available', (successes, tests, percent) => {
    const rows = daily(Array.from({ length: tests }, (_, i) => ({ ok: i < successes })))
    expect(rows[0].availabilityPercent).toBe(percent)
  })

  test('a latency of 2^53+1 is not rounded on the way', () => {
    const text = `[{"ts":1765195200,"id":"fd6a02b","ms":9007199254740993,"st":0,"err":null}]`
    expect(take({ 'config.json': config, [DAY]: text }).text('2.1.0', DAILY)).toContain('"minLatencyMs": 9007199254740993')
  })
})
