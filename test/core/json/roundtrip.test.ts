import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isStrataError } from '../../../src/core/errors.ts'
import { type JsonDoc, type Layout, parseJson, plain, stringifyJson } from '../../../src/core/json/index.ts'
import { goEscapes } from '../../../src/core/json/quote.ts'
import { scanCanonical } from '../../../src/core/json/scan.ts'
import { parseTree } from '../../../src/core/json/tree.ts'
import { again, bytesOf, document, GO, line, lines, token } from './documents.ts'

const RUNS = { numRuns: 1500 }

describe('a document that nobody touches keeps its bytes', () => {
  test('in every regular many-line format', () => {
    fc.assert(
      fc.property(token, lines, (doc, format) => {
        const text = document(doc, format)
        expect(again(text, 'source')).toBe(text)
      }),
      RUNS,
    )
  })

  test('in every regular one-line format', () => {
    fc.assert(
      fc.property(token, line, (doc, format) => {
        const text = document(doc, format)
        expect(again(text, 'source')).toBe(text)
      }),
      RUNS,
    )
  })

  test('in the layout of Go, whatever the spellings', () => {
    fc.assert(
      fc.property(token, (doc) => {
        const text = document(doc, GO)
        expect(again(text, 'go')).toBe(text)
      }),
      RUNS,
    )
  })

  test('whatever white space a hand-edited file has, the tokens stay and the second writing changes nothing', () => {
    const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
    fc.assert(
      fc.property(token, space, space, space, (doc, indent, colon, tail) => {
        const odd = { ...GO, newline: ' \n', indent, colon: `:${colon}`, tail }
        const once = again(document(doc, odd), 'source')
        expect(again(once, 'source')).toBe(once)
        const minified = { ...GO, newline: '', indent: '', colon: ':' }
        const strip = (text: string): string =>
          stringifyJson(parseJson(bytesOf(text)).value, { layout: 'source', style: { ...minified, bom: false } })
        expect(strip(once)).toBe(strip(document(doc, odd)))
      }),
      { numRuns: 300 },
    )
  })
})

/** Vitest's own equality trips over members called `constructor`. */
const expectSame = (left: unknown, right: unknown): void => expect(isDeepStrictEqual(left, right)).toBe(true)

describe('two independent readers agree', () => {
  test('JSON.parse gives the same values', () => {
    fc.assert(
      fc.property(token, line, (doc, format) => {
        const text = document(doc, format)
        expectSame(plain(parseJson(bytesOf(text)).value), JSON.parse(text.replace(/^\ufeff/, '')))
      }),
      RUNS,
    )
  })

  test.each<Layout>(['go', 'source'])('the scan never vouches for a document that the tree parser finds odd (%s)', (layout) => {
    let vouched = 0
    fc.assert(
      fc.property(token, fc.boolean(), (doc, canonical) => {
        const raw = document(doc, GO)
        // Half of the documents are made canonical, or the scan would have little to say yes to.
        const text = canonical ? canonicalText(raw, layout) : raw
        if (scanCanonical(bytesOf(text), layout, 200) < 0) return
        vouched++
        const tree = parseTree({ text, bom: false }, layout, 200)
        expect(tree.spelling).toBeNull()
        expectSame(tree.value, JSON.parse(text))
      }),
      { numRuns: 4000 },
    )
    expect(vouched).toBeGreaterThan(500)
  })

  test.each<Layout>(['go', 'source'])('the scan vouches for what the writer writes, but for trap names (%s)', (layout) => {
    const safe = fc.string().filter((key) => !/^\d+$/.test(key) && key !== '__proto__')
    fc.assert(
      fc.property(fc.dictionary(safe, fc.jsonValue()), (value) => {
        const names = /"\d+":|"__proto__":/.test(JSON.stringify(value))
        const text = stringifyJson(value, { layout })
        if (!names && !/\\ud[89a-f]/.test(text)) expect(scanCanonical(bytesOf(text), layout, 200)).toBeGreaterThanOrEqual(0)
      }),
      RUNS,
    )
  })
})

const canonicalText = (raw: string, layout: Layout): string => {
  const text = JSON.stringify(JSON.parse(raw), null, 2)
  return layout === 'go' ? goEscapes(text) : text
}

describe('damaged bytes', () => {
  const mutate = (bytes: Uint8Array, edits: readonly (readonly [number, number, number])[]): Uint8Array => {
    const list = [...bytes]
    for (const [where, remove, byte] of edits) list.splice(where % (list.length + 1), remove, byte)
    return Uint8Array.from(list)
  }
  const edit = fc.tuple(fc.nat(1000), fc.nat(2), fc.oneof(fc.nat(255), fc.constantFrom(...bytesOf('{}[]",:\\u0-+.eE \n'))))

  /** What JSON.parse makes of the bytes, in an array because it may be anything; undefined when it refuses. */
  const reference = (bytes: Uint8Array): [unknown] | undefined => {
    try {
      return [JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))]
    } catch {
      return undefined
    }
  }

  /** The document, or the code of the error; anything but a StrataError fails the test. */
  const verdict = (bytes: Uint8Array): JsonDoc | string => {
    try {
      return parseJson(bytes)
    } catch (error) {
      if (!isStrataError(error)) throw error
      return error.code
    }
  }

  test('are read as JSON.parse reads them, and refused with a StrataError when it refuses them', () => {
    fc.assert(
      fc.property(token, line, fc.array(edit, { minLength: 1, maxLength: 3 }), (doc, format, edits) => {
        const bytes = mutate(bytesOf(document(doc, format)), edits)
        const said = verdict(bytes)
        if (said === 'JSON_DUPLICATE_KEY') return
        const value = reference(bytes)
        expectSame(typeof said === 'string' ? undefined : [plain(said.value)], value)
        if (typeof said !== 'string')
          expectSame(parseJson(bytesOf(stringifyJson(said.value, { layout: 'source', ...said }))).value, said.value)
      }),
      { numRuns: 3000 },
    )
  })

  test('that are pure noise are refused with a StrataError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void verdict(bytes)),
      RUNS,
    )
  })
})
