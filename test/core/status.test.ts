import { describe, expect, test } from 'vitest'
import type { Command } from '../../src/core/decide.ts'
import { issue } from '../../src/core/issues.ts'
import type { State } from '../../src/core/state.ts'
import type { ChainSummary } from '../../src/core/status.ts'
import { hasFailedRepeatedly, isHeld, statusOf } from '../../src/core/status.ts'
import { AT, activate, apply, capture, create, job, oid, start, told } from '../contract/stories.ts'

const VERSIONS = ['1.0.0', '1.1.0', '2.0.0']
const summary: ChainSummary = {
  name: 'Test',
  versions: VERSIONS,
  steps: VERSIONS.slice(1).map((version) => ({ version, description: version, changes: [], reversible: true, readableFrom: null })),
}
const place = {
  directoryOf: (id: string): string => `/store/snapshots/${id}`,
  spaceFree: 1000,
  repositoryBytes: 77,
  hasDirectory: (id: string): boolean => id !== 'gone',
}
const status = (state: State | undefined, of = summary) => statusOf(state, of, place)

const base: Command[] = [create, capture('s0', '1.0.0', 1), activate('s0', 1, { reason: 'capture' })]
const failing: Command[] = [
  start('j1', 's0', 1, '1.0.0', [{ version: '2.0.0', snapshot: 'x' }]),
  { type: 'fail', jobId: 'j1', data: { code: 'MIGRATION_FAILED', message: 'boom', file: null, record: null, step: null } },
]
const hold = { reason: 'slow', newest: '2.0.0' }
const rolledBack = [...base, ...job('j1', 's0', 1, '1.0.0', ['1.1.0', '2.0.0'], 2), activate('s0', 1, { reason: 'rollback', hold })]

describe('the state that is told', () => {
  test.each<[string, string, State | undefined]>([
    ['no-store', 'there is no journal', undefined],
    ['no-store', 'nothing was captured yet', told(create)],
    ['pending', 'there are steps to do', told(...base)],
    ['up-to-date', 'there are none', told(create, capture('s0', '2.0.0', 1), activate('s0', 1))],
    ['running', 'a job has begun', told(...base, start('j1', 's0', 1, '1.0.0', []))],
    ['held', 'someone rolled back', told(...rolledBack)],
    ['pending', 'two attempts failed', told(...base, ...failing, ...failing)],
    ['failed-repeatedly', 'three failed in a row', told(...base, ...failing, ...failing, ...failing)],
    ['newer', 'the schema is not known', told(create, capture('s0', '3.0.0', 1), activate('s0', 1))],
  ])('is %s when %s', (name, _why, state) => {
    expect(status(state).state).toBe(name)
  })

  test('members are never absent', () => {
    const full = status(told(...base))
    expect(Object.keys(status(undefined)).sort()).toEqual(Object.keys(full).sort())
    expect(Object.values(full)).not.toContain(undefined)
  })

  test('says where the data is, what is to be done, and how much room it takes', () => {
    expect(status(told(...base))).toMatchObject({
      needed: true,
      currentVersion: '1.0.0',
      targetVersion: '2.0.0',
      snapshot: 's0',
      directory: '/store/snapshots/s0',
      files: 2,
      bytes: 10,
      spaceFree: 1000,
      pending: [{ version: '1.1.0' }, { version: '2.0.0' }],
      lastJob: null,
      heldSince: null,
    }) // prettier-ignore
    expect(status(told(...base)).spaceNeeded).toBeGreaterThanOrEqual(20)
    expect(status(told(...rolledBack))).toMatchObject({ needed: true, heldSince: AT, holdReason: 'slow' })
  })

  test('says how large each snapshot is, the newest first, and what it shares', () => {
    const { sizes, repositoryBytes } = status(told(...base))
    expect(repositoryBytes).toBe(77)
    expect(sizes).toEqual([{ snapshot: 's0', schemaVersion: '1.0.0', files: 2, bytes: 10, shared: 0, hasDirectory: true }])
  })

  test('tells the last job, with a directory that restore accepts', () => {
    expect(status(told(...base, ...failing)).lastJob).toMatchObject({
      id: 'j1',
      fromVersion: '1.0.0',
      toVersion: '2.0.0',
      status: 'failed',
      error: 'boom',
      totalFiles: 2,
      backupPath: '/store/snapshots/s0',
      snapshot: 'x',
    }) // prettier-ignore
  })

  test('tells findings with the snapshot they are of, and plans to mend what is behind', () => {
    const found = issue({ code: 'LEGACY_FILE', message: 'old', file: 'a.json' })
    const data = {
      snapshot: 's0',
      commit: oid(2),
      changed: 1,
      files: 1,
      bytes: 1,
      manifest: '',
      reason: '',
      findings: [found],
      slice: { commit: oid(9), upTo: 1 },
    }
    const state = apply(told(create, capture('s0', '2.0.0', 1), activate('s0', 1)), [
      { type: 'CheckpointTaken', data },
      { type: 'OriginalCompared', data: { path: '/d', findings: [issue({ code: 'X', message: 'x', snapshot: 'other' })] } },
    ])
    expect(status(state)).toMatchObject({ state: 'pending', pending: [{ version: '2.0.0', changes: ['a.json'] }] })
    expect(status(state).findings.map((f) => [f.code, f.snapshot])).toEqual([
      ['LEGACY_FILE', 's0'],
      ['X', 'other'],
    ])
  })
})

describe('a hold', () => {
  test('ends when a version comes that was not there at the rollback', () => {
    const state = told(...rolledBack)
    expect(isHeld(state, VERSIONS)).toBe(true)
    expect(isHeld(state, [...VERSIONS, '3.0.0'])).toBe(false)
    expect(isHeld(state, ['1.0.0'])).toBe(true)
    expect(isHeld(told(...base), VERSIONS)).toBe(false)
  })
})

test('failures count for the newest version only', () => {
  const state = told(...base, ...failing, ...failing, ...failing)
  expect([hasFailedRepeatedly(state, '2.0.0'), hasFailedRepeatedly(state, '3.0.0')]).toEqual([true, false])
})
