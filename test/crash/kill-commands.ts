import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sampleFiles } from '../../migrations/index.ts'
import type { Active, Before } from './kill-judge.ts'
import { activeOf, beforeOf } from './kill-judge.ts'
import type { Plan } from './kill-process.ts'
import { strata, strataWith } from './kill-process.ts'
import { contents } from '../support/tree.ts'
import { makeOriginal } from './scenarios.ts'

/** The commands that the sweep disturbs, and the stores that they start from. */

type Place = { readonly store: string; readonly original: string }
export type Command = {
  readonly name: string
  /** Makes the store that the command works on. */
  readonly before: (place: Place) => Promise<void>
  readonly args: (original: string) => readonly string[]
  /** What a second run may say when there is nothing left to do; without them it succeeds. */
  readonly nothing: readonly string[]
}

const run =
  (...commands: readonly string[][]) =>
  async ({ store, original }: Place): Promise<void> => {
    for (const command of commands) {
      const ran = await strata(
        store,
        command.map((word) => (word === 'ORIGINAL' ? original : word)),
      )
      if (ran.code !== 0) throw new Error(`${command.join(' ')}: ${ran.stdout}${ran.stderr}`)
    }
  }

const age = (path: string): void => {
  const past = Date.now() / 1000 - 60
  utimesSync(path, past, past)
}

/** What the application writes is old enough to be trusted. */
const editActive = ({ store }: Place): void => {
  const { directory = '' } = JSON.parse(readFileSync(join(store, 'CURRENT'), 'utf8')) as Record<string, string>
  for (const name of ['config.json', 'notes.txt']) {
    appendFileSync(join(store, directory, name), '\n')
    age(join(store, directory, name))
  }
}

const editOriginal = ({ original }: Place): void => {
  const path = join(original, 'data/2026-01-02.json')
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace(/\n\]\s*$/, ',\n  {"ts":1767300000000,"id":"fd6a02b","ms":3,"st":0,"err":null}\n]'))
  age(path)
}

const FORGOTTEN = 'data/2026-01-01.json'
const init = ['init', '--from', 'ORIGINAL']
export const COMMANDS: readonly Command[] = [
  { name: 'init', before: run(), args: (original) => ['init', '--from', original], nothing: ['EXISTS'] },
  {
    name: 'checkpoint',
    before: async (place) => {
      await run(init)(place)
      editActive(place)
    },
    args: () => ['checkpoint'],
    nothing: [],
  },
  { name: 'migrate', before: run(init), args: () => ['migrate'], nothing: [] },
  {
    name: 'migrate, which leaves a day that is over as it is',
    before: run(init, ['migrate', '--to', '1.2.0']),
    args: () => ['migrate', '--to', '2.0.0'],
    nothing: [],
  },
  {
    name: 'rollback',
    before: async (place) => {
      await run(init, ['migrate'])(place)
      editActive(place)
    },
    args: () => ['rollback', '--exact'],
    nothing: ['NOTHING_TO_ROLL_BACK'],
  },
  {
    name: 'rollback that takes data along',
    before: async (place) => {
      await run(init, ['migrate'])(place)
      editActive(place)
    },
    args: () => ['rollback'],
    nothing: ['NOTHING_TO_ROLL_BACK'],
  },
  { name: 'redo', before: run(init, ['migrate'], ['rollback']), args: () => ['redo'], nothing: ['NOTHING_TO_REDO'] },
  {
    name: 'adopt',
    before: async (place) => {
      await run(init, ['migrate'])(place)
      editOriginal(place)
    },
    args: () => ['adopt'],
    nothing: [],
  },
  {
    name: 'restore',
    before: async (place) => {
      await run(init, ['migrate'])(place)
      editActive(place)
    },
    args: () => ['restore', '1.0.0:config.json', '--live'],
    nothing: [],
  },
  { name: 'prune', before: run(init, ['migrate']), args: () => ['prune', '--directories', '0', '--days', '0', '--yes'], nothing: [] },
  {
    name: 'gc',
    // A few packs of about one size.
    before: async (place) => {
      await run(init, ['migrate'])(place)
      for (let n = 0; n < 3; n++) {
        editActive(place)
        await run(['checkpoint'])(place)
      }
      await run(['prune', '--directories', '0', '--days', '0', '--yes'])(place)
    },
    args: () => ['gc'],
    nothing: [],
  },
  {
    name: 'forget',
    before: async (place) => {
      await run(init, ['migrate'])(place)
      editActive(place)
    },
    args: () => ['forget', FORGOTTEN, '--yes'],
    nothing: ['ABSENT'],
  },
  { name: 'pin', before: run(init, ['migrate']), args: () => ['pin', '1.1.0', '-m', 'kept'], nothing: [] },
  { name: 'start', before: run(), args: (original) => ['start', '--from', original], nothing: [] },
]

/** Enough data that the work goes to worker threads. */
export const makeLarge = (dir: string): void => {
  mkdirSync(join(dir, 'data'), { recursive: true })
  for (const [path, bytes] of sampleFiles({ days: 6, endDate: '2026-01-02', seed: 1 })) {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    const days = Array.isArray(value) ? (value as { ts: number }[]) : []
    const records = Array.from({ length: 16 }, (_, i) => days.map((day) => ({ ...day, ts: day.ts + i }))).flat()
    writeFileSync(join(dir, path), records.length > 0 ? JSON.stringify(records, null, 2) : bytes)
    age(join(dir, path))
  }
}

/** A command with its store, made once and copied for each point, and what the command comes to when nothing disturbs it. */
export type Subject = {
  readonly command: Command
  readonly store: string
  readonly args: readonly string[]
  readonly before: Before
  /** What may be active on the way. */
  readonly between: readonly Active[]
  readonly after: Active
  readonly threads: number
  readonly inWorkers: number
  /** How many calls there are at which a plan of this mode can happen. */
  readonly calls: (mode: Plan['mode']) => Promise<number>
  readonly copy: () => Place
}

let copies = 0
export const subjectOf = async (scratch: string, command: Command, make: (dir: string) => void = makeOriginal): Promise<Subject> => {
  const dir = mkdtempSync(join(scratch, 'subject-'))
  const [store, original] = [join(dir, 'store'), join(dir, 'original')]
  make(original)
  await command.before({ store, original })
  const before = beforeOf(store, original, { evicts: command.name === 'prune', forgets: command.name === 'forget' ? FORGOTTEN : null })
  const args = command.args(original)
  const copy = (): Place => {
    const to = join(dir, String(copies++), 'store')
    mkdirSync(join(to, '..'))
    if (before.active !== null) cpSync(store, to, { recursive: true, preserveTimestamps: true })
    return { store: to, original }
  }
  const undisturbed = async (mode: Plan['mode']) => {
    const place = copy()
    const ran = await strataWith({ at: -1, mode }, place.store, args)
    if (ran.code !== 0) throw new Error(`${command.name}: ${ran.stdout}${ran.stderr}`)
    return { ...ran, store: place.store }
  }
  const first = await undisturbed('before')
  return {
    command,
    store,
    args,
    before,
    // `start` makes the store, and then upgrades it.
    between: command.name === 'start' ? [{ version: '1.0.0', files: contents(original) }] : [],
    after: activeOf(first.store),
    threads: first.threads,
    inWorkers: first.inWorkers,
    calls: async (mode) => (mode === 'before' ? first : await undisturbed(mode)).calls,
    copy,
  }
}
