import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { NETMONITOR, application, refusal } from '../support/library.ts'
import { ROOT } from '../support/sandbox.ts'
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
