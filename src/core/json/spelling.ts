import { CLOSE_BRACE, CLOSE_BRACKET, closingQuote, COLON, isSpace, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './codes.ts'

/** The source texts of one string value: each list is in order of occurrence and includes canonical texts. */
export type Spelt = { readonly first: string; readonly asName: string[]; readonly under: Map<string, string[]> }

/**
 * What a document's text has that its values do not show: the spelling of strings that have an unusual one somewhere,
 * and the key orders of objects that JavaScript would reorder.
 */
export type Spelling = {
  readonly strings: ReadonlyMap<string, Spelt>
  readonly orders: readonly (readonly string[])[]
}

const note = (strings: Map<string, Spelt>, value: string, raw: string): Spelt => {
  const known = strings.get(value) ?? { first: raw, asName: [], under: new Map<string, string[]>() }
  strings.set(value, known)
  return known
}

const noteUnder = (spelt: Spelt, owner: string, raw: string): void => {
  const list = spelt.under.get(owner)
  if (list === undefined) spelt.under.set(owner, [raw])
  else list.push(raw)
}

const isName = (text: string, end: number): boolean => {
  let at = end + 1
  while (isSpace(text.charCodeAt(at))) at++
  return text.charCodeAt(at) === COLON
}

/**
 * The spellings of the `odd` values, by owner: the member name they stand under, straight or as elements of its array.
 * `decoded` has the values of strings with escapes. A second pass over well-formed text: canonical occurrences before the
 * first odd one count as well, or the order is lost.
 */
export const collectSpellings = (text: string, odd: ReadonlySet<string>, decoded: ReadonlyMap<string, string>): Map<string, Spelt> => {
  const strings = new Map<string, Spelt>()
  const owners: string[] = []
  let owner = ''
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === OPEN_BRACE || code === OPEN_BRACKET) owners.push(owner)
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) owner = owners.pop() ?? ''
    if (code !== QUOTE) continue
    const end = closingQuote(text, at)
    const raw = text.slice(at, end + 1)
    const value = decoded.get(raw) ?? raw.slice(1, -1)
    const name = isName(text, end)
    if (odd.has(value)) {
      const spelt = note(strings, value, raw)
      if (name) spelt.asName.push(raw)
      else noteUnder(spelt, owner, raw)
    }
    if (name) owner = value
    at = end
  }
  return strings
}
