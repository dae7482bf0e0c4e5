import { StrataError } from '../errors.ts'
import { PLAIN, surveyResult } from './check.ts'
import { writeTree } from './pen.ts'
import { goEscapes, type Layout } from './quote.ts'
import type { Spelling } from './spelling.ts'
import { GO_STYLE, type Style } from './style.ts'

/** The indentation with which JSON.stringify gives this style (line ends aside), or undefined when it can't. */
const builtInIndent = (style: Style): string | undefined => {
  if (style.newline === '') return style.colon === ':' && style.comma === ',' ? '' : undefined
  // It cuts indentation at ten characters, and takes none as "on one line".
  return style.colon === ': ' && style.indent !== '' && style.indent.length <= 10 ? style.indent : undefined
}

/** For values without JsonNumbers, and documents without spellings, JSON.stringify does the work. */
const writeFast = (value: unknown, layout: Layout, style: Style, indent: string): string => {
  const json = JSON.stringify(value, null, indent)
  const lines = style.newline === '' || style.newline === '\n' ? json : json.replaceAll('\n', style.newline)
  return layout === 'go' ? goEscapes(lines) : lines
}

const body = (value: unknown, layout: Layout, spelling: Spelling | null, style: Style, maxDepth?: number): string => {
  const plain = surveyResult(value, maxDepth) === PLAIN
  const indent = plain && spelling === null ? builtInIndent(style) : undefined
  return indent === undefined ? writeTree(value, layout, spelling, style) : writeFast(value, layout, style, indent)
}

const tooLong = (cause: unknown): unknown =>
  // V8 says "Invalid string length" and gives no code.
  cause instanceof RangeError ? new StrataError('INVALID_RESULT', 'the result is too large for one JSON document', { cause }) : cause

/**
 * The text of a document, for the caller to encode as UTF-8.
 *
 * `go` is always two spaces, LF, no byte order mark, no final newline. `source` uses `style` (the one of the parsed
 * document, byte order mark included; without one, the white space of `go`); with `keepStyle` so does `go`. `spelling` gives untouched strings and key
 * orders their source text. Errors: INVALID_RESULT, as `checkSerialisable`.
 */
export const stringifyJson = (
  value: unknown,
  options: { layout: Layout; spelling?: Spelling | null; style?: Style; maxDepth?: number; keepStyle?: boolean },
): string => {
  const { layout, spelling = null, maxDepth, keepStyle = false } = options
  const style = layout === 'go' && !keepStyle ? GO_STYLE : (options.style ?? GO_STYLE)
  try {
    return (style.bom ? '\ufeff' : '') + body(value, layout, spelling, style, maxDepth) + style.tail
  } catch (error) {
    throw tooLong(error)
  }
}
