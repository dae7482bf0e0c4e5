import { join } from 'node:path'
import { decodeLine } from '../core/events.ts'
import type { Line } from '../core/events.ts'
import { REDUCER } from '../core/state.ts'
import { readText } from './files.ts'
import type { FsPort } from './fs.ts'
import { segmentsOf } from './journal.ts'

/** What changes CURRENT, and what a segment begins with: the state that has the number of the last such event. */
const MARKS = ['"type":"SnapshotActivated"', '"type":"HoldLifted"', '"type":"SegmentOpened"'] as const

const seqIn = ({ events }: Line): number | undefined => {
  for (const event of events.toReversed()) {
    if (event.type === 'SnapshotActivated' || event.type === 'HoldLifted') return event.seq
    if (event.type !== 'SegmentOpened' || event.data.reducer !== REDUCER || event.data.state === null) continue
    const { pointerSeq }: { pointerSeq?: unknown } = event.data.state
    return typeof pointerSeq === 'number' ? pointerSeq : undefined
  }
  return undefined
}

const goodLine = (text: string): Line | undefined => {
  try {
    return decodeLine(text)
  } catch {
    return undefined
  }
}

/**
 * The number of the last event that changed CURRENT, as the newest segment tells it; undefined where it does not tell. Folds and
 * parses nothing but the line at hand, so that its cost does not depend on the store. It does not judge: whoever finds
 * another number than CURRENT's reads the journal.
 */
export const lastPointerSeq = (fs: FsPort, dir: string): number | undefined => {
  const newest = segmentsOf(fs, dir).at(-1)
  const text = newest === undefined ? undefined : readText(fs, join(dir, newest))
  if (text === undefined) return undefined
  for (let end = text.length; end > 0; ) {
    const before = end
    const at = Math.max(...MARKS.map((mark) => text.lastIndexOf(mark, before - 1)))
    if (at < 0) return undefined
    const start = text.lastIndexOf('\n', at) + 1
    const stop = text.indexOf('\n', at)
    const line = goodLine(text.slice(start, stop < 0 ? text.length : stop))
    const seq = line === undefined ? undefined : seqIn(line)
    if (seq !== undefined) return seq
    end = start
  }
  return undefined
}

/** Makes what the newest segment holds durable: a process that was killed may not have come to the flush. False where it cannot be. */
export const flushNewest = (fs: FsPort, dir: string): boolean => {
  const newest = segmentsOf(fs, dir).at(-1)
  if (newest === undefined) return false
  try {
    const fd = fs.open(join(dir, newest), 'r')
    try {
      fs.fdatasync(fd)
    } finally {
      fs.close(fd)
    }
    return true
  } catch {
    return false
  }
}
