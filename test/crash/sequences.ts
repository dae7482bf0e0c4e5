import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { appendRecord, currentOf, latenciesFrom } from '../support/netmonitor.ts'
import type { Mode } from './kill-process.ts'
import { strata, strataWith } from './kill-process.ts'
import { makeOriginal } from './scenarios.ts'

/**
 * Random sequences of what happens to a store in its life: the application writes, someone migrates, goes back and returns, and
 * any of these commands may be killed. After each of them, what an application finds holds every record once; what it went on
 * writing into a directory that a killed command had left is there when the next command has gone well.
 */

/** Small numbers from a seed: the same sequence for the same seed. */
const randomOf = (seed: number) => {
  let state = seed * 2654435761 + 1
  return (below: number): number => {
    state = (state ^ (state << 13)) >>> 0
    state = (state ^ (state >>> 17)) >>> 0
    state = (state ^ (state << 5)) >>> 0
    return state % below
  }
}

const FIRST = 100_000
const DAYS = ['2026-01-01', '2026-01-02', '2026-01-03'] as const
const VERSIONS = ['1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0'] as const
/** What a command may say where there is nothing for it to do. */
const IDLE = ['NOTHING_TO_ROLL_BACK', 'NOTHING_TO_REDO', 'ABSENT', 'BAD_ARGUMENT']
const KILLS: readonly Mode[] = ['before', 'after', 'torn']

export type Tally = { commands: number; killed: number; idle: number; records: number; switches: number; carried: number }
export const emptyTally = (): Tally => ({ commands: 0, killed: 0, idle: 0, records: 0, switches: 0, carried: 0 })

class Life {
  readonly #store: string
  readonly #random: (below: number) => number
  readonly #tally: Tally
  readonly #told: string[] = []
  /** A killed command may have switched and not have come to CURRENT: the application goes on in the directory that was left. */
  #isStale = false
  /** What it wrote there: the next command that goes well carries it over. */
  readonly #late = new Set<number>()
  #next = FIRST

  constructor(store: string, seed: number, tally: Tally) {
    this.#store = store
    this.#random = randomOf(seed)
    this.#tally = tally
  }

  async run(steps: number): Promise<string[]> {
    for (let i = 0; i < steps; i++) {
      if (this.#random(5) < 2) this.#write()
      else await this.#command(this.#choose())
      const wrong = this.#problems()
      if (wrong.length > 0) return [`after ${this.#told.join('; ')}: ${wrong.join('; ')}`]
    }
    // The last command may have been killed: the next one finishes what it began.
    await strata(this.#store, ['checkpoint'])
    this.#late.clear()
    const wrong = this.#problems()
    if (wrong.length > 0) return [`after ${this.#told.join('; ')}; checkpoint: ${wrong.join('; ')}`]
    const verified = await strata(this.#store, ['verify'])
    const { valid } = JSON.parse(verified.stdout) as { valid: boolean }
    return valid ? [] : [`after ${this.#told.join('; ')}: verify finds ${verified.stdout.slice(0, 500)}`]
  }

  #write(): void {
    const { directory, schemaVersion } = currentOf(this.#store)
    const count = 1 + this.#random(3)
    const date = DAYS[this.#random(DAYS.length)] ?? DAYS[0]
    for (let i = 0; i < count; i++) {
      appendRecord(directory, schemaVersion, date, Date.UTC(2026, 0, 2) + this.#next, this.#next)
      if (this.#isStale) this.#late.add(this.#next)
      this.#next += 1
    }
    this.#tally.records += count
    this.#told.push(`${count} records to ${date} at ${schemaVersion}`)
  }

  #choose(): string[] {
    const version = VERSIONS[this.#random(VERSIONS.length)] ?? '2.2.0'
    const all = [
      ['migrate'],
      ['migrate', '--to', version],
      ['rollback'],
      ['rollback'],
      ['rollback', version],
      ['redo'],
      ['redo'],
      ['checkpoint'],
      ['prune', '--directories', '0', '--days', '0', '--yes'],
      ['gc'],
    ]
    return all[this.#random(all.length)] ?? ['checkpoint']
  }

  async #command(args: readonly string[]): Promise<void> {
    const before = currentOf(this.#store).snapshot
    this.#tally.commands += 1
    if (this.#random(2) === 0) {
      const mode = KILLS[this.#random(KILLS.length)] ?? 'before'
      const at = 1 + this.#random(160)
      const ran = await strataWith({ at, mode }, this.#store, args)
      if (ran.signal === 'SIGKILL') {
        this.#tally.killed += 1
        this.#isStale = true
      } else this.#expect(args, ran)
      this.#told.push(`${args.join(' ')}, ${ran.signal === 'SIGKILL' ? `killed ${mode} ${ran.hit ?? ''}` : 'not killed'}`)
    } else {
      const ran = await strata(this.#store, args)
      this.#expect(args, ran)
      this.#told.push(args.join(' '))
    }
    if (currentOf(this.#store).snapshot !== before) this.#tally.switches += 1
  }

  #expect(args: readonly string[], { code, stdout, stderr }: { code: number | null; stdout: string; stderr: string }): void {
    const { error, carried } = JSON.parse(stdout) as { error?: { code: string }; carried?: unknown[] }
    if ((carried?.length ?? 0) > 0) this.#tally.carried += 1
    if (code === 0) {
      this.#isStale = false
      this.#late.clear()
      return
    }
    // History that was cut off says no more what is new: then nothing is switched, rather than left behind unsaid.
    const isCut = error?.code === 'DATA_WRITTEN_SINCE' && this.#told.some((what) => what.startsWith('prune'))
    if (!isCut && !IDLE.includes(error?.code ?? '')) throw new Error(`${this.#told.join('; ')}; ${args.join(' ')}: ${stdout}${stderr}`)
    this.#tally.idle += 1
  }

  #problems(): string[] {
    const found = latenciesFrom(currentOf(this.#store).directory, FIRST)
    const seen = new Map<number, number>()
    for (const n of found) seen.set(n, (seen.get(n) ?? 0) + 1)
    const wrong: string[] = []
    for (let n = FIRST; n < this.#next; n++) {
      const times = seen.get(n) ?? 0
      if (times !== 1 && !(times === 0 && this.#late.has(n))) wrong.push(`record ${n} is there ${times} times`)
    }
    return wrong
  }
}

/** One life, in a directory of its own; what went wrong. */
export const live = async (scratch: string, seed: number, steps: number, tally: Tally): Promise<string[]> => {
  const dir = join(scratch, `life-${seed}`)
  const [store, original] = [join(dir, 'store'), join(dir, 'original')]
  mkdirSync(dir)
  try {
    makeOriginal(original)
    const made = await strata(store, ['init', '--from', original])
    if (made.code !== 0) throw new Error(made.stdout)
    const wrong = await new Life(store, seed, tally).run(steps)
    return wrong.map((w) => `seed ${seed}: ${w}`)
  } catch (error) {
    const journal = readFileSync(join(store, 'journal/00000001.jsonl'), 'utf8').split('\n').length
    return [`seed ${seed}: ${String(error)} (${journal} lines in the journal)`]
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
