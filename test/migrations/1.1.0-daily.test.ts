import { describe, expect, test } from 'vitest'
import { codes, config, configWith, DAY, google, named, shortIdOf, take } from './support.ts'

const A = { timestamp: '2025-12-08T17:32:19.4320309-05:00', endpoint_id: 'Default-Google DNS', latency_ms: 144, status: 'success' }
const B = { ts: 1765233139, id: 'fd6a02b', ms: 144, st: 0, err: null }
const C = { ts: 1765233139432, id: 'fd6a02b', ms: 144, st: 0, err: null }
const ZERO = { ts: 0, id: '', ms: 0, st: 0, err: null }

const one = (record: object, of?: object) => named([record], of).results[0]

describe('the document', () => {
  test('is header, date and results; the date is that of the file name', () => {
    const doc = named([A]).taken.json('1.1.0', DAY)
    expect(Object.keys(doc)).toEqual(['header', 'date', 'results'])
    expect(doc.date).toBe('2025-12-08')
    expect(doc.header).toEqual({
      formatVersion: '1',
      schemaVersion: '1.1.0',
      createdWith: 'NetMonitor (unversioned)',
      migrations: [{ version: '1.1.0', description: 'Add endpoint metadata fields' }],
    })
  })

  test('of an empty day has no results', () => expect(named([]).results).toEqual([]))
})

describe('shape A', () => {
  test('keeps its timestamp to the letter and gets the short id', () => {
    expect(Object.entries(one(A) as object)).toEqual([
      ['timestamp', '2025-12-08T17:32:19.4320309-05:00'],
      ['endpoint_id', 'fd6a02b'],
      ['latency_ms', 144],
      ['status', 'success'],
    ])
  })

  test('keeps error, and unknown members in their places', () => {
    const record = { note: 1, ...A, status: 'failure', error: 'i/o timeout', tail: { x: [] } }
    expect(Object.entries(one(record) as object)).toEqual(Object.entries({ ...record, endpoint_id: 'fd6a02b' }))
  })

  test.each([
    '2025-12-08T22:32:19Z',
    '2025-12-08T22:32:19.1Z',
    '2025-12-08T22:32:19.123456789+05:30',
    '2025-12-08t22:32:19z',
    '2016-12-31T23:59:60Z',
  ])('takes %s as it is', (timestamp) => expect(one({ ...A, timestamp })).toMatchObject({ timestamp }))

  test('an error that is no text moves aside', () => {
    const { results, issues } = named([{ ...A, error: 5 }])
    expect(results).toEqual([{ ...A, endpoint_id: 'fd6a02b', legacy_error: 5 }])
    expect(codes(issues)).toEqual(['LEGACY_MEMBER'])
  })
})

describe('shapes B and C', () => {
  test('seconds become a timestamp without a fraction', () => {
    expect(one(B)).toEqual({ timestamp: '2025-12-08T22:32:19Z', endpoint_id: 'fd6a02b', latency_ms: 144, status: 'success' })
  })

  test('milliseconds become a timestamp with always three digits', () => {
    expect(one(C)).toMatchObject({ timestamp: '2025-12-08T22:32:19.432Z' })
    expect(one({ ...C, ts: 1765233139000 })).toMatchObject({ timestamp: '2025-12-08T22:32:19.000Z' })
  })

  test('a ts below 100,000,000,000 is seconds, from there on milliseconds', () => {
    expect(one({ ...C, ts: 99_999_999_999 })).toMatchObject({ timestamp: '5138-11-16T09:46:39Z' })
    expect(one({ ...C, ts: 100_000_000_000 })).toMatchObject({ timestamp: '1973-03-03T09:46:40.000Z' })
    expect(one({ ...C, ts: -1 })).toMatchObject({ timestamp: '1969-12-31T23:59:59Z' })
  })

  test('st 1 is a failure by timeout, 2 one by error', () => {
    expect(one({ ...C, st: 1 })).toMatchObject({ status: 'failure', error: 'timeout' })
    expect(one({ ...C, st: 2 })).toMatchObject({ status: 'failure', error: 'error' })
    expect(one({ ...C, st: 0 })).not.toHaveProperty('error')
  })

  test.each([[{ err: {} }], [{ err: null }], [{}]])('err %j says nothing', (err) => {
    const { err: _, ...record } = C
    expect(one({ ...record, st: 2, ...err })).toEqual({
      timestamp: '2025-12-08T22:32:19.432Z',
      endpoint_id: 'fd6a02b',
      latency_ms: 144,
      status: 'failure',
      error: 'error',
    })
  })

  test('an err that is a text becomes the error', () => {
    expect(one({ ...C, st: 1, err: 'no route' })).toMatchObject({ status: 'failure', error: 'no route' })
    expect(one({ ...C, st: 2, err: 'no route' })).toMatchObject({ status: 'failure', error: 'no route' })
  })

  test('an err that holds more is kept as legacy_err', () => {
    const { results, issues } = named([{ ...C, st: 2, err: { Op: 'dial' } }])
    expect(results[0]).toMatchObject({ legacy_err: { Op: 'dial' }, error: 'error' })
    expect(codes(issues)).toEqual(['LEGACY_MEMBER'])
  })

  test('an unknown st is a failure, and reported', () => {
    const { results, issues } = named([{ ...C, st: 3 }])
    expect(results[0]).toMatchObject({ status: 'failure', error: 'error' })
    expect(codes(issues)).toEqual(['UNKNOWN_STATUS'])
  })

  test('ms may be a fraction or null', () => {
    expect(
      named([
        { ...C, ms: 14.523 },
        { ...C, ms: null },
      ]).results,
    ).toMatchObject([{ latency_ms: 14.523 }, { latency_ms: null }])
  })

  test('unknown members and the order of members stay', () => {
    const record = { st: 0, extra: [1], id: 'fd6a02b', ms: 1, note: 'n', ts: C.ts, err: null }
    expect(Object.keys(one(record) as object)).toEqual(['status', 'extra', 'endpoint_id', 'latency_ms', 'note', 'timestamp'])
  })

  test('an unknown member with a name of 1.1.0 moves aside', () => {
    const { results, issues } = named([{ ...C, status: 'odd' }])
    expect(results[0]).toMatchObject({ status: 'success', legacy_status: 'odd' })
    expect(codes(issues)).toEqual(['LEGACY_MEMBER'])
  })

  test('all shapes mix within a file', () => {
    const timestamps = named([A, B, C]).results.map((r) => (r as { timestamp: string }).timestamp)
    expect(timestamps).toEqual([A.timestamp, '2025-12-08T22:32:19Z', '2025-12-08T22:32:19.432Z'])
  })

  test('a whole record of shape A is one, whatever else it holds', () => {
    expect(one({ ...A, ts: 5, id: 'x' })).toEqual({ ...A, endpoint_id: 'fd6a02b', ts: 5, id: 'x' })
  })
})

describe('emptied records', () => {
  test('are kept and counted', () => {
    const { results, issues } = named([ZERO, ZERO, C])
    expect(results[0]).toEqual({ timestamp: '1970-01-01T00:00:00.000Z', endpoint_id: '', latency_ms: 0, status: 'success' })
    expect(issues).toMatchObject([{ code: 'EMPTY_RECORD', severity: 'warning', count: 2, record: 0, file: DAY }])
  })

  test('are those without an id at instant 0 only', () => {
    expect(one({ ...ZERO, id: 'fd6a02b' })).toMatchObject({ timestamp: '1970-01-01T00:00:00Z', endpoint_id: 'fd6a02b' })
  })
})

describe('endpoints', () => {
  const dashed = configWith({
    'A-B': { endpoints: [{ ...google, name: 'C' }] },
    A: { endpoints: [{ ...google, address: '1.1.1.1', name: 'B-C' }] },
  })

  test('whole names are matched: a dash in region or endpoint does not split', () => {
    const of = configWith({ 'EU-West': { endpoints: [{ ...google, name: 'a-b' }] } })
    expect(one({ ...A, endpoint_id: 'EU-West-a-b' }, of)).toMatchObject({ endpoint_id: 'fd6a02b' })
  })

  test('of several matches the first in file order is taken, and reported as their ids differ', () => {
    const { results, issues } = named([{ ...A, endpoint_id: 'A-B-C' }], dashed)
    expect(results[0]).toMatchObject({ endpoint_id: 'fd6a02b' })
    expect(codes(issues)).toEqual(['AMBIGUOUS_ENDPOINT'])
  })

  test('several matches with one id are not ambiguous', () => {
    const of = configWith({ Default: { endpoints: [google, google] } })
    expect(named([A], of).issues).toEqual([])
  })

  test('an unknown name keeps its history under its own short id, and the warning gives that, not the name', () => {
    const { results, issues } = named([{ ...A, endpoint_id: 'Default-Gone' }, A, { ...A, endpoint_id: 'Default-Gone' }])
    expect(results[0]).toMatchObject({ endpoint_id: shortIdOf('Default-Gone') })
    expect(issues).toMatchObject([{ code: 'ORPHANED_ENDPOINT', severity: 'warning', count: 2, record: 0 }])
    expect(issues[0]?.message).toContain(shortIdOf('Default-Gone'))
    expect(issues[0]?.message).not.toContain('Gone')
  })

  test("the tool's id of a name, 1f6389f for Default-Google DNS, means that endpoint", () => {
    expect(named([{ ...C, id: '1f6389f' }])).toMatchObject({ results: [{ endpoint_id: 'fd6a02b' }], issues: [] })
  })

  test("the tool's id of a name that several endpoints have is ambiguous, and means the first", () => {
    const { results, issues } = named([{ ...C, id: shortIdOf('A-B-C') }], dashed)
    expect(results[0]).toMatchObject({ endpoint_id: 'fd6a02b' })
    expect(codes(issues)).toEqual(['AMBIGUOUS_ENDPOINT'])
  })

  test("an endpoint's own id, given by the user, is the one its history goes to", () => {
    const of = configWith({ Default: { endpoints: [{ ...google, id: 'abcdef0' }] } })
    expect(named([A, C, { ...C, id: 'abcdef0' }], of)).toMatchObject({
      results: [{ endpoint_id: 'abcdef0' }, { endpoint_id: 'abcdef0' }, { endpoint_id: 'abcdef0' }],
      issues: [],
    })
  })

  test('ids are matched to the letter', () => {
    expect(codes(named([{ ...C, id: 'FD6A02B' }]).issues)).toEqual(['ORPHANED_ENDPOINT'])
    expect(codes(named([{ ...A, endpoint_id: 'default-google dns' }]).issues)).toEqual(['ORPHANED_ENDPOINT'])
  })

  test('an id that nothing explains stays, and is reported', () => {
    const { results, issues } = named([{ ...C, id: '0000000' }])
    expect(results[0]).toMatchObject({ endpoint_id: '0000000' })
    expect(issues).toMatchObject([{ code: 'ORPHANED_ENDPOINT' }])
  })

  test('without a config.json every name is an orphan, and nothing is lost', () => {
    const taken = take({ [DAY]: [A, C] })
    expect(taken.json('2.1.0', DAY).results.map((r: { endpoint_id: string }) => r.endpoint_id)).toEqual([
      shortIdOf('Default-Google DNS'),
      'fd6a02b',
    ])
  })
})

describe('a day that cannot be read is quarantined, byte for byte', () => {
  const wrong: [string, unknown][] = [
    ['torn', '[\n  {"ts": 17652'],
    ['empty', ''],
    ['no array', { a: 1 }],
    ['a timestamp that is no RFC 3339', [{ ...A, timestamp: '08.12.2025 17:32' }]],
    ['30 February', [{ ...A, timestamp: '2025-02-30T00:00:00Z' }]],
    ['no offset', [{ ...A, timestamp: '2025-12-08T17:32:19' }]],
    ['a leap second at noon', [{ ...A, timestamp: '2016-12-31T12:00:60Z' }]],
    ['a ts with a fraction', [{ ...C, ts: 1765233139.5 }]],
    ['a ts beyond all years', [{ ...C, ts: 1e18 }]],
    ['a status of no release', [{ ...A, status: 'ok' }]],
    ['no id', [{ ts: 1, ms: 1, st: 0 }]],
    ['a record that is null', [C, null]],
  ]
  test.each(wrong)('%s', (_, content) => {
    const taken = take({ 'config.json': config, [DAY]: content })
    expect(codes(taken.issues)).toEqual(['QUARANTINED'])
    expect(taken.files('2.1.0').get(DAY)).toEqual(taken.files('1.0.0').get(DAY))
    expect([...taken.files('2.1.0').keys()]).toEqual(['config.json', DAY])
  })

  test('and the issue names the record', () => {
    const { issues } = take({ 'config.json': config, [DAY]: [C, C, { ...C, ts: 'x' }] })
    expect(issues).toMatchObject([{ code: 'QUARANTINED', file: DAY, record: 2 }])
  })

  test('or line and column where the text is no JSON', () => {
    const { issues } = take({ 'config.json': config, [DAY]: '[\n  {"ts": 1765233139,\n   "id": oops}\n]' })
    expect(issues).toMatchObject([{ code: 'QUARANTINED', severity: 'warning', file: DAY, line: 3, column: 10 }])
  })

  test('and other days are taken up', () => {
    const taken = take({ 'config.json': config, [DAY]: '', 'data/2025-12-09.json': [C] })
    expect(taken.json('2.1.0', 'data/2025-12-09.json').header.schemaVersion).toBe('1.2.0')
  })
})

test('a path of no kind is kept, and no aggregates are made of it', () => {
  const path = 'data/2025-12-10_optimized.json'
  const taken = take({ 'config.json': config, [path]: '[ {"ts":1} ]\n' })
  expect(taken.text('2.1.0', path)).toBe('[ {"ts":1} ]\n')
  expect([...taken.files('2.1.0').keys()]).toEqual(['config.json', path])
})
