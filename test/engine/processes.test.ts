import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { NETMONITOR, application, refusal } from '../support/library.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { ROOT, captured, sample } from '../support/sandbox.ts'
import { put } from '../support/tree.ts'

/** Another process that holds the store's lock, and answers, until it is ended. */
const holder = async (store: string, data: string): Promise<{ pid: number; end: () => Promise<void> }> => {
  const source = `
    const { App } = await import(${JSON.stringify(pathToFileURL(join(ROOT, 'dist/index.js')).href)})
    const app = await App.open({ store: ${JSON.stringify(store)}, migrations: ${JSON.stringify(NETMONITOR)}, app: 'NetMonitor', appVersion: '9' })
    let stop = false
    process.stdin.once('data', () => (stop = true))
    const loop = async () => {
      for (let i = 0; !stop; i++) {
        const job = await app.startMigration().catch(() => null)
        if (i === 0) console.log('ready')
        if (job !== null && job.id !== '') await app.waitForJob(job.id)
        await app.rollbackMigration().catch(() => null)
      }
    }
    await loop()
    process.exit(0)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['pipe', 'pipe', 'inherit'], cwd: data })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return {
    pid: child.pid ?? 0,
    end: () =>
      new Promise((resolve) => {
        child.once('exit', () => {
          resolve()
        })
        child.stdin.write('end\n')
      }),
  }
}

describe('two processes', () => {
  it('a writer that finds the store taken is told by whom; readers never wait; afterwards it works', async () => {
    const { app, data, store } = await application()
    await app.init({ from: data })
    const other = await holder(store, data)
    const told: string[] = []
    for (let i = 0; i < 200 && told.length === 0; i++) {
      const error = await app.checkpoint().then(
        () => null,
        (e: unknown) => e as { code: string; message: string; hint: string },
      )
      if (error !== null) {
        expect(error.code).toBe('LOCKED')
        if (error.message.includes('NetMonitor')) told.push(error.message)
      }
      const since = performance.now()
      expect((await app.checkMigrationsNeeded()).directory).toContain(store)
      expect(performance.now() - since).toBeLessThan(250)
      await sleep(3)
    }
    expect(told[0]).toContain(`${other.pid}`)
    await other.end()
    await app.checkpoint()
    expect((await app.validateDataIntegrity()).valid).toBe(true)
  })

  it('start of a second one goes on with what is active, and says why it did not migrate', async () => {
    const { app, data, store } = await application()
    await app.init({ from: data })
    const other = await holder(store, data)
    let error: string | null = null
    for (let i = 0; i < 100 && error === null; i++) {
      const started = await app.start({ migrate: false })
      expect(started.directory).toContain(store)
      error = started.error?.code ?? null
    }
    expect(error).toBe('LOCKED')
    await other.end()
  })

  it('a lock is never left behind by a process that was killed', async () => {
    const { app, data, store } = await application()
    await app.init({ from: data })
    const other = await holder(store, data)
    process.kill(other.pid, 'SIGKILL')
    await sleep(50)
    put(data, 'note', '')
    await app.checkpoint()
    expect((await app.checkMigrationsNeeded()).state).not.toBe('running')
    expect((await refusal(app.show('nope'))).code).toBe('ABSENT')
  })
})

/** About 100 MB of NetMonitor's first version: enough that a migration takes seconds. */
const large = (): Map<string, Uint8Array> => {
  const content = sample(1)
  const record = (i: number): string => `{"ts":${1765650000000 + i * 83},"id":"fd6a02b","ms":${i % 997},"st":0,"err":null}`
  const day = Buffer.from(`[\n${Array.from({ length: 30_000 }, (_, i) => record(i)).join(',\n')}\n]`)
  for (let i = 0; i * day.length < 100e6; i++)
    content.set(`data/${new Date(1700000000000 + i * 86_400_000).toISOString().slice(0, 10)}.json`, day)
  return content
}

/** Starts a command; what it returns waits for its end. */
const begun = (box: Sandbox, ...args: string[]): { pid: number; isRunning: () => boolean; ended: Promise<number | null> } => {
  const child = box.background(...args)
  child.stdout?.resume()
  child.stderr?.resume()
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  return { pid: child.pid ?? 0, isRunning: () => child.exitCode === null, ended }
}

describe('while a long migration runs', () => {
  it('a writer is told by whom and since when; one that waits succeeds; readers answer at once', { timeout: 300_000 }, async () => {
    const box = captured(large())
    const before = box.current()
    const began = new Date().toISOString()
    const migration = begun(box, 'migrate', '--to', '1.1.0')
    while (!box.journal().includes('MigrationStarted')) await sleep(20)

    const { code, message, hint, data } = box.refused('checkpoint')
    const holder = data.holder as { app: string; pid: number; since: string }
    expect({ code, app: holder.app, pid: holder.pid }).toEqual({ code: 'LOCKED', app: 'strata', pid: migration.pid })
    expect(message).toContain(`strata (process ${migration.pid}, since ${holder.since})`)
    expect(hint).toContain('--wait')
    expect(holder.since > began && holder.since < new Date().toISOString()).toBe(true)

    const waiting = begun(box, 'checkpoint', '--wait', '240')
    expect(box.doc('status')).toMatchObject({ state: 'running', snapshot: before.snapshot })
    expect(box.ok('path').trim()).toBe(join(box.store, before.directory))
    expect(box.ok('history')).toContain('1.1.0')
    // All of the above was while it ran.
    expect(migration.isRunning()).toBe(true)
    const verified = box.doc('verify') as { valid: boolean; issues: { severity: string }[] }
    expect(verified.issues.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(verified.valid).toBe(true)

    expect(await migration.ended).toBe(0)
    expect(await waiting.ended).toBe(0)
    expect(box.current().schemaVersion).toBe('1.1.0')
    box.ok('checkpoint')
  })
})
