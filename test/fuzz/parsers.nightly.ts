import { fork } from 'node:child_process'
import { afterAll, expect, test } from 'vitest'
import { temporary } from '../contract/temporary.ts'
import { bundle } from '../nightly/bundle.ts'
import { report } from '../nightly/figures.ts'
import type { FuzzDone, FuzzWork } from './fuzz-process.ts'
import { TARGETS } from './targets.ts'

const TOTAL = 1_200_000
const PROCESSES = 2
/** What a process may use; inputs that are told to unpack to gigabytes don't fit. */
const [HEAP_MB, MOST_MB] = [160, 800]
const AT_ONCE = 10_000
/** Another seed each night looks elsewhere: `STRATA_SEED=7 npm run nightly parsers`. */
const SEED = Number(process.env.STRATA_SEED ?? 1)

const done: FuzzDone[] = []
const began = performance.now()

const worker = (module: string, queue: FuzzWork[]): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = fork(module, { stdio: 'inherit', execArgv: [`--max-old-space-size=${HEAP_MB}`] })
    const next = (): void => {
      const work = queue.shift()
      if (work === undefined) child.disconnect()
      else child.send(work)
    }
    child.on('message', (found: FuzzDone) => {
      done.push(found)
      next()
    })
    child.on('error', reject)
    child.on('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`a process that fuzzes ended with ${code}`))
    })
    next()
  })

test('a million inputs: only results and StrataErrors, in time and in little memory', async () => {
  const rounds = Math.ceil(TOTAL / TARGETS.length / AT_ONCE)
  const queue = Array.from({ length: rounds * TARGETS.length }, (_, i) => ({
    target: i % TARGETS.length,
    count: AT_ONCE,
    seed: SEED * 1_000_000 + i,
  }))
  const module = await bundle('test/fuzz/fuzz-process.ts', temporary())
  await Promise.all(Array.from({ length: PROCESSES }, () => worker(module, queue)))
  expect(done.flatMap((d) => d.findings)).toEqual([])
  expect(done.reduce((sum, d) => sum + d.inputs, 0)).toBeGreaterThanOrEqual(1_000_000)
  expect(Math.max(...done.map((d) => d.peakMb))).toBeLessThan(MOST_MB)
})

afterAll(() => {
  const seconds = (performance.now() - began) / 1000
  const inputs = done.reduce((sum, d) => sum + d.inputs, 0)
  report('parsers', {
    parsers: new Set(done.map((d) => d.name)).size,
    inputs,
    refused: done.reduce((sum, d) => sum + d.refused, 0),
    findings: done.flatMap((d) => d.findings).length,
    'inputs a second': Math.round(inputs / seconds),
    'MB at most': Math.max(0, ...done.map((d) => d.peakMb)),
  })
})
