import type { Ctx } from './chain.ts'
import type { Conversion } from './conversions.ts'
import { StrataError } from './errors.ts'
import { entries, fromEntries } from './json/index.ts'
import type { Pair, Warner } from './members.ts'
import { isObject, moveAside, restored } from './members.ts'
import type { Kinds } from './schema.ts'

/** What an operation may use besides the object. */
export type FieldCtx = Pick<Ctx<Kinds>, 'path' | 'warn' | 'id' | 'now'>

/** One operation, up and down, over the members of an object in their order. */
export type Edit = {
  up(members: readonly Pair[], ctx: FieldCtx): Pair[]
  down(members: readonly Pair[], ctx: FieldCtx): Pair[]
}

/** Where a member goes: first, last (the default), or behind another one. */
export type At = 'first' | 'last' | { readonly after: string }

export const insert = (members: readonly Pair[], pair: Pair, at: At = 'last'): Pair[] => {
  const behind = typeof at === 'object' ? members.findIndex(([name]) => name === at.after) : -1
  const place = at === 'first' ? 0 : behind < 0 ? members.length : behind + 1
  return members.toSpliced(place, 0, pair)
}

export const has = (members: readonly Pair[], name: string): boolean => members.some(([n]) => n === name)
export const valueOf = (members: readonly Pair[], name: string): unknown => members.find(([n]) => n === name)?.[1]
export const drop = (members: readonly Pair[], name: string): Pair[] => members.filter(([n]) => n !== name)
export const aside = (members: readonly Pair[], name: string, ctx: Warner): Pair[] => moveAside(members, (n) => n === name, ctx)

export const typeName = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)

export const renaming = (from: string, to: string): Edit => {
  const rename = (members: readonly Pair[], a: string, b: string, ctx: Warner): Pair[] =>
    has(members, a) ? aside(members, b, ctx).map(([name, value]): Pair => [name === a ? b : name, value]) : [...members]
  return {
    up: (members, ctx) => rename(members, from, to, ctx),
    down: (members, ctx) => restored(rename(members, to, from, ctx), [to]),
  }
}

/** Members of an object gathered in one of their own, at the place of the first; and back. */
export const gather = (members: readonly Pair[], names: readonly string[], into: string, ctx: Warner): Pair[] => {
  const isPart = ([name]: Pair): boolean => names.includes(name)
  const first = members.findIndex(isPart)
  const before = valueOf(members, into)
  // What is an object already takes them in; anything else of that name moves aside.
  const there = isObject(before) && !names.includes(into) ? entries(before) : undefined
  const group: Pair = [into, fromEntries([...(there ?? []), ...members.filter(isPart)])]
  if (there !== undefined) return members.flatMap((pair): Pair[] => (pair[0] === into ? [group] : isPart(pair) ? [] : [pair]))
  const rest = aside(
    members.filter((pair) => !isPart(pair)),
    into,
    ctx,
  )
  const place = first < 0 ? rest.length : members.slice(0, first).filter((pair) => !isPart(pair)).length
  return rest.toSpliced(place, 0, group)
}

/** The named members of a group come out of it, in its place; others stay in it. An empty one goes if `isEmptyGone`. */
export const spread = (members: readonly Pair[], group: string, names: readonly string[], ctx: Warner, isEmptyGone: boolean): Pair[] => {
  const value = valueOf(members, group)
  if (!isObject(value)) return [...members]
  const inside = entries(value)
  const lifted = inside.filter(([name]) => names.includes(name))
  const left = inside.filter(([name]) => !names.includes(name))
  const taken = new Set(lifted.map(([name]) => name))
  // The group itself may be about to go: a member of its own name is no clash.
  const cleared = moveAside(members, (name) => taken.has(name) && name !== group, ctx)
  const isGone = left.length === 0 && (lifted.length > 0 || isEmptyGone)
  return cleared.flatMap(([name, was]): Pair[] => {
    if (name !== group) return [[name, was]]
    return isGone ? lifted : [...lifted, [group, fromEntries(left)]]
  })
}

export const converting = <A, B>(name: string, conversion: Conversion<A, B>, otherwise: 'fail' | { readonly instead: B }): Edit => {
  const refuse = (): never => {
    throw new StrataError('MIGRATION_FAILED', `the member "${name}" does not convert`, {
      hint: `Say what becomes of such values: convert('${name}', …, { otherwise: { instead: … } }).`,
    })
  }
  return {
    up: (members, ctx) => {
      if (!has(members, name)) return [...members]
      // Shapes are checked when a file is read: the value is an A.
      const value = conversion.up(valueOf(members, name) as A)
      if (value !== undefined) return members.map(([n, was]): Pair => [n, n === name ? value : was])
      if (otherwise === 'fail') return refuse()
      const at = members.findIndex(([n]) => n === name)
      return aside(members, name, ctx).toSpliced(at, 0, [name, otherwise.instead])
    },
    down: (members) => {
      if (!has(members, name)) return [...members]
      if (otherwise !== 'fail' && has(members, `legacy_${name}`)) return restored(drop(members, name), [name])
      const value = conversion.down(valueOf(members, name) as B)
      return value === undefined ? refuse() : members.map(([n, was]): Pair => [n, n === name ? value : was])
    },
  }
}

export const over = (edits: readonly Edit[], way: 'up' | 'down', object: object, ctx: FieldCtx): Record<string, unknown> => {
  let members: Pair[] = entries(object)
  for (const edit of way === 'up' ? edits : edits.toReversed()) members = edit[way](members, ctx)
  return fromEntries(members)
}

export const nested = (name: string, change: (value: unknown, way: 'up' | 'down', ctx: FieldCtx) => unknown): Edit => {
  const at =
    (way: 'up' | 'down') =>
    (members: readonly Pair[], ctx: FieldCtx): Pair[] =>
      members.map(([n, value]): Pair => [n, n === name ? change(value, way, ctx) : value])
  return { up: at('up'), down: at('down') }
}

export const moving = (name: string, into: readonly string[], at: At | undefined): Edit => {
  const put = (members: readonly Pair[], path: readonly string[], value: unknown, ctx: FieldCtx): Pair[] => {
    const [first = '', ...rest] = path
    if (rest.length === 0) return [...aside(members, first, ctx), [first, value]]
    const cleared = isObject(valueOf(members, first)) ? members : aside(members, first, ctx)
    const inner = valueOf(cleared, first)
    const object = fromEntries(put(isObject(inner) ? entries(inner) : [], rest, value, ctx))
    return isObject(inner) ? cleared.map(([n, was]): Pair => [n, n === first ? object : was]) : [...cleared, [first, object]]
  }
  const take = (members: readonly Pair[], path: readonly string[]): { members: Pair[]; found: unknown[] } => {
    const [first = '', ...rest] = path
    const value = valueOf(members, first)
    if (!has(members, first) || (rest.length > 0 && !isObject(value))) return { members: [...members], found: [] }
    if (rest.length === 0) return { members: restored(drop(members, first), [first]), found: [value] }
    const inner = take(entries(value as object), rest)
    return { members: members.map(([n, was]): Pair => [n, n === first ? fromEntries(inner.members) : was]), found: inner.found }
  }
  const path = [...into, name]
  return {
    up: (members, ctx) => (has(members, name) ? put(drop(members, name), path, valueOf(members, name), ctx) : [...members]),
    down: (members, ctx) => {
      const taken = take(members, path)
      if (taken.found.length === 0) return taken.members
      return insert(aside(taken.members, name, ctx), [name, taken.found[0]], at)
    },
  }
}
