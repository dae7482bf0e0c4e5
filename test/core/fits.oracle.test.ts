import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as z from 'zod'
import * as netmonitor from '../../migrations/schemas.ts'
import { fits } from '../../src/core/fits.ts'
import { JsonNumber, plain } from '../../src/core/json/index.ts'

/* What a schema is compiled to says what zod says, of any value and any schema. */

const words = fc.constantFrom('a', 'b', 'c', 'x1', '', '443')
const leaf: fc.Arbitrary<z.ZodType> = fc.constantFrom<z.ZodType[]>(
  z.string(),
  z.string().refine((text) => text.length < 2, 'long'),
  z.string().regex(/^[a-b]*$/),
  z.string().regex(/^[a-b]*$/g),
  z.string().min(1),
  z.email(),
  z.string().refine((text) => text.indexOf('b') + 1, 'without b'),
  z.number(),
  z.number().refine((n) => n > 0, 'small'),
  z.number().min(1),
  z.number().gt(0).lt(1),
  z
    .int()
    .min(-1)
    .max(2 ** 40),
  z.number().multipleOf(2),
  z.int(),
  z.int32(),
  z.boolean(),
  z.null(),
  z.undefined(),
  z.unknown(),
  z.any(),
  z.literal('a'),
  z.literal(['a', 1, null]),
  z.enum(['a', 'b']),
  z.never(),
  z.date(),
)
const { schema } = fc.letrec<{ schema: z.ZodType }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    tie('schema').map((of) => of.optional()),
    tie('schema').map((of) => of.nullable()),
    tie('schema').map((of) => of.nullish()),
    tie('schema').map((of) => of.readonly()),
    tie('schema').map((of) => z.array(of)),
    tie('schema').map((of) => z.array(of).max(1)),
    tie('schema').map((of) => z.tuple([of])),
    tie('schema').map((of) => z.record(z.string(), of)),
    tie('schema').map((of) => z.record(z.enum(['a', 'b']), of)),
    tie('schema').map((of) => z.lazy(() => of)),
    fc.tuple(tie('schema'), tie('schema')).map(([a, b]) => z.union([a, b])),
    fc.tuple(tie('schema'), tie('schema')).map(([a, b]) => z.intersection(a, b)),
    fc.dictionary(words, tie('schema'), { maxKeys: 3 }).map((shape) => z.object(shape)),
    fc.dictionary(words, tie('schema'), { maxKeys: 3 }).map((shape) => z.looseObject(shape)),
    fc.dictionary(words, tie('schema'), { maxKeys: 3 }).map((shape) => z.strictObject(shape)),
    fc
      .dictionary(words, tie('schema'), { maxKeys: 3 })
      .map((shape) => z.looseObject(shape).refine((o) => Object.keys(o).length < 3, 'many')),
  ),
}))
class Own {
  a = 1
}
const scalar = fc.oneof(
  words,
  fc.constantFrom<unknown>(
    null,
    undefined,
    true,
    0,
    1,
    -1,
    0.5,
    1e300,
    Number.NaN,
    Infinity,
    2 ** 53,
    2 ** 40,
    'a',
    'ab',
    new Date(0),
    new Own(),
    Object.create(null),
  ),
  fc.constantFrom('1.0', '1e400', '9007199254740993').map((text) => new JsonNumber(text)),
)
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(words, tie('value'), { maxKeys: 4 }),
  ),
}))

/** A value that a schema probably describes: zod's own kinds, by its shape. */
const close = (of: z.ZodType): fc.Arbitrary<unknown> => {
  if (of instanceof z.ZodOptional || of instanceof z.ZodNullable || of instanceof z.ZodReadonly) return close(of.unwrap() as z.ZodType)
  if (of instanceof z.ZodArray) return fc.array(close(of.element as z.ZodType), { maxLength: 2 })
  if (of instanceof z.ZodRecord) return fc.dictionary(words, close(of.valueType as z.ZodType), { maxKeys: 2 })
  if (of instanceof z.ZodUnion) return fc.oneof(...of.options.map((one) => close(one as z.ZodType)))
  if (of instanceof z.ZodObject)
    return fc.record(Object.fromEntries(Object.entries(of.shape).map(([name, member]) => [name, close(member as z.ZodType)])), {
      noNullPrototype: true,
    })
  if (of instanceof z.ZodString) return words
  return scalar
}

/** Of two halves of an intersection that do not go together zod throws, even where it is only asked. */
const orThrown = (ask: () => boolean): boolean | 'throws' => {
  try {
    return ask()
  } catch {
    return 'throws'
  }
}

const agree = (of: z.ZodType, one: unknown): boolean => {
  const wanted = orThrown(() => of.safeParse(plain(one)).success)
  expect(orThrown(() => fits(of, one))).toBe(wanted)
  return wanted === true
}

test('any value, any schema', () => {
  let [good, all] = [0, 0]
  fc.assert(
    fc.property(
      schema.chain((of) => fc.tuple(fc.constant(of), fc.oneof(value, close(of)))),
      ([of, one]) => {
        good += agree(of, one) ? 1 : 0
        all += 1
      },
    ),
    { numRuns: 5000 },
  )
  // Or the property would say little.
  expect(good / all).toBeGreaterThan(0.15)
})

test('the schemas of NetMonitor', () => {
  const all = Object.values(netmonitor).flatMap((one) =>
    typeof one === 'object' && 'kinds' in one
      ? Object.values(one.kinds).flatMap(({ doc, record }: { doc: z.ZodType; record?: z.ZodType }) => [
          doc,
          ...(record === undefined ? [] : [record]),
        ])
      : [],
  )
  expect(all.length).toBeGreaterThan(10)
  fc.assert(
    fc.property(
      fc.constantFrom(...all).chain((of) => fc.tuple(fc.constant(of), close(of))),
      ([of, one]) => void agree(of, one),
    ),
    { numRuns: 2000 },
  )
})

test('a schema that holds itself, a list with a hole, and a list that is none of an object', () => {
  const node = z.looseObject({
    name: z.string(),
    get children() {
      return z.array(node).optional()
    },
  })
  expect(fits(node, { name: 'a', children: [{ name: 'b' }] })).toBe(true)
  expect(fits(node, { name: 'a', children: [{ name: 1 }] })).toBe(false)
  expect(fits(z.array(z.number()), [1, , 2])).toBe(false)
  expect(fits(z.looseObject({}), [])).toBe(false)
  expect(fits(z.looseObject({}), new JsonNumber('1.0'))).toBe(false)
  expect(() =>
    fits(
      z.string().refine(() => Promise.resolve(true)),
      'a',
    ),
  ).toThrow()
})
