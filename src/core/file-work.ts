import type { AnyCtx, AnyFileStep, AnyMigration, AnyPass } from './chain.ts'
import type { Dataset } from './dataset.ts'
import type { Parsed } from './document.ts'
import { countsOf, parseDocument, placeOf, refuseUnstorable, renderDocument, setAside, shapeProblem } from './document.ts'
import { StrataError, messageOf } from './errors.ts'
import { freeze } from './freeze.ts'
import type { Issue } from './issues.ts'
import { collapse, issue, issueOf, withoutPlace } from './issues.ts'
import type { Read } from './reads.ts'
import { Reads } from './reads.ts'
import type { Kind, Kinds } from './schema.ts'
import { Laws, announced, shrunk } from './laws.ts'
import { kindOf } from './schema.ts'
import type { Ending } from './step-context.ts'
import { createCtx } from './step-context.ts'
import type { Place } from './step-failure.ts'
import { failure, invalid, recordIn, settled } from './step-failure.ts'

/** A file of the next snapshot; `bytes` null: those of the same path in the snapshot before. */
export type StepFile = { readonly path: string; readonly bytes: Uint8Array | null }

/** `frozen`: inputs cannot be changed, as in checks. `aborted`: whether it is time to give up. */
export type RunOptions = { readonly frozen?: boolean; readonly aborted?: () => Ending | null }

/** A document that was read for another file, and what it depends on itself. */
export type OtherDocument = { readonly parsed: Parsed; readonly reads: readonly Read[] }

/** How a step reads other files of the dataset: the document at a chain position, and the path of a kind's only file. */
export type Others = {
  readonly other: (path: string, index: number) => OtherDocument
  readonly onlyPath: (kinds: Kinds, kind: string) => string | undefined
  readonly run?: RunOptions
}

type Passage = { before: Kind | undefined; after: Kind; direction: 'migrate' | 'rollback' }

/** One file on its way through the steps. */
export class FileWork {
  readonly #found: Issue[] = []
  readonly #warned = new Map<string, Issue>()
  readonly reads = new Reads()
  damaged = false
  records = 0
  #parsed: Parsed | null = null
  /** The value that the step's function is given: what ids are made from. */
  #unit: unknown = null
  readonly #place: Place
  readonly #others: Others
  readonly #dataset: Dataset

  constructor(others: Others, dataset: Dataset, path: string) {
    this.#others = others
    this.#dataset = dataset
    this.#place = { file: path, step: '', record: null }
  }

  /** Where in the file the work is. */
  get place(): Readonly<Place> {
    return this.#place
  }

  get issues(): Issue[] {
    return collapse([...this.#found, ...this.#warned.values()])
  }

  step(index: number, bytes: () => Uint8Array): StepFile[] {
    const { m, from, to } = this.#at(index)
    const path = this.#place.file
    const name = kindOf(from, path)
    if (name === undefined) return [{ path, bytes: null }]
    const own = m.files[name]
    const derived = Object.entries(m.files).filter(([, s]) => s.derive?.from === name)
    if (own === undefined && derived.length === 0) return [{ path, bytes: null }]
    if (own?.drop !== undefined) return []
    const parsed = this.#readOnce(from, name, index, bytes)
    if (parsed === null) return [{ path, bytes: null }]
    this.#parsed = own === undefined ? parsed : this.pass(parsed, index, 'migrate')
    const self = { path, bytes: own === undefined ? null : this.#render(to[name], this.#parsed) }
    return [self, ...derived.flatMap(([kind, step]) => this.#derive(index, kind, step))]
  }

  parse(index: number, bytes: Uint8Array): Parsed {
    const { kinds = {}, version = '' } = this.#dataset.chain.schemas[index] ?? {}
    this.#place.step = version
    const kind = kinds[kindOf(kinds, this.#place.file) ?? '']
    if (kind === undefined) throw new StrataError('ABSENT', `${this.#place.file} is of no kind in ${version}`)
    try {
      const parsed = setAside(kind, parseDocument(kind, bytes, this.#dataset.layout))
      const problem = shapeProblem(kind, parsed)
      if (problem !== null) throw new StrataError('INVALID_RESULT', problem.message, { data: { record: problem.record } })
      return parsed
    } catch (error) {
      throw failure(error, this.#place)
    }
  }

  rederive(position: number, bytes: Uint8Array, since: number): StepFile[] {
    const kinds = this.#dataset.chain.schemas[position]?.kinds ?? {}
    const name = kindOf(kinds, this.#place.file)
    const deriving = this.#dataset.chain.migrations.slice(0, position).map((m, index) => ({ m, index }))
    const wanted = deriving.filter(({ m, index }) => index >= since && Object.values(m.files).some((step) => step.derive?.from === name))
    if (name === undefined || wanted.length === 0) return []
    this.#parsed = this.parse(position, bytes)
    return wanted.flatMap(({ m, index }) =>
      // A kind that a later step changes again cannot be derived from what it is now.
      m.to.kinds[name] === kinds[name]
        ? Object.entries(m.files).flatMap(([kind, step]) => (step.derive?.from === name ? this.#derive(index, kind, step) : []))
        : [],
    )
  }

  /** One step over the parsed file, checked: shape, counts, the migration's own `validate`. */
  pass(parsed: Parsed, index: number, direction: 'migrate' | 'rollback'): Parsed {
    const { m, from, to } = this.#at(index)
    const [before, after] = direction === 'migrate' ? [from, to] : [to, from]
    const name = kindOf(before, this.#place.file)
    const step = name === undefined ? undefined : m.files[name]
    if (name === undefined || step === undefined) return parsed
    const kind = after[name]
    if (kind === undefined)
      throw new StrataError(
        'ABSENT',
        `${this.#place.file} has no counterpart in ${direction === 'migrate' ? m.to.version : m.from.version}`,
      )
    try {
      const ctx = this.#ctx(m, direction, before, direction === 'migrate' ? index : index + 1)
      return this.#conserving(m, name, { before: before[name], after: kind, direction }, parsed, () => {
        const result = this.#run(step, parsed, direction, ctx)
        this.#check(kind, result)
        if (direction === 'migrate') this.#validate(m, name, kind, result)
        return result
      })
    } catch (error) {
      throw failure(error, this.#place)
    }
  }

  /** The `validate` of migration `index` over a file that is at its result already. */
  validate(parsed: Parsed, index: number): void {
    const { m, to } = this.#at(index)
    const name = kindOf(to, this.#place.file) ?? ''
    const kind = to[name]
    if (kind === undefined) return
    try {
      this.#validate(m, name, kind, parsed)
    } catch (error) {
      throw failure(error, this.#place)
    }
  }

  #at(index: number): { m: AnyMigration; from: Kinds; to: Kinds } {
    const m = this.#dataset.chain.migrations[index]
    if (m === undefined) throw new StrataError('ABSENT', `there is no migration at position ${index}`)
    this.#place.step = m.to.version
    this.#place.record = null
    return { m, from: m.from.kinds, to: m.to.kinds }
  }

  #readOnce(kinds: Kinds, name: string, index: number, bytes: () => Uint8Array): Parsed | null {
    if (this.#parsed !== null) return this.#parsed
    const { step } = this.#place
    try {
      const parsed = this.parse(index, bytes())
      this.#place.step = step
      this.records = parsed.records?.length ?? 1
      this.#reportAside(parsed)
      return parsed
    } catch (error) {
      const policy = kinds[name]?.damaged
      if (policy !== 'quarantine' && policy !== 'keep') throw error
      this.damaged = true
      if (policy === 'keep') return null
      const cause = error instanceof StrataError ? error : undefined
      this.#found.push(
        issueOf(error, {
          severity: 'warning',
          code: 'QUARANTINED',
          file: this.#place.file,
          step,
          message: `cannot be read and is kept as it is: ${withoutPlace(messageOf(cause?.cause ?? error))}`,
          hint: 'Mend the file in the active directory, or restore it from a backup; then run migrate, which takes it through alone.',
        }),
      )
      return null
    }
  }

  #reportAside({ aside = [] }: Parsed): void {
    const [first] = aside
    if (first === undefined) return
    this.#found.push(
      issue({
        severity: 'warning',
        code: 'BAD_RECORD',
        file: this.#place.file,
        record: first.index,
        step: this.#place.step,
        message: 'is not as the schema says, and is kept as it is',
        hint: 'Mend it in the active directory, in the form that its file has now.',
        count: aside.length,
      }),
    )
  }

  #ctx(m: AnyMigration, direction: string, kinds: Kinds, index: number): AnyCtx {
    return createCtx({
      m,
      direction,
      kinds,
      at: () => ({ file: this.#place.file, record: this.#place.record, unit: this.#unit }),
      find: (kind) => {
        const path = this.#others.onlyPath(kinds, kind)
        const found = path === undefined ? undefined : this.#others.other(path, index)
        // That there is none is what the result depends on, too.
        this.reads.also(found?.reads ?? [{ path: kinds[kind]?.path ?? '', sha256: null }])
        return found?.parsed.head
      },
      warn: (code, message, hint = '') => {
        const { file, record, step } = this.#place
        const key = `${step} ${code} ${message}`
        const before = this.#warned.get(key)
        // A day may warn a hundred thousand times of the same thing.
        if (before === undefined) this.#warned.set(key, issue({ severity: 'warning', code, message, hint, file, record, step }))
        else before.count += 1
      },
      aborted: this.#others.run?.aborted ?? (() => null),
    })
  }

  #run(step: AnyFileStep, parsed: Parsed, direction: 'migrate' | 'rollback', ctx: AnyCtx): Parsed {
    this.#unit = parsed.head
    const whole = step.file?.[direction]
    if (whole !== undefined) return { ...parsed, head: settled(whole(parsed.head, ctx)) }
    const pass = step.record?.[direction]
    if (pass === undefined) throw new StrataError('ABSENT', `this step has no ${direction} function`)
    return { ...parsed, ...this.#records(pass, parsed, ctx) }
  }

  #records(pass: AnyPass, parsed: Parsed, ctx: AnyCtx): { head: unknown; records: unknown[] } {
    const input = parsed.records ?? []
    const place = this.#place
    let sum: unknown = pass.scan?.init(parsed.head)
    const { scan } = pass
    if (scan?.add !== undefined)
      for (let i = 0; i < input.length; i++) {
        place.record = placeOf(parsed, i)
        this.#unit = input[i]
        sum = settled(scan.add(sum, input[i], ctx))
      }
    place.record = null
    this.#unit = parsed.head
    const head = settled(pass.head(parsed.head, sum, ctx))
    const records = input.map((record, i) => {
      place.record = placeOf(parsed, i)
      this.#unit = record
      return settled(pass.record(record, sum, ctx))
    })
    place.record = null
    return { head, records }
  }

  /** A result must be of the schema's shape. What cannot be stored at all is said as that. */
  #check(kind: Kind, output: Parsed): void {
    let problem: ReturnType<typeof shapeProblem>
    try {
      problem = shapeProblem(kind, output)
    } catch (error) {
      // A result that contains itself ends the look at its shape.
      refuseUnstorable(output)
      throw error
    }
    if (problem === null) return
    refuseUnstorable(output)
    this.#place.record = problem.record === null ? null : placeOf(output, problem.record)
    throw invalid(`the step's result is not as the schema says: ${problem.message}`)
  }

  /** Measures input and result of a step: what it must conserve has to be in both. */
  #conserving(m: AnyMigration, name: string, of: Passage, input: Parsed, run: () => Parsed): Parsed {
    if (this.#others.run?.frozen === true) freeze([input.head, input.records])
    // Before it runs: a step might change its input.
    const laws = new Laws(m, name, of.direction)
    const counts = of.direction === 'rollback' || of.before === undefined ? {} : countsOf(of.before, input)
    if (laws.any) for (const unit of input.records ?? [input.head]) laws.before(unit)
    const result = run()
    if (laws.any) for (const unit of result.records ?? [result.head]) laws.after(unit)
    const lost = of.direction === 'rollback' ? [] : shrunk(counts, countsOf(of.after, result))
    for (const loss of [...laws.losses(), ...lost]) this.#found.push(announced(m, name, this.#place.file, loss))
    return result
  }

  #validate(m: AnyMigration, name: string, kind: Kind, output: Parsed): void {
    const validate = m.validate?.[name]
    if (validate === undefined) return
    const ctx = this.#ctx(m, 'validate', m.to.kinds, this.#dataset.chain.migrations.indexOf(m) + 1)
    const doc = settled(validate.doc?.(output.head, ctx))
    if (doc !== undefined) throw invalid(doc)
    if (validate.record === undefined || kind.record === undefined) return
    output.records?.forEach((record, i) => {
      this.#place.record = placeOf(output, i)
      const found = settled(validate.record?.(record, ctx))
      if (found !== undefined) throw invalid(found)
    })
    this.#place.record = null
  }

  #render(kind: Kind | undefined, parsed: Parsed): Uint8Array {
    if (kind === undefined) throw invalid('the step leaves a file of no kind')
    try {
      return renderDocument(kind, parsed, this.#dataset.layout)
    } catch (error) {
      throw failure(error, { ...this.#place, record: recordIn(kind, error) })
    }
  }

  #derive(index: number, name: string, step: AnyFileStep): StepFile[] {
    const { to, m } = this.#at(index)
    const kind = to[name]
    const parsed = this.#parsed
    if (kind === undefined || parsed === null || step.derive === undefined) return []
    const ctx = this.#ctx(m, `derive ${name}`, to, index + 1)
    if (this.#others.run?.frozen === true) freeze([parsed.head, parsed.records])
    this.#unit = [parsed.head, parsed.records]
    try {
      const made = settled(step.derive.each({ path: this.#place.file, doc: parsed.head, records: parsed.records ?? [] }, ctx))
      return Array.from(made, ([path, head]) => {
        if (kindOf(to, path) !== name) throw invalid(`derived file ${path} does not match the pattern of ${name}`)
        const json = { value: head, spelling: parsed.json.spelling, style: parsed.json.style }
        const output: Parsed = { head, records: null, json }
        this.#check(kind, output)
        this.#validate(m, name, kind, output)
        return { path, bytes: this.#render(kind, output) }
      })
    } catch (error) {
      throw failure(error, this.#place)
    }
  }
}
