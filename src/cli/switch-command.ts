import type { App, CarriedPath, SwitchPreview } from '../index.ts'
import { printable } from '../index.ts'
import { plural } from './output.ts'
import { showProgress } from './progress.ts'
import type { Run } from './run.ts'
import { differenceText, print } from './run.ts'

/** `rollback` and `redo`. */

const MOST_LISTED = 20

const recordsText = ({ added, removed }: CarriedPath): string => {
  const parts = [
    ...(added > 0 ? [`${plural(added, 'record')} added`] : []),
    ...(removed > 0 ? [`${plural(removed, 'record')} removed`] : []),
  ]
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

const carriedText = (file: CarriedPath): string => {
  const word = file.result === 'kept' || file.result === 'unreadable' ? 'not taken' : file.result
  if (file.result === 'unreadable')
    return `  ${word.padEnd(10)} ${printable(file.path)}; what was written cannot be read, and is in the history`
  const clash = file.clashes > 0 ? '; both sides had changed it: the newer change counts, the other is in the history' : ''
  return `  ${word.padEnd(10)} ${printable(file.path)}${recordsText(file)}${clash}`
}

const listed = (files: readonly CarriedPath[]): string[] => [
  ...files.slice(0, MOST_LISTED).map(carriedText),
  ...(files.length > MOST_LISTED ? [`  and ${plural(files.length - MOST_LISTED, 'more file')}`] : []),
]

const previewText = (p: SwitchPreview, exact: boolean): string[] => {
  const files = new Set([...p.written.map((f) => f.path), ...p.pending]).size
  if (files === 0) return ['  nothing has been written since']
  if (exact)
    return [
      `  ${plural(files, 'file')} written since would stay in the history of ${p.from.id}`,
      ...p.written.slice(0, MOST_LISTED).map(differenceText),
      ...p.pending.slice(0, MOST_LISTED).map((f) => `  written        ${printable(f)}`),
    ]
  if (p.inTheWay.length > 0)
    return [
      `  ${plural(p.inTheWay.length, 'file')} written since cannot be taken along: needs --exact, which keeps them in the history`,
      ...p.inTheWay.slice(0, MOST_LISTED).map((f) => `  in the way ${printable(f.path)} (${printable(f.why)})`),
    ]
  return [`  ${plural(files, 'file')} written since would be taken along`, ...listed(p.carried)]
}

type Kind = 'rollback' | 'redo'

const preview = async (run: Run, kind: Kind, exact: boolean): Promise<number> => {
  const p = await run.app.preview(kind, run.parsed.args[0])
  print(run, p, [`Would switch from ${p.from.id} to ${p.to.id}`, ...previewText(p, exact)])
  return 0
}

/** A version says it best, unless both have the same. */
const named = (one: Named, other: Named): string => (one.schemaVersion === other.schemaVersion ? one.id : one.schemaVersion)
type Named = { readonly id: string; readonly schemaVersion: string }

const wroteText = ({ from, written, carried }: Awaited<ReturnType<App['redo']>>): string[] => {
  if (carried.length > 0) return [`  what was written since came along:`, ...listed(carried)]
  return written.length === 0 ? [] : [`  what was written since (${plural(written.length, 'file')}) stays in the history of ${from.id}`]
}

export const switchCommand = async (run: Run, kind: Kind): Promise<number> => {
  const { flags, args } = run.parsed
  const exact = flags.exact === true
  if (flags['dry-run'] === true) return preview(run, kind, exact)
  const stop = showProgress(run.app, run.parsed)
  const cancel = (): void => {
    run.app.cancelMigration()
  }
  process.once('SIGINT', cancel)
  const asked = kind === 'rollback' ? run.app.rollbackMigration(args[0] ?? '', { exact }) : run.app.redo({ exact })
  const done = await asked.finally(() => {
    stop()
    process.removeListener('SIGINT', cancel)
  })
  const status = await run.app.checkMigrationsNeeded()
  print(run, { from: done.from.id, to: done.to.id, written: done.written, carried: done.carried, status }, [
    `${kind === 'rollback' ? 'Went back' : 'Returned'} from ${named(done.from, done.to)} to ${named(done.to, done.from)}`,
    `  active   ${status.directory}`,
    ...wroteText(done),
    kind === 'rollback' ? 'Automatic migration is on hold. Return with: strata redo' : 'Automatic migration is on again.',
  ])
  return 0
}
