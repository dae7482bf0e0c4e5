import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { report } from '../nightly/figures.ts'
import type { Subject } from './kill-commands.ts'
import { COMMANDS, subjectOf } from './kill-commands.ts'
import { afterRetry, atOnce } from './kill-judge.ts'
import { inLanes, makeScratch } from './kill-points.ts'
import type { Ran } from './kill-process.ts'
import { execute, strata } from './kill-process.ts'

/** The kill sweep without any code in the process: the kernel's own calls are counted, and cut, by strace. */

const STRIDE = Number(process.env.STRATA_KILL_STRIDE ?? 1)
const CLI = join(import.meta.dirname, '../../dist/cli.cjs')
const HOOK = join(import.meta.dirname, 'hook-names.mjs')
const CALLS = ['openat', 'write', 'pwrite64', 'fsync', 'fdatasync', 'rename', 'mkdir', 'unlink', 'close', 'ftruncate'] as const
/** What happens at the nth call, for each of them. */
const FAULTS = ['signal=SIGKILL', 'error=EIO', 'error=ENOSPC'] as const

const scratch = makeScratch()
const figures = { points: 0, commands: 0, violations: 0 }
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
  report('strace', figures)
})

test('strace is there', () => {
  const found = spawnSync('strace', ['-V'])
  expect(found.status, 'strace is missing: install it (Debian: apt-get install strace)').toBe(0)
})

/** One thread for the file system: strace counts the calls of each thread by themselves. */
const traced = (options: readonly string[], store: string, args: readonly string[]): Promise<Ran> =>
  execute('strace', ['-f', '-qq', ...options, process.execPath, CLI, '--store', store, '--json', '--quiet', ...args], {
    UV_THREADPOOL_SIZE: '1',
    NODE_OPTIONS: `--import=${HOOK}`,
  })

/** Paths below the store that the command touches. */
const pathsOf = async (subject: Subject): Promise<string[]> => {
  const { store } = subject.copy()
  const ran = await traced(['-e', `trace=${CALLS.join(',')}`, '-y'], store, subject.args)
  rmSync(dirname(store), { recursive: true, force: true })
  const found = [...ran.stderr.matchAll(/["<]([^">]+)[">]/g)].map(([, path = '']) => path)
  return [...new Set(found.filter((path) => path === store || path.startsWith(`${store}/`)))].map((path) => path.slice(store.length))
}

type Point = { readonly call: string; readonly fault: (typeof FAULTS)[number]; readonly when: number }

/** Returns null when the command came to its end by itself. */
const tryOne = async (subject: Subject, paths: readonly string[], { call, fault, when }: Point): Promise<string[] | null> => {
  const { store } = subject.copy()
  try {
    const below = paths.flatMap((path) => ['-P', `${store}${path}`])
    const ran = await traced(
      ['-o', `${store}.trace`, ...below, '-e', `trace=${call}`, '-e', `inject=${call}:${fault}:when=${when}`],
      store,
      subject.args,
    )
    const { before, after, between } = subject
    const isOver = ran.code === 0
    const wrong = atOnce(store, before, isOver ? [after] : [before.active, ...between, after])
    if (isOver && fault === 'signal=SIGKILL') return wrong.length === 0 ? null : wrong
    if (fault === 'signal=SIGKILL' && ran.signal !== 'SIGKILL' && ran.code !== 137)
      wrong.push(`not killed: exit ${String(ran.code)} ${ran.stderr}`)
    const again = await strata(store, subject.args)
    if (again.code !== 0 && !subject.command.nothing.some((code) => again.stdout.includes(`"${code}"`)))
      wrong.push(`the retry failed: ${again.stdout}`)
    wrong.push(...(await afterRetry(store, before, after, fault === 'error=ENOSPC')))
    return wrong.map((w) => `${subject.command.name}, ${fault} at ${call} ${when}: ${w}`)
  } finally {
    rmSync(dirname(store), { recursive: true, force: true })
  }
}

/** How often each call is made: what an injected error lets succeed must not end the sweep. */
const countOf = async (subject: Subject, paths: readonly string[], call: string): Promise<number> => {
  const { store } = subject.copy()
  const ran = await traced([...paths.flatMap((path) => ['-P', `${store}${path}`]), '-e', `trace=${call}`], store, subject.args)
  rmSync(dirname(store), { recursive: true, force: true })
  return ran.stderr.split('\n').filter((line) => line.includes(`${call}(`)).length
}

describe('a process that the kernel kills or refuses at any call leaves the old or the new state, and a retry works', () => {
  const commands = COMMANDS.filter(({ name }) => ['migrate', 'rollback'].includes(name))
  test.each(commands)('$name', async (command) => {
    const subject = await subjectOf(scratch, command)
    const paths = await pathsOf(subject)
    expect(paths.length).toBeGreaterThan(10)
    const all: string[] = []
    let points = 0
    for (const call of CALLS) {
      const most = await countOf(subject, paths, call)
      for (const fault of FAULTS) {
        const numbers = Array.from({ length: Math.ceil((most + 1) / STRIDE) }, (_, i) => 1 + i * STRIDE)
        await inLanes(numbers, async (when) => {
          const wrong = await tryOne(subject, paths, { call, fault, when })
          if (wrong !== null) points += 1
          all.push(...(wrong ?? []))
        })
      }
    }
    figures.points += points
    figures.commands += 1
    figures.violations += all.length
    expect(points).toBeGreaterThan(10)
    expect(all).toEqual([])
  })
})
