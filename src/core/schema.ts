import type * as z from 'zod'
import type { Codec } from './codecs/index.ts'
import { json } from './codecs/index.ts'
import { StrataError } from './errors.ts'

/**
 * What is done with a file of a kind that cannot be read: stop the job; keep its bytes where they are, report it, and take it through
 * the chain once it is mended; or the same without a word.
 */
export type DamagePolicy = 'fail' | 'quarantine' | 'keep'

/**
 * What is done with a record that is not as the schema says: it makes its file a damaged one; or no step sees it, it stays in its
 * place, is reported, and goes through the chain once it is mended; or the same, and it is only counted.
 */
export type RecordPolicy = 'fail' | 'quarantine' | 'keep'

/** Numbers that no step may let shrink, such as `{ endpoints: 4 }`. Record kinds count `records` by themselves. */
export type Counts = Readonly<Record<string, number>>

type KindOptions = {
  counts?: (doc: never) => Counts
  damaged?: DamagePolicy
  /** The format of the files; by default JSON. */
  codec?: Codec
  /** Other paths that files of the kind may have, and the format of each: `{ 'data/*.msgpack.gz': gzip(messagePack) }`. */
  forms?: Forms
}
type Forms = Readonly<Record<string, Codec>>
type NoOptions = { readonly codec?: undefined }
type RecordKindOptions = KindOptions & { badRecords?: RecordPolicy }

/**
 * A kind of file: which paths belong to it, and what is inside. A record kind is a list of many alike records, `at` names
 * the member that holds the array ('' when the document itself is the array); `doc` then describes the rest.
 */
export type Kind<D extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> = {
  readonly path: string
  readonly doc: D
  readonly at?: string
  readonly record?: R
  readonly counts?: (doc: never) => Counts
  readonly damaged: DamagePolicy
  readonly badRecords?: RecordPolicy
  readonly codec?: Codec
  readonly forms?: Forms
}

export type RecordKind<D extends z.ZodType, R extends z.ZodType> = Kind<D, R> & { readonly record: R; readonly at: string }

/** Where the files of a kind are, and in which format: part of the type, so that a change of these alone is one, too. */
export type Placed<P extends string, O extends KindOptions> = { readonly path: P } & Pick<O, 'codec' | 'forms'>

/** A kind of file that is read as a whole. `path` is a glob: `*` within a name, `**` across folders, `?`, `[0-9]`. */
export const file = <const P extends string, D extends z.ZodType, const O extends KindOptions = NoOptions>(
  path: P,
  doc: D,
  // Where there are none O is NoOptions, of which there is nothing.
  options: O = {} as O,
): Kind<D, z.ZodNever> & Placed<P, O> => ({ ...options, damaged: options.damaged ?? 'fail', path, doc })

/** A kind of file that is a list of records. `records('data/*.json', 'results', z.looseObject({…}), z.looseObject({…}))` */
export const records = <const P extends string, D extends z.ZodType, R extends z.ZodType, const O extends RecordKindOptions = NoOptions>(
  path: P,
  at: string,
  doc: D,
  record: R,
  // Where there are none O is NoOptions, of which there is nothing.
  options: O = {} as O,
): RecordKind<D, R> & Placed<P, O> => ({
  ...options,
  damaged: options.damaged ?? 'fail',
  path,
  at,
  doc,
  record,
})

export type Kinds = Readonly<Record<string, Kind>>

export type Schema<V extends string = string, K extends Kinds = Kinds> = { readonly version: V; readonly kinds: K }

/** One version of the dataset's shape. A kind that does not change is the same value in the next schema. */
export const schema = <const V extends string, K extends Kinds>(version: V, kinds: K): Schema<V, K> => ({ version, kinds })

const ESCAPE = /[.+^${}()|\\]/g

/** A glob over dataset paths (always `/`) as a regular expression that matches the whole path. */
export const globPattern = (glob: string): RegExp => {
  const source = glob.replace(/\*\*\/?|\*|\?|\[[^\]]*\]|[^*?[]+/g, (part) => {
    if (part === '**/') return '(?:.*/)?'
    if (part === '**') return '.*'
    if (part === '*') return '[^/]*'
    if (part === '?') return '[^/]'
    return part.startsWith('[') ? part : part.replace(ESCAPE, '\\$&')
  })
  return new RegExp(`^${source}$`, 's')
}

const patterns = new Map<string, RegExp>()

export const matchesGlob = (glob: string, path: string): boolean => {
  let pattern = patterns.get(glob)
  if (pattern === undefined) {
    pattern = globPattern(glob)
    patterns.set(glob, pattern)
  }
  return pattern.test(path)
}

/** The patterns of all paths that files of a kind may have. */
export const patternsOf = (kind: Partial<Kind> | undefined): string[] =>
  kind?.path === undefined ? [] : [kind.path, ...Object.keys(kind.forms ?? {})]

/** Each pattern of a kind, and the format of the files there. */
export const formatsOf = ({ path, codec = json, forms = {} }: Kind): { path: string; format: string }[] =>
  [[path, codec] as const, ...Object.entries(forms)].map(([glob, { name }]) => ({ path: glob, format: name }))

/** The format of the file `path` of a kind. */
export const codecOf = ({ codec = json, forms = {} }: Kind, path: string): Codec =>
  Object.entries(forms).find(([glob]) => matchesGlob(glob, path))?.[1] ?? codec

/** The name of the kind that `path` belongs to, or undefined: a file of no kind is kept and reported. Throws AMBIGUOUS_KIND. */
export const kindOf = (kinds: Kinds, path: string): string | undefined => {
  const names = Object.keys(kinds).filter((name) => patternsOf(kinds[name]).some((glob) => matchesGlob(glob, path)))
  if (names.length > 1) {
    throw new StrataError('AMBIGUOUS_KIND', `${path} belongs to more than one kind: ${names.join(', ')}`, {
      data: { path, kinds: names },
      hint: 'Make the path patterns of the kinds exclude each other.',
    })
  }
  return names[0]
}
