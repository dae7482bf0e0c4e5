import type { AnyMigration } from './chain.ts'
import type { Dataset } from './dataset.ts'
import type { Parsed } from './document.ts'
import { parseDocument, renderDocument, setAside, shapeProblem, thawed, whole } from './document.ts'
import { StrataError, isOfDisk } from './errors.ts'
import type { StepFile } from './file-work.ts'
import type { There } from './paths.ts'
import { pathBefore } from './paths.ts'
import type { Kind } from './schema.ts'
import { kindOf } from './schema.ts'
import type { Newer, Sides } from './three-way.ts'
import { ThreeWay, canonical, mergeRecordLists, pairAlike } from './three-way.ts'
import type { Source } from './transform.ts'
import { Transformer } from './transform.ts'

/** One content of the dataset, at a chain position. */
export type Content = { readonly position: number; readonly source: Source; readonly transformer: Transformer }

/** `there`: the paths that files have where they are taken. */
export const contentOf = (dataset: Dataset, position: number, source: Source, there?: There): Content => ({
  position,
  source,
  transformer: new Transformer(dataset, source, {}, there),
})

/** `base` and `theirs` are at the position that is left, `original` and `ours` at the one that is gone to. */
export type Contents = Sides<Content>

/** The path on the side that is gone to. */
export const pathThere = ({ theirs, ours }: Contents, path: string): string =>
  theirs.transformer.paths.between(path, theirs.position, ours.position)

/** How a file gets from one position to another. `made`: there it is none of the application's own, or none at all. */
export type Route = { readonly way: 'as it is' | 'through steps' | 'made' } | { readonly way: 'none'; readonly why: string }

const VERBATIM: Route = { way: 'as it is' }
const STEPS: Route = { way: 'through steps' }
const MADE: Route = { way: 'made' }

const routeDown = (dataset: Dataset, path: string, from: number, to: number, name: string): Route => {
  let [route, at] = [VERBATIM, path]
  for (let i = from - 1; i >= to; i--) {
    const m = dataset.chain.migrations[i]
    if (m === undefined) break
    const step = m.files[name]
    if (m.from.kinds[name] === undefined) return MADE
    if (m.from.kinds[name] === m.to.kinds[name]) continue
    if (step?.file?.rollback === undefined && step?.record?.rollback === undefined)
      return { way: 'none', why: `the step to ${m.to.version} has no way back for ${name}` }
    at = pathBefore(dataset, at, i)
    if (kindOf(m.from.kinds, at) !== name) return { way: 'none', why: `the step to ${m.to.version} has no way back for the path` }
    route = STEPS
  }
  return route
}

const routeUp = (migrations: readonly AnyMigration[], name: string): Route => {
  let route = VERBATIM
  for (const m of migrations) {
    const step = m.files[name]
    if (step?.drop !== undefined) return MADE
    if (m.from.kinds[name] !== m.to.kinds[name]) route = STEPS
  }
  return route
}

/** Which way a file takes; a file of no kind is taken over as it is. */
export const routeOf = (dataset: Dataset, path: string, from: number, to: number): Route => {
  const { chain } = dataset
  const name = kindOf(chain.schemas[from]?.kinds ?? {}, path)
  if (name === undefined) return VERBATIM
  return to < from ? routeDown(dataset, path, from, to, name) : routeUp(chain.migrations.slice(from, to), name)
}

/** What becomes of one file, and where. `write`: its bytes, and the files derived from it; `keep`: ours stays as it is. */
export type CarriedFile =
  | {
      readonly what: 'write'
      readonly path: string
      readonly bytes: Uint8Array
      readonly derived: readonly StepFile[]
      readonly added: number
      readonly removed: number
      readonly clashes: number
    }
  | { readonly what: 'remove'; readonly path: string; readonly derived: readonly string[] }
  | { readonly what: 'keep'; readonly clashes: number; readonly isUnreadable: boolean }

const KEEP = { what: 'keep', clashes: 0, isUnreadable: false } as const satisfies CarriedFile
const CLASH: CarriedFile = { ...KEEP, clashes: 1 }
const UNREADABLE: CarriedFile = { ...KEEP, isUnreadable: true }

const has = ({ source }: Content, path: string): boolean => source.paths.includes(path)
const bytesOf = (content: Content, path: string): Uint8Array | undefined => (has(content, path) ? content.source.bytes(path) : undefined)

const equal = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && Buffer.compare(a, b) === 0)

/** A file's bytes as they would be at another position; as they are where they cannot be taken there. */
export const bytesAt = (dataset: Dataset, content: Content, path: string, position: number): Uint8Array => {
  const bytes = content.source.bytes(path)
  const kinds = dataset.chain.schemas[position]?.kinds ?? {}
  if (routeOf(dataset, path, content.position, position).way !== 'through steps') return bytes
  try {
    const { parsed, path: at } = content.transformer.other(path, position)
    const kind = kinds[kindOf(kinds, at) ?? '']
    return kind === undefined ? bytes : renderDocument(kind, at, thawed(parsed), dataset.layout)
  } catch (error) {
    if (isOfDisk(error)) throw error
    return bytes
  }
}

/** One file on its way, with what all sides say of it. */
class Crossing {
  readonly #dataset: Dataset
  readonly #contents: Contents
  readonly #path: string
  /** Its path where it goes. */
  readonly #there: string
  readonly #newer: Newer
  readonly #to: number
  readonly #from: number
  readonly #kind: Kind | undefined

  constructor(dataset: Dataset, contents: Contents, path: string, newer: Newer) {
    this.#dataset = dataset
    this.#contents = contents
    this.#path = path
    this.#there = pathThere(contents, path)
    this.#newer = newer
    this.#from = contents.theirs.position
    this.#to = contents.ours.position
    const kinds = dataset.chain.schemas[this.#to]?.kinds ?? {}
    this.#kind = kinds[kindOf(kinds, this.#there) ?? '']
  }

  run(): CarriedFile {
    const { base, theirs, original, ours } = this.#contents
    const edited = bytesOf(theirs, this.#path)
    const own = bytesOf(ours, this.#there)
    const isOwnUntouched = equal(own, bytesOf(original, this.#there))
    if (edited === undefined) return isOwnUntouched ? { what: 'remove', path: this.#there, derived: this.#derivedOf(base) } : CLASH
    const route = routeOf(this.#dataset, this.#path, this.#from, this.#to)
    if (route.way === 'as it is' && (own === undefined || isOwnUntouched)) return this.#write(edited)
    const [parsed, failure] = this.#parsed(theirs, this.#to)
    if (parsed === undefined) return this.#unreadable(edited, own, failure)
    return this.#merge(parsed, isOwnUntouched)
  }

  /** What cannot be read cannot be taken through a step: it takes the place of nothing that can be. */
  #unreadable(edited: Uint8Array, own: Uint8Array | undefined, failure: unknown): CarriedFile {
    const kinds = this.#dataset.chain.schemas[this.#from]?.kinds ?? {}
    const kind = kinds[kindOf(kinds, this.#path) ?? '']
    if (kind !== undefined && (kind.damaged === 'fail' || this.#parsed(this.#contents.theirs, this.#from)[0] !== undefined)) throw failure
    const alone = { what: 'write', path: this.#path, bytes: edited, derived: [], added: 0, removed: 0, clashes: 0 } as const
    if (own === undefined) return alone
    if (kind !== undefined) return UNREADABLE
    return this.#newer === 'theirs' ? { ...alone, clashes: 1 } : CLASH
  }

  /** The file at a position; undefined with the reason where it is absent or cannot be taken there. */
  #parsed(content: Content, position: number): [Parsed | undefined, unknown] {
    if (!has(content, this.#path)) return [undefined, null]
    try {
      return [whole(content.transformer.document(this.#path, position)), null]
    } catch (error) {
      // What is not known to be absent must not count as that: its records would be taken for new ones.
      if (isOfDisk(error)) throw error
      return [undefined, error]
    }
  }

  #own(content: Content): Parsed | undefined {
    const bytes = bytesOf(content, this.#there)
    if (bytes === undefined || this.#kind === undefined) return undefined
    try {
      return parseDocument(this.#kind, this.#there, bytes, this.#dataset.layout)
    } catch {
      return undefined
    }
  }

  /** Which records of the edited file were in it before, as they were written: a step may make something else of them now. */
  #known(base: Parsed, theirs: Parsed): readonly number[] | undefined {
    const [before] = this.#parsed(this.#contents.base, this.#from)
    const [after] = this.#parsed(this.#contents.theirs, this.#from)
    if (before?.records?.length !== base.records?.length || after?.records?.length !== theirs.records?.length) return undefined
    return pairAlike((before?.records ?? []).map(canonical), (after?.records ?? []).map(canonical))
  }

  #merge(theirs: Parsed, isOwnUntouched: boolean): CarriedFile {
    const ours = this.#own(this.#contents.ours)
    if (ours === undefined || this.#kind === undefined) return this.#render(thawed(theirs), theirs.records?.length ?? 0, 0, 0)
    const original = isOwnUntouched ? ours : this.#own(this.#contents.original)
    const [base] = this.#parsed(this.#contents.base, this.#to)
    const three = new ThreeWay(this.#newer)
    const nothing = { head: {}, records: [] }
    const was = base ?? nothing
    const from = original ?? nothing
    const head = this.#kind.at === '' ? null : three.value({ base: was.head, theirs: theirs.head, original: from.head, ours: ours.head })
    if (ours.records === null) return this.#settle(ours, { ...ours, head }, 0, 0, three.clashes)
    const known = base === undefined ? undefined : this.#known(base, theirs)
    const sides = { base: was.records ?? [], theirs: theirs.records ?? [], original: from.records ?? [], ours: ours.records, known }
    const { records, added, removed } = mergeRecordLists(sides)
    return this.#settle(ours, { ...ours, head, records }, added, removed, three.clashes)
  }

  /** Nothing to write where the result is what is there. */
  #settle(ours: Parsed, merged: Parsed, added: number, removed: number, clashes: number): CarriedFile {
    const isSame =
      merged.head === ours.head &&
      merged.records?.length === ours.records?.length &&
      (merged.records ?? []).every((r, i) => r === ours.records?.[i])
    return isSame ? { what: 'keep', clashes, isUnreadable: false } : this.#render(merged, added, removed, clashes)
  }

  #render(merged: Parsed, added: number, removed: number, clashes: number): CarriedFile {
    if (this.#kind === undefined) throw new StrataError('ABSENT', `${this.#path} is of no kind where it would go`)
    const problem = shapeProblem(this.#kind, setAside(this.#kind, merged))
    if (problem !== null)
      throw new StrataError('INVALID_RESULT', `what is carried of ${this.#path} is not as the schema says: ${problem.message}`, {
        data: { file: this.#path, record: problem.record },
      })
    return { ...this.#write(renderDocument(this.#kind, this.#there, merged, this.#dataset.layout)), added, removed, clashes }
  }

  #write(bytes: Uint8Array): Extract<CarriedFile, { what: 'write' }> {
    const derived = this.#contents.ours.transformer.rederive(this.#there, this.#to, bytes, this.#from)
    return { what: 'write', path: this.#there, bytes, derived, added: 0, removed: 0, clashes: 0 }
  }

  /** What the steps had made of a file besides itself. */
  #derivedOf(content: Content): string[] {
    const [parsed] = this.#to > this.#from ? this.#parsed(content, this.#to) : [undefined]
    if (parsed === undefined || this.#kind === undefined) return []
    const bytes = renderDocument(this.#kind, this.#there, thawed(parsed), this.#dataset.layout)
    return this.#contents.ours.transformer.rederive(this.#there, this.#to, bytes, this.#from).map((f) => f.path)
  }
}

/**
 * Carries one edited file to where `ours` is, by the three-way rule. Throws what a step throws; MIGRATION_FAILED, INVALID_RESULT
 * or a JSON_ error where the edited file cannot be taken there.
 */
export const carryFile = (dataset: Dataset, contents: Contents, path: string, newer: Newer): CarriedFile =>
  routeOf(dataset, path, contents.theirs.position, contents.ours.position).way === 'made'
    ? KEEP
    : new Crossing(dataset, contents, path, newer).run()
