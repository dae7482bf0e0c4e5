import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import type { Sides } from './judge.ts'
import { activeOf, afterRecovery, atOnce } from './judge.ts'
import type { Scenario } from './scenarios.ts'
import { SCENARIOS, makeOriginal } from './scenarios.ts'
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

type Recording = Sides & { readonly recorder: Recorder }

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
  return { recorder, before, after: activeOf(place.store) }
}

const judge = async (recording: Recording, state: State, target: string): Promise<string[]> => {
  const { recorder } = recording
  materialise(recorder, state, target)
  const acknowledged = recorder.effects.findIndex((e) => e.kind === 'ack') < state.at ? 'this snapshot' : 'nothing'
  return [...atOnce(recording, target), ...(await afterRecovery(recording, target, acknowledged))]
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
