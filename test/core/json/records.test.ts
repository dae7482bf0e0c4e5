import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Layout } from '../../../src/core/json/index.ts'
import { RecordReader, RecordWriter, entries, fromEntries, parseJson } from '../../../src/core/json/index.ts'
import { again, bytesOf, document, failure, GO, line, lines, token, type Token } from './documents.ts'

/** The text in pieces of `size` bytes, one buffer for all of them, as a reader of a file would hand them out. */
const inPieces = (bytes: Uint8Array, size: number) =>
  function* () {
    const buffer = Buffer.alloc(size)
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.subarray(at, at + size)
      buffer.set(piece)
      yield buffer.subarray(0, piece.length)
    }
  }

const NAME = 'results'

/** A document through the reader and the writer, a few records at a time. */
const through = (text: string, name: string, layout: Layout, size: number): string => {
  const reader = new RecordReader(inPieces(bytesOf(text), size), name, layout)
  const { doc } = reader.frame()
  const around = (list: readonly unknown[]): unknown =>
    name === '' ? list : fromEntries(entries(doc.value as object).map(([key, value]) => [key, key === name ? list : value]))
  const writer = new RecordWriter(name, layout, doc, around)
  let all = ''
  for (const { records, spellings } of reader.groups())
    all += new TextDecoder('utf-8', { ignoreBOM: true }).decode(writer.group(records, spellings))
  return all + new TextDecoder('utf-8', { ignoreBOM: true }).decode(writer.end())
}

const named = (
  records: readonly Token[],
  before: readonly (readonly [string, Token])[],
  after: readonly (readonly [string, Token])[],
): Token => ({
  members: [...before, [`"${NAME}"`, records], ...after],
})
const around = fc.array(fc.tuple(fc.constantFrom('"a"', '"b\\u0063"', '"443"', '"80"', '"x y"'), token), { maxLength: 3 })
const unique = (members: readonly (readonly [string, Token])[], taken: Set<string>) =>
  members.filter(([name]) => {
    const value = JSON.parse(name) as string
    return !taken.has(value) && taken.add(value)
  })
const listDocument = fc.array(token, { maxLength: 8 })
const objectDocument = fc.tuple(listDocument, around, around).map(([records, before, after]) => {
  const taken = new Set<string>()
  return named(records, unique(before, taken), unique(after, taken))
})
const size = fc.integer({ min: 1, max: 70 })
const RUNS = { numRuns: 600 }

describe('a document read and written record by record keeps its bytes', () => {
  test.each([
    ['in many lines', lines],
    ['in one line', line],
  ])('%s', (_, formats) => {
    fc.assert(
      fc.property(listDocument, objectDocument, formats, size, (list, object, format, pieces) => {
        for (const [doc, name] of [
          [list, ''],
          [object, NAME],
        ] as const) {
          const text = document(doc, format)
          expect(through(text, name, 'source', pieces)).toBe(again(text, 'source'))
        }
      }),
      RUNS,
    )
  })

  test('in the layout of Go', () => {
    fc.assert(
      fc.property(listDocument, objectDocument, size, (list, object, pieces) => {
        expect(through(document(list, GO), '', 'go', pieces)).toBe(document(list, GO))
        expect(through(document(object, GO), NAME, 'go', pieces)).toBe(document(object, GO))
      }),
      RUNS,
    )
  })

  test('a record keeps its own spelling, whatever becomes of the one before', () => {
    const reader = new RecordReader(() => [bytesOf('[{"a":"x"},{"a":"\\u0078"}]')], '', 'source')
    const [group] = [...reader.groups()]
    expect(group?.records).toEqual([{ a: 'x' }, { a: 'x' }])
    const writer = new RecordWriter('', 'source', reader.frame().doc, (list) => list)
    const [, second] = group?.records ?? []
    expect(new TextDecoder().decode(writer.group([{}, second], group?.spellings ?? null))).toBe('[{},{"a":"\\u0078"}')
  })
})

describe('what is wrong is found, and where', () => {
  const wrong = [
    '[{"a":1},{"a":tru},{"a":3}]',
    '[1,2,]',
    '[1,,2]',
    '[,1]',
    '[1,2',
    '[1,2]]',
    '[1,2] x',
    '[{"a":1,"a":2}]',
    '[1}',
    '[',
    '',
    '{"results":[1,2',
    '{"results":[1,2]',
    '{"results":[1,{"a":00}]}',
    '{"x":1,"results":[1],"x":2}',
    '{"results":[1],"results":[2]}',
    'nonsense',
    '{"results":[\n1,\n2,\n"\\x"]}',
    '{"results":[1,2],\n"a":tru}',
    `[1,"${'é'.repeat(5)}",tru]`,
    '[1\r\n,2\r,tru]',
  ]
  test.each(wrong)('%s', (text) => {
    const name = text.startsWith('[') ? '' : NAME
    const whole = failure(() => parseJson(bytesOf(text)))
    for (const pieces of [1, 2, 3, 7, 1000]) {
      const found = failure(() => through(text, name, 'source', pieces))
      expect({ code: found.code, message: found.message, ...found.data }).toEqual({
        code: whole.code,
        message: whole.message,
        ...whole.data,
      })
    }
  })

  test('bytes that are no UTF-8 are named with their place in the file', () => {
    const bytes = Buffer.concat([Buffer.from('[1,\n"a",\n"'), Buffer.from([0xff]), Buffer.from('",3]')])
    const reader = new RecordReader(inPieces(bytes, 4), '', 'source')
    const whole = failure(() => parseJson(bytes))
    const found = failure(() => [...reader.groups()])
    expect([found.code, found.message, found.data.offset]).toEqual([whole.code, whole.message, whole.data.offset])
  })
})
