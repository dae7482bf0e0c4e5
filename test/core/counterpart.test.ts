import { describe, expect, test } from 'vitest'
import { counterpart, syncOf } from '../../src/core/counterpart.ts'
import type { Oid } from '../../src/core/git-objects.ts'
import type { Snapshot, State } from '../../src/core/state.ts'
import { initialState } from '../../src/core/state.ts'

/** Commits are named by what they hold: `T1` is the second commit of T. */
const oid = (name: string): Oid => name as Oid

type Made = { from?: [id: string, commit: string]; carries?: [id: string, commit: string]; commit?: string }

const snapshot = (id: string, { from, carries, commit = `${id}0` }: Made = {}): Snapshot => ({
  id,
  schemaVersion: id.startsWith('T') ? '1.0.0' : id.startsWith('M') ? '2.0.0' : '3.0.0',
  commit: oid(commit),
  sealed: oid(`${id}0`),
  from: from?.[0] ?? null,
  fromCommit: from === undefined ? null : oid(from[1]),
  carries: carries === undefined ? null : { snapshot: carries[0], commit: oid(carries[1]) },
  shared: 0,
  job: null,
  files: 0,
  bytes: 0,
  manifest: '',
  readableBy: [],
  createdAt: '',
  verifiedAt: null,
  verifiedCommit: null,
  findings: [],
})

const world = (made: Readonly<Record<string, Made>>): State => ({
  ...initialState,
  snapshots: Object.fromEntries(Object.entries(made).map(([id, of]) => [id, snapshot(id, of)])),
})
const of = (state: State, id: string): Snapshot => {
  const found = state.snapshots[id]
  if (found === undefined) throw new Error(`there is no ${id}`)
  return found
}
const sync = (state: State, from: string, to: string) => syncOf(state, of(state, from), of(state, to))
const target = (state: State, from: string, to: string) => {
  const found = counterpart(state, of(state, from), of(state, to))
  return { to: found.to.id, ...found.sync }
}

describe('where two snapshots were last the same', () => {
  const plain = world({ T: {}, M: { from: ['T', 'T0'] }, S: { from: ['M', 'M0'], commit: 'S1' } })

  test('what was migrated, and what it was migrated from', () => {
    expect(sync(plain, 'S', 'T')).toEqual({ base: 'S0', origin: 'T0', earlier: [], isExact: true })
    expect(sync(plain, 'S', 'M')).toEqual({ base: 'S0', origin: 'M0', earlier: [], isExact: true })
    expect(sync(plain, 'T', 'S')).toEqual({ base: 'T0', origin: 'S0', earlier: [], isExact: true })
  })

  test('what stands in the place of what it was migrated from, with data that was carried there', () => {
    const state = world({
      T: { commit: 'T1' },
      M: { from: ['T', 'T0'] },
      S: { from: ['M', 'M0'] },
      M2: { from: ['M', 'M0'], carries: ['T', 'T1'] },
    })
    expect(sync(state, 'M2', 'S')).toEqual({ base: 'M0', origin: 'S0', earlier: [], isExact: true })
  })

  test('over two jobs, what was written between them is on the way', () => {
    const state = world({ T: {}, M: { from: ['T', 'T0'], commit: 'M1' }, S: { from: ['M', 'M1'] } })
    expect(sync(state, 'S', 'T')).toEqual({
      base: 'S0',
      origin: 'T0',
      earlier: [{ base: 'M0', left: 'M1', version: '2.0.0' }],
      isExact: true,
    })
    // S has what was written in M, and no commit of it is without.
    expect(sync(state, 'T', 'S')).toMatchObject({ base: 'T0', isExact: false })
  })

  test('a carried snapshot and the one whose data it carries, both ways', () => {
    const state = world({ T: {}, S: { from: ['T', 'T0'], commit: 'S2' }, T2: { from: ['T', 'T0'], carries: ['S', 'S1'], commit: 'T21' } })
    expect(sync(state, 'T2', 'S')).toMatchObject({ base: 'T20', origin: 'S1' })
    expect(sync(state, 'S', 'T2')).toMatchObject({ base: 'S1', origin: 'T20' })
    expect(target(state, 'S', 'T')).toMatchObject({ to: 'T2', base: 'S1' })
  })

  test('by way of what was brought up before: it is not brought down again', () => {
    const state = world({
      T: { commit: 'T1' },
      M: { from: ['T', 'T0'] },
      S: { from: ['M', 'M0'] },
      S2: { from: ['S', 'S0'], carries: ['T', 'T1'], commit: 'S21' },
      M2: { from: ['M', 'M0'], carries: ['S2', 'S21'], commit: 'M21' },
    })
    expect(target(state, 'M2', 'T')).toEqual({
      to: 'T',
      base: 'M20',
      origin: 'T1',
      earlier: [{ base: 'S20', left: 'S21', version: '3.0.0' }],
      isExact: true,
    })
  })

  test('strangers never were', () => {
    expect(sync(world({ T: {}, S: {} }), 'S', 'T')).toBeUndefined()
  })

  test('a journal that leads in a circle ends the search', () => {
    const state = world({ T: { from: ['S', 'S0'], carries: ['S', 'S9'] }, S: { from: ['T', 'T0'], carries: ['T', 'T9'] }, X: {} })
    expect(sync(state, 'T', 'X')).toBeUndefined()
  })
})
