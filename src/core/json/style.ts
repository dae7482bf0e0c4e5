import { closingQuote, COLON, COMMA, isSpace, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './codes.ts'
import type { Source } from './source.ts'

/** The white space of a document. `newline` is '' for a document on one line; `comma` counts only there. */
export type Style = {
  readonly bom: boolean
  readonly newline: string
  readonly indent: string
  /** Between member name and value, spaces included: `:`, `: ` or ` : `. */
  readonly colon: string
  readonly comma: string
  /** White space after the document. */
  readonly tail: string
}

/** Go's MarshalIndent with two spaces; also what a new document gets. */
export const GO_STYLE: Style = { bom: false, newline: '\n', indent: '  ', colon: ': ', comma: ',', tail: '' }

const endOfBody = (text: string): number => {
  let end = text.length
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--
  return end
}

/** The first `code` outside strings, or -1. */
const firstOutside = (text: string, code: number): number => {
  for (let at = 0; at < text.length; at++) {
    const here = text.charCodeAt(at)
    if (here === code) return at
    if (here === QUOTE) at = closingQuote(text, at)
  }
  return -1
}

/** The separator at `at` with the spaces around it. */
const withSpaces = (text: string, at: number): string => {
  let from = at
  let to = at + 1
  while (text.charCodeAt(from - 1) === 0x20) from--
  while (text.charCodeAt(to) === 0x20) to++
  return text.slice(from, to)
}

const separator = (text: string, code: number, otherwise: string): string => {
  const at = firstOutside(text, code)
  return at < 0 ? otherwise : withSpaces(text, at)
}

/** `{}`, `[]` and bare values look the same in every style. */
const saysNothing = (body: string): boolean => {
  const first = body.trimStart().charCodeAt(0)
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return true
  let at = body.length - 2
  while (isSpace(body.charCodeAt(at))) at--
  const before = body.charCodeAt(at)
  return (before === OPEN_BRACE || before === OPEN_BRACKET) && body.slice(0, at).trim() === ''
}

const oneLine = (body: string, bom: boolean, tail: string): Style => {
  const colon = separator(body, COLON, ':')
  const comma = separator(body, COMMA, colon.endsWith(' ') ? ', ' : ',')
  return { bom, newline: '', indent: '', colon, comma, tail }
}

const NEWLINE = /\r\n|\n|\r/
// A line break outside strings: raw ones are not allowed inside.
const FIRST_INDENT = /(\r\n|\n|\r)[\r\n]*([ \t]*)/

/** The style of a well-formed document, told by its first indented line and first separators. */
export const styleOf = ({ text, bom }: Source): Style => {
  const end = endOfBody(text)
  const tail = text.slice(end)
  const body = end === text.length ? text : text.slice(0, end)
  if (saysNothing(body)) return { ...GO_STYLE, bom, tail, newline: NEWLINE.exec(tail)?.[0] ?? '\n' }
  const line = FIRST_INDENT.exec(body.trimStart())
  if (line === null) return oneLine(body, bom, tail)
  return { bom, newline: line[1] ?? '\n', indent: line[2] ?? '', colon: separator(body, COLON, ': '), comma: ',', tail }
}
