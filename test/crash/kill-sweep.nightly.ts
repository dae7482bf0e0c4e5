import { rmSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { report } from '../nightly/figures.ts'
import { COMMANDS, makeLarge, subjectOf } from './kill-commands.ts'
import type { Subject } from './kill-commands.ts'
import { inLanes, makeScratch, tryPoint } from './kill-points.ts'
import { MODES } from './kill-process.ts'
import type { Mode } from './kill-process.ts'

/** 1: every point. A larger number tries every so many, for a first look. */
const STRIDE = Number(process.env.STRATA_KILL_STRIDE ?? 1)
const ENOUGH = 10

const scratch = makeScratch()
const figures = { points: 0, commands: 0, 'points with workers': 0, violations: 0 }
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
  report('kill-sweep', figures)
})

/** From the first call on, until a run ends by itself. */
const sweep = async (subject: Subject, mode: Mode, stride: number): Promise<{ points: number; wrong: string[] }> => {
  const wrong: string[] = []
  const state = { points: 0, isOver: false }
  const numbers = function* (): Generator<number> {
    for (let n = 1; !state.isOver && wrong.length < ENOUGH; n += stride) yield n
  }
  await inLanes(numbers(), async (at) => {
    const point = await tryPoint(subject, { at, mode })
    wrong.push(...point.wrong)
    if (point.isHit) state.points += 1
    else state.isOver = true
  })
  return { points: state.points, wrong }
}

for (const [data, make, stride] of [
  ['little data', undefined, STRIDE],
  ['data for workers', makeLarge, STRIDE * 5],
] as const)
  describe(`with ${data}, a process that is killed or disturbed at any call leaves the old or the new state, and a retry works`, () => {
    const commands = COMMANDS.filter(({ name }) => make === undefined || ['init', 'migrate'].includes(name))
    test.each(commands)('$name', async (command) => {
      const subject = await subjectOf(scratch, command, make)
      if (make !== undefined) expect(subject.inWorkers).toBeGreaterThan(10)
      const all: string[] = []
      for (const mode of MODES) {
        const { points, wrong } = await sweep(subject, mode, stride)
        figures[make === undefined ? 'points' : 'points with workers'] += points
        all.push(...wrong)
      }
      figures.commands += make === undefined ? 1 : 0
      figures.violations += all.length
      expect(all).toEqual([])
    })
  })
