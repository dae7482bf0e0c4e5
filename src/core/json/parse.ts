import type { Layout } from './quote.ts'
import { scanCanonical } from './scan.ts'
import { decodeSource, depthLimit } from './source.ts'
import type { Spelling } from './spelling.ts'
import { type Style, styleOf } from './style.ts'
import { parseTree } from './tree.ts'

/** A parsed document. `spelling` is null when all its text, white space aside, is canonical for the layout. */
export type JsonDoc = { value: unknown; spelling: Spelling | null; style: Style }

const countNames = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return 0
  let names = 0
  if (Array.isArray(value)) {
    for (const item of value) names += countNames(item)
    return names
  }
  // JSON.parse made these objects, so for-in sees own keys only, and it is the quickest way.
  for (const key in value) names += 1 + countNames((value as Record<string, unknown>)[key])
  return names
}

/** The value if `JSON.parse` may be trusted with it: canonical throughout and no name twice. Undefined otherwise. */
const trusted = (bytes: Uint8Array, text: string, layout: Layout, maxDepth: number): unknown => {
  const names = scanCanonical(bytes, layout, maxDepth)
  if (names < 0) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return countNames(value) === names ? value : undefined
  } catch {
    return undefined // the tree parser says what is wrong and where
  }
}

/** The value of a document that `parseJson` gives without any spelling, all of whose text is canonical; undefined for any other. */
export const parseCanonical = (bytes: Uint8Array, layout: Layout): unknown => {
  const { text } = decodeSource(bytes)
  return trusted(bytes, text, layout, depthLimit())
}

/**
 * The value of a JSON document (RFC 8259, UTF-8) with what is needed to write it back as it was.
 *
 * `layout` (default `source`) says what canonical means: pass the one it will be written in. `maxDepth` is 200 by default, at most 1000.
 * Numbers that JavaScript would write differently are JsonNumbers; strings are plain strings.
 *
 * Errors: JSON_SYNTAX, JSON_ENCODING, JSON_DEPTH, JSON_DUPLICATE_KEY, each with `{ line, column, offset }` (line and
 * column from 1 in UTF-16 units, offset in bytes from 0); UNREADABLE when the text is longer than a string can be.
 *
 * @example const doc = parseJson(bytes, { layout: 'go' })
 *          stringifyJson(doc.value, { layout: 'go', ...doc })
 */
export const parseJson = (bytes: Uint8Array, options: { layout?: Layout; maxDepth?: number } = {}): JsonDoc => {
  const layout = options.layout ?? 'source'
  const maxDepth = depthLimit(options.maxDepth)
  const source = decodeSource(bytes)
  const canonical = trusted(bytes, source.text, layout, maxDepth)
  const { value, spelling } = canonical === undefined ? parseTree(source, layout, maxDepth) : { value: canonical, spelling: null }
  return { value, spelling, style: styleOf(source) }
}
