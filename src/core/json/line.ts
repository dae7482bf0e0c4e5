import { CLOSE_BRACE, CLOSE_BRACKET, closingQuote, COMMA, isSpace, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './codes.ts'

const NEWLINE = /\r\n|\n|\r/g

const lineOf = (text: string, at: number): number => (text.slice(0, at).match(NEWLINE)?.length ?? 0) + 1

type Token = { readonly code: number; readonly at: number; readonly end: number; readonly depth: number }

const isClosing = ({ code }: Token): boolean => code === CLOSE_BRACE || code === CLOSE_BRACKET

/** Each token of a text that was parsed, from `from` on, with the depth that it is at; brackets are at that of what they are in. */
const tokens = function* (text: string, from = 0): Generator<Token> {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (isSpace(code)) continue
    if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
    const end = code === QUOTE ? closingQuote(text, at) : at
    yield { code, at, end, depth }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
    at = end
  }
}

/** Where the array begins: the document itself, or the one in its member `name`. */
const arrayStart = (text: string, name: string): number | null => {
  let key = '""'
  for (const { code, at, end, depth } of tokens(text)) {
    if (depth === 1 && code === QUOTE) key = text.slice(at, end + 1)
    if (code === OPEN_BRACKET && (name === '' ? depth === 0 : depth === 1 && JSON.parse(key) === name)) return at
  }
  return null
}

/**
 * The line, from 1, on which element `index` of an array begins: of the document itself, or of the array in its member `name`.
 * `text` is JSON that was parsed. Null where there is no such element.
 */
export const elementLine = (text: string, name: string, index: number): number | null => {
  const start = arrayStart(text, name)
  if (start === null) return null
  let [seen, isNext] = [0, true]
  for (const token of tokens(text, start + 1)) {
    if (token.depth < 0) return null
    if (token.depth > 0) continue
    if (token.code === COMMA) isNext = true
    else if (isNext && !isClosing(token)) {
      if (seen++ === index) return lineOf(text, token.at)
      isNext = false
    }
  }
  return null
}

/** The same where each line is an element, but for empty ones. */
export const valueLine = (text: string, index: number): number | null => {
  let seen = 0
  for (const [i, line] of text.split('\n').entries()) if (line.trim() !== '' && seen++ === index) return i + 1
  return null
}
