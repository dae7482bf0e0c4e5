import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { AnyMigration } from '../../src/core/chain.ts'
import { checkChain, isNewer, readableBy, versionIndex } from '../../src/core/chain.ts'
import type { Schema } from '../../src/core/schema.ts'
import { chain, file, schema } from '../../src/index.ts'

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
const problemOf = (first: Schema, ...migrations: AnyMigration[]): string => {
  try {
    checkChain(chainOf(first, ...migrations))
  } catch (error) {
    expect(error).toMatchObject({ code: 'BAD_CHAIN' })
    return (error as Error).message
  }
  return ''
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
    expect(problemOf(v1, step(v1, schema('1.0.0', { a: b }), { a: same }))).toMatch(/1\.0\.0 is in the chain twice/)
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
