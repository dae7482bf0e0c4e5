import { STEP } from './brackets.ts'
import { BACKSLASH, COLON, isDigit, isExponent, isSpace, MINUS, PLUS, POINT, QUOTE, ZERO } from './codes.ts'
import { isCanonicalNumber } from './number.ts'
import { type Layout, lookCloser } from './quote.ts'

const TABLES = { go: lookCloser('go', true), source: lookCloser('source', true) } as const

const NO = -1

const ascii = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to))

// The single-letter escapes that JSON.stringify and Go write. `\/` is legal but nobody's canon.
const SHORT = new Set(new TextEncoder().encode('"\\bfnrt'))
const LONG: Readonly<Record<Layout, RegExp>> = {
  // \b \t \n \f \r have short forms, so their long forms are not canonical.
  source: /^00(?:0[0-7be-f]|1[0-9a-f])$/,
  go: /^(?:00(?:0[0-7be-f]|1[0-9a-f]|3c|3e|26)|202[89])$/,
}

/** The index after a canonical escape, or -1. */
const afterEscape = (bytes: Uint8Array, at: number, layout: Layout): number => {
  const code = bytes[at + 1] ?? 0
  if (SHORT.has(code)) return at + 2
  return code === 0x75 && LONG[layout].test(ascii(bytes, at + 2, at + 6)) ? at + 6 : NO
}

/** Go escapes U+2028 and U+2029 (E2 80 A8, E2 80 A9): raw they are not canonical. */
const isRawLineSeparator = (bytes: Uint8Array, at: number): boolean => bytes[at + 1] === 0x80 && ((bytes[at + 2] ?? 0) | 1) === 0xa9

/** The index after whatever stopped the plain run of a string at `at`, or -1 when that is not canonical. */
const afterOddity = (bytes: Uint8Array, at: number, layout: Layout): number => {
  if (bytes[at] === BACKSLASH) return afterEscape(bytes, at, layout)
  return bytes[at] === 0xe2 && !isRawLineSeparator(bytes, at) ? at + 1 : NO
}

/** The closing quote of the string whose content starts at `start`, or -1. */
const scanString = (bytes: Uint8Array, start: number, layout: Layout, table: Uint8Array): number => {
  let at = start
  while (at < bytes.length) {
    const code = bytes[at] ?? 0
    if (table[code] === 0) at++
    else if (code === QUOTE) return at
    else if ((at = afterOddity(bytes, at, layout)) === NO) return NO
  }
  return NO
}

const isNumberByte = (code: number): boolean => isDigit(code) || code === POINT || code === MINUS || code === PLUS || isExponent(code)

/** Any number the quick rules do not know: compare its text with what JavaScript makes of it. */
const scanOddNumber = (bytes: Uint8Array, start: number): number => {
  let at = start
  while (isNumberByte(bytes[at] ?? 0)) at++
  // JavaScript's longest spelling is 25 characters: -0.00000 and 17 digits.
  return at - start <= 25 && isCanonicalNumber(ascii(bytes, start, at)) ? at : NO
}

const afterDigits = (bytes: Uint8Array, start: number): number => {
  let at = start
  while (isDigit(bytes[at] ?? 0)) at++
  return at
}

/** The index after a canonical number, or -1. Up to 15 significant digits survive a double, so they need no conversion. */
const scanNumber = (bytes: Uint8Array, start: number): number => {
  const digits = bytes[start] === MINUS ? start + 1 : start
  const whole = afterDigits(bytes, digits)
  const next = bytes[whole] ?? 0
  if (next !== POINT) {
    const simple = !isExponent(next) && whole - digits <= 15 && (digits === start || bytes[digits] !== ZERO)
    return simple ? whole : scanOddNumber(bytes, start)
  }
  const end = afterDigits(bytes, whole + 1)
  const plain = !isExponent(bytes[end] ?? 0) && end - digits <= 16 && bytes[end - 1] !== ZERO
  // 0.0… may be so small that JavaScript writes an exponent.
  return plain && (bytes[digits] !== ZERO || bytes[whole + 1] !== ZERO) ? end : scanOddNumber(bytes, start)
}

const PROTO = new TextEncoder().encode('__proto__')

/** Names that need the tree parser: those JavaScript would reorder (or nearly: `007`), and `__proto__`. */
const isTrapName = (bytes: Uint8Array, start: number, end: number): boolean => {
  const first = bytes[start] ?? 0
  if (isDigit(first)) return afterDigits(bytes, start) >= end
  return first === 0x5f && end - start === PROTO.length && PROTO.every((code, index) => bytes[start + index] === code)
}

const afterSpace = (bytes: Uint8Array, start: number): number => {
  let at = start
  while (isSpace(bytes[at] ?? 0)) at++
  return at
}

/**
 * The number of member names in a document that `layout`'s writer would spell in just this way (white space aside), or -1
 * when it can't vouch for that. Only meaningful for well-formed JSON: `JSON.parse` has to confirm that.
 */
export const scanCanonical = (bytes: Uint8Array, layout: Layout, maxDepth: number): number => {
  const table = TABLES[layout]
  let names = 0
  let depth = 0
  let at = 0
  while (at < bytes.length) {
    const code = bytes[at] ?? 0
    if (code <= 0x20) at++
    else if (code === QUOTE) {
      const end = scanString(bytes, at + 1, layout, table)
      if (end === NO) return NO
      const next = afterSpace(bytes, end + 1)
      if (bytes[next] === COLON) {
        if (isTrapName(bytes, at + 1, end)) return NO
        names++
      }
      at = next
    } else if (code === MINUS || isDigit(code)) {
      if ((at = scanNumber(bytes, at)) === NO) return NO
    } else {
      if ((depth += STEP[code] ?? 0) > maxDepth) return NO
      at++
    }
  }
  return names
}
