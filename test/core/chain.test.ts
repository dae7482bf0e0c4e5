import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { AnyMigration } from '../../src/core/chain.ts'
import { isNewer, readableBy, versionIndex } from '../../src/core/chain.ts'
import { checkChain } from '../../src/core/chain-checks.ts'
import type { Schema } from '../../src/core/schema.ts'
import type { StrataError } from '../../src/index.ts'
import { chain, file, records, schema } from '../../src/index.ts'

/* What the types refuse, from an application written in JavaScript. */

const a = file('a.json', z.looseObject({}))
const b = file('a.json', z.looseObject({}))
const other = file('b/*.json', z.looseObject({}))

const v1 = schema('1.0.0', { a })
const v2 = schema('1.1.0', { a: b })
const v3 = schema('2.0.0', { a: b, other })

const same = { file: { migrate: (doc: unknown) => doc } }
const about = { description: 'a step', createdAt: '2026-01-01T00:00:00Z', changes: [] }
const step = (from: Schema, to: Schema, files: AnyMigration['files'], more: Partial<AnyMigration> = {}): AnyMigration => ({
  ...about,
  from,
  to,
  files,
  ...more,
})
const m2 = step(v1, v2, { a: same })
const m3 = step(v2, v3, { other: { derive: { from: 'a', each: () => [] } } }, { readableFrom: '1.1.0' })

const chainOf = (first: Schema, ...migrations: AnyMigration[]) => ({
  first,
  migrations,
  schemas: [first, ...migrations.map((m) => m.to)],
})
const refusalOf = (first: Schema, ...migrations: AnyMigration[]): StrataError | undefined => {
  try {
    checkChain(chainOf(first, ...migrations))
  } catch (error) {
    return error as StrataError
  }
  return undefined
}
const problemOf = (first: Schema, ...migrations: AnyMigration[]): string => {
  const error = refusalOf(first, ...migrations)
  if (error !== undefined) expect(error).toMatchObject({ code: 'BAD_CHAIN' })
  return error?.message ?? ''
}

describe('checkChain', () => {
  test('accepts steps in order, and a chain without steps', () => {
    expect(problemOf(v1, m2, m3)).toBe('')
    expect(problemOf(v1)).toBe('')
  })

  test('refuses a gap, naming both versions', () => {
    expect(problemOf(v1, m3)).toBe('the migration to 2.0.0 starts at 1.1.0, but the chain is at 1.0.0')
  })

  test('refuses the wrong order', () => expect(problemOf(v1, m3, m2)).toMatch(/starts at 1\.1\.0/))

  test('refuses a version twice', () => {
    const twice = refusalOf(v1, step(v1, schema('1.0.0', { a: b }), { a: same }))
    expect(twice).toMatchObject({ code: 'DUPLICATE_VERSION', message: 'version 1.0.0 is in the chain twice' })
    // Two migrations to one version from one schema, as two branches of a project make them.
    expect(refusalOf(v1, m2, step(v1, schema('1.1.0', { a: b }), { a: same }))?.code).toBe('DUPLICATE_VERSION')
  })

  test('refuses a version that is older than the one before', () => {
    expect(problemOf(v1, step(v1, schema('0.9.0', { a: b }), { a: same }))).toMatch(/0\.9\.0/)
    expect(problemOf(v1, step(v1, schema('1.0.0-beta.1', { a: b }), { a: same }))).toMatch(/1\.0\.0-beta\.1/)
  })

  test('refuses a schema of the same version that is another value', () => {
    expect(problemOf(v1, m2, step(schema('1.1.0', { a: b }), v3, m3.files))).toMatch(/starts at 1\.1\.0/)
  })

  test.each([
    ['a kind that changes without a step', v2, {}, /1\.1\.0 changes the kind a but has no step/],
    ['a step for a kind that does not change', schema('1.1.0', { a }), { a: same }, /has a step for the kind a, which it does not change/],
    ['a step for a kind of neither schema', v2, { a: same, typo: same }, /step for typo, which is no kind of either schema/],
    ['a new kind without a step', schema('1.1.0', { a, other }), {}, /changes the kind other but has no step/],
    ['a kind that goes without a step', schema('1.1.0', {}), {}, /changes the kind a but has no step/],
  ] as [string, Schema, AnyMigration['files'], RegExp][])('refuses %s', (_, to, files, message) => {
    expect(problemOf(v1, step(v1, to, files))).toMatch(message)
  })

  test('refuses files derived from a kind that is not there', () => {
    expect(problemOf(v2, step(v2, v3, { other: { derive: { from: 'nope', each: () => [] } } }))).toMatch(/nope/)
  })

  test('refuses a readableFrom that is no version up to its own', () => {
    expect(problemOf(v1, m2, step(v2, v3, m3.files, { readableFrom: '1.0.5' }))).toMatch(/1\.0\.5/)
    expect(problemOf(v1, step(v1, v2, m2.files, { readableFrom: '2.0.0' }), m3)).toMatch(/2\.0\.0/)
  })

  test.each(['1', '1.0', 'one', '', '1.0.0.0', '01.0.0'])('refuses %j as a version', (version) => {
    expect(problemOf(schema(version, { a }))).toMatch(/not a semantic version/)
  })

  test.each(['0.0.1', '1.0.0-beta.1', '10.20.30'])('accepts %s as a version', (version) => {
    expect(problemOf(schema(version, { a }))).toBe('')
  })
})

describe('versions of a chain', () => {
  const c = chainOf(v1, m2, m3)

  test('have positions, oldest first; -1 for others', () => {
    expect(['1.0.0', '1.1.0', '2.0.0', '9.9.9'].map((version) => versionIndex(c, version))).toEqual([0, 1, 2, -1])
  })

  test('a version is newer only when it is beyond the newest', () => {
    expect(isNewer(c, '2.0.1')).toBe(true)
    expect(isNewer(c, '2.0.0')).toBe(false)
    expect(isNewer(c, '1.0.5')).toBe(false)
    expect(isNewer(c, '2.0.0-rc.1')).toBe(false)
    expect(isNewer(c, 'nonsense')).toBe(false)
  })

  test('a snapshot is readable by its own version, and back to readableFrom', () => {
    expect(readableBy(c, 0)).toEqual(['1.0.0'])
    expect(readableBy(c, 1)).toEqual(['1.1.0'])
    expect(readableBy(c, 2)).toEqual(['1.1.0', '2.0.0'])
  })
})

test('add leaves the chain it extends as it was', () => {
  const first = chain(v1)
  expect(first.migrations).toEqual([])
  expect(first.newest).toBe(v1)
  expect(first.schemas).toEqual([v1])
})

describe('a chain that was written without types', () => {
  const refused = (to: Schema, files: unknown, more: object = {}): StrataError | undefined =>
    refusalOf(v1, step(v1, to, files as AnyMigration['files'], more))

  test.each<[string, unknown, RegExp]>([
    ['no function', { a: { file: {} } }, /files\.a\.file\.migrate is missing/],
    ['something else than a function', { a: { file: { migrate: 'x' } } }, /files\.a\.file\.migrate is no function/],
    ['a rollback that is no function', { a: { file: { migrate: same.file.migrate, rollback: 1 } } }, /rollback is no function/],
    ['two forms of a step', { a: { ...same, drop: 'why' } }, /must have file, and nothing else; it has file, drop/],
    ['a step by record for a kind without records', { a: { record: { migrate: {} } } }, /files\.a must have file/],
    ['an unknown form', { a: { migrate: same.file.migrate } }, /files\.a must have file, and nothing else; it has migrate/],
    ['a step that is no object', { a: 7 }, /files\.a is no object/],
    ['no files at all', undefined, /has no files/],
  ])('%s in a step is refused', (_, files, message) => {
    expect(refused(v2, files)).toMatchObject({ code: 'BAD_CHAIN', message: expect.stringMatching(message) })
  })

  test('records need their functions', () => {
    const list = schema('1.1.0', { a: records('a.json', '', z.null(), z.looseObject({})) })
    const next = schema('1.2.0', { a: records('a.json', '', z.null(), z.looseObject({})) })
    const of = (files: unknown) => refusalOf(list, step(list, next, files as AnyMigration['files']))?.message
    expect(of({ a: { record: { migrate: { head: () => null } } } })).toMatch(/files\.a\.record\.migrate\.record is missing/)
    expect(of({ a: { record: { migrate: { head: () => null, record: (r: unknown) => r, scan: {} } } } })).toMatch(/scan\.init is missing/)
    expect(of({ a: { record: { migrate: { head: () => null, record: (r: unknown) => r } } } })).toBeUndefined()
  })

  test.each<[string, object, RegExp]>([
    ['no description', { description: undefined }, /has no description/],
    ['a time in another form', { createdAt: 'yesterday' }, /createdAt/],
    ['no list of changes', { changes: 'many' }, /changes/],
    ['a check of an unknown kind', { validate: { typo: { doc: () => undefined } } }, /validates typo/],
    ['a check that is no function', { validate: { a: { doc: true } } }, /validate\.a\.doc is no function/],
    ['a loss of an unknown kind', { loses: { typo: { records: 'why' } } }, /loses something of typo/],
    ['a loss without a reason', { loses: { a: { records: true } } }, /why a loses/],
    ['a law with one side', { conserves: { a: { ids: { before: () => 1 } } } }, /conserves\.a\.ids\.after is missing/],
    ['a law of an unknown kind', { conserves: { typo: {} } }, /conserves something of typo/],
  ])('%s is refused', (_, more, message) => {
    expect(refused(v2, m2.files, more)).toMatchObject({ code: 'BAD_CHAIN', message: expect.stringMatching(message) })
  })

  test('asynchronous functions have a code of their own, wherever they are', () => {
    const wait = async (doc: unknown) => Promise.resolve(doc)
    expect(refused(v2, { a: { file: { migrate: wait } } })).toMatchObject({
      code: 'ASYNC_STEP',
      message: expect.stringContaining('files.a.file.migrate'),
    })
    expect(refused(v2, m2.files, { validate: { a: { doc: wait } } })?.code).toBe('ASYNC_STEP')
    const each = async function* () {
      yield await Promise.resolve(['b/1.json', {}])
    }
    expect(refusalOf(v2, step(v2, v3, { other: { derive: { from: 'a', each } } } as unknown as AnyMigration['files']))?.code).toBe(
      'ASYNC_STEP',
    )
  })

  test('everything that is wrong is told at once', () => {
    expect(refused(v2, { a: { file: {} } }, { description: 1, createdAt: '' })?.data.problems).toHaveLength(3)
  })
})

describe('a kind', () => {
  const of = (kinds: object): StrataError | undefined => refusalOf(schema('1.0.0', kinds as Schema['kinds']))

  test.each([
    ['no pattern', file(undefined as unknown as string, z.null())],
    ['an empty one', file('', z.null())],
  ])('with %s is NO_PATTERN', (_, kind) => {
    expect(of({ kind })).toMatchObject({
      code: 'NO_PATTERN',
      message: '1.0.0: the kind kind has no path pattern',
      data: { version: '1.0.0', kind: 'kind' },
    })
  })

  test.each([
    ['with the pattern of another', file('a.json', z.null()), file('a.json', z.null())],
    ['whose files another one’s pattern covers', file('*.json', z.null()), file('a.json', z.null())],
    ['whose files another one’s pattern covers, in the other order', file('a.json', z.null()), file('*.json', z.null())],
  ])('%s is AMBIGUOUS_KIND', (_, one, two) => {
    expect(of({ one, two })).toMatchObject({ code: 'AMBIGUOUS_KIND', data: { path: 'a.json', version: '1.0.0' } })
    expect(of({ one })).toBeUndefined()
  })

  test('that does not say where its records are, or is described by something else than zod, is refused', () => {
    expect(of({ a: { path: 'a.json', doc: z.null(), damaged: 'fail', record: z.null() } })?.message).toMatch(/no place for them/)
    expect(of({ a: { path: 'a.json', doc: { type: 'object' }, damaged: 'fail' } })?.message).toMatch(
      /the document of the kind a is no zod schema/,
    )
  })
})

describe('a schema that would change data behind the migration’s back', () => {
  const text = z.string()
  const deep = (node: z.ZodType) =>
    z.looseObject({ list: z.array(z.union([z.null(), z.record(text, z.looseObject({ x: z.lazy(() => node.optional()) }))])) })
  const AT = 'list[].*.x'

  test.each<[string, z.ZodType, RegExp]>([
    ['a transform', text.transform((s) => s.length), /pipe, transform/],
    ['a default', text.default(''), /a default/],
    ['a prefault', text.prefault(''), /a default/],
    ['a catch', text.catch(''), /a catch/],
    ['a coercion', z.coerce.number(), /coerces/],
    ['preprocessing', z.preprocess((s) => s, text), /preprocessing/],
    ['a pipe', text.pipe(z.literal('x')), /a pipe/],
    ['a codec', z.codec(text, z.number(), { decode: Number, encode: String }), /codec/],
    ['trimming', text.trim().min(1), /trims/],
    ['lower case', text.toLowerCase(), /changes case/],
    ['overwriting', z.number().overwrite(Math.round), /overwrites/],
    ['normalising', z.url({ normalize: true }), /normalises/],
    ['what JSON cannot hold', z.date(), /z\.date\(\), which nothing in JSON is/],
  ])('%s is refused at any depth, naming version, kind and member', (_, node, message) => {
    for (const [schemaNode, member] of [
      [node, ''],
      [z.looseObject({ x: node }), 'x'],
      [deep(node), AT],
      [z.looseObject({}).catchall(node), '*'],
      [z.tuple([text], node), '[]'],
      [z.intersection(z.looseObject({}), z.looseObject({ y: node })), 'y'],
      [z.discriminatedUnion('k', [z.looseObject({ k: z.literal(1), y: node })]), 'y'],
    ] as [z.ZodType, string][]) {
      const found = refusalOf(schema('1.0.0', { days: records('d/*.json', '', z.null(), schemaNode) }))
      expect(found).toMatchObject({ code: 'BAD_CHAIN', data: { version: '1.0.0', kind: 'days', member } })
      expect(found?.message).toMatch(message)
      expect(found?.message).toMatch(/^1\.0\.0: .* of the kind days /)
    }
  })

  test('what only looks passes: refinements, formats, unions, enums, records that contain themselves', () => {
    const tree: z.ZodType = z.looseObject({ children: z.array(z.lazy(() => tree)) })
    const fine = z.strictObject({
      a: z
        .string()
        .min(1)
        .regex(/x/)
        .refine((s) => s !== 'y')
        .optional(),
      b: z.int().min(0).nullish(),
      c: z.enum(['x', 'y']),
      d: z.email(),
      e: z.record(z.string(), z.unknown()),
      f: z.tuple([z.number()]).readonly(),
      g: z.json(),
      h: z.templateLiteral(['#', z.number()]),
      i: tree,
    })
    expect(refusalOf(schema('1.0.0', { a: file('a.json', fine) }))).toBeUndefined()
  })
})

describe('prereleases', () => {
  const versions = ['1.0.0-alpha.9', '1.0.0-alpha.10', '1.0.0-rc.1', '1.0.0']
  const schemas = versions.map((version) => schema(version, { a: file('a.json', z.looseObject({})) }))
  const steps = schemas.slice(1).map((to, i) => step(schemas[i] ?? to, to, { a: same }))

  test('come in the order of semantic versions, before their release', () => {
    expect(problemOf(schemas[0] ?? v1, ...steps)).toBe('')
    const release = schema('1.0.0', { a: file('a.json', z.looseObject({})) })
    const late = step(release, schema('1.0.0-rc.2', { a: file('a.json', z.looseObject({})) }), { a: same })
    expect(problemOf(release, late)).toMatch(/1\.0\.0-rc\.2 does not come after 1\.0\.0/)
  })
})
