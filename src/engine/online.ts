import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { StrataError } from '../core/errors.ts'
import type { FileEntry } from '../core/manifest.ts'
import { SnapshotTrees } from '../core/snapshot-trees.ts'
import type { FileStat, Scanned } from '../storage/scan.ts'
import { statFile } from '../storage/scan.ts'
import { flushFiles, fsyncDirectory } from '../storage/durable.ts'
import type { Checkpointed } from './checkpoint.ts'
import { checkpoint } from './checkpoint.ts'
import type { Context } from './context.ts'
import { scanStaged } from './links.ts'
import { scan } from './directory.ts'
import type { JobSpec, JobWork, OnlineOptions } from './job-spec.ts'
import { stillWriting, throwIfCancelled, workersOf } from './job-spec.ts'
import type { Grown } from './seal.ts'
import type { StagedStep } from './stage.ts'
import { flushStaged } from './staged-directory.ts'
import { checkDirectory } from './verify-directory.ts'

/** So few files to do again need no further round before the pause. */
const FEW_FILES = 16
const MOST_ROUNDS = 20
const LAST_ROUNDS = 2
const QUIET_MS = 200
const PATIENCE_MS = 5_000

/** `isPaused`: nothing is written any more. `later` gets what can wait. */
type How = { readonly isPaused?: boolean; readonly later?: (rest: () => void) => void }

/** One round of taking in what was written; files that changed while they were transformed wait for the next. */
const round = async (work: JobWork, spec: JobSpec, { isPaused = false, later }: How = {}): Promise<{ now: Checkpointed; todo: number }> => {
  const { session, staging, trees } = work
  throwIfCancelled(work.signal)
  staging.links.tell(session.context, session.state)
  let todo: number | undefined
  let transformed: Promise<void> | undefined
  const transform = (now: Checkpointed): void => {
    const missing = [...staging.missing].filter((path) => now.files.has(path))
    const again = [...new Set([...now.changed, ...missing])]
    todo = again.length
    if (todo === 0) return
    transformed = spec.catchUp?.(work, again, now, !isPaused)
    // Should the checkpoint fail, nobody waits for it.
    transformed?.catch(() => undefined)
  }
  const now = await checkpoint(session, spec.from.id, 'written while migrating', {
    trees,
    pool: work.pool,
    ...(later === undefined ? {} : { later }),
    // The files stay as they were captured: that they are committed need not be waited for.
    ...(isPaused ? { found: transform } : {}),
  })
  if (todo === undefined) transform(now)
  await transformed
  return { now, todo: todo ?? 0 }
}

/** Rounds until the application writes no more in one than can be done while it waits. */
export const catchUp = async (work: JobWork, spec: JobSpec): Promise<Checkpointed> => {
  for (let n = 1; ; n++) {
    const { now, todo } = await round(work, spec)
    if (todo <= FEW_FILES || n >= MOST_ROUNDS) return now
  }
}

/** What was written last, and the files that have become others by it. */
export type Last = { readonly now: Checkpointed; readonly edited: ReadonlySet<string> }

/**
 * What was written last. Of an application that does not pause the last of it stays behind: it is carried over when the directory is
 * looked at the next time. But every file is there, as it was at some moment. `rests` gets what can wait until the application goes on.
 * Throws UNSTABLE.
 */
export const catchLast = async (
  work: JobWork,
  spec: JobSpec,
  { pause: hasPaused }: OnlineOptions,
  rests: (() => void)[],
): Promise<Last> => {
  const edited = new Set<string>()
  // An application that was asked to pause writes nothing that a second look would find.
  const rounds = hasPaused === undefined ? LAST_ROUNDS : 1
  for (let n = 1; n <= MOST_ROUNDS; n++) {
    // A further round goes by the index that the one before has made.
    for (const rest of rests.splice(0)) rest()
    const { now, todo } = await round(work, spec, { isPaused: hasPaused !== undefined, later: (rest) => rests.push(rest) })
    for (const path of now.changed) edited.add(path)
    const isWhole = ![...work.staging.missing].some((path) => now.files.has(path))
    if (isWhole && (todo === 0 || n >= rounds)) return { now, edited }
  }
  throw new StrataError('UNSTABLE', 'the application keeps writing to files faster than they can be read', {
    hint: 'Let it pause for a moment, or close it; then migrate again.',
  })
}

/** A staged directory as it was when all in it was on the disk and compared with what it should be, and its trees. */
export type Prepared = { readonly step: StagedStep; readonly scanned: Scanned; readonly trees: SnapshotTrees }

/** Does what can be done before the pause: each staged directory is flushed, every byte compared, and what git will hold is durable. */
export const prepare = async (work: JobWork, staged: readonly StagedStep[]): Promise<Prepared[]> => {
  const { session, staging, targets, pool, transaction } = work
  const done: Prepared[] = []
  for (const [i, target] of targets.entries()) {
    const step = staged[i]
    if (step === undefined) continue
    const dir = staging.directory(target)
    const scanned = scanStaged(session.context, dir)
    const written = staging.links.writtenIn(scanned)
    if (written.length > 0) throw stillWriting(written)
    const isVouched = staging.links.vouchedIn(scanned, step.files)
    await flushStaged(session.context, dir, scanned, staging.early, isVouched)
    const files = [...step.files.values()]
    const { wrong } = await checkDirectory(
      pool,
      dir,
      files.filter(({ path }) => !isVouched(path)),
    )
    if (wrong.length > 0)
      throw new StrataError('CORRUPT', `${wrong.length} files that were just written are not what was written`, {
        data: { file: wrong[0]?.path, differences: wrong.length },
        hint: 'The active snapshot is untouched. Check the disk, then try again.',
      })
    const trees = new SnapshotTrees(step.files, scanned.directories)
    transaction.addTrees(trees)
    done.push({ step, scanned, trees })
  }
  transaction.flush()
  staging.mark()
  return done
}

/** The folders that lead to a path, the deepest first; the last is the directory itself. */
const foldersTo = (path: string): string[] => {
  const found: string[] = []
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) found.push(path.slice(0, end))
  return [...found, '']
}

/** What a staged directory is after the last round, and which of its files were not compared before the pause. */
export type Renewed = Grown & { readonly changed: ReadonlySet<string>; readonly scanned: Scanned }

type NewStat = readonly [path: string, stat: FileStat | undefined]

const withStats = (before: Scanned['files'], stats: readonly NewStat[]): Scanned['files'] => {
  const files = new Map(before)
  for (const [path, stat] of stats)
    if (stat === undefined) files.delete(path)
    else files.set(path, stat)
  return files
}

/** The scan of before the pause with new stats of the files that were written since; anew where there are other folders. */
const scanAgain = (context: Context, dir: string, before: Scanned, touched: ReadonlySet<string>): Scanned => {
  const known = new Set(before.directories.map((d) => d.path))
  if ([...touched].some((path) => foldersTo(path).some((folder) => folder !== '' && !known.has(folder)))) return scan(context, dir)
  const stats = [...touched].map((path): NewStat => [path, statFile(context.fs, join(dir, path))])
  let files: Scanned['files'] | undefined
  return {
    directories: before.directories,
    // Put together when it is asked for, which is when the application goes on.
    get files() {
      return (files ??= withStats(before.files, stats))
    },
  }
}

/** The steps with what was written last. Trees that nothing more is to come into are made while it is waited for what is. */
export const stageAgain = async (
  work: JobWork,
  prepared: readonly Prepared[],
  before: ReadonlyMap<string, FileEntry>,
  { now, edited }: Last,
): Promise<StagedStep[]> => {
  const { staging, transaction } = work
  const steps: StagedStep[] = []
  let previous = now.files
  let since: ReadonlyMap<string, FileEntry | undefined> = new Map([...edited].map((path) => [path, before.get(path)]))
  const goOn = (until: number): void => {
    for (const [i, { step: was, scanned, trees }] of prepared.slice(0, until).entries()) {
      if (i < steps.length) continue
      const step = staging.step(i, previous, { step: was, before: since })
      since = staging.since(i)
      previous = step.files
      steps.push(step)
      trees.update(step.files, scanned.directories, since.keys())
      transaction.addTrees(trees)
      trees.digest()
    }
  }
  const assembled = staging.assemble(workersOf(work))
  assembled.catch(() => undefined)
  // The workers get theirs first.
  await setImmediate()
  goOn(staging.unassembled)
  await assembled
  goOn(prepared.length)
  return steps
}

/** Flushes what has changed in the staged directories since they were prepared. */
export const flushAgain = async (work: JobWork, staged: readonly StagedStep[], prepared: readonly Prepared[]): Promise<Renewed[]> => {
  const { session, staging, targets } = work
  const { fs } = session.context
  // One of its flushes that failed would not fail again.
  await staging.early.settle()
  const done: Renewed[] = []
  for (const [i, target] of targets.entries()) {
    const before = prepared[i]
    if (before === undefined) continue
    const dir = staging.directory(target)
    const touched = new Set(staging.since(i).keys())
    const files = [...touched].filter((path) => staged[i]?.files.has(path) === true)
    await flushFiles(
      fs,
      files.map((path) => join(dir, path)),
    )
    const folders = new Set([...touched].flatMap(foldersTo))
    for (const folder of [...folders].sort((a, b) => b.length - a.length)) fsyncDirectory(fs, join(dir, folder))
    const scanned = scanAgain(session.context, dir, before.scanned, touched)
    done.push({ changed: new Set(files), touched, scanned, trees: before.trees })
  }
  return done
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
