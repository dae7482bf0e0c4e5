/**
 * JavaScript moves keys that look like array indexes (`443`, `80`) to the front, in numeric order. For objects that
 * have such a key the order of the source is remembered beside the object, where a copy by spread can't carry it along.
 */
const remembered = new WeakMap<object, readonly string[]>()

/** Whether JavaScript reorders this key: an array index, 0 to 2^32-2 in its shortest spelling. */
export const isIndex = (key: string | undefined): boolean => {
  if (key === undefined || key.length > 10) return false
  const first = key.charCodeAt(0)
  return first >= 0x30 && first <= 0x39 && String(Number(key) >>> 0) === key && key !== '4294967295'
}

export const remember = (object: object, keys: readonly string[]): void => void remembered.set(object, keys)

export const orderOf = (object: object): readonly string[] | undefined => remembered.get(object)

/** Index keys by the name they follow in the source; `lead` are those before the first name that is still there. */
const groupIndexes = (present: ReadonlySet<string>, source: readonly string[]) => {
  const lead: string[] = []
  const after = new Map<string, string[]>()
  let group = lead
  for (const key of source) {
    if (!present.has(key)) continue
    if (isIndex(key)) group.push(key)
    else after.set(key, (group = []))
  }
  return { lead, after }
}

/**
 * `keys` (in JavaScript's order) with the index keys back where `source` has them. Names keep JavaScript's order, which
 * is what the migration wrote; index keys that the source does not know come last.
 */
export const restoreOrder = (keys: readonly string[], source: readonly string[]): string[] => {
  const { lead, after } = groupIndexes(new Set(keys), source)
  const names = keys.filter((key) => !isIndex(key))
  const anchor = names.find((name) => after.has(name))
  const restored = anchor === undefined ? [...lead] : []
  for (const name of names) {
    if (name === anchor) restored.push(...lead)
    restored.push(name, ...(after.get(name) ?? []))
  }
  const known = new Set(restored)
  return [...restored, ...keys.filter((key) => !known.has(key))]
}

/** The object's own keys, in source order where one is remembered. Index keys come first if there are any, so one look tells. */
const keysOf = (object: object): string[] => {
  const keys = Object.keys(object)
  const source = isIndex(keys[0]) ? remembered.get(object) : undefined
  return source === undefined ? keys : restoreOrder(keys, source)
}

/** The members of an object in SOURCE order: `Object.entries` moves keys like `443` to the front, this does not. */
export const entries = (object: object): [string, unknown][] =>
  // Reading by own key is safe for `__proto__` too: an own property hides the accessor.
  keysOf(object).map((key) => [key, (object as Record<string, unknown>)[key]])

/**
 * An object with these members that remembers the order given. `__proto__` becomes an own property (that is what
 * `Object.fromEntries` does; assignment would set the prototype). The last of two equal keys wins, at the place of the first.
 */
export const fromEntries = (pairs: Iterable<[string, unknown]>): Record<string, unknown> => {
  const list = [...pairs]
  const object: Record<string, unknown> = Object.fromEntries(list)
  if (isIndex(Object.keys(object)[0])) remember(object, [...new Set(list.map(([key]) => key))])
  return object
}

/** The key orders of a document, findable by the keys in them. */
export type OrderIndex = { readonly orders: readonly (readonly string[])[]; readonly having: ReadonlyMap<string, readonly number[]> }

export const indexOrders = (orders: readonly (readonly string[])[]): OrderIndex => {
  const having = new Map<string, number[]>()
  for (const [at, order] of orders.entries()) {
    for (const key of order) {
      const list = having.get(key)
      if (list === undefined) having.set(key, [at])
      else list.push(at)
    }
  }
  return { orders, having }
}

/** The source order that shares the most keys with `keys`; of equals, the first in the document. */
export const closestOrder = (index: OrderIndex, keys: readonly string[]): readonly string[] | undefined => {
  const shared = new Map<number, number>()
  for (const key of keys) for (const at of index.having.get(key) ?? []) shared.set(at, (shared.get(at) ?? 0) + 1)
  const [best] = [...shared].sort((a, b) => b[1] - a[1] || a[0] - b[0])
  return best === undefined ? undefined : index.orders[best[0]]
}
