import fc from 'fast-check'
import { isStrataError, type StrataError } from '../../../src/core/errors.ts'
import { type JsonDoc, type Layout, parseJson, stringifyJson } from '../../../src/core/json/index.ts'

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

export const parse = (text: string, layout: Layout = 'source'): JsonDoc => parseJson(bytesOf(text), { layout })

export const write = (value: unknown, doc: JsonDoc, layout: Layout = 'source'): string => stringifyJson(value, { ...doc, layout })

export const again = (text: string, layout: Layout = 'source'): string => {
  const doc = parse(text, layout)
  return write(doc.value, doc, layout)
}

export const failure = (run: () => unknown): StrataError => {
  try {
    run()
  } catch (error) {
    if (isStrataError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** A document as its tokens: strings, names and numbers are source text, so that nothing is canonical by accident. */
export type Token = string | readonly Token[] | { readonly members: readonly (readonly [name: string, value: Token])[] }

export type Format = { bom: string; newline: string; indent: string; colon: string; comma: string; tail: string }

const wrap = (format: Format, open: string, items: readonly string[], close: string, margin: string): string => {
  if (items.length === 0) return open + close
  if (format.newline === '') return open + items.join(format.comma) + close
  const inner = margin + format.indent
  return open + inner + items.join(`,${inner}`) + margin + close
}

const isList = (token: Token): token is readonly Token[] => Array.isArray(token)

/** An independent writer: the reference for what regular formatting is. */
const render = (token: Token, format: Format, margin: string): string => {
  if (typeof token === 'string') return token
  const inner = margin + format.indent
  const below = (child: Token): string => render(child, format, inner)
  if (isList(token)) return wrap(format, '[', token.map(below), ']', margin)
  return wrap(
    format,
    '{',
    token.members.map(([name, value]) => name + format.colon + below(value)),
    '}',
    margin,
  )
}

export const document = (token: Token, format: Format): string => format.bom + render(token, format, format.newline) + format.tail

const escapeUnit = (unit: string, upper: boolean): string => {
  const hex = unit.charCodeAt(0).toString(16).padStart(4, '0')
  return `\\u${upper ? hex.toUpperCase() : hex}`
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '/': '\\/',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

// eslint-disable-next-line no-control-regex -- control characters are the point
const mustEscape = (unit: string): boolean => /["\\\u0000-\u001f\ud800-\udfff]/.test(unit)

/** One UTF-16 unit, spelt in one of the ways JSON allows. */
const spell = (unit: string, way: number): string => {
  if (way === 0 && !mustEscape(unit)) return unit
  if (way <= 1) return SHORT[unit] ?? (mustEscape(unit) ? escapeUnit(unit, false) : unit)
  return escapeUnit(unit, way === 2)
}

const UNITS = 'abc0"\\/\b\f\n\r\t<>&\u2028\u2029\u007f\u0000\u001b\ud800\udc00é€'.split('')
const unit = fc.oneof(
  fc.constantFrom(...UNITS, '😀'.charAt(0), '😀'.charAt(1)),
  fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
)
const stringToken = fc
  .array(fc.tuple(unit, fc.constantFrom(0, 0, 0, 1, 1, 2, 3)), { maxLength: 8 })
  .map((units) => `"${units.map(([char, way]) => spell(char, way)).join('')}"`)
const fewStrings = fc.constantFrom('"R&D"', '"R\\u0026D"', '"R\\u0026\\u0044"', '"a"', '"\\u0061"', '"\\/"', '"<😀>"', '"\\ud83d\\ude00"')
const anyString = fc.oneof(stringToken, fewStrings)
const name = fc.oneof(
  anyString,
  fc.constantFrom(
    '"443"',
    '"80"',
    '"0"',
    '"007"',
    '"4294967295"',
    '"4294967294"',
    '"\\u0038"',
    '"__proto__"',
    '"constructor"',
    '"toJSON"',
    '""',
  ),
)
const digits = fc.stringMatching(/^(0|[1-9][0-9]{0,20})$/)
const number = fc
  .tuple(fc.constantFrom('', '-'), digits, fc.stringMatching(/^(\.[0-9]{1,18})?$/), fc.stringMatching(/^([eE][+-]?[0-9]{1,3})?$/))
  .map((parts) => parts.join(''))
const plainNumber = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })).map((value) => JSON.stringify(value))

export const token: fc.Arbitrary<Token> = fc.letrec<{ token: Token; object: Token; array: Token }>((tie) => ({
  token: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    anyString,
    number,
    plainNumber,
    fc.constantFrom('true', 'false', 'null'),
    tie('array'),
    tie('object'),
  ),
  array: fc.array(tie('token'), { maxLength: 5 }),
  object: fc
    .uniqueArray(fc.tuple(name, tie('token')), { maxLength: 6, selector: ([raw]): unknown => JSON.parse(raw) })
    .map((members) => ({ members })),
})).token

export const lines = fc.record({
  bom: fc.constantFrom('', '\ufeff'),
  newline: fc.constantFrom('\n', '\r\n', '\r'),
  indent: fc.constantFrom('  ', '    ', '\t', ' ', '', '            '),
  colon: fc.constantFrom(': ', ':', ' : '),
  comma: fc.constant(','),
  tail: fc.constantFrom('', '\n', '\r\n', '\n\n', ' \n'),
})
export const line = fc.record({
  bom: fc.constantFrom('', '\ufeff'),
  newline: fc.constant(''),
  indent: fc.constant(''),
  colon: fc.constantFrom(':', ': '),
  comma: fc.constantFrom(',', ', '),
  tail: fc.constantFrom('', '\n', '\r\n'),
})
export const GO: Format = { bom: '', newline: '\n', indent: '  ', colon: ': ', comma: ',', tail: '' }
