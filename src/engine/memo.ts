import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { messageOf } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { FileEntry } from '../core/manifest.ts'
import type { Read } from '../core/reads.ts'
import { holds } from '../core/reads.ts'
import type { State } from '../core/state.ts'
import { discard, removeTree, rename } from '../storage/durable.ts'
import type { MemoEntry, MemoLog } from '../storage/memo-log.ts'
import { MemoWriter, isFinished, isWholeLog, readMemoLog } from '../storage/memo-log.ts'
import type { IndexEntry } from '../storage/scan.ts'
import type { Context } from './context.ts'
import { sharableFiles } from './directory.ts'
import type { Session } from './session.ts'
import type { RecallFile, RecallOutput, TransformFile, Transformed } from './task-types.ts'

/**
 * Results of steps, remembered from run to run by everything that they were made from: the code, the steps, the file's path and
 * bytes, and all that was read through ctx. Where the outputs lie is remembered as well; whoever takes them compares their hashes. A
 * cache: whatever is wrong with it, results are worked out anew.
 */

/** Logs that are kept, the last ones written: of so many runs, and so many bytes. */
const MOST_LOGS = 8
const MOST_BYTES = 128 * 1024 * 1024

/**
 * Where the outputs of one step may lie. `isLeft`: of a run that did not come to its end, so that they may be moved. `shared`: those
 * that may get another name, as the index of their snapshot knows them.
 */
type Place = { readonly dir: string; readonly isLeft: boolean; readonly shared: ReadonlyMap<string, IndexEntry> }
type Log = { readonly log: MemoLog; readonly places: readonly (Place | null)[] }

/** The steps that a job takes: results of others are none of its. */
export type Run = {
  readonly base: number
  readonly targets: readonly { readonly position: number; readonly snapshot: string }[]
  readonly jobId: string
}

const runId = (context: Context, code: string, { base, targets }: Run): string => {
  const versions = [base, ...targets.map((t) => t.position)].map((at) => context.dataset.chain.schemas[at]?.version ?? '')
  return createHash('sha256')
    .update(JSON.stringify([code, versions]))
    .digest('hex')
    .slice(0, 32)
}

const placeOf = (context: Context, state: State, id: string): Place | null => {
  const { fs, paths } = context
  const isThere = (dir: string): boolean => fs.lstat(dir)?.isDirectory() === true
  if (isThere(paths.leftover(id))) return { dir: paths.leftover(id), isLeft: true, shared: new Map() }
  return isThere(paths.snapshot(id))
    ? { dir: paths.snapshot(id), isLeft: false, shared: sharableFiles(context, state.snapshots[id]) }
    : null
}

/** Where an output lies, and its stat if what it holds is known without a look. */
const sourceAt = (
  place: Place | null | undefined,
  { path, sha256 }: { readonly path: string; readonly sha256: string },
): RecallOutput['from'] => {
  if (place === null || place === undefined) return null
  const { dir, isLeft } = place
  const known = place.shared.get(path)
  return known?.sha256 === sha256 ? { dir, isLeft, stat: known.stat } : { dir, isLeft }
}

type Named = { readonly name: string; readonly size: number; readonly mtimeMs: number }

/** The logs there are, the last written first. */
const logsOf = ({ fs, paths }: Context): Named[] =>
  (fs.lstat(paths.memos) === undefined ? [] : fs.readdir(paths.memos))
    .flatMap((name) => {
      const stat = fs.lstat(join(paths.memos, name))
      return stat?.isFile() === true ? [{ name, size: stat.size, mtimeMs: stat.mtimeMs }] : []
    })
    .sort((a, b) => b.mtimeMs - a.mtimeMs || (a.name < b.name ? -1 : 1))

const evict = (context: Context): void => {
  let bytes = 0
  logsOf(context).forEach(({ name, size }, i) => {
    bytes += size
    if (i >= MOST_LOGS || bytes > MOST_BYTES) discard(context.fs, join(context.paths.memos, name))
  })
}

/** Removes what runs that did not come to their end have left, but for those of `wanted`. Whether there was any. */
export const dropLeftovers = (context: Context, wanted: ReadonlySet<string> = new Set()): boolean => {
  const { fs, paths } = context
  const drop = (): boolean => {
    if (fs.lstat(paths.leftovers)?.isDirectory() !== true) return false
    const unwanted = fs.readdir(paths.leftovers).filter((name) => !wanted.has(name))
    for (const name of unwanted) removeTree(fs, join(paths.leftovers, name))
    if (fs.readdir(paths.leftovers).length === 0) fs.rmdir(paths.leftovers)
    return unwanted.length > 0
  }
  return quietly(context, 'what an earlier run left cannot be removed', drop) ?? false
}

/** Whether a job has left results that say what its half-made directories hold. */
export const hasMemo = (context: Context, jobId: string): boolean => logsOf(context).some(({ name }) => name.endsWith(`-${jobId}.part`))

/** Moves a half-made directory to where the next run looks for it; false where that cannot be. */
export const keepLeftover = ({ fs, paths }: Context, dir: string): boolean => {
  try {
    if (fs.lstat(paths.leftovers) === undefined) fs.mkdir(paths.leftovers, 0o700)
    rename(fs, dir, paths.leftover(basename(dir)))
    return true
  } catch {
    return false
  }
}

/** Never lets a cache's trouble become the job's. */
const quietly = <T>(context: Context, what: string, work: () => T): T | undefined => {
  try {
    return work()
  } catch (error) {
    context.log('warning', `${what}: ${messageOf(error)}`)
    return undefined
  }
}

export type Sorted = { readonly known: readonly RecallFile[]; readonly rest: readonly TransformFile[] }

/** The memo of one job. */
export class Memo {
  readonly #context: Context
  readonly #prefix: string
  readonly #logs: readonly Log[]
  readonly #writer: MemoWriter
  readonly #isStored: (oid: Oid) => boolean

  constructor(context: Context, prefix: string, logs: readonly Log[], writer: MemoWriter, isStored: (oid: Oid) => boolean) {
    this.#context = context
    this.#prefix = prefix
    this.#logs = logs
    this.#writer = writer
    this.#isStored = isStored
  }

  /** Which of these files have a result that still holds, and where it lies. */
  sort(wanted: readonly TransformFile[], files: ReadonlyMap<string, FileEntry>): Sorted {
    const known: RecallFile[] = []
    const rest: TransformFile[] = []
    const isSame = remembering(files)
    for (const file of wanted) {
      const found = this.#find(file, isSame)
      if (found === undefined) rest.push(file)
      else known.push(found)
    }
    for (const { log } of this.#logs) log.close()
    return { known, rest }
  }

  add(results: readonly Transformed[], source: ReadonlyMap<string, { readonly sha256: string }>): void {
    this.#writer.add(
      results.flatMap(({ path, reads, records, damaged, issues, gathered, steps }) => {
        const sha256 = source.get(path)?.sha256
        return sha256 === undefined ? [] : [{ path, sha256, reads, records, damaged, issues, gathered, steps }]
      }),
    )
  }

  /** The job has switched: what it knew takes the place of what earlier runs of the same steps knew. */
  finish(): void {
    if (!this.#writer.finish()) return
    const { fs, paths } = this.#context
    const [newest, ...older] = logsOf(this.#context).filter(({ name }) => name.startsWith(this.#prefix))
    if (newest !== undefined) for (const { name } of older) discard(fs, join(paths.memos, name))
    evict(this.#context)
  }

  /** Leaves what was noted for the next run. */
  close(): void {
    this.#writer.close()
  }

  #find(file: TransformFile, isSame: (read: Read) => boolean): RecallFile | undefined {
    for (const { log, places } of this.#logs)
      for (const entry of log.find(file.path, file.sha256)) {
        if (!entry.reads.every(isSame)) continue
        const found = this.#recall(file, entry, places)
        if (found !== undefined) return found
      }
    return undefined
  }

  #recall(file: TransformFile, entry: MemoEntry, places: readonly (Place | null)[]): RecallFile | undefined {
    if (entry.steps.length !== places.length) return undefined
    const { path, records, damaged, issues, reads, gathered } = entry
    const steps = entry.steps.map((outputs, i) =>
      outputs.map((output) => ({ ...output, mode: file.mode, from: sourceAt(places[i], output), isStored: this.#isStored(output.oid) })),
    )
    if (steps.flat().some(({ from }) => from === null)) return undefined
    const size = steps.flat().reduce((sum, output) => sum + output.size, 0)
    return { path, size, records, damaged, issues, reads, gathered, steps }
  }
}

/** Answers alike questions once: many files have read the same. */
const remembering = (files: ReadonlyMap<string, FileEntry>): ((read: Read) => boolean) => {
  const answers = new Map<string, boolean>()
  return (read) => {
    const key = JSON.stringify(read)
    const known = answers.get(key) ?? holds(read, files)
    answers.set(key, known)
    return known
  }
}

/** What earlier runs of the same steps have noted. */
const loadLogs = (context: Context, state: State, prefix: string, jobId: string): Log[] =>
  logsOf(context)
    .filter(({ name }) => name.startsWith(prefix) && !name.includes(jobId))
    .flatMap(({ name }) => {
      const log = readMemoLog(context.fs, join(context.paths.memos, name))
      return log === undefined ? [] : [{ log, places: log.targets.map((id) => placeOf(context, state, id)) }]
    })

/** The memos of a job's passes, or none where nothing can be remembered; what is left of other runs than its own goes. */
export const openMemos = ({ context, state, repository }: Session, runs: readonly Run[]): Memo[] => {
  const code = context.code()
  if (code.hash === null) {
    context.log('info', `results are not remembered: ${code.why}`)
    dropLeftovers(context)
    return []
  }
  const { hash } = code
  const open = (): Memo[] => {
    const { fs, paths } = context
    if (fs.lstat(paths.memos) === undefined) fs.mkdir(paths.memos, 0o700)
    evict(context)
    const known = runs.map((run) => {
      const prefix = `${runId(context, hash, run)}-`
      return { run, prefix, logs: loadLogs(context, state, prefix, run.jobId) }
    })
    dropLeftovers(context, new Set(known.flatMap(({ logs }) => logs.flatMap(({ log }) => log.targets))))
    return known.map(({ run, prefix, logs }) => {
      const writer = new MemoWriter(fs, paths.memo(prefix + run.jobId), { targets: run.targets.map((t) => t.snapshot) })
      return new Memo(context, prefix, logs, writer, (oid) => repository.packs.has(oid))
    })
  }
  return quietly(context, 'results are not remembered', open) ?? []
}

/** Finished logs that are not what was written. One of a run that was killed may end anywhere. */
export const damagedLogs = (context: Context): string[] =>
  logsOf(context).flatMap(({ name }) => (isFinished(name) && !isWholeLog(context.fs, join(context.paths.memos, name)) ? [name] : []))
