import { describe, expect, test } from 'vitest'
import type { Dataset, DatasetOptions } from '../../src/core/dataset.ts'
import { effectiveIndex, fileVersion, immutablePaths, isIgnored, requireVersion } from '../../src/core/dataset.ts'
import { dataset } from '../../src/index.ts'
import { toy } from './toy.ts'

const detecting = { detect: ({ path }: { path: string }) => (path === 'old.json' ? '1.0.0' : null) }
const head = (version: string) => `{"header": {"formatVersion": "1", "schemaVersion": "${version}"`

describe('the version of a file', () => {
  test.each([
    ['its header', 'a.json', head('2.1.0'), '2.1.0'],
    ['its header, behind a byte order mark and white space', 'a.json', `\uFEFF\r\n ${head('1.2.0')}`, '1.2.0'],
    ['its header rather than the guess', 'old.json', head('2.0.0'), '2.0.0'],
    ['the guess where there is no header', 'old.json', '{"settings":{}}', '1.0.0'],
    ['unknown where neither says', 'a.json', '{"settings":{}}', null],
    ['unknown for no JSON object', 'a.json', `[${head('2.0.0')}`, null],
    ['unknown for nothing', 'a.json', '', null],
  ])('is %s', (_, path, text, version) => expect(fileVersion(detecting, path, text)).toBe(version))

  test('is not what a member of the user happens to be called', () => {
    expect(fileVersion(detecting, 'old.json', '{"plugin":{"schemaVersion":"9.0.0"},"settings":{}}')).toBe('1.0.0')
  })
})

describe('the step from which a file takes part', () => {
  const { chain: c } = toy()
  const last = c.schemas.length - 1

  test('is that of its header when the next step changes its kind', () => {
    expect(effectiveIndex(c, 'settings.json', '1.0.0', last)).toBe(0)
  })

  test('skips steps that leave its kind alone', () => {
    expect(effectiveIndex(c, 'settings.json', '2.0.0', last)).toBe(2)
    expect(effectiveIndex(c, 'days/1.json', '2.0.0', last)).toBe(3)
  })

  test('is not beyond the limit', () => expect(effectiveIndex(c, 'days/1.json', '2.0.0', 2)).toBe(2))

  test('is that of its creation for a file that an earlier version did not have', () => {
    expect(effectiveIndex(c, 'sums/1.json', '1.0.0', last)).toBe(1)
  })

  test('is the limit for a path of no kind', () => expect(effectiveIndex(c, 'notes.txt', '1.0.0', last)).toBe(last))

  test('is -1 for a version that is not of the chain', () => expect(effectiveIndex(c, 'settings.json', '7.0.0', last)).toBe(-1))
})

describe('a dataset', () => {
  test('keeps source layout and ignores nothing unless it says so', () => {
    const { chain: c } = toy()
    expect(dataset({ name: 'x', chain: c })).toEqual({ name: 'x', chain: c, layout: 'source', ignore: [] })
  })

  test('checks its chain', () => {
    const { chain: c } = toy()
    const holed = { first: c.first, schemas: c.schemas, migrations: c.migrations.slice(1) }
    expect(() => dataset({ name: 'x', chain: holed })).toThrow(expect.objectContaining({ code: 'BAD_CHAIN' }))
  })

  test('ignores by glob', () => {
    const d = { ignore: ['logs/**', '*.tmp'] }
    expect(['logs/a/b', 'a.tmp', 'data/a.tmp', 'data/a.json'].map((path) => isIgnored(d, path))).toEqual([true, true, false, false])
  })

  test('says which files are never written again: by globs, or by all paths that there are', () => {
    const paths = ['archive/a', 'b', 'c']
    const of = (immutable?: Dataset['immutable']): string[] => [...immutablePaths({ name: 'x', ...(immutable && { immutable }) }, paths)]
    expect(of()).toEqual([])
    expect(of(['archive/**'])).toEqual(['archive/a'])
    expect(of((all) => all.slice(0, -1))).toEqual(['archive/a', 'b'])
  })

  test.each([
    ['a text', 'archive/**'],
    ['numbers', [1]],
    ['a function that throws', () => [''].map(() => JSON.parse('{'))],
    ['a function that picks nothing that can be gone through', () => true],
    ['a function that changes what it is given', (all: string[]) => [all.push('x')].map(String)],
  ])('is refused when it is loaded, with %s as its immutable files', (_, immutable) => {
    const { chain: c } = toy()
    // What a module in plain JavaScript may hold.
    const options = { name: 'x', chain: c, immutable: immutable as unknown as Dataset['immutable'] } as DatasetOptions
    expect(() => dataset(options)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }))
  })

  test('refuses a version beyond what it knows, with what it knows', () => {
    const d = toy()
    expect(requireVersion(d, '3.0.0')).toBe(2)
    expect(() => requireVersion(d, '5.0.0')).toThrow(
      expect.objectContaining({
        code: 'NEWER_SCHEMA',
        data: { version: '5.0.0', known: ['1.0.0', '2.0.0', '3.0.0', '4.0.0'] },
      }),
    )
  })
})
