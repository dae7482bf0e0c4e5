import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Pointer } from '../../src/core/pointer.ts'
import { decodePointer, encodePointer } from '../../src/core/pointer.ts'
import { failure } from '../contract/temporary.ts'

const pointer: Pointer = {
  format: 1,
  storeId: 'abc',
  seq: 42,
  snapshot: '2.1.0-v1stgxr8',
  directory: 'snapshots/2.1.0-v1stgxr8',
  schemaVersion: '2.1.0',
  readableBy: ['2.0.0', '2.1.0'],
  hold: null,
}
const held: Pointer = { ...pointer, hold: { since: '2026-01-01T00:00:00Z', reason: 'a "b"\n' } }

describe('CURRENT', () => {
  test('has the members and order of its frozen format, on one line', () => {
    expect(encodePointer({ ...pointer, more: 1 } as Pointer)).toBe(
      '{"format":1,"storeId":"abc","seq":42,"snapshot":"2.1.0-v1stgxr8","directory":"snapshots/2.1.0-v1stgxr8","schemaVersion":"2.1.0","readableBy":["2.0.0","2.1.0"],"hold":null}\n',
    )
    expect(encodePointer(held).split('\n')).toHaveLength(2)
  })

  test('is read back as it was written; members of later versions are passed over', () => {
    expect(decodePointer(encodePointer(pointer))).toEqual(pointer)
    expect(decodePointer(encodePointer(held))).toEqual(held)
    expect(decodePointer(JSON.stringify({ ...pointer, extra: { a: 1 } }))).toEqual(pointer)
  })

  test.each([
    ['', 'nothing'],
    ['{', 'torn'],
    ['null', 'null'],
    ['[]', 'a list'],
    ['"x"', 'text'],
    ['{}', 'no format'],
    ['{"format":"1"}', 'a format of another type'],
    ['{"format":0}', 'format 0'],
  ])('%j (%s) is CORRUPT', (text) => {
    expect(failure(() => decodePointer(text)).code).toBe('CORRUPT')
  })

  test.each([
    ['storeId', 1],
    ['storeId', undefined],
    ['seq', '42'],
    ['seq', 1.5],
    ['seq', 2 ** 60],
    ['snapshot', null],
    ['directory', undefined],
    ['schemaVersion', 2],
    ['readableBy', '2.1.0'],
    ['readableBy', [1]],
    ['hold', undefined],
    ['hold', 'x'],
    ['hold', {}],
    ['hold', { since: 1, reason: 'x' }],
  ])('with the member %s = %j is CORRUPT', (member, value) => {
    expect(failure(() => decodePointer(JSON.stringify({ ...pointer, [member]: value }))).code).toBe('CORRUPT')
  }) // prettier-ignore

  test.each([
    '/etc',
    'snapshots',
    'snapshots/',
    'snapshots/..',
    'snapshots/.',
    'snapshots/../x',
    'snapshots/a/b',
    'snapshots/a\\b',
    '../snapshots/a',
    'snapshots/a\n',
    'C:/x',
  ])('that leads to %j, outside snapshots/, is CORRUPT', (directory) => {
    expect(failure(() => decodePointer(JSON.stringify({ ...pointer, directory }))).code).toBe('CORRUPT')
  })

  test('of a later format is NEWER_FORMAT, whatever its members', () => {
    expect(failure(() => decodePointer('{"format":2}'))).toMatchObject({ code: 'NEWER_FORMAT', data: { format: 2 } })
  })

  test('that is cut anywhere is never another pointer', () => {
    const text = encodePointer(held)
    for (let length = 0; length < text.length - 1; length++)
      expect(failure(() => decodePointer(text.slice(0, length))).code).toBe('CORRUPT')
  })

  test('of any JSON is a pointer or an error of ours', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(failure(() => decodePointer(text)).code).toMatch(/CORRUPT|NEWER_FORMAT/)
      }),
    )
  })
})
