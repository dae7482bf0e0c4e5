import { JsonNumber, entries, fromEntries, numberOf } from './json/index.ts'

/**
 * The three-way rule. `base` and `theirs` are a value before and after someone changed it, taken to the schema of `ours` by a
 * step; `original` is what `base` was made from. What is equal in base and theirs keeps ours, spelling included; the rest is
 * theirs. Where ours has left the original, both sides have changed: the side of `newer` wins, and the clash is counted.
 */
export type Sides<T = unknown> = { readonly base: T; readonly theirs: T; readonly original: T; readonly ours: T }
export type Newer = 'ours' | 'theirs'

type Members = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber)

const has = (object: Members, name: string): boolean => Object.hasOwn(object, name)

/** A number's text, so that `99.0` and `99`, which an application may write for it, are one; numbers beyond 2^53 keep all digits. */
const numberText = (value: number | JsonNumber): string => {
  if (typeof value === 'number') return String(value)
  const near = numberOf(value) ?? Number.NaN
  return Number.isFinite(near) && Math.abs(near) <= Number.MAX_SAFE_INTEGER ? String(near) : value.text
}

/** A text that is the same for equal values, whatever their members' order and their numbers' spelling. */
export const canonical = (value: unknown): string => {
  if (typeof value === 'number' || value instanceof JsonNumber) return numberText(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (!isObject(value)) return typeof value === 'string' ? JSON.stringify(value) : String(value)
  const names = Object.keys(value).sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`
}

const same = (a: unknown, b: unknown): boolean => a === b || canonical(a) === canonical(b)

/** Pairs alike items of two lists, first with first; -1 where an item of `later` has no counterpart in `earlier`. */
export const pairAlike = (earlier: readonly string[], later: readonly string[]): number[] => {
  const free = new Map<string, number[]>()
  for (const [i, key] of earlier.entries()) {
    const list = free.get(key)
    if (list === undefined) free.set(key, [i])
    else list.push(i)
  }
  for (const list of free.values()) list.reverse()
  return later.map((key) => free.get(key)?.pop() ?? -1)
}

/** What tells an element of a list from its neighbours although it has changed. */
const nameOf = (value: unknown): string | undefined => {
  if (!isObject(value)) return undefined
  const name = value.id ?? value.name ?? value.key
  return typeof name === 'string' || typeof name === 'number' ? canonical(name) : undefined
}

const namesOf = (list: readonly unknown[], taken: ReadonlySet<number>, side: string): string[] =>
  // What is taken, or has no name, is like nothing else.
  list.map((value, i) => (taken.has(i) ? undefined : nameOf(value)) ?? `${side} ${i}`)

/** For each of `later` the element of `earlier` that it was: an equal one, else one of the same name. */
const pairElements = (earlier: readonly unknown[], later: readonly unknown[]): number[] => {
  const equal = pairAlike(earlier.map(canonical), later.map(canonical))
  const takenLater = new Set(equal.flatMap((at, i) => (at < 0 ? [] : [i])))
  const named = pairAlike(namesOf(earlier, new Set(equal), 'earlier'), namesOf(later, takenLater, 'later'))
  return equal.map((at, i) => (at < 0 ? (named[i] ?? -1) : at))
}

const ABSENT = Symbol('absent')

/** Merges documents; `clashes` counts what both sides have changed, each in its own way. */
export class ThreeWay {
  clashes = 0
  readonly #newer: Newer

  constructor(newer: Newer) {
    this.#newer = newer
  }

  value({ base, theirs, original, ours }: Sides): unknown {
    if (same(base, theirs)) return ours
    if (isObject(base) && isObject(theirs) && isObject(ours))
      return this.#object({ base, theirs, original: isObject(original) ? original : {}, ours })
    if (Array.isArray(base) && Array.isArray(theirs) && Array.isArray(ours))
      return this.#list({ base, theirs, original: Array.isArray(original) ? original : [], ours })
    return this.#choose({ base, theirs, original, ours })
  }

  #choose({ theirs, original, ours }: Sides): unknown {
    if (same(ours, theirs)) return ours
    if (same(ours, original)) return theirs
    this.clashes += 1
    return this.#newer === 'ours' ? ours : theirs
  }

  #member(sides: Sides<Members>, name: string): unknown {
    const of = (object: Members): unknown => (has(object, name) ? object[name] : ABSENT)
    const [base, theirs, original, ours] = [of(sides.base), of(sides.theirs), of(sides.original), of(sides.ours)]
    if (base !== ABSENT && theirs !== ABSENT && ours !== ABSENT)
      return this.value({ base, theirs, original: original === ABSENT ? undefined : original, ours })
    const alike = (a: unknown, b: unknown): boolean => a === b || (a !== ABSENT && b !== ABSENT && same(a, b))
    if (alike(base, theirs) || alike(ours, theirs)) return ours
    if (alike(ours, original)) return theirs
    this.clashes += 1
    return this.#newer === 'ours' ? ours : theirs
  }

  /** Ours' members in ours' order, then what theirs has gained. */
  #object(sides: Sides<Members>): unknown {
    const names = new Set([...entries(sides.ours), ...entries(sides.theirs)].map(([name]) => name))
    const merged = [...names].map((name): [string, unknown] => [name, this.#member(sides, name)])
    return fromEntries(merged.filter(([, value]) => value !== ABSENT))
  }

  #list(sides: Sides<readonly unknown[]>): unknown {
    const { base, theirs, original, ours } = sides
    // A step that keeps a list's length keeps its order.
    const origin = base.length === original.length ? base.map((_, i) => i) : pairElements(original, base)
    if (origin.includes(-1)) return this.#choose(sides)
    const now = same(original, ours) ? original.map((_, i) => i) : inverse(pairElements(original, ours), original.length)
    const place = origin.map((i) => now[i] ?? -1)
    const was = pairElements(base, theirs)
    const merged = theirs.map((value, j) => {
      const i = was[j] ?? -1
      const own = place[i] ?? -1
      if (own >= 0) return this.value({ base: base[i], theirs: value, original: original[origin[i] ?? -1], ours: ours[own] })
      // What ours has removed, and theirs has left as it was, stays away.
      return i >= 0 && same(base[i], value) ? ABSENT : value
    })
    // What ours has gained stays, behind the rest; what theirs has removed is not among it.
    const known = new Set(place)
    const gained = ours.filter((value, i) => !known.has(i) && !theirs.some((other) => same(other, value)))
    return [...merged.filter((value) => value !== ABSENT), ...gained]
  }
}

/** From "which of the earlier is this" to "where has this gone"; -1 for what is gone. */
const inverse = (pairs: readonly number[], length: number): number[] => {
  const where = new Array<number>(length).fill(-1)
  pairs.forEach((from, to) => {
    if (from >= 0) where[from] = to
  })
  return where
}

export type RecordSides = Sides<readonly unknown[]> & {
  /** For each record of theirs the one of base that it was, where that is known from before the step; else -1. */
  readonly known?: readonly number[] | undefined
}
export type MergedRecords = { readonly records: readonly unknown[]; readonly added: number; readonly removed: number }

/** For each record of theirs which of base it is: as it was written, else as the step made it. */
const pairRecords = ({ base, theirs, known }: RecordSides): number[] => {
  const pairs = known?.length === theirs.length ? [...known] : theirs.map(() => -1)
  if (!pairs.includes(-1)) return pairs
  const taken = new Set(pairs)
  const left = pairAlike(
    base.map((record, i) => (taken.has(i) ? `taken ${i}` : canonical(record))),
    theirs.map((record, j) => ((pairs[j] ?? -1) >= 0 ? `paired ${j}` : canonical(record))),
  )
  return pairs.map((i, j) => (i >= 0 ? i : (left[j] ?? -1)))
}

/**
 * Records as multisets: those that theirs has kept are ours, to the byte; those it has gained are added, once where both sides
 * have gained the same; those it has removed go.
 */
export const mergeRecordLists = (sides: RecordSides): MergedRecords => {
  const { base, theirs, original, ours } = sides
  const pairs = pairRecords(sides)
  const isParallel = base.length === original.length
  const place = isParallel ? base.map((_, i) => i) : pairAlike(original.map(canonical), base.map(canonical))
  const kept = new Set(pairs)
  const removed = base.flatMap((_, i) => (kept.has(i) ? [] : [place[i] ?? -1])).filter((i) => i >= 0)
  const gained = theirs.filter((_, j) => (pairs[j] ?? -1) < 0)
  if (ours === original && isParallel) {
    // Nobody else has written: theirs' order.
    const records = theirs.map((record, j) => original[pairs[j] ?? -1] ?? record)
    return { records, added: gained.length, removed: removed.length }
  }
  const oursAt = inverse(pairAlike(original.map(canonical), ours.map(canonical)), original.length)
  const gone = new Set(removed.map((i) => oursAt[i] ?? -1))
  const own = new Set(oursAt)
  const ownGained = ours.filter((_, i) => !own.has(i)).map(canonical)
  const twice = pairAlike(ownGained, gained.map(canonical))
  const added = gained.filter((_, i) => (twice[i] ?? -1) < 0)
  return { records: [...ours.filter((_, i) => !gone.has(i)), ...added], added: added.length, removed: gone.size }
}
