import { StrataError } from '../errors.ts'
import type { JsonDoc, Layout } from '../json/index.ts'
import { GO_STYLE, parseJson, stringifyJson } from '../json/index.ts'
import type { Codec } from './codec.ts'

const [QUOTE, BACKSLASH, COMMA, NEWLINE] = [0x22, 0x5c, 0x2c, 0x0a]
const OPENING = new Set([0x5b, 0x7b])
const CLOSING = new Set([0x5d, 0x7d])

const fault = (line: number, message: string): StrataError =>
  new StrataError('JSON_SYNTAX', `${message} (line ${line}, column 1)`, {
    data: { line, column: 1 },
    hint: 'Each line is a JSON value of its own.',
  })

/** Where values end that stand next to each other: each gets the places of the separators outside of strings and brackets. */
const eachTopLevel = (text: string, visit: (code: number, at: number, line: number) => void): void => {
  let [depth, line] = [0, 1]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++
    } else if (OPENING.has(code)) depth++
    else if (CLOSING.has(code)) depth--
    else if (code === NEWLINE) {
      if (depth !== 0) throw fault(line, 'a value goes on in the next line')
      visit(code, at, line)
      line++
    } else if (code === COMMA && depth === 0) visit(code, at, line)
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const encoder = new TextEncoder()
const ofLine = (bytes: Uint8Array, layout: Layout) => parseJson(bytes, { layout }).style

/** One array of all lines, line breaks in their places: errors have their line, and the parser its fast path. */
const asArray = (text: string): string => {
  const lines = text.split('\n')
  let isFirst = true
  const joined = lines.map((line) => {
    if (/^[ \t\r]*$/.test(line)) return line
    const separator = isFirst ? '' : ','
    isFirst = false
    return separator + line
  })
  return `[${joined.join('\n')}]`
}

const read = (bytes: Uint8Array, layout: Layout): JsonDoc => {
  const whole = decoder.decode(bytes)
  const bom = whole.startsWith('\ufeff')
  const text = bom ? whole.slice(1) : whole
  eachTopLevel(text, (code, _at, line) => {
    if (code === COMMA) throw fault(line, 'there is more than one value in a line')
  })
  // What is not UTF-8 is for the parser to say.
  const hasReplaced = text.includes('\ufffd')
  const { value, spelling } = parseJson(hasReplaced ? bracketed(bytes.subarray(bom ? 3 : 0)) : encoder.encode(asArray(text)), { layout })
  const first = text.split('\n').find((line) => !/^[ \t\r]*$/.test(line))
  const style = first === undefined ? COMPACT : ofLine(encoder.encode(first.replace(/\r$/, '')), layout)
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  return { value, spelling, style: { ...style, bom, newline, tail: text === '' || text.endsWith('\n') ? newline : '' } }
}

/** The same over bytes, for texts in which a character may be one that was put in the place of what is no UTF-8. */
const bracketed = (bytes: Uint8Array): Uint8Array => {
  const latin1 = Buffer.from(bytes).toString('latin1')
  return Buffer.from(asArray(latin1), 'latin1')
}

const COMPACT = { ...GO_STYLE, newline: '', indent: '', colon: ':', comma: ',' }

/** All values at once, as the spellings of a document are in order; then a line each. */
const write = ({ value, spelling, style }: JsonDoc, layout: Layout): Uint8Array => {
  if (!Array.isArray(value)) throw new StrataError('INVALID_RESULT', 'the document should be an array, a line for each element')
  const own = style.newline === '' || style.indent !== '' ? { ...COMPACT, newline: '\n', tail: '\n' } : style
  const line = { ...own, newline: '', indent: '', bom: false, tail: '' }
  const text = stringifyJson(value, { layout, spelling, style: line, keepStyle: true }).slice(1, -1)
  const parts: string[] = []
  let from = 0
  eachTopLevel(text, (_code, at) => {
    parts.push(text.slice(from, at).trim())
    from = at + 1
  })
  if (value.length > 0) parts.push(text.slice(from).trim())
  const body = parts.join(own.newline)
  return encoder.encode((own.bom ? '\ufeff' : '') + body + (parts.length === 0 ? '' : own.tail))
}

/** JSON values, one a line (also called JSON Lines); the document is the array of them. The end of the last line is as it was. */
export const ndjson: Codec<'NDJSON'> = { name: 'NDJSON', read, write }
