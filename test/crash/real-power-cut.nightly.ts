import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { report } from '../nightly/figures.ts'
import { ROOT } from '../support/sandbox.ts'
import type { FileSystem } from './real-device.ts'
import { noPowerToCut } from './real-device.ts'
import type { Tally } from './real-rounds.ts'
import { livesOn } from './real-rounds.ts'

const MINUTES = Number(process.env.STRATA_POWER_MINUTES ?? 5)
/** After so many power cuts a disk is made anew: its first life makes the store. */
const ROUNDS_A_DISK = 12
const figures: Record<string, number> = { 'minutes each': MINUTES }

const none = (): Tally => ({ rounds: 0, commands: 0, edits: 0, interrupted: 0, untold: 0, violations: [] })

const count = (name: string, tally: Tally): void => {
  figures[`${name} rounds`] = tally.rounds
  figures[`${name} commands acknowledged`] = tally.commands
  figures[`${name} commands interrupted`] = tally.interrupted
  figures[`${name} edits`] = tally.edits
  figures[`${name} overwrites cut half-way`] = tally.untold
  figures[`${name} violations`] = tally.violations.length
}

const manyOn = async (on: FileSystem): Promise<Tally> => {
  const tally = none()
  const end = performance.now() + MINUTES * 60_000
  const goOn = (): boolean => performance.now() < end
  for (let seed = Math.floor(Math.random() * 1e6) * 100; goOn(); seed += 100)
    await livesOn(on, ROUNDS_A_DISK, { seed, longestMs: 1500, flushes: true }, tally, goOn)
  return tally
}

describe('a real power cut', () => {
  it('can be made here', () => {
    expect(noPowerToCut() ?? 'yes').toBe('yes')
  })

  it.each<FileSystem>(['ext4', 'xfs'])('takes nothing from %s that was acknowledged', async (on) => {
    const tally = await manyOn(on)
    count(on, tally)
    expect(tally.violations).toEqual([])
    expect(tally.interrupted).toBeGreaterThan(0)
  })

  it('takes nothing from XFS with reflinks either', async () => {
    const tally = none()
    await livesOn('xfs with reflinks', 4, { seed: 1, longestMs: 1500, flushes: true }, tally)
    expect(tally.violations).toEqual([])
  })

  it.each<FileSystem>(['ext4', 'xfs'])('is noticed on %s where nothing is ever flushed', async (on) => {
    const tally = none()
    const hook = join(ROOT, 'test/crash/real-no-fsync.mjs')
    for (let seed = 1; seed <= 20 && tally.violations.length === 0; seed++)
      await livesOn(on, 3, { seed: seed * 100, longestMs: 1500, flushes: false, hook }, tally)
    figures[`${on} rounds until the planted mistake was seen`] = tally.rounds
    expect(tally.violations).not.toEqual([])
  })
})

afterAll(() => {
  report('real-power-cut', figures)
})
