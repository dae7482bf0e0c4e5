import { resolve } from 'node:path'
import type { ChainSummary, Finding, Plan } from '../index.ts'
import { App, StrataError, isStrataError, printable, summaryOf } from '../index.ts'
import { diff, doctor, history, show, trace, verify } from './inspect-commands.ts'
import { err, paint, plural, size } from './output.ts'
import type { Parsed } from './parse.ts'
import { logger, showProgress } from './progress.ts'
import { repair } from './repair-command.ts'
import { forget, gc, pin, prune, unpin } from './keep-commands.ts'
import { restore } from './restore-command.ts'
import type { Run } from './run.ts'
import { print, text } from './run.ts'
import { findingsText } from './status-text.ts'
import { switchCommand } from './switch-command.ts'

const seconds = (value: string | undefined): number => {
  const parsed = Number(value ?? 0)
  if (!Number.isFinite(parsed) || parsed < 0) throw new StrataError('BAD_ARGUMENT', `--wait needs a number of seconds, not ${value ?? ''}`)
  return parsed * 1000
}

/** These answer others while they run. */
const ATTENTIVE = ['serve', 'watch']

const openApp = (flags: Parsed['flags'], builtIn: string, name = ''): Promise<App> =>
  App.open({
    store: resolve(text(flags.store) ?? 'store'),
    migrations: resolve(text(flags.migrations) ?? builtIn),
    app: 'strata',
    appVersion: STRATA_VERSION,
    waitMs: seconds(text(flags.wait)),
    mayBlock: !ATTENTIVE.includes(name),
    log: logger(flags.quiet === true, flags.json === true),
  })

export const loadSummary = async ({ flags }: Parsed, builtIn: string): Promise<ChainSummary> =>
  summaryOf((await openApp(flags, builtIn)).dataset)

const init = async (run: Run): Promise<number> => {
  const from = text(run.parsed.flags.from)
  const status = await run.app.init(from === undefined ? {} : { from: resolve(from) }).catch((error: unknown) => choose(run, error))
  const fresh = status.files > 0 && from === undefined && status.state === 'up-to-date'
  print(run, status, [
    fresh
      ? `New store at ${run.root}, at version ${status.currentVersion}`
      : `Captured ${plural(status.files, 'file')}, ${size(status.bytes)}, as version ${status.currentVersion}`,
    `  active   ${status.directory}`,
    ...findingsText(status.findings),
    status.needed ? `Next: strata plan, then strata migrate (to ${status.targetVersion})` : 'Next: strata status',
  ])
  return 0
}

type Candidate = { path: string; version: string; files: number; bytes: number; newest: string }

/** Several places hold data: a person at a terminal is asked, a program gets the list. */
const choose = async (run: Run, error: unknown): ReturnType<App['init']> => {
  if (!isStrataError(error) || error.code !== 'AMBIGUOUS' || run.json || !process.stdin.isTTY) throw error
  // `ambiguous` in the engine puts the candidates there.
  const candidates = error.data.candidates as Candidate[]
  err('Data was found in several places:')
  candidates.forEach((c, i) => {
    err(`  ${i + 1}  ${printable(c.path)}  (version ${c.version}, ${plural(c.files, 'file')}, ${size(c.bytes)}, last written ${c.newest})`)
  })
  const { createInterface } = await import('node:readline/promises')
  const input = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await input.question(`Which one? [1-${candidates.length}] `).finally(() => {
    input.close()
  })
  const chosen = candidates[Number(answer) - 1]
  if (chosen === undefined) throw error
  return run.app.init({ from: chosen.path })
}

const adopt = async (run: Run): Promise<number> => {
  const stop = showProgress(run.app, run.parsed)
  const adopted = await run.app.adopt().finally(stop)
  const status = await run.app.checkMigrationsNeeded()
  print(
    run,
    { ...adopted, status },
    adopted.jobId === null
      ? ['The original directory holds nothing new.']
      : [
          `Took over ${plural(adopted.files.length, 'file')} from the original directory (${adopted.jobId})`,
          ...adopted.files.slice(0, 20).map((f) => `  ${printable(f)}`),
          `  active   ${status.directory}`,
        ],
  )
  return 0
}

const planText = (plan: Plan): string[] => {
  if (plan.kind === 'none') return [`Nothing to do: ${plan.from.schemaVersion} is the newest version.`]
  if (plan.kind === 'redo') return [`Switch back to ${plan.target.id} (${plan.target.schemaVersion}): the earlier result is still right.`]
  if (plan.kind === 'mend')
    return [
      `Take ${plural(plan.files.length, 'file')} of an older version through the chain alone:`,
      ...plan.files.slice(0, 20).map((f) => `  ${printable(f)}`),
    ]
  return [
    `${plan.from.schemaVersion} to ${plan.steps.at(-1)?.version ?? ''}: ${plural(plan.steps.length, 'step')} over ${plural(plan.from.files, 'file')}, ${size(plan.from.bytes)}`,
    ...plan.steps.flatMap((s) => [
      `  ${paint('bold', s.version)}  ${s.description}${s.reversible ? '' : ' (cannot carry new data back)'}`,
      ...s.changes.map((c) => `         - ${c}`),
    ]),
  ]
}

const LEVELS = { info: 'dim', decision: 'yellow', blocker: 'red' } as const

/** What stands in the way comes first. */
const preflightText = (found: readonly Finding[]): string[] =>
  (['blocker', 'decision', 'info'] as const).flatMap((level) =>
    found
      .filter((f) => f.level === level)
      .map((f) => {
        const about = f.file === null ? '' : ` (${printable(f.file)}${f.count > 1 ? ' and others' : ''})`
        const hint = f.hint === '' ? '' : `\n           ${paint('dim', printable(f.hint))}`
        return `  ${paint(LEVELS[level], level.padEnd(8))} ${f.code}: ${printable(f.message)}${about}${hint}`
      }),
  )

const showPlan = async (run: Run): Promise<number> => {
  const found = await run.app.plan(text(run.parsed.flags.to))
  const extra = [
    ...(found.edited.length === 0
      ? []
      : [
          `  first, ${plural(found.edited.length, 'file')} written since the last checkpoint ${found.edited.length === 1 ? 'is' : 'are'} committed`,
        ]),
    ...preflightText(found.preflight),
  ]
  print(run, found, [...planText(found.plan), ...extra])
  return found.plan.kind === 'none' ? 0 : 2
}

const migrate = async (run: Run): Promise<number> => {
  if (run.parsed.flags['dry-run'] === true) {
    const code = await showPlan(run)
    return code === 2 ? 0 : code
  }
  const to = text(run.parsed.flags.to)
  const stop = showProgress(run.app, run.parsed)
  const job = await run.app
    .startMigration({ ...(to === undefined ? {} : { to }), online: run.parsed.flags.online === true })
    .then((j) => (j.id === '' ? j : run.app.waitForJob(j.id)))
    .finally(stop)
  const status = await run.app.checkMigrationsNeeded()
  if (job.status === 'failed') {
    print(run, { job, status }, [
      `${paint('red', 'failed')}: ${printable(job.error)}`,
      `  still active   ${status.directory} (${status.currentVersion})`,
      `Nothing was switched. ${job.errorCode === 'CANCELLED' ? 'Start again at any time' : 'Mend the cause, then run'}: strata migrate`,
    ])
    return job.errorCode === 'CANCELLED' ? INTERRUPTED : 1
  }
  print(run, { job, status }, [
    job.id === ''
      ? `At ${status.currentVersion}: ${status.directory}`
      : `${job.kind === 'mend' ? `Took files of an older version to ${job.toVersion}` : `Migrated ${job.fromVersion} to ${job.toVersion}: ${plural(job.totalFiles, 'file')}`} (${job.id})`,
    ...(job.id === ''
      ? []
      : [
          ...(job.filesRemembered === 0
            ? []
            : [`  work     ${plural(job.filesTransformed, 'file')} transformed, ${job.filesRemembered} remembered`]),
          `  active   ${status.directory}`,
          `  backup   ${job.backupPath}`,
          ...(job.pausedMs === null ? [] : [`  paused   ${job.pausedMs} ms for the switch`]),
          ...findingsText(status.findings),
          'Next: strata diff @- @, strata verify, strata rollback',
        ]),
  ])
  return 0
}

const checkpoint = async (run: Run): Promise<number> => {
  const done = await run.app.checkpoint(text(run.parsed.flags.message))
  print(run, { snapshot: done.snapshot.id, commit: done.snapshot.commit, changed: done.changed }, [
    done.changed.length === 0
      ? `Nothing has changed since the last checkpoint of ${done.snapshot.id}.`
      : `Committed ${plural(done.changed.length, 'file')} of ${done.snapshot.id} (${done.snapshot.commit.slice(0, 10)})`,
    ...done.changed.slice(0, 20).map((f) => `  ${printable(f)}`),
    ...findingsText(done.snapshot.findings),
  ])
  return 0
}

const VERBS: Readonly<Record<string, (run: Run) => Promise<number>>> = {
  init,
  adopt,
  plan: showPlan,
  migrate,
  rollback: (run) => switchCommand(run, 'rollback'),
  redo: (run) => switchCommand(run, 'redo'),
  history,
  show,
  diff,
  trace,
  doctor,
  verify,
  repair,
  restore,
  checkpoint,
  prune,
  forget,
  gc,
  pin,
  unpin,
  watch: async (run) => (await import('./watch-command.ts')).watchCommand(run),
  serve: async (run) => (await import('./serve-command.ts')).serveCommand(run),
  start: async (run) => (await import('./start-command.ts')).startCommand(run.app, run.parsed, run.root),
}

const FOR_AUTHORS: readonly string[] = ['new', 'lint', 'docs']

/** As shells tell a program that SIGINT ended. */
const INTERRUPTED = 130
const CANCELLABLE: readonly string[] = ['migrate', 'start', 'adopt', 'restore']

/** Ctrl-C cancels a job cleanly; anything else, and a second one, ends the process, which leaves the store as a crash would: whole. */
const onInterrupt = (app: App, name: string): (() => void) => {
  let isStopping = false
  const interrupt = (): void => {
    if (!isStopping && CANCELLABLE.includes(name)) {
      isStopping = true
      err('stopping: what is active stays active (Ctrl-C again leaves at once)')
      app.cancelMigration()
      return
    }
    err('interrupted: what is active stays active; the next command finishes or removes what was under way')
    process.exit(INTERRUPTED)
  }
  process.on('SIGINT', interrupt)
  return () => process.removeListener('SIGINT', interrupt)
}

export const runCommand = async (name: string, parsed: Parsed, builtIn: string): Promise<number> => {
  if (FOR_AUTHORS.includes(name)) return (await import('./author-commands.ts')).runAuthorCommand(name, parsed, builtIn)
  const app = await openApp(parsed.flags, builtIn, name)
  const run: Run = { app, parsed, json: parsed.flags.json === true, root: resolve(text(parsed.flags.store) ?? 'store') }
  const verb = VERBS[name]
  if (verb === undefined) throw new StrataError('BAD_ARGUMENT', `there is no command ${name}`)
  // A server ends with Ctrl-C: that is how it is meant to.
  return name === 'serve' ? verb(run) : verb(run).finally(onInterrupt(app, name))
}
