import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { config, take } from './support.ts'
import type { FileMap } from './support.ts'

/**
 * A compact day read as another program would, from the contract and the MessagePack specification alone: no code is shared with the
 * writer. Each record is its members' names with their JSON text, in order.
 */

type Value = null | boolean | number | bigint | string | Value[] | Map<string, Value> | { ext: number; text: string }

const unpack = (bytes: Uint8Array): Value => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const uint = (size: number): number => {
    let n = 0
    for (let i = 0; i < size; i++) n = n * 256 + view.getUint8(at++)
    return n
  }
  const text = (size: number): string => {
    at += size
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(at - size, at))
  }
  const list = (size: number): Value[] => Array.from({ length: size }, value)
  const map = (size: number): Map<string, Value> => {
    const found = new Map<string, Value>()
    for (let i = 0; i < size; i++) found.set(value() as string, value())
    return found
  }
  const ext = (size: number): Value => ({ ext: uint(1), text: text(size) })
  const signed = (size: 1 | 2 | 4): number => {
    at += size
    return size === 1 ? view.getInt8(at - 1) : size === 2 ? view.getInt16(at - 2) : view.getInt32(at - 4)
  }
  const value = (): Value => {
    const code = view.getUint8(at++)
    if (code < 0x80) return code
    if (code < 0x90) return map(code & 15)
    if (code < 0xa0) return list(code & 15)
    if (code < 0xc0) return text(code & 31)
    if (code >= 0xe0) return code - 256
    switch (code) {
      case 0xc0:
        return null
      case 0xc2:
      case 0xc3:
        return code === 0xc3
      case 0xc7:
      case 0xc8:
        return ext(uint(code - 0xc6))
      case 0xca:
        at += 4
        return view.getFloat32(at - 4)
      case 0xcb:
        at += 8
        return view.getFloat64(at - 8)
      case 0xcc:
      case 0xcd:
      case 0xce:
        return uint(2 ** (code - 0xcc))
      case 0xcf:
        at += 8
        return view.getBigUint64(at - 8)
      case 0xd0:
      case 0xd1:
        return signed(code === 0xd0 ? 1 : 2)
      case 0xd2:
        return signed(4)
      case 0xd3:
        at += 8
        return view.getBigInt64(at - 8)
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return ext(2 ** (code - 0xd4))
      case 0xd9:
      case 0xda:
      case 0xdb:
        return text(uint(2 ** (code - 0xd9)))
      case 0xdc:
      case 0xdd:
        return list(uint(code === 0xdc ? 2 : 4))
      case 0xde:
      case 0xdf:
        return map(uint(code === 0xde ? 2 : 4))
      default:
        throw new Error(`code ${code}`)
    }
  }
  const whole = value()
  if (at !== bytes.length) throw new Error('bytes are left')
  return whole
}

const asMap = (value: Value | undefined): Map<string, Value> => {
  if (!(value instanceof Map)) throw new Error('no map')
  return value
}
const asList = (value: Value | undefined): Value[] => {
  if (!Array.isArray(value)) throw new Error('no list')
  return value
}
const textOf = (value: Value | undefined): string => {
  if (typeof value === 'object' && value !== null && 'ext' in value) return value.text
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value)
}

type Row = readonly (readonly [name: string, json: string])[]

/** The records of a day, by the words of the contract. */
const rowsOf = (day: Map<string, Value>): Row[] => {
  const results = asMap(day.get('results'))
  const column = (name: string): Value[] => asList(results.get(name))
  const sparse = (name: string): Map<string, Value> => asMap(results.get(name))
  const [ids, deltas, places, latencies, states] = ['endpoints', 'ts', 'endpoint', 'latency_ms', 'st'].map(column)
  let ts = 0n
  return (deltas ?? []).map((delta, i) => {
    ts += BigInt(delta as number | bigint)
    const known = new Map<string, string>([
      ['ts', String(ts)],
      ...(sparse('utcOffset').has(String(i)) ? [['utcOffset', textOf(sparse('utcOffset').get(String(i)))] as const] : []),
      ['endpoint_id', textOf(ids?.[Number(places?.[i])])],
      ['latency_ms', textOf(latencies?.[i])],
      ['st', textOf(states?.[i])],
      ...(sparse('error').has(String(i)) ? [['error', textOf(sparse('error').get(String(i)))] as const] : []),
    ])
    const extra = sparse('extra').get(String(i))
    if (extra === undefined) return [...known]
    return asList(extra).map((member) => {
      const [name, json] = asList(member) as string[]
      return [name ?? '', json ?? known.get(name ?? '') ?? 'absent']
    })
  })
}

const DATE = '2025-12-08'
const LATER = { 'data/2025-12-09.json': '[]', 'data/2025-12-10.json': '[]' }
const packed = (files: FileMap, date = DATE): Uint8Array => files.get(`data/${date}.msgpack.gz`) ?? new Uint8Array()
const dayOf = (files: FileMap, date = DATE): Map<string, Value> => asMap(unpack(gunzipSync(packed(files, date))))
const compacted = (records: string, more: object = {}): Map<string, Value> =>
  dayOf(take({ 'config.json': config, [`data/${DATE}.json`]: records, ...LATER, ...more }).files('2.2.0'))

/** A record of shape C as its text, and what it is at 2.2.0. */
type Case = { text: string; row: Row }

const raw = fc.constantFrom(
  '0',
  '7',
  '144',
  '0.1',
  '99.0',
  '1e2',
  '-0',
  '-3',
  '9007199254740993',
  '-9007199254740993',
  '18446744073709551616',
  'null',
)
const name = fc.constantFrom('note', '443', '80', '__proto__', 'extra', 'utcOffset2', 'ü', 'results')
const anything = fc.constantFrom('1', '1.0', '1e400', '"x"', '"\\u003c"', 'null', '[1.50, {"b": 1, "7": 2}]', '{"443": 1, "80": [true]}')

const oneCase: fc.Arbitrary<Case> = fc
  .record({
    // Epoch zero and days far away, too; from 1e11 on it is milliseconds.
    ts: fc.oneof(fc.integer({ min: 1765152000000, max: 1765238400000 }), fc.constantFrom(100_000_000_000, 4102444800000)),
    id: fc.constantFrom('fd6a02b', 'c7ac87a', '436c168'),
    ms: raw,
    st: fc.constantFrom(0, 1, 2),
    err: fc.option(fc.constantFrom('timeout', 'no route', '', 'ü')),
    more: fc.uniqueArray(fc.tuple(name, anything), { maxLength: 4, selector: ([own]) => own }),
  })
  .map(({ ts, id, ms, st, err, more }) => {
    const own = more.map(([member, json]) => `${JSON.stringify(member)}: ${json}`)
    const error = err ?? (st === 1 ? 'timeout' : st === 2 ? 'error' : null)
    const squeezed = more.map(([member, json]) => [member, json.replace(/\s/g, '').replace('\\u003c', '<')] as const)
    return {
      text: `{${[...own, `"ts": ${ts}`, `"id": "${id}"`, `"ms": ${ms}`, `"st": ${st}`, `"err": ${JSON.stringify(err)}`].join(', ')}}`,
      row: [
        // 1.2.0 puts it first.
        ['ts', String(ts)],
        ...squeezed,
        ['endpoint_id', `"${id}"`],
        ['latency_ms', ms],
        ['st', st === 0 ? '0' : '1'],
        ...(error === null ? [] : [['error', JSON.stringify(error)] as const]),
      ],
    }
  })

describe('another program reads of a compact day', () => {
  test('every record as it is in the JSON day, whatever it holds', () => {
    fc.assert(
      fc.property(fc.array(oneCase, { maxLength: 30 }), (cases) => {
        const day = compacted(`[${cases.map(({ text }) => text).join(', ')}]`)
        expect(rowsOf(day)).toEqual(cases.map(({ row }) => row))
        expect([...day.keys()]).toEqual(cases.length === 0 ? ['header', 'date', 'results'] : ['header', 'date', 'utcOffset', 'results'])
      }),
      { numRuns: 300 },
    )
  })

  test('records of all shapes, orphans, duplicates, and those that the application has emptied', () => {
    const a = (zone: string, endpoint: string) =>
      `{"timestamp":"2025-12-08T12:00:00.1239999${zone}","endpoint_id":"${endpoint}","latency_ms":9007199254740993,"status":"failure","error":"x"}`
    const c = '{"ts":1765233139432,"id":"fd6a02b","ms":144,"st":0,"err":null}'
    const empty = '{"ts":0,"id":"","ms":0,"st":0,"err":null}'
    const seconds = '{"ts":1765233139,"id":"fd6a02b","ms":1.5,"st":0,"err":{}}'
    const rows = rowsOf(compacted(`[${[a('-05:00', 'Default-Google DNS'), a('+01:00', 'Gone-Away'), empty, c, c, seconds].join()}]`))
    const orphan = rows[1]?.find(([member]) => member === 'endpoint_id')?.[1]
    expect(orphan).toMatch(/^"[0-9a-f]{7}"$/)
    const of = (...members: [string, string][]): Row => members
    const plain = (ts: string, ms: string) =>
      of(['ts', ts], ['utcOffset', '"Z"'], ['endpoint_id', '"fd6a02b"'], ['latency_ms', ms], ['st', '0'])
    const shared: [string, string][] = [
      ['latency_ms', '9007199254740993'],
      ['st', '1'],
      ['error', '"x"'],
    ]
    expect(rows).toEqual([
      of(['ts', '1765213200123'], ['utcOffset', '"-05:00"'], ['endpoint_id', '"fd6a02b"'], ...shared),
      of(['ts', '1765191600123'], ['utcOffset', '"+01:00"'], ['endpoint_id', orphan ?? ''], ...shared),
      expect.arrayContaining([
        ['ts', '0'],
        ['endpoint_id', '""'],
        ['latency_ms', '0'],
        ['st', '0'],
      ]),
      plain('1765233139432', '144'),
      plain('1765233139432', '144'),
      plain('1765233139000', '1.5'),
    ])
  })

  test('as many records as the JSON day has: none, one, a hundred thousand', () => {
    expect(rowsOf(compacted('[]'))).toEqual([])
    expect(rowsOf(compacted('[{"ts":1765233139432,"id":"fd6a02b","ms":1,"st":0}]'))).toHaveLength(1)
    const many = Array.from({ length: 100_000 }, (_, i) => `{"ts":${1765152000000 + i * 800},"id":"fd6a02b","ms":${i},"st":0}`)
    const rows = rowsOf(compacted(`[${many.join()}]`))
    expect(rows).toHaveLength(100_000)
    expect(rows.at(-1)).toEqual([
      ['ts', '1765231999200'],
      ['endpoint_id', '"fd6a02b"'],
      ['latency_ms', '99999'],
      ['st', '0'],
    ])
  })

  test('unknown members of the day and of its header, in their places', () => {
    const up = take({ 'config.json': config, [`data/${DATE}.json`]: '[{"ts":1765233139432,"id":"fd6a02b","ms":1,"st":0}]', ...LATER })
    const text = up
      .text('2.1.0', `data/${DATE}.json`)
      .replace('"date"', '"mine": 1.0,\n  "date"')
      .replace('"createdWith"', '"by": "me", "createdWith"')
    const files = new Map([...up.files('2.1.0'), [`data/${DATE}.json`, new TextEncoder().encode(text)]])
    const day = dayOf(take(files, '2.1.0').files('2.2.0'))
    const members = asList(day.get('extra')).map((member) => asList(member))
    expect(members.map(([member]) => member)).toEqual(['header', 'mine', 'date', 'utcOffset', 'results'])
    expect(members[1]).toEqual(['mine', '1.0'])
    expect(JSON.parse(members[0]?.[1] as string)).toMatchObject({ by: 'me', schemaVersion: '2.2.0' })
  })
})

describe('the file itself', () => {
  test('is gzip of RFC 1952: deflate, no flags, time 0, system 255', () => {
    const files = take({ 'config.json': config, [`data/${DATE}.json`]: '[]', ...LATER }).files('2.2.0')
    const head = [...packed(files).slice(0, 10)]
    expect([head.slice(0, 8), head[9]]).toEqual([[0x1f, 0x8b, 8, 0, 0, 0, 0, 0], 255])
  })
})

describe('which days are compact', () => {
  const at = (dates: readonly string[], more: object = {}): string[] => {
    const days = Object.fromEntries(dates.map((date) => [`data/${date}.json`, '[]']))
    const files = take({ 'config.json': config, ...days, ...more }).files('2.2.0')
    return [...files.keys()].filter((path) => path.startsWith('data/')).sort()
  }

  test.each<[string, string[], string[]]>([
    ['none of no days', [], []],
    ['none of one', ['2025-12-08'], ['data/2025-12-08.json']],
    ['none of two', ['2025-12-08', '2024-01-01'], ['data/2024-01-01.json', 'data/2025-12-08.json']],
    [
      'the oldest of three, however far apart',
      ['2025-12-08', '2024-01-01', '2030-01-01'],
      ['data/2024-01-01.msgpack.gz', 'data/2025-12-08.json', 'data/2030-01-01.json'],
    ],
  ])('%s', (_what, dates, expected) => {
    expect(at(dates)).toEqual(expected)
  })

  test('what is no daily file does not count, and stays', () => {
    const others = {
      'data/2025-12-10_optimized.json': '[]',
      'data/2031-01-01.json.bak': '[]',
      'data/x/2031-01-01.json': '[]',
      'data/zzz.txt': 'x',
    }
    expect(at(['2025-12-08', '2025-12-09'], others)).toEqual(
      [...Object.keys(others), 'data/2025-12-08.json', 'data/2025-12-09.json'].sort(),
    )
  })

  test('a day that cannot be read keeps its place among the two newest, and its bytes', () => {
    expect(at(['2025-12-07', '2025-12-08'], { 'data/2025-12-01.json': '[{', 'data/2025-12-09.json': '' })).toEqual([
      'data/2025-12-01.json',
      'data/2025-12-07.msgpack.gz',
      'data/2025-12-08.json',
      'data/2025-12-09.json',
    ])
  })
})
