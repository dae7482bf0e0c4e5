import { join } from 'node:path'
import { isAssembledAt, passEnds } from '../core/assemble.ts'
import type { Dataset } from '../core/dataset.ts'
import type { Issue } from '../core/issues.ts'
import { collapse } from '../core/issues.ts'
import type { FileEntry } from '../core/manifest.ts'
import { removeTree } from '../storage/durable.ts'
import { EarlyFlush } from '../storage/early-flush.ts'
import type { Scanned } from '../storage/scan.ts'
import { batches } from './batches.ts'
import type { Context } from './context.ts'
import { Links } from './links.ts'
import type { Memo } from './memo.ts'
import type { Whole } from './outputs.ts'
import type { Progress, StageSource, StageTarget, Workers } from './pass.ts'
import { Pass } from './pass.ts'
import { makeFolders } from './staged-directory.ts'
import type { Counts } from './step-counts.ts'
import { countAll, recount, withMoves } from './step-counts.ts'
import type { Made, Transformed } from './task-types.ts'

export type { StageTarget }

/** What became of the dataset at one target. */
export type StagedStep = {
  readonly files: ReadonlyMap<string, FileEntry>
  /** Without regard to moves. */
  readonly counts: Counts
  readonly bytes: number
  /** Bytes of files that are as they were before this step. */
  readonly shared: number
  readonly changed: number
  readonly created: number
  readonly removed: number
  readonly issues: Issue[]
  /** Files that have got another path. */
  readonly moved: ReadonlyMap<string, string>
}

type Assembled = Whole & { readonly issues: readonly Issue[] }

/** A step at the last `mark`, and what has become another file since of what it was made from. */
export type StepSince = { readonly step: StagedStep; readonly before: ReadonlyMap<string, FileEntry | undefined> }

/** The targets of each pass: a step that looks at the dataset as a whole ends one. */
export const passTargets = (dataset: Dataset, base: number, targets: readonly StageTarget[]): StageTarget[][] => {
  const last = targets.at(-1)?.position ?? base
  const ends = last === base ? [last] : passEnds(dataset, base, last)
  return ends.map((end, i) => targets.filter(({ position }) => position <= end && (i === 0 || position > (ends[i - 1] ?? 0))))
}

const NO_PROGRESS: Progress = () => undefined

/** The half-made directories of a job, under `staging/`. Nothing outside them is written. */
export class Staging {
  readonly #context: Context
  readonly #base: number
  readonly #targets: readonly StageTarget[]
  /** Has flushed some of what was written already. */
  readonly early: EarlyFlush
  /** Files of snapshots that have another name in one of the directories. */
  readonly links = new Links()
  readonly #notes: Issue[] = []
  readonly #first: Pass
  readonly #later: readonly Pass[]
  readonly #assembled = new Map<Pass, Assembled>()
  #source: StageSource | undefined

  /** `memos`: one for each pass, or none. */
  constructor(context: Context, base: number, targets: readonly StageTarget[], memos: readonly Memo[]) {
    this.#context = context
    this.early = new EarlyFlush(context.fs)
    this.#base = base
    this.#targets = targets
    let [offset, at] = [0, base]
    const [first, ...later] = passTargets(context.dataset, base, targets).map((own, i) => {
      const pass = new Pass(context, at, own, offset, memos[i] ?? null, this)
      offset += own.length
      at = own.at(-1)?.position ?? at
      return pass
    })
    this.#first = first ?? new Pass(context, base, targets, 0, null, this)
    this.#later = later
  }

  /** From here on it is noted what is written. */
  mark(): void {
    for (const pass of this.#passes) pass.mark()
  }

  /** What was written to a target's directory, or removed from it, since the last `mark`, and what it was before. */
  since(index: number): ReadonlyMap<string, FileEntry | undefined> {
    const pass = this.#passOf(index)
    return pass.since(index - pass.offset)
  }

  directory(target: StageTarget): string {
    return this.#context.paths.staged(target.snapshot)
  }

  /** Makes the empty directories, with the folders of the source. */
  begin(scanned: Scanned): void {
    for (const target of this.#targets) makeFolders(this.#context, this.directory(target), scanned)
  }

  /** Transforms files of the source; returns those that have changed since they were captured. */
  transform(source: StageSource, paths: readonly string[], workers: Workers): Promise<string[]> {
    this.#source = source
    return this.#first.transform(source, paths, workers)
  }

  /** Once all files are transformed: does what steps do with the dataset as a whole, and takes the result through the steps after. */
  async assemble(workers: Workers): Promise<void> {
    let pass = this.#first
    let source = this.#source
    for (const next of [...this.#later, null]) {
      if (source !== undefined && this.#isAssembling(pass)) await this.#assemble(pass, source, workers)
      if (next === null) return
      source = this.#sourceAfter(pass)
      await this.#goOn(next, source, workers)
      pass = next
    }
  }

  /** Forgets a file's outputs: it has changed or gone. */
  drop(path: string): void {
    this.#first.drop(path)
  }

  /** What one file became, if it was transformed. */
  result(path: string): Transformed | undefined {
    return this.#first.results.get(path)
  }

  /** Files that were to be transformed, and were not yet: they had changed. */
  get missing(): ReadonlySet<string> {
    return this.#first.missing
  }

  /** Something the job found besides what its files' own steps say. */
  note(found: Issue): void {
    this.#notes.push(found)
  }

  /** Puts outputs of the only target in place of what the transform made. */
  put(path: string, outputs: readonly Made[], issues: readonly Issue[]): void {
    const before = this.#first.results.get(path)
    this.#first.take({
      path,
      records: 0,
      reads: [],
      damaged: false,
      gathered: [],
      ...before,
      issues: [...(before?.issues ?? []), ...issues],
      steps: [outputs],
    })
  }

  /** Files whose result depends on one of `changed`, where `paths` are all that there are now. */
  dependents(changed: readonly string[], paths: readonly string[]): string[] {
    return this.#first.dependents(changed, paths)
  }

  get records(): number {
    return [...this.#first.results.values()].reduce((sum, r) => sum + r.records, 0)
  }

  /** How many files were worked out, and of how many the result was known. */
  get work(): { transformed: number; remembered: number } {
    const { results, remembered } = this.#first
    return { transformed: results.size - remembered.size, remembered: remembered.size }
  }

  /** The objects that the files transformed so far are made of. */
  objects(): Set<string> {
    return new Set([...this.#first.results.values()].flatMap((r) => r.steps.flat().map((m) => m.oid)))
  }

  /** Every path that the files transformed so far stand for at any target. */
  produced(): Set<string> {
    return new Set([...this.#first.results.values()].flatMap((r) => r.steps.flat().map((m) => m.path)))
  }

  /** How many of the targets `assemble` leaves as they are. */
  get unassembled(): number {
    // To make it anew, files have to go through their own steps again.
    const isTakenBack = (this.#assembled.get(this.#first)?.gone.size ?? 0) > 0
    return isTakenBack ? 0 : this.#first.targets.length - (this.#isAssembling(this.#first) ? 1 : 0)
  }

  /**
   * The content of one target, from all results. `since`: what it was when all was marked, and what has become another file of those
   * that it is made from: then only these are counted again. Throws EXISTS when two files were made for one path.
   */
  step(index: number, before: ReadonlyMap<string, FileEntry>, since?: StepSince): StagedStep {
    const pass = this.#passOf(index)
    const own = index - pass.offset
    const files = pass.made(own)
    const issues: Issue[] = index === 0 ? [...this.#notes] : []
    const versions = pass.targets.map((t) => this.#context.dataset.chain.schemas[t.position]?.version)
    for (const result of pass.results.values()) if (result.issues.length > 0) issues.push(...issuesAt(result.issues, versions, own))
    if (own === pass.targets.length - 1) issues.push(...(this.#assembled.get(pass)?.issues ?? []))
    // A carried file is called otherwise on the side that it comes from, and may have its place already.
    const moved = new Map(pass.moves(own).filter(([from, to]) => before.has(from) && !before.has(to) && !files.has(from)))
    const counts = since === undefined ? countAll(before, files) : recount(since, before, files, pass.since(own))
    return { files, counts, ...withMoves(counts, moved.size), issues: collapse(issues), moved }
  }

  /** Removes what was staged, whatever there is of it. */
  sweep(): void {
    for (const target of this.#targets) removeTree(this.#context.fs, this.directory(target))
  }

  get #passes(): Pass[] {
    return [this.#first, ...this.#later]
  }

  #passOf(index: number): Pass {
    return this.#later.findLast((pass) => index >= pass.offset) ?? this.#first
  }

  #isAssembling({ targets }: Pass): boolean {
    const position = targets.at(-1)?.position ?? this.#base
    return position > this.#base && isAssembledAt(this.#context.dataset, position)
  }

  #filesAfter(pass: Pass): ReadonlyMap<string, FileEntry> {
    return pass.made(pass.targets.length - 1)
  }

  #sourceAfter(pass: Pass): StageSource {
    const root = pass.directory(pass.targets.length - 1)
    const damaged = new Set([...pass.results.values()].filter((r) => r.damaged).map((r) => r.path))
    return { root, files: this.#filesAfter(pass), scanned: { files: new Map(), directories: [] }, damaged }
  }

  /** Takes into a later pass what has become another file, or another result, since the last time. */
  async #goOn(pass: Pass, source: StageSource, workers: Workers): Promise<void> {
    const isKnown = ({ path, sha256, mode }: FileEntry): boolean => {
      const known = pass.inputs.get(path)
      return known?.sha256 === sha256 && known.mode === mode
    }
    const changed = [...source.files.values()].filter((file) => !isKnown(file)).map(({ path }) => path)
    const gone = [...pass.results.keys()].filter((path) => !source.files.has(path))
    const again = new Set([...changed, ...pass.dependents([...changed, ...gone], [...source.files.keys()])])
    for (const path of [...gone, ...again]) pass.drop(path)
    await pass.transform(
      source,
      [...again].filter((path) => source.files.has(path)),
      { ...workers, progress: NO_PROGRESS },
    )
  }

  /** What the last step of a pass makes of the dataset as a whole, anew. */
  async #assemble(pass: Pass, source: StageSource, workers: Workers): Promise<void> {
    await this.#undo(pass, source, workers)
    const index = pass.targets.length - 1
    const root = pass.directory(index)
    const position = pass.targets[index]?.position ?? this.#base
    const files = this.#filesAfter(pass)
    const gathered = [...pass.results.values()].flatMap((r) => r.gathered)
    const bytes = [...files.values()].reduce((sum, f) => sum + f.size, 0)
    const task = { type: 'assemble' as const, root, paths: [...files.keys()], position, gathered, bytes }
    const { made, removed, issues } = await workers.pool.run(task)
    const put = new Map<string, FileEntry>()
    const [anyFile] = files.values()
    const sized = made.map(({ path, size }) => ({ path, size, known: null }))
    const tasks = (function* () {
      for (const batch of batches(sized)) yield { type: 'capture' as const, root, copyTo: null, base: null, files: batch }
    })()
    await workers.pool.each(tasks, (captured) => {
      workers.sink.addBatch(captured.pack)
      for (const { path, size, sha256, oid } of captured.files)
        put.set(path, { path, size, sha256, oid, mode: files.get(path)?.mode ?? anyFile?.mode ?? 0o600 })
    })
    for (const { path, mode } of put.values()) this.#context.fs.chmod(join(root, path), mode)
    const gone = new Set([...removed, ...made.map((m) => m.path)].filter((path) => files.has(path)))
    this.#assembled.set(pass, { files: put, gone, issues })
    pass.cover({ files: put, gone })
  }

  /** Puts a directory back to what its files' own steps had made of it. */
  async #undo(pass: Pass, source: StageSource, workers: Workers): Promise<void> {
    const before = this.#assembled.get(pass)
    if (before === undefined) return
    this.#assembled.delete(pass)
    const index = pass.targets.length - 1
    for (const path of before.files.keys()) removeTree(this.#context.fs, join(pass.directory(index), path))
    pass.cover(undefined)
    const owners = pass.owners(before.gone)
    for (const path of owners) pass.drop(path)
    await pass.transform(source, owners, { ...workers, progress: NO_PROGRESS })
  }
}

/** Issues carry the version of the step that found them; those of earlier steps belong to the first target. */
const issuesAt = (issues: readonly Issue[], versions: readonly (string | undefined)[], index: number): Issue[] =>
  issues.filter((i) => {
    const at = versions.indexOf(i.step ?? '')
    return at === index || (at < 0 && index === 0)
  })
