import { StrataError } from './errors.ts'
import { JsonNumber, numberOf } from './json/index.ts'

/** A change of one value's type that knows its way back. Both give undefined for a value that does not convert. */
export type Conversion<A, B> = { readonly up: (value: A) => B | undefined; readonly down: (value: B) => A | undefined }

/** The same conversion, the other way round. */
export const inverse = <A, B>({ up, down }: Conversion<A, B>): Conversion<B, A> => ({ up: down, down: up })

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/**
 * `"144"` to `144`, and back. The text is kept: `"1.0"` becomes `1.0` and `"1.0"` again. Only what JSON calls a number converts;
 * `"007"`, `"1,5"` and `""` do not.
 */
export const numberFromText: Conversion<string, number> = {
  up: (text) => {
    if (!NUMBER.test(text)) return undefined
    // A JsonNumber stands for a number whose text JavaScript would not write; types call it a number everywhere.
    return String(Number(text)) === text ? Number(text) : (new JsonNumber(text) as unknown as number)
  },
  down: (number) => {
    const value: unknown = number
    if (value instanceof JsonNumber) return value.text
    return typeof value === 'number' ? String(value) : undefined
  },
}

/** Whole numbers as they are; others to 15 digits, which is what a double can be trusted with: 2145363.03 × 1000 is 2145363030. */
const rounded = (n: number): number | undefined => {
  if (Number.isSafeInteger(n)) return n
  return Number.isFinite(n) ? Number(n.toPrecision(15)) : undefined
}

/** A number in another unit: minutes to seconds is `scaled(60)`. Back divides. What gives no finite number does not convert. */
export const scaled = (factor: number): Conversion<number, number> => {
  if (!Number.isFinite(factor) || factor === 0)
    throw new StrataError('BAD_ARGUMENT', 'a unit is changed by a finite factor other than 0', { data: { factor } })
  const from = (value: number): number => numberOf(value) ?? Number.NaN
  return { up: (value) => rounded(from(value) * factor), down: (value) => rounded(from(value) / factor) }
}

/** One word, number or boolean for another: `enumeration({ success: 0, failure: 1 })`. BAD_ARGUMENT when two have the same target. */
export const enumeration = <const T extends Readonly<Record<string, string | number | boolean>>>(
  names: T,
): Conversion<keyof T & string, T[keyof T]> => {
  const back = new Map(Object.entries(names).map(([name, value]) => [value, name]))
  if (back.size !== Object.keys(names).length)
    throw new StrataError('BAD_ARGUMENT', 'two names stand for the same value, so there is no way back', {
      data: { names: Object.keys(names) },
    })
  return {
    // The keys of `names` are the names, and its values what the map holds.
    up: (name) => (Object.hasOwn(names, name) ? names[name] : undefined),
    down: (value) => back.get(value),
  }
}

// RFC 3339: what Date.parse accepts beyond it depends on the engine.
const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/

/** An RFC 3339 time to Unix milliseconds (the fraction's further digits are cut off), and back in UTC with three digits. */
export const millisFromDate: Conversion<string, number> = {
  up: (text) => {
    if (!RFC_3339.test(text)) return undefined
    const value = Date.parse(text.replace(/(\.\d{3})\d+/, '$1'))
    return Number.isNaN(value) ? undefined : value
  },
  down: (millis) => {
    const date = new Date(numberOf(millis) ?? Number.NaN)
    return Number.isNaN(date.getTime()) || !Number.isInteger(numberOf(millis)) ? undefined : date.toISOString()
  },
}
