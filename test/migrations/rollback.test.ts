import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { back, backJson, bytesOf, config, configWith, DAY, filesOf, google, limits, named, take, textOf, web } from './support.ts'
import type { FileMap, Version } from './support.ts'

const A = { timestamp: '2025-12-08T17:32:19.4320309-05:00', endpoint_id: 'Default-Google DNS', latency_ms: 144, status: 'success' }
const B = { ts: 1765233139, id: 'fd6a02b', ms: 144, st: 0, err: null }
const C = { ts: 1765233139432, id: 'fd6a02b', ms: 144, st: 0, err: null }
const ZERO = { ts: 0, id: '', ms: 0, st: 0, err: null }

const upDown = (records: readonly unknown[], of?: object) => backJson(named(records, of).taken.files('1.1.0'), DAY, '1.1.0', '1.0.0')

/** The day at `version` with records added at its end, brought back to 1.0.0. */
const withNew = (records: readonly unknown[], version: Version, added: readonly unknown[]) => {
  const { taken } = named(records)
  const doc = taken.json(version, DAY)
  const files = new Map(taken.files(version)).set(DAY, bytesOf({ ...doc, results: [...doc.results, ...added] }))
  return backJson(files, DAY, version, '1.0.0')
}

describe('1.1.0 back', () => {
  test.each([
    ['A', [A, { ...A, status: 'failure', error: 'i/o timeout' }]],
    ['B', [B, { ...B, st: 1 }, { ...B, st: 2 }, { ...B, st: 2, err: 'no route' }]],
    ['C', [C, { ...C, ms: null }, { ...C, ms: 14.5 }]],
    ['B continued as C', [B, C]],
    ['emptied and continued as C', [ZERO, C]],
    ['unknown members', [{ note: 1, ...C, tail: [] }]],
    ['a status of its own', [{ ...C, status: 'mine' }]],
    ['an err that is an object', [{ ...C, st: 2, err: { Op: 'dial' } }]],
    ['an error that is no text', [{ ...A, error: 5 }]],
    [
      'instants that milliseconds cannot say',
      [
        { ...B, ts: 86400 },
        { ...B, ts: -86400 },
      ],
    ],
    ['nothing', []],
  ])('gives records of shape %s as they were', (_, records) => expect(upDown(records)).toEqual(records))

  test('orphans of shape A come back under their id, and keep it the next time', () => {
    const [orphan] = upDown([{ ...A, endpoint_id: 'Default-Gone' }])
    expect(named([orphan]).results).toEqual(named([{ ...A, endpoint_id: 'Default-Gone' }]).results)
  })

  test('the header and the metadata go', () => {
    const files = take({ 'config.json': config }, '1.0.0', '1.1.0').files('1.1.0')
    expect(backJson(files, 'config.json', '1.1.0', '1.0.0')).toEqual(config)
  })

  const added = { timestamp: '2025-12-08T23:00:00.123Z', endpoint_id: 'c7ac87a', latency_ms: 7, status: 'failure', error: 'timeout' }

  test('a new record of a day of shape A is of shape A', () => {
    expect(withNew([A], '1.1.0', [added])).toEqual([A, { ...added, endpoint_id: 'Default-GitHub HTTP' }])
  })

  test('a new record of a day of shape C is of shape C', () => {
    expect(withNew([C], '1.1.0', [added])).toEqual([C, { ts: 1765234800123, id: 'c7ac87a', ms: 7, st: 1, err: null }])
  })

  test('a new record of a day of shape B is in seconds if it can be', () => {
    const whole = { ...added, timestamp: '2025-12-08T23:00:00.000Z' }
    expect(withNew([B], '1.1.0', [whole, added]).slice(1)).toMatchObject([{ ts: 1765234800 }, { ts: 1765234800123 }])
  })

  test('what is added does not change how older records come back', () => {
    const many = Array.from({ length: 9 }, () => ({ ...added, timestamp: '2025-12-08T18:00:00.1234567-05:00' }))
    expect(withNew([C], '1.1.0', many)[0]).toEqual(C)
    expect(withNew([A], '1.1.0', Array(9).fill(added))[0]).toEqual(A)
  })

  test('a day that was not there before comes back in shape C', () => {
    const doc = {
      header: { formatVersion: '1', schemaVersion: '1.2.0', createdWith: 'NetMonitor 3.0', migrations: [] },
      date: '2025-12-08',
      utcOffset: '-05:00',
    }
    const files = filesOf({
      'config.json': config,
      [DAY]: { ...doc, results: [{ ts: C.ts, endpoint_id: 'fd6a02b', latency_ms: 144, status: 'success' }] },
    })
    expect(backJson(files, DAY, '1.2.0', '1.0.0')).toEqual([C])
  })
})

describe('1.2.0 back', () => {
  const down = (records: readonly unknown[]) => backJson(named(records).taken.files('1.2.0'), DAY, '1.2.0', '1.1.0')
  const at = (timestamp: string) => ({ ...A, timestamp })
  const timestamps = (records: readonly unknown[]) => down(records).results.map((r: { timestamp: string }) => r.timestamp)

  test('timestamps have the offset of the file and three digits', () => {
    expect(timestamps([at('2025-12-08T17:32:19.4320309-05:00'), at('2025-12-08T17:32:20-05:00')])).toEqual([
      '2025-12-08T17:32:19.432-05:00',
      '2025-12-08T17:32:20.000-05:00',
    ])
  })

  test("timestamps have the record's own offset where there is one", () => {
    const mixed = ['2025-11-02T01:59:59.000-04:00', '2025-11-02T01:00:00.000-05:00', '1969-12-31T23:59:58.500+00:00']
    expect(timestamps(mixed.map(at))).toEqual(mixed)
  })

  test('without any offset it is Z', () => {
    const header = { formatVersion: '1', schemaVersion: '1.2.0', createdWith: 'x', migrations: [] }
    const results = [{ ts: C.ts, endpoint_id: 'fd6a02b', latency_ms: 1, status: 'success' }]
    const files = filesOf({ 'config.json': config, [DAY]: { header, date: '2025-12-08', results } })
    expect(backJson(files, DAY, '1.2.0', '1.1.0').results[0].timestamp).toBe('2025-12-08T22:32:19.432Z')
  })

  test('emptied records are at 1970-01-01T00:00:00.000Z whatever the offset', () => {
    expect(timestamps([ZERO, at('2025-12-08T17:32:19-05:00')])[0]).toBe('1970-01-01T00:00:00.000Z')
    expect(backJson(named([ZERO, A]).taken.files('1.2.0'), DAY, '1.2.0', '1.0.0')[0]).toEqual(ZERO)
  })

  test('utcOffset and the step go from file and header', () => {
    const { taken } = named([at('2025-12-08T17:32:19.432-05:00')])
    expect(back(taken.files('1.2.0'), DAY, '1.2.0', '1.1.0')).toBe(taken.text('1.1.0', DAY))
  })
})

/* ---- random documents ---- */

const id = fc.constantFrom('fd6a02b', 'c7ac87a', '1234567')
const ms = fc.oneof(fc.integer({ min: 0, max: 9999 }), fc.constant(null), fc.constant(14.523))
const extra = fc.dictionary(fc.constantFrom('note', '443', '80', 'région', 'x'), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 })
const outcome = fc.constantFrom({ st: 0, err: null }, { st: 1, err: null }, { st: 2, err: null }, { st: 2, err: 'no <route>' })
// A first record on a whole second could be of shape B or C; it is taken for B, and the instant is the same.
const milliseconds = fc.integer({ min: 100_000_000_000, max: 4_000_000_000_000 }).filter((ts) => ts % 1000 !== 0)
const ts = fc.oneof(fc.integer({ min: 1, max: 9_999_999_999 }), milliseconds)
const compact = fc.tuple(ts, id, ms, outcome, extra).map(([ts, id, ms, { st, err }, more]) => ({ ts, id, ms, st, err, ...more }))

const offset = fc.constantFrom('-05:00', '-04:00', '+05:30')
const full = fc
  .tuple(
    fc.integer({ min: -1e11, max: 4e12 }),
    offset,
    fc.constantFrom('Default-Google DNS', 'Default-GitHub HTTP'),
    ms,
    fc.boolean(),
    extra,
  )
  .map(([instant, offset, endpoint_id, latency_ms, ok, more]) => {
    const timestamp = new Date(instant).toISOString().replace('Z', offset)
    return { timestamp, endpoint_id, latency_ms, status: ok ? 'success' : 'failure', ...(ok ? {} : { error: 'i/o timeout' }), ...more }
  })
const day = fc.oneof(fc.array(fc.oneof(compact, fc.constant(ZERO)), { maxLength: 12 }), fc.array(full, { maxLength: 12 }))

const endpoint = fc
  .tuple(fc.string(), fc.constantFrom('ICMP', 'TCP'), fc.string(), fc.nat(), extra)
  .map(([name, type, address, timeout, more]) => ({ name, type, address, timeout, ...more }))
const region = fc.record({ endpoints: fc.option(fc.array(endpoint, { minLength: 1, maxLength: 3 })), thresholds: fc.constant(limits) })
const windows = fc.constantFrom({}, { window_width: 800, window_x: -1 })
const configuration = fc
  .tuple(
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('443', '80', '__proto__', 'A-B')), region, { maxKeys: 4 }),
    windows,
    extra,
    extra,
    fc.nat(),
  )
  .map(([regions, window, unknown, more, seconds]) => ({
    regions,
    settings: { test_interval_seconds: seconds + 1, data_retention_days: 90, notifications_enabled: true, ...window, ...unknown },
    ...more,
  }))

const STEPS: [Version, Version][] = [
  ['1.0.0', '1.1.0'],
  ['1.1.0', '1.2.0'],
  ['1.2.0', '2.0.0'],
]
const plain = (bytes: Uint8Array | undefined): unknown => JSON.parse(textOf(bytes))

test.each(STEPS)('%s -> %s -> back is the same in content, for any day', (from, to) => {
  fc.assert(
    fc.property(day, (records) => {
      const taken = take({ 'config.json': config, [DAY]: records })
      const before = plain(taken.files(from).get(DAY)) as { results?: { timestamp: string }[] }
      // 1.2.0 keeps milliseconds: seconds come back with three digits.
      if (from === '1.1.0')
        for (const r of before.results ?? [])
          r.timestamp = r.timestamp.replace(/:(\d\d)(Z|[+-])/, ':$1.000$2').replace(/(T.{5}):(\d\d)\.000(\d\d)$/, '$1:$2$3')
      expect(backJson(taken.files(to), DAY, to, from)).toEqual(before)
    }),
    { numRuns: 150 },
  )
})

test.each(STEPS)('%s -> %s -> back is the same in content, for any configuration', (from, to) => {
  fc.assert(
    fc.property(configuration, (of) => {
      const taken = take({ 'config.json': of })
      expect(backJson(taken.files(to), 'config.json', to, from)).toEqual(plain(taken.files(from).get('config.json')))
    }),
    { numRuns: 150 },
  )
})

test('up, down, up ends where up ended, whatever shapes a day mixes', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(compact, full, fc.constant(ZERO)), { maxLength: 8 }), (records) => {
      const once = take({ 'config.json': config, [DAY]: records })
      const down: FileMap = new Map(
        [
          ['config.json', back(once.files('2.1.0'), 'config.json', '2.1.0', '1.0.0')],
          [DAY, back(once.files('2.1.0'), DAY, '2.1.0', '1.0.0')],
        ].map(([p, t]) => [p ?? '', bytesOf(t)]),
      )
      const facts = (doc: { results: { ts: number; endpoint_id: string; latency_ms: unknown; status: string; error?: string }[] }) =>
        doc.results.map((r) => [r.ts, r.endpoint_id, r.latency_ms, r.status, r.error])
      expect(facts(take(down).json('2.1.0', DAY))).toEqual(facts(once.json('2.1.0', DAY)))
    }),
    { numRuns: 150 },
  )
})

test('a region with the name of two endpoints comes back whole', () => {
  const of = configWith({ A: { endpoints: [google, google, web], thresholds: limits }, Empty: { endpoints: null, thresholds: limits } })
  const taken = take({ 'config.json': of })
  expect(backJson(taken.files('2.1.0'), 'config.json', '2.1.0', '1.0.0')).toEqual({
    ...of,
    settings: { test_interval_seconds: 60, data_retention_days: 90, notifications_enabled: true },
  })
})
