import { join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { Issue } from '../core/issues.ts'
import { collapse } from '../core/issues.ts'
import type { FileEntry } from '../core/manifest.ts'
import { isTouched } from '../core/reads.ts'
import { removeTree } from '../storage/durable.ts'
import type { EncodedBatch } from '../storage/pack-write.ts'
import type { Scanned } from '../storage/scan.ts'
import { batches } from './batches.ts'
import { makeFolders } from './staged-directory.ts'
import type { Context } from './context.ts'
import type { Memo } from './memo.ts'
import type { Pool } from './pool.ts'
import type { ProgressSink } from './progress.ts'
import type { Made, RecallTask, TransformTask, Transformed } from './task-types.ts'

export type StageSource = {
  readonly root: string
  readonly files: ReadonlyMap<string, FileEntry>
  readonly scanned: Scanned
  /** Where a file's bytes come from instead of the directory. */
  readonly bytes?: ((file: FileEntry) => Uint8Array) | undefined
}
export type StageTarget = { readonly position: number; readonly snapshot: string }

/** What became of the dataset at one target. */
export type StagedStep = {
  readonly files: Map<string, FileEntry>
  readonly changed: number
  readonly created: number
  readonly removed: number
  readonly issues: Issue[]
}

/** Where encoded blobs go: a transaction, or a place to hold them until it is clear which are wanted. */
export type BlobSink = { readonly addBatch: (batch: EncodedBatch) => void }

type Progress = ProgressSink['advance']

/** The half-made directories of a job, under `staging/`. Nothing outside them is written. */
export class Staging {
  readonly #context: Context
  readonly #base: number
  readonly #targets: readonly StageTarget[]
  readonly #results = new Map<string, Transformed>()
  readonly #notes: Issue[] = []
  readonly #memo: Memo | null
  readonly #remembered = new Set<string>()
  /** Outputs of each target that were written, or removed, since `mark`. */
  #touched: Set<string>[] = []
  #round = 0

  constructor(context: Context, base: number, targets: readonly StageTarget[], memo: Memo | null) {
    this.#context = context
    this.#base = base
    this.#targets = targets
    this.#memo = memo
    this.mark()
  }

  /** From here on it is noted what is written. */
  mark(): void {
    this.#touched = this.#targets.map(() => new Set())
  }

  /** What was written to a target's directory, or removed from it, since the last `mark`. */
  touched(index: number): ReadonlySet<string> {
    return this.#touched[index] ?? new Set()
  }

  directory(target: StageTarget): string {
    return this.#context.paths.staged(target.snapshot)
  }

  /** Makes the empty directories, with the folders of the source. */
  begin(scanned: Scanned): void {
    for (const target of this.#targets) makeFolders(this.#context, this.directory(target), scanned)
  }

  /** Transforms files of the source; returns those that have changed since they were captured. */
  async transform(source: StageSource, paths: readonly string[], pool: Pool, sink: BlobSink, progress: Progress): Promise<string[]> {
    const stale: string[] = []
    const all = paths.flatMap((path) => source.files.get(path) ?? [])
    const wanted = this.#memo === null ? all : await this.#recall(this.#memo, source, all, pool, sink, progress)
    const task = this.#task(source)
    const { bytes } = source
    const tasks = (function* (): Generator<TransformTask> {
      for (const files of batches(wanted))
        yield { ...task, files: bytes === undefined ? files : files.map((f) => ({ ...f, bytes: bytes(f) })) }
    })()
    await pool.each(tasks, (result) => {
      sink.addBatch(result.pack)
      stale.push(...result.stale)
      for (const file of result.files) this.#take(file)
      this.#memo?.add(result.files, source.files)
      const done = result.files.reduce((sum, f) => sum + (source.files.get(f.path)?.size ?? 0), 0)
      progress(
        result.files.length,
        done,
        result.files.reduce((sum, f) => sum + f.records, 0),
        result.files.at(-1)?.path ?? null,
      )
    })
    return stale
  }

  /** Forgets a file's outputs: it has changed or gone. */
  drop(path: string): void {
    this.#remembered.delete(path)
    const result = this.#results.get(path)
    this.#targets.forEach((target, i) => {
      for (const made of result?.steps[i] ?? []) {
        this.#touched[i]?.add(made.path)
        removeTree(this.#context.fs, join(this.directory(target), made.path))
      }
    })
    this.#results.delete(path)
  }

  /** What one file became, if it was transformed. */
  result(path: string): Transformed | undefined {
    return this.#results.get(path)
  }

  /** Something the job found besides what its files' own steps say. */
  note(found: Issue): void {
    this.#notes.push(found)
  }

  /** Puts outputs of the only target in place of what the transform made. */
  put(path: string, outputs: readonly Made[], issues: readonly Issue[]): void {
    const before = this.#results.get(path)
    this.#take({
      path,
      records: 0,
      reads: [],
      damaged: false,
      ...before,
      issues: [...(before?.issues ?? []), ...issues],
      steps: [outputs],
    })
  }

  #take(result: Transformed): void {
    this.#results.set(result.path, result)
    result.steps.forEach((outputs, i) => {
      for (const { path } of outputs) this.#touched[i]?.add(path)
    })
  }

  /** Files whose result depends on one of `changed`. */
  dependents(changed: readonly string[]): string[] {
    const set = new Set(changed)
    return [...this.#results.values()].filter((r) => r.reads.some((read) => isTouched(read, set))).map((r) => r.path)
  }

  get records(): number {
    return [...this.#results.values()].reduce((sum, r) => sum + r.records, 0)
  }

  /** How many files were worked out, and of how many the result was known. */
  get work(): { transformed: number; remembered: number } {
    return { transformed: this.#results.size - this.#remembered.size, remembered: this.#remembered.size }
  }

  get quarantined(): string[] {
    return [...this.#results.values()].filter((r) => r.damaged).map((r) => r.path)
  }

  /** The objects that the files transformed so far are made of. */
  objects(): Set<string> {
    return new Set([...this.#results.values()].flatMap((r) => r.steps.flat().map((m) => m.oid)))
  }

  /** Every path that the files transformed so far stand for at any target. */
  produced(): Set<string> {
    return new Set([...this.#results.values()].flatMap((r) => r.steps.flat().map((m) => m.path)))
  }

  /** The content of one target, from all results. Throws EXISTS when two files were made for one path. */
  step(index: number, before: ReadonlyMap<string, FileEntry>): StagedStep {
    const files = new Map<string, FileEntry>()
    const issues: Issue[] = index === 0 ? [...this.#notes] : []
    let [changed, created] = [0, 0]
    for (const result of this.#results.values()) {
      for (const made of result.steps[index] ?? []) {
        this.#refuseTwice(files, made, result)
        files.set(made.path, { path: made.path, size: made.size, sha256: made.sha256, mode: made.mode, oid: made.oid })
        const was = before.get(made.path)
        if (was === undefined) created += 1
        else if (was.sha256 !== made.sha256) changed += 1
      }
      issues.push(...this.#issuesAt(result, index))
    }
    const removed = [...before.keys()].filter((path) => !files.has(path)).length
    return { files, changed, created, removed, issues: collapse(issues) }
  }

  /** Removes what was staged, whatever there is of it. */
  sweep(): void {
    for (const target of this.#targets) removeTree(this.#context.fs, this.directory(target))
  }

  /** Takes over what is remembered; returns the files that have to be worked out. */
  async #recall(
    memo: Memo,
    { files }: StageSource,
    wanted: readonly FileEntry[],
    pool: Pool,
    sink: BlobSink,
    progress: Progress,
  ): Promise<FileEntry[]> {
    const { known, rest } = memo.sort(wanted, files)
    const byPath = new Map(known.map((file) => [file.path, file]))
    const again = new Set(rest.map(({ path }) => path))
    const staging = this.#targets.map((t) => this.directory(t))
    const tasks = (function* (): Generator<RecallTask> {
      for (const some of batches(known)) yield { type: 'recall', staging, files: some }
    })()
    await pool.each(tasks, ({ done, missed, pack }) => {
      sink.addBatch(pack)
      for (const path of missed) again.add(path)
      const results = done.flatMap((path) => byPath.get(path) ?? [])
      for (const result of results) {
        this.#take(result)
        this.#remembered.add(result.path)
      }
      memo.add(results, files)
      const sum = (of: (path: string) => number): number => done.reduce((n, path) => n + of(path), 0)
      progress(
        done.length,
        sum((path) => files.get(path)?.size ?? 0),
        sum((path) => byPath.get(path)?.records ?? 0),
        done.at(-1) ?? null,
        done.length,
      )
    })
    return wanted.filter(({ path }) => again.has(path))
  }

  /** Issues carry the version of the step that found them; those of earlier steps belong to the first target. */
  #issuesAt(result: Transformed, index: number): Issue[] {
    const versions = this.#targets.map((t) => this.#context.dataset.chain.schemas[t.position]?.version)
    return result.issues.filter((i) => {
      const at = versions.indexOf(i.step ?? '')
      return at === index || (at < 0 && index === 0)
    })
  }

  #refuseTwice(files: ReadonlyMap<string, FileEntry>, made: Made, result: Transformed): void {
    if (!files.has(made.path)) return
    throw new StrataError(
      'EXISTS',
      `the migration makes ${made.path} from ${result.path}, but the dataset has a file of that name already`,
      {
        data: { file: made.path, source: result.path },
        hint: 'Move the existing file out of the data directory, then migrate again. The active snapshot is untouched.',
      },
    )
  }

  #task(source: StageSource): Omit<TransformTask, 'files'> {
    this.#round += 1
    return {
      type: 'transform',
      key: `${source.root} ${this.#targets.map((t) => t.snapshot).join(' ')} ${this.#round}`,
      root: source.root,
      paths: [...source.files.keys()],
      base: this.#base,
      positions: this.#targets.map((t) => t.position),
      staging: this.#targets.map((t) => this.directory(t)),
    }
  }
}
