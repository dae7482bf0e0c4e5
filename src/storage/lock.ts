import { createHash } from 'node:crypto'
import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StrataError, systemCode } from '../core/errors.ts'
import type { FsPort } from './fs.ts'

/** Who holds a store's lock. */
export type Holder = { readonly app: string; readonly pid: number; readonly since: string }
export type Lock = { release(): Promise<void> }

const ANSWER_MS = 2000
const RETRY_MS = 50

/**
 * A listening socket named after the store's device and inode: the kernel gives it to one process and takes it back when
 * that process ends, however it ends. On Linux its name is abstract: nothing is left on disk.
 */
const socketName = (fs: FsPort, root: string): string => {
  const { dev, ino } = fs.lstat(fs.realpath(root)) ?? { dev: 0, ino: 0 }
  const name = `strata-${createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 24)}`
  if (process.platform === 'linux') return `\0${name}`
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`)
}

const listen = (name: string, holder: Holder): Promise<Server | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      // Whoever asked may never hang up: that must not keep `release` waiting.
      socket.end(JSON.stringify(holder), () => socket.destroy())
    })
    server.once('error', (error) => {
      if (systemCode(error) === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen({ path: name }, () => {
      server.unref()
      resolve(server)
    })
  })

const parseHolder = (text: string): Holder | undefined => {
  try {
    const { app, pid, since } = JSON.parse(text) as Partial<Holder>
    return typeof app === 'string' && typeof pid === 'number' && typeof since === 'string' ? { app, pid, since } : undefined
  } catch {
    return undefined
  }
}

/** Asks the holder who it is; a busy one may not answer in time, which leaves it unknown. `gone`: nobody listens any more. */
const ask = (name: string): Promise<Holder | 'gone' | undefined> =>
  new Promise((resolve) => {
    let text = ''
    const socket = connect({ path: name })
    socket.setTimeout(ANSWER_MS, () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')))
    socket.on('end', () => {
      resolve(parseHolder(text))
    })
    socket.on('error', (error) => {
      resolve(['ECONNREFUSED', 'ENOENT'].includes(systemCode(error)) ? 'gone' : undefined)
    })
  })

/** A socket file that nobody listens on was left by a killed process (macOS; the fence covers the race). */
const clearStale = (fs: FsPort, name: string): void => {
  if (process.platform === 'linux' || process.platform === 'win32') return
  if (fs.lstat(name) !== undefined) fs.unlink(name)
}

const locked = (holder: Holder | undefined): StrataError => {
  const who = holder === undefined ? 'another process' : `${holder.app} (process ${holder.pid}, since ${holder.since})`
  return new StrataError('LOCKED', `the store is being written by ${who}`, {
    data: { holder: holder ?? null },
    hint: 'Wait until it has finished, or give --wait SECONDS. Reading is always possible.',
  })
}

const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => {
      resolve()
    })
  })

/** Takes the writers' lock of the store at `root`, waiting up to `waitMs`. Throws LOCKED, naming the holder. */
export const acquireLock = async (fs: FsPort, root: string, holder: Holder, waitMs = 0): Promise<Lock> => {
  const name = socketName(fs, root)
  const end = performance.now() + waitMs
  for (;;) {
    const server = await listen(name, holder)
    if (server !== undefined) return { release: () => close(server) }
    const other = await ask(name)
    if (other === 'gone') clearStale(fs, name)
    else if (performance.now() >= end) throw locked(other)
    await sleep(RETRY_MS)
  }
}
