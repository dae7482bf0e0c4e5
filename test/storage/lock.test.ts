import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs'
import { createConnection } from 'node:net'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as setTimeoutLater } from 'node:timers/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { acquireLock } from '../../src/storage/lock.ts'
import { bundled } from '../contract/process.ts'
import { failureLater, temporary } from '../contract/temporary.ts'

const me = { app: 'test', pid: process.pid, since: '2026-01-01T00:00:00.000Z' }
const acquire = (root: string, waitMs = 0) => acquireLock(nodeFsPort, root, me, waitMs)

const CHILD = `
  import { acquireLock } from './src/storage/lock.ts'
  import { nodeFsPort } from './src/storage/fs.ts'
  const [root = '', mode] = process.argv.slice(2)
  await acquireLock(nodeFsPort, root, { app: 'other app', pid: process.pid, since: '2026-02-02T00:00:00.000Z' })
  process.stdout.write('held', () => {
    if (mode === 'busy') for (;;) ;
  })
  setInterval(() => {}, 1000)
`

/** The name of a lock is that of an inode, which the next test may be given: its holder has to be gone by then. */
const killed = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(null)
    child.once('exit', resolve)
    child.kill('SIGKILL')
  })

/** Another process that holds the lock. */
const holder = async (root: string, mode = ''): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [bundled(CHILD), root, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(async () => {
    await killed(child)
  })
  await once(child.stdout, 'data')
  return child
}

describe('the lock of a store', () => {
  test('is held by one process at a time: LOCKED names application, process and since', async () => {
    const root = temporary()
    const child = await holder(root)
    expect(await failureLater(() => acquire(root))).toMatchObject({
      code: 'LOCKED',
      data: { holder: { app: 'other app', pid: child.pid, since: '2026-02-02T00:00:00.000Z' } },
      message: expect.stringContaining('other app'),
    })
  })

  test('is free as soon as its holder is killed', async () => {
    const root = temporary()
    await killed(await holder(root))
    await (await acquire(root)).release()
  })

  test('is waited for as long as asked, and no longer', async () => {
    const root = temporary()
    const child = await holder(root)
    const before = performance.now()
    expect((await failureLater(() => acquire(root, 300))).code).toBe('LOCKED')
    expect(performance.now() - before).toBeGreaterThan(250)
    expect(performance.now() - before).toBeLessThan(2000)
    const waiting = acquire(root, 10_000)
    setTimeout(() => void child.kill('SIGKILL'), 100)
    await (await waiting).release()
  })

  test('of a holder that is too busy to answer is LOCKED by an unknown one, in time', async () => {
    const root = temporary()
    await holder(root, 'busy')
    const before = performance.now()
    expect(await failureLater(() => acquire(root, 1500))).toMatchObject({ code: 'LOCKED', data: { holder: null } })
    expect(performance.now() - before).toBeLessThan(4000)
  })

  test('is not taken twice within one process, and can be taken again once released', async () => {
    const root = temporary()
    const lock = await acquire(root)
    expect((await failureLater(() => acquire(root))).data.holder).toEqual(me)
    await lock.release()
    await (await acquire(root)).release()
  })

  test('is of the directory, whatever path leads there; another store has another', async () => {
    const dir = temporary()
    mkdirSync(join(dir, 'a'))
    mkdirSync(join(dir, 'b'))
    symlinkSync('a', join(dir, 'link'))
    const lock = await acquire(join(dir, 'a'))
    expect((await failureLater(() => acquire(join(dir, 'link')))).code).toBe('LOCKED')
    renameSync(join(dir, 'a'), join(dir, 'moved'))
    expect((await failureLater(() => acquire(join(dir, 'moved')))).code).toBe('LOCKED')
    await (await acquire(join(dir, 'b'))).release()
    await lock.release()
  })

  test('leaves nothing on disk', async () => {
    const root = temporary()
    const lock = await acquire(root)
    expect(readdirSync(root)).toEqual([])
    await lock.release()
    expect(readdirSync(root)).toEqual([])
  })

  test('of 20 that ask at once, one gets it each time', async () => {
    const root = temporary()
    let [now, most] = [0, 0]
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const lock = await acquire(root, 20_000)
        most = Math.max(most, ++now)
        await setTimeoutLater(5)
        now -= 1
        await lock.release()
      }),
    )
    expect(most).toBe(1)
  })

  test.runIf(process.platform === 'linux')('is released though someone who asked never hangs up', async () => {
    const root = temporary()
    const lock = await acquire(root)
    const { dev, ino } = nodeFsPort.lstat(root) ?? { dev: 0, ino: 0 }
    const name = `\0strata-${createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 24)}`
    const rude = createConnection({ path: name, allowHalfOpen: true } as { path: string })
    await once(rude, 'connect')
    rude.pause()
    const released = await Promise.race([lock.release().then(() => true), setTimeoutLater(2000, false)])
    rude.destroy()
    expect(released).toBe(true)
  })
})
