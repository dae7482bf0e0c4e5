import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { METHODS } from '../../src/server/methods.ts'
import { captured, upgraded } from '../support/sandbox.ts'
import { serving } from '../support/server.ts'
import { contents } from '../support/tree.ts'

/** The rules of who may speak to a server on loopback: browsers of foreign pages, other programs, and broken or slow clients may not. */

const GET = (path: string, ...lines: string[]): string => [`GET ${path} HTTP/1.1`, ...lines, 'Connection: close', '', ''].join('\r\n')

describe('strata serve', () => {
  it('answers its page, the methods and the documents to whoever has the token', async () => {
    const server = await serving(upgraded())
    expect(server.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{43}$/)
    expect((await server.ask('GET', '/')).status).toBe(200)
    expect(await server.call('CheckMigrationsNeeded')).toMatchObject({ state: 'up-to-date', currentVersion: '2.2.0' })
    const rpc = await server.post('/rpc', { jsonrpc: '2.0', id: 'a', method: 'CheckMigrationsNeeded' })
    expect(JSON.parse(rpc.text)).toMatchObject({ id: 'a', result: { needed: false } })
    const token = { Authorization: `Bearer ${server.token}` }
    const openapi = JSON.parse((await server.ask('GET', '/openapi.json', token)).text) as { paths: object; openapi: string }
    expect(openapi.openapi).toBe('3.1.0')
    expect(Object.keys(openapi.paths)).toEqual(Object.keys(METHODS).map((name) => `/api/${name}`))
    const schema = JSON.parse((await server.ask('GET', '/schema.json', token)).text) as { $defs: object }
    for (const name of Object.keys(METHODS)) expect(schema.$defs).toHaveProperty([`${name}.params`])
  })

  it('ends with a signal, cleanly', async () => {
    const { child } = await serving(captured())
    const ended = once(child, 'exit')
    child.kill('SIGINT')
    expect((await ended)[0]).toBe(0)
  })

  it('listens on loopback alone', async () => {
    const server = await serving(captured())
    const listening = await import('node:os').then(({ networkInterfaces }) =>
      Object.values(networkInterfaces())
        .flat()
        .find((i) => i !== undefined && !i.internal && i.family === 'IPv4'),
    )
    if (listening === undefined) return
    const reached = await fetch(`http://${listening.address}:${server.port}/`).then(
      () => true,
      () => false,
    )
    expect(reached).toBe(false)
  })
})

describe('the Host', () => {
  it('is one, and ours; everything else is refused before anything is looked for', async () => {
    const server = await serving(captured())
    const { port, host } = server
    const status = async (text: string): Promise<string> => (await server.raw(text)).slice(0, 12)
    expect(await status(GET('/', `Host: ${host}`))).toBe('HTTP/1.1 200')
    expect(await status(GET('/', `Host: localhost:${port}`))).toBe('HTTP/1.1 200')
    for (const forged of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port + 1}`,
      `127.0.0.1:${port}.evil.example`,
      '',
    ])
      expect(await status(GET('/', `Host: ${forged}`))).toBe('HTTP/1.1 403')
    expect(await status(GET('/', `Host: ${host}`, `Host: ${host}`))).toBe('HTTP/1.1 403')
    expect(await status(GET('/', `Host: ${host}`, 'Host: evil.example'))).toBe('HTTP/1.1 403')
    expect(await status(GET('/'))).toMatch(/^HTTP\/1\.1 40[03]$/)
    expect(await status('GET / HTTP/1.0\r\n\r\n')).toBe('HTTP/1.1 403')
    expect(await status(GET('http://evil.example/', `Host: ${host}`))).toBe('HTTP/1.1 400')
    expect(await status(GET(`//${host}/`, `Host: ${host}`))).toBe('HTTP/1.1 400')
  })
})

describe('the token', () => {
  it('is needed for everything but the page itself, in a header, once', async () => {
    const server = await serving(captured())
    for (const path of ['/events', '/openapi.json', '/schema.json', '/nothing']) expect((await server.ask('GET', path)).status).toBe(401)
    expect((await server.ask('GET', `/openapi.json?token=${server.token}`)).status).toBe(401)
    for (const wrong of [undefined, '', 'Bearer ', 'Bearer x', `Basic ${server.token}`, `Bearer ${server.token}x`, server.token])
      expect((await server.post('/api/Overview', {}, { Authorization: wrong })).status).toBe(401)
    const twice = `Authorization: Bearer ${server.token}`
    expect(await server.raw(GET('/openapi.json', `Host: ${server.host}`, twice, twice))).toMatch(/^HTTP\/1\.1 401/)
  })

  it('is another one in every run, and never in what is logged or answered', async () => {
    const box = captured()
    const server = await serving(box)
    const other = await serving(box)
    expect(other.token).not.toBe(server.token)
    let said = ''
    server.child.stderr?.on('data', (part: Buffer) => (said += part.toString('utf8')))
    const texts = [await server.ask('GET', '/'), await server.post('/api/Overview', {}), await server.post('/api/X', {})].map((a) => a.text)
    expect([said, ...texts].join('')).not.toContain(server.token)
  })
})

describe('another page', () => {
  it('may not ask, whatever it sends along', async () => {
    const box = captured()
    const server = await serving(box)
    const before = contents(box.store)
    const expectedHead = await server.head()
    const change = (more: Record<string, string | undefined>) => server.post('/api/StartMigration', { expectedHead }, more)
    for (const more of [
      { Origin: undefined },
      { Origin: 'null' },
      { Origin: 'http://evil.example' },
      { Origin: `http://127.0.0.1:${server.port + 1}` },
      { Origin: `https://${server.host}` },
      { 'Sec-Fetch-Site': undefined },
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { 'Sec-Fetch-Site': 'none' },
    ])
      expect([more, (await change(more)).status]).toEqual([more, 403])
    for (const type of [
      undefined,
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/json, text/plain',
    ])
      expect([type, (await change({ 'Content-Type': type })).status]).toEqual([type, 415])
    expect(contents(box.store)).toEqual(before)
  })

  it('gets no permission by asking for one, and may not frame or fetch the page', async () => {
    const server = await serving(captured())
    const preflight = await server.ask('OPTIONS', '/api/StartMigration', {
      Origin: 'http://evil.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,content-type',
    })
    expect(preflight.status).toBe(403)
    const answers = [preflight, await server.ask('GET', '/'), await server.post('/api/Overview', {}), await server.post('/api/X', {})]
    for (const { headers } of answers) {
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'content-security-policy':
          "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
      })
      expect(headers).not.toHaveProperty('set-cookie')
    }
    const framed = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe' }
    expect((await server.ask('GET', '/', framed)).status).toBe(403)
    expect((await server.ask('GET', '/', { ...framed, 'Sec-Fetch-Dest': 'document' })).status).toBe(200)
    expect((await server.ask('GET', '/page.js', { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' })).status).toBe(403)
  })
})

describe('a change', () => {
  it('needs the head that it rests on', async () => {
    const box = captured()
    const server = await serving(box)
    const answer = await server.post('/api/StartMigration', {})
    expect(answer.status).toBe(428)
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'HEAD_NEEDED' } })
    const rpc = await server.post('/rpc', { jsonrpc: '2.0', id: 1, method: 'StartMigration' })
    expect(rpc.status).toBe(428)
    const batch = await server.post('/rpc', [{ jsonrpc: '2.0', id: 1, method: 'StartMigration' }])
    expect(batch.text).toContain('HEAD_NEEDED')
    expect(box.current().schemaVersion).toBe('1.0.0')
  })

  it('of a page that is behind is a 409, and changes nothing', async () => {
    const box = captured()
    const server = await serving(box)
    const expectedHead = await server.head()
    writeFileSync(join(box.active(), 'config.json'), '{"regions":{},"settings":{}}')
    box.ok('checkpoint')
    const answer = await server.post('/api/StartMigration', { expectedHead })
    expect(answer.status).toBe(409)
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'STALE' } })
    expect(box.current().schemaVersion).toBe('1.0.0')
    const job = await server.call('StartMigration', { expectedHead: await server.head() })
    expect(await server.call('WaitForJob', { id: job.id })).toMatchObject({ status: 'completed' })
  })

  it('cannot be smuggled into the params of another method', async () => {
    const box = captured()
    const server = await serving(box)
    const answer = await server.post('/api/Overview', '{},"method":"StartMigration","params":{}')
    expect(answer.status).toBe(400)
    expect(box.current().schemaVersion).toBe('1.0.0')
  })
})

describe('limits', () => {
  it('a body of more than 64 KiB is refused, told or not', async () => {
    const server = await serving(captured())
    expect((await server.post('/api/Overview', `"${'x'.repeat(65 * 1024)}"`)).status).toBe(413)
    const lines = Object.entries(server.headers).map(([name, value]) => `${name}: ${value}`)
    const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`
    const got = await server.raw(
      ['POST /api/Overview HTTP/1.1', ...lines, 'Transfer-Encoding: chunked', '', chunk + chunk + chunk].join('\r\n'),
    )
    expect(got).toMatch(/^HTTP\/1\.1 413/)
  })

  it('paths are what they are: nothing leads anywhere else', async () => {
    const server = await serving(captured())
    const token = `Authorization: Bearer ${server.token}`
    const paths = [
      '/%2e%2e/package.json',
      '/../package.json',
      '/..%2fpackage.json',
      '/page.js/../../CURRENT',
      '/CURRENT',
      '/api/../CURRENT',
      '/__proto__',
      '/constructor',
      '/page.js%00',
      '/?x=1',
    ]
    for (const path of paths) {
      const got = await server.raw(GET(path, `Host: ${server.host}`, token))
      expect([path, got.slice(0, 12)]).toEqual([path, 'HTTP/1.1 404'])
    }
    for (const name of ['toString', '__proto__', '../Overview', 'Overview/', 'Overview?x'])
      expect((await server.post(`/api/${name}`, {})).status).toBe(404)
  })

  it('whoever is too slow is cut off after ten seconds, and keeps nobody else waiting', async () => {
    const server = await serving(captured())
    const headers = server.raw('GET / HTTP/1.1\r\nHost: x\r\n', 15_000)
    const lines = Object.entries(server.headers).map(([name, value]) => `${name}: ${value}`)
    const body = server.raw(['POST /api/Overview HTTP/1.1', ...lines, 'Content-Length: 100', '', '{'].join('\r\n'), 15_000)
    expect((await server.ask('GET', '/')).status).toBe(200)
    const began = performance.now()
    const [first, second] = await Promise.all([headers, body])
    // Cut off by the server, not by the test's own patience.
    expect(performance.now() - began).toBeLessThan(14_500)
    for (const got of [first, second]) expect(got).not.toMatch(/^HTTP\/1\.1 200/)
    expect((await server.ask('GET', '/')).status).toBe(200)
  })

  it('listens to so many and no more', async () => {
    const server = await serving(captured())
    const listen = () => server.raw(GET('/events', `Host: ${server.host}`, `Authorization: Bearer ${server.token}`), 2500)
    const got = await Promise.all(Array.from({ length: 12 }, listen))
    expect(got.filter((text) => text.startsWith('HTTP/1.1 200'))).toHaveLength(8)
    expect(got.filter((text) => text.startsWith('HTTP/1.1 503'))).toHaveLength(4)
    // Those have hung up: there is room again.
    expect(await listen()).toMatch(/^HTTP\/1\.1 200/)
  })
})

describe('server-sent events', () => {
  it('tell of progress, and of what another process changes', async () => {
    const box = captured()
    const server = await serving(box)
    const listening = server.raw(GET('/events', `Host: ${server.host}`, `Authorization: Bearer ${server.token}`), 5000)
    const job = await server.call('StartMigration', { expectedHead: await server.head() })
    await server.call('WaitForJob', { id: job.id })
    const got = await listening
    expect(got).toContain('event: progress')
    expect(got).toContain('"phase":"migrating"')
    expect(got).toContain('event: changed')
  })
})
