import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonNumber } from '../../src/core/json/index.ts'
import type { Newer } from '../../src/core/three-way.ts'
import { ThreeWay, canonical, mergeRecordLists } from '../../src/core/three-way.ts'

type Doc = Record<string, unknown>

const merge = (base: unknown, theirs: unknown, ours: unknown, original: unknown = base, newer: Newer = 'theirs') => {
  const three = new ThreeWay(newer)
  return { value: three.value({ base, theirs, original, ours }), clashes: three.clashes }
}

describe('what is equal', () => {
  test('does not depend on the order of members, nor on how a number is spelled', () => {
    expect(canonical({ a: new JsonNumber('99.0'), b: [{ d: 1, c: 'x' }] })).toBe(canonical({ b: [{ c: 'x', d: 1 }], a: 99 }))
  })

  test('numbers beyond 2^53 are as different as their digits', () => {
    expect(canonical(new JsonNumber('9007199254740993'))).not.toBe(canonical(new JsonNumber('9007199254740995')))
    expect(canonical(new JsonNumber('1e400'))).not.toBe(canonical(new JsonNumber('1e401')))
  })

  test('a text, a number and null that look alike are not', () => {
    expect(new Set([1, '1', null, 'null', true, 'true', [1], ['1']].map(canonical)).size).toBe(8)
  })
})

describe('documents', () => {
  test('what theirs has not changed keeps ours, the very value', () => {
    const number = new JsonNumber('99.0')
    const ours = { percent: number, name: 'a', old: 1 }
    const { value } = merge({ percent: 99, name: 'a' }, { percent: 99, name: 'b' }, ours, ours)
    expect(value).toEqual({ percent: number, name: 'b', old: 1 })
    expect((value as Doc).percent).toBe(number)
  })

  test("members that theirs has added and removed are, in ours' order", () => {
    const { value } = merge({ a: 1, b: 2 }, { c: 3, b: 2 }, { b: 2, a: 1, z: 0 }, { b: 2, a: 1, z: 0 })
    expect(JSON.stringify(value)).toBe('{"b":2,"z":0,"c":3}')
  })

  test('both sides of different members are merged; of the same member the newer one is, and counted', () => {
    const [base, theirs, ours] = [
      { a: 1, b: 1, c: { d: 1 } },
      { a: 2, b: 1, c: { d: 2 } },
      { a: 1, b: 2, c: { d: 3 } },
    ]
    expect(merge(base, theirs, ours)).toEqual({ value: { a: 2, b: 2, c: { d: 2 } }, clashes: 1 })
    expect(merge(base, theirs, ours, base, 'ours')).toEqual({ value: { a: 2, b: 2, c: { d: 3 } }, clashes: 1 })
    expect(merge({ a: 1 }, { a: 2 }, { a: 2 })).toEqual({ value: { a: 2 }, clashes: 0 })
    expect(merge({ a: 1 }, {}, { a: 2 })).toMatchObject({ clashes: 1 })
  })

  test('elements of a list are told by their ids: changed, added and removed on either side', () => {
    const e = (id: string, n: number): Doc => ({ id, n })
    const base = [e('a', 1), e('b', 1), e('c', 1), e('d', 1)]
    const theirs = [e('b', 2), e('a', 1), e('d', 1), e('new', 1)]
    const ours = [e('a', 5), e('b', 1), e('c', 1), e('own', 1)]
    expect(merge(base, theirs, ours).value).toEqual([e('b', 2), e('a', 5), e('new', 1), e('own', 1)])
  })

  test("a list of which a step has made another keeps the original's elements by their place", () => {
    const base = [
      { name: 'x', ms: 5 },
      { name: 'y', ms: 6 },
    ]
    const original = [
      { n: 'x', note: 1 },
      { n: 'y', note: 2 },
    ]
    const theirs = [
      { name: 'y', ms: 6 },
      { name: 'x', ms: 5 },
      { name: 'z', ms: 7 },
    ]
    expect(merge(base, theirs, original, original).value).toEqual([original[1], original[0], { name: 'z', ms: 7 }])
  })

  const leaf = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom('a', 'b', null))
  const document = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      leaf,
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'c', '7', '__proto__'), tie('node'), { maxKeys: 3 }),
    ),
  })).node

  test('any document: unchanged by theirs it is ours; unchanged by ours it is theirs', () => {
    fc.assert(
      fc.property(document, document, (a, b) => {
        expect(merge(a, a, b).value).toBe(b)
        expect(canonical(merge(a, b, a).value)).toBe(canonical(b))
        expect(merge(a, b, b)).toMatchObject({ clashes: 0 })
        expect(canonical(merge(a, b, b).value)).toBe(canonical(b))
      }),
      { numRuns: 500 },
    )
  })
})

describe('records', () => {
  const list = fc.array(
    fc.integer({ min: 0, max: 6 }).map((n) => ({ n })),
    { maxLength: 8 },
  )
  const counts = (records: readonly unknown[]): Map<string, number> => {
    const found = new Map<string, number>()
    for (const r of records) found.set(canonical(r), (found.get(canonical(r)) ?? 0) + 1)
    return found
  }

  test("any edit of a list that nobody else has touched is the result, with the original's records where they are kept", () => {
    fc.assert(
      fc.property(list, list, (base, theirs) => {
        const original = base.map((r) => ({ ...r, own: true }))
        const { records, added, removed } = mergeRecordLists({ base, theirs, original, ours: original })
        expect(records.map((r) => (r as Doc).n)).toEqual(theirs.map((r) => r.n))
        expect(records.filter((r) => (r as Doc).own === true)).toHaveLength(base.length - removed)
        expect(records.length).toBe(base.length - removed + added)
      }),
      { numRuns: 300 },
    )
  })

  test('what both sides have appended is there, each once', () => {
    fc.assert(
      fc.property(list, fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 }), (base, mine, other) => {
        const fresh = (from: number, n: number): Doc[] => Array.from({ length: n }, (_, i) => ({ n: from + i }))
        const theirs = [...base, ...fresh(100, other)]
        const ours = [...base, ...fresh(200, mine)]
        const { records } = mergeRecordLists({ base, theirs, original: base, ours })
        expect(counts(records)).toEqual(counts([...base, ...fresh(100, other), ...fresh(200, mine)]))
      }),
    )
  })

  test('the same record on both sides is one, two of the same on one side are two', () => {
    const base = [{ n: 1 }]
    const both = mergeRecordLists({ base, theirs: [...base, { n: 2 }, { n: 2 }], original: base, ours: [...base, { n: 2 }] })
    expect(both.records).toEqual([{ n: 1 }, { n: 2 }, { n: 2 }])
  })

  test('records told apart as they were written need not come out alike', () => {
    const [base, theirs] = [[{ n: 'old form' }], [{ n: 'new form' }, { n: 'added' }]]
    const original = [{ n: 'as it was' }]
    const { records } = mergeRecordLists({ base, theirs, original, ours: original, known: [0, -1] })
    expect(records).toEqual([{ n: 'as it was' }, { n: 'added' }])
  })
})
