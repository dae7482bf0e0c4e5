import { StrataError, type ErrorCode } from '../errors.ts'

/** A document's text without its byte order mark. */
export type Source = { readonly text: string; readonly bom: boolean }

// The parser and the writer recurse: more than this could overflow a stack that is half used already.
const DEPTH_CEILING = 1000

/** Levels of arrays and objects that are read and written. */
export const depthLimit = (maxDepth = 200): number => Math.min(maxDepth, DEPTH_CEILING)

// V8's longest string is 0x1fffffe8 UTF-16 units.
const MAX_UNITS = 0x1fffffe8

// ignoreBOM means: do not swallow it. Without it the mark could not be written back.
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lossy = new TextDecoder('utf-8', { ignoreBOM: true })
const encoder = new TextEncoder()

/** 1-based line and column (UTF-16 units) of the end of `before`. A lone CR ends a line, as it does in editors. */
const lineAndColumn = (before: string): { line: number; column: number } => {
  const lines = before.split(/\r\n|\n|\r/)
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 }
}

/** An error that says where: line and column for people, the 0-based byte `offset` for programs. */
export const fault = (code: ErrorCode, what: string, source: Source, at: number, hint = ''): StrataError => {
  const before = source.text.slice(0, at)
  const { line, column } = lineAndColumn(before)
  const offset = encoder.encode(before).length + (source.bom ? 3 : 0)
  return new StrataError(code, `${what} (line ${line}, column ${column})`, { data: { line, column, offset }, hint })
}

const splitBom = (text: string): Source => (text.startsWith('\ufeff') ? { text: text.slice(1), bom: true } : { text, bom: false })

/** Where the first malformed sequence starts: the first difference between the bytes and what a lossy reader makes of them. */
const firstMalformed = (bytes: Uint8Array): number => {
  const replaced = encoder.encode(lossy.decode(bytes))
  let at = 0
  while (at < bytes.length && bytes[at] === replaced[at]) at++
  // A sequence that starts like U+FFFD (EF BF BD) differs late: go back to its first byte.
  while (at > 0 && ((replaced[at] ?? 0) & 0xc0) === 0x80) at--
  return at
}

const encodingFault = (bytes: Uint8Array): StrataError => {
  const at = firstMalformed(bytes)
  const source = splitBom(strict.decode(bytes.subarray(0, at)))
  const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
  return fault('JSON_ENCODING', 'not valid UTF-8', source, source.text.length, utf16 ? 'The file looks like UTF-16; save it as UTF-8.' : '')
}

const decode = (bytes: Uint8Array): string => {
  try {
    return strict.decode(bytes)
  } catch (cause) {
    if (bytes.length <= MAX_UNITS) throw encodingFault(bytes)
    throw new StrataError('UNREADABLE', 'too large to be read as one JSON document', {
      data: { bytes: bytes.length, limit: MAX_UNITS },
      cause,
    })
  }
}

/** The text of a file: JSON_ENCODING unless it is UTF-8, JSON_SYNTAX when there is nothing in it. */
export const decodeSource = (bytes: Uint8Array): Source => {
  const source = splitBom(decode(bytes))
  if (/^[ \t\r\n]*$/.test(source.text)) throw fault('JSON_SYNTAX', 'the file is empty', source, 0)
  if (bytes[0] === 0 && bytes.every((byte) => byte === 0)) {
    const hint = 'A crash or power failure while the file was written leaves such files.'
    throw fault('JSON_SYNTAX', 'the file holds nothing but NUL bytes', source, 0, hint)
  }
  return source
}
