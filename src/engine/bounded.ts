import { Script } from 'node:vm'
import { StrataError, systemCode } from '../core/errors.ts'

/**
 * The time limit of a file. A step is synchronous, so nothing on its own thread could stop one that never ends: V8's watchdog,
 * which node:vm starts, does. It ends loops and regular expressions alike, on the main thread as in a worker.
 */

/** Held, as lint puts another clock in its place. */
const clock = performance.now.bind(performance)

/** A file may take this long, and longer the bigger it is. */
const SECONDS = 60
const BYTES_PER_SECOND = 1_000_000

const limitOf = (bytes: number, seconds = SECONDS): number => Math.ceil(seconds * 1000 + (bytes / BYTES_PER_SECOND) * 1000)

const SLOT = Symbol.for('strata.bounded')
const script = new Script("globalThis[Symbol.for('strata.bounded')]()", { filename: 'strata-bounded' })
const slot = globalThis as { [SLOT]?: (() => void) | undefined }

/** Runs `work`; false when it took longer than `limitMs` and was ended. What it threw is thrown. */
const endsIn = (limitMs: number, work: () => void): boolean => {
  const outer = slot[SLOT]
  slot[SLOT] = work
  try {
    script.runInThisContext({ timeout: limitMs })
    return true
  } catch (error) {
    if (systemCode(error) === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false
    throw error
  } finally {
    slot[SLOT] = outer
  }
}

/** Where in a file the work is. */
type Where = { readonly step: string | null; readonly record: number | null }

const timedOut = (file: string, { step, record }: Where, ms: number): StrataError =>
  new StrataError(
    'MIGRATION_TIMEOUT',
    `${file}${record === null ? '' : `, record ${record}`}: step ${step ?? '?'} has not ended within ${ms / 1000} s`,
    {
      data: { file, record, step, seconds: ms / 1000 },
      hint: 'Look for a loop without end. If the file just takes long, the dataset can allow more: dataset({ …, secondsPerFile: 600 }).',
    },
  )

type Timed = { readonly path: string; readonly size: number }

/**
 * Runs `work` for each file; none may take longer than its limit (and half of it again: a watchdog costs a thread, so one serves
 * several files). `expired` is what `ctx.signal` looks at, a little earlier. Throws MIGRATION_TIMEOUT, naming the file, and `where` it was.
 */
export const eachInTime = <F extends Timed>(
  files: readonly F[],
  seconds: number | undefined,
  where: () => Where,
  work: (file: F) => void,
): void => {
  const limit = limitOf(Math.max(0, ...files.map((f) => f.size)), seconds)
  let at = 0
  const some = (): void => {
    const began = clock()
    for (; at < files.length; at++) {
      const file = files[at]
      if (file === undefined || clock() - began > limit / 2) return
      deadline = clock() + limit * 0.9
      work(file)
    }
  }
  try {
    while (at < files.length) if (!endsIn(limit + Math.ceil(limit / 2), some)) throw timedOut(files[at]?.path ?? '', where(), limit)
  } finally {
    deadline = Infinity
  }
}

/** The same for what is done with one file. */
export const inTime = <T>(file: Timed, seconds: number | undefined, where: () => Where, work: () => T): T => {
  let result: { value: T } | undefined
  eachInTime([file], seconds, where, () => {
    result = { value: work() }
  })
  if (result === undefined) throw new StrataError('ABSENT', 'nothing was done')
  return result.value
}

/** When the file at hand is out of time. One thread works at one file. */
let deadline = Infinity

/** Whether the file that this thread works at is out of time. */
export const expired = (): boolean => clock() > deadline
