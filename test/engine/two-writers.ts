import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { application } from '../support/library.ts'
import { ROOT } from '../support/sandbox.ts'

/** Writers in processes of their own on one store, and what must hold when they have ended. */

type Event = { readonly seq: number; readonly id: string; readonly type: string }
type Entry = { readonly acknowledged?: readonly Event[]; readonly refused?: string; readonly message?: string; readonly ended?: boolean }
export type Worked = {
  readonly acknowledged: readonly Event[]
  readonly commands: number
  readonly refused: Readonly<Record<string, number>>
  /** Of each kind of refusal the first. */
  readonly messages: Readonly<Record<string, string>>
}
type Orders = { readonly commands: number; readonly seconds?: number; readonly waitMs: number; readonly seed: number }

/** A store at the newest version, with four steps to go back. */
export const migratedStore = async () => {
  const made = await application()
  await made.app.init({ from: made.data })
  for (const to of ['1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0']) await made.app.waitForJob((await made.app.startMigration({ to })).id)
  return made
}

const entriesOf = (log: string): Entry[] =>
  readFileSync(log, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry)

const summed = (entries: readonly Entry[]): Worked => {
  const refused: Record<string, number> = {}
  const messages: Record<string, string> = {}
  for (const { refused: code, message } of entries)
    if (code !== undefined) {
      refused[code] = (refused[code] ?? 0) + 1
      messages[code] ??= message ?? ''
    }
  const commands = entries.filter((e) => e.acknowledged !== undefined && e.refused === undefined).length
  return { acknowledged: entries.flatMap((e) => e.acknowledged ?? []), commands, refused, messages }
}

/** Lets a writer of the name work to its end; `before`: a program that starts it, such as `unshare -n`. */
export const writer = async (dir: string, name: string, orders: Orders, before: readonly string[] = []): Promise<Worked> => {
  const log = join(dir, `${name}.jsonl`)
  const script = [process.execPath, join(ROOT, 'test/engine/two-worker.mjs')]
  const words = [...before, ...script, JSON.stringify({ store: join(dir, 'store'), log, name, ...orders })]
  const child = spawn('env', words, { stdio: ['ignore', 'inherit', 'inherit'] })
  const [code] = (await once(child, 'exit')) as [number | null]
  const entries = entriesOf(log)
  expect({ name, code, ended: entries.at(-1)?.ended }).toEqual({ name, code: 0, ended: true })
  return summed(entries)
}

export type Seen = {
  readonly wrong: string[]
  readonly longest: { readonly status: number; readonly history: number }
  readonly reads: number
}

/** Starts a reader; what it returns ends it, and says what it saw. */
export const reader = (dir: string): (() => Promise<Seen>) => {
  const log = join(dir, 'reader.json')
  const child = spawn(process.execPath, [join(ROOT, 'test/engine/two-reader.mjs'), JSON.stringify({ store: join(dir, 'store'), log })], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const exited = once(child, 'exit')
  return async () => {
    child.stdin.end('end\n')
    await exited
    return JSON.parse(readFileSync(log, 'utf8')) as Seen
  }
}

/** How often each event is in the journal's lines that stock tools see: parsed here, without the reader under test. */
const linesOf = (store: string): { events: Event[] }[] =>
  readdirSync(join(store, 'journal'))
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .flatMap((name) => readFileSync(join(store, 'journal', name), 'utf8').split('\n'))
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { events: Event[] })

const keyOf = ({ seq, id }: Event): string => `${seq} ${id}`

/** Acknowledged events that are not there exactly once: on the disk, and in the history. */
export const misplaced = async (made: Awaited<ReturnType<typeof migratedStore>>, acknowledged: readonly Event[]): Promise<string[]> => {
  const times = new Map<string, number>()
  for (const event of linesOf(made.store).flatMap((line) => line.events)) times.set(keyOf(event), (times.get(keyOf(event)) ?? 0) + 1)
  const told = new Map((await made.app.history()).map((event): [string, string] => [keyOf(event), event.type]))
  return acknowledged.flatMap((event) => {
    const isTold = event.type === 'SegmentOpened' || told.get(keyOf(event)) === event.type
    const count = times.get(keyOf(event)) ?? 0
    return count === 1 && isTold ? [] : [`${event.type} ${keyOf(event)}: ${count} times on the disk, ${isTold ? '' : 'not '}in the history`]
  })
}

/** After one more command nothing half-done is left, and everything verifies. */
export const leftovers = async (made: Awaited<ReturnType<typeof migratedStore>>): Promise<string[]> => {
  const { app, store } = made
  await app.checkpoint('the last one')
  const report = await app.validateDataIntegrity()
  const wrong = report.issues.filter((i) => i.severity === 'error').map((i) => `verify: ${i.code} ${i.file ?? ''} ${i.message}`)
  const left = ['staging', 'repo.git', 'repo.git/objects/pack', '.', 'index']
    .flatMap((dir) => readdirSync(join(store, dir)).map((name) => `${dir}/${name}`))
    .filter((path) => path.startsWith('staging/') || /strata_tmp_|\.lock$|\.strata$/.test(path))
  if (existsSync(join(store, 'quarantine'))) left.push(...readdirSync(join(store, 'quarantine')).map((name) => `quarantine/${name}`))
  const fsck = spawnSync('git', ['-c', 'safe.directory=*', '-C', join(store, 'repo.git'), 'fsck', '--strict', '--full', '--no-dangling'], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' },
  })
  if (fsck.status !== 0 || fsck.stderr !== '') wrong.push(`git fsck: ${fsck.stdout}${fsck.stderr}`)
  return [...wrong, ...left]
}

/** Codes that a writer of the mix may meet without anything being wrong. */
const EXPECTED = ['NOTHING_TO_ROLL_BACK', 'NOTHING_TO_REDO', 'ABSENT'] as const

export const unexpected = ({ refused, messages }: Worked, ...more: readonly string[]): string[] =>
  Object.entries(refused)
    .filter(([code]) => ![...EXPECTED, ...more].includes(code))
    .map(([code, count]) => `${count} times ${code}: ${messages[code] ?? ''}`)
