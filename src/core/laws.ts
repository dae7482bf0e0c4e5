import type { AnyLaw, AnyMigration } from './chain.ts'
import { StrataError } from './errors.ts'
import type { Issue } from './issues.ts'
import { issue } from './issues.ts'
import { numberOf } from './json/index.ts'

/** What a step must not lose: counts of a kind, and the laws that a migration declares in `conserves`. */

export type Loss = { readonly what: string; readonly before: number; readonly after: number }

/** One law on its way through a file: numbers are summed, texts are collected. */
class Tally {
  readonly what: string
  readonly #law: AnyLaw
  readonly #sums = { before: 0, after: 0 }
  readonly #texts = { before: new Set<string>(), after: new Set<string>() }

  constructor(what: string, law: AnyLaw) {
    this.what = what
    this.#law = law
  }

  add(side: 'before' | 'after', unit: unknown): void {
    const measured = this.#law[side](unit)
    const number = numberOf(measured)
    if (number !== undefined) this.#sums[side] += number
    else if (typeof measured === 'string') this.#texts[side].add(measured)
    else if (Array.isArray(measured)) for (const text of measured) this.#texts[side].add(String(text))
    else if (measured !== null && measured !== undefined)
      throw new StrataError('INVALID_RESULT', `the law ${this.what} gave something that is neither number, text nor list of texts`)
  }

  /** A sum may differ by what rounding adds up to; a text must be there again. */
  loss(): Loss | undefined {
    const { before, after } = this.#sums
    // Written so that a sum that is no number fails too.
    const holds = before === after || Math.abs(before - after) <= 1e-9 * Math.max(Math.abs(before), Math.abs(after))
    if (!holds) return { what: this.what, before, after }
    const found = [...this.#texts.before].filter((text) => this.#texts.after.has(text)).length
    return found === this.#texts.before.size ? undefined : { what: this.what, before: this.#texts.before.size, after: found }
  }
}

/** The laws of one kind in one step, record by record, or for a whole document. On the way back the sides change places. */
export class Laws {
  readonly #tallies: readonly Tally[]
  readonly #back: boolean

  constructor(m: AnyMigration, kind: string, direction: 'migrate' | 'rollback') {
    this.#tallies = Object.entries(m.conserves?.[kind] ?? {}).map(([what, law]) => new Tally(what, law))
    this.#back = direction === 'rollback'
  }

  /** Measures what goes into the step. Call it before the step sees it: a step might change its input. */
  before(unit: unknown): void {
    for (const tally of this.#tallies) tally.add(this.#back ? 'after' : 'before', unit)
  }

  after(unit: unknown): void {
    for (const tally of this.#tallies) tally.add(this.#back ? 'before' : 'after', unit)
  }

  get any(): boolean {
    return this.#tallies.length > 0
  }

  losses(): Loss[] {
    return this.#tallies.flatMap((tally) => {
      const loss = tally.loss()
      if (loss === undefined) return []
      return this.#back ? [{ ...loss, before: loss.after, after: loss.before }] : [loss]
    })
  }
}

/** Counts that a step has let shrink. */
export const shrunk = (before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): Loss[] =>
  Object.entries(before).flatMap(([what, had]) => {
    const has = after[what] ?? had
    return has < had ? [{ what, before: had, after: has }] : []
  })

/** A warning with the reason that the migration gives for a loss. Throws DATA_LOST with both numbers where it gives none. */
export const announced = (m: AnyMigration, kind: string, file: string, { what, before, after }: Loss): Issue => {
  const reason = m.loses?.[kind]?.[what]
  if (reason === undefined)
    throw new StrataError('DATA_LOST', `${before} ${what} before the step, ${after} after it`, {
      data: { what, before, after },
      hint: `If this is meant, the migration says so: loses: { ${kind}: { ${what}: 'why' } }.`,
    })
  const count = Number.isInteger(before - after) ? Math.abs(before - after) : 1
  return issue({ severity: 'warning', code: 'COUNT_DECREASED', message: `${what}: ${reason}`, file, step: m.to.version, count })
}
