import type * as z from 'zod'
import compare from 'semver/functions/compare.js'
import valid from 'semver/functions/valid.js'
import type { Kind, Kinds, Schema } from './schema.ts'

/* ---- types: everything a migration's functions receive and return is inferred from the two schemas ---- */

type KnownKeys<T> = keyof { [K in keyof T as string extends K ? never : K]: 1 }
/** Loose objects accept any member; their index signature would let typos compile, so it is taken off. */
type Known<T> = T extends readonly (infer U)[]
  ? Known<U>[]
  : T extends object
    ? [KnownKeys<T>] extends [never]
      ? { [K in keyof T]: Known<T[K]> }
      : { [K in keyof T as string extends K ? never : K]: Known<T[K]> }
    : T

export type Doc<K> = K extends Kind<infer D> ? Known<z.output<D>> : never
export type Rec<K> = K extends { record: infer R extends z.ZodType } ? Known<z.output<R>> : never

/** Says when to give up: the job was cancelled, or the file's time is over. Look at it in loops that take long. */
export type Signal = { readonly aborted: boolean; throwIfAborted(): void }

type Common = {
  /** The dataset path of the file at hand, such as `data/2025-12-08.json`. */
  readonly path: string
  /** Reports something the user should know. Alike warnings of a file are counted, not repeated. No data values in `message`. */
  readonly warn: (code: string, message: string, hint?: string) => void
  /** A UUID that is the same whenever the same step sees the same input at the same place; another one at each call. */
  readonly id: () => string
  /** The migration's `createdAt` in Unix milliseconds: a step has no other time. */
  readonly now: () => number
  readonly signal: Signal
}

/** What a function of a step may use besides its input. Everything read here is part of what its result depends on. */
export type Ctx<K extends Kinds> = Common & {
  /** A file of the dataset at this version, without its records; frozen. Without a path the kind's only one. Throws ABSENT. */
  readonly read: <N extends keyof K & string>(kind: N, path?: string) => Doc<K[N]>
  /** Like `read`, but undefined when the dataset has no such file. */
  readonly find: <N extends keyof K & string>(kind: N, path?: string) => Doc<K[N]> | undefined
  /** The paths of a kind at this version, in order. A result that rests on them is made anew when a file comes or goes. */
  readonly paths: (kind: keyof K & string) => readonly string[]
}

type FilePass<A, B, C extends Kinds> = (doc: Doc<A>, ctx: Ctx<C>) => Doc<B>

/**
 * One pass over a record file. `scan` starts from the document and, with `add`, sees every record first; what it sums up is
 * handed to `head` and `record`.
 * `head` gets the document without its records and returns the new one; members it does not name keep their places.
 */
export type RecordPass<A, B, C extends Kinds, S> = {
  scan?: { init(doc: Doc<A>): S; add?(sum: S, record: Rec<A>, ctx: Ctx<C>): S }
  head(doc: Doc<A>, sum: S, ctx: Ctx<C>): Doc<B>
  record(record: Rec<A>, sum: S, ctx: Ctx<C>): Rec<B>
}

/**
 * Where the files of a kind go: a rename, a move, another format (the path decides which of the kind's codecs it is). `all` are the
 * paths of the kind before the step, in order; `rollback` leads back from a new path, also of a file that was written there later.
 */
type Move = { path?: { migrate: (path: string, all: readonly string[]) => string; rollback?: (path: string) => string } }

type FileStep<A, B, F extends Kinds, T extends Kinds> = Move & { file: { migrate: FilePass<A, B, F>; rollback?: FilePass<B, A, T> } }
type RecordStep<A, B, F extends Kinds, T extends Kinds, S> = Move & {
  record: { migrate: RecordPass<A, B, F, S>; rollback?: RecordPass<B, A, T, S> }
}

/**
 * A file of a kind, whole: `doc` without its records, the records (none for a kind that has none), and its bytes on the disk. Records
 * are read as they are asked for, as often as wanted: of a large file they are never all in memory.
 */
export type FileView<K> = { readonly path: string; readonly doc: Doc<K>; readonly records: Iterable<Rec<K>>; readonly size: number }

// The classic test of type identity: two generic functions are the same type only if A and B are.
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
/** New files made from each file of another kind, one source file at a time. */
type Derive<T extends Kinds, B> = {
  derive: {
    [N in keyof T & string]: { from: N; each(source: FileView<T[N]>, ctx: Ctx<T>): Iterable<readonly [path: string, doc: Doc<B>]> }
  }[keyof T & string]
}

/** What `each` gave for one file. */
export type GatheredFrom<S> = { readonly path: string; readonly value: S }

/**
 * Files made from all files of another kind, such as an index: `each` takes from every one what is needed, as plain JSON, and `make`
 * gets these in order of their paths.
 */
type Gather<T extends Kinds, B> = {
  gather: {
    [N in keyof T & string]: {
      from: N
      each(source: FileView<T[N]>, ctx: Ctx<T>): unknown
      // Each step annotates what its `each` gives, as with the sum of a scan.
      // eslint-disable-next-line @typescript-eslint/no-explicit-any
      make(all: readonly GatheredFrom<any>[], ctx: Ctx<T>): Iterable<readonly [path: string, doc: Doc<B>]>
    }
  }[keyof T & string]
}

// `any` is the scan sum: each step annotates its own; unknown would not accept an annotated parameter.
type Step<A extends Kind, B extends Kind, F extends Kinds, T extends Kinds> = A extends { record: z.ZodType }
  ? // eslint-disable-next-line @typescript-eslint/no-explicit-any
    RecordStep<A, B, F, T, any>
  : FileStep<A, B, F, T>

type Steps<F extends Kinds, T extends Kinds> = {
  [N in keyof F | keyof T as N extends keyof F & keyof T ? (Same<F[N], T[N]> extends true ? never : N) : N]: N extends keyof F
    ? N extends keyof T
      ? Step<F[N], T[N], F, T>
      : { drop: string }
    : N extends keyof T
      ? Derive<T, T[N]> | Gather<T, T[N]> | Made
      : never
}

/** New files that the migration's `dataset` step makes. */
type Made = { made: 'by the dataset step' }

/** What a dataset step does to one file: puts it there, or takes it away. */
export type DatasetChange<T extends Kinds> =
  | {
      [N in keyof T & string]: {
        readonly kind: N
        readonly path: string
        readonly doc: Doc<T[N]>
      } & (T[N] extends { record: z.ZodType } ? { readonly records: readonly Rec<T[N]>[] } : { readonly records?: undefined })
    }[keyof T & string]
  | { readonly remove: string }

/** The whole snapshot that is being made, every file as this step's other parts have left it. */
export type DatasetView<T extends Kinds> = {
  readonly paths: (kind: keyof T & string) => readonly string[]
  /** Reads one file, whole. Throws ABSENT. */
  readonly open: <N extends keyof T & string>(kind: N, path: string) => FileView<T[N]>
}

/** A problem found in a migrated document or record, in words without data values; undefined when all is well. */
export type Problem = string | undefined

type Validate<T extends Kinds> = {
  [N in keyof T]?: { doc?(doc: Doc<T[N]>, ctx: Ctx<T>): Problem; record?(record: Rec<T[N]>, ctx: Ctx<T>): Problem }
}

/** What a law finds in a record, or in the document of a kind without records: numbers are summed, texts are collected. */
type Measure = number | string | readonly string[] | null | undefined
type Unit<K> = K extends { record: z.ZodType } ? Rec<K> : Doc<K>
/** The sum before the step must be that after it; each text before must be there after. */
type Law<A, B> = { before(unit: A): Measure; after(unit: B): Measure }

/** T022's SchemaVersion: what a version is, for people. `createdAt` is RFC 3339. */
export type SchemaVersion = { version: string; createdAt: string; description: string; changes: string[] }

type Body<F extends Kinds, T extends Kinds> = {
  description: string
  createdAt: string
  changes: string[]
  files: Steps<NoInfer<F>, NoInfer<T>>
  /**
   * What concerns the dataset as a whole: it can read any file of the snapshot being made, and add, replace and remove files. It runs
   * once, after the files have been through their own steps. On the way back each file goes back by itself.
   */
  dataset?: (view: DatasetView<NoInfer<T>>, ctx: Ctx<NoInfer<T>>) => Iterable<DatasetChange<NoInfer<T>>>
  validate?: Validate<NoInfer<T>>
  /** What must be the same before and after: `{ notes: { time: { before: (n) => n.minutes * 60, after: (n) => n.seconds } } }`. */
  conserves?: { [N in keyof F & keyof T]?: Readonly<Record<string, Law<Unit<F[N]>, Unit<T[N]>>>> }
  /** Counts and laws that this step lets shrink, and why: `{ config: { endpoints: 'duplicates are merged' } }`. */
  loses?: { [N in keyof F]?: Readonly<Record<string, string>> }
  /** The oldest schema version whose applications can still read this step's result. */
  readableFrom?: string
}

export type Migration<V extends string, F extends Kinds, W extends string, T extends Kinds> = {
  readonly from: Schema<V, F>
  readonly to: Schema<W, T>
} & Readonly<Body<F, T>>

/** A step from one schema to the next: pure functions only, so that the same input gives the same bytes anywhere. */
export const migration = <V extends string, F extends Kinds, W extends string, T extends Kinds>(
  from: Schema<V, F>,
  to: Schema<W, T>,
  body: Body<F, T>,
): Migration<V, F, W, T> => ({ from, to, ...body })

/* ---- the same, without types: what the engine runs ---- */

export type AnyCtx = Common & {
  readonly read: (kind: string, path?: string) => unknown
  readonly find: (kind: string, path?: string) => unknown
  readonly paths: (kind: string) => readonly string[]
}
export type AnyView = { readonly path: string; readonly doc: unknown; readonly records: Iterable<unknown>; readonly size: number }
export type AnyLaw = { before(unit: unknown): unknown; after(unit: unknown): unknown }
export type AnyPass = {
  scan?: { init(doc: unknown): unknown; add?(sum: unknown, record: unknown, ctx: AnyCtx): unknown }
  head(doc: unknown, sum: unknown, ctx: AnyCtx): unknown
  record(record: unknown, sum: unknown, ctx: AnyCtx): unknown
}
export type AnyFilePass = (doc: unknown, ctx: AnyCtx) => unknown
export type AnyFileStep = {
  file?: { migrate: AnyFilePass; rollback?: AnyFilePass }
  record?: { migrate: AnyPass; rollback?: AnyPass }
  derive?: {
    from: string
    each(source: AnyView, ctx: AnyCtx): Iterable<readonly [string, unknown]>
  }
  gather?: {
    from: string
    each(source: AnyView, ctx: AnyCtx): unknown
    make(all: readonly GatheredFrom<unknown>[], ctx: AnyCtx): Iterable<readonly [string, unknown]>
  }
  path?: { migrate: (path: string, all: readonly string[]) => string; rollback?: (path: string) => string }
  made?: string
  drop?: string
}
export type AnyChange = {
  readonly kind?: string
  readonly path?: string
  readonly doc?: unknown
  readonly records?: readonly unknown[]
  readonly remove?: string
}
export type AnyDatasetView = { readonly paths: (kind: string) => readonly string[]; readonly open: (kind: string, path: string) => AnyView }
export type AnyMigration = {
  readonly from: Schema
  readonly to: Schema
  readonly description: string
  readonly createdAt: string
  readonly changes: readonly string[]
  readonly files: Readonly<Record<string, AnyFileStep>>
  readonly dataset?: (view: AnyDatasetView, ctx: AnyCtx) => Iterable<AnyChange>
  readonly validate?: Readonly<
    Record<string, { doc?(doc: unknown, ctx: AnyCtx): Problem; record?(record: unknown, ctx: AnyCtx): Problem } | undefined>
  >
  readonly conserves?: Readonly<Record<string, Readonly<Record<string, AnyLaw>> | undefined>>
  readonly loses?: Readonly<Record<string, Readonly<Record<string, string>> | undefined>>
  readonly readableFrom?: string
}

/** Migrations in order, each starting at the schema the one before ends at. Extend with `add`. */
export class Chain<V extends string = string, K extends Kinds = Kinds, Seen extends string = string> {
  readonly first: Schema
  readonly newest: Schema<V, K>
  readonly migrations: readonly AnyMigration[]

  constructor(first: Schema, newest: Schema<V, K>, migrations: readonly AnyMigration[] = []) {
    this.first = first
    this.newest = newest
    this.migrations = migrations
  }

  add<W extends string, T extends Kinds>(
    m: Migration<V, K, W, T> & (W extends Seen ? { error: `version ${W} is already in the chain` } : unknown),
  ): Chain<W, T, Seen | W> {
    // Erasing the parameter types is safe: `migration` checked them, and the engine only feeds a step what its `from` schema accepts.
    return new Chain<W, T, Seen | W>(this.first, m.to, [...this.migrations, m as unknown as AnyMigration])
  }

  /** Every schema, oldest first. Step `i` leads from `schemas[i]` to `schemas[i + 1]`. */
  get schemas(): readonly Schema[] {
    return [this.first, ...this.migrations.map((m) => m.to)]
  }
}

export const chain = <V extends string, K extends Kinds>(first: Schema<V, K>): Chain<V, K, V> => new Chain<V, K, V>(first, first)

export type AnyChain = Pick<Chain, 'first' | 'schemas' | 'migrations'>

/** The position of `version` in the chain, or -1. */
export const versionIndex = (c: AnyChain, version: string): number => c.schemas.findIndex((s) => s.version === version)

/** Whether `version` is newer than every version that the chain knows. */
export const isNewer = (c: AnyChain, version: string): boolean => {
  const newest = c.schemas[c.schemas.length - 1]?.version ?? '0.0.0'
  return versionIndex(c, version) < 0 && valid(version) !== null && compare(version, newest) > 0
}

/** The schema versions whose applications can read a snapshot of schema `index`: its own, and back to `readableFrom`. */
export const readableBy = (c: AnyChain, index: number): string[] => {
  const version = c.schemas[index]?.version ?? ''
  const oldest = index === 0 ? version : (c.migrations[index - 1]?.readableFrom ?? version)
  const start = versionIndex(c, oldest)
  return c.schemas.slice(start < 0 ? index : start, index + 1).map((s) => s.version)
}
