import compare from 'semver/functions/compare.js'
import valid from 'semver/functions/valid.js'
import type { AnyChain, AnyFileStep, AnyMigration } from './chain.ts'
import type { ErrorCode } from './errors.ts'
import { StrataError } from './errors.ts'
import { schemaProblems } from './schema-checks.ts'
import type { Kind, Kinds } from './schema.ts'

/** What the types check in TypeScript, for a chain that was loaded at run time. Everything that is wrong is found, not only the first. */

type Report = (message: string, hint: string, code?: ErrorCode) => void

type Form = 'file' | 'record' | 'derive' | 'gather' | 'made' | 'drop'

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null
const isText = (value: unknown): value is string => typeof value === 'string'
const isTexts = (value: unknown): boolean => isObject(value) && Object.values(value).every(isText)
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/

const checkFunction = (report: Report, where: string, value: unknown, optional = false): void => {
  if (value === undefined && optional) return
  if (typeof value !== 'function') {
    report(`${where} is ${value === undefined ? 'missing' : 'no function'}`, 'Give it a function.')
    return
  }
  if (Object.prototype.toString.call(value).startsWith('[object Async'))
    report(`${where} is asynchronous`, 'Migrations are synchronous: pass in what they need through the dataset’s files.', 'ASYNC_STEP')
}

/** Which functions a form of step has, and which of them may be left out. */
const checkForm = (report: Report, at: string, form: Form, step: AnyFileStep): void => {
  const body: unknown = step[form]
  if (form === 'drop' || form === 'made') {
    if (!isText(body)) report(`${at}.${form} is no text`, form === 'drop' ? "drop: 'why these files go'" : "made: 'by the dataset step'")
    return
  }
  if (!isObject(body)) {
    report(`${at}.${form} is no object`, `${form}: { … }`)
    return
  }
  if (form === 'derive' || form === 'gather') {
    checkFunction(report, `${at}.${form}.each`, body.each)
    if (form === 'gather') checkFunction(report, `${at}.gather.make`, body.make)
    return
  }
  for (const way of ['migrate', 'rollback'] as const) {
    const pass = body[way]
    const where = `${at}.${form}.${way}`
    if (pass === undefined && way === 'rollback') continue
    if (form === 'file') checkFunction(report, where, pass)
    else checkPass(report, where, pass)
  }
}

const checkPass = (report: Report, where: string, pass: unknown): void => {
  if (!isObject(pass)) {
    report(`${where} is ${pass === undefined ? 'missing' : 'no object'}`, 'migrate: { head: …, record: … }')
    return
  }
  checkFunction(report, `${where}.head`, pass.head)
  checkFunction(report, `${where}.record`, pass.record)
  if (pass.scan === undefined) return
  const scan = isObject(pass.scan) ? pass.scan : {}
  checkFunction(report, `${where}.scan.init`, scan.init)
  checkFunction(report, `${where}.scan.add`, scan.add, true)
}

/** The forms that a kind's step may have: a changed kind goes on, a new one is made from others, one that is gone is dropped. */
const formsFor = (from: Kind | undefined, to: Kind | undefined): Form[] => {
  if (from === undefined) return ['derive', 'gather', 'made']
  if (to === undefined) return ['drop']
  return [from.record === undefined ? 'file' : 'record']
}

const checkMove = (report: Report, at: string, { path }: AnyFileStep): void => {
  if (path === undefined) return
  checkFunction(report, `${at}.path.migrate`, path.migrate)
  checkFunction(report, `${at}.path.rollback`, path.rollback, true)
}

const checkStep = (report: Report, m: AnyMigration, name: string, step: AnyFileStep): void => {
  const at = `files.${name}`
  if (!isObject(step)) {
    report(`${at} is no object`, `${name}: { file: { migrate, rollback } }`)
    return
  }
  const wanted = formsFor(m.from.kinds[name], m.to.kinds[name])
  const mayMove = wanted[0] === 'file' || wanted[0] === 'record'
  const given = Object.keys(step).filter((key) => !mayMove || key !== 'path')
  const form = wanted.find((one) => one === given[0])
  if (given.length !== 1 || form === undefined) {
    report(
      `${at} must have ${wanted.join(' or ')}, and nothing else; it has ${given.length === 0 ? 'nothing' : given.join(', ')}`,
      `${name}: { ${wanted[0] ?? ''}: … }`,
    )
    return
  }
  checkForm(report, at, form, step)
  checkMove(report, at, step)
  if (form === 'made' && m.dataset === undefined)
    report(`${at} is made by the dataset step, but there is none`, 'dataset: (view, ctx) => [ … ]')
  const source = (step.derive ?? step.gather)?.from
  if (source !== undefined && !(source in m.to.kinds))
    report(`makes ${name} from ${source}, which is no kind of its schema`, 'Check the name.')
}

const checkFiles = (report: Report, m: AnyMigration): void => {
  const files: unknown = m.files
  if (!isObject(files)) {
    report('has no files', 'files: { settings: { file: { migrate, rollback } } }')
    return
  }
  for (const name of new Set([...Object.keys(m.from.kinds), ...Object.keys(m.to.kinds)])) {
    const changed = m.from.kinds[name] !== m.to.kinds[name]
    const step = m.files[name]
    if (changed && step === undefined) report(`changes the kind ${name} but has no step for it`, `Add files.${name} to the migration.`)
    else if (!changed && step !== undefined)
      report(`has a step for the kind ${name}, which it does not change`, `Give ${name} a new kind in the schema, or remove files.${name}.`)
    else if (step !== undefined) checkStep(report, m, name, step)
  }
  checkFunction(report, 'dataset', m.dataset, true)
  for (const name of Object.keys(m.files))
    if (!(name in m.from.kinds) && !(name in m.to.kinds))
      report(`has a step for ${name}, which is no kind of either schema`, 'Check the name.')
}

const checkAbout = (report: Report, m: AnyMigration): void => {
  if (!isText(m.description)) report('has no description', "description: 'Count seconds'")
  if (!isText(m.createdAt) || !TIME.test(m.createdAt)) report('has no createdAt in RFC 3339', "createdAt: '2026-01-02T00:00:00Z'")
  if (!Array.isArray(m.changes) || !m.changes.every(isText)) report('does not list its changes', "changes: ['minutes becomes seconds']")
}

/** The functions of an object that may hold others; those that are `optional` may be absent. */
const checkFunctions = (report: Report, where: string, of: unknown, names: readonly string[], optional: boolean): void => {
  const functions = isObject(of) ? of : {}
  for (const name of names) checkFunction(report, `${where}.${name}`, functions[name], optional)
}

const checkPromises = (report: Report, m: AnyMigration): void => {
  const unknown = (name: string, kinds: Kinds): boolean => !Object.hasOwn(kinds, name)
  for (const [name, checks] of Object.entries(m.validate ?? {})) {
    if (unknown(name, m.to.kinds)) report(`validates ${name}, which is no kind of its schema`, 'Check the name.')
    checkFunctions(report, `validate.${name}`, checks, ['doc', 'record'], true)
  }
  for (const [name, reasons] of Object.entries(m.loses ?? {})) {
    if (unknown(name, m.from.kinds)) report(`loses something of ${name}, which is no kind of the schema before`, 'Check the name.')
    if (!isTexts(reasons)) report(`does not say why ${name} loses something`, `loses: { ${name}: { records: 'duplicates are merged' } }`)
  }
  for (const [name, laws] of Object.entries(m.conserves ?? {})) {
    if (unknown(name, m.from.kinds) || unknown(name, m.to.kinds))
      report(`conserves something of ${name}, which is no kind of both schemas`, 'Check the name.')
    for (const [law, sides] of Object.entries(laws ?? {}))
      checkFunctions(report, `conserves.${name}.${law}`, sides, ['before', 'after'], false)
  }
}

const checkVersions = (report: Report, m: AnyMigration, known: readonly string[]): void => {
  if (compare(m.to.version, m.from.version) <= 0)
    report(`does not come after ${m.from.version}`, 'Give each step a higher version than the one before.')
  if (m.readableFrom !== undefined && !known.includes(m.readableFrom))
    report(`is readable from ${m.readableFrom}, which is no version up to it`, 'Name a version of the chain.')
}

/** Everything that keeps `c` from being a chain; empty when it is one. */
const chainProblems = (c: AnyChain): StrataError[] => {
  const found: StrataError[] = []
  const versions = c.schemas.map((s) => s.version)
  const of =
    (version: string): Report =>
    (message, hint, code = 'BAD_CHAIN') =>
      void found.push(new StrataError(code, `${version} ${message}`, { data: { version }, hint }))
  for (const version of versions)
    if (valid(version) === null) of(version)('is not a semantic version', 'Write it like 1.2.0 or 2.0.0-beta.1.')
  // What follows compares versions.
  if (found.length > 0) return found
  for (const version of new Set(versions.filter((v, i) => versions.indexOf(v) !== i)))
    of(`version ${version}`)('is in the chain twice', 'Give the second one its own version.', 'DUPLICATE_VERSION')
  const known = new Set<Kind>()
  for (const schema of c.schemas) {
    found.push(...schemaProblems(schema, known))
    for (const kind of Object.values(schema.kinds)) known.add(kind)
  }
  c.migrations.forEach((m, i) => {
    const before = c.schemas[i]
    const report = of(m.to.version)
    if (m.from !== before)
      of(`the migration to ${m.to.version}`)(
        `starts at ${m.from.version}, but the chain is at ${before?.version ?? 'nothing'}`,
        'Add the missing step, or put them in order.',
      )
    checkVersions(report, m, versions.slice(0, i + 2))
    checkFiles(report, m)
    checkAbout(report, m)
    checkPromises(report, m)
  })
  return found
}

/** A dataset is checked when it is made, and again where a module brings one: it may have another copy of this library. */
const sound = new WeakSet<AnyChain>()

/** Throws the first of what is wrong: BAD_CHAIN, DUPLICATE_VERSION, AMBIGUOUS_KIND, NO_PATTERN or ASYNC_STEP; `data.problems` has all messages. */
export const checkChain = (c: AnyChain): void => {
  if (sound.has(c)) return
  const found = chainProblems(c)
  const [first] = found
  if (first === undefined) {
    sound.add(c)
    return
  }
  throw new StrataError(first.code, first.message, {
    data: { ...first.data, problems: found.map((error) => error.message) },
    hint: first.hint,
  })
}
