import { CLOSE_BRACE, CLOSE_BRACKET, COMMA, isSpace } from './codes.ts'
import { fault, type Source } from './source.ts'
import type { StrataError } from '../errors.ts'

const HINTS: Readonly<Record<string, string>> = {
  '\0': 'NUL bytes are what a crash or power failure leaves of a half-written file.',
  '/': 'JSON has no comments.',
  '#': 'JSON has no comments.',
  "'": 'JSON uses double quotes.',
  '\ufeff': 'A byte order mark may only be the first character of the file.',
}

const lastBefore = (text: string, at: number): number => {
  let last = at - 1
  while (isSpace(text.charCodeAt(last))) last--
  return text.charCodeAt(last)
}

const isTrailingComma = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at)
  return (code === CLOSE_BRACE || code === CLOSE_BRACKET) && lastBefore(text, at) === COMMA
}

/** The error for a character (or the end) where `wanted` should be. It shows no text of the file: that is user data. */
export const unexpected = (source: Source, at: number, wanted: string): StrataError => {
  const { text } = source
  if (at >= text.length) return fault('JSON_SYNTAX', `the file ends where ${wanted} should be`, source, at)
  if (isTrailingComma(text, at)) return fault('JSON_SYNTAX', 'a comma before a closing bracket', source, at, 'Remove the comma.')
  return fault('JSON_SYNTAX', `expected ${wanted}`, source, at, HINTS[text.charAt(at)])
}
