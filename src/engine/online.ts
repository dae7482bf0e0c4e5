import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { StrataError } from '../core/errors.ts'
import { flushFiles, fsyncDirectory } from '../storage/durable.ts'
import type { Scanned } from '../storage/scan.ts'
import type { Checkpointed } from './checkpoint.ts'
import { checkpoint } from './checkpoint.ts'
import { scan } from './directory.ts'
import type { JobSpec, JobWork, OnlineOptions } from './job-spec.ts'
import { throwIfCancelled } from './job-spec.ts'
import type { StagedStep } from './stage.ts'
import { flushStaged } from './staged-directory.ts'
import { checkDirectory } from './verify-directory.ts'

/** So few files to do again need no further round before the pause. */
const FEW_FILES = 16
const MOST_ROUNDS = 20
const LAST_ROUNDS = 2
const QUIET_MS = 200
const PATIENCE_MS = 5_000

/** One round of taking in what was written; files that changed while they were transformed wait for the next. */
const round = async (work: JobWork, spec: JobSpec): Promise<{ now: Checkpointed; todo: number }> => {
  throwIfCancelled(work.signal)
  const now = await checkpoint(work.session, spec.from.id, 'written while migrating')
  const missing = [...now.files.keys()].filter((path) => work.staging.result(path) === undefined)
  const again = [...new Set([...now.changed, ...missing])]
  if (again.length > 0) await spec.catchUp?.(work, again, now)
  return { now, todo: again.length }
}

/** Rounds until the application writes no more in one than can be done while it waits. */
export const catchUp = async (work: JobWork, spec: JobSpec): Promise<Checkpointed> => {
  for (let n = 1; ; n++) {
    const { now, todo } = await round(work, spec)
    if (todo <= FEW_FILES || n >= MOST_ROUNDS) return now
  }
}

/**
 * What was written last. Of an application that does not pause the last of it stays behind: it is carried over when the directory is
 * looked at the next time. But every file is there, as it was at some moment. Throws UNSTABLE.
 */
export const catchLast = async (work: JobWork, spec: JobSpec): Promise<Checkpointed> => {
  for (let n = 1; n <= MOST_ROUNDS; n++) {
    const { now, todo } = await round(work, spec)
    const isWhole = [...now.files.keys()].every((path) => work.staging.result(path) !== undefined)
    if (isWhole && (todo === 0 || n >= LAST_ROUNDS)) return now
  }
  throw new StrataError('UNSTABLE', 'the application keeps writing to files faster than they can be read', {
    hint: 'Let it pause for a moment, or close it; then migrate again.',
  })
}

/** What of each staged directory is on the disk and was compared with what it should be. */
export type Prepared = readonly Scanned[]

/** Does what can be done before the pause: each staged directory is flushed, and every byte compared. */
export const prepare = async (work: JobWork, staged: readonly StagedStep[]): Promise<Prepared> => {
  const { session, staging, targets, pool } = work
  const done: Scanned[] = []
  for (const [i, target] of targets.entries()) {
    const dir = staging.directory(target)
    const scanned = scan(session.context, dir)
    await flushStaged(session.context, dir, scanned)
    const { wrong } = await checkDirectory(pool, dir, staged[i]?.files.values() ?? [])
    // What was found wrong is compared again behind the pause, and fails the job there.
    done.push(wrong.length === 0 ? scanned : { files: new Map(), directories: scanned.directories })
  }
  return done
}

const isSame = (before: Scanned | undefined, now: Scanned, path: string): boolean => {
  const [was, is] = [before?.files.get(path), now.files.get(path)]
  return was?.ino === is?.ino && was?.mtimeMs === is?.mtimeMs && was?.ctimeMs === is?.ctimeMs && was?.size === is?.size
}

/** Flushes what has changed in the staged directories since they were prepared; returns which files that is, for each. */
export const flushAgain = async (work: JobWork, prepared: Prepared): Promise<ReadonlySet<string>[]> => {
  const { session, staging, targets } = work
  const { fs } = session.context
  const changed: Set<string>[] = []
  for (const [i, target] of targets.entries()) {
    const dir = staging.directory(target)
    const now = scan(session.context, dir)
    const files = [...now.files.keys()].filter((path) => !isSame(prepared[i], now, path))
    await flushFiles(
      fs,
      files.map((path) => join(dir, path)),
    )
    for (const { path } of [...now.directories].reverse()) fsyncDirectory(fs, join(dir, path))
    fsyncDirectory(fs, dir)
    changed.push(new Set(files))
  }
  return changed
}

/** Waits, for so long at most, until nothing has been written for a while. */
const waitForQuiet = async (
  { session, signal }: JobWork,
  spec: JobSpec,
  { quietMs = QUIET_MS, patienceMs = PATIENCE_MS }: OnlineOptions,
) => {
  const { context } = session
  const began = performance.now()
  let newest = -1
  let since = began
  while (performance.now() - began < patienceMs) {
    throwIfCancelled(signal)
    const { files } = scan(context, context.paths.snapshot(spec.from.id))
    const latest = [...files.values()].reduce((max, f) => Math.max(max, f.mtimeMs, f.ctimeMs), files.size)
    if (latest !== newest) {
      newest = latest
      since = performance.now()
    } else if (performance.now() - since >= quietMs) return
    await sleep(Math.min(quietMs / 4, 50))
  }
  context.log('warning', `the application has not paused for ${patienceMs} ms; what it still writes is carried over at its next start`)
}

export type Pause = { readonly elapsedMs: () => number; readonly resume: () => Promise<void> }

/** Asks the application to pause, or waits for a moment without writes. */
export const pause = async (work: JobWork, spec: JobSpec, online: OnlineOptions): Promise<Pause> => {
  let resume: (() => unknown) | undefined
  if (online.pause === undefined) await waitForQuiet(work, spec, online)
  const began = performance.now()
  if (online.pause !== undefined) resume = await online.pause()
  return {
    elapsedMs: () => Math.round(performance.now() - began),
    resume: async () => {
      await resume?.()
    },
  }
}
