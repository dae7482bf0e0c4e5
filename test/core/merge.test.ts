import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addedRecords, mergeRecords } from '../../src/core/merge.ts'
import { filesOf, json, text, toy } from './toy.ts'

const d = toy()
const kind = d.chain.schemas[1]?.kinds.days
if (kind === undefined) throw new Error('the toy dataset has days')

const bytes = (content: unknown): Uint8Array => {
  const made = filesOf({ x: content }).get('x')
  if (made === undefined) throw new Error('made')
  return made
}
const day = (...list: unknown[]) => ({ header: { schemaVersion: '2.0.0' }, list })
const merge = (ours: unknown, theirs: unknown, base: unknown) => {
  const merged = mergeRecords(d, kind, 'x', { ours: bytes(ours), theirs: bytes(theirs), base: base === null ? null : bytes(base) })
  return { doc: json(merged.bytes), text: text(merged.bytes), added: merged.added }
}

describe('merging a record file that both sides wrote', () => {
  test("keeps ours, and appends what theirs has more than the base, in theirs' order", () => {
    const merged = merge(day({ n: 1 }, { n: 2 }), day({ n: 1 }, { n: 4 }, { n: 3 }), day({ n: 1 }))
    expect(merged.doc).toEqual(day({ n: 1 }, { n: 2 }, { n: 4 }, { n: 3 }))
    expect(merged.added).toBe(2)
  })

  test('counts alike records: a second one of a value that the base has once is new', () => {
    expect(merge(day({ n: 1 }), day({ n: 1 }, { n: 1 }), day({ n: 1 }))).toMatchObject({ doc: day({ n: 1 }, { n: 1 }), added: 1 })
  })

  test('does not bring back what ours removed, nor remove what theirs did', () => {
    expect(merge(day(), day({ n: 1 }), day({ n: 1 }))).toMatchObject({ doc: day(), added: 0 })
    expect(merge(day({ n: 1 }), day(), day({ n: 1 }))).toMatchObject({ doc: day({ n: 1 }), added: 0 })
  })

  test('without a base takes all of theirs', () => {
    expect(merge(day({ n: 1 }), day({ n: 1 }), null)).toMatchObject({ doc: day({ n: 1 }, { n: 1 }), added: 1 })
  })

  test('is not misled by white space, and keeps the head of ours', () => {
    const ours = { header: { schemaVersion: '2.0.0' }, note: 'ours', list: [] }
    const theirs = '{"header":{"schemaVersion":"2.0.0"},"note":"theirs","list":[ {"n" : 1}, {"n":2} ]}'
    expect(merge(ours, theirs, day({ n: 1 }))).toMatchObject({ doc: { note: 'ours', list: [{ n: 2 }] }, added: 1 })
  })

  test('keeps the spelling of numbers on our side', () => {
    const ours = '{"header":{"schemaVersion":"2.0.0"},"list":[{"n":99.0},{"n":9007199254740993}]}'
    expect(merge(ours, day({ n: 1 }), null).text).toContain('[{"n":99.0},{"n":9007199254740993},{"n":1}]')
  })

  test('keeps the spelling of numbers that theirs adds', () => {
    const theirs = '{"header":{"schemaVersion":"2.0.0"},"list":[{"n":99.0},{"n":9007199254740993}]}'
    expect(merge(day(), theirs, null).text).toContain('[{"n":99.0},{"n":9007199254740993}]')
  })

  test('tells numbers apart that are the same double', () => {
    const list = (n: string) => `{"header":{"schemaVersion":"2.0.0"},"list":[{"n":${n}}]}`
    expect(merge(day(), list('9007199254740993'), list('9007199254740992')).added).toBe(1)
  })
})

test('added is the difference of multisets, whatever the records', () => {
  const list = fc.array(fc.nat(3).map((n) => ({ n })))
  fc.assert(
    fc.property(list, list, (base, theirs) => {
      const added = addedRecords(base, theirs, d) as { n: number }[]
      const count = (of: readonly { n: number }[], n: number) => of.filter((r) => r.n === n).length
      for (const n of [0, 1, 2, 3]) expect(count(added, n)).toBe(Math.max(0, count(theirs, n) - count(base, n)))
      // In their order: a subsequence of theirs.
      let at = 0
      for (const record of theirs) if (added[at] === record) at += 1
      expect(at).toBe(added.length)
    }),
  )
})
