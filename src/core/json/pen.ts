import { JsonNumber } from './number.ts'
import { closestOrder, indexOrders, isIndex, orderOf, type OrderIndex, restoreOrder } from './order.ts'
import { type Layout, quote } from './quote.ts'
import type { Spelling, Spelt } from './spelling.ts'
import type { Style } from './style.ts'

/** What one writing needs to know: the spellings, and how many of each were used so far. */
type Pen = {
  readonly layout: Layout
  readonly style: Style
  readonly strings: ReadonlyMap<string, Spelt>
  readonly used: Map<readonly string[], number>
  readonly orders: OrderIndex
}

/** The next text of a list; when more are wanted than the source had, the last. */
const nextOf = (pen: Pen, list: readonly string[]): string | undefined => {
  if (list.length === 1) return list[0]
  const count = pen.used.get(list) ?? 0
  pen.used.set(list, count + 1)
  return list[Math.min(count, list.length - 1)]
}

const writeString = (pen: Pen, value: string, owner: string): string => {
  const spelt = pen.strings.get(value)
  if (spelt === undefined) return quote(value, pen.layout)
  return nextOf(pen, spelt.under.get(owner) ?? []) ?? spelt.first
}

const writeName = (pen: Pen, name: string): string => {
  const spelt = pen.strings.get(name)
  if (spelt === undefined) return quote(name, pen.layout)
  return nextOf(pen, spelt.asName) ?? spelt.first
}

/** Keys in the order to write: the object's own remembered one, else that of the source object most like it. */
const keysToWrite = (pen: Pen, object: object): string[] => {
  const keys = Object.keys(object)
  if (!isIndex(keys[0])) return keys
  const source = orderOf(object) ?? closestOrder(pen.orders, keys)
  return source === undefined ? keys : restoreOrder(keys, source)
}

/** Items between brackets; `margin` is the line break and indentation of the line the opening bracket stands in. */
const wrap = (pen: Pen, open: string, items: readonly string[], close: string, margin: string): string => {
  if (items.length === 0) return open + close
  if (pen.style.newline === '') return open + items.join(pen.style.comma) + close
  const inner = margin + pen.style.indent
  return open + inner + items.join(`,${inner}`) + margin + close
}

const writeObject = (pen: Pen, object: Readonly<Record<string, unknown>>, margin: string): string => {
  const inner = margin + pen.style.indent
  const members = keysToWrite(pen, object).map((key) => writeName(pen, key) + pen.style.colon + writeValue(pen, object[key], key, inner))
  return wrap(pen, '{', members, '}', margin)
}

const writeArray = (pen: Pen, items: readonly unknown[], owner: string, margin: string): string => {
  const inner = margin + pen.style.indent
  return wrap(
    pen,
    '[',
    items.map((item) => writeValue(pen, item, owner, inner)),
    ']',
    margin,
  )
}

/** `owner` is the member name that strings below stand under, as in `collectSpellings`. */
const writeValue = (pen: Pen, value: unknown, owner: string, margin: string): string => {
  if (typeof value === 'string') return writeString(pen, value, owner)
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof JsonNumber) return value.text
  if (Array.isArray(value)) return writeArray(pen, value, owner, margin)
  // checkSerialisable has seen it: what is left are plain objects.
  return writeObject(pen, value as Readonly<Record<string, unknown>>, margin)
}

/** The text of a checked value with every remembered spelling and order. White space after it is the caller's. */
export const writeTree = (value: unknown, layout: Layout, spelling: Spelling | null, style: Style): string => {
  const strings: ReadonlyMap<string, Spelt> = spelling?.strings ?? new Map<string, Spelt>()
  const pen: Pen = { layout, style, strings, used: new Map(), orders: indexOrders(spelling?.orders ?? []) }
  return writeValue(pen, value, '', style.newline)
}
