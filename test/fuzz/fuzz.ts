import { StrataError } from '../../src/core/errors.ts'
import { randomFrom } from './mutate.ts'
import type { Target } from './targets.ts'

/** A hang is what is meant: machines are slow at times. */
const SLOW_MS = 2000
const MOST_GROWTH = 700 * 1024 * 1024

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
export const fuzz = (target: Target, count: number, seed: number): Fuzzed => {
  const random = randomFrom(seed)
  const findings: string[] = []
  let refused = 0
  const before = process.memoryUsage()
  for (let n = 0; n < count && findings.length < 5; n++) {
    const bytes = target.input(random)
    const wrong = attempt(target, bytes)
    if (wrong === 'refused') refused += 1
    else if (wrong !== '') findings.push(`${target.name}, seed ${seed}, input ${n}: ${wrong}\n${bytes.subarray(0, 600).toString('hex')}`)
  }
  const after = process.memoryUsage()
  if (after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed > MOST_GROWTH)
    findings.push(`${target.name} holds on to its memory`)
  return { inputs: count, refused, findings }
}
