import { describe, expect, test } from 'vitest'
import { resolveSnapshot } from '../../src/core/resolve.ts'
import { initialState } from '../../src/core/state.ts'
import { activate, capture, create, job, told } from '../contract/stories.ts'
import { failure } from '../contract/temporary.ts'

const base = [create, capture('1.0.0-abc', '1.0.0', 1), activate('1.0.0-abc', 1, { reason: 'capture' as const })]
const state = told(...base, ...job('j1', '1.0.0-abc', 1, '1.0.0', ['1.1.0', '2.0.0'], 2), ...job('j2', 'j1-1', 3, '2.0.0', ['2.1.0'], 4))

describe('a snapshot is found', () => {
  test.each([
    ['its id', 'j1-0', 'j1-0'],
    ['a unique beginning', '1.0.0-a', '1.0.0-abc'],
    ['a unique beginning of one letter', '1', '1.0.0-abc'],
    ['its schema version', '2.0.0', 'j1-1'],
    ['its schema version, though it is also the beginning of an id', '1.0.0', '1.0.0-abc'],
    ['@, the active one', '@', 'j2-0'],
    ['@-, the one before the last job', '@-', 'j1-1'],
  ])('by %s', (_name, name, id) => {
    expect(resolveSnapshot(state, name).id).toBe(id)
  })

  test('by version on the way to the active one first, then anywhere, the newest', () => {
    const branched = told(
      ...base,
      ...job('j1', '1.0.0-abc', 1, '1.0.0', ['1.1.0'], 2),
      activate('1.0.0-abc', 1, { reason: 'rollback' }),
      ...job('j2', '1.0.0-abc', 1, '1.0.0', ['1.1.0'], 3),
    )
    expect(resolveSnapshot(branched, '1.1.0').id).toBe('j2-0')
    expect(
      resolveSnapshot(
        told(...base, ...job('j1', '1.0.0-abc', 1, '1.0.0', ['1.1.0'], 2), activate('1.0.0-abc', 1, { reason: 'rollback' })),
        '1.1.0',
      ).id,
    ).toBe('j1-0')
    const back = { ...branched, active: 'j1-0' }
    expect(resolveSnapshot(back, '1.1.0').id).toBe('j1-0')
  })

  test('@- of a job with several steps is what was active before all of them', () => {
    const one = told(...base, ...job('j1', '1.0.0-abc', 1, '1.0.0', ['1.1.0', '2.0.0'], 2))
    expect(resolveSnapshot(one, '@-').id).toBe('1.0.0-abc')
  })
})

describe('a snapshot is not found', () => {
  test.each(['', '9.9.9', 'x', '@x', '@--', 'constructor', '__proto__', 'toString', 'hasOwnProperty'])('by %j: ABSENT', (name) => {
    expect(failure(() => resolveSnapshot(state, name))).toMatchObject({ code: 'ABSENT', data: { name } })
  })

  test('by the beginning of several: AMBIGUOUS, with their ids', () => {
    expect(failure(() => resolveSnapshot(state, 'j'))).toMatchObject({ code: 'AMBIGUOUS', data: { matches: ['j1-0', 'j1-1', 'j2-0'] } })
  })

  test('by @ or @- where there is none', () => {
    expect(failure(() => resolveSnapshot(initialState, '@')).code).toBe('ABSENT')
    expect(failure(() => resolveSnapshot(told(...base), '@-')).code).toBe('ABSENT')
  })
})
