/**
 * How a document is written. `go` is Go's `json.MarshalIndent(v, "", "  ")`; `source` is the document's own style,
 * with strings as `JSON.stringify` writes them.
 */
export type Layout = 'go' | 'source'

// What Go's encoder escapes and JSON.stringify does not. None of these occurs in JSON outside strings.
const GO_EXTRA = /[<>&\u2028\u2029]/g

// Strings with none of these are written as they are. Surrogates are here for the lone ones; a pair only costs the detour.
const ESCAPED: Readonly<Record<Layout, RegExp>> = {
  // eslint-disable-next-line no-control-regex -- control characters are the point
  source: /["\\\u0000-\u001f\ud800-\udfff]/,
  // eslint-disable-next-line no-control-regex -- as above
  go: /["\\\u0000-\u001f\ud800-\udfff<>&\u2028\u2029]/,
}

const goEscape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`

const GO_CHARACTERS = ['<', '>', '&', '\u2028', '\u2029']

/** Text that JSON.stringify wrote, with Go's five extra escapes. Most has none, which `includes` sees ten times sooner. */
export const goEscapes = (json: string): string =>
  GO_CHARACTERS.some((char) => json.includes(char)) ? json.replace(GO_EXTRA, goEscape) : json

/** The canonical spelling of a string, quotes included. */
export const quote = (value: string, layout: Layout): string => {
  if (!ESCAPED[layout].test(value)) return `"${value}"`
  return layout === 'go' ? goEscapes(JSON.stringify(value)) : JSON.stringify(value)
}

/**
 * Codes below 256 that end the plain part of a string in this layout: 1 where a closer look is needed. U+2028 and U+2029
 * are not in it: in bytes they show as 0xE2, in UTF-16 they are above it.
 */
export const lookCloser = (layout: Layout, asBytes: boolean): Uint8Array => {
  const table = new Uint8Array(256)
  table.fill(1, 0, 0x20)
  const codes = [0x22, 0x5c, ...(layout === 'go' ? [0x3c, 0x3e, 0x26, ...(asBytes ? [0xe2] : [])] : [])]
  for (const code of codes) table[code] = 1
  return table
}
