import { rmSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import type { Subject } from './kill-commands.ts'
import { COMMANDS, makeLarge, subjectOf } from './kill-commands.ts'
import { inLanes, makeScratch, spread, tryPoint } from './kill-points.ts'
import { ERRORS } from './kill-process.ts'
import type { Mode, Plan } from './kill-process.ts'

const MODES: readonly Mode[] = ['before', 'torn', 'after', 'short']

const SLACK = 3

const scratch = makeScratch()
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const named = (name: string) => COMMANDS.filter((command) => command.name === name)

const plansFor = async (subject: Subject, points: readonly (readonly [Mode, number])[]): Promise<Plan[]> => {
  const all = await subject.calls('before')
  const ofWrites = points.some(([mode]) => mode === 'torn') ? await subject.calls('torn') : 1
  return points.flatMap(([mode, count], i) =>
    // Each mode at other calls: the points of one do not fall on those of another.
    spread(['torn', 'short'].includes(mode) ? ofWrites : Math.max(1, all - 7 * i), count).map((at) => ({ at, mode })),
  )
}

/** Two ways to be killed for each command, and an error, at other calls each; kill-sweep.nightly.ts tries them all. */
const pointsFor = (index: number): (readonly [Mode, number])[] =>
  [MODES[index % 4], MODES[(index + 1 + (index % 3)) % 4], ERRORS[index % ERRORS.length]].map((mode) => [mode ?? 'before', 1] as const)

const FEW: readonly (readonly [Mode, number])[] = [
  ['before', 1],
  ['EIO', 1],
]

const tryAll = async (subject: Subject, plans: readonly Plan[]): Promise<{ wrong: string[]; missed: Plan[] }> => {
  const [wrong, missed]: [string[], Plan[]] = [[], []]
  await inLanes(plans, async (plan) => {
    // A run may make a call or two less than the one that was counted: an index that is old enough is not written again.
    for (let at = plan.at; ; at--) {
      const point = await tryPoint(subject, { ...plan, at })
      wrong.push(...point.wrong)
      if (!point.isHit && plan.at - at < SLACK && at > 1) continue
      if (!point.isHit) missed.push(plan)
      return
    }
  })
  return { wrong, missed }
}

describe('a process that is killed or disturbed at a call leaves the old or the new state, and a retry works', () => {
  test.each(COMMANDS)('$name', { timeout: 120_000 }, async (command) => {
    const subject = await subjectOf(scratch, command)
    expect(await tryAll(subject, await plansFor(subject, pointsFor(COMMANDS.indexOf(command))))).toEqual({
      wrong: [],
      missed: [],
    })
  })

  test.each(named('migrate'))('$name, with so much data that workers write it', { timeout: 120_000 }, async (command) => {
    const subject = await subjectOf(scratch, command, makeLarge)
    expect(subject.threads).toBeGreaterThan(1)
    expect(subject.inWorkers).toBeGreaterThan(10)
    expect(await tryAll(subject, await plansFor(subject, FEW))).toEqual({ wrong: [], missed: [] })
  })

  test.each(named('init'))('after its last call $name ends by itself', async (command) => {
    const subject = await subjectOf(scratch, command)
    const last = await subject.calls('before')
    expect((await tryPoint(subject, { at: last, mode: 'before' })).isHit).toBe(true)
    expect((await tryPoint(subject, { at: last + 1, mode: 'before' })).isHit).toBe(false)
  })
})

test.each(named('migrate'))('a planted mistake is caught: CURRENT is written over in place', { timeout: 120_000 }, async (command) => {
  const subject = await subjectOf(scratch, command)
  const last = await subject.calls('before')
  const found: string[] = []
  // What comes after CURRENT takes a dozen calls; the last are tried last.
  for (let i = 0; i < 60 && found.length === 0; i++)
    found.push(...(await tryPoint(subject, { at: last - ((i + 12) % 60), mode: 'after', plant: 'in place' })).wrong)
  expect(found.join()).toContain('CURRENT cannot be used')
})
