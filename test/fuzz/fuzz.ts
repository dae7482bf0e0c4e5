import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { StrataError } from '../../src/core/errors.ts'
import type { Random } from './mutate.ts'
import { randomFrom } from './mutate.ts'

/** One parser: real inputs to begin with, and what is done with an input. It may throw a StrataError, and nothing else. */
export type Target = { readonly name: string; readonly input: (random: Random) => Buffer; readonly run: (bytes: Buffer) => void }

/** Time of the processor, so that a busy machine is no finding: a hang is what is meant. */
const SLOW_MS = 1500
const MB = 1024 * 1024
/** Inputs have a few kilobytes, some a hundred. */
const MOST_AT_ONCE = 64 * MB
const MOST_GROWTH = 200 * MB
const MOST_HELD = 50 * MB

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes that are still held once everything that nobody holds is gone. */
const held = (): number => {
  collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}

export type Fuzzed = { readonly name: string; readonly inputs: number; readonly refused: number; readonly findings: string[] }

const outcome = (run: () => void): string => {
  try {
    run()
    return ''
  } catch (error) {
    if (error instanceof StrataError) return 'refused'
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
}

/** The most that was asked for at once since a parser began; null between two. */
let asked: number | null = null

const noted = (size: number): number => {
  if (asked === null) return size
  asked = Math.max(asked, size)
  if (size > MOST_AT_ONCE) throw new Error('too much at once')
  return size
}

// Pages that nobody touches cost nothing and don't show: so whoever asks for too many is caught as he asks.
// Once and for all: what depends on a function that changes all the time is compiled again each time.
const [alloc, allocUnsafe] = [Buffer.alloc.bind(Buffer), Buffer.allocUnsafe.bind(Buffer)]
Buffer.alloc = (size, fill?: string | Uint8Array | number) => alloc(noted(size), fill)
Buffer.allocUnsafe = (size) => allocUnsafe(noted(size))

const guarded = (run: () => void): string => {
  asked = 0
  const said = outcome(run)
  const most = asked
  asked = null
  // Whatever became of the error: a reader may have made a StrataError of it.
  return most > MOST_AT_ONCE ? `allocates ${most} bytes at once` : said
}

const peak = (): number => process.resourceUsage().maxRSS * 1024

/** What is wrong with how a parser takes an input; '' if nothing is, 'refused' if it threw a StrataError. */
const attempt = (target: Target, bytes: Buffer): string => {
  const [began, before] = [process.cpuUsage(), peak()]
  const said = guarded(() => {
    target.run(bytes)
  })
  const took = process.cpuUsage(began).user / 1000
  if (took > SLOW_MS) return `took ${Math.round(took)} ms`
  const grown = peak() - before
  return grown > MOST_GROWTH ? `took ${Math.round(grown / MB)} MB` : said
}

const kindOf = (wrong: string): string => wrong.replace(/\d+/g, '').split('\n')[0] ?? ''

const MOST_TRIES = 300

/** Leaves out what the finding doesn't need: bigger pieces first, as far as a few tries go. */
const shrink = (target: Target, found: Buffer, wrong: string): Buffer => {
  let [bytes, tries] = [found, wrong.startsWith('took') ? MOST_TRIES : 0]
  for (let size = bytes.length >> 1; size > 0; size >>= 1)
    for (let at = 0; at + size <= bytes.length && tries < MOST_TRIES; tries++) {
      const less = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)])
      if (kindOf(attempt(target, less)) === kindOf(wrong)) bytes = less
      else at += size
    }
  return bytes
}

/** Runs mutated inputs through a parser. Whatever is not a result or a StrataError, in time and within memory, is a finding. */
export const fuzz = async (target: Target, count: number, seed: number): Promise<Fuzzed> => {
  const random = randomFrom(seed)
  const findings: string[] = []
  let [refused, inputs] = [0, 0]
  const before = held()
  while (inputs < count && findings.length < 5) {
    // zlib lets go of what it could not inflate when the loop pauses.
    if (inputs % 20 === 19) await setImmediate()
    const bytes = target.input(random)
    const wrong = attempt(target, bytes)
    if (wrong === 'refused') refused += 1
    else if (wrong !== '') {
      const least = shrink(target, bytes, wrong)
      const hex = least.subarray(0, 2000).toString('hex')
      findings.push(`${target.name}, seed ${seed}, input ${inputs}: ${wrong}\n${least.length} bytes: ${hex}`)
    }
    inputs += 1
  }
  await setImmediate()
  if (held() - before > MOST_HELD) findings.push(`${target.name} holds on to its memory`)
  return { name: target.name, inputs, refused, findings }
}
