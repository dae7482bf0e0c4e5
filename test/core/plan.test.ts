import { describe, expect, test } from 'vitest'
import type { AnyChain } from '../../src/core/chain.ts'
import { issue } from '../../src/core/issues.ts'
import { planMigration, summaryOf } from '../../src/core/plan.ts'
import type { State } from '../../src/core/state.ts'
import { initialState } from '../../src/core/state.ts'
import { activate, apply, capture, create, job, oid, told } from '../contract/stories.ts'
import { failure } from '../contract/temporary.ts'

const VERSIONS = ['1.0.0', '1.1.0', '2.0.0', '2.1.0-beta.1']
/** A chain as the plan sees it: versions, and what each step says of itself. */
const chain = {
  schemas: VERSIONS.map((version) => ({ version, kinds: {} })),
  migrations: VERSIONS.slice(1).map((version, i) => ({
    from: { version: VERSIONS[i], kinds: {} },
    to: { version, kinds: {} },
    description: `to ${version}`,
    changes: [`change ${i}`],
    files: [
      {},
      { config: { file: { migrate: () => 0, rollback: () => 0 } }, data: { record: { migrate: {}, rollback: {} } }, sums: { derive: {} } },
      { config: { file: { migrate: () => 0 } } },
    ][i],
    ...(i === 1 ? { readableFrom: '1.1.0' } : {}),
  })),
} as unknown as AnyChain

const at = (version: string): State => told(create, capture('s0', version, 1), activate('s0', 1, { reason: 'capture' }))
const refused = (state: State, to?: string) => failure(() => planMigration(state, chain, to))

describe('planMigration', () => {
  test('plans every step to the newest version, with what each says of itself', () => {
    const plan = planMigration(at('1.0.0'), chain)
    expect(plan).toMatchObject({ kind: 'migration', from: { id: 's0' }, base: 0, to: 3 })
    expect(plan.kind === 'migration' ? plan.steps : []).toEqual([
      { version: '1.1.0', description: 'to 1.1.0', changes: ['change 0'], reversible: true, readableFrom: null },
      { version: '2.0.0', description: 'to 2.0.0', changes: ['change 1'], reversible: true, readableFrom: '1.1.0' },
      { version: '2.1.0-beta.1', description: 'to 2.1.0-beta.1', changes: ['change 2'], reversible: false, readableFrom: null },
    ])
  })

  test('plans to a version that is asked for', () => {
    expect(planMigration(at('1.1.0'), chain, '2.0.0')).toMatchObject({ kind: 'migration', base: 1, to: 2, steps: [{ version: '2.0.0' }] })
  })

  test('has nothing to do at the target', () => {
    expect(planMigration(at('2.1.0-beta.1'), chain).kind).toBe('none')
    expect(planMigration(at('1.1.0'), chain, '1.1.0').kind).toBe('none')
  })

  test('mends files of an older schema at the target', () => {
    const state = at('2.0.0')
    const [found, other] = [
      issue({ code: 'LEGACY_FILE', message: 'x', file: 'a.json' }),
      issue({ code: 'OTHER', message: 'x', file: 'b.json' }),
    ]
    const slice = { commit: oid(9), upTo: 1 }
    const data = {
      snapshot: 's0',
      commit: oid(2),
      changed: 1,
      files: 1,
      bytes: 1,
      manifest: '',
      reason: '',
      findings: [found, other],
      slice,
    }
    expect(planMigration(apply(state, [{ type: 'CheckpointTaken', data }]), chain, '2.0.0')).toMatchObject({
      kind: 'mend',
      files: ['a.json'],
      position: 2,
    })
  })

  test('goes to what a rollback left while both sides are as they were, else migrates again', () => {
    const migrated = told(create, capture('s0', '1.0.0', 1), activate('s0', 1), ...job('j1', 's0', 1, '1.0.0', VERSIONS.slice(1), 2))
    const back = apply(migrated, [{ type: 'SnapshotActivated', data: { snapshot: 's0', from: 'j1-2', reason: 'rollback', hold: null } }])
    expect(planMigration(back, chain)).toMatchObject({ kind: 'redo', target: { id: 'j1-2' } })
    expect(planMigration(back, chain, '1.1.0').kind).toBe('migration')
    const data = {
      snapshot: 's0',
      commit: oid(9),
      changed: 1,
      files: 1,
      bytes: 1,
      manifest: '',
      reason: '',
      findings: [],
      slice: { commit: oid(8), upTo: 1 },
    }
    expect(planMigration(apply(back, [{ type: 'CheckpointTaken', data }]), chain).kind).toBe('migration')
  })

  test('refuses a store without a snapshot, versions it does not know, and the way back', () => {
    expect(refused(initialState).code).toBe('NO_STORE')
    expect(refused(at('3.0.0'))).toMatchObject({ code: 'NEWER_SCHEMA', data: { version: '3.0.0', known: VERSIONS } })
    expect(refused(at('2.1.0')).code).toBe('NEWER_SCHEMA')
    expect(refused(at('1.0.5')).code).toBe('BAD_CHAIN')
    expect(refused(at('nonsense')).code).toBe('BAD_CHAIN')
    expect(refused(at('1.0.0'), '1.5.0')).toMatchObject({ code: 'ABSENT', data: { version: '1.5.0' } })
    expect(refused(at('2.0.0'), '1.0.0')).toMatchObject({ code: 'BAD_ARGUMENT', hint: expect.stringContaining('1.1.0') })
  })
})

test('summaryOf has every version and every step', () => {
  const summary = summaryOf({ name: 'Test', chain })
  expect(summary).toMatchObject({ name: 'Test', versions: VERSIONS })
  expect(summary.steps.map((s) => [s.version, s.reversible])).toEqual([
    ['1.1.0', true],
    ['2.0.0', true],
    ['2.1.0-beta.1', false],
  ])
  expect(JSON.parse(JSON.stringify(summary))).toEqual(summary)
})
