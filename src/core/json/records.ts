import { StrataError } from '../errors.ts'
import type { JsonDoc } from './parse.ts'
import { parseCanonical, parseJson } from './parse.ts'
import { type Layout, quote } from './quote.ts'
import type { Spelling } from './spelling.ts'
import type { RawFrame, RawGroup } from './split.ts'
import { copied, splitRecords } from './split.ts'
import { COMMA, isSpace } from './codes.ts'

/** Documents that are lists of records, piece by piece: no more is in memory than some records and what is around them. */

/** A file's bytes from the beginning, piece by piece, as often as wanted. Each piece is valid until the next. */
export type Pieces = () => Iterable<Uint8Array>

/** Some consecutive records; `spellings` is null where all their text is canonical, else of each its own. */
export type RecordGroup = { readonly records: readonly unknown[]; readonly spellings: readonly (Spelling | null)[] | null }

const encoder = new TextEncoder()

const joined = (...parts: readonly Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** 1-based line and column (UTF-16 units) of a byte. */
const placeOf = (pieces: Iterable<Uint8Array>, offset: number): { line: number; column: number } => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: false })
  let [line, column, left, isAfterReturn] = [1, 1, offset, false]
  for (const piece of pieces) {
    const text = decoder.decode(piece.subarray(0, left), { stream: true })
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code === 0x0a && isAfterReturn) column = 1
      else if (code === 0x0a || code === 0x0d) {
        line += 1
        column = 1
      } else column += 1
      isAfterReturn = code === 0x0d
    }
    left -= piece.length
    if (left <= 0) break
  }
  return { line, column }
}

/** What is around records when they are by themselves: as deep, and under the same name, as in the document. */
const [OPEN_LIST, CLOSE_LIST] = ['[', ']']
const wrapping = (name: string, layout: Layout): { open: Uint8Array; close: Uint8Array } => ({
  open: encoder.encode(name === '' ? OPEN_LIST : `{${quote(name, layout)}:[`),
  close: encoder.encode(name === '' ? CLOSE_LIST : ']}'),
})

const isBlank = (bytes: Uint8Array): boolean => bytes.every(isSpace)

/** Whether a record is missing beside a comma that does not belong to the text. */
const isLacking = ({ text, isTorn, isLast }: RawGroup): boolean => {
  if (isTorn) return false
  let end = text.length
  while (end > 0 && isSpace(text[end - 1] ?? 0)) end--
  return end === 0 || (!isLast && text[end - 1] === COMMA)
}

const listIn = (value: unknown, name: string): readonly unknown[] => {
  const list: unknown = name === '' ? value : (value as Record<string, unknown>)[name]
  return Array.isArray(list) ? list : []
}

/** Whether a text has strings or orders of names that values alone do not show. Odd numbers carry their own text. */
export const isOdd = ({ spelling }: Pick<JsonDoc, 'spelling'>): boolean =>
  spelling !== null && (spelling.strings.size > 0 || spelling.orders.length > 0)

/** So much of the records is looked at for the style of the whole. */
const SAMPLE = 64 * 1024
const COMMA_TEXT = encoder.encode(',')

/** What is around the records: the document with an empty list in their place, and the style of the whole. */
export type Frame = { readonly doc: JsonDoc; readonly isList: boolean }

/** So few records are parsed together where some are not canonical. */
const FEW = 8

/** Records as they are found. */
class Found {
  readonly #records: unknown[] = []
  readonly #spellings: (Spelling | null)[] = []
  #isOdd = false

  add(records: readonly unknown[], spelling: Spelling | null): void {
    for (const record of records) {
      this.#records.push(record)
      this.#spellings.push(spelling)
    }
    this.#isOdd ||= spelling !== null
  }

  get group(): RecordGroup {
    return { records: this.#records, spellings: this.#isOdd ? this.#spellings : null }
  }
}

export class RecordReader {
  readonly #pieces: Pieces
  readonly #name: string
  readonly #layout: Layout
  readonly #open: Uint8Array
  readonly #close: Uint8Array

  /** `name`: the member that holds the records, '' where the document is their list. */
  constructor(pieces: Pieces, name: string, layout: Layout) {
    this.#pieces = pieces
    this.#name = name
    this.#layout = layout
    const { open, close } = wrapping(name, layout)
    this.#open = open
    this.#close = close
  }

  /** Reads everything once, and parses what is around the records. Throws what `parseJson` throws. */
  frame(): Frame {
    let sample: Uint8Array = new Uint8Array()
    const { before, after, afterOffset } = this.#walk(({ text, commas, isFirst }) => {
      if (this.#layout === 'go' || sample.length >= SAMPLE) return
      const some = copied(text.subarray(0, commas.find((at) => at >= SAMPLE) ?? text.length))
      sample = isFirst ? some : joined(sample, COMMA_TEXT, some)
    })
    if (after === null) return { doc: this.#parse(before, 0), isList: false }
    // The list is not closed: its last record tells where the text ends.
    if (after.length === 0) Array.from(this.groups(), () => null)
    const whole = joined(before, after)
    const doc = this.#parse(whole, 0, before.length, afterOffset - before.length)
    if (this.#layout === 'go') return { doc, isList: true }
    // The first records show the white space. What is wrong with them is not for now.
    const { style } = this.#sampled(joined(before, sample, after)) ?? doc
    return { doc: { ...doc, style }, isList: true }
  }

  /** The records, parsed. Throws what `parseJson` throws. */
  *groups(): Generator<RecordGroup> {
    for (const group of splitRecords(this.#pieces(), this.#name)) yield this.#group(group)
  }

  /** The line, from 1, on which a record begins; null where there is no such record. */
  lineOf(index: number): number | null {
    let first = 0
    for (const { text, offset, commas } of splitRecords(this.#pieces(), this.#name)) {
      const place = index - first
      first += commas.length + 1
      if (index >= first) continue
      let at = place === 0 ? 0 : (commas[place - 1] ?? 0) + 1
      while (isSpace(text[at] ?? 0)) at++
      return placeOf(this.#pieces(), offset + at).line
    }
    return null
  }

  #walk(see: (group: RawGroup) => void): RawFrame {
    const groups = splitRecords(this.#pieces(), this.#name)
    for (;;) {
      const next = groups.next()
      if (next.done === true) return next.value
      see(next.value)
    }
  }

  #sampled(text: Uint8Array): JsonDoc | undefined {
    try {
      return parseJson(text, { layout: this.#layout })
    } catch {
      return undefined
    }
  }

  #group(group: RawGroup): RecordGroup {
    const { text, commas, isTorn, isFirst, isLast } = group
    if (isFirst && isLast && isBlank(text)) return { records: [], spellings: null }
    if (isTorn || isLacking(group)) return this.#whole(group)
    const found = new Found()
    try {
      this.#read(group, 0, commas.length + 1, found)
    } catch {
      // The parser sees the records between their neighbours, and says of the first mistake what is to be said.
      return this.#whole(group)
    }
    return found.group
  }

  /** The records `from` to before `to`: at once where their text is canonical, else each half by itself. */
  #read(group: RawGroup, from: number, to: number, found: Found): void {
    const { text, commas, offset } = group
    const start = from === 0 ? 0 : (commas[from - 1] ?? 0) + 1
    const own = joined(this.#open, text.subarray(start, commas[to - 1] ?? text.length), this.#close)
    const value = parseCanonical(own, this.#layout)
    if (value !== undefined) {
      found.add(listIn(value, this.#name), null)
      return
    }
    if (to - from <= FEW) {
      const doc = this.#parse(own, offset + start - this.#open.length)
      // Odd numbers carry their own text.
      if (!isOdd(doc)) {
        found.add(listIn(doc.value, this.#name), null)
        return
      }
      if (to - from === 1) {
        found.add(listIn(doc.value, this.#name), doc.spelling)
        return
      }
    }
    const middle = (from + to) >> 1
    this.#read(group, from, middle, found)
    this.#read(group, middle, to, found)
  }

  #whole(group: RawGroup): RecordGroup {
    const { text, offset, commas, isTorn } = group
    const close = isTorn ? new Uint8Array() : this.#close
    const { value, spelling } = isLacking(group)
      ? this.#nothing(group)
      : this.#parse(joined(this.#open, text, close), offset - this.#open.length)
    const records = listIn(value, this.#name)
    return isOdd({ spelling }) ? this.#each(text, [...commas, text.length], offset) : { records, spellings: null }
  }

  /** Nothing between two commas, before the first or after the last: as the parser sees it in the whole. */
  #nothing({ text, offset, isLast }: RawGroup): JsonDoc {
    const [lead, rest] = isLast ? ['0,', ''] : ['', ',0']
    return this.#parse(
      joined(this.#open, encoder.encode(lead), text, encoder.encode(rest), this.#close),
      offset - this.#open.length - lead.length,
    )
  }

  /** Record by record: each keeps its own spelling. */
  #each(text: Uint8Array, ends: readonly number[], offset: number): RecordGroup {
    let from = 0
    const docs = ends.map((end) => {
      const own = text.subarray(from, end)
      const doc = this.#parse(joined(this.#open, own, this.#close), offset + from - this.#open.length)
      from = end + 1
      return doc
    })
    return { records: docs.flatMap(({ value }) => listIn(value, this.#name)), spellings: docs.map(({ spelling }) => spelling) }
  }

  /** Parses a text that is another's from byte `shift` on; from its byte `until`, from `later` further on. Errors name the place in the file. */
  #parse(text: Uint8Array, shift: number, until = text.length, later = 0): JsonDoc {
    try {
      return parseJson(text, { layout: this.#layout })
    } catch (error) {
      const { offset } = error instanceof StrataError ? error.data : {}
      if (!(error instanceof StrataError) || typeof offset !== 'number') throw error
      throw this.#placed(error, Math.max(0, offset + shift + (offset >= until ? later : 0)))
    }
  }

  #placed({ code, message, data, hint }: StrataError, offset: number): StrataError {
    const { line, column } = placeOf(this.#pieces(), offset)
    const text = message.replace(/ \(line \d+, column \d+\)$/, '')
    return new StrataError(code, `${text} (line ${line}, column ${column})`, { data: { ...data, line, column, offset }, hint })
  }
}
