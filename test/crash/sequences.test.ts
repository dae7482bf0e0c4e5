import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { inLanes, makeScratch } from './kill-points.ts'
import { emptyTally, live } from './sequences.ts'

/** sequences.nightly.ts runs a hundred. */
const scratch = makeScratch()
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
})

test('any sequence of write, migrate, rollback, redo and crash: each record is there once after every step', {
  timeout: 600_000,
}, async () => {
  const tally = emptyTally()
  const wrong: string[] = []
  await inLanes([1, 2, 3, 4], async (seed) => {
    wrong.push(...(await live(scratch, seed, 14, tally)))
  })
  expect(wrong).toEqual([])
  for (const count of [tally.records, tally.killed, tally.switches, tally.carried]) expect(count).toBeGreaterThan(0)
})
