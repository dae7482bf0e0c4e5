import type { Readable, Writable } from 'node:stream'
import type { App } from '../index.ts'
import { openFeed } from './feed.ts'
import { respond, tooLong } from './rpc.ts'

/** A message may be as long as this; what is longer is skipped to its end. */
const MOST_BYTES = 1024 * 1024
/** Requests under way; more wait in the pipe. */
const MOST_AT_ONCE = 64

export type StdioOptions = {
  readonly input: Readable
  readonly output: Writable
  readonly onUnexpected: (error: unknown) => void
}

const LINE_FEED = 10

/** The lines of a stream; undefined for one that is too long. */
async function* linesOf(input: Readable): AsyncGenerator<string | undefined> {
  let parts: Buffer[] = []
  let length = 0
  for await (const chunk of input) {
    // Nobody sets an encoding on it.
    let rest = chunk as Buffer
    for (let end = rest.indexOf(LINE_FEED); end >= 0; end = rest.indexOf(LINE_FEED)) {
      parts.push(rest.subarray(0, end))
      yield length + end > MOST_BYTES ? undefined : Buffer.concat(parts).toString('utf8')
      parts = []
      length = 0
      rest = rest.subarray(end + 1)
    }
    length += rest.length
    // Of what is too long nothing is kept.
    parts = length > MOST_BYTES ? [] : [...parts, rest]
  }
  if (length > 0) yield length > MOST_BYTES ? undefined : Buffer.concat(parts).toString('utf8')
}

/**
 * JSON-RPC on two streams, one message a line, until the input ends: what was asked for is still answered, a job that nobody waits
 * for is cancelled. Answers come as they are ready, not in the order of the requests. Where nobody reads any more, all is cancelled.
 */
export const serveStdio = async (app: App, { input, output, onUnexpected }: StdioOptions): Promise<void> => {
  const under = new Set<Promise<void>>()
  const reader = { isGone: false }
  const gone = (): void => {
    reader.isGone = true
    app.cancelMigration()
    input.destroy()
  }
  output.on('error', gone)
  const say = (message: unknown): void => {
    if (!reader.isGone) output.write(`${JSON.stringify(message)}\n`)
  }
  const closeFeed = openFeed(app, (notice) => {
    say({ jsonrpc: '2.0', ...notice })
  })
  const rpc = { app, onUnexpected, mustNameHead: false }
  const take = async (line: string | undefined): Promise<void> => {
    const response = line === undefined ? tooLong(MOST_BYTES) : await respond(rpc, line)
    if (response !== undefined) say(response)
  }
  try {
    for await (const line of linesOf(input)) {
      if (line?.trim() === '') continue
      const taken = take(line).finally(() => under.delete(taken))
      under.add(taken)
      if (under.size >= MOST_AT_ONCE) await Promise.race(under)
    }
  } catch (error) {
    if (!reader.isGone) onUnexpected(error)
  } finally {
    await Promise.allSettled(under)
    app.cancelMigration()
    await app.idle()
    closeFeed()
    output.removeListener('error', gone)
  }
}
