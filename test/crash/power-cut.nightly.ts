import { fork } from 'node:child_process'
import { afterAll, expect, test } from 'vitest'
import { temporary } from '../contract/temporary.ts'
import { bundle } from '../nightly/bundle.ts'
import { report } from '../nightly/figures.ts'
import { SCENARIOS, SPECIAL } from './scenarios.ts'
import type { Done, Work } from './sweep-process.ts'
import type { Effort, Tally } from './sweep.ts'
import { emptyTally } from './sweep.ts'

const PROCESSES = 2
const CUT: Effort = { extra: 16, states: 12_000, recoveries: 24, statesOfRecovery: 250, seed: 7 }
const KILLED: Effort = { extra: 4, states: 60, recoveries: 0, statesOfRecovery: 0, seed: 11 }
/** Every so many calls the process is killed; a piece of work is so many kills. */
const [KILL_STEP, KILLS_AT_ONCE, MOST_CALLS] = [3, 10, 600]

const total = emptyTally()
let cpuMs = 0
const began = performance.now()

const add = (tally: Tally): void => {
  total.states += tally.states
  total.images += tally.images
  total.compoundStates += tally.compoundStates
  total.compoundImages += tally.compoundImages
  total.recoveries += tally.recoveries
  total.kills += tally.kills
  total.repositories += tally.repositories
  total.violations.push(...tally.violations)
}

const killsFrom = (scenario: string, first: number): Work => ({
  scenario,
  effort: KILLED,
  kills: Array.from({ length: KILLS_AT_ONCE }, (_, i) => first + i * KILL_STEP),
})

/** One process works until there is nothing left to do. */
const worker = (module: string, queue: Work[]): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = fork(module, { stdio: 'inherit', execArgv: [] })
    let current: Work | undefined
    const next = (): void => {
      current = queue.shift()
      if (current === undefined) child.disconnect()
      else child.send(current)
    }
    child.on('message', ({ tally, isOver, cpuMs: spent }: Done) => {
      add(tally)
      cpuMs += spent
      const last = current?.kills?.at(-1)
      // How many calls a command has is known only when it was killed after the last one.
      if (current !== undefined && last !== undefined && !isOver && last < MOST_CALLS)
        queue.push(killsFrom(current.scenario, last + KILL_STEP))
      next()
    })
    child.on('error', reject)
    child.on('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`a process of the sweep ended with ${code}`))
    })
    next()
  })

test('after any power cut, also one during recovery or after a kill, nothing acknowledged is lost', async () => {
  const all = [...SCENARIOS, ...SPECIAL].map(({ name }) => name)
  const queue: Work[] = [
    ...all.map((scenario) => ({ scenario, effort: CUT, kills: null })),
    // The other ones are killed already.
    ...all.filter((name) => !name.includes('killed')).map((name) => killsFrom(name, 1)),
  ]
  const module = await bundle('test/crash/sweep-process.ts', temporary())
  await Promise.all(Array.from({ length: PROCESSES }, () => worker(module, queue)))
  expect(total.violations).toEqual([])
  expect(total.states + total.compoundStates).toBeGreaterThan(100_000)
  expect(total.compoundStates).toBeGreaterThan(10_000)
})

afterAll(() => {
  const seconds = (performance.now() - began) / 1000
  const states = total.states + total.compoundStates
  report('power-cut', {
    states,
    'distinct images': total.images + total.compoundImages,
    'compound states': total.compoundStates,
    'recoveries cut': total.recoveries,
    'kills before the cut': total.kills,
    'repositories judged by git': total.repositories,
    'states a second': Math.round(states / seconds),
    'states a second of processor time': Math.round(states / (cpuMs / 1000)),
    violations: total.violations.length,
  })
})
