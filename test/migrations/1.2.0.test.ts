import { describe, expect, test } from 'vitest'
import { codes, config, DAY, named, take, timed } from './support.ts'

const at = (timestamp: string, more: object = {}) => ({
  timestamp,
  endpoint_id: 'Default-Google DNS',
  latency_ms: 1,
  status: 'success',
  ...more,
})
const ZERO = { ts: 0, id: '', ms: 0, st: 0, err: null }
const tsOf = (timestamp: string) => timed([at(timestamp)]).results[0]?.ts

test('timestamp becomes ts, in first position; the other members stay in order', () => {
  const { results } = timed([at('2025-12-08T17:32:19.4320309-05:00', { status: 'failure', error: 'x', note: 1 })])
  expect(Object.entries(results[0] ?? {})).toEqual([
    ['ts', 1765233139432],
    ['endpoint_id', 'fd6a02b'],
    ['latency_ms', 1],
    ['status', 'failure'],
    ['error', 'x'],
    ['note', 1],
  ])
})

test('ts is first even where timestamp was not', () => {
  const { results } = timed([{ note: 1, ...at('1970-01-01T00:00:01Z') }])
  expect(Object.keys(results[0] ?? {})).toEqual(['ts', 'note', 'endpoint_id', 'latency_ms', 'status'])
})

test.each([
  ['1970-01-01T00:00:00Z', 0],
  ['2025-12-08T22:32:19Z', 1765233139000],
  ['2025-12-08T22:32:19.4Z', 1765233139400],
  ['2025-12-08T22:32:19.43Z', 1765233139430],
  ['2025-12-08T22:32:19.432999999Z', 1765233139432],
  ['2025-12-09T04:02:19.432+05:30', 1765233139432],
  ['2025-12-08T22:32:19.432-00:00', 1765233139432],
  ['2024-02-29T00:00:00Z', 1709164800000],
  ['1969-12-31T23:59:58.0001Z', -2000],
  ['1969-12-31T23:59:59.9999999Z', -1],
  ['0001-01-01T00:00:00Z', -62135596800000],
  ['2016-12-31T23:59:60.5Z', 1483228800500],
  ['2016-12-31T18:59:60-05:00', 1483228800000],
])('%s is %d: the floor of the instant', (timestamp, ts) => expect(tsOf(timestamp)).toBe(ts))

const DIGITS = '432987651'

test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])('%d fraction digits are kept at 1.1.0, and floored at 1.2.0', (n) => {
  const fraction = n === 0 ? '' : `.${DIGITS.slice(0, n)}`
  const ms = Number(DIGITS.slice(0, Math.min(n, 3)).padEnd(3, '0'))
  for (const [second, instant] of [
    ['2025-12-08T17:32:19', 1765233139000],
    ['1969-12-31T18:59:58', -2000],
  ] as const) {
    const timestamp = `${second}${fraction}-05:00`
    expect(named([at(timestamp)]).results[0]).toMatchObject({ timestamp })
    expect(tsOf(timestamp)).toBe(instant + ms)
  }
})

describe('utcOffset', () => {
  test('follows the date when all records share it', () => {
    const doc = timed([at('2025-12-08T17:32:19-05:00'), at('2025-12-08T18:32:19-05:00')])
    expect(Object.keys(doc)).toEqual(['header', 'date', 'utcOffset', 'results'])
    expect(doc.utcOffset).toBe('-05:00')
    expect(doc.results.every((r) => !('utcOffset' in r))).toBe(true)
  })

  test('is in each record when they differ, as on the day the clocks change', () => {
    const doc = timed([at('2025-11-02T01:59:59-04:00'), at('2025-11-02T01:00:00-05:00', { status: 'failure', error: 'x' })])
    expect(doc).not.toHaveProperty('utcOffset')
    expect(doc.results.map((r) => r.utcOffset)).toEqual(['-04:00', '-05:00'])
    expect(Object.keys(doc.results[1] ?? {})).toEqual(['ts', 'utcOffset', 'endpoint_id', 'latency_ms', 'status', 'error'])
  })

  test('compares as text: Z is not +00:00', () => {
    expect(timed([at('2025-12-08T00:00:00Z'), at('2025-12-08T00:00:00+00:00')]).results.map((r) => r.utcOffset)).toEqual(['Z', '+00:00'])
  })

  test('of shapes B and C is Z', () => {
    expect(timed([{ ts: 1765233139, id: 'fd6a02b', ms: 1, st: 0, err: null }]).utcOffset).toBe('Z')
  })

  test('leaves emptied records out', () => {
    const doc = timed([ZERO, at('2025-12-08T17:32:19-05:00')])
    expect(doc.utcOffset).toBe('-05:00')
    const mixed = timed([ZERO, at('2025-12-08T17:32:19-05:00'), at('2025-12-08T17:32:19-04:00')])
    expect(mixed.results.map((r) => r.utcOffset)).toEqual([undefined, '-05:00', '-04:00'])
  })

  test('is absent where there are no records, or emptied ones only', () => {
    expect(timed([])).not.toHaveProperty('utcOffset')
    expect(timed([ZERO])).not.toHaveProperty('utcOffset')
  })
})

test('the header gains this step, oldest first', () => {
  const { taken } = named([at('2025-12-08T17:32:19-05:00')])
  expect(taken.json('1.2.0', DAY).header).toMatchObject({
    schemaVersion: '1.2.0',
    createdWith: 'NetMonitor (unversioned)',
    migrations: [
      { version: '1.1.0', description: 'Add endpoint metadata fields' },
      { version: '1.2.0', description: 'Change timestamp format' },
    ],
  })
})

test('config.json is not touched', () => {
  const { taken } = named([])
  expect(taken.files('1.2.0').get('config.json')).toEqual(taken.files('1.1.0').get('config.json'))
})

test('members that are there already move aside, in file and record', () => {
  const { taken } = named([at('2025-12-08T17:32:19-05:00', { ts: 5, utcOffset: 'x' })])
  expect(taken.json('1.2.0', DAY).results[0]).toEqual({
    ts: 1765233139000,
    endpoint_id: 'fd6a02b',
    latency_ms: 1,
    status: 'success',
    legacy_ts: 5,
    legacy_utcOffset: 'x',
  })
  expect(codes(taken.issues)).toEqual(['LEGACY_MEMBER', 'LEGACY_MEMBER'])
  const day = { ...taken.json('1.1.0', DAY), utcOffset: 7 }
  const again = take({ 'config.json': config, [DAY]: day }, '1.1.0', '1.2.0')
  expect(again.json('1.2.0', DAY)).toMatchObject({ utcOffset: '-05:00', legacy_utcOffset: 7 })
})

test('unknown members of the file stay in place', () => {
  const { taken } = named([at('2025-12-08T17:32:19Z')])
  const { header, date, results } = taken.json('1.1.0', DAY)
  const again = take({ [DAY]: { header, note: 1, date, results, tail: 2 } }, '1.1.0', '1.2.0')
  expect(Object.keys(again.json('1.2.0', DAY))).toEqual(['header', 'note', 'date', 'utcOffset', 'results', 'tail'])
})
