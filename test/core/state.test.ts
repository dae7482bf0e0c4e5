import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decide } from '../../src/core/decide.ts'
import type { NewEvent, StrataEvent } from '../../src/core/events.ts'
import { issue } from '../../src/core/issues.ts'
import type { State } from '../../src/core/state.ts'
import { activeSnapshot, beforeJob, evolve, evolveLine, initialState, lineage, pointerOf, refsOf } from '../../src/core/state.ts'
import {
  AT,
  activate,
  after,
  anyCommand,
  apply,
  capture,
  captured,
  create,
  created,
  job,
  oid,
  sealedData,
  told,
} from '../contract/stories.ts'

const base = [create, capture('s0', '1.0.0', 1), activate('s0', 1, { reason: 'capture' as const })]
const LATER = '2026-02-02T00:00:00.000Z'

const deepFreeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value)
    Object.values(value).forEach(deepFreeze)
  }
  return value
}

describe('given nothing', () => {
  test('StoreCreated gives the store its id, and tells what the first capture is going to make', () => {
    expect(after(created(['s0']))).toEqual({ ...initialState, seq: 1, storeId: 'store-1', dataset: 'Test', announced: ['s0'] })
  })

  test('a captured snapshot is not active before SnapshotActivated', () => {
    const state = after(created(), captured('s0', '1.0.0', 1))
    expect(state.snapshots.s0).toMatchObject({ commit: oid(1), sealed: oid(1), from: null, job: null, createdAt: AT, verifiedAt: null })
    expect([state.active, pointerOf(state), activeSnapshot(state)]).toEqual([null, undefined, undefined])
  })
})

describe('given an active snapshot', () => {
  test('a checkpoint moves its commit and facts, keeps what it was sealed as, and leaves CURRENT alone', () => {
    const before = told(...base)
    const found = issue({ code: 'LEGACY_FILE', message: 'old', file: 'a' })
    const state = apply(before, [
      {
        type: 'CheckpointTaken',
        data: {
          snapshot: 's0',
          commit: oid(2),
          changed: 1,
          files: 5,
          bytes: 50,
          manifest: 'n',
          reason: 'x',
          findings: [found],
          slice: { commit: oid(9), upTo: 3 },
        },
      },
    ])
    expect(state.snapshots.s0).toMatchObject({ commit: oid(2), sealed: oid(1), files: 5, bytes: 50, manifest: 'n', findings: [found] })
    expect([state.journal, state.sliced]).toEqual([oid(9), 3])
    expect(pointerOf(state)).toEqual(pointerOf(before))
  })

  test('SnapshotVerified counts for the commit it names only', () => {
    const state = apply(told(...base), [{ type: 'SnapshotVerified', data: { snapshot: 's0', commit: oid(1), files: 2, bytes: 10 } }], LATER)
    expect(state.snapshots.s0).toMatchObject({ verifiedAt: LATER, verifiedCommit: oid(1) })
  })

  test('CURRENT says what is active, and the event at which that changed', () => {
    const state = told(...base)
    expect(pointerOf(state)).toEqual({
      format: 1,
      storeId: 'store-1',
      seq: 3,
      snapshot: 's0',
      directory: 'snapshots/s0',
      schemaVersion: '1.0.0',
      readableBy: ['1.0.0'],
      hold: null,
    }) // prettier-ignore
    expect(pointerOf(apply(state, [{ type: 'Recovered', data: { actions: [] } }]))?.seq).toBe(3)
  })

  test('every snapshot has a branch, and the journal has one once it was carried along', () => {
    const state = told(...base, ...job('j1', 's0', 1, '1.0.0', ['1.1.0'], 2))
    expect(refsOf(state)).toEqual(
      new Map([
        ['refs/heads/s0', oid(1)],
        ['refs/heads/j1-0', oid(2)],
      ]),
    )
    const { source: _, ...sealed } = { ...sealedData('x', '2.0.0', 3, 's0', 1), source: null }
    const carried = apply(state, [{ type: 'SnapshotSealed', data: { ...sealed, slice: { commit: oid(8), upTo: 6 } } }])
    expect(refsOf(carried).get('refs/heads/strata/journal')).toBe(oid(8))
  })
})

describe('a job', () => {
  test('is running from MigrationStarted to SnapshotActivated, which completes it', () => {
    const [start, seal, end] = job('j1', 's0', 1, '1.0.0', ['1.1.0', '2.0.0'], 2)
    const running = told(...base, ...(start === undefined ? [] : [start]))
    expect(running).toMatchObject({
      running: 'j1',
      announced: ['j1-0', 'j1-1'],
      jobs: [{ id: 'j1', status: 'running', startTime: AT, endTime: null }],
    })
    if (seal === undefined || end === undefined) throw new Error('no job')
    const sealed = told(...base, ...job('j1', 's0', 1, '1.0.0', ['1.1.0', '2.0.0'], 2).slice(0, 2))
    expect(sealed).toMatchObject({ active: 's0', running: 'j1', snapshots: { 'j1-1': { from: 'j1-0', fromCommit: oid(2), job: 'j1' } } })
    const done = apply(sealed, decide(sealed, end), LATER)
    expect(done).toMatchObject({
      active: 'j1-1',
      running: null,
      failures: null,
      jobs: [{ status: 'completed', endTime: LATER, filesProcessed: 2 }],
    })
    expect(lineage(done).map((s) => s.id)).toEqual(['j1-1', 'j1-0', 's0'])
  })

  test('that fails leaves what was active, and counts towards giving up; a cancelled or disturbed one does not', () => {
    const [start] = job('j1', 's0', 1, '1.0.0', ['1.1.0'], 2)
    if (start === undefined) throw new Error('no job')
    let state: State = told(...base)
    const fail = (code: string): void => {
      state = apply(state, decide(state, start))
      state = apply(
        state,
        decide(state, { type: 'fail', jobId: 'j1', data: { code, message: code, file: null, record: null, step: null } }),
        LATER,
      )
    }
    fail('MIGRATION_FAILED')
    expect(state).toMatchObject({
      active: 's0',
      running: null,
      announced: ['j1-0'],
      jobs: [{ status: 'failed', endTime: LATER, error: 'MIGRATION_FAILED' }],
    })
    fail('CANCELLED')
    fail('UNSTABLE')
    fail('NO_SPACE')
    expect(state.failures).toEqual({ toVersion: '1.1.0', count: 2, message: 'NO_SPACE' })
  })

  test('that succeeds ends the count of failures', () => {
    const [start] = job('j1', 's0', 1, '1.0.0', ['1.1.0'], 2)
    if (start === undefined) throw new Error('no job')
    const state = told(
      ...base,
      start,
      { type: 'fail', jobId: 'j1', data: { code: 'X', message: '', file: null, record: null, step: null } },
      ...job('j2', 's0', 1, '1.0.0', ['1.1.0'], 2),
    )
    expect([state.failures, state.jobs.map((j) => j.status)]).toEqual([null, ['failed', 'completed']])
  })

  test('of long ago is forgotten, but not what was active before it', () => {
    let state = told(...base, ...job('j1', 's0', 1, '1.0.0', ['1.1.0', '2.0.0'], 2))
    for (let i = 0; i < 60; i++) {
      const [start] = job(`f${i}`, 'j1-1', 3, '2.0.0', ['3.0.0'], 9)
      if (start !== undefined) state = apply(state, decide(state, start))
      state = apply(
        state,
        decide(state, { type: 'fail', jobId: `f${i}`, data: { code: 'X', message: '', file: null, record: null, step: null } }),
      )
    }
    expect(state.jobs).toHaveLength(50)
    const active = activeSnapshot(state)
    expect(active === undefined ? null : beforeJob(state, active)).toBe('s0')
    expect(state.snapshots.s0 === undefined ? '' : beforeJob(state, state.snapshots.s0)).toBeNull()
  })
})

describe('rollback and redo', () => {
  const migrated = [...base, ...job('j1', 's0', 1, '1.0.0', ['1.1.0'], 2), ...job('j2', 'j1-0', 2, '1.1.0', ['2.0.0'], 3)]
  const hold = { reason: 'too slow', newest: '2.0.0' }
  const back = (snapshot: string, n: number) => activate(snapshot, n, { reason: 'rollback', hold })

  test('a rollback holds, and can be undone; two of them one after the other', () => {
    const once = told(...migrated, back('j1-0', 2))
    expect(once).toMatchObject({ active: 'j1-0', hold: { since: AT, ...hold }, undone: [{ left: 'j2-0', target: 'j1-0', commit: oid(2) }] })
    expect(pointerOf(once)?.hold).toEqual({ since: AT, reason: 'too slow' })
    const twice = told(...migrated, back('j1-0', 2), back('s0', 1))
    expect(twice.undone.map((u) => u.left)).toEqual(['j2-0', 'j1-0'])
    const again = told(...migrated, back('j1-0', 2), back('s0', 1), activate('j1-0', 2, { reason: 'redo' }))
    expect(again).toMatchObject({ active: 'j1-0', hold: null, undone: [{ left: 'j2-0' }] })
  })

  test('does not touch the record of the job', () => {
    expect(told(...migrated, back('j1-0', 2)).jobs.map((j) => j.status)).toEqual(['completed', 'completed'])
  })

  test('what is carried over from a directory that was left leaves it to redo what there was', () => {
    expect(told(...migrated, back('j1-0', 2), activate('s0', 1, { reason: 'carry' })).undone).toHaveLength(1)
  })

  test('a new migration, a restore or an adoption starts afresh: nothing to redo', () => {
    for (const reason of ['migration', 'restore', 'adopt', 'mend'] as const)
      expect(told(...migrated, back('j1-0', 2), activate('s0', 1, { reason })).undone).toEqual([])
  })

  test('HoldLifted ends the hold and changes CURRENT', () => {
    const held = told(...migrated, back('j1-0', 2))
    const state = apply(held, [{ type: 'HoldLifted', data: { snapshot: 'j1-0' } }])
    expect(state.hold).toBeNull()
    expect(pointerOf(state)).toMatchObject({ hold: null, seq: held.seq + 1 })
  })
})

describe('other events', () => {
  const source = { path: '/data', snapshot: 's0' }

  test('Adopted and OriginalCompared keep what is known of the original directory', () => {
    const finding = issue({ code: 'X', message: 'x' })
    const compared = apply(told(...base), [{ type: 'OriginalCompared', data: { path: '/data', findings: [finding] } }])
    expect(compared.originalFindings).toEqual([finding])
    expect(apply(compared, [{ type: 'Adopted', data: { files: [], source } }])).toMatchObject({ original: source, originalFindings: [] })
  })

  test('IntegrityChecked is remembered', () => {
    const state = apply(
      told(...base),
      [{ type: 'IntegrityChecked', data: { valid: false, filesChecked: 1, errors: 1, warnings: 0, sample: null } }],
      LATER,
    )
    expect(state.lastVerified).toEqual({ at: LATER, valid: false })
  })

  test.each(['SegmentOpened', 'StepCompleted', 'CorruptionFound', 'Recovered', 'SomethingNew'])(
    '%s changes nothing but the count',
    (type) => {
      const state = told(...base)
      const event = { type, data: {} } as unknown as NewEvent
      expect(apply(state, [event])).toEqual({ ...state, seq: state.seq + 1 })
    },
  )

  test('an unknown critical one is remembered by its type', () => {
    const event = { type: 'Split', data: { critical: true } } as unknown as NewEvent
    expect(apply(told(...base), [event]).unknownCritical).toEqual(['Split'])
    for (const data of [null, 'critical', { critical: 'true' }])
      expect(apply(told(...base), [{ type: 'Split', data } as unknown as NewEvent]).unknownCritical).toEqual([])
  })

  test('of snapshots and jobs that do not exist change nothing but the count', () => {
    const state = told(...base)
    const events: NewEvent[] = [
      {
        type: 'CheckpointTaken',
        data: {
          snapshot: 'no',
          commit: oid(2),
          changed: 0,
          files: 0,
          bytes: 0,
          manifest: '',
          reason: '',
          findings: [],
          slice: { commit: oid(1), upTo: 0 },
        },
      },
      { type: 'SnapshotVerified', data: { snapshot: 'no', commit: oid(2), files: 0, bytes: 0 } },
    ]
    const next = apply(state, events)
    expect(next.snapshots).toEqual(state.snapshots)
    expect(next.jobs).toEqual(state.jobs)
  })
})

describe('evolve is a pure fold', () => {
  /** The events that these commands lead to, one list a command. */
  const eventsOf = (commands: readonly Parameters<typeof decide>[1][]): StrataEvent[] => {
    let state = told(...base)
    const all: StrataEvent[] = []
    for (const command of commands) {
      let events: NewEvent[] = []
      try {
        events = decide(state, command)
      } catch {
        continue
      }
      for (const event of events) {
        const placed = { seq: state.seq + 1, id: `e${state.seq + 1}`, ...event }
        all.push(placed)
        state = evolve(state, placed, AT)
      }
    }
    return all
  }
  const commands = fc.array(anyCommand, { maxLength: 30 })

  test('it changes neither the state nor the event it is given, and survives JSON', () => {
    fc.assert(
      fc.property(commands, (given) => {
        let state = deepFreeze(told(...base))
        for (const event of eventsOf(given)) {
          state = deepFreeze(evolve(state, deepFreeze(event), AT))
          expect(JSON.parse(JSON.stringify(state))).toEqual(state)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('replaying any prefix gives the state as it was then, in lines of any size', () => {
    fc.assert(
      fc.property(commands, fc.nat(40), fc.integer({ min: 1, max: 5 }), (given, cut, size) => {
        const events = eventsOf(given)
        const states = events.reduce((all, e) => [...all, evolve(all.at(-1) ?? initialState, e, AT)], [told(...base)])
        const prefix = events.slice(0, cut)
        let state = told(...base)
        for (let at = 0; at < prefix.length; at += size) state = evolveLine(state, { events: prefix.slice(at, at + size), at: AT })
        expect(state).toEqual(states[prefix.length])
      }),
      { numRuns: 100 },
    )
  })

  test('CURRENT names a snapshot that exists, and every ref a commit, whatever happened', () => {
    fc.assert(
      fc.property(commands, (given) => {
        const state = eventsOf(given).reduce((s, e) => evolve(s, e, AT), told(...base))
        const pointer = pointerOf(state)
        expect(Object.keys(state.snapshots)).toContain(pointer?.snapshot)
        expect(pointer?.seq).toBeLessThanOrEqual(state.seq)
        for (const oidOf of refsOf(state).values()) expect(oidOf).toMatch(/^[0-9a-f]{40}$/)
      }),
      { numRuns: 100 },
    )
  })
})
