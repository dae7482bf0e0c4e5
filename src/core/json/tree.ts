import { CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './codes.ts'
import { unexpected } from './expect.ts'
import { isIndex, remember } from './order.ts'
import type { Layout } from './quote.ts'
import { fault, type Source } from './source.ts'
import { collectSpellings, type Spelling } from './spelling.ts'
import { type Cursor, readNumber, readString, skipSpace, startOf } from './tokens.ts'

const enter = (c: Cursor): void => {
  if (++c.depth > c.maxDepth) throw fault('JSON_DEPTH', `nested deeper than ${c.maxDepth} levels`, c, c.at)
  c.at++
}

const leave = (c: Cursor): void => {
  c.depth--
  c.at++
}

/** Whether another item follows; stands on it or on the closing bracket. */
const another = (c: Cursor, close: number, wanted: string): boolean => {
  const code = skipSpace(c)
  if (code === close) return false
  if (code !== COMMA) throw unexpected(c, c.at, wanted)
  c.at++
  skipSpace(c)
  return true
}

const readArray = (c: Cursor): unknown[] => {
  enter(c)
  const items: unknown[] = []
  if (skipSpace(c) !== CLOSE_BRACKET) {
    do items.push(readValue(c))
    while (another(c, CLOSE_BRACKET, 'a comma or a closing ]'))
  }
  leave(c)
  return items
}

/** Without the name: it may be one that a user gave, and errors are kept in the journal. */
const duplicate = (c: Cursor, at: number): Error => fault('JSON_DUPLICATE_KEY', 'a member name occurs twice in one object', c, at)

/** The member name at the cursor, checked to be new in `object`; moves on to the value. */
const readName = (c: Cursor, object: Record<string, unknown>): string => {
  const start = c.at
  if (c.text.charCodeAt(start) !== QUOTE) throw unexpected(c, start, 'a member name in double quotes')
  const name = readString(c)
  // No JSON value is undefined, so a plain read spares most names the second look.
  if (object[name] !== undefined && Object.hasOwn(object, name)) throw duplicate(c, start)
  if (skipSpace(c) !== COLON) throw unexpected(c, c.at, 'a colon')
  c.at++
  skipSpace(c)
  return name
}

const put = (object: Record<string, unknown>, name: string, value: unknown): void => {
  // Assignment to __proto__ would set the prototype and lose the member.
  if (name === '__proto__') Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
  else object[name] = value
}

const keepOrder = (c: Cursor, object: object, order: string[]): void => {
  const id = JSON.stringify(order)
  const known = c.orders.get(id) ?? order
  c.orders.set(id, known)
  remember(object, known)
}

const readMembers = (c: Cursor, object: Record<string, unknown>): void => {
  let order: string[] | undefined
  do {
    const name = readName(c, object)
    // Up to the first index key, JavaScript's order is still the source's.
    if (order === undefined && isIndex(name)) order = Object.keys(object)
    order?.push(name)
    put(object, name, readValue(c))
  } while (another(c, CLOSE_BRACE, 'a comma or a closing }'))
  if (order !== undefined) keepOrder(c, object, order)
}

const readObject = (c: Cursor): Record<string, unknown> => {
  enter(c)
  const object: Record<string, unknown> = {}
  if (skipSpace(c) !== CLOSE_BRACE) readMembers(c, object)
  leave(c)
  return object
}

const readWord = (c: Cursor, word: string, value: unknown): unknown => {
  if (!c.text.startsWith(word, c.at)) throw unexpected(c, c.at, 'a value')
  c.at += word.length
  return value
}

const readValue = (c: Cursor): unknown => {
  switch (c.text.charCodeAt(c.at)) {
    case QUOTE:
      return readString(c)
    case OPEN_BRACE:
      return readObject(c)
    case OPEN_BRACKET:
      return readArray(c)
    case 0x74:
      return readWord(c, 'true', true)
    case 0x66:
      return readWord(c, 'false', false)
    case 0x6e:
      return readWord(c, 'null', null)
    default:
      return readNumber(c)
  }
}

const spellingOf = (c: Cursor): Spelling | null => {
  if (c.odd.size === 0 && c.orders.size === 0 && !c.oddNumbers) return null
  const strings = c.odd.size === 0 ? new Map<string, never>() : collectSpellings(c.text, c.odd, c.decoded)
  return { strings, orders: [...c.orders.values()] }
}

/** The value of a document and how it was spelt: null when all of it is canonical for the layout. Says exactly what is wrong. */
export const parseTree = (source: Source, layout: Layout, maxDepth: number): { value: unknown; spelling: Spelling | null } => {
  const c = startOf(source, layout, maxDepth)
  skipSpace(c)
  const value = readValue(c)
  if (!Number.isNaN(skipSpace(c))) throw unexpected(c, c.at, 'the end of the file')
  return { value, spelling: spellingOf(c) }
}
