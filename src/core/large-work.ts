import type { AnyCtx, AnyPass } from './chain.ts'
import { json } from './codecs/index.ts'
import type { Aside, Parsed } from './document.ts'
import { allRecords, countsOf, shapeProblem, splitRecords, withRecords } from './document.ts'
import { StrataError } from './errors.ts'
import type { Content, Live } from './file-work.ts'
import { FileWork } from './file-work.ts'
import { fits } from './fits.ts'
import { freeze } from './freeze.ts'
import type { JsonDoc, Layout, Pieces, RecordGroup, Spelling } from './json/index.ts'
import { GO_STYLE, RecordReader, RecordWriter } from './json/index.ts'
import { Laws, announced, shrunk } from './laws.ts'
import type { Kind, Kinds } from './schema.ts'
import { codecOf, kindOf } from './schema.ts'
import { failure, recordIn } from './step-failure.ts'
import { checkResult, runHead, runRecords, runScan } from './step-run.ts'
import { isSource } from './work.ts'
import type { Crossing } from './work.ts'

/** What a step makes of a large file. It is worked out as it is read, once, to its end. */
export type LargeOutput = { readonly path: string; readonly pieces: Iterable<Uint8Array> }

/** Records as they come, and their spellings. */
type Group = { readonly parsed: Parsed; readonly spellings: RecordGroup['spellings'] }

/** One step over one kind. */
type Passage = Crossing & {
  readonly index: number
  readonly name: string
  readonly before: Kind
  readonly after: Kind
  readonly pass: AnyPass
}

/** Whether the files of a kind can be read record by record. */
export const isStreamed = (kind: Kind | undefined, path: string): boolean =>
  kind?.at !== undefined && kind.record !== undefined && codecOf(kind, path) === json

/** Reads all records of a file, a few at a time; returns how many there are. Throws what `parseDocument` throws. */
export const checkRecords = (kind: Kind, pieces: Pieces, layout: Layout): number => {
  const reader = new RecordReader(pieces, kind.at ?? '', layout)
  splitRecords(reader.frame().doc, kind.at ?? '')
  let count = 0
  for (const { records } of reader.groups()) count += records.length
  return count
}

const EMPTY: readonly unknown[] = []

/** A file of records that is not held in memory: each step reads it piece by piece, and writes the next. */
export class LargeWork extends FileWork {
  /** The file as it is now, where it was asked for. */
  #content: Content | null = null
  /** Whether every record has been looked at. */
  #isSound = false
  /** The places of records that no step sees. */
  readonly #aside = new Set<number>()
  #unreadable: unknown
  #isReported = false
  /** What the file is of. */
  #version = ''

  /** Whether the steps from `from` to before `to` can be taken record by record. */
  canStream(from: number, to: number): boolean {
    let path = this.cursor.file
    for (let i = from; i < to; i++) {
      const { m, from: before, to: after } = this.at(i)
      const name = kindOf(before, path)
      const step = name === undefined ? undefined : m.files[name]
      if (name !== undefined && !isStreamed(before[name], path) && (step !== undefined || isSource(m, name))) return false
      if (step?.drop !== undefined) return true
      const moved = this.others.paths.after(path, i)
      if (step !== undefined && (step.record === undefined || !isStreamed(after[name ?? ''], moved))) return false
      path = moved
    }
    return true
  }

  /** What migration `index` makes of the file; `same` where it stays as it is, `gone` where it is dropped. Throws as `Transformer.file` does. */
  stream(index: number, pieces: Pieces): LargeOutput | 'same' | 'gone' {
    const crossing = this.at(index)
    this.#version = crossing.m.from.version
    const path = this.cursor.file
    const name = kindOf(crossing.from, path)
    const step = name === undefined ? undefined : crossing.m.files[name]
    if (name === undefined || step === undefined) return 'same'
    if (step.drop !== undefined) return 'gone'
    const [before, after, pass] = [crossing.from[name], crossing.to[name], step.record?.migrate]
    if (before === undefined || after === undefined || pass === undefined)
      throw new StrataError('ABSENT', `${path} has no counterpart in ${crossing.m.to.version}`)
    const passage = { ...crossing, index, name, before, after, pass }
    const moved = this.others.paths.after(path, index)
    return { path: moved, pieces: this.#output(passage, pieces, moved) }
  }

  /** What migration `index` makes of the file besides, once `pieces` are what it became. */
  after(index: number, pieces: Pieces, size: number): Live[] {
    const { m, to } = this.at(index)
    const path = this.cursor.file
    const name = kindOf(to, path)
    const kind = name === undefined ? undefined : to[name]
    if (name === undefined || kind === undefined || !isSource(m, name)) return []
    if (!this.#isSound && !this.#lookedThrough(kind, pieces)) return []
    return this.#withContent(kind, pieces, size, () => {
      const derived = this.derived(index)
      this.gather(index)
      for (const { work } of derived) work.gather(index)
      return derived
    })
  }

  /** What the migrations at `indexes` take from a file that is at `position`, as at their results. One that cannot be read gives nothing. */
  gatherAt(position: number, pieces: Pieces, size: number, indexes: readonly number[]): void {
    const { kinds = {}, version = '' } = this.dataset.chain.schemas[position] ?? {}
    const kind = kinds[kindOf(kinds, this.cursor.file) ?? '']
    this.#version = version
    if (kind === undefined || !this.#lookedThrough(kind, pieces)) return
    this.#withContent(kind, pieces, size, () => {
      for (const index of indexes) this.gather(index)
    })
  }

  #withContent<T>(kind: Kind, pieces: Pieces, size: number, work: () => T): T {
    const reader = this.#reader(kind, pieces)
    const { head, json: doc } = this.#head(kind, reader)
    this.#content = { doc: head, records: this.#seen(kind, reader), size, json: doc }
    try {
      return work()
    } finally {
      this.#content = null
    }
  }

  /** Whether the file is one that cannot be read, which goes on as it is; `error` is what reading its output threw. */
  isUnreadable(error: unknown, kinds: Kinds): boolean {
    if (this.#unreadable === undefined || this.#unreadable !== error) return false
    // What was noted of the records before the damage is of a result that there is not.
    this.notes.forget()
    this.setDamaged(error, kinds[kindOf(kinds, this.cursor.file) ?? ''])
    return true
  }

  protected override get content(): Content | null {
    return this.#content
  }

  *#output(passage: Passage, pieces: Pieces, moved: string): Generator<Uint8Array> {
    const { m, name, index, before, after, pass, from } = passage
    const path = this.cursor.file
    const reader = this.#reader(before, pieces)
    const input = this.#head(before, reader)
    const ctx = this.ctx(m, 'migrate', from, index)
    const counts = countsOf(before, { head: input.head, records: EMPTY })
    const laws = new Laws(m, name, 'migrate')
    const made = this.#failing(() => {
      const sum = this.#sum(pass, before, reader, input, ctx)
      return { sum, head: runHead(pass, input.head, sum, ctx, this.cursor) }
    })
    const output: Parsed = { ...input, head: made.head }
    this.#failing(() => {
      this.cursor.file = moved
      checkResult(after, { ...output, records: EMPTY }, this.cursor)
      this.validatedDoc(m, name, made.head)
    })
    const writer = new RecordWriter(after.at ?? '', this.dataset.layout, input.json, (list) => withRecords(after, made.head, list))
    let total = 0
    for (const { parsed, spellings } of this.#groups(before, reader)) {
      yield this.#failing(() => {
        this.cursor.file = path
        if (laws.any) for (const unit of parsed.records ?? []) laws.before(unit)
        const records = runRecords(pass, parsed, made.sum, ctx, this.cursor)
        this.cursor.file = moved
        const result: Parsed = { ...parsed, head: made.head, records }
        this.#check(passage, result, laws)
        total += records.length
        return this.#written(after, writer, result, spellings)
      })
    }
    this.#isSound = true
    this.records = total
    this.#reportOnce(before, reader)
    const lost = shrunk({ ...counts, records: total }, { ...countsOf(after, { head: made.head, records: EMPTY }), records: total })
    this.#failing(() => {
      for (const loss of [...laws.losses(), ...lost]) this.notes.found.push(announced(m, name, moved, loss))
    })
    yield writer.end()
  }

  #check({ m, name, after }: Passage, result: Parsed, laws: Laws): void {
    checkResult(after, result, this.cursor)
    this.validatedRecords(m, name, result)
    if (laws.any) for (const unit of result.records ?? []) laws.after(unit)
  }

  #written(kind: Kind, writer: RecordWriter, result: Parsed, spellings: readonly (Spelling | null)[] | null): Uint8Array {
    try {
      return writer.group(allRecords(result) ?? EMPTY, spellings)
    } catch (error) {
      const record = recordIn(kind, error)
      throw failure(error, { ...this.cursor, record: record === null ? null : (result.first ?? 0) + record })
    }
  }

  /** Names the place in whatever is thrown. */
  #failing<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw error === this.#unreadable ? error : failure(error, this.cursor)
    }
  }

  #sum(pass: AnyPass, kind: Kind, reader: RecordReader, input: Parsed, ctx: AnyCtx): unknown {
    let sum = pass.scan?.init(input.head)
    if (pass.scan?.add !== undefined)
      for (const { parsed } of this.#groups(kind, reader)) sum = runScan(pass, sum, parsed, ctx, this.cursor)
    return sum
  }

  #reader(kind: Kind, pieces: Pieces): RecordReader {
    return new RecordReader(pieces, kind.at ?? '', this.dataset.layout)
  }

  /** The document around the records. What is wrong with it makes the file unreadable, unless a step has made it. */
  #head(kind: Kind, reader: RecordReader): Parsed & { readonly json: JsonDoc } {
    return this.#reading(() => {
      const { doc } = reader.frame()
      const parsed = splitRecords(doc, kind.at ?? '')
      if (this.others.run?.frozen === true) freeze([parsed.head])
      if (!this.#isSound) this.#requireShape(kind, { head: parsed.head, records: EMPTY }, 0)
      return parsed
    })
  }

  /** The records that a step sees, some at a time. */
  *#groups(kind: Kind, reader: RecordReader): Generator<Group> {
    const groups = reader.groups()
    let first = 0
    try {
      for (;;) {
        const next = this.#reading(() => groups.next())
        if (next.done === true) return
        const { records, spellings } = next.value
        const group = this.#reading(() => this.#sorted(kind, records, first))
        if (this.others.run?.frozen === true) freeze([group.records])
        yield { parsed: group, spellings }
        first += records.length
      }
    } finally {
      groups.return(undefined)
    }
  }

  /** The records of a group, those that are not as the schema says set aside. */
  #sorted(kind: Kind, records: readonly unknown[], first: number): Parsed {
    const isKept = (kind.badRecords ?? 'fail') !== 'fail'
    if (isKept && !this.#isSound) for (const [i, record] of records.entries()) if (isBad(kind, record)) this.#aside.add(first + i)
    const isAny = this.#aside.size > 0
    const aside = isAny ? records.flatMap((record, index): Aside[] => (this.#aside.has(first + index) ? [{ index, record }] : [])) : []
    const good = aside.length === 0 ? records : records.filter((_, i) => !this.#aside.has(first + i))
    const parsed: Parsed = { head: null, records: good, json: NO_DOC, aside, first }
    if (!this.#isSound) this.#requireShape({ ...kind, at: '' }, parsed, first)
    return parsed
  }

  #requireShape(kind: Kind, parsed: Pick<Parsed, 'head' | 'records'>, first: number): void {
    const problem = shapeProblem(kind, parsed)
    if (problem !== null)
      throw new StrataError('INVALID_RESULT', problem.message, {
        data: { record: problem.record === null ? null : first + problem.record },
      })
  }

  /** Marks what is thrown while the file is read for the first time: its kind may let it go on as it is. */
  #reading<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      const named = failure(error, { ...this.cursor, step: this.#version })
      if (!this.#isSound) this.#unreadable = named
      throw named
    }
  }

  /** The records as often as wanted, without those that no step sees. */
  #seen(kind: Kind, reader: RecordReader): Iterable<unknown> {
    const groups = (): Iterable<Group> => this.#groups(kind, reader)
    return {
      *[Symbol.iterator]() {
        for (const { parsed } of groups()) yield* parsed.records ?? EMPTY
      },
    }
  }

  /** Looks at all of a file that no step has changed yet; false where it cannot be read and goes on as it is. */
  #lookedThrough(kind: Kind, pieces: Pieces): boolean {
    const { step } = this.cursor
    try {
      const reader = this.#reader(kind, pieces)
      this.#head(kind, reader)
      let total = 0
      for (const { parsed } of this.#groups(kind, reader)) total += parsed.records?.length ?? 0
      this.records = total
      this.#isSound = true
      this.#reportOnce(kind, reader)
      return true
    } catch (error) {
      this.cursor.step = step
      this.setDamaged(error, kind)
      return false
    }
  }

  #reportOnce(kind: Kind, reader: RecordReader): void {
    const aside = [...this.#aside].sort((a, b) => a - b).map((index) => ({ index, record: null }))
    if (!this.#isReported) this.reportAside(kind, aside, (_, place) => reader.lineOf(place))
    this.#isReported = true
  }
}

const NO_DOC: JsonDoc = { value: null, spelling: null, style: GO_STYLE }

const isBad = ({ record }: Kind, value: unknown): boolean => record !== undefined && !fits(record, value)
