import type * as z from 'zod'
import { json } from './codecs/index.ts'
import type { Counts, Kind } from './schema.ts'
import { codecOf } from './schema.ts'
import { StrataError } from './errors.ts'
import { fits } from './fits.ts'
import type { JsonDoc, Layout } from './json/index.ts'
import { JsonNumber, checkSerialisable, entries, fromEntries, plain } from './json/index.ts'

/**
 * A file in memory between steps: the document, its records apart, and how its text was spelled. While the records are apart,
 * the member that holds them keeps its place in the document with an empty array.
 */
export type Parsed = {
  readonly head: unknown
  readonly records: readonly unknown[] | null
  readonly json: JsonDoc
  /** Records that the schema does not describe, and their places in the whole list: no step sees them, and they come back when it is written. */
  readonly aside?: readonly Aside[]
  /** Where these are some of the records of a file: the place of the first in the whole list. */
  readonly first?: number
}
export type Aside = { readonly index: number; readonly record: unknown }

const PLACE: readonly unknown[] = Object.freeze([])

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const wrong = (message: string): StrataError =>
  new StrataError('INVALID_RESULT', message, { hint: 'Compare the file with an undamaged one of the same kind.' })

/** Takes the records, the list at `at`, out of a document. Throws INVALID_RESULT where there is none. */
export const splitRecords = (json: JsonDoc, at: string): Parsed => {
  if (at === '') {
    if (!Array.isArray(json.value)) throw wrong('the document should be an array of records')
    return { head: null, records: json.value, json }
  }
  const { value } = json
  if (!isObject(value)) throw wrong('the document should be an object')
  const list = value[at]
  if (!Array.isArray(list)) throw wrong(`the member "${at}" should be an array of records`)
  value[at] = PLACE
  return { head: value, records: list, json }
}

/** Reads the file `path` of `kind`. Throws a JSON_ error with line and column, BAD_FORMAT, or INVALID_RESULT when its records are not where they should be. */
export const parseDocument = (kind: Kind, path: string, bytes: Uint8Array, layout: Layout): Parsed => {
  const json = codecOf(kind, path).read(bytes, layout)
  return kind.at === undefined ? { head: json.value, records: null, json } : splitRecords(json, kind.at)
}

/** Sets bad records aside where the kind does not fail for them. */
export const setAside = (kind: Kind, parsed: Parsed): Parsed => {
  const { record } = kind
  if ((kind.badRecords ?? 'fail') === 'fail' || record === undefined || parsed.records === null) return parsed
  const aside: Aside[] = []
  const good = parsed.records.filter((value, index) => {
    const isGood = fits(record, value)
    if (!isGood) aside.push({ index, record: value })
    return isGood
  })
  return aside.length === 0 ? parsed : { ...parsed, records: good, aside }
}

/** All records again, those that were set aside in their places. */
export const allRecords = ({ records, aside = [] }: Parsed): readonly unknown[] | null =>
  // Ascending: each place counts those that came back before it.
  records === null ? null : aside.reduce<readonly unknown[]>((all, { index, record }) => all.toSpliced(index, 0, record), records)

/** The same with those that were set aside among the others again. */
export const whole = (parsed: Parsed): Parsed =>
  parsed.aside === undefined ? parsed : { ...parsed, records: allRecords(parsed), aside: [] }

/** The place of a record in the whole list, by its place among those that a step sees. */
export const placeOf = ({ aside = [], first = 0 }: Parsed, position: number): number =>
  first + aside.reduce((at, { index }) => (index <= at ? at + 1 : at), position)

/** The whole value again, as it is written. */
const joinRecords = (kind: Kind, head: unknown, records: readonly unknown[] | null): unknown => {
  if (kind.at === undefined || records === null) return head
  if (kind.at === '') return records
  if (!isObject(head)) throw wrong('the head of a record file should be an object')
  // Not a spread: that would lose the order of keys like 443.
  if (head[kind.at] !== PLACE || Object.isFrozen(head)) return fromEntries([...entries(head), [kind.at, records]])
  head[kind.at] = records
  return head
}

/** The document with an empty list in the place of the records, as it is when it has been written and read: a step that is run alone finds the same. */
export const withPlace = (kind: Kind, head: unknown): unknown =>
  kind.at === undefined || kind.at === '' || !isObject(head) || head[kind.at] === PLACE
    ? head
    : fromEntries([...entries(head), [kind.at, PLACE]])

/** The document with another list of records in their place, which stays as it is. */
export const withRecords = (kind: Kind, head: unknown, list: readonly unknown[]): unknown =>
  kind.at === '' ? list : joinRecords(kind, isObject(head) ? fromEntries(entries(head)) : head, list)

/** Throws the RESULT_ error, with the record's index, for the first thing in a result that JSON cannot hold; INVALID_RESULT for instances. */
export const refuseUnstorable = (parsed: Pick<Parsed, 'head' | 'records'>): void => {
  checkSerialisable(parsed.head)
  parsed.records?.forEach((record, index) => {
    try {
      checkSerialisable(record)
    } catch (error) {
      throw error instanceof StrataError
        ? new StrataError(error.code, error.message, { data: { ...error.data, record: index }, hint: error.hint })
        : error
    }
  })
}

/** A document that is shared is frozen; the copy, which can be rendered, keeps the order of its members. A spread would lose it. */
export const thawed = (parsed: Parsed): Parsed => ({
  ...parsed,
  head: isObject(parsed.head) && !(parsed.head instanceof JsonNumber) ? fromEntries(entries(parsed.head)) : parsed.head,
})

/** The bytes of the file `path` of `kind`. Throws INVALID_RESULT for values that JSON cannot hold. */
export const renderDocument = (kind: Kind, path: string, parsed: Parsed, layout: Layout): Uint8Array => {
  const value = joinRecords(kind, parsed.head, allRecords(parsed))
  const codec = codecOf(kind, path)
  // Whoever writes JSON looks at it.
  if (codec !== json) checkSerialisable(value)
  const { spelling, style } = parsed.json
  const bytes = codec.write({ value, spelling, style }, layout)
  if (kind.at !== undefined && kind.at !== '' && isObject(value)) value[kind.at] = PLACE
  return bytes
}

/** Every member name that a schema declares, however deep. zod keeps what a schema is made of in `def`, objects' members in `shape`. */
const declaredNames = (node: unknown, names = new Set<string>(), seen = new Set<unknown>()): Set<string> => {
  if (typeof node !== 'object' || node === null || seen.has(node)) return names
  seen.add(node)
  if ('shape' in node) for (const name of Object.keys(node.shape ?? {})) names.add(name)
  for (const part of Object.values('def' in node ? { def: node.def } : node)) declaredNames(part, names, seen)
  return names
}

/** zod's messages may quote the value, and its path the name of a region: only declared names and the kind of mistake leave this function. */
const explain = ({ issues: [first] }: z.ZodError, schema: unknown, what: string): string => {
  const declared = declaredNames(schema)
  const path = (first?.path ?? []).map((name) => (typeof name === 'number' || declared.has(String(name)) ? String(name) : '*')).join('.')
  return `${path === '' ? what : path}: ${first?.message ?? 'is not what the schema describes'}`
}

/** What of a value is not as its schema says, if anything. */
const mistake = (schema: z.ZodType, value: unknown, what: string): string | null => {
  if (fits(schema, value)) return null
  const { error } = schema.safeParse(plain(value))
  return error === undefined ? null : explain(error, schema, what)
}

/** What of `parsed` is not as the kind's schema says: a message and the record's index; null when all is. */
export const shapeProblem = (kind: Kind, parsed: Pick<Parsed, 'head' | 'records'>): { message: string; record: number | null } | null => {
  if (kind.at !== '') {
    const message = mistake(kind.doc, parsed.head, 'the document')
    if (message !== null) return { message, record: null }
  }
  const { record } = kind
  if (record === undefined || parsed.records === null) return null
  for (const [index, value] of parsed.records.entries()) {
    const message = mistake(record, value, 'the record')
    if (message !== null) return { message, record: index }
  }
  return null
}

/** The counts that no step may let shrink, `records` among them for record kinds. */
export const countsOf = (kind: Kind, parsed: Pick<Parsed, 'head' | 'records'>): Counts => ({
  ...(parsed.records === null ? {} : { records: parsed.records.length }),
  // The schema check has passed, so the document is of the type that the kind's function declares.
  ...(kind.counts === undefined ? {} : kind.counts(parsed.head as never)),
})
