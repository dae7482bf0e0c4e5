import { join } from 'node:path'
import type { Line } from '../core/events.ts'
import { firstSeq, lastSeq } from '../core/events.ts'
import { discard, fsyncDirectory, replaceFile } from './durable.ts'
import type { FsPort } from './fs.ts'
import { beginsStore, readGoodLines, segmentName, segmentsOf } from './journal.ts'

/** What can be saved of a damaged journal: every line that is whole, wherever a copy of it is. */

export type Piece = { readonly line: Line; readonly text: string }
type SegmentFile = { readonly name: string; readonly pieces: readonly Piece[]; readonly isSound: boolean }

/** Lines that follow each other without a gap. */
export type Run = readonly Piece[]

export type Salvaged = {
  /** From the first event on, without a gap. */
  readonly kept: Run
  /** What is whole after the first gap: runs with gaps between them. */
  readonly later: readonly Run[]
  readonly segments: readonly SegmentFile[]
  /** Whether every segment is whole and nothing is missing. */
  readonly isSound: boolean
}

/** The last line of the highest epoch is the one that counts. */
const newest = (pieces: Iterable<Piece>): Piece | undefined => {
  let best: Piece | undefined
  for (const piece of pieces) {
    const [a, b] = [piece.line, best?.line]
    if (b === undefined || a.epoch > b.epoch || (a.epoch === b.epoch && lastSeq(a) > lastSeq(b))) best = piece
  }
  return best
}

const runTo = (end: Piece, pool: ReadonlyMap<string, Piece>): Piece[] => {
  const run = [end]
  for (let at = end; !beginsStore(at); ) {
    const before = pool.get(at.line.prev)
    if (before === undefined || lastSeq(before.line) !== firstSeq(at.line) - 1) break
    run.push(before)
    at = before
  }
  return run.reverse()
}

/** All runs, oldest first: the newest line, what leads to it, then the newest before that, and so on. */
const runsOf = (pool: ReadonlyMap<string, Piece>): Run[] => {
  const runs: Run[] = []
  let left = [...pool.values()]
  for (let end = newest(left); end !== undefined; end = newest(left)) {
    const run = runTo(end, pool)
    runs.unshift(run)
    const start = firstSeq(run[0]?.line ?? end.line)
    left = left.filter(({ line }) => lastSeq(line) < start)
  }
  return runs
}

/** Reads what is whole in the segments, and fills gaps from `copies` (the slices in the repository). Never throws for damage. */
export const salvage = (fs: FsPort, dir: string, copies: Iterable<Piece>): Salvaged => {
  const segments = segmentsOf(fs, dir).map((name): SegmentFile => ({ name, ...readGoodLines(fs, dir, name) }))
  const pool = new Map<string, Piece>()
  for (const piece of copies) pool.set(piece.line.hash, piece)
  for (const { pieces } of segments) for (const piece of pieces) pool.set(piece.line.hash, piece)
  const runs = runsOf(pool)
  const [first] = runs
  const startsStore = first?.[0] !== undefined && beginsStore(first[0])
  const kept = startsStore ? first : []
  const later = startsStore ? runs.slice(1) : runs
  const here = new Set(segments.flatMap(({ pieces }) => pieces.map((p) => p.line.hash)))
  const isWhole = kept.every(({ line }) => here.has(line.hash)) && later.length === 0
  return { kept, later, segments, isSound: isWhole && segments.every((s) => s.isSound) }
}

const opensSegment = ({ line }: Piece): boolean => line.events.some((e) => e.type === 'SegmentOpened')

/** The lines that count, as segments: each begins with a line that opens one. */
const asSegments = (lines: Run): Run[] => {
  const segments: Piece[][] = []
  for (const piece of lines) {
    if (opensSegment(piece) || segments.length === 0) segments.push([])
    segments.at(-1)?.push(piece)
  }
  return segments
}

/** How many segments the lines that count make. */
export const segmentCount = (lines: Run): number => asSegments(lines).length

export type Rewrite = { readonly name: string; readonly text: string | null }

const holdsAll = ({ pieces }: SegmentFile, text: string | undefined): boolean => {
  const here = new Set(pieces.map((p) => p.text))
  return (text ?? '').split('\n').every((line) => line === '' || here.has(line))
}

/** The segments that are not what they should be, with their right text; null: it holds nothing that counts. */
export const rewritesOf = ({ kept, segments }: Salvaged): Rewrite[] => {
  const wanted = new Map<string, string>()
  const nameOf = new Map(segments.flatMap(({ name, pieces }) => pieces.map(({ line }) => [line.hash, name] as const)))
  let number = 0
  for (const run of asSegments(kept)) {
    const known = run.flatMap(({ line }) => nameOf.get(line.hash) ?? [])[0]
    const name = known ?? segmentName(number + 1)
    number = Number(name.slice(0, 8))
    wanted.set(name, run.map(({ text }) => `${text}\n`).join(''))
  }
  const whole = new Set(segments.filter((s) => s.isSound && holdsAll(s, wanted.get(s.name))).map((s) => s.name))
  const names = new Set([...wanted.keys(), ...segments.map((s) => s.name)])
  return [...names].filter((name) => !whole.has(name)).map((name) => ({ name, text: wanted.get(name) ?? null }))
}

/** Puts a segment right in one step; its old bytes are gone afterwards, so a copy must be durable elsewhere. */
export const rewriteSegment = (fs: FsPort, dir: string, { name, text }: Rewrite): void => {
  if (text !== null) {
    replaceFile(fs, join(dir, name), Buffer.from(text))
    return
  }
  discard(fs, join(dir, name))
  fsyncDirectory(fs, dir)
}

/** The lines of a slice's text. */
export const piecesOf = (text: string, read: (line: string) => Line | undefined): Piece[] =>
  text.split('\n').flatMap((row) => {
    const line = row === '' ? undefined : read(row)
    return line === undefined ? [] : [{ line, text: row }]
  })
