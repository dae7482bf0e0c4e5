import { dirname, join } from 'node:path'
import { immutablePaths } from '../core/dataset.ts'
import type { FileEntry } from '../core/manifest.ts'
import { Paths } from '../core/paths.ts'
import { isTouched } from '../core/reads.ts'
import { removeTree } from '../storage/durable.ts'
import type { EarlyFlush } from '../storage/early-flush.ts'
import { LARGE } from '../storage/large-entry.ts'
import type { EncodedBatch } from '../storage/pack-write.ts'
import type { Scanned } from '../storage/scan.ts'
import { batches } from './batches.ts'
import type { Context } from './context.ts'
import type { Links } from './links.ts'
import type { Memo } from './memo.ts'
import type { Whole } from './outputs.ts'
import { Outputs } from './outputs.ts'
import type { Pool } from './pool.ts'
import type { ProgressSink } from './progress.ts'
import type { RecallOutput, RecallResult, RecallTask, TransformFile, TransformResult, TransformTask, Transformed } from './task-types.ts'

/** How often it is told how far a large file is. */
const TICK_MS = 250

export type StageSource = {
  readonly root: string
  readonly files: ReadonlyMap<string, FileEntry>
  readonly scanned: Scanned
  /** Where a file's bytes come from instead of the directory. */
  readonly bytes?: ((file: FileEntry) => Uint8Array) | undefined
  /** Where files are already at the last target: a step that moves files leaves those where they are. */
  readonly there?: readonly string[]
  /** Files that could not be read before, and go on as they are. */
  readonly damaged?: ReadonlySet<string>
}
export type StageTarget = { readonly position: number; readonly snapshot: string }

/** Where encoded blobs go: a transaction, or a place to hold them until it is clear which are wanted. */
export type BlobSink = { readonly addBatch: (batch: EncodedBatch) => void }

export type Progress = ProgressSink['advance']
export type Workers = { readonly pool: Pool; readonly sink: BlobSink; readonly progress: Progress }

const sizeOf = (files: readonly { readonly size: number }[]): number => files.reduce((sum, { size }) => sum + size, 0)

const isSameList = (a: readonly string[], b: readonly string[] | undefined): boolean =>
  a.length === b?.length && a.every((path, i) => path === b[i])

/** What gets another name is neither read nor flushed. */
const isRead = ({ from }: RecallOutput): boolean => from?.stat === undefined

/** Files on their way through consecutive steps, each by itself: what became of every one of them at every target. */
export class Pass {
  readonly base: number
  readonly targets: readonly StageTarget[]
  /** Place of the first target among those of the job. */
  readonly offset: number
  readonly results = new Map<string, Transformed>()
  readonly #outputs: readonly Outputs[]
  readonly remembered = new Set<string>()
  /** Files that were to be transformed, and were not yet: they had changed. */
  readonly missing = new Set<string>()
  /** What each file was made from. */
  readonly inputs = new Map<string, FileEntry>()
  readonly memo: Memo | null
  readonly #context: Context
  readonly #early: EarlyFlush
  readonly #links: Links
  /** The paths that the results so far were placed by. */
  #placed: readonly string[] | undefined
  #round = 0
  /** Which of some paths are immutable. */
  #immutable: { readonly paths: readonly string[]; readonly those: ReadonlySet<string> } | undefined

  constructor(
    context: Context,
    base: number,
    targets: readonly StageTarget[],
    offset: number,
    memo: Memo | null,
    { early, links }: { readonly early: EarlyFlush; readonly links: Links },
  ) {
    this.#context = context
    this.#early = early
    this.base = base
    this.targets = targets
    this.offset = offset
    this.memo = memo
    this.#links = links
    this.#outputs = targets.map((_, i) => new Outputs(i))
  }

  /** From here on it is noted what is written. */
  mark(): void {
    for (const outputs of this.#outputs) outputs.mark()
  }

  /** What was written to a target's directory, or removed from it, since `mark`, and what it was before. */
  since(index: number): ReadonlyMap<string, FileEntry | undefined> {
    return this.#outputs[index]?.since ?? new Map()
  }

  /** All files of a target. Throws EXISTS when two were made for one path. */
  made(index: number): ReadonlyMap<string, FileEntry> {
    return this.#outputs[index]?.files(this.results.values()) ?? new Map()
  }

  /** Those of a target that have only got another path: from, to. */
  moves(index: number): readonly [string, string][] {
    return this.#outputs[index]?.moves ?? []
  }

  /** Puts what was made of the dataset as a whole over the files of the last target, or takes it away. */
  cover(whole: Whole | undefined): void {
    this.#outputs.at(-1)?.cover(whole)
  }

  directory(index: number): string {
    return this.#context.paths.staged(this.targets[index]?.snapshot ?? '')
  }

  /** Transforms files of the source; returns those that have changed since they were captured. */
  async transform(source: StageSource, paths: Iterable<string>, workers: Workers): Promise<string[]> {
    const { pool, sink, progress } = workers
    const stale: string[] = []
    const all = [...paths].flatMap((path) => source.files.get(path) ?? [])
    for (const { path } of all) this.missing.add(path)
    const wanted = this.memo === null ? all : await this.#recall(this.memo, source, all, workers)
    if (wanted.length === 0) return stale
    const task = this.#task(source)
    const { bytes, damaged } = source
    const immutable = this.#immutableOf([...source.files.keys()])
    const withMore = (file: FileEntry): TransformFile => ({
      ...file,
      ...(bytes === undefined ? {} : { bytes: bytes(file) }),
      ...(damaged?.has(file.path) === true ? { isAsItIs: true } : {}),
      ...(immutable.has(file.path) ? { isImmutable: true } : {}),
    })
    const tasks = (function* (): Generator<TransformTask> {
      for (const files of batches(wanted)) yield { ...task, files: files.map(withMore) }
    })()
    const large = wanted.find(({ size }) => size >= LARGE)
    const tell = (): void => {
      const bytes = pool.takeDone()
      if (bytes !== 0) progress(0, bytes, 0, large?.path ?? null)
    }
    const ticking = large === undefined ? undefined : setInterval(tell, TICK_MS)
    const take = (result: TransformResult): void => {
      sink.addBatch(result.pack)
      this.#links.add(result.links)
      stale.push(...result.stale)
      for (const file of result.files) this.take(file, source.files)
      this.#early.add(result.files.flatMap((file) => this.#written(file)))
      this.memo?.add(result.files, source.files)
      tell()
      const done = result.files.reduce((sum, f) => sum + (f.isTold === true ? 0 : (source.files.get(f.path)?.size ?? 0)), 0)
      progress(
        result.files.length,
        done,
        result.files.reduce((sum, f) => sum + f.records, 0),
        result.files.at(-1)?.path ?? null,
      )
    }
    try {
      await pool.each(tasks, take, sizeOf(wanted))
    } finally {
      clearInterval(ticking)
    }
    return stale
  }

  /** Forgets a file's outputs: it has changed or gone. */
  drop(path: string): void {
    this.remembered.delete(path)
    this.missing.delete(path)
    const result = this.results.get(path)
    if (result !== undefined) for (const outputs of this.#outputs) outputs.remove(result)
    this.targets.forEach((_, i) => {
      for (const made of result?.steps[i] ?? []) removeTree(this.#context.fs, join(this.directory(i), made.path))
    })
    this.results.delete(path)
    this.inputs.delete(path)
  }

  take(result: Transformed, source?: ReadonlyMap<string, FileEntry>): void {
    const before = this.results.get(result.path)
    for (const outputs of this.#outputs) {
      if (before !== undefined) outputs.remove(before)
      outputs.add(result)
    }
    this.results.set(result.path, result)
    this.missing.delete(result.path)
    const input = source?.get(result.path)
    if (input !== undefined) this.inputs.set(result.path, input)
  }

  /** Files whose result depends on one of `changed`, or that have to be elsewhere now that these are the paths there are. */
  dependents(changed: readonly string[], paths: readonly string[]): string[] {
    const set = new Set(changed)
    // Where a file has to be follows from the paths there are, and with these all have been looked at.
    const isMoved = isSameList(paths, this.#placed) ? () => false : this.#misplaced(paths)
    this.#placed = paths
    return [...this.results.values()].filter((r) => r.reads.some((read) => isTouched(read, set)) || isMoved(r)).map((r) => r.path)
  }

  /** The files whose outputs at the last target are any of these. */
  owners(paths: ReadonlySet<string>): string[] {
    return [...this.results.values()].filter((r) => r.steps.at(-1)?.some((made) => paths.has(made.path))).map((r) => r.path)
  }

  #written({ steps }: Pick<Transformed, 'steps'>): string[] {
    return steps.flatMap((outputs, i) => outputs.map(({ path }) => join(this.directory(i), path)))
  }

  #misplaced(paths: readonly string[]): (result: Transformed) => boolean {
    const { dataset } = this.#context
    const now = new Paths(dataset, paths, this.base)
    if (!now.hasMoves(this.targets.at(-1)?.position ?? this.base)) return () => false
    return ({ path, damaged, steps }) =>
      !damaged &&
      this.targets.some(({ position }, i) => {
        const made = steps[i] ?? []
        return made.length > 0 && !made.some((file) => file.path === now.between(path, this.base, position))
      })
  }

  /** Takes over what is remembered; returns the files that have to be worked out. */
  async #recall(memo: Memo, { files }: StageSource, wanted: readonly FileEntry[], { pool, sink, progress }: Workers): Promise<FileEntry[]> {
    const { known, rest } = memo.sort(wanted, files)
    if (known.length === 0) return [...wanted]
    const isMoved = this.#misplaced([...files.keys()])
    const usable = known.filter((file) => !isMoved(file))
    const byPath = new Map(usable.map((file) => [file.path, file]))
    const again = new Set([...rest, ...known.filter((file) => !byPath.has(file.path))].map(({ path }) => path))
    const staging = this.targets.map((_, i) => this.directory(i))
    const tasks = (function* (): Generator<RecallTask> {
      for (const some of batches(usable)) yield { type: 'recall', staging, files: some }
    })()
    const take = ({ done, missed, links, pack }: RecallResult): void => {
      sink.addBatch(pack)
      this.#links.add(links)
      for (const path of missed) again.add(path)
      const results = done.flatMap((path) => byPath.get(path) ?? [])
      for (const result of results) {
        this.take(result, files)
        this.remembered.add(result.path)
      }
      this.#early.add(results.flatMap((result) => this.#written({ steps: result.steps.map((some) => some.filter(isRead)) })))
      memo.add(results, files)
      const sum = (of: (path: string) => number): number => done.reduce((n, path) => n + of(path), 0)
      progress(
        done.length,
        sum((path) => files.get(path)?.size ?? 0),
        sum((path) => byPath.get(path)?.records ?? 0),
        done.at(-1) ?? null,
        done.length,
      )
    }
    await pool.each(tasks, take, sizeOf(usable.flatMap(({ steps }) => steps.flat().filter(isRead))))
    return wanted.filter(({ path }) => again.has(path))
  }

  #immutableOf(paths: readonly string[]): ReadonlySet<string> {
    const known = this.#immutable
    if (known !== undefined && isSameList(paths, known.paths)) return known.those
    const those = immutablePaths(this.#context.dataset, paths)
    this.#immutable = { paths, those }
    return those
  }

  #task(source: StageSource): Omit<TransformTask, 'files'> {
    this.#round += 1
    return {
      type: 'transform',
      key: `${source.root} ${this.targets.map((t) => t.snapshot).join(' ')} ${this.#round}`,
      root: source.root,
      paths: Array.from(source.files.keys(), (path) => `${path}\0`).join(''),
      isSnapshot: dirname(source.root) === this.#context.paths.snapshots,
      base: this.base,
      positions: this.targets.map((t) => t.position),
      staging: this.targets.map((_, i) => this.directory(i)),
      there: source.there ?? null,
    }
  }
}
