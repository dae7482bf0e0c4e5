import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NETMONITOR, library } from '../support/library.ts'
import { ROOT, sample } from '../support/sandbox.ts'
import type { Content } from '../support/tree.ts'
import { contents, putAll } from '../support/tree.ts'
import type { Device, FileSystem } from './real-device.ts'
import { device } from './real-device.ts'
import type { Ack, Expected } from './real-judge.ts'
import { afterRecovery, beforeRecovery, expectedFrom } from './real-judge.ts'

/** Lives of the driver on one disk, each ended by a power cut, recovered and judged. */

export type Tally = {
  rounds: number
  commands: number
  edits: number
  interrupted: number
  /** Overwrites in place that were cut half-way, and no stat tells of: see `overwritten`. */
  untold: number
  violations: string[]
}
type Plan = { readonly seed: number; readonly longestMs: number; readonly flushes: boolean; readonly hook?: string }

const small = (): Content =>
  new Map(
    Array.from(sample(2), ([path, bytes]): [string, Uint8Array] => {
      const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
      return [path, Array.isArray(value) ? Buffer.from(JSON.stringify(value.slice(0, 10), null, 2)) : bytes]
    }),
  )

/** Lets the driver work on the disk for a while and cuts the power. Returns the moment of the cut. */
const live = async (disk: Device, log: string, plan: Plan): Promise<number> => {
  const orders = { store: join(disk.mount, 'store'), data: join(disk.beside, 'data'), log, seed: plan.seed, flushes: plan.flushes }
  const child = spawn(
    process.execPath,
    [...(plan.hook === undefined ? [] : ['--import', plan.hook]), join(ROOT, 'test/crash/real-driver.mjs'), JSON.stringify(orders)],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  const exited = once(child, 'exit')
  while (!existsSync(log) && child.exitCode === null) await sleep(5)
  // Short lives as often as long ones.
  await sleep(plan.longestMs ** (((plan.seed * 7919) % 1000) / 1000))
  const ms = Date.now()
  disk.cut()
  child.kill('SIGKILL')
  await exited
  disk.unmount()
  return ms
}

/** The next start of the application, twice. */
const recovered = async (disk: Device, { overwritten }: Expected, tally: Tally): Promise<string[]> => {
  const store = join(disk.mount, 'store')
  const open = () => library.App.open({ store, migrations: NETMONITOR, app: 'recovery', workers: 0 })
  const app = await open()
  if ((await app.checkMigrationsNeeded()).state === 'no-store') await app.init({ from: join(disk.beside, 'data') })
  await app.checkpoint('after the power cut')
  const status = await app.checkMigrationsNeeded()
  const wrong = status.state === 'running' ? ['a job is still running after recovery'] : []
  const report = await app.validateDataIntegrity()
  const all = report.issues.filter(({ severity }) => severity === 'error')
  const errors = all.filter(({ snapshot, file }) => !overwritten.has(`${snapshot ?? ''}/${file ?? ''}`))
  tally.untold += all.length - errors.length
  wrong.push(...errors.map(({ code, file, message }) => `verify: ${code} ${file ?? ''} ${message}`))
  const before = contents(store)
  await (await open()).checkpoint('again')
  const after = contents(store)
  const touched = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((path) => before[path] !== after[path])
  // An index is a cache: it is written again while a file is too young to be trusted.
  const changed = touched.filter((path) => !path.startsWith('index/'))
  return changed.length === 0 ? wrong : [...wrong, `a second recovery changed ${changed.join(', ')}`]
}

const standing = (store: string): Ack => {
  const { snapshot, schemaVersion } = JSON.parse(readFileSync(join(store, 'CURRENT'), 'utf8')) as {
    snapshot: string
    schemaVersion: string
  }
  return { t: 'ack', kind: 'recovery', snapshot, schemaVersion, hash: '', seq: 0 }
}

const judged = async (disk: Device, expected: Expected, cutMs: number, all: readonly Ack[], tally: Tally): Promise<string[]> => {
  const store = join(disk.mount, 'store')
  const early = expected.entries.flatMap((e) =>
    e.t === 'error' && e.ms < cutMs ? [`${e.kind} failed while there was power: ${e.message}`] : [],
  )
  const wrong = [...early, ...beforeRecovery(store, expected)]
  try {
    wrong.push(...(await recovered(disk, expected, tally)), ...afterRecovery(store, expected, all))
  } catch (error) {
    wrong.push(`recovery failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
  return wrong
}

/** `rounds` power cuts on one disk; ends early at the first that went wrong, or when `goOn` says so. */
export const livesOn = async (
  on: FileSystem,
  rounds: number,
  plan: Plan,
  tally: Tally,
  goOn: () => boolean = () => true,
): Promise<void> => {
  const disk = device(on)
  let last: Ack | undefined
  const all: Ack[] = []
  try {
    putAll(join(disk.beside, 'data'), small())
    for (let round = 0; round < rounds && goOn(); round++) {
      const log = join(disk.beside, `log-${round}.jsonl`)
      const seed = plan.seed + round
      const cutMs = await live(disk, log, { ...plan, seed })
      disk.remount()
      const expected = expectedFrom(log, last, cutMs)
      all.push(...expected.acknowledged)
      tally.rounds++
      const { untold } = tally
      tally.commands += expected.acknowledged.length
      tally.edits += expected.entries.filter(({ t }) => t === 'edited').length
      if (expected.running.length > 0) tally.interrupted++
      const wrong = await judged(disk, expected, cutMs, all, tally)
      const tail = expected.entries.slice(-8).map((e) => JSON.stringify({ ...e, files: undefined, snapshots: undefined }))
      tally.violations.push(...wrong.map((what) => `${on}, seed ${seed}, round ${round}: ${what}\n    ${tail.join('\n    ')}`))
      // What is not told now would be found again in each round that follows.
      if (wrong.length > 0 || tally.untold > untold) return
      last = standing(join(disk.mount, 'store'))
    }
  } finally {
    disk.remove()
  }
}
