/** Every command, once: the start-up path parses with it, help is printed from it. */
export type Option = { readonly type: 'string' | 'boolean'; readonly short?: string; readonly value?: string; readonly help: string }
export type CommandSpec = {
  readonly name: string
  readonly args: string
  readonly most: number
  readonly least?: number
  readonly summary: string
  readonly options: Readonly<Record<string, Option>>
  readonly examples: readonly string[]
}

export const GLOBAL: Readonly<Record<string, Option>> = {
  store: { type: 'string', value: 'DIR', help: 'the store (default: store)' },
  migrations: { type: 'string', value: 'MODULE', help: 'module that exports the dataset, or its folder (default: NetMonitor, built in)' },
  json: { type: 'boolean', help: 'print one JSON document; logs go to stderr' },
  verbose: { type: 'boolean', short: 'v', help: 'exact times and sizes' },
  quiet: { type: 'boolean', short: 'q', help: 'no progress and no log' },
  wait: { type: 'string', value: 'SECONDS', help: 'wait for another writer to finish (default: 0)' },
  help: { type: 'boolean', short: 'h', help: 'show help' },
  version: { type: 'boolean', help: 'show the version' },
}

const dryRun: Option = { type: 'boolean', help: 'show what would be done; writes nothing at all' }
const exact: Option = { type: 'boolean', help: 'take nothing along that was written since: it stays in the history' }
const from: Option = { type: 'string', value: 'DIR', help: 'the data directory; it is never modified' }

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'start',
    args: '',
    most: 0,
    summary: 'make the store if there is none, upgrade it, verify it',
    options: { from },
    examples: ['strata start --from ~/.config/NetMonitor'],
  },
  {
    name: 'init',
    args: '',
    most: 0,
    summary: 'make a store from an existing data directory, or a fresh one',
    options: { from },
    examples: ['strata init --from ~/.config/NetMonitor', 'strata --store /data/store init'],
  },
  {
    name: 'adopt',
    args: '',
    most: 0,
    summary: 'take over what an old build has written to the original directory',
    options: {},
    examples: ['strata adopt'],
  },
  {
    name: 'status',
    args: '',
    most: 0,
    summary: 'what is active, and what waits to be done (exit 2: migrations pending)',
    options: {},
    examples: ['strata status', 'strata status --json'],
  },
  {
    name: 'plan',
    args: '',
    most: 0,
    summary: 'what migrate would do (exit 2: something)',
    options: { to: { type: 'string', value: 'VERSION', help: 'stop at this schema version' } },
    examples: ['strata plan', 'strata plan --to 2.0.0'],
  },
  {
    name: 'migrate',
    args: '',
    most: 0,
    summary: 'back up, transform, verify and switch',
    options: {
      to: { type: 'string', value: 'VERSION', help: 'stop at this schema version' },
      online: { type: 'boolean', help: 'while the application writes; waits for a quiet moment to switch' },
      'dry-run': dryRun,
    },
    examples: ['strata migrate', 'strata migrate --to 1.2.0'],
  },
  {
    name: 'rollback',
    args: '[JOB|VERSION]',
    most: 1,
    summary: 'go back to what was active before a job or a step',
    options: { exact, 'dry-run': dryRun },
    examples: ['strata rollback', 'strata rollback 2.0.0', 'strata rollback --exact'],
  },
  {
    name: 'redo',
    args: '',
    most: 0,
    summary: 'return to what the last rollback left',
    options: { exact, 'dry-run': dryRun },
    examples: ['strata redo'],
  },
  {
    name: 'history',
    args: '[PATH]',
    most: 1,
    summary: 'what happened, or where one file changed',
    options: {
      job: { type: 'string', value: 'ID', help: 'the log of one job' },
      all: { type: 'boolean', help: 'every event, with its details' },
      count: { type: 'string', short: 'n', value: 'N', help: 'the newest so many events (default: 100; with --json all)' },
    },
    examples: ['strata history', 'strata history --count 1000', 'strata history data/2025-12-08.json', 'strata history --job job-k3v9x1aa'],
  },
  {
    name: 'show',
    args: 'SNAPSHOT[:PATH]',
    least: 1,
    most: 1,
    summary: 'a snapshot, or the bytes of a file in it',
    options: { as: { type: 'string', value: 'VERSION', help: 'the file in the form of another schema version; writes nothing' } },
    examples: ['strata show @', 'strata show 1.0.0:config.json', 'strata show @:config.json --as 1.0.0'],
  },
  {
    name: 'diff',
    args: 'A B [PATH]',
    least: 2,
    most: 3,
    summary: 'how two snapshots differ, by kind, record and field; by line for a single file',
    options: {
      files: { type: 'boolean', help: 'only the names of the files, all of them' },
      'exit-code': { type: 'boolean', help: 'exit 2 when there are differences' },
    },
    examples: ['strata diff @- @', 'strata diff 1.0.0 2.1.0 config.json'],
  },
  {
    name: 'trace',
    args: 'PATH',
    least: 1,
    most: 1,
    summary: 'one record of a file after each step, and what the step changed',
    options: {
      record: { type: 'string', value: 'N', help: 'which record, counted from 0 (default: what is around the records)' },
      at: { type: 'string', value: 'SNAPSHOT', help: 'the newest snapshot to follow (default: @)' },
    },
    examples: ['strata trace data/2025-12-08.json --record 7', 'strata trace config.json'],
  },
  {
    name: 'verify',
    args: '',
    most: 0,
    summary: 'read and compare every byte; changes nothing (exit 2: findings)',
    options: { sample: { type: 'string', value: '1/N', help: 'read one of N parts, another one each time' } },
    examples: ['strata verify', 'strata verify --sample 1/30'],
  },
  {
    name: 'repair',
    args: '',
    most: 0,
    summary: 'say what is damaged and how it would be healed; heal it once you agree (exit 2: something is left)',
    options: { 'dry-run': dryRun, yes: { type: 'boolean', short: 'y', help: 'do it without asking' } },
    examples: ['strata repair', 'strata repair --yes'],
  },
  {
    name: 'watch',
    args: '',
    most: 0,
    summary: 'say what happens to the store, and commit what is written; until it is stopped',
    options: {
      every: { type: 'string', value: 'MINUTES', help: 'commit at most so often, when nothing was written for 10 seconds (default: 5)' },
      'no-checkpoint': { type: 'boolean', help: 'only say what happens' },
    },
    examples: ['strata watch', 'strata watch --json --every 15'],
  },
  {
    name: 'restore',
    args: 'SNAPSHOT[:PATH]',
    least: 1,
    most: 1,
    summary: 'get a file, a folder or a whole snapshot back',
    options: {
      to: { type: 'string', value: 'DIR', help: 'a directory outside of the store' },
      live: { type: 'boolean', help: 'into the active data; what is there is committed first' },
      replace: { type: 'boolean', help: 'with --to: move aside what is in the way' },
    },
    examples: ['strata restore 1.0.0 --to /tmp/old', 'strata restore @-:config.json --live', 'strata restore 4b567e8:data --to days'],
  },
  {
    name: 'checkpoint',
    args: '',
    most: 0,
    summary: 'commit what the application has written',
    options: { message: { type: 'string', short: 'm', value: 'TEXT', help: 'why' } },
    examples: ['strata checkpoint -m "before the trip"'],
  },
  {
    name: 'prune',
    args: '',
    most: 0,
    summary: 'remove directories that nobody needs, and cut the oldest end of the history; says what and why first',
    options: {
      directories: { type: 'string', value: 'N', help: 'keep the newest so many besides those that are needed (default: 2)' },
      'max-megabytes': { type: 'string', value: 'MB', help: 'keep fewer, until all directories together are at most so large' },
      days: { type: 'string', value: 'DAYS', help: 'cut history that is older (default: it is kept whole)' },
      'history-megabytes': { type: 'string', value: 'MB', help: 'cut the oldest history, until what is left is at most so large' },
      'dry-run': dryRun,
      yes: { type: 'boolean', short: 'y', help: 'do it without asking' },
    },
    examples: ['strata prune --dry-run', 'strata prune --directories 0 --days 365 --yes'],
  },
  {
    name: 'gc',
    args: '',
    most: 0,
    summary: 'make the space of what nothing leads to free: of pruned history, of failed attempts',
    options: { 'dry-run': dryRun },
    examples: ['strata gc --dry-run'],
  },
  {
    name: 'forget',
    args: 'PATH',
    least: 1,
    most: 1,
    summary: 'remove a file that should never have been captured from every snapshot and commit, for good; says what first',
    options: { 'dry-run': dryRun, yes: { type: 'boolean', short: 'y', help: 'do it without asking' } },
    examples: ['strata forget data/secret.txt --dry-run', 'strata forget data/secret.txt --yes'],
  },
  {
    name: 'pin',
    args: 'SNAPSHOT',
    least: 1,
    most: 1,
    summary: 'keep a snapshot and its directory, whatever prune is told',
    options: { message: { type: 'string', short: 'm', value: 'TEXT', help: 'why' } },
    examples: ['strata pin 2.0.0 -m "before the audit"'],
  },
  {
    name: 'unpin',
    args: 'SNAPSHOT',
    least: 1,
    most: 1,
    summary: 'let prune decide about a snapshot again',
    options: {},
    examples: ['strata unpin 2.0.0'],
  },
  {
    name: 'new',
    args: 'TITLE',
    least: 1,
    most: 1,
    summary: 'write a new migration, its test and its golden sample',
    options: {
      to: { type: 'string', value: 'VERSION', help: 'the new version (default: the next minor one)' },
      from: { type: 'string', value: 'DIR', help: 'a small data directory of the first version, to make the sample of' },
    },
    examples: ['strata new "Add region colours"', 'strata --migrations app/migrations new "Add region colours" --to 3.0.0'],
  },
  {
    name: 'lint',
    args: '',
    most: 0,
    summary: 'what is wrong with the migrations, as far as their golden samples show (exit 2: findings)',
    options: {
      samples: { type: 'string', value: 'DIR', help: 'the golden samples (default: golden/ beside the module)' },
      record: { type: 'boolean', help: 'note the results of migrations that have none noted: they are released now' },
    },
    examples: ['strata lint', 'strata --migrations app/migrations lint --record'],
  },
  {
    name: 'docs',
    args: '',
    most: 0,
    summary: 'the history of the schema as Markdown, with the JSON Schema of every version',
    options: {},
    examples: ['strata docs > SCHEMA.md', 'strata docs --json'],
  },
  {
    name: 'doctor',
    args: '',
    most: 0,
    summary: 'a report for a maintainer, without any of your data in it',
    options: {},
    examples: ['strata doctor > report.json'],
  },
  {
    name: 'completion',
    args: 'bash|zsh|fish',
    least: 1,
    most: 1,
    summary: 'print completion for a shell',
    options: {},
    examples: ['source <(strata completion bash)'],
  },
  { name: 'manual', args: '', most: 0, summary: 'print the manual page', options: {}, examples: ['strata manual | man -l -'] },
  {
    name: 'serve',
    args: '',
    most: 0,
    summary: 'a page for people, and the same for programs: on this machine, or on its own input and output',
    options: {
      stdio: { type: 'boolean', help: 'JSON-RPC 2.0 on stdin and stdout, one message a line, until the input ends' },
      port: { type: 'string', value: 'PORT', help: 'listen on this port of 127.0.0.1 (default: any that is free)' },
      openapi: { type: 'boolean', help: 'print the OpenAPI document and end' },
      schema: { type: 'boolean', help: 'print the JSON Schema document of the methods and end' },
    },
    examples: ['strata serve', 'strata serve --stdio', 'strata serve --openapi > openapi.json'],
  },
  { name: 'path', args: '', most: 0, summary: 'print the active directory', options: {}, examples: ['cd "$(strata path)"'] },
]

export const commandOf = (name: string): CommandSpec | undefined => COMMANDS.find((c) => c.name === name)
