import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { report } from '../nightly/figures.ts'
import { inLanes, makeScratch } from './kill-points.ts'
import { emptyTally, live } from './sequences.ts'

const SEQUENCES = Number(process.env.STRATA_SEQUENCES ?? 100)
const STEPS = Number(process.env.STRATA_SEQUENCE_STEPS ?? 40)

const scratch = makeScratch()
const tally = emptyTally()
const wrong: string[] = []
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
  report('sequences', { sequences: SEQUENCES, ...tally, violations: wrong.length })
})

test('any sequence of write, migrate, rollback, redo and crash: each record is there once after every step', async () => {
  await inLanes(
    Array.from({ length: SEQUENCES }, (_, i) => i + 1),
    async (seed) => {
      wrong.push(...(await live(scratch, seed, STEPS, tally)))
    },
  )
  expect(wrong).toEqual([])
})
