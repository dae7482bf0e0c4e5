import { createHash } from 'node:crypto'
import type { AnyMigration } from './chain.ts'
import { json } from './codecs/index.ts'
import type { Dataset } from './dataset.ts'
import { dataset } from './dataset.ts'
import type { Parsed } from './document.ts'
import { parseDocument, renderDocument, setAside, shapeProblem } from './document.ts'
import { StrataError } from './errors.ts'
import { differingFields, withUnknown } from './field-paths.ts'
import type { Issue } from './issues.ts'
import { collapse, issue, issueOf } from './issues.ts'
import { stringifyJson } from './json/index.ts'
import type { Files } from './memory.ts'
import { fileAt, migrateFiles } from './memory.ts'
import { Paths, pathBefore } from './paths.ts'
import type { Kind, Kinds } from './schema.ts'
import { codecOf, kindOf } from './schema.ts'

/**
 * What is wrong with a migration, as far as its golden sample shows: a small dataset of the version before. Findings carry the
 * version in `step`, the file in `file`, and fields by their paths in `message`.
 */

/** The hashes that were recorded of a golden sample: of its files, and of what the migration made of them then. */
export type Recorded = { readonly before: Readonly<Record<string, string>>; readonly after: Readonly<Record<string, string>> }
export type Sample = { readonly files: Files; readonly recorded: Recorded | null }

/** Runs `work` under the n-th of several made-up clocks and chances; `used` are those that it asked. */
export type Trapped = <T>(variant: number, work: () => T) => { readonly value: T; readonly used: readonly string[] }

/** What a file says, as JSON in one layout, whatever its format. */
const canonical = (kinds: Kinds, path: string, bytes: Uint8Array): string | undefined => {
  const kind = kinds[kindOf(kinds, path) ?? '']
  try {
    const { value } = (kind === undefined ? json : codecOf(kind, path)).read(bytes, 'source')
    return stringifyJson(value, { layout: 'source' })
  } catch {
    return undefined
  }
}

/** The hash of what a file says, so that a layout, a line ending or another compressor is no change. */
const contentHash = (kinds: Kinds, path: string, bytes: Uint8Array): string =>
  createHash('sha256')
    .update(canonical(kinds, path, bytes) ?? bytes)
    .digest('hex')

const hashesOf = (kinds: Kinds, files: Files): Record<string, string> =>
  Object.fromEntries([...files.keys()].sort().map((path) => [path, contentHash(kinds, path, files.get(path) ?? new Uint8Array())]))

/** A chain of this one migration. */
const alone = (m: AnyMigration, layout: Dataset['layout']): Dataset =>
  dataset({ name: 'lint', chain: { first: m.from, schemas: [m.from, m.to], migrations: [m] }, layout })

type Finder = { readonly d: Dataset; readonly m: AnyMigration; readonly sample: Sample; readonly found: Issue[] }

const add = ({ found, m }: Finder, code: string, message: string, more: Partial<Issue> = {}): void => {
  found.push(issue({ severity: 'warning', code, message, step: m.to.version, ...more }))
}

const run = ({ d, m }: Finder, files: Files): { files: Files; issues: readonly Issue[] } => {
  const { steps, issues } = migrateFiles(d, files, m.from.version, m.to.version, { frozen: true })
  return { files: steps[0] ?? new Map(), issues }
}

/** Steps without a way back; new and dropped files have theirs by their nature. */
const missingRollbacks = (finder: Finder): void => {
  for (const [kind, step] of Object.entries(finder.m.files)) {
    const pass = step.file ?? step.record
    if (pass !== undefined && pass.rollback === undefined)
      add(finder, 'NO_ROLLBACK', `${kind} has no rollback: what is written after the migration cannot be carried back`, {
        hint: `Add rollback to files.${kind}; fields(…) and recordFields(…) make one.`,
      })
    else if (step.path !== undefined && step.path.rollback === undefined)
      add(finder, 'NO_ROLLBACK', `${kind} has no rollback for its path: what is written after the migration cannot be carried back`, {
        hint: `Add rollback to files.${kind}.path: it leads from a new path to the old one.`,
      })
  }
}

const compareHashes = (
  finder: Finder,
  code: string,
  now: Record<string, string>,
  then: Readonly<Record<string, string>>,
  what: string,
  hint: string,
): void => {
  for (const path of new Set([...Object.keys(then), ...Object.keys(now)]))
    if (now[path] !== then[path]) {
      const how = now[path] === undefined ? 'is gone' : then[path] === undefined ? 'is new' : 'is another one'
      add(finder, code, `${what} ${how} since it was recorded`, { file: path, hint, severity: 'error' })
    }
}

const checkRecord = (finder: Finder, after: Files): void => {
  const { recorded, files } = finder.sample
  if (recorded === null) {
    add(finder, 'NOT_RECORDED', 'what the migration makes of its sample has not been recorded', {
      hint: 'When the migration is done: strata lint --record',
    })
    return
  }
  const edited = finder.found.length
  compareHashes(
    finder,
    'SAMPLE_EDITED',
    hashesOf(finder.m.from.kinds, files),
    recorded.before,
    'the golden sample',
    'Put it back. Another case is another sample: a new file.',
  )
  // What comes out of an edited sample says nothing.
  if (finder.found.length > edited) return
  const hint = 'A released migration is never changed: stores hold its results. Correct them in a new migration.'
  compareHashes(finder, 'BEHAVIOUR_CHANGED', hashesOf(finder.m.to.kinds, after), recorded.after, 'the result', hint)
}

const checkPurity = (finder: Finder, after: Files, used: readonly string[], trapped: Trapped): void => {
  const { sample } = finder
  for (const source of used)
    add(finder, 'IMPURE', `the migration asks ${source}`, {
      severity: 'error',
      hint: 'Use ctx.id() and ctx.now(), which depend on the input alone.',
    })
  // The other way round: what is kept between files shows, too.
  const again = trapped(1, () => run(finder, new Map([...sample.files].reverse()))).value.files
  for (const [path, bytes] of after)
    if (Buffer.compare(Buffer.from(bytes), Buffer.from(again.get(path) ?? new Uint8Array())) !== 0)
      add(finder, 'IMPURE', 'a second run gives another result', {
        file: path,
        severity: 'error',
        hint: 'A migration may use its input and ctx, nothing else: no clock, no randomness, nothing kept from call to call.',
      })
}

const valueOf = (parsed: Parsed): unknown => (parsed.records === null ? parsed.head : { head: parsed.head, records: parsed.records })

/** `head` and `records` are our words: the field's path in the file is what its author knows. */
const inFile = (kind: Kind, path: string): string =>
  kind.at === undefined ? path : path.replace(/^head\.?/, '').replace(/^records\[\]/, `${kind.at}[]`)

/** `there`: its path after the migration. */
type Changed = { readonly path: string; readonly there: string; readonly name: string; readonly from: Kind; readonly to: Kind }

/** The sample's files that the migration changes, or may: a dataset step can put another in the place of any. */
const changedFiles = ({ d, m, sample }: Finder): Changed[] => {
  const paths = new Paths(d, [...sample.files.keys()], 0)
  return [...sample.files.keys()].flatMap((path) => {
    const name = kindOf(m.from.kinds, path) ?? ''
    const [from, to] = [m.from.kinds[name], m.to.kinds[name]]
    if (from === undefined || to === undefined || (m.files[name] === undefined && m.dataset === undefined)) return []
    return [{ path, there: paths.after(path, 0), name, from, to }]
  })
}

const canGoBack = (m: AnyMigration, kind: string): boolean => (m.files[kind]?.file ?? m.files[kind]?.record)?.rollback !== undefined

const undeclared = (m: AnyMigration, kind: string, fields: Iterable<string>): string[] =>
  [...fields].filter((field) => m.loses?.[kind]?.[field] === undefined)

/** Up, down, compare. */
const checkRoundTrip = (finder: Finder, after: Files): void => {
  const { d, m, sample } = finder
  for (const { path, there, name, from } of changedFiles(finder)) {
    if (!canGoBack(m, name) || !after.has(there)) continue
    const was = pathBefore(d, there, 0)
    if (was !== path) {
      const hint = `Let files.${name}.path.rollback lead from a new path to the very one that it had.`
      add(finder, 'LOSSY_ROUND_TRIP', `up and down again leads to another path, ${was}`, { file: path, hint })
      continue
    }
    const original = parseDocument(from, path, sample.files.get(path) ?? new Uint8Array(), d.layout)
    const back = parseDocument(from, path, fileAt(d, after, there, m.to.version, m.from.version), d.layout)
    const fields = undeclared(
      m,
      name,
      [...differingFields(valueOf(original), valueOf(back))].map((field) => inFile(from, field)),
    )
    if (fields.length > 0)
      add(finder, 'LOSSY_ROUND_TRIP', `up and down again changes ${fields.map((f) => (f === '' ? 'the document' : f)).join(', ')}`, {
        file: path,
        hint: `If this is meant, the migration says so: loses: { ${name}: { '${fields[0] ?? ''}': 'why' } }.`,
      })
  }
}

type Planted = {
  readonly files: Map<string, Uint8Array>
  readonly marks: Map<string, { path: string; there: string; kind: string; field: string }>
}

/** The sample with an unknown member in every object that may have some. */
const planted = (finder: Finder): Planted => {
  const { d, sample } = finder
  const files = new Map(sample.files)
  const marks: Planted['marks'] = new Map()
  for (const { path, there, name, from } of changedFiles(finder)) {
    const mark = (field: string): [string, string] => {
      const value = `strata-unknown-${marks.size}-`
      marks.set(value, { path, there, kind: name, field })
      return ['strataUnknown', value]
    }
    const parsed = setAside(from, parseDocument(from, path, sample.files.get(path) ?? new Uint8Array(), d.layout))
    const head = from.at === '' ? parsed.head : withUnknown(from.doc, parsed.head, '', mark)
    const records = parsed.records?.map((r, i) => (i < 50 ? withUnknown(from.record, r, `${from.at ?? ''}[]`, mark) : r)) ?? null
    const made = { ...parsed, head, records }
    // A schema may refuse what it does not know; then there is nothing to drop.
    if (shapeProblem(from, made) === null) files.set(path, renderDocument(from, path, made, d.layout))
    else for (const [value, { path: where }] of marks) if (where === path) marks.delete(value)
  }
  return { files, marks }
}

const reportDropped = (finder: Finder, { marks }: Planted, textIn: (there: string) => string | undefined, way: string): void => {
  const dropped = new Map<string, Set<string>>()
  for (const [value, { path, there, kind, field }] of marks)
    if (textIn(there)?.includes(value) === false && undeclared(finder.m, kind, [`${field === '' ? '' : `${field}.`}*`]).length > 0)
      dropped.set(`${kind}\0${path}`, (dropped.get(`${kind}\0${path}`) ?? new Set()).add(field === '' ? 'the document' : field))
  for (const [key, fields] of dropped) {
    const [kind = '', file = ''] = key.split('\0')
    const names = [...fields]
    add(finder, 'DROPPED_FIELD', `unknown members of ${names.join(', ')} are dropped${way}`, {
      file,
      hint: `Keep them ({ ...rest }), or say that they go: loses: { ${kind}: { '${names[0] === 'the document' ? '' : `${names[0] ?? ''}.`}*': 'why' } }.`,
    })
  }
}

const checkUnknown = (finder: Finder): void => {
  const { d, m } = finder
  const source = planted(finder)
  if (source.marks.size === 0) return
  const { files } = run(finder, source.files)
  const textAt = (there: string): string => canonical(m.to.kinds, there, files.get(there) ?? new Uint8Array()) ?? ''
  // A dataset step may put what is in one file into another.
  const all = m.dataset === undefined ? '' : [...files.keys()].map(textAt).join()
  const text = (there: string): string => textAt(there) + all
  reportDropped(finder, source, text, '')
  const back = new Map<string, string>()
  for (const { path, there, name } of changedFiles(finder))
    if (canGoBack(m, name) && files.has(there))
      back.set(there, canonical(m.from.kinds, path, fileAt(d, files, there, m.to.version, m.from.version)) ?? '')
  const reached = new Map([...source.marks].filter(([value, { there }]) => text(there).includes(value)))
  reportDropped(finder, { ...source, marks: reached }, (there) => back.get(there), ' on the way back')
}

/** Kinds that a step changes, or derives from, and that the sample has no file of. */
const unsampled = ({ m, sample }: Finder): string[] => {
  if (sample.files.size === 0) return []
  const wanted = Object.entries(m.files).map(([kind, step]) => (step.derive ?? step.gather)?.from ?? kind)
  const there = new Set([...sample.files.keys()].map((path) => kindOf(m.from.kinds, path)))
  return [...new Set(wanted)].filter((kind) => kind in m.from.kinds && !there.has(kind))
}

/** Runs a check; what a migration throws is a finding, too. */
const guarded = (finder: Finder, during: string, check: () => void): boolean => {
  try {
    check()
    return true
  } catch (error) {
    if (!(error instanceof StrataError)) throw error
    const { message, ...rest } = issueOf(error)
    finder.found.push({ ...rest, message: `${during}${message}`, step: finder.m.to.version })
    return false
  }
}

/** Everything that is wrong with one migration, as far as its sample shows; without a sample, that there is none. */
export const lintMigration = (m: AnyMigration, sample: Sample | null, trapped: Trapped, layout: Dataset['layout'] = 'source'): Issue[] => {
  const d = alone(m, layout)
  const finder: Finder = { d, m, sample: sample ?? { files: new Map(), recorded: null }, found: [] }
  missingRollbacks(finder)
  for (const kind of unsampled(finder))
    add(finder, 'NO_SAMPLE', `the golden sample has no file of the kind ${kind}, which the migration changes`, {
      hint: `Put one that matches ${m.from.kinds[kind]?.path ?? m.to.kinds[kind]?.path ?? ''} into golden/${m.to.version}/before/.`,
    })
  if (finder.sample.files.size === 0) {
    add(finder, 'NO_SAMPLE', 'there is no golden sample', { hint: 'Put files of the version before into golden/VERSION/before/.' })
    return finder.found
  }
  let after: Files = new Map()
  const ran = guarded(finder, '', () => {
    const first = trapped(0, () => run(finder, finder.sample.files))
    after = first.value.files
    for (const found of first.value.issues.filter((i) => i.code === 'QUARANTINED')) finder.found.push({ ...found, code: 'DAMAGED_SAMPLE' })
    checkPurity(finder, after, first.used, trapped)
  })
  if (!ran || finder.found.some((i) => i.code === 'DAMAGED_SAMPLE')) return finder.found
  checkRecord(finder, after)
  guarded(finder, 'on the way back: ', () => void trapped(0, () => checkRoundTrip(finder, after)))
  guarded(finder, 'with an unknown member in every object: ', () => void trapped(0, () => checkUnknown(finder)))
  return collapse(finder.found)
}

/** What a migration makes of a sample today, to be recorded. */
export const recordOf = (m: AnyMigration, files: Files, layout: Dataset['layout'] = 'source'): Recorded => {
  const { steps } = migrateFiles(alone(m, layout), files, m.from.version, m.to.version, { frozen: true })
  return { before: hashesOf(m.from.kinds, files), after: hashesOf(m.to.kinds, steps[0] ?? new Map()) }
}
