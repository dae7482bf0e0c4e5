import type * as z from 'zod'
import { plain } from './json/index.ts'
import type { Def } from './zod-def.ts'
import { defOf } from './zod-def.ts'

/**
 * Whether a value is as a schema describes it. zod says it, and makes a copy of the value meanwhile; of a day's 100,000 records
 * that is a third of a migration. So what a schema is made of is compiled to a test that makes nothing: where it says yes, zod would,
 * and whatever it does not know, or does not like, zod looks at.
 */
export const fits = (schema: z.ZodType, value: unknown): boolean => {
  let test = tests.get(schema)
  if (test === undefined) {
    test = testOf(schema) ?? no
    tests.set(schema, test)
  }
  return test(value) || schema.safeParse(plain(value)).success
}

type Test = (value: unknown) => boolean

const tests = new WeakMap<z.ZodType, Test>()
const no: Test = () => false

/** All of these tests, or undefined where one is not known. */
const known = (all: readonly (Test | undefined)[]): readonly Test[] | undefined =>
  all.every((test) => test !== undefined) ? all : undefined

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** A refinement, a pattern, or a bound: the checks of texts and numbers that schemas of records have. */
const checkOf = (check: unknown): Test | undefined => {
  const { check: what, format, fn, pattern, value: bound, inclusive } = defOf(check) ?? {}
  if (typeof bound === 'number' && (what === 'greater_than' || what === 'less_than')) {
    const sign = what === 'less_than' ? -1 : 1
    return (value) => (typeof value === 'number' && sign * (value - bound) > 0) || (inclusive === true && value === bound)
  }
  // One that answers with a promise is refused by zod.
  if (what === 'custom' && typeof fn === 'function') return (value) => (fn as (value: unknown) => unknown)(value) === true
  const isPattern = what === 'string_format' && format === 'regex' && pattern instanceof RegExp && !pattern.global && !pattern.sticky
  return isPattern ? (value) => pattern.test(value as string) : undefined
}

/** Values of a type of JavaScript's own, with their checks. */
const primitive = ({ checks, coerce }: Def, isOne: Test): Test | undefined => {
  const all = coerce === true ? undefined : known(listOf(checks).map(checkOf))
  if (all === undefined) return undefined
  const [first, ...rest] = all
  if (first === undefined) return isOne
  if (rest.length === 0) return (value) => isOne(value) && first(value)
  return (value) => isOne(value) && all.every((check) => check(value))
}

const numberTest = (def: Def): Test | undefined => {
  if (def.format === undefined) return primitive(def, Number.isFinite)
  return def.format === 'safeint' ? primitive(def, Number.isSafeInteger) : undefined
}

/** Of this realm, and none of ours: a number that keeps its text is an object, too. */
const isPlainObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype

const objectTest = ({ shape, catchall }: Def): Test | undefined => {
  const others = defOf(catchall)?.type
  if (catchall !== undefined && others !== 'unknown') return undefined
  const members = Object.entries((shape ?? {}) as Readonly<Record<string, unknown>>)
  const names = members.map(([name]) => name)
  const all = known(members.map(([, member]) => memberTest(member)))
  if (all === undefined) return undefined
  return (value) => {
    if (!isPlainObject(value)) return false
    for (let i = 0; i < names.length; i++) if (all[i]?.(value[names[i] ?? '']) !== true) return false
    return true
  }
}

/** That one may be absent, only `optional` says. */
const memberTest = (member: unknown): Test | undefined => {
  const test = testOf(member)
  if (test === undefined || defOf(member)?.type === 'optional') return test
  return (value) => value !== undefined && test(value)
}

const arrayTest = (def: Def): Test | undefined => {
  const element = testOf(def.element)
  if (element === undefined) return undefined
  return (value) => {
    if (!Array.isArray(value)) return false
    // `every` would skip holes.
    for (const item of value) if (!element(item)) return false
    return true
  }
}

const recordTest = ({ keyType, valueType }: Def): Test | undefined => {
  const [key, test] = [defOf(keyType) ?? {}, testOf(valueType)]
  if (key.type !== 'string' || key.format !== undefined || listOf(key.checks).length > 0 || test === undefined) return undefined
  return (value) => isPlainObject(value) && Object.values(value).every(test)
}

const unionTest = ({ options }: Def): Test => {
  const all = listOf(options).map((option) => testOf(option) ?? no)
  return (value) => all.some((test) => test(value))
}

const inner = (def: Def, ...besides: readonly unknown[]): Test | undefined => {
  const test = testOf(def.innerType)
  return test === undefined ? undefined : (value) => besides.includes(value) || test(value)
}

const yes: Test = () => true

const TYPES: Readonly<Record<string, (def: Def) => Test | undefined>> = {
  string: (def) => (def.format === undefined ? primitive(def, (value) => typeof value === 'string') : undefined),
  number: numberTest,
  boolean: (def) => primitive(def, (value) => typeof value === 'boolean'),
  null: () => (value) => value === null,
  unknown: () => yes,
  any: () => yes,
  literal:
    ({ values }) =>
    (value) =>
      listOf(values).includes(value) && typeof value !== 'object',
  enum: ({ entries }) => {
    const values = new Set(Object.values(entries ?? {}))
    return (value) => typeof value === 'string' && values.has(value)
  },
  object: objectTest,
  array: arrayTest,
  record: recordTest,
  union: unionTest,
  optional: (def) => inner(def, undefined),
  nullable: (def) => inner(def, null),
  readonly: (def) => inner(def),
}

const COMPOSED = new Set(['object', 'array', 'record', 'union', 'optional', 'nullable', 'readonly', 'unknown', 'any', 'null'])

/** Schemas whose tests are being made: one that holds itself is not known. */
const making = new Set<unknown>()

/** The test of a schema; undefined where it is made of something that is not known here. */
const testOf = (schema: unknown): Test | undefined => {
  const def = defOf(schema)
  // A check of what holds others would see numbers that keep their text.
  if (typeof def?.type !== 'string' || (COMPOSED.has(def.type) && listOf(def.checks).length > 0) || making.has(schema)) return undefined
  making.add(schema)
  try {
    return TYPES[def.type]?.(def)
  } finally {
    making.delete(schema)
  }
}
