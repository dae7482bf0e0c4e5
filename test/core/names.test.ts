import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkPath, compareBytes, componentName, printable, treeName } from '../../src/core/names.ts'
import { HOSTILE_NAMES, anyComponent } from '../contract/datasets.ts'
import { failure } from '../contract/temporary.ts'

describe('treeName and componentName', () => {
  test('are each other’s inverse for any component a file system allows', () => {
    fc.assert(
      fc.property(anyComponent, (name) => {
        expect(componentName(treeName(name))).toBe(name)
      }),
      { numRuns: 2000 },
    )
  })

  test.each(HOSTILE_NAMES.map((name) => [name]))('%j is inverse too', (name) => {
    expect(componentName(treeName(name))).toBe(name)
  })

  test('are canonical: an entry name that is accepted is the one that treeName makes', () => {
    const entry = fc.oneof(
      fc.string({ unit: fc.constantFrom('%', '2', '4', '1', 'E', 'e', 'g', 'i', 't', '.', 'ü', '~'), minLength: 1, maxLength: 9 }),
      anyComponent,
    )
    fc.assert(
      fc.property(entry, (text) => {
        let name: string
        try {
          name = componentName(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPT' })
          return
        }
        expect(treeName(name)).toBe(text)
      }),
      { numRuns: 3000 },
    )
  })

  test.each([
    ['config.json', 'config.json'],
    ['2025-12-08 ü.json', '2025-12-08 ü.json'],
    ['a%41', 'a%41'],
    ['.github', '%2Egithub'],
    ['.git', '%2Egit'],
    ['.GIT', '%2EGIT'],
    ['git~1', '%67it%7E1'],
    ['~1000000', '%7E1000000'],
    ['GI7EBA~1', '%47I7EBA%7E1'],
    ['data~', 'data~'],
    ['config.json.~1~', 'config.json.~1~'],
    ['%41', '%2541'],
    ['a\\b', '%61%5Cb'],
    ['c:x', '%63%3Ax'],
    ['.g\u200cit', '%2Eg%E2%80%8Cit'],
    ['\u0001', '%01'],
    ['\ufeffx', '%EF%BB%BFx'],
  ])('the frozen rule: %j stands in a tree as %s', (name, entry) => {
    expect(treeName(name)).toBe(entry)
  })

  test.each([
    '',
    '.',
    '..',
    'a/b',
    '%2E',
    '%2E%2E',
    '%61%2Fb',
    '%61%00',
    '%61',
    '%2egit',
    '%2Egi',
    '%',
    '%4',
    '%GG',
    '%FF',
    '.git',
    '%2Egit%',
    '%ü',
  ])('the entry name %j is CORRUPT', (entry) => {
    expect(failure(() => componentName(entry)).code).toBe('CORRUPT')
  })
})

describe('checkPath', () => {
  test.each(['a', 'a/b', '.git/config', 'a b/c\\d', '...', '..a/b..', '~', 'C:'])('%j is inside the dataset', (path) => {
    expect(() => checkPath(path)).not.toThrow()
  })
  test.each(['', '/', '/a', 'a/', 'a//b', '.', './a', 'a/.', '..', '../a', 'a/../b', 'a/..', 'a\0b'])('%j is refused', (path) => {
    expect(failure(() => checkPath(path))).toMatchObject({ code: 'UNSUPPORTED_NAME', data: { path } })
  })
})

describe('compareBytes', () => {
  test('orders as the UTF-8 bytes do', () => {
    const text = fc.string({
      unit: fc.oneof(
        fc.constantFrom('a', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}', '\0'),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      ),
    })
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
      }),
      { numRuns: 2000 },
    )
  })
})

test('printable text has no control or direction characters, and keeps the rest', () => {
  expect(printable('a\u001b[31m\nb\u202ec\u0085ü😀')).toBe('a\\u001b[31m\\u000ab\\u202ec\\u0085ü😀')
})
