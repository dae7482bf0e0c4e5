import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { NETMONITOR, library } from '../support/library.ts'
import { currentOf, latenciesFrom } from '../support/netmonitor.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { ROOT, captured, upgraded } from '../support/sandbox.ts'

/** NetMonitor beside Strata: a process of its own that writes a record every few milliseconds, in place, and never waits unless asked to. */

const FIRST = 100_000
const HOST = join(ROOT, 'test/support/netmonitor-host.mjs')

class Host {
  written = 0
  #said = ''
  readonly #box: Sandbox
  #child: ReturnType<typeof spawn> | null = null

  constructor(box: Sandbox) {
    this.#box = box
    onTestFinished(() => void this.#child?.kill('SIGKILL'))
  }

  async start(): Promise<void> {
    this.#said = ''
    const child = spawn(process.execPath, [HOST, this.#box.store, '100000', String(FIRST + this.written), '3'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text
    })
    this.#child = child
    await this.#hears('started')
  }

  /** What it has said so far holds this so many times; the wait is for a process, never a measure. */
  async #hears(word: string, times = 1): Promise<void> {
    for (let i = 0; i < 2000 && this.#said.split(word).length <= times; i++) await sleep(10)
    expect(this.#said.split(word).length).toBeGreaterThan(times)
  }

  async pause(): Promise<() => Promise<void>> {
    const before = this.#said.split('paused').length
    this.#child?.kill('SIGUSR2')
    await this.#hears('paused', before)
    return async () => {
      this.#child?.kill('SIGUSR2')
      await this.#hears('resumed', before)
    }
  }

  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM')
    await this.#hears('wrote')
    this.written += Number(/wrote (\d+)/.exec(this.#said)?.[1])
  }

  /** Its own count, held against what there is: each record once. */
  check(): void {
    const found = latenciesFrom(currentOf(this.#box.store).directory, FIRST)
    expect(found).toEqual(Array.from({ length: this.written }, (_, i) => FIRST + i))
  }
}

const working = (): Promise<void> => sleep(150)

describe('NetMonitor, whose own count of records never shows a loss,', () => {
  it('is upgraded while it writes, paused for the switch, goes back and returns, crashes and starts again', async () => {
    const box = captured()
    box.allowLeftovers()
    const host = new Host(box)
    const app = await library.App.open({ store: box.store, migrations: NETMONITOR })
    await host.start()
    await working()
    const { id } = await app.startMigration({ online: { pause: () => host.pause() } })
    const job = await app.waitForJob(id)
    expect(job).toMatchObject({ status: 'completed', toVersion: '2.2.0', pausedMs: expect.any(Number) })
    await working()
    await host.stop()
    host.check()

    // From the settings page: it stops writing, goes back, and starts again in the old format.
    await app.rollbackMigration()
    await host.start()
    expect(currentOf(box.store).schemaVersion).toBe('1.0.0')
    await working()
    await host.stop()
    host.check()

    // A process that returns it to the new version is killed on its way.
    const redo = box.background('redo')
    await sleep(120)
    redo.kill('SIGKILL')
    await new Promise((resolve) => {
      redo.once('exit', resolve)
    })
    await app.start()
    if (currentOf(box.store).schemaVersion === '1.0.0') await app.redo()
    expect(currentOf(box.store).schemaVersion).toBe('2.2.0')
    await host.start()
    await working()
    await host.stop()
    host.check()
    expect((await app.validateDataIntegrity()).valid).toBe(true)
  })

  it('is upgraded by someone else, without being asked to pause: what it wrote into the old directory is carried over', async () => {
    const box = captured()
    box.allowLeftovers()
    const host = new Host(box)
    await host.start()
    await working()
    // It never looks at CURRENT again, so that there is no quiet moment, and it goes on in the old directory.
    const app = await library.App.open({ store: box.store, migrations: NETMONITOR })
    const { id } = await app.startMigration({ online: { quietMs: 50, patienceMs: 200 } })
    expect(await app.waitForJob(id)).toMatchObject({ status: 'completed' })
    await working()
    await host.stop()
    expect(latenciesFrom(currentOf(box.store).directory, FIRST).length).toBeLessThan(host.written)
    await app.start()
    expect(currentOf(box.store).schemaVersion).toBe('2.2.0')
    host.check()
    expect((await app.validateDataIntegrity()).valid).toBe(true)
  })

  it('migrate --online waits for a quiet moment, and says how long the switch took', () => {
    const box = captured()
    const ran = box.run(['migrate', '--online'])
    expect(ran.code).toBe(0)
    expect(ran.stdout).toMatch(/paused {3}\d+ ms/)
    expect(box.doc('verify').valid).toBe(true)
    box.ok('rollback')
    box.ok('redo')
  })

  it('a pause that fails fails the migration, and nothing is switched; the application goes on', async () => {
    const box = captured()
    box.allowLeftovers()
    const app = await library.App.open({ store: box.store, migrations: NETMONITOR })
    const { id } = await app.startMigration({ online: { pause: () => Promise.reject(new Error('the window did not answer')) } })
    await app.waitForJob(id).catch(() => undefined)
    expect(currentOf(box.store).schemaVersion).toBe('1.0.0')
    box.ok('migrate')
  })

  it('two hosts that start at once have one store, and both get the active directory', async () => {
    const box = upgraded()
    const apps = await Promise.all([0, 1].map(() => library.App.open({ store: box.store, migrations: NETMONITOR })))
    const started = await Promise.all(apps.map((app) => app.start({ migrate: true })))
    expect(started.map((s) => s.directory)).toEqual([box.active(), box.active()])
  })
})
