import { entries, fromEntries } from '../src/index.ts'

/**
 * Members of objects that users also edit by hand. Order counts, so everything goes through `entries` and `fromEntries`:
 * a spread would forget the order of names like `443`.
 * The rule of the contract: a name that a step needs and the user's data already has moves to `legacy_<name>`, with a warning.
 */

export type Pair = [name: string, value: unknown]
export type Warner = { warn(code: string, message: string, hint?: string): void }

export const isText = (value: unknown): value is string => typeof value === 'string'

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The members that `names` does not list, in their order. */
export const without = (object: object, names: readonly string[]): Pair[] => entries(object).filter(([name]) => !names.includes(name))

/** Whether these are the object's members, in this order. `optional` may follow. */
export const hasExactly = (object: object, names: readonly string[], optional?: string): boolean => {
  let at = 0
  for (const name in object) {
    if (name !== names[at] && !(at === names.length && name === optional)) return false
    at++
  }
  return at >= names.length
}

const freeName = (name: string, taken: ReadonlySet<string>): string => {
  let free = `legacy_${name}`
  while (taken.has(free)) free = `legacy_${free}`
  return free
}

const warnMoved = (name: string, moved: string, ctx: Warner): void =>
  ctx.warn(
    'LEGACY_MEMBER',
    `the member "${name}" was there already and now means something else; its value is kept as "${moved}"`,
    'Nothing is lost. Remove the member when you no longer need it.',
  )

/** The members, with each that `clashes` moved to its legacy name, in its place. */
export const moveAside = (members: readonly Pair[], clashes: (name: string, value: unknown) => boolean, ctx: Warner): Pair[] => {
  if (!members.some(([name, value]) => clashes(name, value))) return [...members]
  const taken = new Set(members.map(([name]) => name))
  return members.map(([name, value]): Pair => {
    if (!clashes(name, value)) return [name, value]
    const moved = freeName(name, taken)
    taken.add(moved)
    warnMoved(name, moved, ctx)
    return [moved, value]
  })
}

/** `known`, then the unknown members `rest` in their order. `reserved` names are taken even where `known` has no such member. */
export const withRest = <T extends object>(known: T, rest: readonly Pair[], ctx: Warner, reserved: readonly string[] = []): T => {
  const moved = moveAside(rest, (name) => Object.hasOwn(known, name) || reserved.includes(name), ctx)
  // It has every member of `known`, and only further ones.
  return fromEntries([...entries(known), ...moved]) as T
}

/** The members with `gained` ones added at the end; one that is there with the right type stays, any other moves aside. */
export const withDefaults = (
  members: readonly Pair[],
  gained: Readonly<Record<string, { value: unknown; fits(value: unknown): boolean }>>,
  ctx: Warner,
): Pair[] => {
  const wanted = (name: string) => (Object.hasOwn(gained, name) ? gained[name] : undefined)
  const kept = moveAside(members, (name, value) => wanted(name)?.fits(value) === false, ctx)
  const present = new Set(kept.map(([name]) => name))
  const added = Object.entries(gained).filter(([name]) => !present.has(name))
  return [...kept, ...added.map(([name, { value }]): Pair => [name, value])]
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

/** The way back: `legacy_<name>` gets its name again where that is free. */
export const restored = (members: readonly Pair[], names: readonly string[]): Pair[] => {
  const taken = new Set(members.map(([name]) => name))
  return members.map(([name, value]): Pair => {
    const own = name.startsWith('legacy_') ? name.slice('legacy_'.length) : name
    return own !== name && names.includes(own) && !taken.has(own) ? [own, value] : [name, value]
  })
}
