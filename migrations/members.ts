import { entries, fromEntries } from '../src/index.ts'

/**
 * Changes members of an object in place: order, unknown members and source text stay as they are.
 * A handler returns the pairs that stand for the member afterwards; none removes it.
 */
export const mapMembers = (
  object: object,
  handlers: Readonly<Record<string, (value: unknown) => readonly (readonly [string, unknown])[]>>,
): Record<string, unknown> =>
  fromEntries(
    entries(object)
      .flatMap(([key, value]) => (Object.hasOwn(handlers, key) ? (handlers[key]?.(value) ?? []) : [[key, value] as const]))
      .map(([key, value]) => [key, value]),
  )

/** The members of an object except those named, in their order. */
export const without = (object: object, ...names: readonly string[]): [string, unknown][] =>
  entries(object).filter(([key]) => !names.includes(key))

type Warn = (code: string, message: string, hint?: string) => void

/**
 * Makes room for members that a step adds: one of the right type stays as the user wrote it, any other moves to
 * `legacy_<name>` (LEGACY_MEMBER).
 */
export const makeRoom = (
  object: object,
  wanted: Readonly<Record<string, (value: unknown) => boolean>>,
  warn: Warn,
): Record<string, unknown> => {
  const clashes = entries(object).filter(([key, value]) => Object.hasOwn(wanted, key) && wanted[key]?.(value) === false)
  if (clashes.length === 0) return fromEntries(entries(object))
  return fromEntries(
    entries(object).map(([key, value]) => {
      if (!clashes.some(([name]) => name === key)) return [key, value]
      const moved = freeName(object, key)
      warn(
        'LEGACY_MEMBER',
        `the member ${key} has another type than this version gives it; it is kept as ${moved}`,
        'Nothing is lost. Rename it if the application should use it.',
      )
      return [moved, value]
    }),
  )
}

/** `legacy_<name>`, made unique by further prefixes. */
const freeName = (object: object, name: string): string => {
  let free = `legacy_${name}`
  while (Object.hasOwn(object, free)) free = `legacy_${free}`
  return free
}

export const isText = (value: unknown): value is string => typeof value === 'string'
export const isFlag = (value: unknown): value is boolean => typeof value === 'boolean'
export const isList = (value: unknown): value is unknown[] => Array.isArray(value)
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Gives members that had moved to `legacy_<name>` their names back, where those are free again. */
export const restoreLegacy = (object: object, names: readonly string[]): Record<string, unknown> =>
  fromEntries(
    entries(object).map(([key, value]) => {
      const name = key.replace(/^legacy_/, '')
      return key !== name && names.includes(name) && !Object.hasOwn(object, name) ? [name, value] : [key, value]
    }),
  )
