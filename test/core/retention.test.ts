import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { neededSnapshots, retention } from '../../src/core/retention.ts'
import type { Age, Retention, Situation } from '../../src/core/retention.ts'
import type { Snapshot, State } from '../../src/core/state.ts'
import { initialState } from '../../src/core/state.ts'
import { oid } from '../contract/stories.ts'

const NOW = Date.UTC(2026, 0, 31)
const DAY = 86_400_000

/** A snapshot made so many days ago. */
const snapshot = (id: string, daysAgo: number, more: Partial<Snapshot> = {}): Snapshot => ({
  id,
  schemaVersion: '1.0.0',
  commit: oid(1),
  sealed: oid(1),
  from: null,
  fromCommit: null,
  carries: null,
  shared: 0,
  job: null,
  files: 1,
  bytes: 100,
  manifest: '',
  readableBy: [],
  createdAt: new Date(NOW - daysAgo * DAY).toISOString(),
  verifiedAt: null,
  verifiedCommit: null,
  findings: [],
  ...more,
})

const stateOf = (snapshots: readonly Snapshot[], more: Partial<State> = {}): State => ({
  ...initialState,
  snapshots: Object.fromEntries(snapshots.map((s) => [s.id, s])),
  active: snapshots.at(-1)?.id ?? null,
  ...more,
})

/** Six in a row, each made by a job of its own; the last is active. */
const six = Array.from({ length: 6 }, (_, i) => snapshot(`s${i}`, 60 - i * 10, { from: i === 0 ? null : `s${i - 1}`, job: `job-${i}` }))
const policy = (more: Partial<Retention>): Retention => ({ directories: 0, directoryBytes: null, days: null, historyBytes: null, ...more })
const all = (state: State): Set<string> => new Set(Object.keys(state.snapshots))
const at = (present: ReadonlySet<string>, ages: readonly Age[] = []): Situation => ({ present, nowMs: NOW, ages })
const kept = (state: State, more: Partial<Retention>): string[] =>
  retention(state, policy(more), at(all(state))).decisions.flatMap((d) => (d.directory === 'keep' ? [d.snapshot] : []))

describe('which directories stay', () => {
  test('the active one and the one before the last job, whatever the policy', () => {
    expect(kept(stateOf(six), {})).toEqual(['s5', 's4'])
  })

  test('besides them the newest so many', () => {
    expect(kept(stateOf(six), { directories: 2 })).toEqual(['s5', 's4', 's3', 's2'])
  })

  test('as long as all together are within the bound', () => {
    expect(kept(stateOf(six), { directories: 9, directoryBytes: 350 })).toEqual(['s5', 's4', 's3'])
  })

  test('what is pinned, what redo returns to, what was left last', () => {
    const pins = [{ snapshot: 's0', commit: oid(1), note: '', at: '' }]
    const left = [{ snapshot: 's1', commit: oid(1), late: 0 }]
    const undone = [{ left: 's2', target: 's5', commit: oid(1), at: '' }]
    expect(kept(stateOf(six, { pins, left, undone }), {})).toEqual(['s5', 's4', 's2', 's1', 's0'])
  })

  test('one that has none is told as absent', () => {
    const [oldest] = retention(stateOf(six), policy({}), at(new Set(['s5']))).decisions.slice(-1)
    expect(oldest).toMatchObject({ snapshot: 's0', directory: 'absent', history: 'keep' })
  })
})

describe('which history stays', () => {
  const gone = (state: State, days: number): string[] =>
    retention(state, policy({ directories: 9, days }), at(all(state))).decisions.flatMap((d) =>
      d.history === 'remove' ? [d.snapshot] : [],
    )

  test('all of it, unless days are named; then what is younger', () => {
    expect(retention(stateOf(six), policy({}), at(all(stateOf(six)))).decisions.every((d) => d.history === 'keep')).toBe(true)
    expect(gone(stateOf(six), 35)).toEqual(['s2', 's1', 's0'])
  })

  test('what lies between the active one and the way back stays, without its directory', () => {
    const job = ['s3', 's4', 's5']
    const state = stateOf(six.map((s) => (job.includes(s.id) ? { ...s, job: 'job-5' } : s)))
    expect(kept(state, {})).toEqual(['s5', 's2'])
    expect(gone(state, 0)).toEqual(['s1', 's0'])
  })

  test('the newest that is within the bound of bytes; of two bounds the stricter', () => {
    const ages = [0, 15, 25, 45, 55].map((days) => ({ atMs: NOW - days * DAY, bytes: 10 }))
    const cut = (historyBytes: number, days: number | null = null): readonly [number | null, string[]] => {
      const { decisions, beforeMs } = retention(stateOf(six), policy({ historyBytes, days }), at(all(stateOf(six)), ages))
      const gone = decisions.filter((d) => d.history === 'remove')
      for (const { reasons } of gone) expect(reasons.join('')).toMatch(/days ago|bytes/)
      return [beforeMs === null ? null : (NOW - beforeMs) / DAY, gone.map((d) => d.snapshot)]
    }
    expect(cut(50)).toEqual([null, []])
    expect(cut(49)[0]).toBeCloseTo(55, 5)
    expect(cut(30)).toEqual([expect.closeTo(45, 5), ['s1', 's0']])
    expect(cut(30, 30)).toEqual([30, ['s2', 's1', 's0']])
    expect(cut(30, 50)).toEqual([expect.closeTo(45, 5), ['s1', 's0']])
    expect(cut(0)[1]).toEqual(['s3', 's2', 's1', 's0'])
  })

  test('with the history goes the directory', () => {
    const found = retention(stateOf(six), policy({ directories: 9, days: 35 }), at(all(stateOf(six)))).decisions
    expect(found.filter((d) => d.history === 'remove').every((d) => d.directory === 'remove')).toBe(true)
  })
})

test('under any policy nothing goes that is needed, and each decision has its reason', () => {
  const anyState = fc
    .record({
      count: fc.integer({ min: 1, max: 12 }),
      pins: fc.array(fc.nat(11), { maxLength: 3 }),
      left: fc.array(fc.nat(11), { maxLength: 4 }),
      undone: fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 3 }),
    })
    .map(({ count, pins, left, undone }) => {
      const id = (n: number): string => `s${n % count}`
      const snapshots = Array.from({ length: count }, (_, i) => snapshot(`s${i}`, count - i, { from: i === 0 ? null : `s${i - 1}` }))
      return stateOf(snapshots, {
        pins: pins.map((n) => ({ snapshot: id(n), commit: oid(1), note: '', at: '' })),
        left: left.map((n) => ({ snapshot: id(n), commit: oid(1), late: 0 })),
        undone: undone.map(([a, b]) => ({ left: id(a), target: id(b), commit: oid(1), at: '' })),
      })
    })
  const anyPolicy = fc.record({
    directories: fc.nat(3),
    directoryBytes: fc.option(fc.nat(500)),
    days: fc.option(fc.nat(20)),
    historyBytes: fc.option(fc.nat(20)),
  })
  fc.assert(
    fc.property(anyState, anyPolicy, (state, wanted) => {
      const needed = neededSnapshots(state)
      const ages = Array.from({ length: 12 }, (_, i) => ({ atMs: NOW - i * DAY, bytes: 3 }))
      const { decisions, beforeMs } = retention(state, wanted, at(all(state), ages))
      expect(beforeMs === null || beforeMs <= NOW + 1).toBe(true)
      expect(decisions).toHaveLength(Object.keys(state.snapshots).length)
      for (const { snapshot: id, directory, history, reasons } of decisions) {
        expect(reasons.join('')).not.toBe('')
        if (needed.has(id)) expect({ directory, history }).toEqual({ directory: 'keep', history: 'keep' })
      }
    }),
    { numRuns: 500 },
  )
})
