import { timingSafeEqual } from 'node:crypto'

/**
 * Who may speak to the server. Loopback is no authentication: pages of other origins, other users and other programs reach it too.
 * Pure functions of what a request says; they come before any routing.
 */

export type Asked = {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
}

export type Refusal = { readonly status: number; readonly message: string }

/** All values that a request gives for a header: Node keeps the first of two Hosts, and joins others. */
const valuesOf = ({ rawHeaders }: Asked, name: string): string[] =>
  rawHeaders.flatMap((text, i) => (i % 2 === 0 && text.toLowerCase() === name ? [rawHeaders[i + 1] ?? ''] : []))

const refuse = (status: number, message: string): Refusal => ({ status, message })

/** One Host, and it is ours: a name that an attacker had resolved to 127.0.0.1 is another. */
const hostRefusal = (asked: Asked, port: number): Refusal | undefined => {
  const hosts = valuesOf(asked, 'host')
  const [host] = hosts
  if (hosts.length === 1 && (host === `127.0.0.1:${port}` || host === `localhost:${port}`)) return undefined
  return refuse(403, 'this Host is not served here')
}

/** Browsers say where a request comes from. A link to the page may be anywhere; everything else is asked for by the page itself. */
const siteRefusal = (asked: Asked, isPage: boolean): Refusal | undefined => {
  const sites = valuesOf(asked, 'sec-fetch-site')
  if (sites.length === 0 || (sites.length === 1 && (sites[0] === 'same-origin' || sites[0] === 'none'))) return undefined
  const isLink = isPage && sites.length === 1 && valuesOf(asked, 'sec-fetch-mode').join() === 'navigate'
  const isFramed = valuesOf(asked, 'sec-fetch-dest').some((dest) => dest !== 'document')
  return isLink && !isFramed ? undefined : refuse(403, 'only the page itself may ask for this')
}

/** A foreign page can't give itself our origin. */
const originRefusal = (asked: Asked, host: string): Refusal | undefined => {
  const origins = valuesOf(asked, 'origin')
  return origins.length === 0 || (origins.length === 1 && origins[0] === `http://${host}`)
    ? undefined
    : refuse(403, 'this Origin is not served here')
}

/** What comes before routing; undefined where a request may go on. */
export const refusalOf = (asked: Asked, port: number): Refusal | undefined => {
  if (!asked.url.startsWith('/') || asked.url.startsWith('//')) return refuse(400, 'a path is needed')
  const host = valuesOf(asked, 'host')[0] ?? ''
  return hostRefusal(asked, port) ?? siteRefusal(asked, asked.url === '/' && asked.method === 'GET') ?? originRefusal(asked, host)
}

/** `Authorization: Bearer TOKEN`, once; compared in a time that tells nothing. */
export const hasToken = (asked: Asked, token: string): boolean => {
  const [value = '', ...more] = valuesOf(asked, 'authorization')
  const given = Buffer.from(value)
  const wanted = Buffer.from(`Bearer ${token}`)
  return more.length === 0 && given.length === wanted.length && timingSafeEqual(given, wanted)
}

/** What a message, which may change something, has to say besides: a program says it as the page's browser does. */
export const postRefusal = (asked: Asked): Refusal | undefined => {
  const [type = '', ...more] = valuesOf(asked, 'content-type')
  if (more.length > 0 || !/^application\/json(; ?charset=utf-8)?$/i.test(type)) return refuse(415, 'application/json is needed')
  if (valuesOf(asked, 'content-encoding').length > 0) return refuse(415, 'no Content-Encoding is understood')
  const isOwn = valuesOf(asked, 'origin').length === 1 && valuesOf(asked, 'sec-fetch-site').join() === 'same-origin'
  return isOwn ? undefined : refuse(403, 'a POST needs the Origin of this server, and Sec-Fetch-Site: same-origin')
}
