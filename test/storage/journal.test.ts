import { createHash } from 'node:crypto'
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../src/core/decide.ts'
import { decide } from '../../src/core/decide.ts'
import type { Line, NewEvent } from '../../src/core/events.ts'
import { encodeLine, genesis, lastSeq } from '../../src/core/events.ts'
import type { State } from '../../src/core/state.ts'
import { REDUCER, evolveLine, initialState } from '../../src/core/state.ts'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { acknowledgedSeq } from '../../src/storage/epochs.ts'
import { JournalWriter } from '../../src/storage/journal-writer.ts'
import { readJournal, readLines, segmentName, segmentsOf, textAfter } from '../../src/storage/journal.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import { AT, actor, anyCommand, captured, created, oid } from '../contract/stories.ts'
import { failure, temporary } from '../contract/temporary.ts'

const note = (reason = 'x'): NewEvent => ({ type: 'Recovered', data: { actions: [reason] } })
const notes = (count: number): NewEvent[] => Array.from({ length: count }, (_, i) => note(String(i)))

/** A writer of its own, as a process has one: it has read the journal and claimed nothing yet. */
const writer = (dir: string, fs: FsPort = nodeFsPort): JournalWriter => {
  let n = 0
  return new JournalWriter({ fs, dir, actor, now: () => AT, id: () => `e${n++}` }, readJournal(fs, dir))
}

const append = (dir: string, ...lines: NewEvent[][]): void => {
  const w = writer(dir)
  for (const events of lines) w.append(events)
  w.close()
}

const folded = (dir: string): State => [...readLines(nodeFsPort, dir)].reduce(evolveLine, initialState)
const stateOf = (dir: string): State | undefined => readJournal(nodeFsPort, dir)?.state
const segment = (dir: string, n: number): string => join(dir, segmentName(n))
const text = (dir: string, n = 1): string => readFileSync(segment(dir, n), 'utf8')
const epochs = (dir: string): string[] => readdirSync(dir).filter((name) => name.startsWith('epoch-'))
const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const journalDir = (): string => {
  const dir = join(temporary(), 'journal')
  mkdirSync(dir)
  return dir
}

/** As if the power had gone before the notes of what was acknowledged reached the disk. */
const unacknowledged = (dir: string): void => {
  for (const name of epochs(dir)) truncateSync(join(dir, name))
}

/** A small journal: a store, a snapshot, two notes. */
const small = (): string => {
  const dir = journalDir()
  append(dir, [created(), captured('s0', '1.0.0', 1)], [note('one')], [note('two')])
  return dir
}

describe('appending', () => {
  test('nothing is written, and no epoch claimed, before the first append', () => {
    const dir = journalDir()
    writer(dir).close()
    expect(readdirSync(dir)).toEqual([])
    const other = small()
    const before = readdirSync(other)
    writer(other).close()
    expect(readdirSync(other)).toEqual(before)
  })

  test('an append is one line, flushed before it returns, and read back', () => {
    const dir = journalDir()
    const { fs, ops } = faultyFs(nodeFsPort)
    const w = writer(dir, fs)
    const placed = w.append([created(), captured('s0', '1.0.0', 1)])
    expect(placed.map((e) => [e.seq, e.type])).toEqual([
      [1, 'StoreCreated'],
      [2, 'SnapshotCaptured'],
    ])
    const calls = ops.map((op) => op.call).filter((call) => ['write', 'fdatasync', 'fsync', 'open', 'unlink'].includes(call))
    // Claim: open, open and flush the directory; read what is acknowledged. Segment: open, open and flush the directory, then the
    // line. Last, the note that it is acknowledged.
    expect(calls).toEqual(['open', 'open', 'fsync', 'open', 'open', 'open', 'fsync', 'write', 'fdatasync', 'write'])
    ops.length = 0
    expect(w.append([note()]).map((e) => e.seq)).toEqual([4])
    expect(ops.map((op) => op.call).filter((call) => call !== 'lstat' && call !== 'readdir')).toEqual(['write', 'fdatasync', 'write'])
    w.close()
    expect(text(dir).split('\n')).toHaveLength(3)
    expect(stateOf(dir)).toMatchObject({ seq: 4, storeId: 'store-1' })
    expect(stateOf(dir)).toEqual(w.state)
  })

  test('the state at hand is what a reader folds, after every append', () => {
    const dir = journalDir()
    const w = writer(dir)
    for (const events of [[created()], [captured('s0', '1.0.0', 1), note()], [note()]]) {
      w.append(events)
      expect(stateOf(dir)).toEqual(w.state)
      expect(folded(dir)).toEqual(w.state)
    }
    w.close()
  })

  test('one session has one epoch, the next a higher one; older claims are deleted by the first append', () => {
    const dir = small()
    expect(epochs(dir)).toEqual(['epoch-1'])
    append(dir, [note()])
    expect(epochs(dir)).toEqual(['epoch-2'])
    expect([...readLines(nodeFsPort, dir)].map((line) => line.epoch)).toEqual([1, 1, 1, 2])
  })

  test('an epoch that someone else has claimed meanwhile is not taken twice', () => {
    const dir = small()
    const w = writer(dir)
    writeFileSync(join(dir, 'epoch-2'), '')
    w.append([note()])
    w.close()
    expect(epochs(dir)).toEqual(['epoch-3'])
  })

  test('claims that cannot be deleted do not undo what is durable', () => {
    const dir = small()
    const { fs } = faultyFs(nodeFsPort, ({ call }) => (call === 'unlink' ? { code: 'EPERM' } : undefined))
    const w = writer(dir, fs)
    expect(w.append([note()])).toHaveLength(1)
    w.close()
    expect(epochs(dir).sort()).toEqual(['epoch-1', 'epoch-2'])
    append(dir, [note()])
    expect(epochs(dir)).toEqual(['epoch-3'])
  })

  test.each([
    ['write', 'ENOSPC'],
    ['fdatasync', 'EIO'],
  ] as const)('a failed %s is DURABILITY, for good; what came before stays readable and writable', (call, code) => {
    const dir = small()
    let armed = false
    const { fs } = faultyFs(nodeFsPort, (op) => {
      if (!armed || op.call !== call) return undefined
      if (call === 'write' && op.bytes !== undefined && op.bytes.length > 40) return { most: 40 }
      return { code }
    })
    const w = writer(dir, fs)
    armed = true
    expect(failure(() => w.append([note('lost')]))).toMatchObject({ code: 'DURABILITY', data: { systemCode: code } })
    armed = false
    expect(failure(() => w.append([note('again')])).code).toBe('DURABILITY')
    w.close()
    append(dir, [note('after')])
    expect(folded(dir)).toEqual(stateOf(dir))
    expect(text(dir, existsSync(segment(dir, 2)) ? 2 : 1)).toContain('after')
  })
})

describe('an event that no reader would take', () => {
  const completed = (created: number): NewEvent => ({
    type: 'StepCompleted',
    data: { version: '2.0.0', description: '', changed: 0, created, removed: 0, records: 0, issues: [] },
  })

  test.each([-1, NaN, 0.5, Infinity])('with a count of %s is refused before a byte is written, and the session goes on', (count) => {
    const dir = small()
    const before = text(dir)
    const w = writer(dir)
    const error = failure(() => w.append([note('beside it'), completed(count)]))
    expect(error).toMatchObject({ code: 'BAD_ARGUMENT', data: { types: ['Recovered', 'StepCompleted'] } })
    expect(text(dir)).toBe(before)
    expect(w.state).toEqual(stateOf(dir))
    w.append([completed(1)])
    w.close()
    expect(stateOf(dir)).toEqual(w.state)
  })
})

describe('the hash rule', () => {
  test('holds for every line, recomputed from the raw bytes: over { up to and without ,"hash"; each names the one before; the first the store', () => {
    const dir = small()
    append(dir, [note('ü😀\u2028')])
    let prev = sha256('store-1')
    for (const raw of text(dir).trimEnd().split('\n')) {
      const end = raw.lastIndexOf(',"hash":"')
      const { prev: named, hash } = JSON.parse(raw) as Line
      expect(sha256(Buffer.from(raw.slice(0, end)))).toBe(hash)
      expect(named).toBe(prev)
      prev = hash
    }
  })

  test('a first line that does not name its store is JOURNAL_CORRUPT', () => {
    const dir = small()
    const [first = ''] = text(dir).split('\n')
    const { hash: _, ...body } = JSON.parse(first) as Line
    writeFileSync(segment(dir, 1), `${encodeLine({ ...body, prev: sha256('other') }).text}\n`)
    expect(failure(() => readJournal(nodeFsPort, dir)).code).toBe('JOURNAL_CORRUPT')
    expect(failure(() => folded(dir)).code).toBe('JOURNAL_CORRUPT')
  })

  test.each([0, 1, 2])('leaving out line %i is JOURNAL_CORRUPT', (n) => {
    const dir = small()
    append(dir, [note('three')])
    const lines = text(dir).split('\n')
    lines.splice(n, 1)
    writeFileSync(segment(dir, 1), lines.join('\n'))
    expect(failure(() => readJournal(nodeFsPort, dir)).code).toBe('JOURNAL_CORRUPT')
    expect(failure(() => folded(dir)).code).toBe('JOURNAL_CORRUPT')
  })

  test('lines in another order are JOURNAL_CORRUPT', () => {
    const dir = small()
    const [a, b, c] = text(dir).split('\n')
    writeFileSync(segment(dir, 1), `${a}\n${c}\n${b}\n`)
    expect(failure(() => readJournal(nodeFsPort, dir)).code).toBe('JOURNAL_CORRUPT')
  })
})

describe('cut or damaged', () => {
  const states = (dir: string): Map<number, State> => {
    const all = new Map([[0, initialState]])
    let state = initialState
    for (const line of readLines(nodeFsPort, dir)) {
      state = evolveLine(state, line)
      all.set(state.seq, state)
    }
    return all
  }

  test('at every byte: the state is that of the whole lines, no error; and JOURNAL_CORRUPT once CURRENT has seen more', () => {
    const dir = small()
    const whole = readFileSync(segment(dir, 1))
    const known = states(dir)
    const last = Math.max(...known.keys())
    unacknowledged(dir)
    for (let length = whole.length; length >= 0; length--) {
      truncateSync(segment(dir, 1), length)
      const kept = whole.subarray(0, length).toString()
      // A line counts once its closing brace has arrived.
      const ends = [...whole.toString().matchAll(/"\}\n/g)].map((m) => m.index + 2)
      const count = ends.filter((end) => end <= kept.length).length
      const seq = [0, ...[...known.keys()].slice(1)][count] ?? 0
      expect(stateOf(dir)).toEqual(seq === 0 ? undefined : known.get(seq))
      if (seq < last) expect(failure(() => readJournal(nodeFsPort, dir, last)).code).toBe('JOURNAL_CORRUPT')
      expect(readJournal(nodeFsPort, dir, seq)?.state.seq ?? 0).toBe(seq)
    }
  })

  test('at every byte, the next append goes on from there in a new segment, and the chain holds', () => {
    const source = small()
    const whole = readFileSync(segment(source, 1))
    const first = whole.indexOf(10)
    for (let length = first; length < whole.length; length += 7) {
      const dir = journalDir()
      writeFileSync(segment(dir, 1), whole.subarray(0, length))
      const before = stateOf(dir)
      append(dir, [note('after')], [note('more')])
      const isTorn = whole[length - 1] !== 10
      expect(segmentsOf(nodeFsPort, dir)).toHaveLength(isTorn ? 2 : 1)
      expect(readFileSync(segment(dir, 1)).subarray(0, length).equals(whole.subarray(0, length))).toBe(true)
      expect(stateOf(dir)?.seq).toBe((before?.seq ?? 0) + (isTorn ? 3 : 2))
      expect(folded(dir)).toEqual(stateOf(dir))
    }
  })

  test('a tail of zeros, or a line feed that became a zero, is a torn write', () => {
    for (const tail of ['\0'.repeat(50), '{"v":1,"epoch":1\0\0', '{}', '{}\n']) {
      const dir = small()
      const before = stateOf(dir)
      appendFileSync(segment(dir, 1), tail)
      expect(stateOf(dir)).toEqual(before)
      append(dir, [note()])
      expect(folded(dir)).toEqual(stateOf(dir))
    }
    const dir = small()
    const before = stateOf(dir)
    writeFileSync(segment(dir, 1), text(dir).replace(/\n$/, '\0'))
    expect(stateOf(dir)).toEqual(before)
    append(dir, [note()])
    expect(folded(dir)).toEqual(stateOf(dir))
  })

  test('any other byte in any line but the last is JOURNAL_CORRUPT, with file and line; in the last line it is never another state', () => {
    const dir = small()
    const whole = readFileSync(segment(dir, 1))
    const lastStart = whole.lastIndexOf(10, whole.length - 2) + 1
    const before = states(dir)
    for (let at = 0; at < whole.length; at++) {
      for (const mask of at % 5 === 0 ? [0x01, 0x80, (whole[at] ?? 0) ^ 10] : [0x20]) {
        if (mask === 0) continue
        const bad = Buffer.from(whole)
        bad[at] = (bad[at] ?? 0) ^ mask
        writeFileSync(segment(dir, 1), bad)
        if (at < lastStart) {
          const error = failure(() => readJournal(nodeFsPort, dir))
          const line = whole.subarray(0, at).toString().split('\n').length
          expect(error).toMatchObject({ code: 'JOURNAL_CORRUPT', data: { file: 'journal/00000001.jsonl', line } })
          expect(failure(() => folded(dir)).code).toBe('JOURNAL_CORRUPT')
          continue
        }
        let state: State | undefined
        try {
          state = stateOf(dir)
        } catch (error) {
          expect(error).toMatchObject({ code: 'JOURNAL_CORRUPT' })
          continue
        }
        expect(state).toEqual(before.get(state?.seq ?? -1))
      }
    }
  })

  test('a newest segment whose first line is damaged is JOURNAL_CORRUPT, not the segment before it', () => {
    const dir = journalDir()
    append(dir, [created()], notes(998), [note('next segment')], [note('acknowledged')])
    expect(segmentsOf(nodeFsPort, dir)).toHaveLength(2)
    const bytes = readFileSync(segment(dir, 2))
    bytes[30] = (bytes[30] ?? 0) ^ 1
    writeFileSync(segment(dir, 2), bytes)
    expect(failure(() => readJournal(nodeFsPort, dir))).toMatchObject({ code: 'JOURNAL_CORRUPT', data: { line: 1 } })
  })

  test('a segment that consists of a torn line, or of nothing, is passed over, and the next one follows it', () => {
    for (const rest of ['', '{"v":1']) {
      const dir = small()
      const before = stateOf(dir)
      writeFileSync(segment(dir, 2), rest)
      expect(stateOf(dir)).toEqual(before)
      append(dir, [note()])
      expect(segmentsOf(nodeFsPort, dir)).toHaveLength(3)
      expect(folded(dir)).toEqual(stateOf(dir))
    }
  })

  test('a first line that never arrived whole means there is no store; init begins in the next segment', () => {
    const dir = journalDir()
    writeFileSync(segment(dir, 1), '{"v":1,"epoch":1')
    expect(stateOf(dir)).toBeUndefined()
    expect(failure(() => readJournal(nodeFsPort, dir, 3)).code).toBe('JOURNAL_CORRUPT')
    append(dir, [created()])
    expect(stateOf(dir)?.storeId).toBe('store-1')
    expect(folded(dir)).toEqual(stateOf(dir))
  })

  test('no journal and an empty one are no store', () => {
    expect(readJournal(nodeFsPort, join(temporary(), 'none'))).toBeUndefined()
    expect(readJournal(nodeFsPort, journalDir())).toBeUndefined()
  })
})

describe('segments', () => {
  test('hold at most 1,000 events; opening the newest gives the same state as folding from the start', () => {
    const dir = journalDir()
    const w = writer(dir)
    w.append([created(), captured('s0', '1.0.0', 1)])
    for (let i = 0; i < 23; i++) {
      w.append(notes(99))
      expect(w.state.seq).toBeGreaterThan(0)
    }
    w.close()
    const counts = segmentsOf(nodeFsPort, dir).map((name) =>
      text(dir, Number(name.slice(0, 8)))
        .trimEnd()
        .split('\n')
        .reduce((n, raw) => n + (JSON.parse(raw) as Line).events.length, 0),
    ) // prettier-ignore
    expect(counts).toHaveLength(3)
    expect(Math.max(...counts)).toBeLessThanOrEqual(1000)
    expect(stateOf(dir)).toEqual(w.state)
    expect(folded(dir)).toEqual(w.state)
  })

  test('opening reads the newest segment alone, and what was acknowledged', () => {
    const dir = journalDir()
    append(dir, [created()], notes(998), [note()])
    const { fs, ops } = faultyFs(nodeFsPort)
    readJournal(fs, dir)
    expect(ops.filter((op) => op.call === 'open').map((op) => op.path)).toEqual([join(dir, 'epoch-1'), segment(dir, 2)])
  })

  test('a state that another reducer saved is not used: everything is folded again', () => {
    const dir = journalDir()
    append(dir, [created(), captured('s0', '1.0.0', 1)], notes(997), [note()])
    const whole = stateOf(dir)
    const [first = '', ...rest] = text(dir, 2).split('\n')
    const { hash: _, ...body } = JSON.parse(first) as Line
    const opened = {
      ...body,
      events: body.events.map((e) => ({ ...e, data: { reducer: REDUCER + 1, state: { active: 'nonsense' } } })) as Line['events'],
    }
    const { text: changed, hash } = encodeLine(opened)
    const next = rest.slice(0, 1).map((raw) => {
      const { hash: __, ...line } = JSON.parse(raw) as Line
      return encodeLine({ ...line, prev: hash }).text
    })
    writeFileSync(segment(dir, 2), `${[changed, ...next].join('\n')}\n`)
    expect(stateOf(dir)).toEqual(whole)
  })

  test('damage in an older segment does not stop reading, and is found when everything is read', () => {
    const dir = journalDir()
    append(dir, [created()], notes(998), [note()])
    const bytes = readFileSync(segment(dir, 1))
    bytes[100] = (bytes[100] ?? 0) ^ 1
    writeFileSync(segment(dir, 1), bytes)
    expect(stateOf(dir)?.seq).toBe(1002)
    expect(failure(() => folded(dir))).toMatchObject({ code: 'JOURNAL_CORRUPT', data: { line: 1 } })
  })

  test('the last line of an older segment counts too: damage there is JOURNAL_CORRUPT when everything is read', () => {
    const dir = journalDir()
    append(dir, [created()], notes(998), [note()])
    truncateSync(segment(dir, 1), readFileSync(segment(dir, 1)).length - 5)
    expect(failure(() => folded(dir)).code).toBe('JOURNAL_CORRUPT')
  })
})

test('a new segment is begun only when the line of a killed process at the end of the one before is durable', () => {
  const dir = small()
  appendFileSync(segment(dir, 1), '{"v":1,"torn')
  const calls: string[] = []
  const paths = new Map<number, string>()
  const recorded: FsPort = {
    ...nodeFsPort,
    open: (path, flags, mode) => {
      const fd = nodeFsPort.open(path, flags, mode)
      paths.set(fd, path)
      if (path === segment(dir, 2)) calls.push('begin')
      return fd
    },
    fdatasync: (fd) => {
      nodeFsPort.fdatasync(fd)
      if (paths.get(fd) === segment(dir, 1)) calls.push('flush')
    },
  }
  const next = writer(dir, recorded)
  next.append([note()])
  next.close()
  expect(calls).toEqual(['flush', 'begin'])
})

test('what is appended while the journal is being read is in the state and in the end of the chain, or in neither', () => {
  const dir = small()
  const other = writer(dir)
  let reads = 0
  const eager: FsPort = {
    ...nodeFsPort,
    close: (fd) => {
      nodeFsPort.close(fd)
      // Whenever a file of the journal has been read, another line is there.
      if (reads++ < 9) other.append([note()])
    },
  }
  const view = readJournal(eager, dir)
  expect(reads).toBeGreaterThan(0)
  const end = [...readLines(nodeFsPort, dir)].find(({ hash }) => hash === view?.prev)
  expect(end === undefined ? undefined : lastSeq(end)).toBe(view?.state.seq)
})

describe('replay', () => {
  const commands = fc.array(anyCommand, { maxLength: 25 })

  /** Tells the commands to a journal, leaving out what decide refuses; the state after each line. */
  const play = (dir: string, told: readonly Command[], reopen: boolean): Map<number, State> => {
    const seen = new Map<number, State>()
    let w = writer(dir)
    for (const command of told) {
      let events: NewEvent[]
      try {
        events = decide(w.state, command)
      } catch {
        continue
      }
      if (events.length === 0) continue
      if (reopen) {
        w.close()
        w = writer(dir)
      }
      w.append(events)
      seen.set(w.state.seq, w.state)
    }
    w.close()
    return seen
  }

  test.each([false, true])('of any prefix of any commands gives the state as it was then (a session for each append: %s)', (reopen) => {
    fc.assert(
      fc.property(commands, (told) => {
        const dir = journalDir()
        const seen = play(
          dir,
          [{ type: 'create', data: { storeId: 'store-1', format: 1, dataset: 'Test', announced: ['s0'] } }, ...told],
          reopen,
        )
        let state = initialState
        for (const line of readLines(nodeFsPort, dir)) {
          state = evolveLine(state, line)
          expect(state).toEqual(seen.get(lastSeq(line)))
        }
        expect(stateOf(dir)).toEqual(state)
      }),
      { numRuns: 60 },
    )
  })

  test('from a saved state equals folding from the start, wherever the segment was opened', () => {
    fc.assert(
      fc.property(commands, fc.nat(20), (told, cut) => {
        const dir = journalDir()
        const first: Command = { type: 'create', data: { storeId: 'store-1', format: 1, dataset: 'Test', announced: [] } }
        play(dir, [first, ...told.slice(0, cut)], false)
        // A torn tail makes the next session open a segment with the state saved.
        appendFileSync(segment(dir, 1), '{"torn')
        play(dir, told.slice(cut), true)
        expect(stateOf(dir)).toEqual(folded(dir))
      }),
      { numRuns: 60 },
    )
  })
})

describe('the fence between two writers', () => {
  test('the older of two sessions gets CONFLICT before it acknowledges anything, for good', () => {
    const dir = small()
    const [a, b] = [writer(dir), writer(dir)]
    b.append([note('b')])
    expect(failure(() => a.append([note('a')])).code).toBe('CONFLICT')
    expect(failure(() => a.append([note('a')]))).toMatchObject({ code: expect.stringMatching(/CONFLICT|DURABILITY/) })
    expect(text(dir)).not.toContain('"a"')
    expect(folded(dir)).toEqual(b.state)
  })

  test('a session that was paused after its claim writes a line that does not count', () => {
    const dir = small()
    const a = writer(dir)
    a.append([note('a1')])
    const b = writer(dir)
    b.append([note('b1')])
    expect(failure(() => a.append([note('a2')])).code).toBe('CONFLICT')
    expect(text(dir)).toContain('a2')
    b.append([note('b2')])
    expect(stateOf(dir)).toEqual(b.state)
    expect(folded(dir)).toEqual(b.state)
    append(dir, [note('c')])
    expect(folded(dir)).toEqual(stateOf(dir))
    expect(text(dir).match(/"actions":\["(\w+)"\]/g)).toHaveLength(7)
  })

  test('a line that arrives between the other’s reading and its first append does not count either', () => {
    const dir = small()
    const a = writer(dir)
    a.append([note('a1')])
    const acknowledged: string[] = []
    // The older session wakes up at the instant in which the newer one opens the segment to append.
    const { fs } = faultyFs(nodeFsPort, (op) => {
      if (op.call === 'open' && op.flags === 'a') expect(failure(() => a.append([note('late')])).code).toBe('CONFLICT')
      return undefined
    })
    const b = writer(dir, fs)
    b.append([note('b1')])
    acknowledged.push('b1')
    expect(text(dir)).toContain('late')
    expect(stateOf(dir)).toEqual(b.state)
    expect(folded(dir)).toEqual(b.state)
    expect(JSON.stringify([...readLines(nodeFsPort, dir)])).not.toContain('late')
  })

  test('a line that was read and is overruled meanwhile is CONFLICT for whoever read it, also where as many or fewer events replace it', () => {
    for (const overruled of [1, 2]) {
      const dir = small()
      const slow = writer(dir)
      slow.claim()
      const paused = writer(dir)
      // It has read and claimed before the other wrote: its line is the one that counts.
      const fast = writer(dir)
      fast.claim()
      expect(failure(() => slow.append(notes(overruled)))).toMatchObject({ code: 'CONFLICT' })
      const reader = writer(dir)
      expect(reader.state.seq).toBe(paused.state.seq + overruled)
      fast.append([note('counts')])
      expect(failure(() => reader.append([note('rests on what is void')]))).toMatchObject({ code: 'CONFLICT' })
      expect(folded(dir).seq).toBe(paused.state.seq + 1)
    }
  })

  test('an overruled session that opens a segment hides nothing that was acknowledged in the one before', () => {
    const dir = journalDir()
    append(dir, [created()], notes(990))
    const a = writer(dir)
    a.append([note('a1')])
    const b = writer(dir)
    b.append([note('b1')])
    // Too much for this segment: the older session opens the next one before it sees that it was overruled.
    expect(failure(() => a.append(notes(20))).code).toBe('CONFLICT')
    expect(segmentsOf(nodeFsPort, dir)).toHaveLength(2)
    expect(stateOf(dir)).toEqual(b.state)
    expect(folded(dir)).toEqual(b.state)
    b.append([note('b2')])
    expect(stateOf(dir)).toEqual(b.state)
    expect(textAfter(nodeFsPort, dir, b.state.seq - 1).text).toContain('b2')
    append(dir, [note('c')])
    expect(segmentsOf(nodeFsPort, dir)).toHaveLength(3)
    expect(stateOf(dir)?.seq).toBe(b.state.seq + 2)
    expect(folded(dir)).toEqual(stateOf(dir))
  })

  test('a line of an overruled session in the segment before does not count either', () => {
    const dir = journalDir()
    append(dir, [created()], notes(990))
    const a = writer(dir)
    a.append([note('a1')])
    const { fs } = faultyFs(nodeFsPort, (op) => {
      if (op.call === 'open' && op.flags === 'ax') expect(failure(() => a.append([note('late')])).code).toBe('CONFLICT')
      return undefined
    })
    const b = writer(dir, fs)
    b.append(notes(20))
    expect(text(dir)).toContain('late')
    expect(stateOf(dir)).toEqual(b.state)
    expect(folded(dir)).toEqual(b.state)
    expect(textAfter(nodeFsPort, dir, 2).text).not.toContain('late')
  })

  test('of two that create the store at once, one is acknowledged and its store is the one that is read', () => {
    for (const order of ['ab', 'ba']) {
      const dir = journalDir()
      const [a, b] = [writer(dir), writer(dir)]
      const ids = new Map<string, string>()
      const make = (w: JournalWriter, name: string): void => {
        try {
          w.append([{ type: 'StoreCreated', data: { storeId: name, format: 1, dataset: 'Test', announced: [] } }])
          ids.set(name, name)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CONFLICT' })
        }
      }
      for (const name of order) make(name === 'a' ? a : b, name)
      expect(ids.size).toBe(1)
      expect(stateOf(dir)?.storeId).toBe([...ids.keys()][0])
      expect(folded(dir)).toEqual(stateOf(dir))
    }
  })

  test('of two that create the store, the one that is overruled in the middle hides nothing', () => {
    const dir = journalDir()
    const b = writer(dir)
    // The older one has claimed and read; before it writes, the newer one does everything.
    let armed = true
    const { fs } = faultyFs(nodeFsPort, (op) => {
      if (armed && op.call === 'open' && op.flags === 'ax') {
        armed = false
        b.append([{ type: 'StoreCreated', data: { storeId: 'b', format: 1, dataset: 'Test', announced: [] } }])
      }
      return undefined
    })
    const a = writer(dir, fs)
    expect(
      failure(() => a.append([{ type: 'StoreCreated', data: { storeId: 'a', format: 1, dataset: 'Test', announced: [] } }])).code,
    ).toBe('CONFLICT')
    expect(stateOf(dir)?.storeId).toBe('b')
    expect(folded(dir)).toEqual(b.state)
  })

  test('in any interleaving of sessions, everything acknowledged is there, in order, and the fold agrees with it', () => {
    const step = fc.record({
      who: fc.nat(2),
      action: fc.constantFrom('append' as const, 'append' as const, 'many' as const, 'reopen' as const),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const dir = journalDir()
        append(dir, [created()], notes(950))
        const writers = [writer(dir), writer(dir), writer(dir)]
        const acknowledged: string[] = []
        steps.forEach(({ who, action }, i) => {
          if (action === 'reopen') {
            writers[who] = writer(dir)
            return
          }
          const name = `step-${i}`
          try {
            writers[who]?.append(action === 'many' ? [note(name), ...notes(30)] : [note(name)])
            acknowledged.push(name)
          } catch (error) {
            expect(error).toMatchObject({ code: expect.stringMatching(/CONFLICT|DURABILITY/) })
          }
        })
        const lines = [...readLines(nodeFsPort, dir)]
        const found = lines.flatMap((line) =>
          line.events.flatMap((e) => (e.type === 'Recovered' ? e.data.actions.filter((name) => name.startsWith('step-')) : [])),
        )
        expect(found.filter((name) => acknowledged.includes(name))).toEqual(acknowledged)
        expect(lines.reduce(evolveLine, initialState)).toEqual(stateOf(dir))
        for (const w of writers) w.close()
      }),
      { numRuns: 60 },
    )
  })
})

describe('events of another version', () => {
  /** Appends a line that a newer Strata would write. */
  const newer = (dir: string, change: Partial<Record<keyof Line, unknown>>): void => {
    const view = readJournal(nodeFsPort, dir)
    const line = { v: 1, epoch: 9, at: AT, actor, events: [], prev: view?.prev, ...change } as unknown as Line
    appendFileSync(segment(dir, 1), `${encodeLine(line).text}\n`)
  }

  test('of unknown type are kept and counted; critical ones make the store READ_ONLY', () => {
    const dir = small()
    const seq = stateOf(dir)?.seq ?? 0
    newer(dir, { events: [{ seq: seq + 1, id: 'n', type: 'Sung', data: {} }] })
    const kept = stateOf(dir)
    expect(kept).toMatchObject({ seq: seq + 1, unknownCritical: [] })
    append(dir, [note()])
    newer(dir, { epoch: 99, events: [{ seq: seq + 3, id: 'n', type: 'Forked', data: { critical: true } }] })
    const state = stateOf(dir)
    expect(state?.unknownCritical).toEqual(['Forked'])
    expect(failure(() => decide(state ?? initialState, { type: 'note', event: note() })).code).toBe('READ_ONLY')
    expect(text(dir)).toContain('Sung')
  })

  test('in lines of a newer format are NEWER_FORMAT, and nothing is written', () => {
    const dir = small()
    newer(dir, { v: 2 })
    const before = text(dir)
    expect(failure(() => readJournal(nodeFsPort, dir)).code).toBe('NEWER_FORMAT')
    expect(text(dir)).toBe(before)
  })
})

describe('textAfter', () => {
  test('gives the lines after an event byte for byte, across segments, and where they end', () => {
    const dir = journalDir()
    append(dir, [created(), captured('s0', '1.0.0', 1)], notes(500), notes(600), [note('end')])
    const all = segmentsOf(nodeFsPort, dir)
      .map((_, i) => text(dir, i + 1))
      .join('')
    const upTo = stateOf(dir)?.seq ?? 0
    expect(textAfter(nodeFsPort, dir, 0)).toEqual({ text: all, upTo })
    const lines = all.trimEnd().split('\n')
    lines.forEach((raw, i) => {
      const seq = lastSeq(JSON.parse(raw) as Line)
      expect(textAfter(nodeFsPort, dir, seq)).toEqual({
        text: lines
          .slice(i + 1)
          .map((line) => `${line}\n`)
          .join(''),
        upTo,
      })
    })
    expect(textAfter(nodeFsPort, dir, upTo)).toEqual({ text: '', upTo })
  })

  test('slices one after the other make the journal again', () => {
    const dir = journalDir()
    const w = writer(dir)
    w.append([created()])
    let [slices, upTo] = ['', 0]
    for (let i = 0; i < 30; i++) {
      w.append(notes(70))
      const next = textAfter(nodeFsPort, dir, upTo)
      slices += next.text
      upTo = next.upTo
    }
    w.close()
    const other = journalDir()
    writeFileSync(segment(other, 1), slices)
    expect(folded(other)).toEqual(w.state)
  })

  test('leaves out torn bytes, and refuses to leave out a line', () => {
    const dir = small()
    const whole = text(dir)
    appendFileSync(segment(dir, 1), '{"torn')
    expect(textAfter(nodeFsPort, dir, 0).text).toBe(whole)
    const lines = whole.split('\n')
    writeFileSync(segment(dir, 1), [lines[0], 'damaged', ...lines.slice(2)].join('\n'))
    expect(failure(() => textAfter(nodeFsPort, dir, 0)).code).toBe('JOURNAL_CORRUPT')
  })

  test('of a store that is not there is nothing', () => {
    expect(textAfter(nodeFsPort, join(temporary(), 'none'), 0)).toEqual({ text: '', upTo: 0 })
  })
})

test('a copy of the journal directory reads the same', () => {
  const dir = small()
  const copy = join(temporary(), 'copy')
  cpSync(dir, copy, { recursive: true })
  rmSync(join(copy, 'epoch-1'))
  expect(stateOf(copy)).toEqual(stateOf(dir))
  append(copy, [note()])
  expect(stateOf(copy)?.snapshots.s0?.commit).toBe(oid(1))
  expect(genesis('store-1')).toHaveLength(64)
})

describe('what was acknowledged', () => {
  test('a last line that is cut or damaged after it was acknowledged is JOURNAL_CORRUPT, not a torn write', () => {
    const whole = readFileSync(segment(small(), 1))
    const lastStart = whole.lastIndexOf(10, whole.length - 2) + 1
    for (let length = whole.length - 2; length >= 0; length -= length > lastStart || length < 9 ? 1 : 5) {
      const dir = small()
      truncateSync(segment(dir, 1), length)
      expect(failure(() => readJournal(nodeFsPort, dir)).code).toBe('JOURNAL_CORRUPT')
    }
    for (let at = lastStart; at < whole.length - 1; at += 3) {
      const dir = small()
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ 1
      writeFileSync(segment(dir, 1), bytes)
      expect(failure(() => readJournal(nodeFsPort, dir)).code).toBe('JOURNAL_CORRUPT')
    }
    const gone = small()
    rmSync(segment(gone, 1))
    expect(failure(() => readJournal(nodeFsPort, gone)).code).toBe('JOURNAL_CORRUPT')
  })

  test('a damaged or torn note says less, never more', () => {
    const dir = small()
    const before = stateOf(dir)
    const path = join(dir, 'epoch-1')
    const whole = readFileSync(path)
    for (let at = 0; at < whole.length; at++)
      for (const mask of [1, 2, 4, 8, 0x80]) {
        const bytes = Buffer.from(whole)
        bytes[at] = (bytes[at] ?? 0) ^ mask
        writeFileSync(path, bytes)
        expect(stateOf(dir)).toEqual(before)
      }
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length))
      expect(stateOf(dir)).toEqual(before)
    }
  })

  test('it costs the same to read after 100,000 appends as after one', () => {
    const dir = small()
    const path = join(dir, 'epoch-1')
    const line = (seq: number): string => `${seq} ${sha256(`1 ${seq}`).slice(0, 16)}\n`
    writeFileSync(path, Array.from({ length: 100_000 }, (_, i) => line(i + 1)).join(''))
    const { fs, ops } = faultyFs(nodeFsPort)
    expect(acknowledgedSeq(fs, dir)).toBe(100_000)
    expect(ops.filter((op) => op.call === 'read')).toHaveLength(1)
  })

  test('a full disk does not fail an append that the journal has', () => {
    const dir = small()
    const inner = writer(
      dir,
      faultyFs(nodeFsPort, (op) => (op.call === 'write' && op.path.includes('epoch-') ? { code: 'ENOSPC' } : undefined)).fs,
    )
    inner.append([note('three')])
    inner.close()
    expect(stateOf(dir)?.seq).toBe(6)
  })
})
