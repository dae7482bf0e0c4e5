import type * as z from 'zod'
import { fits } from './fits.ts'
import { JsonNumber, entries, fromEntries } from './json/index.ts'
import type { Def } from './zod-def.ts'
import { defOf } from './zod-def.ts'

/** Fields by their paths, such as `results[].ms` or `regions.*.name`: where two documents differ, and where unknown members fit. */

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber)

const under = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)

const textOf = (value: unknown): unknown => (value instanceof JsonNumber ? value.text : typeof value === 'number' ? String(value) : value)

/** The paths of the fields in which two values differ: missing, more, or other. The order of members does not count. */
export const differingFields = (a: unknown, b: unknown, path = '', found = new Set<string>()): Set<string> => {
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) found.add(`${path}[]`)
    else a.forEach((item, i) => void differingFields(item, b[i], `${path}[]`, found))
  } else if (isObject(a) && isObject(b)) {
    for (const name of new Set([...Object.keys(a), ...Object.keys(b)]))
      if (Object.hasOwn(a, name) && Object.hasOwn(b, name)) differingFields(a[name], b[name], under(path, name), found)
      else found.add(under(path, name))
  } else if (!Object.is(textOf(a), textOf(b))) found.add(path)
  return found
}

const isOf = (node: unknown, value: unknown): boolean =>
  isObject(node) && typeof node.safeParse === 'function' && fits(node as unknown as z.ZodType, value)

/** The schema behind `optional`, `nullable` and the like; of a union, the option that the value is of. */
const resolve = (node: unknown, value: unknown): Def | undefined => {
  const def = defOf(node)
  if (def === undefined) return undefined
  if (def.innerType !== undefined) return resolve(def.innerType, value)
  if (def.type === 'lazy' && typeof def.getter === 'function') return resolve((def.getter as () => unknown)(), value)
  if (def.type === 'intersection') return resolve(def.left, value)
  if (!Array.isArray(def.options)) return def
  return resolve(
    def.options.find((option) => isOf(option, value)),
    value,
  )
}

/** Whether an object of this schema may have members that it does not name. */
const isOpen = (def: Def): boolean => def.catchall === undefined || ['unknown', 'any'].includes(String(defOf(def.catchall)?.type))

/** As many elements of a list as it takes to meet all shapes in it. */
const ENOUGH = 50

export type Mark = (path: string) => readonly [name: string, value: unknown]

/** The value with an unknown member in every object that may have some; `mark` is told the object's path. */
export const withUnknown = (node: unknown, value: unknown, path: string, mark: Mark): unknown => {
  const def = resolve(node, value)
  if (def === undefined) return value
  if (Array.isArray(value) && def.type === 'array')
    return value.map((item: unknown, i) => (i < ENOUGH ? withUnknown(def.element, item, `${path}[]`, mark) : item))
  if (!isObject(value)) return value
  if (def.type === 'record')
    return fromEntries(entries(value).map(([name, member]) => [name, withUnknown(def.valueType, member, under(path, '*'), mark)]))
  if (def.type !== 'object' || !isObject(def.shape)) return value
  const { shape } = def
  const members = entries(value).map(([name, member]): [string, unknown] => [
    name,
    Object.hasOwn(shape, name) ? withUnknown(shape[name], member, under(path, name), mark) : member,
  ])
  return fromEntries(isOpen(def) ? [...members, [...mark(path)] as [string, unknown]] : members)
}
