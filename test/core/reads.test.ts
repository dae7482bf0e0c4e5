import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Read } from '../../src/core/reads.ts'
import { Reads, holds, isTouched, listDigest } from '../../src/core/reads.ts'

const files = (entries: Readonly<Record<string, string>>) => new Map(Object.entries(entries).map(([path, sha256]) => [path, { sha256 }]))
const NOW = files({ 'config.json': 'c1', 'data/1.json': 'd1', 'data/2.json': 'd2' })

describe('a result holds', () => {
  test('while the content of each file that was read is the same', () => {
    expect(holds({ path: 'config.json', sha256: 'c1' }, NOW)).toBe(true)
    expect(holds({ path: 'config.json', sha256: 'c2' }, NOW)).toBe(false)
  })

  test('while a file that there was none of is not there', () => {
    expect(holds({ path: 'absent.json', sha256: null }, NOW)).toBe(true)
    expect(holds({ path: 'config.json', sha256: null }, NOW)).toBe(false)
    expect(holds({ path: 'absent.json', sha256: 'c1' }, NOW)).toBe(false)
  })

  test('while a glob matches the same files, whatever is in them', () => {
    const read: Read = { glob: 'data/*.json', sha256: listDigest(['data/2.json', 'data/1.json']) }
    expect(holds(read, NOW)).toBe(true)
    expect(holds(read, files({ 'data/1.json': 'x', 'data/2.json': 'y', 'other.json': 'z' }))).toBe(true)
    expect(holds(read, files({ 'data/1.json': 'd1' }))).toBe(false)
    expect(holds(read, files({ 'data/1.json': 'd1', 'data/2.json': 'd2', 'data/3.json': 'd3' }))).toBe(false)
  })
})

test('a list of paths has one digest in any order, and no two lists have the same', () => {
  const paths = fc.uniqueArray(
    fc
      .string({ minLength: 1 })
      .map((s) => s.replaceAll('\0', ''))
      .filter((s) => s !== ''),
  )
  fc.assert(
    fc.property(paths, paths, (a, b) => {
      expect(listDigest([...a].reverse())).toBe(listDigest(a))
      expect(listDigest(a) === listDigest(b)).toBe(JSON.stringify([...a].sort()) === JSON.stringify([...b].sort()))
    }),
  )
})

test('a change touches what was read of that file, and of globs that match it', () => {
  const changed = new Set(['data/1.json'])
  expect(isTouched({ path: 'data/1.json', sha256: 'd1' }, changed)).toBe(true)
  expect(isTouched({ path: 'config.json', sha256: 'c1' }, changed)).toBe(false)
  expect(isTouched({ glob: 'data/*.json', sha256: '' }, changed)).toBe(true)
  expect(isTouched({ glob: 'other/*.json', sha256: '' }, changed)).toBe(false)
})

test('a file that was two things while it was read holds never again; what others have read counts as read', () => {
  const reads = new Reads()
  reads.file('a', 'one')
  reads.file('a', 'one')
  reads.also([
    { path: 'b', sha256: 'two' },
    { path: 'a', sha256: 'three' },
    { glob: '*.json', sha256: 'list' },
  ])
  expect(reads.all).toEqual([
    { path: 'a', sha256: '' },
    { path: 'b', sha256: 'two' },
    { glob: '*.json', sha256: 'list' },
  ])
  expect(holds({ path: 'a', sha256: '' }, files({ a: 'one' }))).toBe(false)
  expect(holds({ path: 'a', sha256: '' }, files({ a: 'three' }))).toBe(false)
})
