import type { Pair, Warner } from '../src/index.ts'
import { entries, fromEntries, moveAside } from '../src/index.ts'

/**
 * Members of objects that users also edit by hand. Order counts, so everything goes through `entries` and `fromEntries`:
 * a spread would forget the order of names like `443`.
 */

export const isText = (value: unknown): value is string => typeof value === 'string'

/** Whether these are the object's members, in this order. `optional` may follow. */
export const hasExactly = (object: object, names: readonly string[], optional?: string): boolean => {
  let at = 0
  for (const name in object) {
    if (name !== names[at] && !(at === names.length && name === optional)) return false
    at++
  }
  return at >= names.length
}

/** `known`, then the unknown members `rest` in their order. `reserved` names are taken even where `known` has no such member. */
export const withRest = <T extends object>(known: T, rest: readonly Pair[], ctx: Warner, reserved: readonly string[] = []): T => {
  const moved = moveAside(rest, (name) => Object.hasOwn(known, name) || reserved.includes(name), ctx)
  // It has every member of `known`, and only further ones.
  return fromEntries([...entries(known), ...moved]) as T
}

/** The object with some values replaced, every member in its place. */
export const replacing = <T extends object>(object: T, values: Partial<T>): T =>
  // Same names, and for each a value of T.
  fromEntries(entries(object).map(([name, value]) => [name, Object.hasOwn(values, name) ? values[name as keyof T] : value])) as T

/**
 * A record with members renamed in place and given their values from `known`; those that `known` lacks go, what is only in
 * `known` comes last, unknown members stay.
 */
export const recast = <T extends object>(record: object, names: Readonly<Record<string, string>>, known: T, ctx: Warner): T => {
  const isKnown = (name: string): boolean => Object.hasOwn(names, name)
  const reserved = new Set([...Object.values(names), ...Object.keys(known)])
  const aside = moveAside(entries(record), (name) => !isKnown(name) && reserved.has(name), ctx)
  const values = new Map(Object.entries(known))
  const placed = aside.flatMap(([name, value]): Pair[] => {
    const target = isKnown(name) ? names[name] : undefined
    if (target === undefined) return [[name, value]]
    const pairs: Pair[] = values.has(target) ? [[target, values.get(target)]] : []
    values.delete(target)
    return pairs
  })
  // It has every member of `known`, and only further ones.
  return fromEntries([...placed, ...values]) as T
}
