import { randomBytes } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { App } from '../index.ts'
import { openApiDocument, schemaDocument } from './documents.ts'
import { openFeed } from './feed.ts'
import type { Asked, Refusal } from './guard.ts'
import { hasToken, postRefusal, refusalOf } from './guard.ts'
import { METHODS } from './methods.ts'
import { PAGE } from './page.ts'
import type { Response, Rpc } from './rpc.ts'
import { answer, parseMessage, respond } from './rpc.ts'

/** The same over HTTP, for a page and for programs on this machine. What may ask is in guard.ts. */

const MOST_BODY = 64 * 1024
const MOST_CONNECTIONS = 64
const MOST_FEEDS = 8
const SECONDS = 1000
/** A reader of a feed that is this far behind has stopped reading. */
const MOST_BEHIND = 1024 * 1024
const BEAT_MS = 15 * SECONDS

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
}

type Exchange = { readonly asked: Asked; readonly request: IncomingMessage; readonly response: ServerResponse }

const send = ({ asked, response }: Exchange, status: number, type: string, body: string): void => {
  response.writeHead(status, { ...HEADERS, 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  response.end(asked.method === 'HEAD' ? '' : body)
}

const sendJson = (exchange: Exchange, status: number, value: unknown): void => {
  send(exchange, status, 'application/json; charset=utf-8', JSON.stringify(value))
}

const REFUSAL_CODES: Readonly<Record<number, string>> = { 401: 'NO_TOKEN', 404: 'ABSENT', 413: 'TOO_LONG', 428: 'HEAD_NEEDED' }

const refuse = (exchange: Exchange, { status, message }: Refusal): void => {
  // What is left of the request is not read.
  if (!exchange.request.complete) exchange.response.setHeader('Connection', 'close')
  sendJson(exchange, status, { error: { code: REFUSAL_CODES[status] ?? 'REFUSED', message, hint: '', data: {} } })
}

/** The whole body, or undefined where it is longer than any request may be. */
const bodyOf = async (request: IncomingMessage): Promise<string | undefined> => {
  const parts: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    // Nobody sets an encoding on it.
    parts.push(chunk as Buffer)
    length += (chunk as Buffer).length
    if (length > MOST_BODY) return undefined
  }
  return Buffer.concat(parts).toString('utf8')
}

const STATUS: Readonly<Record<string, number>> = {
  BAD_ARGUMENT: 400,
  HEAD_NEEDED: 428,
  ABSENT: 404,
  NO_STORE: 404,
  STALE: 409,
  LOCKED: 409,
  CONFLICT: 409,
  EXISTS: 409,
  DATA_WRITTEN_SINCE: 409,
  NEEDS_NEWER_VERSION: 409,
  NO_SPACE: 507,
  UNEXPECTED: 500,
}

const codeOf = (data: unknown): string =>
  typeof data === 'object' && data !== null && 'code' in data && typeof data.code === 'string' ? data.code : 'REFUSED'

/** One answer's status tells what a batch's can't. */
const statusOf = (answered: Response | readonly Response[] | undefined): number => {
  if (answered === undefined) return 202
  if (!('error' in answered)) return 200
  return answered.error.data === undefined ? 400 : (STATUS[codeOf(answered.error.data)] ?? 422)
}

export type HttpOptions = {
  readonly port: number
  readonly version: string
  readonly onUnexpected: (error: unknown) => void
}

/** A server that runs. `address` opens the page: it holds the token, in a part that browsers send to nobody. */
export type Serving = { readonly port: number; readonly token: string; readonly address: string; readonly close: () => Promise<void> }

class HttpServer {
  readonly token = randomBytes(32).toString('base64url')
  readonly #rpc: Rpc
  readonly #version: string
  readonly #feeds = new Set<() => void>()
  readonly #server: Server
  #port = 0

  constructor(app: App, { version, onUnexpected }: HttpOptions) {
    this.#rpc = { app, onUnexpected, mustNameHead: true }
    this.#version = version
    this.#server = createServer(
      { maxHeaderSize: 16 * 1024, headersTimeout: 10 * SECONDS, requestTimeout: 10 * SECONDS, connectionsCheckingInterval: SECONDS },
      (request, response) => void this.#take(request, response),
    )
    this.#server.maxConnections = MOST_CONNECTIONS
    this.#server.keepAliveTimeout = 5 * SECONDS
    this.#server.on('clientError', (_error, socket) => {
      socket.destroy()
    })
  }

  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', () => {
        const address = this.#server.address()
        this.#port = typeof address === 'object' && address !== null ? address.port : port
        resolve(this.#port)
      })
    })
  }

  async close(): Promise<void> {
    for (const end of this.#feeds) end()
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve()
      })
      this.#server.closeAllConnections()
    })
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = { asked: { method: request.method ?? '', url: request.url ?? '', rawHeaders: request.rawHeaders }, request, response }
    try {
      const refusal = refusalOf(exchange.asked, this.#port)
      if (refusal !== undefined) refuse(exchange, refusal)
      else await this.#route(exchange)
    } catch (error) {
      // Whoever hung up is no mistake of ours.
      if (request.destroyed || response.destroyed) return
      this.#rpc.onUnexpected(error)
      if (response.headersSent) response.destroy()
      else refuse(exchange, { status: 500, message: 'something unexpected happened; the log tells what' })
    }
  }

  /** Fixed paths, nothing else: no path of a request becomes one of a file. */
  async #route(exchange: Exchange): Promise<void> {
    const { method, url } = exchange.asked
    const asset = Object.hasOwn(PAGE, url) ? PAGE[url] : undefined
    if (asset !== undefined) {
      if (method === 'GET' || method === 'HEAD') send(exchange, 200, asset.type, asset.text)
      else refuse(exchange, { status: 405, message: 'only GET' })
    } else if (!hasToken(exchange.asked, this.token))
      refuse(exchange, { status: 401, message: 'open the address that strata serve printed' })
    else if (method === 'GET') this.#get(exchange, url)
    else if (method === 'POST') await this.#post(exchange, url)
    else refuse(exchange, { status: 405, message: 'only GET and POST' })
  }

  #get(exchange: Exchange, url: string): void {
    if (url === '/events') this.#feed(exchange)
    else if (url === '/openapi.json') sendJson(exchange, 200, openApiDocument(this.#version))
    else if (url === '/schema.json') sendJson(exchange, 200, schemaDocument())
    else refuse(exchange, { status: 404, message: 'there is nothing here' })
  }

  async #post(exchange: Exchange, url: string): Promise<void> {
    const refusal = postRefusal(exchange.asked)
    if (refusal !== undefined) {
      refuse(exchange, refusal)
      return
    }
    const name = url.startsWith('/api/') ? url.slice('/api/'.length) : undefined
    if (url !== '/rpc' && (name === undefined || !Object.hasOwn(METHODS, name))) {
      refuse(exchange, { status: 404, message: 'there is nothing here' })
      return
    }
    const body = await bodyOf(exchange.request)
    if (body === undefined) refuse(exchange, { status: 413, message: `a request has at most ${MOST_BODY} bytes` })
    else if (name === undefined) this.#answer(exchange, await respond(this.#rpc, body))
    else await this.#call(exchange, name, body)
  }

  #answer(exchange: Exchange, answered: Response | readonly Response[] | undefined): void {
    sendJson(exchange, statusOf(answered), answered ?? null)
  }

  async #call(exchange: Exchange, name: string, body: string): Promise<void> {
    const parsed = parseMessage(body === '' ? '{}' : body)
    if (parsed === undefined) {
      refuse(exchange, { status: 400, message: 'this is no JSON' })
      return
    }
    const answered = await answer(this.#rpc, { id: 0, method: name, params: parsed.value })
    if ('result' in answered) {
      sendJson(exchange, 200, answered.result)
      return
    }
    const { message, data } = answered.error
    sendJson(exchange, statusOf(answered), { error: { message, ...(data ?? { code: 'BAD_ARGUMENT', hint: '', data: {} }) } })
  }

  /** Server-sent events. They end with the connection. */
  #feed(exchange: Exchange): void {
    const { response } = exchange
    if (this.#feeds.size >= MOST_FEEDS) {
      refuse(exchange, { status: 503, message: 'too many listen already' })
      return
    }
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' })
    const write = (text: string): void => {
      if (response.writableLength > MOST_BEHIND) response.destroy()
      else response.write(text)
    }
    const close = openFeed(this.#rpc.app, ({ method, params }) => {
      write(`event: ${method}\ndata: ${JSON.stringify(params)}\n\n`)
    })
    const beat = setInterval(() => {
      write(':\n\n')
    }, BEAT_MS)
    const end = (): void => {
      close()
      clearInterval(beat)
      this.#feeds.delete(end)
    }
    this.#feeds.add(end)
    response.on('close', end)
    write(':\n\n')
  }
}

/** Serves a store on 127.0.0.1, on a port that is free unless one is named. Throws BAD_ARGUMENT where the port is taken. */
export const serveHttp = async (app: App, options: HttpOptions): Promise<Serving> => {
  const server = new HttpServer(app, options)
  const port = await server.listen(options.port)
  const { token } = server
  return {
    port,
    token,
    address: `http://127.0.0.1:${port}/#token=${token}`,
    close: () => server.close(),
  }
}
