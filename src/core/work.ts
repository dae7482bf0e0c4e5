import type { AnyCtx, AnyMigration } from './chain.ts'
import type { Dataset } from './dataset.ts'
import { asideIssue } from './bad-records.ts'
import type { Aside, Parsed } from './document.ts'
import { placeOf } from './document.ts'
import { StrataError, isOfDisk, messageOf } from './errors.ts'
import { issueOf, withoutPlace } from './issues.ts'
import type { Issue } from './issues.ts'
import { Notes } from './notes.ts'
import type { Paths } from './paths.ts'
import type { Read } from './reads.ts'
import type { Kind, Kinds } from './schema.ts'
import { kindOf, patternsOf } from './schema.ts'
import type { Ending } from './step-context.ts'
import { createCtx } from './step-context.ts'
import type { Place } from './step-failure.ts'
import { invalid, settled } from './step-failure.ts'
import type { Cursor } from './step-run.ts'

/** `frozen`: inputs cannot be changed, as in checks. `aborted`: whether it is time to give up. */
export type RunOptions = { readonly frozen?: boolean; readonly aborted?: () => Ending | null }

/** A document that was read for another file, its path there, what it depends on itself, and what was found on the way. */
export type OtherDocument = {
  readonly parsed: Parsed
  readonly path: string
  readonly reads: readonly Read[]
  readonly issues: readonly Issue[]
}

/** How a step reads other files of the dataset: the document of a source's file at a chain position, and where each file is. */
export type Others = {
  readonly other: (path: string, index: number) => OtherDocument
  readonly paths: Paths
  readonly run?: RunOptions
}

/** The two schemas of a step. */
export type Crossing = { readonly m: AnyMigration; readonly from: Kinds; readonly to: Kinds }

/** A file on its way through the steps: where it is, what was noted of it, and what a step's functions are given besides it. */
export class Work {
  readonly notes: Notes
  damaged = false
  records = 0
  protected readonly cursor: Cursor
  protected readonly others: Others
  protected readonly dataset: Dataset

  constructor(others: Others, dataset: Dataset, path: string, notes = new Notes()) {
    this.others = others
    this.dataset = dataset
    this.cursor = { file: path, step: '', record: null, unit: null }
    this.notes = notes
  }

  /** Where in the file the work is. */
  get place(): Readonly<Place> {
    return this.cursor
  }

  protected at(index: number): Crossing {
    const m = this.dataset.chain.migrations[index]
    if (m === undefined) throw new StrataError('ABSENT', `there is no migration at position ${index}`)
    this.cursor.step = m.to.version
    this.cursor.record = null
    return { m, from: m.from.kinds, to: m.to.kinds }
  }

  protected ctx(m: AnyMigration, direction: string, kinds: Kinds, index: number): AnyCtx {
    return createCtx({
      m,
      direction,
      kinds,
      at: () => this.cursor,
      find: (kind, path) => {
        const { paths } = this.others
        const at = path ?? kinds[kind]?.path
        const origin = at === undefined || kindOf(kinds, at) !== kind ? undefined : paths.origin(at, index)
        const found = origin === undefined ? undefined : this.others.other(origin, index)
        const hasMoves = paths.hasMoves(index)
        if (hasMoves) this.#readAllPaths()
        // That there is none is what the result depends on, too.
        this.notes.reads.also(found?.reads ?? (hasMoves ? [] : [{ path: at ?? '', sha256: null }]))
        return found?.parsed.head
      },
      paths: (kind) => this.#list(kinds, kind, index),
      warn: (code, message, hint = '') => {
        const { file, record, step } = this.cursor
        this.notes.warn({ code, message, hint, file, record, step })
      },
      aborted: this.others.run?.aborted ?? (() => null),
    })
  }

  /** The migration's own `validate` over a result. */
  protected validated(m: AnyMigration, name: string, kind: Kind, output: Parsed): void {
    this.validatedDoc(m, name, output.head)
    if (kind.record !== undefined) this.validatedRecords(m, name, output)
  }

  protected validatedDoc(m: AnyMigration, name: string, head: unknown): void {
    const problem = settled(m.validate?.[name]?.doc?.(head, this.#ctxAfter(m)))
    if (problem !== undefined) throw invalid(problem)
  }

  protected validatedRecords(m: AnyMigration, name: string, output: Parsed): void {
    const validate = m.validate?.[name]
    if (validate?.record === undefined) return
    const ctx = this.#ctxAfter(m)
    output.records?.forEach((record, i) => {
      this.cursor.record = placeOf(output, i)
      const problem = settled(validate.record?.(record, ctx))
      if (problem !== undefined) throw invalid(problem)
    })
    this.cursor.record = null
  }

  #ctxAfter(m: AnyMigration): AnyCtx {
    return this.ctx(m, 'validate', m.to.kinds, this.dataset.chain.migrations.indexOf(m) + 1)
  }

  /** Goes on without a file that is damaged, where its kind says so; else throws. A disk that fails is no damaged file. */
  protected setDamaged(error: unknown, kind: Kind | undefined): void {
    const policy = kind?.damaged
    if (isOfDisk(error) || (policy !== 'quarantine' && policy !== 'keep')) throw error
    this.damaged = true
    if (policy === 'keep') return
    const cause = error instanceof StrataError ? error : undefined
    this.notes.found.push(
      issueOf(error, {
        severity: 'warning',
        code: 'QUARANTINED',
        file: this.cursor.file,
        step: this.cursor.step,
        message: `cannot be read and is kept as it is: ${withoutPlace(messageOf(cause?.cause ?? error))}`,
        hint: 'Mend the file in the active directory, or restore it from a backup; then run migrate, which takes it through alone.',
      }),
    )
  }

  /** Reports records that stay as they are. `lineOf`: where one is in its text. */
  protected reportAside(kind: Kind | undefined, aside: readonly Aside[], lineOf: (kind: Kind, place: number) => number | null): void {
    const found = kind === undefined ? null : asideIssue(kind, this.cursor.file, aside, (place) => lineOf(kind, place))
    if (found !== null) this.notes.found.push({ ...found, step: this.cursor.step })
  }

  /** The paths of a kind; that they are these is what the result depends on. */
  #list(kinds: Kinds, kind: string, index: number): readonly string[] {
    const { paths } = this.others
    if (paths.hasMoves(index)) this.#readAllPaths()
    else for (const glob of patternsOf(kinds[kind])) this.notes.reads.list(glob, paths.digestOf(glob))
    return paths.list(kind, index)
  }

  /** Where files get other paths, any that comes or goes may be the one that was looked for, or lead it elsewhere. */
  #readAllPaths(): void {
    this.notes.reads.list('**', this.others.paths.digestOf('**'))
  }
}

/** Whether a migration makes anything of the files of a kind besides what they become. */
export const isSource = (m: AnyMigration, name: string): boolean =>
  Object.values(m.files).some((s) => (s.derive ?? s.gather)?.from === name)
