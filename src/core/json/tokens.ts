import { BACKSLASH, isDigit, isExponent, isSpace, MINUS, PLUS, POINT, QUOTE, ZERO } from './codes.ts'
import { unexpected } from './expect.ts'
import { isCanonicalNumber, JsonNumber } from './number.ts'
import { type Layout, lookCloser, quote } from './quote.ts'
import { fault, type Source } from './source.ts'

const TABLES = { go: lookCloser('go', false), source: lookCloser('source', false) } as const

/** A reading position, and what was found on the way that the values alone do not show. */
export type Cursor = Source & {
  at: number
  depth: number
  readonly maxDepth: number
  readonly layout: Layout
  readonly table: Uint8Array
  /** Values with a spelling that is not canonical. */
  readonly odd: Set<string>
  /** Values by source text, of strings that are not plain: alike records repeat them. */
  readonly decoded: Map<string, string>
  /** Key orders that JavaScript would change, by their JSON: alike records count once. */
  readonly orders: Map<string, readonly string[]>
  oddNumbers: boolean
}

/** A cursor at the first character. */
export const startOf = (source: Source, layout: Layout, maxDepth: number): Cursor => {
  const found = {
    odd: new Set<string>(),
    decoded: new Map<string, string>(),
    orders: new Map<string, readonly string[]>(),
    oddNumbers: false,
  }
  return { text: source.text, bom: source.bom, at: 0, depth: 0, maxDepth, layout, table: TABLES[layout], ...found }
}

/** Moves to the next character that is not white space and returns its code, NaN at the end. */
export const skipSpace = (c: Cursor): number => {
  let at = c.at
  let code = c.text.charCodeAt(at)
  while (code <= 0x20 && isSpace(code)) code = c.text.charCodeAt(++at)
  c.at = at
  return code
}

const digitsEnd = (c: Cursor, start: number): number => {
  let at = start
  while (isDigit(c.text.charCodeAt(at))) at++
  if (at === start) throw unexpected(c, at, 'a digit')
  return at
}

const exponentEnd = (c: Cursor, start: number): number => {
  if (!isExponent(c.text.charCodeAt(start))) return start
  const sign = c.text.charCodeAt(start + 1)
  return digitsEnd(c, sign === PLUS || sign === MINUS ? start + 2 : start + 1)
}

/** A number with a fraction, an exponent or many digits; `whole` is where its integer part ends. */
const readOddNumber = (c: Cursor, whole: number): number | JsonNumber => {
  const fraction = c.text.charCodeAt(whole) === POINT ? digitsEnd(c, whole + 1) : whole
  const end = exponentEnd(c, fraction)
  const text = c.text.slice(c.at, end)
  c.at = end
  if (isCanonicalNumber(text)) return Number(text)
  c.oddNumbers = true
  return new JsonNumber(text)
}

export const readNumber = (c: Cursor): number | JsonNumber => {
  const { text, at: start } = c
  const negative = text.charCodeAt(start) === MINUS
  const first = negative ? start + 1 : start
  let at = first
  let number = 0
  for (let code = text.charCodeAt(at); isDigit(code); code = text.charCodeAt(++at)) number = number * 10 + code - ZERO
  if (at === first) throw unexpected(c, at, negative ? 'a digit' : 'a value')
  if (at - first > 1 && text.charCodeAt(first) === ZERO) throw fault('JSON_SYNTAX', 'a number with a leading zero', c, first)
  const next = text.charCodeAt(at)
  // 15 digits are exact in a double, and -0 is the one integer whose text JavaScript changes.
  if (next === POINT || isExponent(next) || at - first > 15 || (negative && number === 0)) return readOddNumber(c, at)
  c.at = at
  return negative ? -number : number
}

const HEX4 = /^[0-9a-fA-F]{4}$/

/** The last index of the escape that starts at `at`. */
const escapeEnd = (c: Cursor, at: number): number => {
  const letter = c.text.charAt(at + 1)
  if (letter !== '' && '"\\/bfnrt'.includes(letter)) return at + 1
  if (letter === 'u' && HEX4.test(c.text.slice(at + 2, at + 6))) return at + 5
  throw fault('JSON_SYNTAX', 'a backslash that starts no valid escape', c, at, 'Write a backslash itself as \\\\.')
}

const stringFault = (c: Cursor, start: number, at: number): Error =>
  at >= c.text.length
    ? fault('JSON_SYNTAX', 'the file ends inside a string that starts here', c, start)
    : fault('JSON_SYNTAX', 'a control character inside a string must be escaped', c, at)

/** The value of `raw`, which is known to be one string token. */
const decodeString = (c: Cursor, raw: string): string => {
  const value = JSON.parse(raw) as string
  if (quote(value, c.layout) !== raw) c.odd.add(value)
  c.decoded.set(raw, value)
  return value
}

/** A string that holds an escape, or a character that the layout would escape, at or after `from`. */
const readOddString = (c: Cursor, from: number): string => {
  const start = c.at
  let at = from
  for (let code = c.text.charCodeAt(at); code !== QUOTE; code = c.text.charCodeAt(++at)) {
    if (!(code >= 0x20)) throw stringFault(c, start, at)
    if (code === BACKSLASH) at = escapeEnd(c, at)
  }
  const raw = c.text.slice(start, at + 1)
  c.at = at + 1
  return c.decoded.get(raw) ?? decodeString(c, raw)
}

export const readString = (c: Cursor): string => {
  const { text, table } = c
  const start = c.at + 1
  let at = start
  for (let code = text.charCodeAt(at); code < 256 ? table[code] === 0 : (code | 1) !== 0x2029 && at < text.length; ) {
    code = text.charCodeAt(++at)
  }
  if (text.charCodeAt(at) !== QUOTE) return readOddString(c, at)
  c.at = at + 1
  return text.slice(start, at)
}
