import { describe, expect, test } from 'vitest'
import { decide, redoTarget, rollbackTarget, verified, verifiedBefore } from '../../src/core/decide.ts'
import type { Command } from '../../src/core/decide.ts'
import type { NewEvent } from '../../src/core/events.ts'
import type { State } from '../../src/core/state.ts'
import { initialState } from '../../src/core/state.ts'
import { activate, apply, capture, completedData, create, job, oid, proof, sealedData, start, told } from '../contract/stories.ts'
import { failure } from '../contract/temporary.ts'

const base = [create, capture('s0', '1.0.0', 1), activate('s0', 1, { reason: 'capture' as const })]
const one = [...base, ...job('j1', 's0', 1, '1.0.0', ['1.1.0', '2.0.0'], 2)]
const two = [...one, ...job('j2', 'j1-1', 3, '2.0.0', ['2.1.0'], 4)]
const refuses = (state: State, command: Command) => failure(() => decide(state, command))
const failing = (jobId: string): Command => ({
  type: 'fail',
  jobId,
  data: { code: 'X', message: 'x', file: null, record: null, step: null },
})

describe('decide', () => {
  test('given an active snapshot, when a job starts, then MigrationStarted', () => {
    const command = start('j1', 's0', 1, '1.0.0', [{ version: '1.1.0', snapshot: 'x' }])
    expect(decide(told(...base), command)).toEqual([
      { type: 'MigrationStarted', jobId: 'j1', data: 'data' in command ? command.data : null },
    ])
  })

  test('given a running job, when another starts, then CONFLICT', () => {
    const running = told(...base, start('j1', 's0', 1, '1.0.0', []))
    expect(refuses(running, start('j2', 's0', 1, '1.0.0', []))).toMatchObject({ code: 'CONFLICT', data: { jobId: 'j1' } })
  })

  test('given a snapshot that moved on since the plan, when the job starts, then CONFLICT', () => {
    expect(refuses(told(...base), start('j1', 's0', 7, '1.0.0', [])).code).toBe('CONFLICT')
    expect(refuses(told(...base), start('j1', 'no', 1, '1.0.0', [])).code).toBe('ABSENT')
  })

  test('given no such running job, when it seals or fails, then CONFLICT', () => {
    const seal: Command = {
      type: 'seal',
      jobId: 'j1',
      steps: [{ completed: completedData('1.1.0'), sealed: sealedData('x', '1.1.0', 2, 's0', 1) }],
    }
    expect(refuses(told(...base), seal).code).toBe('CONFLICT')
    expect(refuses(told(...base), failing('j1')).code).toBe('CONFLICT')
    const running = told(...base, start('j1', 's0', 1, '1.0.0', []))
    expect(decide(running, seal).map((e) => [e.type, e.jobId])).toEqual([
      ['StepCompleted', 'j1'],
      ['SnapshotSealed', 'j1'],
    ])
    expect(decide(running, failing('j1')).map((e) => e.type)).toEqual(['MigrationFailed'])
    expect(refuses(running, failing('j2')).code).toBe('CONFLICT')
  })

  test('given a proof of an older commit, when it is activated, then CONFLICT', () => {
    expect(refuses(told(...base), activate('s0', 2)).code).toBe('CONFLICT')
    expect(refuses(told(...base), activate('no', 1)).code).toBe('ABSENT')
  })

  test('given a proof, when it is activated, then SnapshotActivated says what was left; an adoption comes with its event', () => {
    const state = told(...one)
    const adopted = { files: ['a'], source: { path: '/d', snapshot: 's0' } }
    expect(decide(state, activate('s0', 1, { reason: 'adopt', jobId: 'j9', adopted }))).toEqual([
      { type: 'Adopted', jobId: 'j9', data: adopted },
      { type: 'SnapshotActivated', jobId: 'j9', data: { snapshot: 's0', from: 'j1-1', reason: 'adopt', hold: null } },
    ])
    expect(decide(state, activate('s0', 1, { reason: 'restore' }))[0]).not.toHaveProperty('jobId')
  })

  test('given a checkpoint of a snapshot that does not exist, then ABSENT', () => {
    const data = {
      snapshot: 'no',
      commit: oid(1),
      changed: 0,
      files: 0,
      bytes: 0,
      manifest: '',
      reason: '',
      findings: [],
      slice: { commit: oid(1), upTo: 0 },
    }
    expect(refuses(told(...base), { type: 'checkpoint', data }).code).toBe('ABSENT')
    expect(decide(told(...base), { type: 'checkpoint', data: { ...data, snapshot: 's0' } }).map((e) => e.type)).toEqual(['CheckpointTaken'])
  })

  test('given events that a newer Strata marked critical, every command is READ_ONLY', () => {
    const state = apply(told(...base), [{ type: 'Split', data: { critical: true } } as unknown as NewEvent])
    const commands: Command[] = [
      create,
      capture('x', '1', 1),
      start('j', 's0', 1, '1', []),
      activate('s0', 1),
      failing('j'),
      { type: 'verify', proofs: [] },
    ]
    for (const command of commands) expect(refuses(state, command)).toMatchObject({ code: 'READ_ONLY', data: { types: ['Split'] } })
  })

  test('given proofs, when they are recorded, then one SnapshotVerified each', () => {
    expect(decide(told(...one), { type: 'verify', proofs: [proof('s0', 1), proof('j1-0', 2)] })).toEqual([
      { type: 'SnapshotVerified', data: { snapshot: 's0', commit: oid(1), files: 2, bytes: 10 } },
      { type: 'SnapshotVerified', data: { snapshot: 'j1-0', commit: oid(2), files: 2, bytes: 10 } },
    ])
  })
})

describe('a proof', () => {
  test('is only made where nothing differs', () => {
    const facts = { snapshot: 's', commit: oid(1), files: 1, bytes: 1 }
    expect(verified({ ...facts, differences: 0 })).toEqual(facts)
    expect(failure(() => verified({ ...facts, differences: 1 }))).toMatchObject({ code: 'CORRUPT', data: { differences: 1 } })
  })

  test('of before stands only for the same commit, and while nothing changed in the directory', () => {
    const state = told(...base, { type: 'verify', proofs: [proof('s0', 1)] })
    const snapshot = state.snapshots.s0
    if (snapshot === undefined) throw new Error('no snapshot')
    expect(verifiedBefore(snapshot, true)).toEqual(proof('s0', 1))
    expect(verifiedBefore(snapshot, false)).toBeUndefined()
    expect(verifiedBefore({ ...snapshot, commit: oid(2) }, true)).toBeUndefined()
    expect(verifiedBefore({ ...snapshot, verifiedCommit: null }, true)).toBeUndefined()
  })
})

describe('rollbackTarget', () => {
  test.each([
    ['the last job, without a name', undefined, 'j1-1'],
    ['the last job, with an empty name', '', 'j1-1'],
    ['a job', 'j1', 's0'],
    ['the newest job', 'j2', 'j1-1'],
    ['the step to a version', '2.0.0', 'j1-0'],
    ['the first step', '1.1.0', 's0'],
  ])('is what was active before %s', (_name, name, target) => {
    expect(rollbackTarget(told(...two), name).id).toBe(target)
  })

  test('of a job with several steps is what was active before all of them', () => {
    expect(rollbackTarget(told(...one)).id).toBe('s0')
  })

  test('after a rollback is one job further back', () => {
    const state = told(...two, activate('j1-1', 3, { reason: 'rollback', hold: null }))
    expect(rollbackTarget(state).id).toBe('s0')
    expect(failure(() => rollbackTarget(state, 'j2')).code).toBe('ABSENT')
  })

  test('of a job that is no longer kept is still what was active before all its steps', () => {
    const state: State = { ...told(...one), jobs: [] }
    expect(rollbackTarget(state).id).toBe('s0')
    expect(rollbackTarget(state, 'j1').id).toBe('s0')
  })

  test('is NOTHING_TO_ROLL_BACK for the first snapshot, or when none is active; ABSENT for a name that led nowhere', () => {
    expect(failure(() => rollbackTarget(told(...base))).code).toBe('NOTHING_TO_ROLL_BACK')
    expect(failure(() => rollbackTarget(initialState)).code).toBe('NOTHING_TO_ROLL_BACK')
    for (const name of ['9.9.9', '1.0.0', 'j9', 's0', 'constructor'])
      expect(failure(() => rollbackTarget(told(...two), name))).toMatchObject({
        code: 'ABSENT',
        data: { versions: ['2.1.0', '2.0.0', '1.1.0'] },
      })
  })
})

test('redoTarget is what the last rollback left, or NOTHING_TO_REDO', () => {
  expect(failure(() => redoTarget(told(...two))).code).toBe('NOTHING_TO_REDO')
  expect(redoTarget(told(...two, activate('j1-1', 3, { reason: 'rollback' }))).id).toBe('j2-0')
  expect(
    failure(() => redoTarget(told(...two, activate('j1-1', 3, { reason: 'rollback' }), activate('j2-0', 4, { reason: 'redo' })))).code,
  ).toBe('NOTHING_TO_REDO')
})
