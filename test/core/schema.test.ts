import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { globPattern, kindOf, matchesGlob } from '../../src/core/schema.ts'
import { file, records } from '../../src/index.ts'

describe('a glob', () => {
  test.each([
    ['config.json', 'config.json', true],
    ['config.json', 'configXjson', false],
    ['config.json', 'data/config.json', false],
    ['config.json', 'config.json.bak', false],
    ['data/*.json', 'data/a.json', true],
    ['data/*.json', 'data/.json', true],
    ['data/*.json', 'data/deep/a.json', false],
    ['data/*.json', 'data/a.json/b', false],
    ['data/?.json', 'data/a.json', true],
    ['data/?.json', 'data/ab.json', false],
    ['data/?.json', 'data//.json', false],
    ['logs/**', 'logs/a', true],
    ['logs/**', 'logs/a/b/c.log', true],
    ['logs/**', 'logs', false],
    ['logs/**', 'mylogs/a', false],
    ['**/*.log', 'a.log', true],
    ['**/*.log', 'x/y/a.log', true],
    ['**/*.log', 'x/y/alog', false],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    ['a/**/b', 'a/xb', false],
    ['data/[0-9][0-9].json', 'data/42.json', true],
    ['data/[0-9][0-9].json', 'data/4x.json', false],
    ['data/[0-9][0-9].json', 'data/423.json', false],
    ['a+(b).{c}|d^$', 'a+(b).{c}|d^$', true],
    ['a+b', 'aab', false],
    ['a.b|c', 'c', false],
    ['*.json', 'two\nlines.json', true],
    ['Config.json', 'config.json', false],
  ])('%j over %j: %s', (glob, path, matches) => expect(matchesGlob(glob, path)).toBe(matches))

  test('matches the whole path, and gives the same answer the second time', () => {
    expect(globPattern('*.json').global).toBe(false)
    expect([matchesGlob('x*', 'xy'), matchesGlob('x*', 'xy'), matchesGlob('x*', 'y')]).toEqual([true, true, false])
  })
})

describe('the kind of a path', () => {
  const doc = z.looseObject({})
  const kinds = { config: file('config.json', doc), days: records('data/*.json', '', z.null(), doc) }

  test('is the one whose pattern matches', () => {
    expect(kindOf(kinds, 'config.json')).toBe('config')
    expect(kindOf(kinds, 'data/1.json')).toBe('days')
  })

  test('is none for a path that no pattern matches', () => {
    expect(kindOf(kinds, 'notes.txt')).toBeUndefined()
    expect(kindOf({}, 'config.json')).toBeUndefined()
  })

  test('is a mistake of the chain when there are two, which names both', () => {
    const overlapping = { ...kinds, all: file('**/*.json', doc) }
    expect(() => kindOf(overlapping, 'data/1.json')).toThrow(
      expect.objectContaining({ code: 'AMBIGUOUS_KIND', data: { path: 'data/1.json', kinds: ['days', 'all'] } }),
    )
    expect(kindOf(overlapping, 'else.json')).toBe('all')
  })
})

test('damage stops the job unless a kind says otherwise', () => {
  expect(file('a', z.null()).damaged).toBe('fail')
  expect(file('a', z.null(), { damaged: 'quarantine' }).damaged).toBe('quarantine')
  expect(records('a', '', z.null(), z.null(), { damaged: 'quarantine' })).toMatchObject({ at: '', damaged: 'quarantine' })
})
