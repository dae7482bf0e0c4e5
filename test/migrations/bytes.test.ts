import { expect, test } from 'vitest'
import { back, config, DAY, filesOf, fixture, HOURLY, take, textOf, VERSIONS } from './support.ts'

/** Promise 5: what a migration does not change is kept to the letter. */

const day = (records: string): string => `[\n  ${records}\n]`
const record = (more: string): string =>
  `{"timestamp":"2025-12-08T17:32:19-05:00","endpoint_id":"Default-Google DNS","latency_ms":1,"status":"success",${more}}`

test.each(['99.0', '9007199254740993', '-0', '1e400', '1.50', '0.1e-7'])('a number written %s is written so in every version', (number) => {
  const taken = take({ 'config.json': config, [DAY]: day(record(`"extra":${number}`)) })
  for (const version of ['1.1.0', '1.2.0', '2.0.0', '2.1.0'] as const) expect(taken.text(version, DAY)).toContain(`"extra": ${number}\n`)
})

test('a latency keeps its spelling', () => {
  const text = day('{"ts":1765233139432,"id":"fd6a02b","ms":14.0,"st":0,"err":null}')
  expect(take({ 'config.json': config, [DAY]: text }).text('2.1.0', DAY)).toContain('"latency_ms": 14.0,')
})

test('thresholds, timeouts and intervals keep theirs', () => {
  const text = `{"regions":{"R":{"endpoints":[{"name":"n","type":"t","address":"a","timeout":1e3}],"thresholds":{"latency_ms":100.0,"availability_percent":99.90}}},"settings":{"test_interval_seconds":60.0,"data_retention_days":90.0}}`
  const after = take({ 'config.json': text }).text('2.1.0', 'config.json')
  for (const spelt of ['"timeoutMs": 1e3', '"latencyMs": 100.0', '"availabilityPercent": 99.90', '"intervalSeconds": 60.0', '"days": 90.0'])
    expect(after).toContain(spelt)
})

test("Go's escapes stay, and other spellings of the same text too", () => {
  const error = String.raw`a \u003cb\u003e \u0026 \u00fc ü \/ \u2028`
  const taken = take({ 'config.json': config, [DAY]: day(record(`"error":"${error}"`).replace('"success"', '"failure"')) })
  for (const version of ['1.1.0', '1.2.0', '2.1.0'] as const) expect(taken.text(version, DAY)).toContain(`"error": "${error}"`)
})

test("an endpoint with & in its name is found behind Go's escape, and written with it", () => {
  const of = String.raw`{"regions":{"R\u0026D":{"endpoints":[{"name":"\u003clab\u003e","type":"ICMP","address":"8.8.8.8","timeout":1}]}},"settings":{}}`
  const text = day(record('"x":1').replace('Default-Google DNS', String.raw`R\u0026D-\u003clab\u003e`))
  const taken = take({ 'config.json': of, [DAY]: text })
  expect(taken.issues).toEqual([])
  expect(taken.json('1.1.0', DAY).results[0].endpoint_id).toBe('fd6a02b')
  expect(taken.text('2.1.0', 'config.json')).toContain(String.raw`"region": "R\u0026D"`)
  expect(taken.text('2.1.0', HOURLY)).toContain(String.raw`"region": "R\u0026D"`)
})

test('unknown members with names like numbers keep their order in records', () => {
  const taken = take({ 'config.json': config, [DAY]: day(record('"443":1,"b":2,"80":3')) })
  for (const version of ['1.1.0', '1.2.0', '2.1.0'] as const)
    expect([...taken.text(version, DAY).matchAll(/"(443|b|80)"/g)].map((m) => m[1])).toEqual(['443', 'b', '80'])
})

test('unknown top-level members with names like numbers come in their order', () => {
  const of = `{"9":1,"regions":{},"5":2,"settings":{"7":1,"a":2,"3":4},"1":3}`
  const taken = take({ 'config.json': of })
  const order = (text: string) => [...text.matchAll(/"(\d|a|header|regions|settings)":/g)].map((m) => m[1]).join(' ')
  expect(order(taken.text('1.1.0', 'config.json'))).toBe('header 9 regions 5 settings 7 a 3 1')
  expect(order(taken.text('2.0.0', 'config.json'))).toBe('header regions settings 7 a 3 9 5 1')
})

test('a file looked at in another version has the bytes that the job writes', () => {
  const of = `{"9":1,"regions":{"7":{}},"5":2,"settings":{"3":1},"1":3}`
  const files = filesOf({ 'config.json': of, [DAY]: day(record('"443":1,"b":2,"80":3')) })
  const taken = take(files)
  for (const version of VERSIONS.slice(1))
    for (const path of ['config.json', DAY]) expect(back(files, path, '1.0.0', version)).toBe(taken.text(version, path))
})

test("white space is the application's: two spaces, no final newline, whatever it was", () => {
  const taken = take({ 'config.json': `${JSON.stringify({ regions: {}, settings: { a: 1 } })}\r\n`, [DAY]: '[ ]\n' })
  expect(taken.text('1.1.0', 'config.json')).toContain('\n  "regions": {},\n  "settings": {\n    "a": 1\n  }\n}')
  for (const path of ['config.json', DAY, HOURLY]) expect(taken.text('2.1.0', path)).toMatch(/[}\]]$/)
})

test('migrating twice gives equal bytes', () => {
  const [one, other] = [take(fixture()), take(fixture())]
  expect([...one.files('2.1.0')]).toEqual([...other.files('2.1.0')])
})

test('what is at the newest version already is not changed', () => {
  const once = take(fixture()).files('2.1.0')
  expect([...take(once, '2.1.0').files('2.1.0')]).toEqual([...once])
  // The same among files of 1.0.0: a header is believed, and only the aggregates are made again.
  const own = new Map([...once].filter(([path]) => !path.startsWith('aggregated/')))
  expect([...take(own).files('2.1.0')].sort()).toEqual([...once].sort())
})

test('step by step is the same as all at once', () => {
  const all = take(fixture())
  const step = take(take(take(fixture(), '1.0.0', '1.2.0').files('1.2.0'), '1.2.0', '2.0.0').files('2.0.0'), '2.0.0', '2.1.0')
  expect([...step.files('2.1.0')].sort()).toEqual([...all.files('2.1.0')].sort())
})

test('the original of the first release comes through: every record, every instant', () => {
  const files = fixture()
  const before = JSON.parse(textOf(files.get(DAY))) as { timestamp: string; latency_ms: number; status: string }[]
  const { results, utcOffset } = take(files).json('2.1.0', DAY)
  expect(utcOffset).toBe('-05:00')
  expect(results.map((r: { ts: number; latency_ms: number; status: string }) => [r.ts, r.latency_ms, r.status])).toEqual(
    before.map((r) => [Date.parse(r.timestamp.replace(/(\.\d{3})\d*/, '$1')), r.latency_ms, r.status]),
  )
  expect(take(files).issues).toEqual([])
})

test('the first record of the first release, in every version', () => {
  const taken = take(fixture())
  const first = (version: (typeof VERSIONS)[number]): unknown => {
    const doc = taken.json(version, DAY)
    return Array.isArray(doc) ? doc[0] : doc.results[0]
  }
  const rest = { latency_ms: 142, status: 'success' }
  const named = { timestamp: '2025-12-08T17:32:03.131754-05:00', endpoint_id: 'fd6a02b', ...rest }
  expect(first('1.0.0')).toEqual({ ...named, endpoint_id: 'Default-Google DNS' })
  expect(first('1.1.0')).toEqual(named)
  for (const version of ['1.2.0', '2.0.0', '2.1.0'] as const)
    expect(first(version)).toEqual({ ts: 1765233123131, endpoint_id: 'fd6a02b', ...rest })
})

test('a file that a step does not touch keeps its bytes, header included', () => {
  const taken = take(fixture())
  const bytes = (version: (typeof VERSIONS)[number], path: string) => taken.files(version).get(path)
  expect(bytes('1.2.0', 'config.json')).toEqual(bytes('1.1.0', 'config.json'))
  expect(bytes('2.1.0', 'config.json')).toEqual(bytes('2.0.0', 'config.json'))
  expect(bytes('2.0.0', DAY)).toEqual(bytes('1.2.0', DAY))
  expect(bytes('2.1.0', DAY)).toEqual(bytes('1.2.0', DAY))
  expect(bytes('1.1.0', DAY)).not.toEqual(bytes('1.0.0', DAY))
})

test("every file of every version is as the application's encoder would lay it out", () => {
  const taken = take(fixture())
  for (const version of VERSIONS.slice(1))
    for (const [path, bytes] of taken.files(version)) {
      const text = textOf(bytes)
      const plain = JSON.stringify(JSON.parse(text), null, 2)
      expect(`${path} ${text}`).toBe(`${path} ${plain.replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`)}`)
    }
})
