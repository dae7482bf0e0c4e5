import type { Dataset } from './dataset.ts'
import type { Parsed } from './document.ts'
import { StrataError } from './errors.ts'
import type { OtherDocument, RunOptions, StepFile } from './file-work.ts'
import { FileWork } from './file-work.ts'
import { freeze } from './freeze.ts'
import type { Issue } from './issues.ts'
import type { Read } from './reads.ts'
import { UNSTEADY } from './reads.ts'
import type { Kinds } from './schema.ts'

/** The dataset as a step finds it. `start` is the chain position that a file is at. */
export type Source = {
  readonly paths: readonly string[]
  bytes(path: string): Uint8Array
  start(path: string): number
  /** SHA-256 of the bytes that were read of a file; without it, no result that rests on them is remembered. */
  sha256?(path: string): string
}

/** What became of one file: for each step the files it stands for then (none: it was dropped). */
export type FileResult = {
  readonly path: string
  readonly steps: readonly (readonly StepFile[])[]
  readonly issues: readonly Issue[]
  readonly damaged: boolean
  readonly records: number
  /** What was read through ctx, by way of other files as well: this result depends on it. */
  readonly reads: readonly Read[]
}

/** Runs steps over files of one source; documents read through ctx are worked out once. */
export class Transformer {
  readonly #dataset: Dataset
  readonly #source: Source
  readonly #shared = new Map<string, OtherDocument>()
  readonly run: RunOptions
  #working: FileWork | undefined

  constructor(dataset: Dataset, source: Source, run: RunOptions = {}) {
    this.run = run
    this.#dataset = dataset
    this.#source = source
  }

  /** Which step and which record of the last file it is, or was, at. */
  get place(): { readonly step: string | null; readonly record: number | null } {
    return this.#working?.place ?? { step: null, record: null }
  }

  /** Takes one file through the steps `from`..`to - 1`. Throws MIGRATION_FAILED, INVALID_RESULT, DATA_LOST or a JSON_ error. */
  file(path: string, from: number, to: number): FileResult {
    const work = new FileWork(this, this.#dataset, path)
    this.#working = work
    const start = this.#source.start(path)
    const steps: StepFile[][] = []
    for (let i = from; i < to; i++) {
      if (i < start || work.damaged) steps.push([{ path, bytes: null }])
      else steps.push(work.step(i, () => this.#source.bytes(path)))
      if (steps.at(-1)?.length === 0) break
    }
    while (steps.length < to - from) steps.push([])
    return { path, steps, issues: work.issues, damaged: work.damaged, records: work.records, reads: work.reads.all }
  }

  /** The file at chain position `index`, by migrating or rolling back in memory. */
  document(path: string, index: number): Parsed {
    return this.other(path, index).parsed
  }

  /** The same, and what it depends on. */
  other(path: string, index: number): OtherDocument {
    const key = `${index} ${path}`
    const known = this.#shared.get(key)
    if (known !== undefined) return known
    const made = this.#make(path, index)
    freeze(made.parsed.head)
    this.#shared.set(key, made)
    return made
  }

  /** Checks a file that is at `index` against its schema and the `validate` of the migration to there. Throws INVALID_RESULT or a JSON_ error. */
  check(path: string, index: number): void {
    const work = new FileWork(this, this.#dataset, path)
    const parsed = work.parse(index, this.#source.bytes(path))
    if (index > 0) work.validate(parsed, index - 1)
  }

  /** The files that the steps from `since` to `position` derive from a file that is at `position` already (a merged one). */
  rederive(path: string, position: number, bytes: Uint8Array, since = 0): StepFile[] {
    const work = new FileWork(this, this.#dataset, path)
    return work.rederive(position, bytes, since)
  }

  /** The path of the only file of a kind with a fixed path, if the source has it. */
  onlyPath(kinds: Kinds, kind: string): string | undefined {
    const path = kinds[kind]?.path
    return path !== undefined && this.#source.paths.includes(path) ? path : undefined
  }

  #make(path: string, index: number): OtherDocument {
    const start = this.#source.start(path)
    const { schemas } = this.#dataset.chain
    const work = new FileWork(this, this.#dataset, path)
    this.#working ??= work
    let parsed = work.parse(start, this.#source.bytes(path))
    for (let i = start; i < index; i++) parsed = work.pass(parsed, i, 'migrate')
    for (let i = start; i > index; i--) parsed = work.pass(parsed, i - 1, 'rollback')
    if (schemas[index] === undefined) throw new StrataError('ABSENT', `there is no schema version at position ${index}`)
    work.reads.file(path, this.#source.sha256?.(path) ?? UNSTEADY)
    return { parsed, reads: work.reads.all }
  }
}

export type { StepFile }
