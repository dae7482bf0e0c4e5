import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { memorySource } from '../../src/core/memory.ts'
import { versionIn } from '../../src/core/start.ts'
import { chain, dataset, file, fileAt, migrateFiles, migration, schema } from '../../src/index.ts'
import { DATA, filesOf, HEADER, text, toy } from './toy.ts'

const up = (content: Record<string, unknown>, from: string, to: string) => migrateFiles(toy(), filesOf(content), from, to)

describe('a dataset in memory', () => {
  test('is taken up with one map of files a step', () => {
    const { steps, issues } = up(DATA, '1.0.0', '3.0.0')
    expect(issues).toEqual([])
    expect(steps.map((files) => [...files.keys()].sort())).toEqual([
      ['days/1.json', 'settings.json'],
      ['days/1.json', 'settings.json', 'sums/1.json'],
    ])
  })

  test('from a version to itself is no step at all', () => {
    expect(up(DATA, '1.0.0', '1.0.0')).toEqual({ steps: [], issues: [] })
  })

  test('without files is empty maps', () => expect(up({}, '1.0.0', '3.0.0').steps).toEqual([new Map(), new Map()]))

  test('is not changed itself', () => {
    const files = filesOf(DATA)
    const before = [...files].map(([path, bytes]) => [path, bytes.slice()])
    migrateFiles(toy(), files, '1.0.0', '4.0.0')
    expect([...files]).toEqual(before)
  })

  test('of a version that the chain does not know is refused', () => {
    expect(() => up(DATA, '0.5.0', '3.0.0')).toThrow(expect.objectContaining({ code: 'NEWER_SCHEMA' }))
    expect(() => up(DATA, '1.0.0', '9.0.0')).toThrow(expect.objectContaining({ code: 'NEWER_SCHEMA' }))
  })

  test('gives the same bytes whatever the order of its files', () => {
    const [one, other] = [filesOf(DATA), new Map([...filesOf(DATA)].reverse())].map(
      (files) => migrateFiles(toy(), files, '1.0.0', '4.0.0').steps[2],
    )
    expect([...(one ?? [])].sort()).toEqual([...(other ?? [])].sort())
  })

  test('is refused when a step would make a file that is there already, whatever the order of the files', () => {
    const content = { 'sums/1.json': { mine: true }, ...DATA }
    for (const files of [filesOf(content), new Map([...filesOf(content)].reverse())])
      expect(() => migrateFiles(toy(), files, '1.0.0', '3.0.0')).toThrow(
        expect.objectContaining({ code: 'EXISTS', data: expect.objectContaining({ file: 'sums/1.json' }) }),
      )
  })
})

test('a kind that is dropped is in no later step', () => {
  const about = { description: '', createdAt: '2026-01-01T00:00:00Z', changes: [] }
  const [cache, keep] = [file('cache.json', z.looseObject({})), file('keep.json', z.looseObject({}))]
  const v1 = schema('1.0.0', { cache, keep })
  const v2 = schema('2.0.0', { keep })
  const v3 = schema('3.0.0', { keep: file('keep.json', z.looseObject({})) })
  const c = chain(v1)
    .add(migration(v1, v2, { ...about, files: { cache: { drop: 'is worked out again' } } }))
    .add(migration(v2, v3, { ...about, files: { keep: { file: { migrate: (doc) => doc } } } }))
  const { steps } = migrateFiles(dataset({ name: 'x', chain: c }), filesOf({ 'cache.json': {}, 'keep.json': {} }), '1.0.0', '3.0.0')
  expect(steps.map((files) => [...files.keys()])).toEqual([['keep.json'], ['keep.json']])
})

describe('a source over files in memory', () => {
  const at = (content: unknown, base: number, path = 'settings.json') => memorySource(toy(), filesOf({ [path]: content }), base).start(path)

  test('takes a file without a version to be at the base', () => expect(at({ items: [] }, 2)).toBe(2))
  test('takes a file at its header', () => expect(at({ header: HEADER, items: [] }, 0)).toBe(1))
  test('takes a file of an unknown version to be at the base', () => {
    expect(at({ header: { schemaVersion: '7.7.7' }, items: [] }, 1)).toBe(1)
  })
  test('has no other files', () => {
    expect(() => memorySource(toy(), new Map(), 0).bytes('a.json')).toThrow(expect.objectContaining({ code: 'ABSENT' }))
  })
})

test('a header counts in the first 4 KiB of a file, and cutting a character in two does no harm', () => {
  const at = (fill: string): string | null =>
    versionIn(toy(), 'settings.json', new TextEncoder().encode(`${fill}{"header":{"schemaVersion":"2.0.0"},"text":"${'ü'.repeat(5000)}"}`))
  expect(at(' '.repeat(100))).toBe('2.0.0')
  expect(at(' '.repeat(4090))).toBeNull()
})

describe('one file at another version', () => {
  test('refuses a path that is of a kind, but of none in that version', () => {
    const files = filesOf({ 'sums/1.json': { sum: 1 } })
    expect(() => fileAt(toy(), files, 'sums/1.json', '3.0.0', '2.0.0')).toThrow(expect.objectContaining({ code: 'ABSENT' }))
  })

  test('of no kind is the same at every version', () => {
    const files = filesOf({ 'notes.txt': 'x' })
    expect(fileAt(toy(), files, 'notes.txt', '3.0.0', '2.0.0')).toEqual(files.get('notes.txt'))
  })

  test('at its own version is its bytes', () => {
    const bytes = '{\n\t"items": [],\n\t"x": 1.0\n}\n'
    expect(text(fileAt(toy(), filesOf({ 'settings.json': bytes }), 'settings.json', '1.0.0', '1.0.0'))).toBe(bytes)
  })

  test('asked twice gives equal bytes', () => {
    const files = filesOf(DATA)
    const [one, other] = [1, 2].map(() => text(fileAt(toy(), files, 'days/1.json', '1.0.0', '2.0.0')))
    expect(one).toBe(other)
  })
})
