import { JsonNumber } from './number.ts'
import { entries, fromEntries } from './order.ts'

const plainArray = (items: readonly unknown[]): readonly unknown[] => {
  const copy = items.map(plain)
  return copy.some((item, index) => item !== items[index]) ? copy : items
}

/** Alike records are the bulk of a file, and hold nothing to look into. */
const isFlat = (object: object): boolean => {
  for (const name in object) {
    // A member inherited from outside would only send it the long way.
    const value = (object as Record<string, unknown>)[name]
    if (typeof value === 'object' && value !== null) return false
  }
  return true
}

const plainObject = (object: object): object => {
  if (isFlat(object)) return object
  const members = entries(object)
  const copy = members.map(([key, value]): [string, unknown] => [key, plain(value)])
  return copy.some(([, value], index) => value !== members[index]?.[1]) ? fromEntries(copy) : object
}

/**
 * The value with every JsonNumber as the nearest number, for schema checks and arithmetic. What needs no change is
 * shared, not copied. Lossy by nature (`1e400` is Infinity): never write the result back.
 */
export const plain = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof JsonNumber) return value.valueOf()
  return Array.isArray(value) ? plainArray(value) : plainObject(value)
}
