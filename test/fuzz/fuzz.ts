import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { StrataError } from '../../src/core/errors.ts'
import { randomFrom } from './mutate.ts'
import type { Target } from './targets.ts'

/** A hang is what is meant: machines are slow at times. */
const SLOW_MS = 2000
const MOST_HELD = 50 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes that are still held once everything that nobody holds is gone. */
const held = (): number => {
  collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}

export type Fuzzed = { readonly inputs: number; readonly refused: number; readonly findings: string[] }

const attempt = (target: Target, bytes: Buffer): string => {
  const began = performance.now()
  let wrong = ''
  try {
    target.run(bytes)
  } catch (error) {
    if (!(error instanceof StrataError)) wrong = error instanceof Error ? (error.stack ?? error.message) : String(error)
    else wrong = 'refused'
  }
  const took = performance.now() - began
  return took > SLOW_MS ? `took ${Math.round(took)} ms` : wrong
}

/** Runs mutated inputs through a parser. Whatever is not a result or a StrataError, in time and within memory, is a finding. */
export const fuzz = async (target: Target, count: number, seed: number): Promise<Fuzzed> => {
  const random = randomFrom(seed)
  const findings: string[] = []
  let refused = 0
  const before = held()
  for (let n = 0; n < count && findings.length < 5; n++) {
    // zlib lets go of what it could not inflate when the loop pauses.
    if (n % 200 === 199) await setImmediate()
    const bytes = target.input(random)
    const wrong = attempt(target, bytes)
    if (wrong === 'refused') refused += 1
    else if (wrong !== '') findings.push(`${target.name}, seed ${seed}, input ${n}: ${wrong}\n${bytes.subarray(0, 600).toString('hex')}`)
  }
  await setImmediate()
  if (held() - before > MOST_HELD) findings.push(`${target.name} holds on to its memory`)
  return { inputs: count, refused, findings }
}
