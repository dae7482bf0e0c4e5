import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { sampleFiles } from '../../migrations/index.ts'
import { temporary } from '../contract/temporary.ts'
import type { Content } from './tree.ts'
import { json, put, putAll } from './tree.ts'

/** The real command line on real files; stock git judges the repository after every command. */

export const ROOT = join(import.meta.dirname, '../..')
const CLI = join(ROOT, 'dist/cli.cjs')
const START = join(ROOT, 'dist/start.js')

/** What makes a command run as a user who owns nothing; only the superuser may. */
export const AS_NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] as const

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string }
type How = { env?: Record<string, string>; cwd?: string; program?: string; input?: string; judge?: boolean; timeout?: number }

/** Last day of the sample. */
const END = '2025-12-14'
export const sample = (days: number, seed = 1): Map<string, Uint8Array> => new Map(sampleFiles({ days, endDate: END, seed }))

const fsck = (store: string): string => {
  const { status, stdout, stderr } = spawnSync(
    'git',
    ['-c', 'safe.directory=*', '-C', join(store, 'repo.git'), 'fsck', '--strict', '--full'],
    {
      encoding: 'utf8',
      env: { PATH: process.env.PATH ?? '', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', LC_ALL: 'C' },
    },
  )
  return status === 0 ? `${stdout}${stderr}`.trim() : `exit ${status}: ${stdout}${stderr}`
}

export type Sandbox = ReturnType<typeof sandboxAt>

export const sandboxAt = (dir: string, migrations?: string) => {
  const store = join(dir, 'store')
  const data = join(dir, 'data')
  const words = ['--store', store, ...(migrations === undefined ? [] : ['--migrations', migrations])]
  // Nothing of the machine's own data or settings is seen by the command.
  const base = { PATH: process.env.PATH ?? '', HOME: join(dir, 'home'), XDG_CONFIG_HOME: join(dir, 'home/.config') }

  let leftovers = false
  const judge = (): void => {
    if (!existsSync(join(store, 'repo.git/HEAD')) || !existsSync(join(store, 'CURRENT'))) return
    const said = fsck(store).split('\n')
    expect(said.filter((line) => line !== '' && !(leftovers && line.startsWith('dangling ')))).toEqual([])
  }

  const run = (args: readonly string[], how: How = {}): Ran => {
    const { status, stdout, stderr, signal } = spawnSync(process.execPath, [how.program ?? CLI, ...words, ...args], {
      cwd: how.cwd ?? dir,
      env: { ...base, ...how.env },
      input: how.input ?? '',
      maxBuffer: 1 << 28,
      timeout: how.timeout ?? 60_000,
      encoding: 'utf8',
    })
    if (how.judge !== false) judge()
    return { code: status ?? -1, stdout: signal === null ? stdout : `${stdout}\nended by ${signal}`, stderr }
  }

  /** A command that must succeed; what it printed. */
  const ok = (...args: string[]): string => {
    const ran = run(args)
    expect(`${ran.code} ${ran.code === 0 ? '' : ran.stderr}`).toBe('0 ')
    return ran.stdout
  }

  /** The same, where it is no text. */
  const bytes = (...args: string[]): Uint8Array => {
    const { status, stdout } = spawnSync(process.execPath, [CLI, ...words, ...args], { cwd: dir, env: base, maxBuffer: 1 << 28 })
    expect(status).toBe(0)
    return stdout
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- parsed JSON, looked at by expectations
  const doc = (...args: string[]): any => JSON.parse(run([...args, '--json']).stdout)

  /** A command that must fail; the error as programs see it. */
  const refused = (...args: string[]): { code: string; message: string; hint: string; data: Record<string, unknown> } => {
    const ran = run([...args, '--json'])
    expect(ran.code).toBe(1)
    return JSON.parse(ran.stdout).error
  }

  const current = (): { snapshot: string; directory: string; schemaVersion: string; readableBy: string[]; hold: object | null } =>
    json(store, 'CURRENT')

  return {
    dir,
    store,
    program: CLI,
    chain: words.slice(2),
    data,
    run,
    ok,
    bytes,
    doc,
    refused,
    judge,
    /** From here on objects that nothing names are no finding: a killed or disturbed job may leave some. */
    allowLeftovers: (): void => {
      leftovers = true
    },
    current,
    snapshot: (): string => current().snapshot,
    active: (): string => join(store, current().directory),
    directoryOf: (snapshot: string): string => join(store, 'snapshots', snapshot),
    /** Written by the application, or an old build of it. */
    edit: (path: string, value: unknown): void => put(join(store, current().directory), path, value),
    start: (...args: string[]): Ran => run(args, { program: START }),
    background: (...args: string[]): ChildProcess => {
      const child = spawn(process.execPath, [CLI, ...words, ...args], { cwd: dir, env: base, stdio: ['ignore', 'pipe', 'pipe'] })
      onTestFinished(() => void child.kill('SIGKILL'))
      return child
    },
    git: (...args: string[]): string => {
      const { stdout, stderr, status } = spawnSync('git', ['-c', 'safe.directory=*', '-C', join(store, 'repo.git'), ...args], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        env: { PATH: process.env.PATH ?? '', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', LC_ALL: 'C' },
      })
      expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
      return stdout
    },
    journal: (): string => readFileSync(join(store, 'journal/00000001.jsonl'), 'utf8'),
  }
}

/** An empty place with `data` in it, and no store yet. */
export const sandbox = (content: Content = sample(2), migrations?: string): Sandbox => {
  const box = sandboxAt(temporary(), migrations)
  putAll(box.data, content)
  return box
}

/** The same, captured. */
export const captured = (content?: Content, migrations?: string): Sandbox => {
  const box = sandbox(content, migrations)
  box.ok('init', '--from', box.data)
  return box
}

/** The same, migrated to the newest version. */
export const migrated = (content?: Content, migrations?: string): Sandbox => {
  const box = captured(content, migrations)
  box.ok('migrate')
  return box
}

const templates = new Map<string, Sandbox>()

/** A store that `make` made once for this test file, copied: half the price of a new one. Its original is not `data`. */
export const copyOf = (name: string, make: (dir: string) => Sandbox, migrations?: string): Sandbox => {
  let from = templates.get(name)
  if (from === undefined) {
    const dir = mkdtempSync(join(tmpdir(), 'strata-template-'))
    process.once('exit', () => {
      rmSync(dir, { recursive: true, force: true })
    })
    from = make(dir)
    templates.set(name, from)
  }
  const box = sandboxAt(temporary(), migrations)
  cpSync(from.dir, box.dir, { recursive: true, preserveTimestamps: true })
  return box
}

/** Makes a store at `dir` with the given commands after its capture. */
export const made = (dir: string, content: Content, migrations: string | undefined, ...commands: string[][]): Sandbox => {
  const box = sandboxAt(dir, migrations)
  putAll(box.data, content)
  for (const command of [['init', '--from', box.data], ...commands]) box.ok(...command)
  return box
}

/** Two days of NetMonitor, migrated. */
export const upgraded = (): Sandbox => copyOf('upgraded', (dir) => made(dir, sample(2), undefined, ['migrate']))

export { day } from './compact-day.ts'
