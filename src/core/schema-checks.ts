import { StrataError } from './errors.ts'
import type { Kind, Kinds, Schema } from './schema.ts'
import { matchesGlob, patternsOf } from './schema.ts'
import type { Def } from './zod-def.ts'
import { defOf } from './zod-def.ts'

/**
 * What a version's kinds must be, whoever wrote them: a pattern each, no two for one path, and zod schemas that only look.
 * A schema that changes values (a default, a coercion, a transform) would change bytes behind the migration's back.
 */

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null

/** Types that give another value than the one they were given. `pipe` is what transforms, pipes, preprocessing and codecs are made of. */
const CHANGING: Readonly<Record<string, string>> = {
  transform: 'a transform',
  pipe: 'a pipe, transform, codec or preprocessing',
  default: 'a default',
  prefault: 'a default',
  catch: 'a catch',
  success: 'a success flag',
}
/** Types that match nothing that JSON holds. */
const FOREIGN = new Set(['bigint', 'date', 'file', 'function', 'map', 'nan', 'promise', 'set', 'symbol'])

const checkProblem = (check: unknown): string | undefined => {
  const def = defOf(check)
  if (def?.check === 'overwrite') return 'trims, changes case or overwrites'
  return undefined
}

const ownProblem = (def: Def): string | undefined => {
  const type = String(def.type)
  const changing = CHANGING[type]
  if (changing !== undefined) return `has ${changing}, which would change data`
  if (FOREIGN.has(type)) return `is a z.${type}(), which nothing in JSON is`
  if (def.coerce === true) return 'coerces, which would change data'
  if (def.normalize === true) return 'normalises, which would change data'
  const check = Array.isArray(def.checks) ? def.checks.map(checkProblem).find((found) => found !== undefined) : undefined
  return check === undefined ? undefined : `${check}, which would change data`
}

/** The schemas inside one, each with the path of the member that it describes. */
const inside = (def: Def, path: string): [path: string, node: unknown][] => {
  const under = (name: string): string => (path === '' ? name : `${path}.${name}`)
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
  return [
    ...(isRecord(def.shape) ? Object.entries(def.shape).map(([name, node]): [string, unknown] => [under(name), node]) : []),
    ...[def.element, def.rest].map((node): [string, unknown] => [`${path}[]`, node]),
    ...list(def.items).map((node, i): [string, unknown] => [`${path}[${i}]`, node]),
    ...[def.valueType, def.keyType, def.catchall].map((node): [string, unknown] => [under('*'), node]),
    ...[def.innerType, def.left, def.right, ...list(def.options), ...list(def.parts)].map((node): [string, unknown] => [path, node]),
    ...(def.type === 'lazy' && typeof def.getter === 'function' ? [[path, (def.getter as () => unknown)()] as [string, unknown]] : []),
  ]
}

/** The first part of a schema that changes values or can match none: where, and what it is. */
const schemaProblem = (node: unknown, path = '', seen = new Set<unknown>()): { path: string; problem: string } | undefined => {
  const def = defOf(node)
  if (def === undefined || seen.has(node)) return undefined
  seen.add(node)
  const own = ownProblem(def)
  if (own !== undefined) return { path, problem: own }
  for (const [below, child] of inside(def, path)) {
    const found = schemaProblem(child, below, seen)
    if (found !== undefined) return found
  }
  return undefined
}

const badSchema = (version: string, kind: string, part: string, node: unknown): StrataError | undefined => {
  if (defOf(node) === undefined)
    return new StrataError('BAD_CHAIN', `${version}: the ${part} of the kind ${kind} is no zod schema`, {
      data: { version, kind, member: null },
      hint: 'Describe it with zod 4: z.looseObject({ … }), or z.null() where there is nothing around the records.',
    })
  const found = schemaProblem(node)
  if (found === undefined) return undefined
  const member = found.path === '' ? `the ${part}` : found.path
  return new StrataError('BAD_CHAIN', `${version}: ${member} of the kind ${kind} ${found.problem}`, {
    data: { version, kind, member: found.path },
    hint: 'A schema only describes. Say in a migration what changes; where nothing has to, describe what the file holds.',
  })
}

const POLICIES = new Set(['fail', 'quarantine', 'keep'])

const badKind = (version: string, name: string, kind: Kind): StrataError | undefined => {
  // Not as the types say: an application in JavaScript may leave anything out.
  const { path, doc, at, record, damaged = 'fail', badRecords = 'fail' } = kind as Partial<Kind>
  if (typeof path !== 'string' || path === '')
    return new StrataError('NO_PATTERN', `${version}: the kind ${name} has no path pattern`, {
      data: { version, kind: name },
      hint: "Say which files it is: file('settings.json', …), records('notes/*.json', …).",
    })
  if ((record === undefined) !== (at === undefined))
    return new StrataError(
      'BAD_CHAIN',
      `${version}: the kind ${name} has ${at === undefined ? 'records, but no place for them' : 'no records'}`,
      {
        data: { version, kind: name },
        hint: "records('notes/*.json', 'notes', z.looseObject({ … }), z.looseObject({ … }))",
      },
    )
  if (!POLICIES.has(damaged) || !POLICIES.has(badRecords))
    return new StrataError('BAD_CHAIN', `${version}: the kind ${name} has an unknown policy`, {
      data: { version, kind: name },
      hint: "damaged and badRecords: 'fail', 'quarantine' or 'keep'.",
    })
  const formats: unknown[] = [...(kind.codec === undefined ? [] : [kind.codec]), ...Object.values(kind.forms ?? {})]
  if (!formats.every((codec) => isRecord(codec) && typeof codec.read === 'function' && typeof codec.write === 'function'))
    return new StrataError('BAD_CHAIN', `${version}: the kind ${name} has a codec that is none`, {
      data: { version, kind: name },
      hint: 'codec: gzip(messagePack); forms: { "data/*.ndjson": ndjson }',
    })
  return badSchema(version, name, 'document', doc) ?? (record === undefined ? undefined : badSchema(version, name, 'record', record))
}

const hasWildcard = (glob: string): boolean => /[*?[]/.test(glob)

/** Two kinds that claim the same path, as far as their patterns alone tell. */
const overlap = (version: string, kinds: Kinds): StrataError | undefined => {
  const all = Object.entries(kinds).flatMap(([name, kind]) => patternsOf(kind).map((path) => [name, path] as const))
  for (const [i, [name, path]] of all.entries())
    for (const [other, wide] of all.filter(([of, glob], j) => of !== name && (j > i || hasWildcard(glob))))
      if (path === wide || (!hasWildcard(path) && matchesGlob(wide, path)))
        return new StrataError('AMBIGUOUS_KIND', `${version}: ${path} belongs to more than one kind: ${name}, ${other}`, {
          data: { version, path, kinds: [name, other] },
          hint: 'Make the path patterns of the kinds exclude each other.',
        })
  return undefined
}

/** Whatever is wrong with a version's kinds; `known` are those that were looked at before. */
export const schemaProblems = (schema: Schema, known: ReadonlySet<Kind> = new Set()): StrataError[] => {
  const found = Object.entries(schema.kinds).flatMap(([name, kind]) => (known.has(kind) ? [] : (badKind(schema.version, name, kind) ?? [])))
  return found.length > 0 ? found : [overlap(schema.version, schema.kinds)].filter((error) => error !== undefined)
}
