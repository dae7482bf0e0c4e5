import * as nodeFs from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import type { KillPoint } from './ports.ts'
import { PLANTED } from './ports.ts'
import type { Scenario } from './scenarios.ts'
import { SCENARIOS, SPECIAL } from './scenarios.ts'
import type { Effort } from './sweep.ts'
import { Sweep, makeScratch } from './sweep.ts'

/** About so many states of each command; power-cut.nightly.ts judges them all. */
const STATES = Number(process.env.STRATA_CRASH_STATES ?? 25)
const EFFORT: Effort = { extra: 2, states: STATES, recoveries: 2, statesOfRecovery: 15, seed: 7 }
const ALL = [...SCENARIOS, ...SPECIAL]
const named = (name: string): Scenario => {
  const found = ALL.find((s) => s.name === name)
  if (found === undefined) throw new Error(`there is no scenario ${name}`)
  return found
}

const scratch = makeScratch()
afterAll(() => {
  nodeFs.rmSync(scratch, { recursive: true, force: true })
})

describe('after a power cut at any call, also of recovery, the active snapshot is exactly the old or the new one', () => {
  for (const scenario of ALL)
    test(scenario.name, { timeout: 600_000 }, async () => {
      const tally = await new Sweep(scratch).run(scenario, EFFORT)
      expect(tally.violations).toEqual([])
      expect(tally.images).toBeGreaterThan(10)
      expect(tally.compoundImages).toBeGreaterThan(3)
    })
})

describe('after a kill, the next start and then a power cut, what that start chose stays', () => {
  /** The write that only has to be flushed, and some calls all over the command. */
  const points: readonly [name: string, ...KillPoint[]][] = [
    ['redo', 'SnapshotActivated', 3, 9, 15, 22, 30],
    ['rollback', 'CheckpointTaken', 'SnapshotActivated', 20, 50, 80],
    ['checkpoint', 'CheckpointTaken', 20, 40, 60],
    ['migrate', 'MigrationStarted', 'SnapshotSealed', 'SnapshotActivated', 100],
    // In the middle of removing the old packs, one after another.
    ['merging of packs', 160, 163, 166],
    ['gc', 'Compacted', 88, 91, 94],
    ['forget of a file in every snapshot', 'Forgotten', 'Erased', 'Compacted'],
  ]
  for (const [name, ...at] of points)
    test(name, { timeout: 600_000 }, async () => {
      const sweep = new Sweep(scratch)
      for (const point of at) expect(await sweep.runKilled(named(name), point, { ...EFFORT, states: 30 }), String(point)).toBe(true)
      expect(sweep.tally.violations).toEqual([])
    })
})

describe('a planted mistake is caught', () => {
  for (const { name, scenario, plant } of PLANTED)
    test(name, { timeout: 600_000 }, async () => {
      const sweep = new Sweep(scratch)
      const effort = { ...EFFORT, states: 150, recoveries: 0 }
      await sweep.run(named(scenario), effort, plant)
      expect(sweep.tally.violations).not.toEqual([])
    })
})
