import { gunzipSync } from 'node:zlib'
import { decode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COMPACT, v2_2 } from '../../migrations/schemas.ts'
import { GO_STYLE } from '../../src/core/json/index.ts'
import { codecOf } from '../../src/core/schema.ts'
import { gzip, jsonText, messagePack } from '../../src/index.ts'
import { back, config, configWith, filesOf, google, limits, take, web } from './support.ts'
import type { FileMap } from './support.ts'

const path = (date: string): string => `data/${date}.json`
const compact = (date: string): string => `data/${date}${COMPACT}`
const row = (ms: number, more: object = {}) => ({ ts: 1765233139000 + ms, id: 'fd6a02b', ms, st: 0, err: null, ...more })
const DATES = ['2025-12-08', '2025-12-09', '2025-12-10', '2025-12-11']
const days = (of: Readonly<Record<string, unknown>> = {}) => Object.fromEntries(DATES.map((date, i) => [path(date), of[date] ?? [row(i)]]))

const unpacked = (files: FileMap, date: string): unknown => decode(gunzipSync(files.get(compact(date)) ?? new Uint8Array()))
/** A day as every reader sees it, whichever format holds it. */
const read = (files: FileMap, file: string): unknown =>
  codecOf(v2_2.kinds.daily, file).read(files.get(file) ?? new Uint8Array(), 'go').value

describe('daily files', () => {
  test('all but the two newest by name are compacted', () => {
    const files = take({ 'config.json': config, ...days() }).files('2.2.0')
    expect([...files.keys()].filter((name) => name.startsWith('data/')).sort()).toEqual([
      compact('2025-12-08'),
      compact('2025-12-09'),
      path('2025-12-10'),
      path('2025-12-11'),
    ])
  })

  test('a day that cannot be read stays as it is, also among the two newest', () => {
    const taken = take({ 'config.json': config, ...days({ '2025-12-08': 'no', '2025-12-11': '[{' }) })
    const files = taken.files('2.2.0')
    expect([...files.keys()].filter((name) => name.startsWith('data/')).sort()).toEqual([
      path('2025-12-08'),
      compact('2025-12-09'),
      path('2025-12-10'),
      path('2025-12-11'),
    ])
    expect(taken.json('2.2.0', 'index.json').days.map((day: { date: string }) => day.date)).toEqual(['2025-12-09', '2025-12-10'])
  })

  test('are columns in MessagePack in gzip, as another program reads them', () => {
    const list = [row(0), row(5, { st: 1 }), row(3, { id: '436c168', ms: null }), row(9, { ms: 1.5 })]
    const files = take({ 'config.json': config, ...days({ '2025-12-08': list }) }).files('2.2.0')
    const bytes = files.get(compact('2025-12-08')) ?? new Uint8Array()
    expect([...bytes.slice(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, bytes[8], 255])
    expect(unpacked(files, '2025-12-08')).toEqual({
      header: {
        formatVersion: '1',
        schemaVersion: '2.2.0',
        createdWith: 'NetMonitor (unversioned)',
        migrations: [
          { version: '1.1.0', description: 'Add endpoint metadata fields' },
          { version: '1.2.0', description: 'Change timestamp format' },
          { version: '2.2.0', description: 'Compact history' },
        ],
      },
      date: '2025-12-08',
      utcOffset: 'Z',
      results: {
        endpoints: ['fd6a02b', '436c168'],
        ts: [1765233139000, 5, -2, 6],
        endpoint: [0, 0, 1, 0],
        latency_ms: [0, 5, null, 1.5],
        st: [0, 1, 0, 0],
        error: { 1: 'timeout' },
        utcOffset: {},
        extra: {},
      },
    })
  })

  test('what columns do not hold, and the order of members, is beside them as text', () => {
    const text = '[{"note": {"443": 1.0, "80": "<"}, "ts": 1765233139000, "id": "fd6a02b", "ms": 99.0, "st": 0, "err": null}]'
    const files = take({ 'config.json': config, ...days({ '2025-12-08': text }) }).files('2.2.0')
    expect(unpacked(files, '2025-12-08')).toMatchObject({
      results: {
        latency_ms: [99],
        extra: { 0: [['ts'], ['note', '{"443":1.0,"80":"<"}'], ['endpoint_id'], ['latency_ms', '99.0'], ['st']] },
      },
    })
    const before = take({ 'config.json': config, ...days({ '2025-12-08': text }) }).text('2.1.0', path('2025-12-08'))
    // How a text is spelled is all that a format without text cannot keep: it is written as the application does.
    expect(back(files, compact('2025-12-08'), '2.2.0', '2.1.0')).toBe(before.replace('"<"', '"\\u003c"'))
  })

  test('in JSON have a numeric st in the place of status', () => {
    const text = take({ 'config.json': config, ...days({ '2025-12-11': [row(1, { st: 2, err: 'no route' })] }) }).json(
      '2.2.0',
      path('2025-12-11'),
    )
    expect(JSON.stringify(text.results)).toBe('[{"ts":1765233139001,"endpoint_id":"fd6a02b","latency_ms":1,"st":1,"error":"no route"}]')
  })

  test('a member st that the user has moves aside, with a warning, and comes back', () => {
    const a = { timestamp: '2025-12-11T10:00:00Z', endpoint_id: 'Default-Google DNS', latency_ms: 1, status: 'success', st: 'mine' }
    const taken = take({ 'config.json': config, ...days({ '2025-12-11': [a] }) })
    expect(taken.json('2.2.0', path('2025-12-11')).results).toMatchObject([{ st: 0, legacy_st: 'mine' }])
    expect(taken.issues.filter((i) => i.step === '2.2.0').map((i) => i.code)).toEqual(['LEGACY_MEMBER'])
    expect(JSON.parse(back(taken.files('2.2.0'), path('2025-12-11'), '2.2.0', '2.1.0')).results).toMatchObject([
      { status: 'success', st: 'mine' },
    ])
  })

  const number = fc.constantFrom('1', '0', '99.0', '1e2', '-0', '12.5', '9007199254740993')
  const member = fc.constantFrom('note', '443', '80', 'extra', 'results', 'legacy_x', 'endpoints')
  const record = fc.record({
    ts: fc.integer({ min: 1765152000000, max: 1765238400000 }),
    id: fc.constantFrom('fd6a02b', '436c168', 'c7ac87a'),
    ms: fc.oneof(number, fc.constant('null')),
    st: fc.constantFrom(0, 1, 2),
    // As Go writes them.
    err: fc.constantFrom('null', '{}', String.raw`"\u003cx\u003e"`),
    more: fc.dictionary(member, number, { maxKeys: 3 }),
  })

  test('hold the same records in either format, to the letter, and go back to the very JSON of 2.1.0', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20 }), (list) => {
        const text = `[${list
          .map(({ ts, id, ms, st, err, more }) => {
            const own = Object.entries(more).map(([name, value]) => `"${name}": ${value}`)
            return `{${[...own, `"ts": ${ts}`, `"id": "${id}"`, `"ms": ${ms}`, `"st": ${st}`, `"err": ${err}`].join(', ')}}`
          })
          .join(', ')}]`
        // The same day as one of the two newest, and as one that is not.
        const as = (date: string, later: readonly string[]) =>
          take({ 'config.json': config, [path(date)]: text, ...Object.fromEntries(later.map((day) => [path(day), []])) })
        const [old, fresh] = [as('2025-12-08', ['2025-12-09', '2025-12-10']), as('2025-12-08', [])]
        const [packed, plain] = [old.files('2.2.0'), fresh.files('2.2.0')]
        expect(jsonText(read(packed, compact('2025-12-08')))).toBe(jsonText(read(plain, path('2025-12-08'))))
        expect(back(packed, compact('2025-12-08'), '2.2.0', '2.1.0')).toBe(old.text('2.1.0', path('2025-12-08')))
      }),
      { numRuns: 200 },
    )
  })

  test.each([
    [
      'columns of different length',
      { ts: [1, 2], endpoint: [0], latency_ms: [1], st: [0], endpoints: ['x'], error: {}, utcOffset: {}, extra: {} },
    ],
    ['a missing column', { ts: [1], endpoint: [0], latency_ms: [1], endpoints: ['x'], error: {}, utcOffset: {}, extra: {} }],
    ['rows', [{ ts: 1 }]],
  ])('%s are BAD_FORMAT', (_what, results) => {
    const codec = codecOf(v2_2.kinds.daily, compact('2025-12-08'))
    const files = take({ 'config.json': config, ...days() }).files('2.2.0')
    const inner = { ...(unpacked(files, '2025-12-08') as object), results }
    // Written by the codec's own parts: another program's mistake.
    const bytes = gzipOf(inner)
    expect(() => codec.read(bytes, 'go')).toThrow(expect.objectContaining({ code: 'BAD_FORMAT' }))
  })
})

const gzipOf = (value: unknown): Uint8Array => gzip(messagePack).write({ value, spelling: null, style: GO_STYLE }, 'go')

describe('config.json', () => {
  const described = { ...google, description: 'mine' }
  const up = (of: object) => take({ 'config.json': of }).json('2.2.0', 'config.json')

  test('loses descriptions that say nothing, and no other', () => {
    const { endpoints, header } = up(configWith({ Default: { endpoints: [described, web], thresholds: limits } }))
    expect(endpoints.map((e: object) => 'description' in e)).toEqual([true, false])
    expect(header).toMatchObject({ schemaVersion: '2.2.0' })
  })

  test('gets them back where they were', () => {
    const taken = take({ 'config.json': configWith({ Default: { endpoints: [described, web], thresholds: limits } }) })
    expect(back(taken.files('2.2.0'), 'config.json', '2.2.0', '2.1.0')).toBe(taken.text('2.1.0', 'config.json'))
  })
})

describe('index.json', () => {
  test('tells of each readable day: file, records, first and last time, endpoints, and its size on the disk', () => {
    const taken = take({
      'config.json': config,
      ...days({
        '2025-12-08': [row(5), row(-7, { id: '436c168' })],
        '2025-12-10': [],
        '2025-12-11': [{ ts: 0, id: '', ms: 0, st: 0, err: null }, row(9)],
      }),
    })
    const files = taken.files('2.2.0')
    const { header, days: listed } = taken.json('2.2.0', 'index.json')
    expect(header).toEqual({
      formatVersion: '1',
      schemaVersion: '2.2.0',
      createdWith: 'Strata',
      migrations: [{ version: '2.2.0', description: 'Compact history' }],
    })
    const size = (file: string): number => files.get(file)?.byteLength ?? 0
    expect(listed).toEqual([
      {
        date: '2025-12-08',
        file: compact('2025-12-08'),
        records: 2,
        firstTs: 1765233138993,
        lastTs: 1765233139005,
        endpointIds: ['436c168', 'fd6a02b'],
        bytes: size(compact('2025-12-08')),
      },
      {
        date: '2025-12-09',
        file: compact('2025-12-09'),
        records: 1,
        firstTs: 1765233139001,
        lastTs: 1765233139001,
        endpointIds: ['fd6a02b'],
        bytes: size(compact('2025-12-09')),
      },
      {
        date: '2025-12-10',
        file: path('2025-12-10'),
        records: 0,
        firstTs: null,
        lastTs: null,
        endpointIds: [],
        bytes: size(path('2025-12-10')),
      },
      {
        date: '2025-12-11',
        file: path('2025-12-11'),
        records: 2,
        firstTs: 1765233139009,
        lastTs: 1765233139009,
        endpointIds: ['fd6a02b'],
        bytes: size(path('2025-12-11')),
      },
    ])
  })

  test('is there without any day', () => expect(take({ 'config.json': config }).json('2.2.0', 'index.json').days).toEqual([]))

  test('a file of that name that the user has stops the migration', () => {
    expect(() => take(filesOf({ 'config.json': config, 'index.json': {} }))).toThrow(expect.objectContaining({ code: 'EXISTS' }))
  })
})
