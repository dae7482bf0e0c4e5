import type { AnyCtx, AnyFileStep, AnyMigration, AnyView } from './chain.ts'
import { asideIssue } from './bad-records.ts'
import type { Dataset } from './dataset.ts'
import type { Parsed } from './document.ts'
import { parseDocument, placeOf, renderDocument, setAside, shapeProblem } from './document.ts'
import { StrataError, messageOf } from './errors.ts'
import { freeze } from './freeze.ts'
import { issueOf, withoutPlace } from './issues.ts'
import { checkSerialisable } from './json/index.ts'
import { announced } from './laws.ts'
import { Notes } from './notes.ts'
import type { Paths } from './paths.ts'
import { pathBefore } from './paths.ts'
import type { Read } from './reads.ts'
import type { Kind, Kinds } from './schema.ts'
import { kindOf, patternsOf } from './schema.ts'
import type { Ending } from './step-context.ts'
import { createCtx } from './step-context.ts'
import type { Place } from './step-failure.ts'
import { failure, invalid, iterableOf, recordIn, settled } from './step-failure.ts'
import type { Cursor } from './step-run.ts'
import { checkResult, conserving, runStep } from './step-run.ts'

/** A file of the next snapshot; `bytes` null: those of the file `from` in the snapshot before. */
export type StepFile = { readonly path: string; readonly bytes: Uint8Array | null; readonly from: string }

/** The same on its way: what goes on with it. */
type Live = StepFile & { readonly work: FileWork }

/** `frozen`: inputs cannot be changed, as in checks. `aborted`: whether it is time to give up. */
export type RunOptions = { readonly frozen?: boolean; readonly aborted?: () => Ending | null }

/** A document that was read for another file, its path there, and what it depends on itself. */
export type OtherDocument = { readonly parsed: Parsed; readonly path: string; readonly reads: readonly Read[] }

/** How a step reads other files of the dataset: the document of a source's file at a chain position, and where each file is. */
export type Others = {
  readonly other: (path: string, index: number) => OtherDocument
  readonly paths: Paths
  readonly run?: RunOptions
}

/** One file on its way through the steps. */
export class FileWork {
  readonly notes: Notes
  damaged = false
  records = 0
  #parsed: Parsed | null
  /** How many bytes it has. */
  #size = 0
  readonly #cursor: Cursor
  readonly #others: Others
  readonly #dataset: Dataset

  /** `made`: what a step has made the file of, with all that was noted on the way. */
  constructor(
    others: Others,
    dataset: Dataset,
    path: string,
    made?: { readonly notes: Notes; readonly parsed: Parsed; readonly size: number },
  ) {
    this.#others = others
    this.#dataset = dataset
    this.#cursor = { file: path, step: '', record: null, unit: null }
    this.notes = made?.notes ?? new Notes()
    this.#parsed = made?.parsed ?? null
    this.#size = made?.size ?? 0
  }

  /** Where in the file the work is. */
  get place(): Readonly<Place> {
    return this.#cursor
  }

  /** The files that it stands for after migration `index`. */
  step(index: number, bytes: () => Uint8Array): Live[] {
    const { m, from, to } = this.#at(index)
    const path = this.#cursor.file
    const same: Live = { path, bytes: null, from: path, work: this }
    const name = kindOf(from, path)
    if (name === undefined) return [same]
    const own = m.files[name]
    if (own?.drop !== undefined) return []
    if (own === undefined && !isSource(m, name)) return [same]
    const parsed = this.#readOnce(from, name, index, bytes)
    if (parsed === null) return [same]
    this.#parsed = own === undefined ? parsed : this.pass(parsed, index, 'migrate')
    const self = own === undefined ? same : { ...same, path: this.#cursor.file, bytes: this.#render(to[name], this.#parsed) }
    const derived = this.derived(index)
    for (const { work } of [self, ...derived]) work.gather(index)
    return [self, ...derived]
  }

  /** What migration `index` derives from the file, which is at its result. */
  derived(index: number): Live[] {
    const { m, to } = this.#at(index)
    const name = kindOf(to, this.#cursor.file)
    return Object.entries(m.files).flatMap(([kind, { derive }]) =>
      derive !== undefined && derive.from === name ? this.#derive(index, kind, derive) : [],
    )
  }

  parse(index: number, bytes: Uint8Array): Parsed {
    const { kinds = {}, version = '' } = this.#dataset.chain.schemas[index] ?? {}
    this.#cursor.step = version
    const kind = kinds[kindOf(kinds, this.#cursor.file) ?? '']
    if (kind === undefined) throw new StrataError('ABSENT', `${this.#cursor.file} is of no kind in ${version}`)
    try {
      this.#size = bytes.byteLength
      const parsed = setAside(kind, parseDocument(kind, this.#cursor.file, bytes, this.#dataset.layout))
      const problem = shapeProblem(kind, parsed)
      if (problem !== null) throw new StrataError('INVALID_RESULT', problem.message, { data: { record: problem.record } })
      return parsed
    } catch (error) {
      throw failure(error, this.#cursor)
    }
  }

  /** Reads a file that is at `index`; its `pass`, `step` and `derived` go on from there. */
  open(index: number, bytes: Uint8Array): void {
    this.#parsed = this.parse(index, bytes)
  }

  /** Takes an opened file back over migration `index`; false where there is no way. */
  back(index: number): boolean {
    const { m, to } = this.#at(index)
    const name = kindOf(to, this.#cursor.file) ?? ''
    const step = m.files[name]
    if (this.#parsed === null || m.from.kinds[name] === undefined) return false
    if (step !== undefined && (step.file ?? step.record)?.rollback === undefined) return false
    this.#parsed = this.pass(this.#parsed, index, 'rollback')
    return true
  }

  /** One step over the parsed file, checked: shape, counts, the migration's own `validate`. */
  pass(parsed: Parsed, index: number, direction: 'migrate' | 'rollback'): Parsed {
    const { m, from, to } = this.#at(index)
    const [before, after] = direction === 'migrate' ? [from, to] : [to, from]
    const name = kindOf(before, this.#cursor.file)
    const step = name === undefined ? undefined : m.files[name]
    if (name === undefined || step === undefined) return parsed
    const kind = after[name]
    const path = this.#cursor.file
    if (kind === undefined)
      throw new StrataError('ABSENT', `${path} has no counterpart in ${direction === 'migrate' ? m.to.version : m.from.version}`)
    try {
      const moved = direction === 'migrate' ? this.#others.paths.after(path, index) : pathBefore(this.#dataset, path, index)
      const ctx = this.#ctx(m, direction, before, direction === 'migrate' ? index : index + 1)
      if (this.#others.run?.frozen === true) freeze([parsed.head, parsed.records])
      const { value, losses } = conserving(m, name, { before: before[name], after: kind, direction }, parsed, () => {
        const result = runStep(step, parsed, direction, ctx, this.#cursor)
        this.#cursor.file = moved
        checkResult(kind, result, this.#cursor)
        if (direction === 'migrate') this.#validate(m, name, kind, result)
        return result
      })
      for (const loss of losses) this.notes.found.push(announced(m, name, this.#cursor.file, loss))
      return value
    } catch (error) {
      throw failure(error, this.#cursor)
    }
  }

  /** The `validate` of migration `index` over a file that is at its result already. */
  validate(parsed: Parsed, index: number): void {
    const { m, to } = this.#at(index)
    const name = kindOf(to, this.#cursor.file) ?? ''
    const kind = to[name]
    if (kind === undefined) return
    try {
      this.#validate(m, name, kind, parsed)
    } catch (error) {
      throw failure(error, this.#cursor)
    }
  }

  #at(index: number): { m: AnyMigration; from: Kinds; to: Kinds } {
    const m = this.#dataset.chain.migrations[index]
    if (m === undefined) throw new StrataError('ABSENT', `there is no migration at position ${index}`)
    this.#cursor.step = m.to.version
    this.#cursor.record = null
    return { m, from: m.from.kinds, to: m.to.kinds }
  }

  #readOnce(kinds: Kinds, name: string, index: number, bytes: () => Uint8Array): Parsed | null {
    if (this.#parsed !== null) return this.#parsed
    const { step } = this.#cursor
    try {
      const parsed = this.parse(index, bytes())
      this.#cursor.step = step
      this.records = parsed.records?.length ?? 1
      this.#reportAside(kinds[name], parsed, bytes)
      return parsed
    } catch (error) {
      const policy = kinds[name]?.damaged
      if (policy !== 'quarantine' && policy !== 'keep') throw error
      this.damaged = true
      if (policy === 'keep') return null
      const cause = error instanceof StrataError ? error : undefined
      this.notes.found.push(
        issueOf(error, {
          severity: 'warning',
          code: 'QUARANTINED',
          file: this.#cursor.file,
          step,
          message: `cannot be read and is kept as it is: ${withoutPlace(messageOf(cause?.cause ?? error))}`,
          hint: 'Mend the file in the active directory, or restore it from a backup; then run migrate, which takes it through alone.',
        }),
      )
      return null
    }
  }

  #reportAside(kind: Kind | undefined, parsed: Parsed, bytes: () => Uint8Array): void {
    const { file, step } = this.#cursor
    const found = kind === undefined ? null : asideIssue(kind, file, parsed, bytes)
    if (found !== null) this.notes.found.push({ ...found, step })
  }

  #ctx(m: AnyMigration, direction: string, kinds: Kinds, index: number): AnyCtx {
    return createCtx({
      m,
      direction,
      kinds,
      at: () => this.#cursor,
      find: (kind, path) => {
        const { paths } = this.#others
        const at = path ?? kinds[kind]?.path
        const origin = at === undefined || kindOf(kinds, at) !== kind ? undefined : paths.origin(at, index)
        const found = origin === undefined ? undefined : this.#others.other(origin, index)
        // That there is none is what the result depends on, too.
        this.notes.reads.also(found?.reads ?? [{ path: path ?? kinds[kind]?.path ?? '', sha256: null }])
        return found?.parsed.head
      },
      paths: (kind) => this.#list(kinds, kind, index),
      warn: (code, message, hint = '') => {
        const { file, record, step } = this.#cursor
        this.notes.warn({ code, message, hint, file, record, step })
      },
      aborted: this.#others.run?.aborted ?? (() => null),
    })
  }

  #validate(m: AnyMigration, name: string, kind: Kind, output: Parsed): void {
    const validate = m.validate?.[name]
    if (validate === undefined) return
    const ctx = this.#ctx(m, 'validate', m.to.kinds, this.#dataset.chain.migrations.indexOf(m) + 1)
    const doc = settled(validate.doc?.(output.head, ctx))
    if (doc !== undefined) throw invalid(doc)
    if (validate.record === undefined || kind.record === undefined) return
    output.records?.forEach((record, i) => {
      this.#cursor.record = placeOf(output, i)
      const found = settled(validate.record?.(record, ctx))
      if (found !== undefined) throw invalid(found)
    })
    this.#cursor.record = null
  }

  #render(kind: Kind | undefined, parsed: Parsed): Uint8Array {
    if (kind === undefined) throw invalid('the step leaves a file of no kind')
    try {
      const bytes = renderDocument(kind, this.#cursor.file, parsed, this.#dataset.layout)
      this.#size = bytes.byteLength
      return bytes
    } catch (error) {
      throw failure(error, { ...this.#cursor, record: recordIn(kind, error) })
    }
  }

  /** The paths of a kind; that they are these is what the result depends on. */
  #list(kinds: Kinds, kind: string, index: number): readonly string[] {
    const { paths } = this.#others
    const list = paths.list(kind, index)
    const origins = list.map((path) => paths.origin(path, index) ?? path)
    // Where they had other names, any file that comes or goes may be one of them.
    const isAsItWas = origins.every((origin, i) => origin === list[i])
    for (const glob of isAsItWas ? patternsOf(kinds[kind]) : ['**']) this.notes.reads.list(glob, paths.matching(glob))
    return list
  }

  get #view(): AnyView {
    const parsed = this.#parsed
    return { path: this.#cursor.file, doc: parsed?.head, records: parsed?.records ?? [], size: this.#size }
  }

  #derive(index: number, name: string, derive: NonNullable<AnyFileStep['derive']>): Live[] {
    const { to, m } = this.#at(index)
    const kind = to[name]
    const parsed = this.#parsed
    if (kind === undefined || parsed === null) return []
    const ctx = this.#ctx(m, `derive ${name}`, to, index + 1)
    if (this.#others.run?.frozen === true) freeze([parsed.head, parsed.records])
    this.#cursor.unit = [parsed.head, parsed.records]
    try {
      return Array.from(iterableOf(derive.each(this.#view, ctx), `derive.each of ${name}`), ([path, head]) => {
        if (kindOf(to, path) !== name) throw invalid(`derived file ${path} does not match the pattern of ${name}`)
        const json = { value: head, spelling: parsed.json.spelling, style: parsed.json.style }
        const output: Parsed = { head, records: null, json }
        const work = new FileWork(this.#others, this.#dataset, path, { notes: this.notes, parsed: output, size: 0 })
        return { path, from: path, work, bytes: work.made(index, name, kind, output) }
      })
    } catch (error) {
      throw failure(error, this.#cursor)
    }
  }

  /** The bytes of a file that a step has made, checked as any result. */
  made(index: number, name: string, kind: Kind, output: Parsed): Uint8Array {
    const { m } = this.#at(index)
    checkResult(kind, output, this.#cursor)
    this.#validate(m, name, kind, output)
    return this.#render(kind, output)
  }

  /** What migration `index` takes from the file, which is at its result, for what it makes of all files. */
  gather(index: number): void {
    const { to, m } = this.#at(index)
    const path = this.#cursor.file
    const name = kindOf(to, path)
    for (const [kind, { gather }] of Object.entries(m.files)) {
      if (gather === undefined || gather.from !== name || this.#parsed === null) continue
      const ctx = this.#ctx(m, `gather ${kind}`, to, index + 1)
      if (this.#others.run?.frozen === true) freeze([this.#parsed.head, this.#parsed.records])
      this.#cursor.unit = [this.#parsed.head, this.#parsed.records]
      try {
        const value = settled(gather.each(this.#view, ctx))
        checkSerialisable(value)
        this.notes.gathered.push({ index, kind, path, value })
      } catch (error) {
        throw failure(error, this.#cursor)
      }
    }
  }
}

/** Whether a migration makes anything of the files of a kind besides what they become. */
const isSource = (m: AnyMigration, name: string): boolean => Object.values(m.files).some((s) => (s.derive ?? s.gather)?.from === name)
