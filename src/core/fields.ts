import type * as z from 'zod'
import type { Doc, Rec } from './chain.ts'
import type { Conversion } from './conversions.ts'
import type { At, Edit, FieldCtx } from './field-edits.ts'
import { aside, converting, drop, gather, has, insert, moving, nested, over, renaming, spread, typeName, valueOf } from './field-edits.ts'
import { entries, fromEntries } from './json/index.ts'
import type { Pair } from './members.ts'
import { isObject, restored } from './members.ts'
import type { Kind, RecordKind } from './schema.ts'

type Flat<T> = { [K in keyof T]: T[K] }
type Without<T, K extends keyof T> = Flat<Omit<T, K>>
type Renamed<T, K extends keyof T, N extends string> = Flat<Omit<T, K> & { [P in keyof Pick<T, K> as N]: T[P] }>
type Replaced<T, K extends keyof T, V> = Flat<Omit<T, K> & { [P in keyof Pick<T, K>]: V }>
/** The name, unless the object has it: then nothing is assignable to the parameter. */
type Free<T, N extends string> = N extends keyof T ? never : N
type Name<T> = keyof T & string

/** Keeps null and undefined beside what an object or each element of a list becomes. */
type Mapped<T, V> = V | Extract<T, null | undefined>
type ElementOf<T> = NonNullable<T> extends readonly (infer E)[] ? E : NonNullable<T> extends Readonly<Record<string, infer E>> ? E : never
type Collection<T, E> = Mapped<T, NonNullable<T> extends readonly unknown[] ? E[] : Record<string, E>>

/**
 * Operations on the fields of an object, each of which knows its way back. Every call returns a new chain with one operation
 * more; types follow along, so that a wrong name, or a result that is not what the next schema says, does not compile.
 * Members that no operation names stay as they are and where they are. A name that an operation wants and the data has already
 * moves to `legacy_<name>` with a warning, and gets its name again on the way back.
 * @example fields(settings1).rename('colour', 'color').add('theme', 'dark').convert('delay', scaled(60)).steps()
 */
export class Fields<In extends object, Out extends object> {
  readonly edits: readonly Edit[]

  constructor(edits: readonly Edit[] = []) {
    this.edits = edits
  }

  #and<T extends object>(edit: Edit): Fields<In, T> {
    return new Fields<In, T>([...this.edits, edit])
  }

  /**
   * A new member: a constant, or worked out from the object. One that is there and `fits` (by default: is of the same JSON type)
   * stays.
   */
  add<N extends string, V>(
    name: Free<Out, N>,
    value: V | ((object: Out, ctx: FieldCtx) => V),
    options: { at?: At; fits?: (value: unknown) => boolean } = {},
  ): Fields<In, Flat<Out & Record<N, V>>> {
    return this.#and({
      up: (members, ctx) => {
        // The object as the operations before left it; a function is never a value, as JSON has none.
        const now = (): V =>
          typeof value === 'function' ? (value as (o: Out, c: FieldCtx) => V)(fromEntries([...members]) as Out, ctx) : value
        const made = now()
        const fits = options.fits ?? ((there) => typeName(there) === typeName(made))
        if (has(members, name) && fits(valueOf(members, name))) return [...members]
        return insert(aside(members, name, ctx), [name, made], options.at)
      },
      down: (members) => restored(drop(members, name), [name]),
    })
  }

  /**
   * A member goes. Its old values come back from the original by the three-way rule; `back` stands in where there is no
   * original: for objects that were written since. It is required where the older schema requires the member.
   */
  remove<K extends Name<Out>>(
    name: K,
    ...[options]: undefined extends Out[K] ? [{ back?: Out[K]; at?: At }?] : [{ back: Out[K]; at?: At }]
  ): Fields<In, Without<Out, K>> {
    return this.#and({
      up: (members) => drop(members, name),
      down: (members) =>
        options?.back === undefined || has(members, name) ? [...members] : insert(members, [name, options.back], options.at),
    })
  }

  /** A member gets another name, in its place. */
  rename<K extends Name<Out>, N extends string>(from: K, to: Free<Out, N>): Fields<In, Renamed<Out, K, N>> {
    return this.#and(renaming(from, to))
  }

  /** A member moves into the object at `into`, which is made where it is absent. `at`: where it goes on the way back. */
  move<K extends Name<Out>, P extends Exclude<Name<Out>, K>>(
    name: K,
    into: P,
    options: { at?: At } = {},
  ): Fields<In, Replaced<Without<Out, K>, P & keyof Without<Out, K>, Flat<NonNullable<Out[P]> & Pick<Out, K>>>> {
    return this.#and(moving(name, [into], options.at))
  }

  /** Members are gathered in an object, in the place of the first. What else is put into it stays there on the way back. */
  wrap<K extends Name<Out>, N extends string>(
    names: readonly K[],
    into: N,
  ): Fields<In, Flat<Omit<Out, K | N> & Record<N, Flat<Pick<Out, K>>>>> {
    return this.#and({
      up: (members, ctx) => gather(members, names, into, ctx),
      down: (members, ctx) => restored(spread(members, into, names, ctx, true), [into]),
    })
  }

  /** The named members of an object come out of it, in its place; others stay in it. */
  unwrap<K extends Name<Out>, M extends Name<NonNullable<Out[K]>>>(
    name: K,
    names: readonly M[],
  ): Fields<In, Flat<Omit<Out, K> & Pick<NonNullable<Out[K]>, M>>> {
    return this.#and({
      up: (members, ctx) => spread(members, name, names, ctx, false),
      down: (members, ctx) => (names.some((n) => has(members, n)) ? gather(members, names, name, ctx) : [...members]),
    })
  }

  /**
   * A member changes its type or its unit. `otherwise`: what becomes of a value that does not convert: the file or record fails
   * (MIGRATION_FAILED, the default), or it is kept as `legacy_<name>` and another value stands in.
   */
  convert<K extends Name<Out>, A extends Out[K], B>(
    name: K,
    conversion: Conversion<A, B>,
    options: { otherwise?: 'fail' | { readonly instead: NoInfer<B> } } = {},
  ): Fields<In, Replaced<Out, K, B>> {
    return this.#and(converting(name, conversion, options.otherwise ?? 'fail'))
  }

  /** The same for the object that a member holds; null and absent ones stay. */
  within<K extends Name<Out>, T extends object>(
    name: K,
    change: (inner: Fields<NonNullable<Out[K]> & object, NonNullable<Out[K]> & object>) => Fields<NonNullable<Out[K]> & object, T>,
  ): Fields<In, Replaced<Out, K, Mapped<Out[K], T>>> {
    const { edits } = change(new Fields())
    return this.#and(nested(name, (value, way, ctx) => (isObject(value) ? over(edits, way, value, ctx) : value)))
  }

  /** The same for each object of a list, or for each value of a map. */
  each<K extends Name<Out>, T extends object>(
    name: K,
    change: (inner: Fields<ElementOf<Out[K]> & object, ElementOf<Out[K]> & object>) => Fields<ElementOf<Out[K]> & object, T>,
  ): Fields<In, Replaced<Out, K, Collection<Out[K], T>>> {
    const { edits } = change(new Fields())
    return this.#and(
      nested(name, (value, way, ctx) => {
        const one = (element: unknown): unknown => (isObject(element) ? over(edits, way, element, ctx) : element)
        if (Array.isArray(value)) return value.map(one)
        return isObject(value) ? fromEntries(entries(value).map(([key, element]): Pair => [key, one(element)])) : value
      }),
    )
  }

  /** What no operation does: two functions of your own, between the others. */
  apply<T extends object>(both: { up(object: Out, ctx: FieldCtx): T; down(object: T, ctx: FieldCtx): Out }): Fields<In, T> {
    // What comes in is what the operation before made, or the one after leaves on the way back.
    return this.#and({
      up: (members, ctx) => entries(both.up(fromEntries([...members]) as Out, ctx)),
      down: (members, ctx) => entries(both.down(fromEntries([...members]) as T, ctx)),
    })
  }

  /** The functions of a step: `files: { settings: { file: fields(settings1)….steps() } }`. */
  steps(): { migrate: (object: In, ctx: FieldCtx) => Out; rollback: (object: Out, ctx: FieldCtx) => In } {
    const { edits } = this
    return {
      // The types say what the operations make of an object; the schema of the next version checks it when it runs.
      migrate: (object, ctx) => over(edits, 'up', object, ctx) as Out,
      rollback: (object, ctx) => over(edits, 'down', object, ctx) as In,
    }
  }
}

/** Operations on the document of a kind (for a record kind: on what is around its records). */
export const fields = <K extends Kind>(_kind: K): Fields<Doc<K> & object, Doc<K> & object> => new Fields()

/** Operations on each record of a kind. */
export const recordFields = <D extends z.ZodType, R extends z.ZodType>(
  _kind: RecordKind<D, R>,
): Fields<Rec<RecordKind<D, R>> & object, Rec<RecordKind<D, R>> & object> => new Fields()

/** A record step from operations: on the document without its records, and on each record. */
export const recordSteps = <A extends object, B extends object, R extends object, S extends object>(parts: {
  head: Fields<A, B>
  record: Fields<R, S>
}): {
  migrate: { head: (doc: A, sum: unknown, ctx: FieldCtx) => B; record: (record: R, sum: unknown, ctx: FieldCtx) => S }
  rollback: { head: (doc: B, sum: unknown, ctx: FieldCtx) => A; record: (record: S, sum: unknown, ctx: FieldCtx) => R }
} => {
  const [head, record] = [parts.head.steps(), parts.record.steps()]
  return {
    migrate: { head: (doc, _sum, ctx) => head.migrate(doc, ctx), record: (one, _sum, ctx) => record.migrate(one, ctx) },
    rollback: { head: (doc, _sum, ctx) => head.rollback(doc, ctx), record: (one, _sum, ctx) => record.rollback(one, ctx) },
  }
}
