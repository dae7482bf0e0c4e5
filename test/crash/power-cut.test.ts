import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { recover } from '../../src/engine/recover.ts'
import { openSession } from '../../src/engine/session.ts'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import type { Scenario } from './scenarios.ts'
import { SCENARIOS, contextAt, makeOriginal } from './scenarios.ts'
import type { State } from './simulator.ts'
import { Recorder, materialise, statesOf } from './simulator.ts'

/** States judged for each command: all of them with STRATA_CRASH_STATES=0. */
const STATES = Number(process.env.STRATA_CRASH_STATES ?? 150)

const shared = nodeFs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const scratch = nodeFs.mkdtempSync(join(shared, 'strata-crash-'))
afterAll(() => {
  nodeFs.rmSync(scratch, { recursive: true, force: true })
})

const randomFrom = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 4294967296
}

type Content = ReadonlyMap<string, string>

const contentOf = (dir: string): Content => {
  const found = new Map<string, string>()
  const walk = (at: string): void => {
    for (const entry of nodeFs.readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name)
      if (entry.isDirectory()) walk(path)
      else found.set(relative(dir, path), createHash('sha256').update(nodeFs.readFileSync(path)).digest('hex'))
    }
  }
  walk(dir)
  return new Map([...found].sort())
}

const same = (a: Content, b: Content): boolean => JSON.stringify([...a]) === JSON.stringify([...b])

/** What an application would find: CURRENT and the directory it names. Shares no code with the store. */
const activeOf = (store: string): { snapshot: string; content: Content } | null => {
  const path = join(store, 'CURRENT')
  if (!nodeFs.existsSync(path)) return null
  const { snapshot, directory } = JSON.parse(nodeFs.readFileSync(path, 'utf8')) as { snapshot: string; directory: string }
  return { snapshot, content: contentOf(join(store, directory)) }
}

type Recording = {
  readonly recorder: Recorder
  readonly before: ReturnType<typeof activeOf>
  readonly after: ReturnType<typeof activeOf>
  readonly store: string
}

const record = async (scenario: Scenario, plant: (fs: FsPort, recorder: Recorder) => FsPort = (fs) => fs): Promise<Recording> => {
  const dir = nodeFs.mkdtempSync(join(scratch, `${scenario.name}-`))
  const place = { store: join(dir, 'store'), original: join(dir, 'original') }
  makeOriginal(place.original)
  nodeFs.mkdirSync(place.store)
  await scenario.before(place)
  const before = activeOf(place.store)
  const recorder = new Recorder(nodeFsPort, place.store)
  await scenario.run(place, plant(recorder.fs, recorder))
  recorder.ack(scenario.name)
  return { recorder, before, after: activeOf(place.store), store: place.store }
}

const fsck = (store: string): string => {
  try {
    execFileSync('git', ['-C', join(store, 'repo.git'), 'fsck', '--strict', '--no-dangling'], { stdio: ['ignore', 'pipe', 'pipe'] })
    return ''
  } catch (error) {
    return String((error as { stderr: Buffer }).stderr)
  }
}

/** An application in another language opens CURRENT before anything recovers: what it finds is whole, too. */
const atOnce = ({ before, after }: Recording, target: string): string[] => {
  try {
    const now = activeOf(target)
    const known = now === null ? before === null : [before, after].some((side) => side !== null && same(now.content, side.content))
    return known ? [] : ['CURRENT names a directory that is neither the old nor the new one']
  } catch (error) {
    return [`CURRENT cannot be used: ${String(error)}`]
  }
}

/** Opens the store as the next start would, and says what is wrong with what it finds; an empty list is right. */
const judge = async (recording: Recording, state: State, target: string): Promise<string[]> => {
  const { recorder, before, after } = recording
  materialise(recorder, state, target)
  const wrong: string[] = atOnce(recording, target)
  const reopen = async (): Promise<string[]> => {
    const session = await openSession(contextAt(target))
    try {
      return recover(session)
    } finally {
      await session.close()
    }
  }
  try {
    await reopen()
    const again = await reopen()
    if (again.length > 0) wrong.push(`a second recovery did: ${again.join('; ')}`)
  } catch (error) {
    return [`recovery failed: ${String(error)}`]
  }
  const now = activeOf(target)
  const isOld = before === null ? now === null : now !== null && same(now.content, before.content)
  const isNew = now !== null && after !== null && same(now.content, after.content)
  const acknowledged = recorder.effects.findIndex((e) => e.kind === 'ack') < state.at
  if (!isOld && !isNew) wrong.push('the active snapshot is neither the old nor the new one')
  if (acknowledged && !(isNew && now.snapshot === after.snapshot)) wrong.push('acknowledged work is gone')
  if (before !== null) {
    const kept = join(target, 'snapshots', before.snapshot)
    if (!nodeFs.existsSync(kept) || !same(contentOf(kept), before.content)) wrong.push('the snapshot before it is no longer what it was')
  }
  if (now !== null) {
    const problems = fsck(target)
    if (problems !== '') wrong.push(`git fsck: ${problems}`)
  }
  return wrong
}

/** Judges up to `most` states, spread evenly; returns what was wrong with the first few. */
const sweep = async (recording: Recording, most: number): Promise<{ states: number; wrong: string[] }> => {
  const all = [...statesOf(recording.recorder.effects, randomFrom(7))]
  const step = most === 0 ? 1 : Math.max(1, all.length / most)
  const wrong: string[] = []
  let states = 0
  for (let i = 0; i < all.length && wrong.length < 5; i += step) {
    const state = all[Math.floor(i)]
    if (state === undefined) break
    const target = join(scratch, 'state')
    for (const problem of await judge(recording, state, target))
      wrong.push(
        `${problem} (cut after ${state.at} of ${recording.recorder.effects.length} calls, without ${[...state.missing].join()}${state.halved === null ? '' : `, half of ${state.halved}`})`,
      )
    nodeFs.rmSync(target, { recursive: true, force: true })
    states += 1
  }
  return { states, wrong }
}

describe('after a power cut at any call, the active snapshot is exactly the old or the new one', () => {
  for (const scenario of SCENARIOS)
    test(scenario.name, { timeout: 600_000 }, async () => {
      const recording = await record(scenario)
      const { wrong } = await sweep(recording, STATES)
      expect(wrong).toEqual([])
    })
})

/** Mistakes that a change could bring in: each must be seen, or the sweep above proves nothing. */
const isDirectoryHandle = (fs: FsPort, fd: number): boolean => fs.fstat(fd).isDirectory()

const without =
  (skip: (fs: FsPort, fd: number) => boolean) =>
  (fs: FsPort): FsPort => ({
    ...fs,
    fsync: (fd) => {
      if (!skip(fs, fd)) fs.fsync(fd)
    },
    fdatasync: (fd) => {
      if (!skip(fs, fd)) fs.fdatasync(fd)
    },
    fsyncLater: async (fd) => {
      if (!skip(fs, fd)) await fs.fsyncLater(fd)
    },
  })

const inPlace = (fs: FsPort): FsPort => ({
  ...fs,
  rename: (from, to) => {
    if (!to.endsWith('CURRENT')) {
      fs.rename(from, to)
      return
    }
    const bytes = nodeFs.readFileSync(from)
    fs.unlink(from)
    const fd = fs.open(to, 'w', 0o644)
    fs.write(fd, bytes, 0, bytes.length, null)
    fs.fsync(fd)
    fs.close(fd)
  },
})

const PLANTED: readonly [name: string, scenario: string, plant: (fs: FsPort) => FsPort][] = [
  ['no file is flushed', 'migrate', without((fs, fd) => !isDirectoryHandle(fs, fd))],
  ['no directory is flushed', 'migrate', without(isDirectoryHandle)],
  ['staged files are not flushed before the commit point', 'migrate', (fs) => ({ ...fs, fsyncLater: () => Promise.resolve() })],
  ['the pointer is written in place', 'rollback', inPlace],
  ['the journal is not flushed', 'rollback', (fs) => ({ ...fs, fdatasync: () => undefined })],
]

describe('a planted mistake is caught', () => {
  for (const [name, scenario, plant] of PLANTED)
    test(name, { timeout: 600_000 }, async () => {
      const found = SCENARIOS.find((s) => s.name === scenario)
      if (found === undefined) throw new Error(scenario)
      const { wrong } = await sweep(await record(found, plant), STATES * 2)
      expect(wrong).not.toEqual([])
    })
})
