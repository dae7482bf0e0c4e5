import { describe, expect, test } from 'vitest'
import { checkSerialisable, JsonNumber, parseJson, stringifyJson } from '../../../src/core/json/index.ts'
import { failure, parse } from './documents.ts'

describe('what is not JSON is refused with its place, and without the data in it', () => {
  test.each<[string, string, number, number, RegExp]>([
    ['an empty file', '', 1, 1, /the file is empty/],
    ['only white space', ' \r\n\t', 1, 1, /the file is empty/],
    ['only a byte order mark', '\ufeff', 1, 1, /the file is empty/],
    ['only NUL bytes', '\0\0\0\0', 1, 1, /nothing but NUL bytes/],
    ['a torn tail', '[\n  {"secret": 1},\n  {"secret"', 3, 12, /the file ends where a colon/],
    ['a torn string', '{"a": "secr', 1, 7, /ends inside a string/],
    ['NUL bytes after the text', '[1]\0\0', 1, 4, /expected the end of the file/],
    ['a trailing comma', '{\r\n"a": 1,\r\n}', 3, 1, /comma before a closing bracket/],
    ['a missing comma', '["é" 2]', 1, 6, /expected a comma/],
    ['a comment', '{ // why\n}', 1, 3, /member name/],
    ['single quotes', "{'a':1}", 1, 2, /double quotes/],
    ['a leading zero', '[007]', 1, 2, /leading zero/],
    ['a bare point', '[1.]', 1, 4, /a digit/],
    ['a plus sign', '[+1]', 1, 2, /a value/],
    ['NaN', '[NaN]', 1, 2, /a value/],
    ['a raw line break in a string', '["a\nb"]', 1, 4, /control character/],
    ['an escape that is none', '["😀\\x"]', 1, 5, /no valid escape/],
    ['a short \\u', '["\\u12"]', 1, 3, /no valid escape/],
    ['a second document', '{} {}', 1, 4, /the end of the file/],
    ['a wrong bracket', '{"a":[1}', 1, 8, /a comma or a closing \]/],
    ['a second byte order mark', '\ufeff\ufeff1', 1, 1, /a value/],
  ])('%s', (_name, text, line, column, message) => {
    const error = failure(() => parse(text))
    expect(error.code).toBe('JSON_SYNTAX')
    expect(error.data).toMatchObject({ line, column })
    expect(error.message).toMatch(message)
    expect(error.message).toContain(`line ${line}, column ${column}`)
    expect(error.message + error.hint).not.toContain('secr')
  })

  test.each<[string, number[], number, number, number]>([
    ['a stray byte', [0x5b, 0x0a, 0x22, 0xff, 0x22, 0x5d], 2, 2, 3],
    ['a sequence cut by the end', [0x22, 0xc3, 0xa9, 0xef, 0xbf], 1, 3, 3],
    ['a sequence like U+FFFD', [0x22, 0xef, 0xbf, 0x22], 1, 2, 1],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22], 1, 2, 1],
    ['after a real U+FFFD', [0x22, 0xef, 0xbf, 0xbd, 0x80, 0x22], 1, 3, 4],
    ['after a byte order mark', [0xef, 0xbb, 0xbf, 0x22, 0x80, 0x22], 1, 2, 4],
  ])('38 invalid UTF-8: %s', (_name, bytes, line, column, offset) => {
    expect(failure(() => parseJson(Uint8Array.from(bytes)))).toMatchObject({ code: 'JSON_ENCODING', data: { line, column, offset } })
  })

  test('38 a file saved as UTF-16 gets a hint', () => {
    expect(failure(() => parseJson(Uint8Array.from([0xff, 0xfe, 0x7b, 0, 0x7d, 0]))).hint).toContain('UTF-16')
  })

  test('the offset counts bytes of the file', () => {
    expect(failure(() => parse('\ufeff["é",]')).data).toStrictEqual({ line: 1, column: 6, offset: 9 })
  })
})

describe('41 a result that JSON cannot hold is refused with its path', () => {
  const cyclic: Record<string, unknown> = { a: [] }
  cyclic.a = [cyclic]
  class Point {
    x = 1
  }
  const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)])
  test.each<[string, unknown, string, RegExp, string?]>([
    ['undefined itself', undefined, '', /undefined/, 'RESULT_UNDEFINED'],
    ['an undefined member', { results: [0, { ts: undefined }] }, 'results[1].ts', /undefined/, 'RESULT_UNDEFINED'],
    ['a hole', { a: [1, , 2] }, 'a[1]', /undefined/, 'RESULT_UNDEFINED'],
    ['NaN', { regions: { 'R D': Number.NaN } }, 'regions["R D"]', /NaN/, 'RESULT_NAN'],
    ['Infinity', [-Infinity], '[0]', /-Infinity/, 'RESULT_NAN'],
    ['BigInt', [[1n]], '[0][0]', /BigInt/, 'RESULT_BIGINT'],
    ['a promise', { later: Promise.resolve(1) }, 'later', /an instance of Promise/, 'ASYNC_STEP'],
    ['a function', { toJSON: () => 1 }, 'toJSON', /function/],
    ['a symbol', { s: Symbol('x') }, 's', /symbol/],
    ['a Date', { at: new Date(0) }, 'at', /an instance of Date/],
    ['a Map', new Map(), '', /an instance of Map/],
    ['a class of one’s own', { p: new Point() }, 'p', /an instance of Point/],
    ['a cycle', cyclic, 'a[0]', /cycle/, 'RESULT_CYCLE'],
    ['too deep', deep(201), '[0]'.repeat(200), /deeper than 200/],
  ])('%s', (_name, value, path, reason, code = 'INVALID_RESULT') => {
    const error = failure(() => checkSerialisable(value))
    expect(error).toMatchObject({ code, data: { path } })
    expect(error.message).toMatch(reason)
    expect(failure(() => stringifyJson(value, { layout: 'go' })).code).toBe(code)
  })

  test('what it can hold passes', () => {
    const shared = { a: 1 }
    const held = [null, true, 'x', -0, new JsonNumber('1.0'), Object.create(null), shared, shared, deep(190)]
    expect(() => checkSerialisable(held)).not.toThrow()
    expect(() => checkSerialisable(deep(500), 600)).not.toThrow()
  })
})
