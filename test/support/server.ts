import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { request } from 'node:http'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import type { Sandbox } from './sandbox.ts'

/** The real `strata serve`, spoken to byte by byte where a client would be too polite. */

export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

const ask = (port: number, how: { method: string; path: string; headers?: Record<string, string>; body?: string }): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, method: how.method, path: how.path, headers: how.headers ?? {} }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
      })
      response.on('error', reject)
    })
    asked.on('error', reject)
    asked.end(how.body)
  })

/** Sends bytes as they are; everything that came until the connection was closed, or `ms` passed. */
const raw = (port: number, text: string, ms = 3000): Promise<string> =>
  new Promise((resolve) => {
    let got = ''
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(text))
    const end = (): void => {
      socket.destroy()
      resolve(got)
    }
    socket.setTimeout(ms, end)
    socket.on('data', (part: Buffer) => (got += part.toString('utf8')))
    socket.on('close', end)
    socket.on('error', end)
  })

const firstLine = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error('nothing to read')
    const lines = createInterface({ input: child.stdout })
    lines.once('line', resolve)
    let said = ''
    child.stderr?.on('data', (part: Buffer) => (said += part.toString('utf8')))
    child.once('exit', (code) => {
      reject(new Error(`the server ended with ${code}: ${said}`))
    })
  })

/** `strata serve` on a store, until the test ends. */
export const serving = async (box: Sandbox, ...args: string[]) => {
  const child = box.background('serve', '--json', ...args)
  const { address, port, token } = JSON.parse(await firstLine(child)) as { address: string; port: number; token: string }
  const host = `127.0.0.1:${port}`
  const own = { Host: host, Origin: `http://${host}`, 'Sec-Fetch-Site': 'same-origin', 'Content-Type': 'application/json' }
  const headers = { ...own, Authorization: `Bearer ${token}` }
  const post = (path: string, body: unknown, more: Record<string, string | undefined> = {}): Promise<Answer> => {
    const all: Record<string, string | undefined> = { ...headers, ...more }
    const given = Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined))
    return ask(port, { method: 'POST', path, headers: given, body: typeof body === 'string' ? body : JSON.stringify(body) })
  }
  return {
    child,
    address,
    port,
    token,
    host,
    headers,
    ask: (method: string, path: string, more: Record<string, string> = {}) => ask(port, { method, path, headers: { Host: host, ...more } }),
    post,
    raw: (text: string, ms?: number) => raw(port, text, ms),
    /** What a method answers; undefined members of `more` leave a header out. */
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- parsed JSON, looked at by expectations
    call: async (method: string, params: unknown = {}): Promise<any> => JSON.parse((await post(`/api/${method}`, params)).text),
    head: async (): Promise<string> => (JSON.parse((await post('/api/Overview', {})).text) as { head: string }).head,
  }
}

type Message = {
  id?: number
  method?: string
  params?: unknown
  result?: unknown
  error?: { code: number; message: string; data: unknown }
}

/** `strata serve --stdio`: asks, and keeps all that is said. */
export const speaking = (box: Sandbox) => {
  const { store } = box
  const child = spawn(process.execPath, [box.program, '--store', store, ...box.chain, 'serve', '--stdio', '--quiet'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: box.dir,
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const said: Message[] = []
  const waiting = new Map<number, (message: Message) => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line) as Message
    said.push(message)
    if (typeof message.id === 'number') waiting.get(message.id)?.(message)
  })
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', resolve)
  })
  let last = 0
  const answer = (text: string, id: number): Promise<Message> =>
    new Promise((resolve) => {
      waiting.set(id, resolve)
      child.stdin.write(text)
    })
  const call = (method: string, params?: unknown): Promise<Message> => {
    last += 1
    return answer(`${JSON.stringify({ jsonrpc: '2.0', id: last, method, params })}\n`, last)
  }
  return {
    child,
    said,
    ended,
    call,
    /** The result of a call that must succeed. */
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- parsed JSON, looked at by expectations
    ok: async (method: string, params?: unknown): Promise<any> => {
      const { result, error } = await call(method, params)
      if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`)
      return result
    },
    write: (text: string): void => void child.stdin.write(text),
    end: (): Promise<number | null> => {
      child.stdin.end()
      return ended
    },
  }
}
