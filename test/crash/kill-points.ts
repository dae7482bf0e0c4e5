import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ERROR_CODES } from '../../src/core/errors.ts'
import type { Subject } from './kill-commands.ts'
import { afterRetry, atOnce } from './kill-judge.ts'
import type { Met, Plan, Ran } from './kill-process.ts'
import { isKill, strata, strataWith } from './kill-process.ts'

/** One point: a fresh store, a disturbed command, a look at once, the command again, and another look. */

export const makeScratch = (): string => mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'strata-kill-'))

export type Point = { readonly isHit: boolean; readonly wrong: readonly string[] }

/** A failed migration is told as a job, or by `start` as what kept it from being done. */
const errorOf = (stdout: string): string => {
  try {
    const { error, job } = JSON.parse(stdout) as { error?: { code: string }; job?: { status: string; error: string } }
    return job?.status === 'failed' && job.error !== '' ? 'MIGRATION_FAILED' : (error?.code ?? 'no error')
  } catch {
    return `no error code: ${stdout.slice(0, 300)}`
  }
}

const isOneOf = (codes: readonly string[], code: string): boolean => codes.includes(code)

/** A killed process was alive until then; another one says in so many words what it could not do. */
const endingProblems = ({ mode }: Plan, { code, signal, stdout, stderr }: Ran): string[] => {
  if (isKill(mode)) return signal === 'SIGKILL' ? [] : [`ended by ${signal ?? `exit ${String(code)}`} before it could be killed`]
  if (signal !== null || (code !== 0 && code !== 1)) return [`ended by ${signal ?? `exit ${String(code)}`}: ${stderr}`]
  if (code === 1 && !isOneOf(ERROR_CODES, errorOf(stdout))) return [`${errorOf(stdout)} ${stderr.slice(0, 300)}`]
  return []
}

/** What the user does next: the same command, which succeeds or says that there is nothing left to do. */
const retry = async ({ command, args, before, after }: Subject, store: string, mode: Plan['mode']): Promise<string[]> => {
  const { code, stdout, stderr } = await strata(store, args)
  if (code !== 0 && !isOneOf(command.nothing, errorOf(stdout))) return [`the retry failed: ${stdout}${stderr}`]
  // `init` says that there is a store and leaves it at that; whichever command comes next finishes what was begun.
  if (code !== 0) await strata(store, ['checkpoint'])
  return afterRetry(store, before, after, mode === 'ENOSPC')
}

const judged = async (subject: Subject, plan: Plan, store: string, ran: Ran & Met): Promise<string[]> => {
  const { before, between, after } = subject
  const hasSucceeded = ran.code === 0
  const wrong = [...endingProblems(plan, ran), ...atOnce(store, before, hasSucceeded ? [after] : [before.active, ...between, after])]
  return wrong.length > 0 ? wrong : retry(subject, store, plan.mode)
}

export const tryPoint = async (subject: Subject, plan: Plan): Promise<Point> => {
  const { store } = subject.copy()
  try {
    const ran = await strataWith(plan, store, subject.args)
    if (ran.hit === null) return { isHit: false, wrong: ran.code === 0 ? [] : [`not disturbed, and yet: ${ran.stdout}${ran.stderr}`] }
    const wrong = await judged(subject, plan, store, ran)
    return { isHit: true, wrong: wrong.map((w) => `${subject.command.name}, ${plan.mode} at ${ran.hit ?? ''}: ${w}`) }
  } finally {
    rmSync(join(store, '..'), { recursive: true, force: true })
  }
}

/** Runs `work` for each item, two at a time; most of it is waiting for processes. */
export const inLanes = async <T>(items: Iterable<T>, work: (item: T) => Promise<void>, lanes = 2): Promise<void> => {
  const queue = items[Symbol.iterator]()
  const lane = async (): Promise<void> => {
    for (let next = queue.next(); next.done !== true; next = queue.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** `count` of the numbers from 1 to `most`, spread evenly. */
export const spread = (most: number, count: number): number[] => [
  ...new Set(Array.from({ length: count }, (_, i) => Math.max(1, Math.round(((i + 0.5) / count) * most)))),
]
