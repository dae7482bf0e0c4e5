import { resolve } from 'node:path'
import type { App, MigrationStatus, Started } from '../index.ts'
import { StrataError, printable } from '../index.ts'
import { out, paint, plural, size } from './output.ts'
import type { Parsed } from './parse.ts'
import { showProgress } from './progress.ts'
import { findingsText } from './status-text.ts'

/** How commands are to be typed by whoever reads this: through npx in a checkout, plainly where strata is installed. */
const hint = (root: string, command: string, does: string): string => {
  const name = process.env.npm_lifecycle_event === undefined ? 'strata' : 'npx strata'
  const store = root === resolve('store') ? '' : ` --store ${printable(root)}`
  return `  ${`${name}${store} ${command}`.padEnd(28)}  ${does}`
}

const summary = async (app: App, started: Started, root: string): Promise<string[]> => {
  const report = await app.validateDataIntegrity()
  const status = await app.checkMigrationsNeeded()
  const changed = started.jobId === null ? [] : (await app.diff('@-', '@')).files
  const count = (change: string): number => changed.filter((f) => f.change === change).length
  return [
    `${report.valid ? paint('green', 'verified') : paint('red', 'damaged')}: ${report.filesChecked} files and objects read and compared, ${plural(report.errorsFound, 'error')}`,
    `active   ${started.directory}`,
    `version  ${started.schemaVersion}, ${plural(status.files, 'file')}, ${size(status.bytes)}`,
    ...(started.jobId === null
      ? []
      : [
          `changed  ${count('changed')} files rewritten, ${count('added')} created, ${count('removed')} removed; the data before is kept (${started.jobId})`,
        ]),
    ...findingsText(report.issues),
    '',
    'Next:',
    hint(root, 'history', 'what happened'),
    hint(root, 'diff @- @', 'what the migration changed'),
    hint(root, 'rollback', 'go back at once; redo returns'),
    hint(root, 'status', 'what is active, what is waiting'),
  ]
}

const otherData = (root: string, original: string | null): StrataError =>
  new StrataError('EXISTS', `the store at ${root} was made from ${original ?? 'a fresh install'}`, {
    data: { root, original },
    hint: 'Give the other data a store of its own: --store OTHER_DIR',
  })

/** A directory that someone named must hold data, and be the store's own: a slip of the pen would give another, empty store. */
const makeFrom = async (app: App, before: MigrationStatus, from: string, root: string): Promise<void> => {
  if (before.state === 'no-store') await app.init({ from })
  else if (before.original !== from) throw otherData(root, before.original)
}

const idleText = (started: Started, status: MigrationStatus): string[] => [
  status.state === 'held'
    ? `on hold at ${started.schemaVersion} (${status.holdReason ?? ''}): ${started.directory}`
    : `up to date at ${started.schemaVersion}: ${started.directory}`,
  ...findingsText(started.findings),
]

const outcome = async (app: App, started: Started, isIdle: boolean, root: string): Promise<string[]> => {
  if (started.error !== null)
    return [
      `${paint('red', 'not upgraded')}: ${printable(started.error.message)}`,
      `active   ${started.directory} (${started.schemaVersion})`,
    ]
  return isIdle ? idleText(started, await app.checkMigrationsNeeded()) : summary(app, started, root)
}

/** The main job in one command: make the store if there is none, upgrade, verify. A second time it says that all is done. */
export const startCommand = async (app: App, parsed: Parsed, root: string): Promise<number> => {
  const from = typeof parsed.flags.from === 'string' ? resolve(parsed.flags.from) : undefined
  const before = await app.checkMigrationsNeeded()
  if (from !== undefined) await makeFrom(app, before, from, root)
  const stop = showProgress(app, parsed)
  const started = await app.start({ migrate: true }).finally(stop)
  const isIdle = before.state !== 'no-store' && !started.migrated && started.recovered.length === 0
  if (parsed.flags.json === true) out(JSON.stringify({ ...started, status: await app.checkMigrationsNeeded() }, null, 2))
  else out((await outcome(app, started, isIdle, root)).join('\n'))
  if (started.error?.code === 'CANCELLED') return 130
  return started.error === null ? 0 : 1
}
