import { join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { Line } from '../core/events.ts'
import { decodeLine, firstSeq, genesis, lastSeq } from '../core/events.ts'
import type { State } from '../core/state.ts'
import { REDUCER, evolveLine, initialState } from '../core/state.ts'
import { readText } from './files.ts'
import type { FsPort } from './fs.ts'

/**
 * The journal: segments of hash-chained lines, one append a line. A writer session claims an epoch before it appends
 * (the fence of design section 5); a line that a higher epoch overruled does not count.
 */

export const SEGMENT = /^(\d{8})\.jsonl$/
const EPOCH = /^epoch-(\d+)$/

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
  new StrataError('JOURNAL_CORRUPT', `journal/${file}, line ${line}: ${why}`, {
    data: { file: `journal/${file}`, line },
    hint: 'Nothing is written to the store any more. Every line before this one is intact, and CURRENT still names the active directory.',
  })

const names = (fs: FsPort, dir: string): string[] => (fs.lstat(dir) === undefined ? [] : fs.readdir(dir))

export const segmentsOf = (fs: FsPort, dir: string): string[] =>
  names(fs, dir)
    .filter((name) => SEGMENT.test(name))
    .sort()

export const epochsOf = (fs: FsPort, dir: string): number[] =>
  names(fs, dir).flatMap((name) => Number(EPOCH.exec(name)?.[1] ?? Number.NaN) || [])

type Segment = { readonly lines: readonly Line[]; readonly torn: boolean; readonly bad: number | null }

/** The good lines of one segment. `bad` is the number of a line that is neither good nor last. */
const readSegment = (fs: FsPort, dir: string, name: string): Segment => {
  const text = readText(fs, join(dir, name)) ?? ''
  const rows = text.split('\n')
  const unfinished = rows.pop() ?? ''
  const decoded = rows.map(decodeLine)
  const firstBad = decoded.indexOf(undefined)
  const lines = (firstBad < 0 ? decoded : decoded.slice(0, firstBad)).filter((line) => line !== undefined)
  // Everything of the last line but its line feed may have arrived.
  const last = firstBad < 0 && unfinished !== '' ? decodeLine(unfinished) : undefined
  if (last !== undefined) lines.push(last)
  const torn = unfinished !== '' || (firstBad >= 0 && firstBad === rows.length - 1)
  return { lines, torn, bad: firstBad >= 0 && (firstBad < rows.length - 1 || unfinished !== '') ? firstBad + 1 : null }
}

/** Leaves out lines that a higher epoch overruled: those were never acknowledged. */
const effective = (lines: readonly Line[]): Line[] => {
  const kept: Line[] = []
  for (const line of lines) {
    const highest = kept.at(-1)?.epoch ?? 0
    if (line.epoch < highest) continue
    while (kept.length > 0 && (kept.at(-1)?.epoch ?? 0) < line.epoch && lastSeq(kept.at(-1) ?? line) >= firstSeq(line)) kept.pop()
    kept.push(line)
  }
  return kept
}

type SavedState = { reducer: number; state: object | null }
const savedState = (line: Line | undefined): SavedState | undefined => {
  const event = line?.events.find((e) => e.type === 'SegmentOpened')
  return event?.type === 'SegmentOpened' ? event.data : undefined
}

/** Checks that each line names the one before it. */
const checkChain = (lines: readonly Line[], file: string, prev: string | null, seq: number | null): void => {
  let [hash, last] = [prev, seq]
  lines.forEach((line, i) => {
    if (hash !== null && line.prev !== hash) throw corrupt(file, i + 1, 'does not follow the line before it')
    if (last !== null && firstSeq(line) !== last + 1) throw corrupt(file, i + 1, `starts at event ${firstSeq(line)} after event ${last}`)
    hash = line.hash
    last = lastSeq(line)
  })
}

/** All good lines of the journal, oldest first, segment by segment, checked against the chain. Throws JOURNAL_CORRUPT. */
export function* readLines(fs: FsPort, dir: string): Generator<Line> {
  const all = segmentsOf(fs, dir)
  let [prev, seq]: [string | null, number] = [null, 0]
  for (const name of all) {
    const { lines, bad } = readSegment(fs, dir, name)
    if (bad !== null) throw corrupt(name, bad, 'its bytes are not what its hash says')
    const good = effective(lines)
    checkChain(good, name, prev ?? genesisOf(good[0]), seq)
    yield* good
    const last = good.at(-1)
    if (last !== undefined) [prev, seq] = [last.hash, lastSeq(last)]
  }
}

const genesisOf = (first: Line | undefined): string | null => {
  const created = first?.events[0]
  return created?.type === 'StoreCreated' ? genesis(created.data.storeId) : null
}

const viewOf = (fs: FsPort, dir: string, name: string): { segment: Segment; state: State; lines: Line[] } | undefined => {
  const segment = readSegment(fs, dir, name)
  const lines = effective(segment.lines)
  const saved = savedState(lines[0])
  if (lines.length === 0 || saved === undefined) return undefined
  if (segment.bad !== null) throw corrupt(name, segment.bad, 'its bytes are not what its hash says')
  checkChain(lines, name, genesisOf(lines[0]), null)
  // A saved state of our own reducer is what `evolve` made; of another one, the whole journal is folded again.
  const from = saved.reducer === REDUCER && saved.state !== null ? (saved.state as State) : undefined
  const state = from === undefined ? foldAll(fs, dir) : lines.reduce(evolveLine, from)
  return { segment, state, lines }
}

const foldAll = (fs: FsPort, dir: string): State => {
  let state = initialState
  for (const line of readLines(fs, dir)) state = evolveLine(state, line)
  return state
}

/**
 * Reads the newest segment, whatever the length of the history; undefined when there is no store.
 * `atLeast` is the highest seq that anything else (CURRENT) has seen: a journal that ends before it has lost a line.
 */
export const readJournal = (fs: FsPort, dir: string, atLeast = 0): JournalView | undefined => {
  const all = segmentsOf(fs, dir)
  for (let i = all.length - 1; i >= 0; i--) {
    const name = all[i] ?? ''
    const view = viewOf(fs, dir, name)
    if (view === undefined) continue
    const { state, lines, segment } = view
    const last = lines.at(-1)
    if (state.seq < atLeast) throw corrupt(name, lines.length + 1, `event ${atLeast} was written, but the journal ends at ${state.seq}`)
    return {
      state,
      segment: Number(SEGMENT.exec(all.at(-1) ?? '')?.[1]),
      eventsInSegment: lines.reduce((n, line) => n + line.events.length, 0),
      prev: last?.hash ?? '',
      epoch: Math.max(0, last?.epoch ?? 0, ...epochsOf(fs, dir)),
      torn: segment.torn || i < all.length - 1,
    }
  }
  if (atLeast > 0) throw corrupt('', 0, 'no segment can be read, but CURRENT names a snapshot')
  return undefined
}

/** The lines of events after `seq`, byte for byte, and the seq they end at: what a packed transaction carries along. */
export const textAfter = (fs: FsPort, dir: string, seq: number): { text: string; upTo: number } => {
  const found: string[] = []
  let upTo = seq
  for (const name of segmentsOf(fs, dir).reverse()) {
    const rows = (readText(fs, join(dir, name)) ?? '').split('\n')
    const good = rows.flatMap((text) => {
      const line = decodeLine(text)
      return line === undefined ? [] : [{ text, line }]
    })
    const kept = new Set(effective(good.map(({ line }) => line)))
    const wanted = good.filter(({ line }) => kept.has(line) && lastSeq(line) > seq)
    found.unshift(...wanted.map(({ text }) => `${text}\n`))
    upTo = Math.max(upTo, ...wanted.map(({ line }) => lastSeq(line)))
    const [first] = good
    if (first !== undefined && firstSeq(first.line) <= seq + 1) break
  }
  return { text: found.join(''), upTo }
}
