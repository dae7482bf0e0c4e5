import type { Failure } from './types.ts'

/** The server that this page came from. The token is in the fragment of its address: browsers send that to nobody. */
const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? ''

export const hasToken = token !== ''

/** An error as the server told it. */
class Refused extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

const LOST: Failure = {
  code: 'UNREACHABLE',
  message: 'The server does not answer any more.',
  hint: 'Start it again with strata serve, and open the address that it prints.',
}

const ask = async (path: string, init: RequestInit): Promise<Response> => {
  try {
    return await fetch(path, { ...init, headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` } })
  } catch {
    throw new Refused(LOST)
  }
}

/** Calls a method of the server. Throws Refused. */
export const call = async <T>(method: string, params: object = {}): Promise<T> => {
  const response = await ask(`/api/${method}`, { method: 'POST', body: JSON.stringify(params) })
  const answer = (await response.json()) as unknown
  if (response.ok) return answer as T
  throw new Refused((answer as { error: Failure }).error)
}

export const failureOf = (error: unknown): Failure =>
  error instanceof Refused ? error.failure : { code: 'UNEXPECTED', message: String(error), hint: 'Reload the page.' }

type Heard = { readonly event: string; readonly data: unknown }

const heard = (block: string): Heard | undefined => {
  const field = (name: string): string | undefined =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2)
  const [event, data] = [field('event'), field('data')]
  return event === undefined || data === undefined ? undefined : { event, data: JSON.parse(data) as unknown }
}

const listenOnce = async (tell: (heard: Heard) => void): Promise<void> => {
  const response = await ask('/events', {})
  if (!response.ok || response.body === null) throw new Refused(LOST)
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (rest + value).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const found = heard(block)
      if (found !== undefined) tell(found)
    }
  }
}

/** Hears of progress and changes for as long as the page is open; `connected` is told when that ends and begins again. */
export const listen = async (tell: (heard: Heard) => void, connected: (is: boolean) => void): Promise<never> => {
  for (;;) {
    try {
      connected(true)
      await listenOnce(tell)
    } catch {
      connected(false)
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 2000)
    })
  }
}
