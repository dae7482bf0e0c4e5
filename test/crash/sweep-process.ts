import { rmSync } from 'node:fs'
import { SCENARIOS, SPECIAL } from './scenarios.ts'
import type { Effort, Tally } from './sweep.ts'
import { Sweep, makeScratch } from './sweep.ts'

/** A process of the nightly run: gets one piece of work after another from its parent, and answers with what it counted. */

/** `kills`: the process is killed after each of these calls instead of the power being cut at every call. */
export type Work = { readonly scenario: string; readonly effort: Effort; readonly kills: readonly number[] | null }
/** `isOver`: the command has no more calls than that. */
export type Done = { readonly tally: Tally; readonly isOver: boolean; readonly cpuMs: number }

const scratch = makeScratch()

const doWork = async ({ scenario: name, effort, kills }: Work): Promise<Done> => {
  const scenario = [...SCENARIOS, ...SPECIAL].find((s) => s.name === name)
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`)
  const before = process.cpuUsage()
  const sweep = new Sweep(scratch)
  let isOver = kills === null
  if (kills === null) await sweep.run(scenario, effort)
  else
    for (const n of kills) {
      isOver = !(await sweep.runKilled(scenario, n, effort))
      if (isOver || sweep.isEnough) break
    }
  sweep.close()
  const { user, system } = process.cpuUsage(before)
  return { tally: sweep.tally, isOver, cpuMs: (user + system) / 1000 }
}

process.on('message', (work: Work) => {
  doWork(work).then(
    (done) => process.send?.(done),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => {
  rmSync(scratch, { recursive: true, force: true })
})
