import { gunzipSync, gzipSync } from 'node:zlib'
import { decode, encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { arranged, brotli, gzip, json, messagePack, ndjson, zstd } from '../../src/core/codecs/index.ts'
import type { Codec } from '../../src/core/codecs/index.ts'
import { GO_STYLE, JsonNumber, jsonText, jsonValue, parseJson } from '../../src/core/json/index.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
const doc = (value: unknown) => ({ value, spelling: null, style: GO_STYLE })
const through = (codec: Codec, value: unknown): unknown => codec.read(codec.write(doc(value), 'source'), 'source').value
/** A document as its text says, numbers and all. */
const lossless = (source: string): unknown => parseJson(utf8(source)).value

const hasZstd = 'zstdCompressSync' in (await import('node:zlib'))
const COMPRESSED: [string, Codec][] = [
  ['gzip', gzip()],
  ['gzip(MessagePack)', gzip(messagePack)],
  ['brotli', brotli()],
  ['brotli(NDJSON)', brotli(ndjson)],
]

describe.each([['JSON', json] as [string, Codec], ['MessagePack', messagePack] as [string, Codec], ...COMPRESSED.slice(0, 3)])(
  '%s',
  (_name, codec) => {
    test('gives back any document that it has written', () => {
      fc.assert(
        fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
          // JSON.stringify writes -0 as 0.
          const source = JSON.stringify(value)
          // The one name that MessagePack's readers refuse: see below.
          fc.pre(!source.includes('"__proto__":'))
          const plain: unknown = JSON.parse(source)
          expect(through(codec, plain)).toEqual(plain)
        }),
        { numRuns: 300 },
      )
    })

    test.each([
      '1.0',
      '-0',
      '1e400',
      '9007199254740993',
      '-9223372036854775808',
      '18446744073709551615',
      '18446744073709551616',
      '0.10000',
    ])('keeps the number %s as it was written', (number) => {
      expect(jsonText(through(codec, lossless(`{"a":[${number}]}`)))).toBe(`{"a":[${number}]}`)
    })

    test('gives the same bytes for the same document', () => {
      const bytes = codec.write(doc({ a: 1, b: ['x', null] }), 'source')
      expect(codec.write(doc({ a: 1, b: ['x', null] }), 'source')).toEqual(bytes)
    })
  },
)

describe('MessagePack', () => {
  test('has integers where JSON has whole numbers, up to 64 bits', () => {
    const bytes = messagePack.write(doc([1765233139432, lossless('9007199254740993'), -1]), 'source')
    expect(decode(bytes, { useBigInt64: true })).toEqual([1765233139432n, 9007199254740993n, -1])
    expect(messagePack.read(bytes, 'source').value).toEqual([1765233139432, new JsonNumber('9007199254740993'), -1])
  })

  test.each<[string, unknown]>([
    ['binary data', encode({ a: new Uint8Array([1, 2]) })],
    ['a time', encode({ a: new Date(0) })],
    ['NaN', encode([Number.NaN])],
    ['an infinity', encode([-Infinity])],
    ['nothing', new Uint8Array()],
    ['half a file', encode({ a: 'a long enough text' }).slice(0, 9)],
    ['more than one value', new Uint8Array([1, 2])],
    ['a member named __proto__', new Uint8Array([0x81, 0xa9, ...utf8('__proto__'), 1])],
  ])('%s is BAD_FORMAT', (_what, bytes) => {
    expect(() => messagePack.read(bytes as Uint8Array, 'source')).toThrow(expect.objectContaining({ code: 'BAD_FORMAT' }))
  })

  test.each([undefined, Number.NaN, 1n])('%s cannot be written', (value) => {
    expect(() => messagePack.write(doc({ value }), 'source')).toThrow(expect.objectContaining({ code: expect.stringMatching(/^RESULT_/) }))
  })

  test('a member named __proto__ cannot be written: nothing could read it again', () => {
    const value: unknown = { a: [JSON.parse('{"__proto__": 1}')] }
    expect(() => messagePack.write(doc(value), 'source')).toThrow(
      expect.objectContaining({ code: 'INVALID_RESULT', message: expect.stringContaining('__proto__') }),
    )
  })
})

describe('compressed', () => {
  test.each(COMPRESSED)('%s says which format a file is not of', (name, codec) => {
    const whole = codec.write(doc([{ a: 1 }]), 'source')
    for (const bytes of [utf8('{"a":1}'), whole.slice(0, -3), new Uint8Array()])
      expect(() => codec.read(bytes, 'source')).toThrow(
        expect.objectContaining({ code: 'BAD_FORMAT', data: expect.objectContaining({ format: name.split('(')[0] }) }),
      )
  })

  test('gzip names neither time nor system', () => {
    const bytes = gzip().write(doc({ a: 1 }), 'source')
    expect([...bytes.slice(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, bytes[8], 255])
    expect(text(gunzipSync(bytes))).toBe('{\n  "a": 1\n}')
  })

  test('the text inside keeps its white space', () => {
    const source = '{"a" : 1.0,\r\n"b":[ ]}\r\n'
    const parsed = gzip().read(gzipSync(source), 'source')
    expect(text(gunzipSync(gzip().write(parsed, 'source')))).toBe(text(json.write(json.read(utf8(source), 'source'), 'source')))
  })

  test('zstd is there where Node has it, and says so where not', () => {
    if (hasZstd) expect(through(zstd(), { a: 1 })).toEqual({ a: 1 })
    else expect(() => zstd()).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT', hint: expect.stringContaining('22.15') }))
  })
})

describe('NDJSON', () => {
  test.each([
    ['{"a":1}\n{"b":[1,2]}\n', 'as it was'],
    ['{"a":1}\r\n{"b":2}', 'CRLF, no final line end'],
    ['\ufeff{"a":1}\n', 'a byte order mark'],
    ['{"a": 1.0, "b": "\\u003c"}\n{"b": "<", "443": 1, "80": 2}\n', 'numbers, escapes and order'],
    ['"a,b"\n"}"\n[1,[2]]\nnull\n7\n', 'values of every kind'],
    ['', 'nothing'],
  ])('%j comes back (%s)', (source) => {
    expect(text(ndjson.write(ndjson.read(utf8(source), 'source'), 'source'))).toBe(source)
  })

  test('is an array with an element for each line', () => {
    expect(ndjson.read(utf8('{"a":1}\n\n  \n[2]\n'), 'source').value).toEqual([{ a: 1 }, [2]])
  })

  test('of an application that writes like Go, is one line each', () => {
    expect(text(ndjson.write(doc([{ a: '<' }, { b: [1] }]), 'go'))).toBe('{"a":"\\u003c"}\n{"b":[1]}\n')
  })

  test.each([
    ['{"a":1}\n{"b":\n', 2],
    ['1\n2,3\n', 2],
    ['[1\n2]\n', 1],
    ['{"a":1}\n\n{"a":x}\n', 3],
    ['{"a":1} {"b":2}\n', 1],
  ])('%j is an error in line %i', (source, line) => {
    expect(() => ndjson.read(utf8(source), 'source')).toThrow(
      expect.objectContaining({ code: 'JSON_SYNTAX', data: expect.objectContaining({ line }) }),
    )
  })

  test('what is not UTF-8 is JSON_ENCODING', () => {
    expect(() => ndjson.read(new Uint8Array([0x22, 0xff, 0x22, 0x0a]), 'source')).toThrow(
      expect.objectContaining({ code: 'JSON_ENCODING' }),
    )
  })

  test('gives back any list that it has written', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 3 })), fc.constantFrom('go' as const, 'source' as const), (value, layout) => {
        const plain: unknown = JSON.parse(JSON.stringify(value))
        const bytes = ndjson.write(doc(plain), layout)
        expect(ndjson.read(bytes, layout).value).toEqual(plain)
        expect(ndjson.write(ndjson.read(bytes, layout), layout)).toEqual(bytes)
      }),
    )
  })

  test('only a list can be written', () => {
    expect(() => ndjson.write(doc({ a: 1 }), 'source')).toThrow(expect.objectContaining({ code: 'INVALID_RESULT' }))
  })
})

test('an arrangement that cannot be undone is BAD_FORMAT', () => {
  const codec = arranged(messagePack, {
    name: 'pairs',
    pack: (value) => Object.entries(value as object),
    unpack: (packed) => {
      if (!Array.isArray(packed)) throw new Error('no list')
      return Object.fromEntries(packed as [string, unknown][])
    },
  })
  expect(through(codec, { a: 1, b: null })).toEqual({ a: 1, b: null })
  expect(codec.name).toBe('pairs in MessagePack')
  expect(() => codec.read(encode(1), 'source')).toThrow(expect.objectContaining({ code: 'BAD_FORMAT', message: 'is not pairs: no list' }))
})

test('a value and its text on one line are the same', () => {
  const source = '{"443":1.0,"80":[1e400,{"a":"x"}],"b":null}'
  expect(jsonText(jsonValue(source))).toBe(source)
})
