import { join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { Line } from '../core/events.ts'
import { isSavedState } from '../core/event-shapes.ts'
import { decodeLine, firstSeq, genesis, lastSeq } from '../core/events.ts'
import type { State } from '../core/state.ts'
import { REDUCER, evolveLine, initialState } from '../core/state.ts'
import { acknowledgedSeq, epochsOf } from './epochs.ts'
import { readText } from './files.ts'
import type { FsPort } from './fs.ts'

/**
 * The journal: segments of hash-chained lines, one append a line. A writer session claims an epoch before it appends
 * (the fence of design section 5); a line that a higher epoch overruled does not count.
 */

export const SEGMENT = /^(\d{8})\.jsonl$/

export const segmentName = (n: number): string => `${String(n).padStart(8, '0')}.jsonl`

/** What reading the journal found. `torn`: bytes after the last good line, which no one was told were written. */
export type JournalView = {
  readonly state: State
  readonly segment: number
  readonly eventsInSegment: number
  readonly prev: string
  readonly epoch: number
  readonly torn: boolean
}

const corrupt = (file: string, line: number, why: string): StrataError =>
  new StrataError('JOURNAL_CORRUPT', file === '' ? `the journal: ${why}` : `journal/${file}, line ${line}: ${why}`, {
    data: { file: file === '' ? 'journal' : `journal/${file}`, line },
    hint: 'Nothing is written to the store any more; CURRENT still names the active directory. See what can be healed: strata repair',
  })

const names = (fs: FsPort, dir: string): string[] => (fs.lstat(dir) === undefined ? [] : fs.readdir(dir))

export const segmentsOf = (fs: FsPort, dir: string): string[] =>
  names(fs, dir)
    .filter((name) => SEGMENT.test(name))
    .sort()

type Row = { readonly line: Line; readonly text: string; readonly file: string; readonly number: number }
type Segment = { readonly rows: readonly Row[]; readonly torn: boolean; readonly bad: number | null }

const WHOLE = /,"hash":"[0-9a-f]{64}"\}/g

/** The whole line that a text begins with; `rest` is there where its line feed is not what was written. */
const wholeLine = (text: string): { line: Line; text: string; rest: string } | undefined => {
  for (const { 0: end, index } of text.matchAll(WHOLE)) {
    const part = text.slice(0, index + end.length)
    const line = decodeLine(part)
    if (line !== undefined) return { line, text: part, rest: text.slice(part.length) }
  }
  return undefined
}

/** The good lines of one segment. `bad` is the number of a line that is not good, and not a last one that was cut short. */
const readSegment = (fs: FsPort, dir: string, file: string): Segment => {
  const texts = (readText(fs, join(dir, file)) ?? '').split('\n')
  // Everything of the last line but its line feed may have arrived.
  const unfinished = texts.at(-1) !== ''
  if (!unfinished) texts.pop()
  const rows: Row[] = []
  for (const [i, text] of texts.entries()) {
    const number = i + 1
    const found = wholeLine(text)
    if (found !== undefined) rows.push({ line: found.line, text: found.text, file, number })
    if (found?.rest === '') continue
    // A torn write leaves the beginning of one line, and nothing after it.
    const isTorn = number === texts.length && (found === undefined || wholeLine(found.rest.slice(1)) === undefined)
    return { rows, torn: true, bad: isTorn ? null : number }
  }
  return { rows, torn: unfinished, bad: null }
}

/**
 * Whatever is whole in a segment, also after damage. A torn tail is as it should be only if it can be one: an append begins with
 * a brace, and may be cut or end in zeros.
 */
export const readGoodLines = (fs: FsPort, dir: string, file: string): { pieces: { line: Line; text: string }[]; isSound: boolean } => {
  const pieces: { line: Line; text: string }[] = []
  let [isSound, isTorn] = [true, false]
  const text = readText(fs, join(dir, file)) ?? ''
  for (const row of text.replace(/\n$/, '').split('\n')) {
    if (isTorn) isSound = false
    let rest = row
    for (let found = lenient(rest); found !== undefined; found = lenient(rest.slice(1))) {
      pieces.push(found)
      rest = found.rest
      // Something else stands in the place of a line feed.
      if (rest !== '' && lenient(rest.slice(1)) !== undefined) isSound = false
    }
    if (rest !== '' && !/^(?:\{|\0)/.test(rest)) isSound = false
    if (rest !== '') isTorn = true
  }
  return { pieces, isSound }
}

const lenient = (row: string): ReturnType<typeof wholeLine> => {
  try {
    return wholeLine(row)
  } catch {
    // A line of a newer format stays as it is.
    return undefined
  }
}

const sound = (fs: FsPort, dir: string, file: string): Segment => {
  const segment = readSegment(fs, dir, file)
  if (segment.bad !== null) throw corrupt(file, segment.bad, 'its bytes are not what its hash says')
  return segment
}

const highestEpoch = (rows: readonly Row[]): number => rows.reduce((highest, { line }) => Math.max(highest, line.epoch), 0)

/**
 * The lines that count, oldest first. A session reads the journal after it has claimed its epoch, and appends to what it read: so
 * from the last line of the highest epoch, each names the one before it. A line of a lower epoch that no other names was never
 * acknowledged. Throws JOURNAL_CORRUPT.
 */
const chain = (rows: readonly Row[]): Row[] => {
  const highest = highestEpoch(rows)
  const kept: Row[] = []
  for (let i = rows.length - 1; i >= 0; i--) {
    const row = rows[i]
    const next = kept.at(-1)
    if (row === undefined) continue
    const counts = next === undefined ? row.line.epoch === highest : next.line.prev === row.line.hash
    if (counts) kept.push(row)
    else if (next !== undefined && row.line.epoch >= highest) throw corrupt(next.file, next.number, 'does not follow the line before it')
  }
  kept.reverse().forEach((row, i) => {
    const before = kept[i - 1]
    if (before !== undefined && firstSeq(row.line) !== lastSeq(before.line) + 1)
      throw corrupt(row.file, row.number, `starts at event ${firstSeq(row.line)} after event ${lastSeq(before.line)}`)
  })
  return kept
}

type SavedState = { reducer: number; state: object | null }
const savedState = ({ line }: Row): SavedState => {
  const event = line.events.find((e) => e.type === 'SegmentOpened')
  return event?.type === 'SegmentOpened' ? event.data : { reducer: 0, state: null }
}

/** Whether a line is the first of a store. */
export const beginsStore = ({ line }: Pick<Row, 'line'>): boolean => {
  const [created] = line.events
  return created?.type === 'StoreCreated' && line.prev === genesis(created.data.storeId)
}

/** All lines of the journal that count, oldest first, with their texts, checked against the chain. Throws JOURNAL_CORRUPT. */
export function* readPieces(fs: FsPort, dir: string): Generator<{ line: Line; text: string }> {
  const rows = chain(segmentsOf(fs, dir).flatMap((name) => sound(fs, dir, name).rows))
  const [first] = rows
  if (first !== undefined && !beginsStore(first)) throw corrupt(first.file, first.number, 'does not follow the line before it')
  for (const { line, text } of rows) yield { line, text }
}

/** The lines of `readPieces` alone. */
export function* readLines(fs: FsPort, dir: string): Generator<Line> {
  for (const { line } of readPieces(fs, dir)) yield line
}

type Newest = { readonly at: number; readonly torn: boolean; readonly rows: readonly Row[]; readonly first: Row }

/**
 * A session that was overruled may have opened a segment after the one that overruled it went on in the segment before:
 * possible only while a claim on disk is above the segment's own lines.
 */
const isOverruled = (fs: FsPort, dir: string, before: readonly string[], epoch: number): boolean => {
  if (Math.max(0, ...epochsOf(fs, dir)) <= epoch) return false
  for (const name of before.toReversed()) {
    const { rows } = readSegment(fs, dir, name)
    if (rows.length > 0) return highestEpoch(rows) > epoch
  }
  return false
}

/** The newest segment with a line that counts. Throws JOURNAL_CORRUPT. */
const newestOf = (fs: FsPort, dir: string, all: readonly string[]): Newest | undefined => {
  for (let at = all.length - 1; at >= 0; at--) {
    const name = all[at] ?? ''
    const segment = sound(fs, dir, name)
    const rows = chain(segment.rows)
    const [first] = rows
    if (first === undefined || isOverruled(fs, dir, all.slice(0, at), highestEpoch(rows))) continue
    if (
      !first.line.events.some((e) => e.type === 'SegmentOpened') ||
      (first.line.events[0]?.type === 'StoreCreated' && !beginsStore(first))
    )
      throw corrupt(name, first.number, 'does not follow the line before it')
    return { at, torn: segment.torn || at < all.length - 1, rows, first }
  }
  return undefined
}

/** All lines up to those of the newest segment, which were read already: a writer may have appended since. */
const linesTo = (fs: FsPort, dir: string, all: readonly string[], { at, rows, first }: Newest): Row[] => {
  const lines = beginsStore(first) ? [...rows] : chain([...all.slice(0, at).flatMap((name) => sound(fs, dir, name).rows), ...rows])
  const [oldest] = lines
  if (oldest !== undefined && !beginsStore(oldest)) throw corrupt(oldest.file, oldest.number, 'does not follow the line before it')
  return lines
}

const stateOf = (fs: FsPort, dir: string, all: readonly string[], newest: Newest): State => {
  const saved = savedState(newest.first)
  const fold = (from: State, rows: readonly Row[]): State => rows.reduce((state, { line }) => evolveLine(state, line), from)
  // A saved state of our own reducer is what `evolve` made; of another one, the whole journal is folded again.
  if (saved.reducer !== REDUCER || saved.state === null || !isSavedState(saved.state))
    return fold(initialState, linesTo(fs, dir, all, newest))
  return fold(saved.state as State, newest.rows)
}

/**
 * Reads the newest segment, whatever the length of the history; undefined when there is no store.
 * `seen` is the highest seq that anything else (CURRENT) has seen: a journal that ends before it has lost a line, and so has one
 * that ends before what its writers acknowledged.
 */
export const readJournal = (fs: FsPort, dir: string, seen = 0): JournalView | undefined => {
  // Before the lines are read: a writer may append meanwhile.
  const atLeast = Math.max(seen, acknowledgedSeq(fs, dir))
  const all = segmentsOf(fs, dir)
  const newest = newestOf(fs, dir, all)
  if (newest === undefined) {
    if (atLeast > 0) throw corrupt('', 0, 'none of its lines can be read, but events had been written')
    return undefined
  }
  const { rows, torn } = newest
  const state = stateOf(fs, dir, all, newest)
  const last = rows.at(-1) ?? newest.first
  if (state.seq < atLeast) throw corrupt(last.file, last.number + 1, `event ${atLeast} was written, but the journal ends at ${state.seq}`)
  return {
    state,
    segment: Number(SEGMENT.exec(all.at(-1) ?? '')?.[1]),
    eventsInSegment: rows.reduce((n, { line }) => n + line.events.length, 0),
    prev: last.line.hash,
    epoch: Math.max(last.line.epoch, ...epochsOf(fs, dir)),
    torn,
  }
}

/** The rows with events after `seq`, oldest first; only the segments that hold them are read. */
const rowsAfter = (fs: FsPort, dir: string, seq: number): readonly Row[] => {
  const all = segmentsOf(fs, dir)
  let rows: readonly Row[] = []
  for (let at = newestOf(fs, dir, all)?.at ?? -1; at >= 0; at--) {
    const segment = sound(fs, dir, all[at] ?? '')
    rows = [...segment.rows, ...rows]
    const [first] = segment.rows
    if (first !== undefined && firstSeq(first.line) <= seq) break
  }
  return chain(rows).filter(({ line }) => lastSeq(line) > seq)
}

/** The lines with events after `seq`, oldest first. Throws JOURNAL_CORRUPT. */
export const linesAfter = (fs: FsPort, dir: string, seq: number): Line[] => rowsAfter(fs, dir, seq).map(({ line }) => line)

/**
 * The lines of events after `seq`, byte for byte, and the seq they end at: what a packed transaction carries along.
 * Throws JOURNAL_CORRUPT when one of them is missing.
 */
export const textAfter = (fs: FsPort, dir: string, seq: number): { text: string; upTo: number } => {
  const wanted = rowsAfter(fs, dir, seq)
  const [first] = wanted
  if (first !== undefined && firstSeq(first.line) !== seq + 1)
    throw corrupt(first.file, first.number, `starts at event ${firstSeq(first.line)} after event ${seq}`)
  return { text: wanted.map(({ text }) => `${text}\n`).join(''), upTo: Math.max(seq, ...wanted.slice(-1).map(({ line }) => lastSeq(line))) }
}
