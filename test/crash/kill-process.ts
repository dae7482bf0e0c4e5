import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Runs the real command line, with a fault planned for it or without. */

const ROOT = join(import.meta.dirname, '../..')
const CLI = join(ROOT, 'dist/cli.cjs')
const HOOK = join(import.meta.dirname, 'hook-faults.mjs')

const KILLS = ['before', 'after', 'torn'] as const
export const ERRORS = ['EIO', 'ENOSPC', 'EMFILE', 'EACCES', 'EROFS'] as const
/** `short`: a write takes half of what it is given, and says so. */
export const MODES = [...KILLS, ...ERRORS, 'short'] as const
export type Mode = (typeof MODES)[number]
export const isKill = (mode: Mode): boolean => KILLS.some((kill) => kill === mode)

export type Plan = { readonly at: number; readonly mode: Mode; readonly plant?: string }
export type Ran = { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly stdout: string; readonly stderr: string }

const ENVIRONMENT = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', LC_ALL: 'C.UTF-8' }

export const execute = (program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...ENVIRONMENT, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 })
    const [out, err]: [Buffer[], Buffer[]] = [[], []]
    child.stdout.on('data', (bytes: Buffer) => out.push(bytes))
    child.stderr.on('data', (bytes: Buffer) => err.push(bytes))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve({ code, signal, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') })
    })
  })

/** `node dist/cli.cjs --store STORE --json …` */
export const strata = (store: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  execute(process.execPath, [CLI, '--store', store, '--json', '--quiet', ...args], env)

/** What the hook wrote down. `hit` is null when the command ended without coming to that call. */
export type Met = { readonly hit: string | null; readonly calls: number; readonly inWorkers: number; readonly threads: number }

const read = (log: string): Met => {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : []
  rmSync(log, { force: true })
  const [, calls = '0', inWorkers = '0'] = lines.find((line) => line.startsWith('end '))?.split(' ') ?? []
  return {
    hit: lines.find((line) => line.startsWith('hit ')) ?? null,
    calls: Number(calls),
    inWorkers: Number(inWorkers),
    threads: lines.filter((line) => line.startsWith('armed ')).length,
  }
}

/** Runs a command and lets the plan happen. NODE_OPTIONS carries the hook into workers, too. */
export const strataWith = async (plan: Plan, store: string, args: readonly string[]): Promise<Ran & Met> => {
  const log = `${store}.log`
  const ran = await strata(store, args, {
    NODE_OPTIONS: `--import=${HOOK}`,
    STRATA_FAULT: JSON.stringify({ ...plan, below: store, log }),
  })
  return { ...ran, ...read(log) }
}
