import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import {
  JsonNumber,
  chain,
  dataset,
  entries,
  enumeration,
  fields,
  file,
  fileAt,
  inverse,
  migrateFiles,
  migration,
  millisFromDate,
  numberFromText,
  recordFields,
  recordSteps,
  records,
  scaled,
  schema,
} from '../../src/index.ts'
import { parseJson, sameJson } from '../../src/core/json/index.ts'
import { bytesOf, document, lines, token } from './json/documents.ts'
import { Fields } from '../../src/core/fields.ts'
import type { At, FieldCtx } from '../../src/core/field-edits.ts'

const told: string[] = []
const given = { path: 'settings.json', id: () => 'an id', now: () => 0 }
const ctx: FieldCtx = { ...given, warn: (code, message) => void told.push(`${code}: ${message}`) }
const silent: FieldCtx = { ...given, warn: () => undefined }

/** The same operations without their types: what a chain in plain JavaScript calls. */
type Loose = {
  add(name: string, value: unknown, options?: { at?: At; fits?: (value: unknown) => boolean }): Loose
  remove(name: string, options?: { back?: unknown; at?: At }): Loose
  rename(from: string, to: string): Loose
  move(name: string, into: string, options?: { at?: At }): Loose
  wrap(names: readonly string[], into: string): Loose
  unwrap(name: string, names: readonly string[]): Loose
  convert(name: string, by: { up(value: never): unknown; down(value: never): unknown }, options?: object): Loose
  within(name: string, change: (inner: Loose) => Loose): Loose
  each(name: string, change: (inner: Loose) => Loose): Loose
  steps(): { migrate(object: unknown, ctx: FieldCtx): object; rollback(object: unknown, ctx: FieldCtx): object }
}
const start = (): Loose => new Fields()
const up = (ops: Loose, doc: unknown): object => ops.steps().migrate(doc, ctx)
const down = (ops: Loose, doc: unknown): object => ops.steps().rollback(doc, ctx)
const order = (value: unknown): string => JSON.stringify(entries(value as object))

describe('operations on fields', () => {
  it('leave every member that they do not name as it is and where it is, and come back', () => {
    const ops = start().rename('colour', 'color').add('theme', 'dark', { at: 'first' }).convert('delay', scaled(60))
    const doc = { note: 1, colour: 'red', 443: 'port', delay: 2, other: null }
    const there = up(ops, doc)
    expect(order(there)).toBe('[["theme","dark"],["443","port"],["note",1],["color","red"],["delay",120],["other",null]]')
    expect(order(down(ops, there))).toBe(order(doc))
  })

  it('a computed value is made from the object as the operations before left it', () => {
    const ops = start()
      .rename('first', 'name')
      .add('greeting', (o: { name: string }) => `Hello ${o.name}`)
    expect(up(ops, { first: 'Ada' })).toEqual({ name: 'Ada', greeting: 'Hello Ada' })
  })

  it('a name that is taken: the right type stays, any other is kept as legacy_ with a warning, and comes back', () => {
    told.length = 0
    const ops = start().add('tags', [])
    expect(up(ops, { tags: ['mine'] })).toEqual({ tags: ['mine'] })
    expect(up(ops, { tags: 'mine' })).toEqual({ legacy_tags: 'mine', tags: [] })
    expect(told).toEqual([expect.stringMatching(/^LEGACY_MEMBER: the member "tags"/)])
    expect(down(ops, { legacy_tags: 'mine', tags: ['new'] })).toEqual({ tags: 'mine' })
  })

  it('move, wrap and unwrap keep what else is there', () => {
    const moved = start().move('width', 'window', { at: 'first' })
    expect(up(moved, { width: 3, window: { x: 1 } })).toEqual({ window: { x: 1, width: 3 } })
    expect(order(down(moved, { window: { x: 1, width: 3, mine: 0 } }))).toBe('[["width",3],["window",{"x":1,"mine":0}]]')
    expect(up(moved, { width: 3, window: { width: 'wide' } })).toEqual({ window: { legacy_width: 'wide', width: 3 } })
    expect(up(moved, { width: 3, window: 7 })).toEqual({ legacy_window: 7, window: { width: 3 } })

    const wrapped = start().wrap(['x', 'y'], 'place')
    expect(order(up(wrapped, { a: 0, x: 1, y: 2, b: 3 }))).toBe('[["a",0],["place",{"x":1,"y":2}],["b",3]]')
    expect(down(wrapped, { place: { x: 1, y: 2, z: 9 } })).toEqual({ x: 1, y: 2, place: { z: 9 } })

    const unwrapped = start().unwrap('place', ['x', 'y'])
    expect(up(unwrapped, { place: { x: 1, y: 2, mine: 3 } })).toEqual({ x: 1, y: 2, place: { mine: 3 } })
    expect(up(unwrapped, { place: { x: 1, y: 2 } })).toEqual({ x: 1, y: 2 })
    expect(down(unwrapped, { x: 1, y: 2 })).toEqual({ place: { x: 1, y: 2 } })
  })

  it('lists and maps: each object goes through, null and what is no object stay', () => {
    const ops = start().each('regions', (region) => region.each('endpoints', (e) => e.add('on', true)))
    const doc = { regions: { 80: { endpoints: [{ a: 1 }, null] }, home: { endpoints: null } } }
    const there = { regions: { 80: { endpoints: [{ a: 1, on: true }, null] }, home: { endpoints: null } } }
    expect(up(ops, doc)).toEqual(there)
    expect(down(ops, there)).toEqual(doc)
  })

  it('a value that does not convert fails by name, or is kept beside the one that stands in', () => {
    const strict = start().convert('delay', numberFromText)
    expect(() => up(strict, { delay: '007' })).toThrow('the member "delay" does not convert')
    const kept = start().convert('delay', numberFromText, { otherwise: { instead: 5 } })
    expect(up(kept, { delay: '007' })).toEqual({ delay: 5, legacy_delay: '007' })
    expect(down(kept, { delay: 5, legacy_delay: '007' })).toEqual({ delay: '007' })
  })

  it('a removed field has no way back but the original; an object that has none gets what is declared', () => {
    const ops = start().remove('old', { back: 1 })
    expect(up(ops, { old: 7, a: 2 })).toEqual({ a: 2 })
    expect(down(ops, { a: 2 })).toEqual({ a: 2, old: 1 })
  })

  it('never change their input', () => {
    const doc = Object.freeze({ a: Object.freeze({ b: 1 }), c: 2 })
    const ops = start()
      .within('a', (a) => a.rename('b', 'd'))
      .move('c', 'a')
    expect(up(ops, doc)).toEqual({ a: { d: 1, c: 2 } })
    expect(doc).toEqual({ a: { b: 1 }, c: 2 })
  })
})

const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('did not convert')
  return value
}

describe('conversions', () => {
  it('a number keeps the text it was written with', () => {
    expect(numberFromText.up('144')).toBe(144)
    expect(String(numberFromText.up('1.0'))).toBe('1.0')
    expect(numberFromText.down(known(numberFromText.up('9007199254740993')))).toBe('9007199254740993')
    for (const text of ['', '007', '1,5', '0x10', 'Infinity', '+1', ' 1']) expect(numberFromText.up(text)).toBeUndefined()
  })

  it('any text that is a JSON number comes back as it was', () => {
    fc.assert(
      fc.property(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.bigInt()), fc.boolean(), (n, dot) => {
        const text = typeof n === 'bigint' && dot ? `${n}.0` : Object.is(n, -0) ? '-0' : String(n)
        const there = numberFromText.up(text)
        expect(there).toBeDefined()
        expect(numberFromText.down(known(there))).toBe(text)
      }),
    )
  })

  it('units: there and back within the last digit of a double, exactly for whole numbers', () => {
    expect(scaled(60).up(5)).toBe(300)
    expect(scaled(60).down(new JsonNumber('90.0') as unknown as number)).toBe(1.5)
    expect(scaled(0.001).up(1500)).toBe(1.5)
    expect(scaled(1e300).up(1e300)).toBeUndefined()
    expect(() => scaled(0)).toThrow('factor')
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(60, 1000, 0.001, 1024), (n, factor) => {
        expect(scaled(factor).down(known(scaled(factor).up(n)))).toBe(n)
      }),
    )
  })

  it('words for numbers, refused where two words would come back as one', () => {
    const status = enumeration({ success: 0, failure: 1 })
    expect([status.up('failure'), status.down(0), status.up('toString' as never), status.down(7 as never)]).toEqual([
      1,
      'success',
      undefined,
      undefined,
    ])
    expect(() => enumeration({ a: 1, b: 1 })).toThrow('way back')
  })

  it('dates: any millisecond comes back as the instant it was; what is no RFC 3339 time does not convert', () => {
    expect(millisFromDate.up('2025-12-08T17:32:19.4320309-05:00')).toBe(1765233139432)
    expect(inverse(millisFromDate).up(1765233139432)).toBe('2025-12-08T22:32:19.432Z')
    for (const text of ['2025-12-08', 'yesterday', '2025-13-08T00:00:00Z', '2025-12-08T25:00:00Z'])
      expect(millisFromDate.up(text)).toBeUndefined()
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253402300799999 }), (ms) => {
        expect(millisFromDate.up(known(millisFromDate.down(ms)))).toBe(ms)
      }),
    )
  })
})

const about = { description: '', createdAt: '2026-01-01T00:00:00Z', changes: [] }

/* ---- random objects through random operations ---- */

const NAMES = ['a', 'b', 'c', 'd', '443', '__proto__'] as const
const FRESH = ['p', 'q', 'r', 's', 't', 'u', '80'] as const
const simple = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null), fc.array(fc.integer(), { maxLength: 3 }))
const nestedObject = fc.dictionary(fc.constantFrom('x', 'y', '7', '__proto__'), simple)
const value = fc.oneof({ arbitrary: simple, weight: 3 }, nestedObject, fc.array(nestedObject, { maxLength: 3 }))

/** Operations that are valid on `present`, one after another, each on names that are free or there. */
const operation = (fresh: string, seed: number) => {
  return (ops: Loose, present: string[]): { ops: Loose; present: string[] } => {
    const pick = present[seed % present.length] ?? 'a'
    const rest = present.filter((name) => name !== pick)
    const [other] = rest
    switch (seed % 9) {
      case 0:
        return { ops: ops.rename(pick, fresh), present: [...rest, fresh] }
      case 1:
        return { ops: ops.add(fresh, seed), present: [...present, fresh] }
      case 2:
        return { ops: ops.wrap([pick], fresh), present: [...rest, fresh] }
      case 3:
        return { ops: ops.within(pick, (inner) => inner.add('inner', seed)), present }
      case 5:
        return { ops: ops.each(pick, (inner) => inner.add('inner', seed)), present }
      case 6:
        return other === undefined
          ? { ops: ops.add(fresh, null), present: [...present, fresh] }
          : { ops: ops.wrap([pick], fresh).move(other, fresh), present: [...rest.filter((name) => name !== other), fresh] }
      case 7:
        return {
          ops: ops.wrap(present.slice(0, 2), fresh).unwrap(fresh, present.slice(0, 2)).rename(pick, fresh),
          present: [...rest, fresh],
        }
      case 4:
        return { ops: ops.wrap(present.slice(0, 2), fresh), present: [...present.slice(2), fresh] }
      default:
        return { ops: ops.convert(pick, { up: (v) => ({ was: v }), down: (v: { was: unknown }) => v.was }), present }
    }
  }
}

describe('for random objects and random chains of operations', () => {
  const object = fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 2 }).chain((names) =>
    fc.tuple(fc.constant(names), fc.array(value, { minLength: names.length, maxLength: names.length })).map(([keys, values]) =>
      // An own property even for __proto__, which an assignment would take for the prototype.
      Object.fromEntries(keys.map((key, i) => [key, values[i]])),
    ),
  )
  const seeds = fc.array(fc.nat(10_000), { minLength: 1, maxLength: FRESH.length })

  it('down(up(x)) is x', () => {
    let [runs, changed] = [0, 0]
    fc.assert(
      fc.property(object, seeds, (doc, list) => {
        let [ops, present] = [start(), Object.keys(doc)]
        list.forEach((seed, i) => ({ ops, present } = operation(FRESH[i] ?? `z${i}`, seed)(ops, present)))
        const steps = ops.steps()
        const there = steps.migrate(doc, silent)
        const back = steps.rollback(there, silent)
        runs += 1
        if (JSON.stringify(there) !== JSON.stringify(doc)) changed += 1
        expect(sameJson(back, doc)).toBe(true)
      }),
      { numRuns: 500 },
    )
    expect(changed / runs).toBeGreaterThan(0.9)
  })

  it('down(up(x)) is x through files and chains of migrations, numbers to the letter, whatever the text', () => {
    const text = fc
      .tuple(
        fc.uniqueArray(fc.constantFrom('"a"', '"b"', '"443"', '"__proto__"', '"\\u0063"'), { minLength: 2 }),
        fc.array(token, { minLength: 5 }),
        lines,
      )
      .map(([names, values, format]) => ({
        names: names.map((name) => JSON.parse(name) as string),
        text: document({ members: names.map((name, i) => [name, values[i] ?? 'null']) }, format),
      }))
    fc.assert(
      fc.property(text, seeds, ({ names, text: source }, list) => {
        const schemas = [0, ...list].map((_, i) => schema(`${i + 1}.0.0`, { doc: file('doc.json', z.looseObject({})) }))
        let present = names
        const steps = list.map((seed, i) => {
          const made = operation(FRESH[i] ?? `z${i}`, seed)(start(), present)
          present = made.present
          return made.ops.steps()
        })
        const migrations = steps.map((step, i) => {
          const [from, to] = [schemas[i], schemas[i + 1]]
          if (from === undefined || to === undefined) throw new Error('a gap')
          return { ...about, from, to, files: { doc: { file: step } } }
        })
        const [first] = schemas
        if (first === undefined) throw new Error('no schema')
        const d = dataset({ name: 'x', chain: { first, schemas, migrations } })
        const up = migrateFiles(d, new Map([['doc.json', bytesOf(source)]]), '1.0.0', `${list.length + 1}.0.0`).steps.at(-1)
        const back = fileAt(d, up ?? new Map(), 'doc.json', `${list.length + 1}.0.0`, '1.0.0')
        expect(sameJson(parseJson(back).value, parseJson(bytesOf(source)).value)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('down(up(x)) is x where the data has a name that an operation wants, of another type', () => {
    fc.assert(
      fc.property(object, fc.constantFrom(...FRESH), fc.nat(10_000), (doc, clash, seed) => {
        const clashing = { ...doc, [clash]: { of: 'the user' } }
        const { ops } = operation(clash, seed)(start(), Object.keys(doc))
        const steps = ops.steps()
        expect(steps.rollback(steps.migrate(clashing, silent), silent)).toEqual(clashing)
      }),
      { numRuns: 500 },
    )
  })
})

/* ---- in a chain ---- */

const settings1 = file('settings.json', z.looseObject({ colour: z.string(), minutes: z.number(), legacy: z.string().optional() }))
const notes1 = records('notes.json', 'notes', z.looseObject({}), z.looseObject({ text: z.string(), state: z.string() }))
const v1 = schema('1.0.0', { settings: settings1, notes: notes1 })
const settings2 = file('settings.json', z.looseObject({ color: z.string(), seconds: z.number(), theme: z.string() }))
const notes2 = records(
  'notes.json',
  'notes',
  z.looseObject({}),
  z.looseObject({ text: z.string(), state: z.union([z.literal(0), z.literal(1)]) }),
)
const v2 = schema('2.0.0', { settings: settings2, notes: notes2 })

const settingsSteps = fields(settings1)
  .rename('colour', 'color')
  .rename('minutes', 'seconds')
  .convert('seconds', scaled(60))
  .remove('legacy')
  .add('theme', 'dark')
  .steps()

const state = enumeration({ open: 0, done: 1 })
const m2 = migration(v1, v2, {
  description: 'Operations',
  createdAt: '2026-01-01T00:00:00Z',
  changes: [],
  files: {
    settings: { file: settingsSteps },
    notes: {
      record: recordSteps({
        head: fields(notes1),
        record: recordFields(notes1).convert('state', {
          up: (name: string) => state.up(name as 'open'),
          down: (n: 0 | 1) => state.down(n),
        }),
      }),
    },
  },
})

describe('in a chain', () => {
  it('a chain of operations is a step, typed from schema to schema', () => {
    const files = new Map([
      ['settings.json', Buffer.from('{"colour":"red","minutes":1.5,"extra":1.0}')],
      ['notes.json', Buffer.from('{"notes":[{"text":"a","state":"done"}]}')],
    ])
    const toy = dataset({ name: 'Toy', chain: chain(v1).add(m2), detect: () => '1.0.0' })
    const [made] = migrateFiles(toy, files, '1.0.0', '2.0.0').steps
    const text = (path: string): string => Buffer.from(made?.get(path) ?? []).toString()
    expect(text('settings.json')).toBe('{"color":"red","seconds":90,"extra":1.0,"theme":"dark"}')
    expect(text('notes.json')).toBe('{"notes":[{"text":"a","state":1}]}')
  })

  it('misuse does not compile', () => {
    const ops = fields(settings1)
    expectTypeOf(ops.rename('colour', 'color').steps().migrate).returns.toEqualTypeOf<{
      minutes: number
      legacy?: string | undefined
      color: string
    }>()
    // @ts-expect-error there is no such member
    ops.rename('color', 'colour2')
    // @ts-expect-error the name is taken
    ops.rename('colour', 'minutes')
    // @ts-expect-error the name is taken
    ops.add('minutes', 1)
    // @ts-expect-error the older schema requires it: what stands in on the way back?
    ops.remove('colour')
    ops.remove('colour', { back: 'red' })
    ops.remove('legacy')
    // @ts-expect-error a text is not a number
    ops.convert('colour', scaled(60))
    // @ts-expect-error numbers have no members
    ops.unwrap('minutes', ['x'])
    migration(v1, v2, {
      description: '',
      createdAt: '',
      changes: [],
      files: {
        // @ts-expect-error not yet what the next schema says: seconds and theme are missing
        settings: { file: ops.rename('colour', 'color').steps() },
        notes: m2.files.notes,
      },
    })
  })
})
