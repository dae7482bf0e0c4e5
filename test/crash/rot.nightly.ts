import { afterAll, expect, test } from 'vitest'
import { report } from '../nightly/figures.ts'
import { findAll, healAll } from './rot-sweep.ts'
import { makeStore, scratchFolder } from './rot.ts'

const { scratch, remove } = scratchFolder()
afterAll(remove)

test('every byte and every file of a small store: damage is found, and what can be healed is healed', async () => {
  const base = await makeStore(scratch)
  const found = await findAll(base, scratch, 0)
  const healed = await healAll(base, scratch, 0, 60)
  report('rot', {
    'damages shown to verify': found.tried,
    missed: found.missed.length,
    'damages shown to repair': healed.tried,
    'not healed': healed.wrong.length,
  })
  expect(found.missed).toEqual([])
  expect(healed.wrong).toEqual([])
})
