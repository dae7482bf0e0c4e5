import type { AnyChange, AnyCtx, AnyMigration, AnyView } from './chain.ts'
import type { Dataset } from './dataset.ts'
import type { Parsed } from './document.ts'
import { StrataError } from './errors.ts'
import { FileWork } from './file-work.ts'
import { freeze } from './freeze.ts'
import type { Issue } from './issues.ts'
import { GO_STYLE } from './json/index.ts'
import type { Gathered } from './notes.ts'
import { Notes } from './notes.ts'
import type { Kinds } from './schema.ts'
import { kindOf } from './schema.ts'
import { createCtx } from './step-context.ts'
import { failure, invalid, iterableOf } from './step-failure.ts'
import type { Source } from './transform.ts'
import type { Transformer } from './transform.ts'

/** What a migration does with the dataset as a whole, once every file has been through its own step. */

/** Whether a migration looks at the dataset as a whole: the files must all be there before a later one goes on. */
const isAssembling = (m: AnyMigration): boolean =>
  m.dataset !== undefined || Object.values(m.files).some((step) => step.gather !== undefined)

/** The chain positions between `from` and `to` that all files have to reach before any goes on; `to` is the last. */
export const passEnds = ({ chain }: Dataset, from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i + 1).filter((end) => {
    const m = chain.migrations[end - 1]
    return end === to || (m !== undefined && isAssembling(m))
  })

/** Whether files are made, or taken away, at a chain position when all others are there. */
export const isAssembledAt = ({ chain }: Dataset, position: number): boolean => {
  const m = chain.migrations[position - 1]
  return m !== undefined && isAssembling(m)
}

type Gathering = { readonly index: number; readonly kind: string; readonly from: string }

/** What migrations have made of all files of a kind, where both are at `position` what they were then: it can be made anew there. */
export const gatheringAt = ({ chain }: Dataset, position: number): Gathering[] => {
  const now = chain.schemas[position]?.kinds ?? {}
  return chain.migrations
    .slice(0, position)
    .flatMap((m, index) =>
      Object.entries(m.files).flatMap(([kind, { gather }]) =>
        gather !== undefined && m.to.kinds[kind] === now[kind] && m.to.kinds[gather.from] === now[gather.from]
          ? [{ index, kind, from: gather.from }]
          : [],
      ),
    )
}

/** Takes a file that there is to be, or null for one that goes. From then on the source has it like that. */
export type Put = (path: string, bytes: Uint8Array | null) => void

const inTheWay = (path: string): StrataError =>
  new StrataError('EXISTS', `the migration makes ${path}, but the dataset has a file of that name already`, {
    data: { file: path },
    hint: 'Move the existing file out of the data directory, then migrate again. The active snapshot is untouched.',
  })

/** The file that an error names, if any: the step itself is of none. */
const ofDataset = (error: unknown, step: string): StrataError => {
  const { code, message, data, hint } = failure(error, { file: 'the dataset', step, record: null })
  const file = error instanceof StrataError ? (error.data.file ?? null) : null
  return new StrataError(code, message, { data: { ...data, file }, hint, cause: error })
}

/** One migration over a dataset whose files are all at its result. */
class Assembly {
  readonly notes = new Notes()
  /** Files that were put there, and those that were taken away. */
  readonly #done = new Map<string, boolean>()
  readonly #put: Put
  readonly #dataset: Dataset
  readonly #source: Source
  readonly #transformer: Transformer
  readonly #index: number
  readonly #m: AnyMigration
  /** How files that were opened are spelled. */
  readonly #opened = new Map<string, Parsed>()
  readonly #present: ReadonlySet<string>
  #unit: unknown = null
  #isAgain = false

  constructor(dataset: Dataset, source: Source, transformer: Transformer, index: number, m: AnyMigration, put: Put) {
    this.#put = put
    this.#dataset = dataset
    this.#source = source
    this.#present = new Set(source.paths)
    this.#transformer = transformer
    this.#index = index
    this.#m = m
  }

  /** `isAgain`: the files are there already, and only what is made of others is made anew. */
  run(gathered: readonly Gathered[], isAgain: boolean): void {
    this.#isAgain = isAgain
    try {
      for (const [kind, { gather }] of Object.entries(this.#m.files)) {
        if (gather === undefined) continue
        if (isAgain && !gathered.some((one) => one.kind === kind)) continue
        const own = gathered.filter((one) => one.index === this.#index && one.kind === kind)
        const all = own.map(({ path, value }) => ({ path, value })).sort((a, b) => (a.path < b.path ? -1 : 1))
        this.#unit = all
        if (this.#transformer.run.frozen === true) freeze(all)
        const made = new Set<string>()
        for (const [path, doc] of iterableOf(gather.make(all, this.#ctx(`gather ${kind}`)), `gather.make of ${kind}`)) {
          if (made.has(path)) throw invalid(`gather.make of ${kind} gave ${path} twice`)
          made.add(path)
          this.#make(kind, path, doc, undefined)
        }
      }
      this.#unit = null
      if (isAgain) return
      if (this.#m.dataset === undefined) return
      const view = { paths: (kind: string) => this.#list(kind), open: (kind: string, path: string) => this.#open(kind, path) }
      for (const change of iterableOf(this.#m.dataset(view, this.#ctx('dataset')), 'the dataset step')) this.#apply(change)
    } catch (error) {
      throw ofDataset(error, this.#m.to.version)
    }
  }

  get #kinds(): Kinds {
    return this.#m.to.kinds
  }

  #work(path: string, parsed?: Parsed): FileWork {
    return new FileWork(this.#transformer, this.#dataset, path, parsed === undefined ? undefined : { notes: this.notes, parsed, size: 0 })
  }

  /** Where files were made or taken away since, the list says so. */
  #list(kind: string): readonly string[] {
    const paths = new Set(this.#transformer.paths.list(kind, this.#index + 1))
    for (const [path, isThere] of this.#done) {
      if (!isThere) paths.delete(path)
      else if (kindOf(this.#kinds, path) === kind) paths.add(path)
    }
    return [...paths].sort()
  }

  #has(path: string): boolean {
    return this.#done.get(path) ?? this.#present.has(path)
  }

  #open(kind: string, path: string): AnyView {
    if (kindOf(this.#kinds, path) !== kind || !this.#has(path))
      throw new StrataError('ABSENT', `the dataset has no ${path} of the kind ${kind}`, { data: { file: path } })
    const bytes = this.#source.bytes(path)
    const parsed = this.#work(path).parse(this.#index + 1, bytes)
    const { head, records, json } = parsed
    if (this.#transformer.run.frozen === true) freeze([head, records])
    this.#opened.set(path, { head: null, records: null, json: { ...json, value: null } })
    return { path, doc: head, records: records ?? [], size: bytes.byteLength }
  }

  #ctx(direction: string): AnyCtx {
    const { paths, run } = this.#transformer
    return createCtx({
      m: this.#m,
      direction,
      kinds: this.#kinds,
      at: () => ({ file: '', record: null, unit: this.#unit }),
      find: (kind, path) => {
        const at = path ?? this.#kinds[kind]?.path
        const origin = at === undefined || kindOf(this.#kinds, at) !== kind ? undefined : paths.origin(at, this.#index + 1)
        return origin === undefined ? undefined : this.#transformer.document(origin, this.#index + 1).head
      },
      paths: (kind) => this.#list(kind),
      warn: (code, message, hint = '') => {
        this.notes.warn({ code, message, hint, file: null, record: null, step: this.#m.to.version })
      },
      aborted: run.aborted ?? (() => null),
    })
  }

  #apply({ kind, path, doc, records, remove }: AnyChange): void {
    if (typeof remove === 'string') {
      if (!this.#has(remove)) throw invalid(`the dataset step removes ${remove}, which is not there`)
      this.#done.set(remove, false)
      this.#put(remove, null)
    } else if (typeof path === 'string' && typeof kind === 'string') this.#make(kind, path, doc, records)
    else throw invalid('the dataset step gave a change that is none: { kind, path, doc } or { remove: path }')
  }

  #make(name: string, path: string, doc: unknown, records: readonly unknown[] | undefined): void {
    const kind = this.#kinds[name]
    if (kind === undefined || kindOf(this.#kinds, path) !== name) throw invalid(`${path} does not match a pattern of the kind ${name}`)
    // A kind that there was none of before: what stands there is the user's own.
    if (!this.#isAgain && this.#m.from.kinds[name] === undefined && this.#present.has(path) && !this.#done.has(path)) throw inTheWay(path)
    if ((kind.record === undefined) !== (records === undefined))
      throw invalid(`${path}: a file of the kind ${name} has ${kind.record === undefined ? 'no ' : ''}records`)
    const known = this.#opened.get(path)?.json
    const json = { value: doc, spelling: known?.spelling ?? null, style: known?.style ?? GO_STYLE }
    const parsed: Parsed = { head: doc, records: records ?? null, json }
    const bytes = this.#work(path, parsed).made(this.#index, name, kind, parsed)
    this.#done.set(path, true)
    this.#put(path, bytes)
  }
}

/**
 * What migration `index` makes of the dataset as a whole. `source` is at its result; `gathered` is what its own steps took from each
 * file. Throws MIGRATION_FAILED, INVALID_RESULT, ABSENT and what reading a file throws.
 */
export const assemble = (
  dataset: Dataset,
  source: Source,
  index: number,
  gathered: readonly Gathered[],
  transformer: Transformer,
  put: Put,
  isAgain = false,
): Issue[] => {
  const m = dataset.chain.migrations[index]
  if (m === undefined) throw new StrataError('ABSENT', `there is no migration at position ${index}`)
  const assembly = new Assembly(dataset, source, transformer, index, m, put)
  assembly.run(gathered, isAgain)
  return assembly.notes.issues
}
