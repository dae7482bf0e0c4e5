import type { Dataset } from './dataset.ts'
import type { Parsed } from './document.ts'
import { StrataError } from './errors.ts'
import type { StepFile } from './file-work.ts'
import { FileWork } from './file-work.ts'
import { freeze } from './freeze.ts'
import type { Pieces } from './json/index.ts'
import { LargeWork } from './large-work.ts'
import type { Issue } from './issues.ts'
import type { Gathered } from './notes.ts'
import type { There } from './paths.ts'
import { Paths } from './paths.ts'
import type { Read } from './reads.ts'
import { UNSTEADY } from './reads.ts'
import type { OtherDocument, RunOptions } from './work.ts'
import { kindOf } from './schema.ts'

/** The dataset as a step finds it: at chain position `base`, where a file may be behind: `start` is the position that it is at. */
export type Source = {
  readonly paths: readonly string[]
  readonly base: number
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
  readonly gathered: readonly Gathered[]
}

/** A file of any size, somewhere. */
export type Kept = { readonly pieces: Pieces; readonly size: number }
/** Takes the file `path` at a chain position. */
export type Keep = (position: number, path: string, pieces: Iterable<Uint8Array>) => Kept

const fileOf = ({ path, bytes, from }: StepFile): StepFile => ({ path, bytes, from })

/** Runs steps over files of one source; documents read through ctx are worked out once. */
export class Transformer {
  readonly paths: Paths
  readonly run: RunOptions
  readonly #dataset: Dataset
  readonly #source: Source
  readonly #shared = new Map<string, OtherDocument>()
  #working: FileWork | undefined

  /** `there`: where files are already that others are compared or joined with. */
  constructor(dataset: Dataset, source: Source, run: RunOptions = {}, there?: There) {
    this.run = run
    this.paths = new Paths(dataset, source.paths, source.base, there)
    this.#dataset = dataset
    this.#source = source
  }

  /** Which step and which record of the last file it is, or was, at. */
  get place(): { readonly step: string | null; readonly record: number | null } {
    return this.#working?.place ?? { step: null, record: null }
  }

  /**
   * Takes a large file through steps, or one whose records are spelled in many ways: piece by piece, so that memory does not grow with
   * it. Undefined where a step has to see it whole. `start`: the file; `keep`: puts a step's result somewhere. Throws as `file`.
   */
  byRecords(path: string, from: number, to: number, start: Kept, keep: Keep): FileResult | undefined {
    const work = new LargeWork(this, this.#dataset, path)
    const first = this.#source.start(path)
    if (!work.canStream(Math.max(from, first), to)) return undefined
    this.#working = work
    let [now, isThere, others]: [Kept, boolean, FileWork[]] = [start, true, []]
    const steps: StepFile[][] = []
    for (let i = from; i < to; i++) {
      if (i < first || work.damaged) {
        steps.push([{ path, bytes: null, from: path }])
        continue
      }
      const own: StepFile[] = []
      if (isThere) {
        const before = work.place.file
        const kept = this.#kept(work, i, now, keep)
        isThere = kept !== null
        now = kept ?? now
        if (isThere) own.push({ path: work.place.file, bytes: null, from: before })
      }
      const derived = isThere ? work.after(i, now.pieces, now.size) : []
      const live = [...derived, ...others.flatMap((one) => one.step(i, () => new Uint8Array()))]
      others = live.map((one) => one.work)
      steps.push([...own, ...live.map(fileOf)])
    }
    const { notes, damaged, records } = work
    return { path, steps, issues: notes.issues, damaged, records, reads: notes.reads.all, gathered: notes.gathered }
  }

  /** The result of a step, where it is kept; null where the file is dropped. */
  #kept(work: LargeWork, index: number, now: Kept, keep: Keep): Kept | null {
    try {
      const output = work.stream(index, now.pieces)
      return output === 'same' ? now : output === 'gone' ? null : keep(index + 1, output.path, output.pieces)
    } catch (error) {
      if (work.isUnreadable(error, this.#dataset.chain.schemas[index]?.kinds ?? {})) return now
      throw error
    }
  }

  /** Takes one file through the steps `from`..`to - 1`. Throws MIGRATION_FAILED, INVALID_RESULT, DATA_LOST or a JSON_ error. */
  file(path: string, from: number, to: number): FileResult {
    const work = new FileWork(this, this.#dataset, path)
    const start = this.#source.start(path)
    const steps: StepFile[][] = []
    let works = [work]
    for (let i = from; i < to; i++) {
      if (i < start || work.damaged) steps.push([{ path, bytes: null, from: path }])
      else {
        const live = works.flatMap((one) => {
          this.#working = one
          return one.step(i, () => this.#source.bytes(path))
        })
        works = live.map((one) => one.work)
        if (work.isOddlySpelt) {
          const odd = this.#inMemory(path, from, to)
          if (odd !== undefined) return odd
        }
        steps.push(live.map(fileOf))
      }
    }
    const { notes, damaged, records } = work
    return { path, steps, issues: notes.issues, damaged, records, reads: notes.reads.all, gathered: notes.gathered }
  }

  /** Record by record, each keeps its spelling whatever becomes of the others. */
  #inMemory(path: string, from: number, to: number): FileResult | undefined {
    const bytes = this.#source.bytes(path)
    const made = new Map<number, Uint8Array>()
    const kept = (own: Uint8Array): Kept => ({ pieces: () => [own], size: own.byteLength })
    const result = this.byRecords(path, from, to, kept(bytes), (position, _, pieces) => {
      const all = Buffer.concat([...pieces])
      made.set(position, all)
      return kept(all)
    })
    if (result === undefined) return undefined
    // The file's own output is the first of each step.
    const steps = result.steps.map(([own, ...rest], i) => {
      const output = made.get(from + i + 1)
      return own === undefined ? rest : [output === undefined ? own : { ...own, bytes: output }, ...rest]
    })
    return { ...result, steps }
  }

  /** The file `path` of the source at chain position `index`, by migrating or rolling back in memory. */
  document(path: string, index: number): Parsed {
    return this.other(path, index).parsed
  }

  /** The same, what it depends on, and what was found. */
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
    const deriving = this.#deriving(path, position, since)
    const [first] = deriving
    if (first === undefined) return []
    const work = new FileWork(this, this.#dataset, path)
    this.#working = work
    work.open(position, bytes)
    const found: StepFile[] = []
    for (let i = position - 1; i >= first; i--) {
      if (deriving.includes(i)) found.push(...this.#onwards(work, i, position))
      // Where there is no way back to it, what an earlier step had derived stays as it is.
      if (i > first && !work.back(i)) break
    }
    return found
  }

  /** What migrations take from a file that is at `position`, as at their results. A file that cannot be read gives nothing. */
  gathered(path: string, position: number, indexes: readonly number[]): readonly Gathered[] {
    const work = new FileWork(this, this.#dataset, path)
    this.#working = work
    const kinds = this.#dataset.chain.schemas[position]?.kinds ?? {}
    // A disk that fails is no damaged file.
    const bytes = this.#source.bytes(path)
    try {
      work.open(position, bytes)
    } catch (error) {
      if (kinds[this.#kindAt(path, position) ?? '']?.damaged === 'fail') throw error
      return []
    }
    for (const index of indexes) work.gather(index)
    return work.notes.gathered
  }

  /** The same of a large file of records, piece by piece. */
  gatheredByRecords(path: string, position: number, indexes: readonly number[], { pieces, size }: Kept): readonly Gathered[] {
    const work = new LargeWork(this, this.#dataset, path)
    this.#working = work
    work.gatherAt(position, pieces, size, indexes)
    return work.notes.gathered
  }

  /** What migration `index` derives from a file, taken on to `position`. */
  #onwards(work: FileWork, index: number, position: number): StepFile[] {
    let live = work.derived(index)
    for (let i = index + 1; i < position; i++)
      live = live.flatMap((one) =>
        one.work.step(i, () => one.bytes ?? new Uint8Array()).map((next) => ({ ...next, bytes: next.bytes ?? one.bytes })),
      )
    return live.map(fileOf)
  }

  /** The migrations that derive anything from the kind of `path`. */
  #deriving(path: string, position: number, since: number): number[] {
    const found: number[] = []
    const name = this.#kindAt(path, position)
    this.#dataset.chain.migrations.slice(0, position).forEach((m, i) => {
      if (name !== undefined && i >= since && Object.values(m.files).some((step) => step.derive?.from === name)) found.push(i)
    })
    return found
  }

  #kindAt(path: string, position: number): string | undefined {
    return kindOf(this.#dataset.chain.schemas[position]?.kinds ?? {}, path)
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
    const { reads } = work.notes
    reads.file(path, this.#source.sha256?.(path) ?? UNSTEADY)
    return { parsed, path: work.place.file, reads: reads.all, issues: work.notes.issues }
  }
}

export type { StepFile }
