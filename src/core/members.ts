import { JsonNumber, entries } from './json/index.ts'

/**
 * Members of objects in their source order. Everything goes through `entries` and `fromEntries`: a spread would forget the
 * order of names like `443`.
 * A name that a step wants and the user's data already has moves to `legacy_<name>`, in its place and with a warning.
 */

export type Pair = [name: string, value: unknown]
export type Warner = { warn(code: string, message: string, hint?: string): void }

/** Whether a value has members. A number that keeps its text is an object to JavaScript only. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber)

/** The members that `names` does not list, in their order. */
export const without = (object: object, names: readonly string[]): Pair[] => entries(object).filter(([name]) => !names.includes(name))

const freeName = (name: string, taken: ReadonlySet<string>): string => {
  let free = `legacy_${name}`
  while (taken.has(free)) free = `legacy_${free}`
  return free
}

const warnMoved = (name: string, moved: string, ctx: Warner): void => {
  ctx.warn(
    'LEGACY_MEMBER',
    `the member "${name}" was there already and now means something else; its value is kept as "${moved}"`,
    'Nothing is lost. Remove the member when you no longer need it.',
  )
}

/** The members, with each that `clashes` moved to its legacy name, in its place. Warns LEGACY_MEMBER. */
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

/** The way back: `legacy_<name>` gets its name again where that is free. */
export const restored = (members: readonly Pair[], names: readonly string[]): Pair[] => {
  const taken = new Set(members.map(([name]) => name))
  return members.map(([name, value]): Pair => {
    const own = name.startsWith('legacy_') ? name.slice('legacy_'.length) : name
    return own !== name && names.includes(own) && !taken.has(own) ? [own, value] : [name, value]
  })
}
