import { JsonNumber } from './number.ts'

/** Whether two values are the same JSON, numbers by their text; the order of members does not count. */
export const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof JsonNumber || b instanceof JsonNumber) return a instanceof JsonNumber && b instanceof JsonNumber && a.text === b.text
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameJson(item, b[i]))
  const names = Object.keys(a)
  if (Array.isArray(b) || Object.keys(b).length !== names.length) return false
  // Own members of an object that is no array: reading them by name is safe.
  const [mine, other] = [a as Record<string, unknown>, b as Record<string, unknown>]
  return names.every((name) => Object.hasOwn(other, name) && sameJson(mine[name], other[name]))
}
