import { join } from 'node:path'
import { StrataError, hasCode, systemCode } from '../core/errors.ts'
import type { Actor, NewEvent, StrataEvent } from '../core/events.ts'
import { decodeLine, encodeLine, genesis } from '../core/events.ts'
import type { State } from '../core/state.ts'
import { REDUCER, evolveLine, initialState } from '../core/state.ts'
import { fsyncDirectory, writeAll } from './durable.ts'
import { acknowledge, claimEpoch, dropEpochsBelow, epochsOf } from './epochs.ts'
import type { FsPort } from './fs.ts'
import { READ_FLAGS } from './fs.ts'
import type { JournalView } from './journal.ts'
import { SEGMENT, readJournal, segmentName, segmentsOf } from './journal.ts'

/** Opening reads one segment: this bounds how long that takes, whatever the length of the history. */
const SEGMENT_EVENTS = 1000

type WriterOptions = { fs: FsPort; dir: string; actor: Actor; now: () => string; id: () => string }

export const conflict = (epoch: number, cause?: unknown): StrataError =>
  new StrataError('CONFLICT', 'another process has written to this store since it was read', {
    data: { epoch },
    hint: 'Nothing was switched. Run the command again.',
    cause,
  })

/** A mistake of ours, told before it is in a journal that nobody could read any more. */
const unreadable = (events: readonly StrataEvent[]): StrataError => {
  const types = events.map(({ type }) => type)
  return new StrataError('BAD_ARGUMENT', `${types.join(', ')} cannot be recorded: the data is not what an event of its type has`, {
    data: { types },
    hint: 'This is a mistake of Strata, not of your data: please report it. Nothing was written to the journal.',
  })
}

/** Appends to the journal. Nothing is claimed or written before the first append. */
export class JournalWriter {
  readonly #options: WriterOptions
  #view: JournalView | undefined
  #fd: number | null = null
  #epoch: number | null = null
  #claimFd: number | null = null
  #failed = false

  constructor(options: WriterOptions, view: JournalView | undefined) {
    this.#options = options
    this.#view = view
  }

  get state(): State {
    return this.#view?.state ?? initialState
  }

  /** Makes the events durable as one line; after it returns they have happened. Throws CONFLICT, DURABILITY, BAD_ARGUMENT. */
  append(events: readonly NewEvent[]): readonly StrataEvent[] {
    if (this.#failed) throw new StrataError('DURABILITY', 'an earlier write to the journal failed', { hint: 'Open the store again.' })
    this.claim()
    const view = this.#view
    const full = view !== undefined && (view.eventsInSegment + events.length > SEGMENT_EVENTS || view.torn)
    if (full) this.#write([{ type: 'SegmentOpened', data: { reducer: REDUCER, state: view.state } }], view.segment + 1)
    if (view !== undefined) return this.#write(events, this.#view?.segment ?? view.segment)
    // A first line that never arrived whole leaves its segment behind; the store begins in the next one.
    const first = Number(SEGMENT.exec(segmentsOf(this.#options.fs, this.#options.dir).at(-1) ?? '')?.[1] ?? 0) + 1
    return this.#write([...events, { type: 'SegmentOpened', data: { reducer: REDUCER, state: null } }], first).slice(0, -1)
  }

  /** Takes the journal from every session that claimed it before; they get CONFLICT. Throws CONFLICT if one has written meanwhile. */
  claim(): void {
    this.#epoch ??= this.#claim()
  }

  /** Whether another session has claimed the journal since this one did, or since this one read it. */
  get isOverruled(): boolean {
    const { fs, dir } = this.#options
    return Math.max(0, ...epochsOf(fs, dir)) > (this.#epoch ?? this.#view?.epoch ?? 0)
  }

  close(): void {
    this.#closeSegment()
    if (this.#claimFd !== null) this.#options.fs.close(this.#claimFd)
    this.#claimFd = null
  }

  #closeSegment(): void {
    if (this.#fd !== null) this.#options.fs.close(this.#fd)
    this.#fd = null
  }

  #claim(): number {
    const { fs, dir } = this.#options
    const before = this.#view
    const { epoch, fd } = claimEpoch(fs, dir, before?.epoch ?? 0)
    this.#claimFd = fd
    // What was read before the claim may be a line of a session that had been overruled already: then another one is there by now.
    const now = readJournal(fs, dir)
    if (now?.prev !== before?.prev) throw conflict(epoch)
    this.#view = now
    return epoch
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
    if (decodeLine(text) === undefined) throw unreadable(placed)
    // Whatever goes wrong from here on, this session no longer knows where the journal ends.
    this.#failed = true
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
    this.#failed = false
    if (this.#claimFd !== null) acknowledge(this.#options.fs, this.#claimFd, epoch, this.#view.state.seq)
    return placed
  }

  #flush(text: string, segment: number): void {
    const { fs, dir } = this.#options
    try {
      this.#openSegment(segment)
      const fd = this.#fd ?? -1
      writeAll(fs, fd, Buffer.from(text))
      fs.fdatasync(fd)
      // The fence: a session that claimed a later epoch has not seen this line, so it must not be acknowledged.
      if (Math.max(0, ...epochsOf(fs, dir)) > (this.#epoch ?? 0)) throw conflict(this.#epoch ?? 0)
    } catch (error) {
      if (hasCode(error, 'CONFLICT', 'UNTRUSTED')) throw error
      if (systemCode(error) === 'EEXIST') throw conflict(this.#epoch ?? 0)
      throw new StrataError('DURABILITY', `the journal could not be written: ${error instanceof Error ? error.message : String(error)}`, {
        data: { file: `journal/${segmentName(segment)}`, systemCode: systemCode(error) },
        hint: 'Free space or check the disk, then run the command again. The active snapshot is untouched.',
        cause: error,
      })
    }
    dropEpochsBelow(fs, dir, this.#epoch ?? 0)
  }

  #openSegment(segment: number): void {
    const { fs, dir } = this.#options
    const path = join(dir, segmentName(segment))
    const found = fs.lstat(path)
    const exists = found !== undefined
    // An append through a link would land outside of the store.
    if (found?.isFile() === false) throw new StrataError('UNTRUSTED', `${segmentName(segment)} in the journal is no regular file`)
    if (this.#fd !== null && segment === this.#view?.segment) return
    // A process that was killed may not have come to the flush. Appending to its segment flushes that; beginning a new one does not.
    if (!exists && this.#fd === null && this.#view !== undefined) this.#flushLast()
    this.#closeSegment()
    this.#fd = fs.open(path, exists && segment === this.#view?.segment ? 'a' : 'ax', 0o600)
    if (!exists) fsyncDirectory(fs, dir)
  }

  #flushLast(): void {
    const { fs, dir } = this.#options
    const last = segmentsOf(fs, dir).at(-1)
    if (last === undefined) return
    const fd = fs.open(join(dir, last), READ_FLAGS)
    try {
      fs.fdatasync(fd)
    } finally {
      fs.close(fd)
    }
  }
}
