import { StrataError, messageOf } from './errors.ts'
import { isRefusedChange } from './freeze.ts'
import type { Kind } from './schema.ts'

/** How a step's failure is told: which file, which record, which step, and why. */

export type Place = { file: string; step: string; record: number | null }

/** A result that contains itself ends the checks in V8's own words, which say nothing to a migration's author. */
const reasonOf = (error: unknown): string =>
  error instanceof RangeError && error.message.includes('call stack')
    ? 'the step calls itself without end, or its result contains itself or is nested too deeply'
    : messageOf(error)

/** The record that a path such as `results[3].ts` leads through; null when it is in the head. */
export const recordIn = (kind: Kind, error: unknown): number | null => {
  const path = error instanceof StrataError ? error.data.path : undefined
  if (kind.at === undefined || typeof path !== 'string' || !path.startsWith(`${kind.at}[`)) return null
  return Number.parseInt(path.slice(kind.at.length + 1), 10)
}

/** Names file, record and step in whatever a migration's function throws. */
export const failure = (error: unknown, place: Place): StrataError => {
  const reason = reasonOf(error)
  const thrown = isRefusedChange(error) ? 'INPUT_CHANGED' : 'MIGRATION_FAILED'
  const code = error instanceof StrataError && error.code !== 'ABSENT' ? error.code : thrown
  const inner = error instanceof StrataError ? error.data : {}
  const record = place.record ?? (typeof inner.record === 'number' ? inner.record : null)
  const at = record === null ? '' : `, record ${record}`
  return new StrataError(code, `${place.file}${at}: step ${place.step}: ${reason}`, {
    data: { ...inner, file: place.file, step: place.step, record },
    hint:
      error instanceof StrataError && error.hint !== ''
        ? error.hint
        : 'The active snapshot is untouched. Mend the file or the migration, then migrate again.',
    cause: error,
  })
}

/** A promise is no result, and a rejected one that nobody awaits would end the process. */
export const settled = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || !('then' in value) || typeof value.then !== 'function') return value
  Promise.resolve(value).catch(() => undefined)
  throw new StrataError('ASYNC_STEP', 'the step returned a promise', { hint: 'Migrations are synchronous: return the value itself.' })
}

/** What a function gives that may give several things. Throws RESULT_UNDEFINED for one that has forgotten to, INVALID_RESULT, ASYNC_STEP. */
export const iterableOf = <T>(given: Iterable<T>, what: string): Iterable<T> => {
  // Not as the types say: a migration may be written in JavaScript.
  const value: unknown = settled(given)
  if (value === undefined)
    throw new StrataError('RESULT_UNDEFINED', `${what} gave nothing`, { hint: 'Return a list, which may be empty, or yield.' })
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) throw invalid(`${what} gave no list`)
  // Not taken yet: a step may look at what it has yielded before.
  return given
}

export const invalid = (message: string): StrataError => new StrataError('INVALID_RESULT', message)
