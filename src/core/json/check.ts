import type { ErrorCode } from '../errors.ts'
import { StrataError } from '../errors.ts'
import { JsonNumber } from './number.ts'
import { isIndex, orderOf } from './order.ts'
import { depthLimit } from './source.ts'

/** What a survey of a value found: JSON.stringify can write it, only the pen can, or nothing can. */
export const PLAIN = 0
const NEEDS_PEN = 1
const BAD = 2

const isPlainObject = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  // The second look admits objects of another realm (a worker, a test runner's context).
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}

const surveyArray = (items: readonly unknown[], room: number): number => {
  if (room <= 0) return BAD
  let found = PLAIN
  // By index: forEach and for-of's relatives skip or hide holes, and a hole must be seen.
  for (let index = 0; index < items.length && found < BAD; index++) found |= survey(items[index], room - 1)
  return found
}

const surveyObject = (object: object, room: number): number => {
  if (object instanceof JsonNumber) return NEEDS_PEN
  if (room <= 0 || !isPlainObject(object)) return BAD
  const keys = Object.keys(object)
  let found = isIndex(keys[0]) && orderOf(object) !== undefined ? NEEDS_PEN : PLAIN
  // Object.keys gave the keys, so this reads own members only.
  for (let index = 0; index < keys.length && found < BAD; index++)
    found |= survey((object as Record<string, unknown>)[keys[index] ?? ''], room - 1)
  return found
}

/** One cheap walk that says whether, not why: it runs for every file. */
const survey = (value: unknown, room: number): number => {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return PLAIN
    case 'number':
      return Number.isFinite(value) ? PLAIN : BAD
    case 'object':
      if (value === null) return PLAIN
      return Array.isArray(value) ? surveyArray(value, room) : surveyObject(value, room)
    default:
      return BAD
  }
}

type Finding = { readonly path: string; readonly reason: string }

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/

const memberPath = (path: string, key: string): string => {
  if (!IDENTIFIER.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === '' ? key : `${path}.${key}`
}

const children = (object: object, path: string): [string, unknown][] =>
  Array.isArray(object)
    ? Array.from(object, (item: unknown, index) => [`${path}[${index}]`, item])
    : Object.entries(object).map(([key, member]: [string, unknown]) => [memberPath(path, key), member])

const scalarReason = (value: unknown): string | null => {
  if (typeof value === 'number') return Number.isFinite(value) ? null : String(value)
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') return typeof value
  return typeof value === 'bigint' ? 'a BigInt' : null
}

const className = (object: object): string => (typeof object.constructor === 'function' && object.constructor.name) || 'a class'

const objectReason = (object: object, ancestors: readonly object[], limit: number): string | null => {
  if (ancestors.includes(object)) return 'part of a cycle'
  if (!Array.isArray(object) && !isPlainObject(object)) return `an instance of ${className(object)}`
  return ancestors.length >= limit ? `nested deeper than ${limit} levels` : null
}

/** The first thing JSON can't hold, in the order it would have been written. */
const findBad = (value: unknown, path: string, ancestors: readonly object[], limit: number): Finding | null => {
  const isObject = typeof value === 'object' && value !== null
  if (value instanceof JsonNumber) return null
  const reason = isObject ? objectReason(value, ancestors, limit) : scalarReason(value)
  if (reason !== null) return { path, reason }
  if (!isObject) return null
  const inner = [...ancestors, value]
  for (const [below, child] of children(value, path)) {
    const found = findBad(child, below, inner, limit)
    if (found !== null) return found
  }
  return null
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  undefined: 'RESULT_UNDEFINED',
  NaN: 'RESULT_NAN',
  Infinity: 'RESULT_NAN',
  '-Infinity': 'RESULT_NAN',
  'a BigInt': 'RESULT_BIGINT',
  'part of a cycle': 'RESULT_CYCLE',
  'an instance of Promise': 'ASYNC_STEP',
}

const refuse = (value: unknown, limit: number): never => {
  const { path, reason } = findBad(value, '', [], limit) ?? { path: '', reason: 'something JSON cannot hold' }
  throw new StrataError(
    CODES[reason] ?? 'INVALID_RESULT',
    `${path === '' ? 'the result' : path} is ${reason}, which cannot be stored as JSON`,
    {
      data: { path, reason },
      hint: 'Return null, or leave the member out.',
    },
  )
}

/** PLAIN or NEEDS_PEN; throws as `checkSerialisable` for what can't be stored. */
export const surveyResult = (value: unknown, maxDepth?: number): number => {
  const limit = depthLimit(maxDepth)
  const found = survey(value, limit)
  return found < BAD ? found : refuse(value, limit)
}

/**
 * Throws, naming the path (`results[3].ts`) and the reason, for what JSON would drop, change or refuse: RESULT_UNDEFINED (holes
 * in arrays, too), RESULT_NAN (the infinities, too), RESULT_BIGINT, RESULT_CYCLE, ASYNC_STEP for a promise; INVALID_RESULT for
 * functions, symbols, and objects with a class other than JsonNumber (Date, Map, …). Values are not named. Deeper than `parseJson` reads is refused too: same default.
 */
export const checkSerialisable = (value: unknown, maxDepth?: number): void => void surveyResult(value, maxDepth)
