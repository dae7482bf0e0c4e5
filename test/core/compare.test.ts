import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareContent, textOf } from '../../src/core/compare.ts'
import { JsonNumber } from '../../src/index.ts'

const document = (head: unknown) => ({ head, records: null })
const list = (records: readonly unknown[]) => ({ head: null, records })

describe('how two versions of a file differ', () => {
  it('names each field that was added, removed or changed, wherever it is', () => {
    const before = document({ a: 1, regions: { Home: { endpoints: [{ id: 'x' }, { id: 'y' }] } }, gone: true })
    const after = document({ a: 1, regions: { Home: { endpoints: [{ id: 'z' }, { id: 'w', on: true }] } }, made: 'yes' })
    expect(compareContent(before, after, '').fields).toEqual([
      { field: 'regions.Home.endpoints[].id', change: 'changed', count: 2, before: '"x"', after: '"z"' },
      { field: 'regions.Home.endpoints[].on', change: 'added', count: 1, before: null, after: 'true' },
      { field: 'gone', change: 'removed', count: 1, before: 'true', after: null },
      { field: 'made', change: 'added', count: 1, before: null, after: '"yes"' },
    ])
  })

  it('a record that was appended is one added record, and nothing else', () => {
    const records = [{ n: 1 }, { n: 2 }, { n: 3 }]
    expect(compareContent(list(records), list([...records, { n: 4 }]), '')).toEqual({
      records: { before: 3, after: 4, added: 1, removed: 0, changed: 0 },
      fields: [],
    })
    expect(compareContent(list(records), list(records.slice(1)), '').records).toMatchObject({ added: 0, removed: 1, changed: 0 })
  })

  it('numbers are compared as they are written', () => {
    const of = (text: string) => document({ n: new JsonNumber(text) })
    expect(compareContent(of('1.0'), of('1.0'), '').fields).toEqual([])
    expect(compareContent(of('9007199254740993'), of('9007199254740992.0'), '').fields).toHaveLength(1)
  })

  it('the place of the records is no field of what is around them', () => {
    const before = { head: { results: [], date: 'a' }, records: [1] }
    const after = { head: { results: [], date: 'b' }, records: [2] }
    expect(compareContent(before, after, 'results').fields.map((f) => f.field)).toEqual(['date', 'results[]'])
  })

  it('for any two documents: no field exactly when they are equal, and every count adds up', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const { fields } = compareContent(document(a), document(b), '')
        expect(compareContent(document(a), document(a), '').fields).toEqual([])
        // Members in another order are the same data.
        if (textOf(a) === textOf(b)) expect(fields).toEqual([])
        for (const { count, before, after, change } of fields) {
          expect(count).toBeGreaterThan(0)
          expect([before === null, after === null]).toEqual([change === 'added', change === 'removed'])
        }
      }),
    )
  })
})
