import type { Comparison, Diff, Difference, ValidationReport } from '../index.ts'
import { StrataError, printable } from '../index.ts'
import { comparisonText, tracedText } from './compare-text.ts'
import { eventText, fileVersionText } from './history-text.ts'
import { withLineage } from './lineage.ts'
import { fit, out, paint, plural, size, when } from './output.ts'
import type { Run } from './run.ts'
import { count, differenceText, print, text } from './run.ts'
import { findingsText } from './status-text.ts'

/** Commands that only look. */

const MOST_EVENTS = 100
/** A segment's own first event is not shown. */
const FIRST_SHOWN = 2

export const history = async (run: Run): Promise<number> => {
  const { args, flags } = run.parsed
  const [path] = args
  if (path !== undefined) {
    const found = await run.app.fileHistory(path)
    print(run, found, found.map(fileVersionText))
    return 0
  }
  const job = text(flags.job)
  const isAll = flags.all === true || job !== undefined
  const limit = count(run, 'count', 'strata history --count 1000') ?? (isAll || run.json ? undefined : MOST_EVENTS)
  const found = (await run.app.history(job, { limit })).reverse()
  const detail = job !== undefined || flags.all === true
  const older =
    (found.at(-1)?.seq ?? 1) > FIRST_SHOWN && job === undefined ? [paint('dim', 'older events: strata history --all, or --count N')] : []
  print(
    run,
    found,
    job === undefined
      ? withLineage(
          found.map((event) => ({ event, lines: eventText(event, detail) })),
          found,
        )
          .map((line) => fit(line))
          .concat(older)
      : found.flatMap((e) => eventText(e, detail)),
  )
  return 0
}

/** `SNAPSHOT:PATH`; ids and versions hold no colon. */
const split = (name: string): { snapshot: string; path: string | undefined } => {
  const colon = name.indexOf(':')
  return colon < 0 ? { snapshot: name, path: undefined } : { snapshot: name.slice(0, colon), path: name.slice(colon + 1) }
}

export const show = async (run: Run): Promise<number> => {
  const { snapshot, path } = split(run.parsed.args[0] ?? '@')
  const as = text(run.parsed.flags.as)
  if (as !== undefined && path === undefined)
    throw new StrataError('BAD_ARGUMENT', '--as needs a file', { hint: `For example: strata show ${snapshot}:config.json --as ${as}` })
  if (path !== undefined) {
    const bytes = await (as === undefined ? run.app.readFile(snapshot, path) : run.app.read(path, { as, of: snapshot }))
    if (run.json)
      out(
        JSON.stringify({
          snapshot,
          path,
          ...(as === undefined ? {} : { as }),
          size: bytes.byteLength,
          base64: Buffer.from(bytes).toString('base64'),
        }),
      )
    else process.stdout.write(bytes)
    return 0
  }
  const view = await run.app.show(snapshot)
  const s = view.snapshot
  print(run, view, [
    `${paint('bold', s.id)}${view.active ? paint('green', '  active') : ''}`,
    `  version    ${s.schemaVersion}, readable by ${s.readableBy.join(', ')}`,
    `  created    ${when(s.createdAt)}${s.from === null ? '' : `, from ${s.from}`}`,
    `  verified   ${s.verifiedAt === null ? 'never' : when(s.verifiedAt)}`,
    `  commit     ${s.commit}`,
    `  data       ${plural(s.files, 'file')}, ${size(s.bytes)}`,
    ...view.commits.map((c) => `  ${c.oid.slice(0, 10)} ${when(c.at)}  ${printable(c.subject)}`),
    ...view.files.map((f) => `    ${size(f.size).padStart(12)}  ${printable(f.path)}`),
  ])
  return 0
}

const patch = async (run: Run, a: string, b: string, file: Difference): Promise<string> => {
  const read = async (name: string, absent: boolean): Promise<string> =>
    absent ? '' : Buffer.from(await run.app.readFile(name, file.path)).toString('utf8')
  // Many files, and no other command needs them.
  const { createTwoFilesPatch } = await import('diff')
  const made = createTwoFilesPatch(
    `a/${file.path}`,
    `b/${file.path}`,
    await read(a, file.change === 'added'),
    await read(b, file.change === 'removed'),
    a,
    b,
  )
  return made
    .replace(/^=+\n/, '')
    .split('\n')
    .map((line) => (line.startsWith('+') ? paint('green', line) : line.startsWith('-') ? paint('red', line) : line))
    .join('\n')
}

const MOST_FILES = 20

/** Of many files, what differs in them and the first names; of a single one, its lines. */
const diffText = async (run: Run, found: Diff, kinds: Comparison['kinds'], path: string | undefined): Promise<string[]> => {
  const [only] = found.files
  const summary = comparisonText(kinds).map((line) => fit(line))
  if (only !== undefined && found.files.length === 1 && path === only.path)
    return [...summary, await patch(run, found.before.id, found.after.id, only)]
  const count = (change: Difference['change']): number => found.files.filter((f) => f.change === change).length
  const listed = run.parsed.flags.files === true ? found.files : found.files.slice(0, MOST_FILES)
  const more = found.files.length - listed.length
  return [
    `${found.before.id} to ${found.after.id}: ${count('changed')} changed, ${count('added')} added, ${count('removed')} removed`,
    ...summary,
    ...listed.map(differenceText),
    ...(more > 0 ? [`  … and ${more} more (--files lists all)`] : []),
  ]
}

export const diff = async (run: Run): Promise<number> => {
  const [a = '', b = '', path] = run.parsed.args
  const { flags } = run.parsed
  const within = path?.replace(/\/$/, '')
  const found = await run.app.diff(a, b, within)
  const { kinds } = flags.files === true ? { kinds: [] } : await run.app.compare(a, b, within)
  print(run, flags.files === true ? found : { ...found, kinds }, await diffText(run, found, kinds, path))
  return flags['exit-code'] === true && found.files.length > 0 ? 2 : 0
}

const recordOf = (value: string | undefined): number | undefined => {
  if (value === undefined) return undefined
  if (/^\d{1,15}$/.test(value)) return Number(value)
  throw new StrataError('BAD_ARGUMENT', `--record needs a number, counted from 0, not ${value}`)
}

export const trace = async (run: Run): Promise<number> => {
  const [path = ''] = run.parsed.args
  const traced = await run.app.trace(path, recordOf(text(run.parsed.flags.record)), text(run.parsed.flags.at))
  print(run, traced, traced.flatMap(tracedText))
  return 0
}

export const doctor = async (run: Run): Promise<number> => {
  // For a mail or an issue: always one document, with nothing of the user in it.
  out(JSON.stringify(await run.app.diagnose(), null, 2))
  return 0
}

/** `1/30`: a thirtieth each time. */
const partsOf = (value: string): number => {
  const parts = /^1\/(\d{1,5})$/.exec(value)?.[1]
  if (parts === undefined) throw new StrataError('BAD_ARGUMENT', `--sample needs a part such as 1/30, not ${value}`)
  return Number(parts)
}

export const verify = async (run: Run): Promise<number> => {
  const sample = text(run.parsed.flags.sample)
  const isActive = run.parsed.flags.active === true
  if (isActive && sample !== undefined)
    throw new StrataError('BAD_ARGUMENT', '--active and --sample say two things', { hint: 'Give one of them.' })
  const whole = (): Promise<ValidationReport> => (isActive ? run.app.verifyActive() : run.app.validateDataIntegrity())
  const report = sample === undefined ? await whole() : await run.app.verifySample(partsOf(sample))
  const verdict = report.valid ? paint('green', 'valid') : paint('red', 'damaged')
  print(run, report, [
    `${verdict}: ${plural(report.filesChecked, 'file and object')} read and compared, ${plural(report.errorsFound, 'error')}, ${plural(report.warningsFound, 'warning')}`.replace(
      'file and objects',
      'files and objects',
    ),
    ...findingsText(report.issues),
  ])
  return report.issues.length > 0 ? 2 : 0
}
