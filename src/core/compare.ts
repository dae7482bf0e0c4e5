import { JsonNumber, entries, fromEntries } from './json/index.ts'
import { isObject, without } from './members.ts'

/**
 * What became of one field, wherever it is in a file or its records: `regions.Default.endpoints[].id`, or `results[].ts` for a
 * record. `count`: how often. `before` and `after`: the first example, as JSON, cut to 80 characters; null where there is none.
 */
export type FieldChange = {
  readonly field: string
  readonly change: 'added' | 'removed' | 'changed'
  readonly count: number
  readonly before: string | null
  readonly after: string | null
}

/** Of the records of two versions of a file, how many differ. Records are compared in their order. */
export type RecordChanges = {
  readonly before: number
  readonly after: number
  readonly added: number
  readonly removed: number
  readonly changed: number
}

type Content = { readonly head: unknown; readonly records: readonly unknown[] | null }

const EXAMPLE = 80

/** JSON text of a value, numbers as they were written. */
export const textOf = (value: unknown): string => {
  if (value instanceof JsonNumber) return value.text
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`
  if (isObject(value))
    return `{${entries(value)
      .map(([name, member]) => `${JSON.stringify(name)}:${textOf(member)}`)
      .join(',')}}`
  return value === undefined ? '' : JSON.stringify(value)
}

const example = (value: unknown): string | null => {
  if (value === undefined) return null
  const text = textOf(value)
  return text.length > EXAMPLE ? `${text.slice(0, EXAMPLE - 1)}…` : text
}

const isTree = (value: unknown): value is object => Array.isArray(value) || isObject(value)

/** Sums up what differs, field by field. */
export class FieldChanges {
  readonly #found = new Map<string, { -readonly [K in keyof FieldChange]: FieldChange[K] }>()

  get list(): FieldChange[] {
    return [...this.#found.values()]
  }

  compare(before: unknown, after: unknown, field: string): void {
    if (Array.isArray(before) && Array.isArray(after)) this.#lists(before, after, field)
    else if (isTree(before) && isTree(after) && !Array.isArray(before) && !Array.isArray(after)) this.#objects(before, after, field)
    else if (textOf(before) !== textOf(after)) this.#note(field, before, after)
  }

  /** The sums of another file. */
  take(others: readonly FieldChange[]): void {
    for (const other of others) {
      const key = `${other.change} ${other.field}`
      const known = this.#found.get(key)
      if (known === undefined) this.#found.set(key, { ...other })
      else known.count += other.count
    }
  }

  #objects(before: object, after: object, field: string): void {
    const at = (name: string): string => (field === '' ? name : `${field}.${name}`)
    const now = new Map(entries(after))
    for (const [name, value] of entries(before)) {
      if (now.has(name)) this.compare(value, now.get(name), at(name))
      else this.#note(at(name), value, undefined)
      now.delete(name)
    }
    for (const [name, value] of now) this.#note(at(name), undefined, value)
  }

  #lists(before: readonly unknown[], after: readonly unknown[], field: string): void {
    for (const [was, is] of aligned(before, after)) {
      if (was === undefined || is === undefined) this.#note(`${field}[]`, was, is)
      else this.compare(was, is, `${field}[]`)
    }
  }

  #note(field: string, before: unknown, after: unknown): void {
    const change = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed'
    this.take([{ field, change, count: 1, before: example(before), after: example(after) }])
  }
}

/** Pairs of two lists: equal ends belong together, what is between goes by its place; undefined where one side has no more. */
function* aligned(before: readonly unknown[], after: readonly unknown[]): Generator<readonly [unknown, unknown]> {
  const shorter = Math.min(before.length, after.length)
  const [b, a] = [before.map(textOf), after.map(textOf)]
  let end = 0
  // Of lists that grew at their end, the beginning is what stayed.
  let start = 0
  while (start < shorter && b[start] === a[start]) start++
  while (end < shorter - start && b[b.length - 1 - end] === a[a.length - 1 - end]) end++
  const longest = Math.max(before.length, after.length) - end
  for (let i = start; i < longest; i++)
    yield [i < before.length - end ? before[i] : undefined, i < after.length - end ? after[i] : undefined]
}

/** How two versions of a file's content differ. `at`: the member that holds the records, for the names of their fields. */
export const compareContent = (before: Content, after: Content, at: string): { records: RecordChanges | null; fields: FieldChange[] } => {
  const changes = new FieldChanges()
  // The member that holds the records has an empty list in the head while they are apart.
  const around = (head: unknown): object => fromEntries(without(isTree(head) ? head : {}, before.records === null ? [] : [at]))
  if (isTree(before.head ?? {}) && isTree(after.head ?? {})) changes.compare(around(before.head), around(after.head), '')
  else changes.compare(before.head, after.head, '')
  if (before.records === null || after.records === null) return { records: null, fields: changes.list }
  let [added, removed, changed] = [0, 0, 0]
  for (const [was, is] of aligned(before.records, after.records)) {
    if (was === undefined) added++
    else if (is === undefined) removed++
    else {
      if (textOf(was) === textOf(is)) continue
      changed++
      changes.compare(was, is, `${at}[]`)
    }
  }
  return {
    records: { before: before.records.length, after: after.records.length, added, removed, changed },
    fields: changes.list,
  }
}
