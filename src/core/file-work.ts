import type { AnyFileStep, AnyView } from './chain.ts'
import { lineOf } from './bad-records.ts'
import type { Dataset } from './dataset.ts'
import type { Parsed } from './document.ts'
import { parseDocument, renderDocument, setAside, shapeProblem, withPlace } from './document.ts'
import { StrataError } from './errors.ts'
import { freeze } from './freeze.ts'
import type { JsonDoc } from './json/index.ts'
import { checkSerialisable, isOdd } from './json/index.ts'
import { announced } from './laws.ts'
import type { Notes } from './notes.ts'
import { pathBefore } from './paths.ts'
import type { Kind, Kinds } from './schema.ts'
import { kindOf } from './schema.ts'
import { Listed } from './step-context.ts'
import { failure, invalid, iterableOf, recordIn, settled } from './step-failure.ts'
import { checkResult, conserving, runStep } from './step-run.ts'
import type { Others } from './work.ts'
import { Work, isSource } from './work.ts'

/** A file of the next snapshot; `bytes` null: those of the file `from` in the snapshot before. */
export type StepFile = { readonly path: string; readonly bytes: Uint8Array | null; readonly from: string }

/** A file of any size, without the records that a step does not see. */
export type Content = {
  readonly doc: unknown
  readonly records: Iterable<unknown>
  /** Of its bytes. */
  readonly size: number
  readonly json: JsonDoc
}

/** The same on its way: what goes on with it. */
export type Live = StepFile & { readonly work: FileWork }

/** One file on its way through the steps. */
export class FileWork extends Work {
  #parsed: Parsed | null
  /** How many bytes it has. */
  #size = 0
  /** `made`: what a step has made the file of, with all that was noted on the way. */
  constructor(
    others: Others,
    dataset: Dataset,
    path: string,
    made?: { readonly notes: Notes; readonly parsed: Parsed; readonly size: number },
  ) {
    super(others, dataset, path, made?.notes)
    this.#parsed = made?.parsed ?? null
    this.#size = made?.size ?? 0
  }

  /** The files that it stands for after migration `index`. */
  step(index: number, bytes: () => Uint8Array): Live[] {
    const { m, from, to } = this.at(index)
    const path = this.cursor.file
    const same: Live = { path, bytes: null, from: path, work: this }
    const name = kindOf(from, path)
    if (name === undefined) return [same]
    const own = m.files[name]
    if (own?.drop !== undefined) return []
    if (own === undefined && !isSource(m, name)) return [same]
    const parsed = this.#readOnce(from, name, index, bytes)
    if (parsed === null) return [same]
    this.#parsed = own === undefined ? parsed : this.pass(parsed, index, 'migrate')
    const self = own === undefined ? same : { ...same, path: this.cursor.file, bytes: this.#render(to[name], this.#parsed) }
    const derived = this.derived(index)
    for (const { work } of [self, ...derived]) work.gather(index)
    return [self, ...derived]
  }

  /** Whether records have spellings, or orders of names, that only their own text tells. */
  get isOddlySpelt(): boolean {
    const { records, json } = this.#parsed ?? {}
    return records !== undefined && records !== null && json !== undefined && isOdd(json)
  }

  /** What migration `index` derives from the file, which is at its result. */
  derived(index: number): Live[] {
    const { m, to } = this.at(index)
    const name = kindOf(to, this.cursor.file)
    return Object.entries(m.files).flatMap(([kind, { derive }]) =>
      derive !== undefined && derive.from === name ? this.#derive(index, kind, derive) : [],
    )
  }

  parse(index: number, bytes: Uint8Array): Parsed {
    const { kinds = {}, version = '' } = this.dataset.chain.schemas[index] ?? {}
    this.cursor.step = version
    const kind = kinds[kindOf(kinds, this.cursor.file) ?? '']
    if (kind === undefined) throw new StrataError('ABSENT', `${this.cursor.file} is of no kind in ${version}`)
    try {
      this.#size = bytes.byteLength
      const parsed = setAside(kind, parseDocument(kind, this.cursor.file, bytes, this.dataset.layout))
      const problem = shapeProblem(kind, parsed)
      if (problem !== null) throw new StrataError('INVALID_RESULT', problem.message, { data: { record: problem.record } })
      return parsed
    } catch (error) {
      throw failure(error, this.cursor)
    }
  }

  /** Reads a file that is at `index`; its `pass`, `step` and `derived` go on from there. */
  open(index: number, bytes: Uint8Array): void {
    this.#parsed = this.parse(index, bytes)
  }

  /** Takes an opened file back over migration `index`; false where there is no way. */
  back(index: number): boolean {
    const { m, to } = this.at(index)
    const name = kindOf(to, this.cursor.file) ?? ''
    const step = m.files[name]
    if (this.#parsed === null || m.from.kinds[name] === undefined) return false
    if (step !== undefined && (step.file ?? step.record)?.rollback === undefined) return false
    this.#parsed = this.pass(this.#parsed, index, 'rollback')
    return true
  }

  /** One step over the parsed file, checked: shape, counts, the migration's own `validate`. */
  pass(parsed: Parsed, index: number, direction: 'migrate' | 'rollback'): Parsed {
    const { m, from, to } = this.at(index)
    const [before, after] = direction === 'migrate' ? [from, to] : [to, from]
    const name = kindOf(before, this.cursor.file)
    const step = name === undefined ? undefined : m.files[name]
    if (name === undefined || step === undefined) return parsed
    const kind = after[name]
    const path = this.cursor.file
    if (kind === undefined)
      throw new StrataError('ABSENT', `${path} has no counterpart in ${direction === 'migrate' ? m.to.version : m.from.version}`)
    try {
      const moved = direction === 'migrate' ? this.others.paths.after(path, index) : pathBefore(this.dataset, path, index)
      const ctx = this.ctx(m, direction, before, direction === 'migrate' ? index : index + 1)
      if (this.others.run?.frozen === true) freeze([parsed.head, parsed.records])
      const { value, losses } = conserving(m, name, { before: before[name], after: kind, direction }, parsed, () => {
        const result = runStep(step, parsed, direction, ctx, this.cursor)
        this.cursor.file = moved
        checkResult(kind, result, this.cursor)
        if (direction === 'migrate') this.validated(m, name, kind, result)
        return result
      })
      for (const loss of losses) this.notes.found.push(announced(m, name, this.cursor.file, loss))
      return { ...value, head: withPlace(kind, value.head) }
    } catch (error) {
      throw failure(error, this.cursor)
    }
  }

  /** The `validate` of migration `index` over a file that is at its result already. */
  validate(parsed: Parsed, index: number): void {
    const { m, to } = this.at(index)
    const name = kindOf(to, this.cursor.file) ?? ''
    const kind = to[name]
    if (kind === undefined) return
    try {
      this.validated(m, name, kind, parsed)
    } catch (error) {
      throw failure(error, this.cursor)
    }
  }

  #readOnce(kinds: Kinds, name: string, index: number, bytes: () => Uint8Array): Parsed | null {
    if (this.#parsed !== null) return this.#parsed
    const { step } = this.cursor
    try {
      const parsed = this.parse(index, bytes())
      this.cursor.step = step
      this.records = parsed.records?.length ?? 1
      this.reportAside(kinds[name], parsed.aside ?? [], (kind, place) => lineOf(kind, this.cursor.file, place, bytes))
      return parsed
    } catch (error) {
      this.cursor.step = step
      this.setDamaged(error, kinds[name])
      return null
    }
  }

  #render(kind: Kind | undefined, parsed: Parsed): Uint8Array {
    if (kind === undefined) throw invalid('the step leaves a file of no kind')
    try {
      const bytes = renderDocument(kind, this.cursor.file, parsed, this.dataset.layout)
      this.#size = bytes.byteLength
      return bytes
    } catch (error) {
      throw failure(error, { ...this.cursor, record: recordIn(kind, error) })
    }
  }

  /** What there is of the file for what is made of it. */
  protected get content(): Content | null {
    const parsed = this.#parsed
    return parsed === null ? null : { doc: parsed.head, records: parsed.records ?? [], size: this.#size, json: parsed.json }
  }

  #derive(index: number, name: string, derive: NonNullable<AnyFileStep['derive']>): Live[] {
    const { to, m } = this.at(index)
    const kind = to[name]
    const { content } = this
    if (kind === undefined || content === null) return []
    const ctx = this.ctx(m, `derive ${name}`, to, index + 1)
    const { spelling, style } = content.json
    try {
      return Array.from(iterableOf(derive.each(this.#view(content), ctx), `derive.each of ${name}`), ([path, head]) => {
        if (kindOf(to, path) !== name) throw invalid(`derived file ${path} does not match the pattern of ${name}`)
        const output: Parsed = { head, records: null, json: { value: head, spelling, style } }
        const work = new FileWork(this.others, this.dataset, path, { notes: this.notes, parsed: output, size: 0 })
        return { path, from: path, work, bytes: work.made(index, name, kind, output) }
      })
    } catch (error) {
      throw failure(error, this.cursor)
    }
  }

  /** The bytes of a file that a step has made, checked as any result. */
  made(index: number, name: string, kind: Kind, output: Parsed): Uint8Array {
    const { m } = this.at(index)
    checkResult(kind, output, this.cursor)
    this.validated(m, name, kind, output)
    return this.#render(kind, output)
  }

  /** What migration `index` takes from the file, which is at its result, for what it makes of all files. */
  gather(index: number): void {
    const { to, m } = this.at(index)
    const path = this.cursor.file
    const name = kindOf(to, path)
    const { content } = this
    if (content === null) return
    for (const [kind, { gather }] of Object.entries(m.files)) {
      if (gather === undefined || gather.from !== name) continue
      const ctx = this.ctx(m, `gather ${kind}`, to, index + 1)
      try {
        const value = settled(gather.each(this.#view(content), ctx))
        checkSerialisable(value)
        this.notes.gathered.push({ index, kind, path, value })
      } catch (error) {
        throw failure(error, this.cursor)
      }
    }
  }

  #view({ doc, records, size }: Content): AnyView {
    if (this.others.run?.frozen === true) freeze([doc, records])
    this.cursor.unit = new Listed(doc, records)
    return { path: this.cursor.file, doc, records, size }
  }
}
