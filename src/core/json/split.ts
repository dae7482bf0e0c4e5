import { StrataError } from '../errors.ts'
import { afterString, endsInEscape, STEP } from './brackets.ts'
import { CLOSE_BRACKET, COLON, COMMA, isSpace, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './codes.ts'

/** Some consecutive records as they stand in the text: `commas` are the places of those between them. Valid until the next group. */
export type RawGroup = {
  readonly text: Uint8Array
  /** Of `text` in the file. */
  readonly offset: number
  readonly commas: readonly number[]
  /** It ends where the file does: the array is not closed. */
  readonly isTorn: boolean
  /** The closing bracket comes after it. */
  readonly isLast: boolean
  readonly isFirst: boolean
}

/** What is around the records. `after` begins with the closing bracket; null where there is no array of records, and `before` is everything. */
export type RawFrame = { readonly before: Uint8Array; readonly after: Uint8Array | null; readonly afterOffset: number }

/** What is around the records, and each record, has to fit into memory. */
const MOST = 64 * 1024 * 1024

const NOTHING = new Uint8Array()
const BOM = [0xef, 0xbb, 0xbf]
const decoder = new TextDecoder()

const tooLong = (what: string, offset: number): StrataError =>
  new StrataError('JSON_SYNTAX', `${what} is longer than ${MOST / 1024 / 1024} MB, or a string or bracket is not closed`, {
    data: { offset },
    hint: 'Compare the file with an undamaged one of the same kind.',
  })

/** Not `slice`: of a Buffer that is no copy. */
export const copied = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

const afterSpace = (bytes: Uint8Array, from: number): number => {
  let at = from
  while (isSpace(bytes[at] ?? 0)) at++
  return at
}

/** The first byte that is neither a byte order mark nor white space. */
const firstOf = (bytes: Uint8Array): number => {
  const marks = BOM.findIndex((code, i) => bytes[i] !== code)
  // A piece may end within the mark.
  if (marks > 0 && marks === bytes.length) return marks
  return afterSpace(bytes, marks < 0 ? BOM.length : 0)
}

const isNamed = (raw: Uint8Array, name: string): boolean => {
  try {
    return JSON.parse(decoder.decode(raw)) === name
  } catch {
    return false
  }
}

type Found = { readonly start: number } | 'more' | 'none'

const bracketAt = (bytes: Uint8Array, at: number): Found => {
  if (at >= bytes.length) return 'more'
  return bytes[at] === OPEN_BRACKET ? { start: at + 1 } : 'none'
}

/** Where the records begin: `more` where that cannot be told of these bytes yet. */
const arrayStart = (bytes: Uint8Array, name: string): Found => {
  const first = firstOf(bytes)
  if (name === '') return bracketAt(bytes, first)
  if (first >= bytes.length) return 'more'
  if (bytes[first] !== OPEN_BRACE) return 'none'
  let depth = 1
  for (let at = first + 1; at < bytes.length; ) {
    const code = bytes[at] ?? 0
    if (code !== QUOTE) {
      if ((depth += STEP[code] ?? 0) === 0) return 'none'
      at++
      continue
    }
    const end = afterString(bytes, at + 1)
    const next = end < 0 ? bytes.length : afterSpace(bytes, end)
    if (next >= bytes.length) return 'more'
    if (depth === 1 && bytes[next] === COLON && isNamed(bytes.subarray(at, end), name)) {
      const found = bracketAt(bytes, afterSpace(bytes, next + 1))
      if (found !== 'none') return found
    }
    at = end
  }
  return 'more'
}

type State = { depth: number; isInString: boolean; isEscaped: boolean }

/** The index of the bracket that closes the array, or -1; `commas` gets those between records. */
const scanRecords = (state: State, bytes: Uint8Array, from: number, commas: number[]): number => {
  let at = from
  if (state.isEscaped && at < bytes.length) {
    state.isEscaped = false
    at++
  }
  while (at < bytes.length) {
    if (state.isInString) {
      const end = afterString(bytes, at)
      if (end < 0) {
        state.isEscaped = endsInEscape(bytes, at)
        return -1
      }
      state.isInString = false
      at = end
      continue
    }
    const code = bytes[at] ?? 0
    if (code === QUOTE) state.isInString = true
    else if (code === COMMA) {
      if (state.depth === 0) commas.push(at)
    } else {
      const step = STEP[code] ?? 0
      if (step > 0 || state.depth > 0) state.depth += step
      else if (code === CLOSE_BRACKET) return at
    }
    at++
  }
  return -1
}

/** Pieces one after the other in one buffer, which grows: what is given out is valid until the next is asked for. */
class Pieces {
  readonly #pieces: Iterator<Uint8Array>
  #buffer: Uint8Array = NOTHING
  constructor(pieces: Iterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.iterator]()
  }
  /** `rest`, the end of what was given out, and what comes after it; undefined at the end. Throws JSON_SYNTAX when that gets too long. */
  after(rest: Uint8Array, what: string, offset: number): Uint8Array | undefined {
    const next = this.#pieces.next()
    if (next.done === true) return undefined
    const needed = rest.length + next.value.length
    if (needed > MOST) throw tooLong(what, offset)
    const start = this.#makeRoom(rest, needed)
    this.#buffer.set(next.value, start + rest.length)
    return this.#buffer.subarray(start, start + needed)
  }
  /** Where in the buffer `rest` is now, with room for `needed` bytes from there. */
  #makeRoom(rest: Uint8Array, needed: number): number {
    if (rest.length > 0 && rest.byteOffset + needed <= this.#buffer.length) return rest.byteOffset
    // Twice as much, or a long record would be copied again with every piece.
    if (needed > this.#buffer.length) this.#buffer = new Uint8Array(Math.max(needed, Math.min(2 * needed, MOST)))
    this.#buffer.set(rest)
    return 0
  }
  all(start: Uint8Array, what: string, offset: number): Uint8Array {
    let all = start
    for (let more = this.after(all, what, offset); more !== undefined; more = this.after(all, what, offset)) all = more
    return copied(all)
  }
  close(): void {
    this.#pieces.return?.()
  }
}

const AROUND = 'what is around the records'

/**
 * Cuts the text of a document at its records, those of the member `name` ('' where the document is the array): no more of it is in
 * memory than a piece and a record. It looks at brackets, strings and commas only; whoever parses the parts finds what is wrong.
 */
export function* splitRecords(source: Iterable<Uint8Array>, name: string): Generator<RawGroup, RawFrame> {
  const pieces = new Pieces(source)
  try {
    let window: Uint8Array = NOTHING
    let found: Found = 'more'
    while (found === 'more') {
      const more = pieces.after(window, AROUND, 0)
      if (more === undefined) break
      window = more
      found = arrayStart(window, name)
    }
    if (typeof found === 'string') return { before: pieces.all(window, AROUND, 0), after: null, afterOffset: 0 }
    const before = copied(window.subarray(0, found.start))
    const state: State = { depth: 0, isInString: false, isEscaped: false }
    let rest: Uint8Array = window.subarray(found.start)
    let [offset, scanned, isFirst] = [found.start, 0, true]
    for (;;) {
      const commas: number[] = []
      const end = scanRecords(state, rest, scanned, commas)
      if (end >= 0) {
        yield { text: rest.subarray(0, end), offset, commas, isTorn: false, isLast: true, isFirst }
        return { before, after: pieces.all(rest.subarray(end), AROUND, offset), afterOffset: offset + end }
      }
      const cut = commas.pop()
      if (cut !== undefined) {
        yield { text: rest.subarray(0, cut), offset, commas, isTorn: false, isLast: false, isFirst }
        rest = rest.subarray(cut + 1)
        offset += cut + 1
        isFirst = false
      }
      scanned = rest.length
      const more = pieces.after(rest, 'a record', offset)
      if (more === undefined) {
        yield { text: rest, offset, commas: [], isTorn: true, isLast: false, isFirst }
        return { before, after: NOTHING, afterOffset: offset + rest.length }
      }
      rest = more
    }
  } finally {
    pieces.close()
  }
}
