import { join } from 'node:path'
import { StrataError, systemCode } from '../core/errors.ts'
import type { Actor, Line, NewEvent, StrataEvent } from '../core/events.ts'
import { decodeLine, encodeLine, firstSeq, genesis, lastSeq } from '../core/events.ts'
import type { State } from '../core/state.ts'
import { REDUCER, evolveLine, initialState } from '../core/state.ts'
import { fsyncDirectory, writeAll } from './durable.ts'
import { readText } from './files.ts'
import type { FsPort } from './fs.ts'

/**
 * The journal: segments of hash-chained lines, one append a line. A writer session claims an epoch before it appends
 * (the fence of design section 5); a line that a higher epoch overruled does not count.
 */

const SEGMENT_EVENTS = 1000
const SEGMENT = /^(\d{8})\.jsonl$/
const EPOCH = /^epoch-(\d+)$/

const segmentName = (n: number): string => `${String(n).padStart(8, '0')}.jsonl`

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
    hint: 'The store can be read but not written. Run: strata repair',
  })

const names = (fs: FsPort, dir: string): string[] => (fs.lstat(dir) === undefined ? [] : fs.readdir(dir))

export const segmentsOf = (fs: FsPort, dir: string): string[] =>
  names(fs, dir)
    .filter((name) => SEGMENT.test(name))
    .sort()

const epochsOf = (fs: FsPort, dir: string): number[] => names(fs, dir).flatMap((name) => Number(EPOCH.exec(name)?.[1] ?? Number.NaN) || [])

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

type WriterOptions = { fs: FsPort; dir: string; actor: Actor; now: () => string; id: () => string }

const claimEpoch = (fs: FsPort, dir: string, above: number): number => {
  for (let n = above + 1; ; n++) {
    try {
      fs.close(fs.open(join(dir, `epoch-${n}`), 'wx', 0o600))
      fsyncDirectory(fs, dir)
      return n
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
  }
}

/** Appends to the journal. Nothing is claimed or written before the first append. */
export class JournalWriter {
  readonly #options: WriterOptions
  #view: JournalView | undefined
  #fd: number | null = null
  #epoch: number | null = null
  #failed = false

  constructor(options: WriterOptions, view: JournalView | undefined) {
    this.#options = options
    this.#view = view
  }

  get state(): State {
    return this.#view?.state ?? initialState
  }

  /** Makes the events durable as one line; after it returns they have happened. Throws CONFLICT, DURABILITY. */
  append(events: readonly NewEvent[]): readonly StrataEvent[] {
    if (this.#failed) throw new StrataError('DURABILITY', 'an earlier write to the journal failed', { hint: 'Open the store again.' })
    this.#epoch ??= this.#claim()
    const view = this.#view
    const full = view !== undefined && (view.eventsInSegment + events.length > SEGMENT_EVENTS || view.torn)
    if (full) this.#write([{ type: 'SegmentOpened', data: { reducer: REDUCER, state: view.state } }], view.segment + 1)
    if (view !== undefined) return this.#write(events, this.#view?.segment ?? view.segment)
    // A first line that never arrived whole leaves its segment behind; the store begins in the next one.
    const first = Number(SEGMENT.exec(segmentsOf(this.#options.fs, this.#options.dir).at(-1) ?? '')?.[1] ?? 0) + 1
    return this.#write([...events, { type: 'SegmentOpened', data: { reducer: REDUCER, state: null } }], first).slice(0, -1)
  }

  close(): void {
    if (this.#fd !== null) this.#options.fs.close(this.#fd)
    this.#fd = null
  }

  #claim(): number {
    const { fs, dir } = this.#options
    const before = this.#view
    const epoch = claimEpoch(fs, dir, before?.epoch ?? 0)
    const now = readJournal(fs, dir, before?.state.seq ?? 0)
    if (now !== undefined && now.state.seq !== (before?.state.seq ?? 0)) throw this.#conflict(epoch)
    this.#view = now
    return epoch
  }

  #conflict(epoch: number): StrataError {
    return new StrataError('CONFLICT', 'another process has written to this store since it was read', {
      data: { epoch },
      hint: 'Nothing was switched. Run the command again.',
    })
  }

  #place(events: readonly NewEvent[]): StrataEvent[] {
    const start = this.state.seq + 1
    // Adding seq and id to a NewEvent makes the StrataEvent of the same type.
    return events.map((event, i) => ({ seq: start + i, id: this.#options.id(), ...event }))
  }

  #write(events: readonly NewEvent[], segment: number): StrataEvent[] {
    const { actor, now } = this.#options
    const placed = this.#place(events)
    const first = placed[0]
    const prev = this.#view?.prev ?? (first?.type === 'StoreCreated' ? genesis(first.data.storeId) : '')
    const epoch = this.#epoch ?? 0
    const body = { v: 1 as const, epoch, at: now(), actor, events: placed, prev }
    const { text, hash } = encodeLine(body)
    this.#flush(`${text}\n`, segment)
    const fresh = segment !== this.#view?.segment
    this.#view = {
      state: evolveLine(this.state, body),
      segment,
      eventsInSegment: (fresh ? 0 : (this.#view?.eventsInSegment ?? 0)) + placed.length,
      prev: hash,
      epoch,
      torn: false,
    }
    return placed
  }

  #flush(text: string, segment: number): void {
    const { fs, dir } = this.#options
    try {
      this.#openSegment(segment)
      const fd = this.#fd ?? -1
      writeAll(fs, fd, Buffer.from(text))
      fs.fdatasync(fd)
    } catch (error) {
      this.#failed = true
      if (systemCode(error) === 'EEXIST') throw this.#conflict(this.#epoch ?? 0)
      throw new StrataError('DURABILITY', `the journal could not be written: ${error instanceof Error ? error.message : String(error)}`, {
        data: { file: `journal/${segmentName(segment)}`, systemCode: systemCode(error) },
        hint: 'Free space or check the disk, then run the command again. The active snapshot is untouched.',
        cause: error,
      })
    }
    if (Math.max(0, ...epochsOf(fs, dir)) > (this.#epoch ?? 0)) {
      this.#failed = true
      throw this.#conflict(this.#epoch ?? 0)
    }
    this.#dropOldEpochs()
  }

  #openSegment(segment: number): void {
    const { fs, dir } = this.#options
    const path = join(dir, segmentName(segment))
    const exists = fs.lstat(path) !== undefined
    if (this.#fd !== null && segment === this.#view?.segment) return
    this.close()
    this.#fd = fs.open(path, exists && segment === this.#view?.segment ? 'a' : 'ax', 0o600)
    if (!exists) fsyncDirectory(fs, dir)
  }

  #dropOldEpochs(): void {
    const { fs, dir } = this.#options
    for (const epoch of epochsOf(fs, dir)) if (epoch < (this.#epoch ?? 0)) fs.unlink(join(dir, `epoch-${epoch}`))
  }
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
