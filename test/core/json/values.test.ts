import { describe, expect, test } from 'vitest'
import { entries, fromEntries, type JsonDoc, JsonNumber, numberOf, parseJson, plain, stringifyJson } from '../../../src/core/json/index.ts'
import { again, bytesOf, failure, parse, write } from './documents.ts'

/** The members of a parsed object, for building a migrated one. */
const record = (doc: JsonDoc): Record<string, unknown> => doc.value as Record<string, unknown>

describe('hazards 32 to 41: the value JavaScript would spoil comes back as it was', () => {
  test.each([
    ['32 a 64-bit id', '{"id":9007199254740993}'],
    ['32 nanoseconds', '[1765233139123456789]'],
    ['33 a decimal zero', '{"a":1.0,"b":99.50}'],
    ['33 negative zero', '[-0,-0.0,0]'],
    ['33 beyond a double', '[1e400,-1e400,1e-400]'],
    ['33 exponents', '[1E5,1e+5,1e21,1e+21,1.5e-9]'],
    ['33 small decimals', '[0.000001,0.0000001,0.00000012]'],
    ['34 index keys', '{"443":"https","80":"http","name":1,"8":2}'],
    ['34 index keys after names', '{"b":{"2":1,"a":0,"1":2},"a":1}'],
    ['36 a member called __proto__', '{"__proto__":{"polluted":true},"a":1}'],
    ['36 constructor and prototype', '{"constructor":{"prototype":{"x":1}},"toString":"no"}'],
    ['37 a byte order mark', '\ufeff{"a":1}\n'],
    ['37 CRLF', '{\r\n  "a": 1\r\n}\r\n'],
    ['37 tabs and no final newline', '{\n\t"a": [\n\t\t1\n\t]\n}'],
    ['37 two final newlines', '[1,2]\n\n'],
    ['38 a lone surrogate', '["\\ud800","\\uDC00x","\\ud83d\\ude00"]'],
    ['escapes nobody needs', '["\\/","\\u0041","R\\u0026D","\\u00e9","\\u000A"]'],
    ['a bare value', '"x"'],
    ['an empty list with a newline', '[]\n'],
  ])('%s', (_name, text) => {
    expect(again(text)).toBe(text)
  })

  test('35 a name that occurs twice is refused, with the place but not the name, which is user data', () => {
    const error = failure(() => parse('{\n  "a": 1,\n  "b": {"a": 2},\n  "\\u0061": 3\n}'))
    expect(error.code).toBe('JSON_DUPLICATE_KEY')
    expect(error.message).not.toContain('"a"')
    expect(error.data).toMatchObject({ line: 4, column: 3 })
  })

  test.each(['__proto__', 'constructor', '80', 'x'])('35 also when the name is %s', (name) => {
    expect(failure(() => parse(`{"${name}":{},"${name}":{}}`)).code).toBe('JSON_DUPLICATE_KEY')
  })

  test('36 a parsed __proto__ sets no prototype and survives spread', () => {
    const value = record(parse('{"__proto__":{"admin":true}}'))
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(value.admin).toBeUndefined()
    expect(stringifyJson({ ...value, b: 1 }, { layout: 'source', style: parse('{"a":1}').style })).toBe(
      '{"__proto__":{"admin":true},"b":1}',
    )
  })

  test('40 ten million levels are refused, the allowed ones are read', () => {
    const deep = new Uint8Array(10_000_000).fill(0x5b)
    expect(failure(() => parseJson(deep))).toMatchObject({ code: 'JSON_DEPTH', data: { line: 1, column: 201, offset: 200 } })
    const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
    expect(again(nested(200))).toBe(nested(200))
    expect(failure(() => parse(nested(201))).code).toBe('JSON_DEPTH')
    expect(parseJson(bytesOf(nested(1000)), { maxDepth: 5000 }).spelling).toBeNull()
    expect(failure(() => parseJson(bytesOf(nested(1001)), { maxDepth: 5000 })).code).toBe('JSON_DEPTH')
  })
})

describe('the layout of Go', () => {
  test('is two spaces, five extra escapes and no final newline', () => {
    const text = '{\n  "R\\u0026D": [\n    "\\u003ca\\u003e\\u2028\\u2029\\b\\f\\u0001"\n  ],\n  "e": [],\n  "o": {}\n}'
    expect(parse(text, 'go').spelling).toBeNull()
    expect(again(text, 'go')).toBe(text)
  })

  test('is what new values get, whatever the white space of the source', () => {
    const doc = parse('\ufeff[ ]\r\n', 'go')
    expect(write([{ a: '<&>\u2028' }], doc, 'go')).toBe('[\n  {\n    "a": "\\u003c\\u0026\\u003e\\u2028"\n  }\n]')
  })

  test('keeps the text of strings that another tool wrote raw, and of the long \\b of Go before 1.22', () => {
    const text = '[\n  "R&D",\n  "\\u0008",\n  "\u2028"\n]'
    expect(again(text, 'go')).toBe(text)
  })
})

describe('a migration that moves things keeps the text of what it does not change', () => {
  test('a string written under another name', () => {
    const doc = parse('{"name":"R\\u0026D","x":1.0}')
    const { name, x } = record(doc)
    expect(write({ title: name, list: [x, name] }, doc)).toBe('{"title":"R\\u0026D","list":[1.0,"R\\u0026D"]}')
  })

  test('a member name that becomes a value, and a value that becomes a name', () => {
    const doc = parse('{"R\\u0026D":"\\u0041"}')
    expect(write({ name: 'R&D', A: 1 }, doc)).toBe('{"name":"R\\u0026D","\\u0041":1}')
  })

  test('two spellings of one value under one name come back in order of occurrence', () => {
    const text = '[{"a":"x","x":1},{"a":"\\u0078","\\u0078":1},{"a":"x","b":"\\u0078"}]'
    const doc = parse(text)
    const copy = (doc.value as Record<string, unknown>[]).map((item) => ({ ...item }))
    expect(write(copy, doc)).toBe(text)
  })

  test('writing twice gives the same text twice', () => {
    const doc = parse('["x","\\u0078"]')
    expect(write(doc.value, doc)).toBe(write(doc.value, doc))
  })

  test('index keys keep their order through a spread, and new members keep their place', () => {
    const doc = parse('{"ports":{"443":1,"name":"n","80":2,"8":3}}')
    const ports = record(doc).ports as Record<string, unknown>
    expect(write({ ports: { ...ports, note: 1, 22: 4 } }, doc)).toBe('{"ports":{"443":1,"name":"n","80":2,"8":3,"note":1,"22":4}}')
    delete ports['80']
    expect(write({ header: 1, ...record(doc) }, doc)).toBe('{"header":1,"ports":{"443":1,"name":"n","8":3}}')
  })

  test('a header put first stays first, before index keys at the top', () => {
    const doc = parse('{"443":1,"regions":2,"80":3}')
    expect(write({ header: 0, ...record(doc) }, doc)).toBe('{"header":0,"443":1,"regions":2,"80":3}')
  })

  test('a copied object takes the order of the source object that shares most of its keys', () => {
    const doc = parse('[{"2":0,"1":0,"a":0},{"1":0,"2":0,"b":0},{"9":0,"2":0,"1":0,"c":0}]')
    const copies = (doc.value as object[]).map((item) => ({ ...item }))
    expect(write(copies, doc)).toBe('[{"2":0,"1":0,"a":0},{"1":0,"2":0,"b":0},{"9":0,"2":0,"1":0,"c":0}]')
  })

  test('of two source orders that fit equally well, the first in the document counts', () => {
    const doc = parse('[{"2":0,"1":0,"a":0},{"1":0,"2":0,"b":0}]')
    expect(write([{ 1: 0, 2: 0, z: 0 }], doc)).toBe('[{"2":0,"1":0,"z":0}]')
  })

  test('new strings are spelt as JSON.stringify would, lone surrogates escaped', () => {
    const doc = parse('["\\u0041"]')
    expect(write(['\ud800', '\ud83d\ude00', '\u0007"', 'A'], doc)).toBe('["\\ud800","😀","\\u0007\\"","\\u0041"]')
  })

  test('on white space alone, a source style is normalised and values stay', () => {
    expect(again('{"a": 1.0,\n      "b" :  [1,2]\n}\n')).toBe(
      '{\n      "a": 1.0,\n      "b": [\n            1,\n            2\n      ]\n}\n',
    )
  })
})

describe('numbers', () => {
  test('are JsonNumbers only where JavaScript would write another text', () => {
    const doc = parse('[1,-1.5,1e21,1e+21,123456789012345678]')
    expect(plain(doc.value)).toStrictEqual([1, -1.5, 1e21, 1e21, 123456789012345680])
    expect((doc.value as unknown[]).map((item) => item instanceof JsonNumber)).toStrictEqual([false, false, true, false, true])
  })

  test('can be computed with', () => {
    const number = new JsonNumber('99.0')
    expect([numberOf(number), numberOf(3), numberOf('3'), Number(number) + 1, String(number)]).toStrictEqual([
      99,
      3,
      undefined,
      100,
      '99.0',
    ])
    expect(JSON.stringify([number, new JsonNumber('1e400')])).toBe('[99,"1e400"]')
  })

  test('keep their text in a document that has no other spellings', () => {
    expect(stringifyJson([new JsonNumber('1.0'), 2], { layout: 'go' })).toBe('[\n  1.0,\n  2\n]')
  })

  test('can not be made of a text that is no JSON number', () => {
    for (const text of ['', '01', '1.', '.5', '+1', 'NaN', '1 ', '1\n'])
      expect(failure(() => new JsonNumber(text)).code).toBe('BAD_ARGUMENT')
  })

  test('plain shares what needs no change and keeps order and odd names', () => {
    const value = record(parse('{"same":{"a":[1]},"odd":{"443":1.0,"80":2,"__proto__":-0}}'))
    const result = plain(value) as Record<string, object>
    expect(result.same).toBe(value.same)
    expect(entries(result.odd ?? {})).toStrictEqual([
      ['443', 1],
      ['80', 2],
      ['__proto__', -0],
    ])
  })
})

describe('entries and fromEntries', () => {
  test('give and keep the source order', () => {
    const object = parse('{"b":0,"443":1,"80":2}').value as object
    expect(entries(object).map(([key]) => key)).toStrictEqual(['b', '443', '80'])
    const renamed = fromEntries(entries(object).map(([key, value]) => [key === 'b' ? 'c' : key, value]))
    expect(stringifyJson([renamed], { layout: 'source', style: parse('[1,2]').style })).toBe('[{"c":0,"443":1,"80":2}]')
  })

  test('make own members of any name', () => {
    const object = fromEntries([
      ['__proto__', { x: 1 }],
      ['a', 1],
      ['__proto__', 2],
    ])
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype)
    expect(entries(object)).toStrictEqual([
      ['__proto__', 2],
      ['a', 1],
    ])
  })
})
