import { StrataError } from '../index.ts'
import { openApiDocument, schemaDocument, serveHttp, serveStdio } from '../server/index.ts'
import { err, out } from './output.ts'
import type { Run } from './run.ts'
import { text } from './run.ts'

const portOf = (value: string | undefined): number => {
  const port = Number(value ?? 0)
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return port
  throw new StrataError('BAD_ARGUMENT', `--port needs a number up to 65535, not ${value ?? ''}`)
}

const onUnexpected = (error: unknown): void => {
  err(`unexpected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
}

/** Until Ctrl-C, or whoever started it ends it. */
const untilStopped = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        resolve()
      })
  })

const page = async ({ app, parsed, json }: Run): Promise<void> => {
  const serving = await serveHttp(app, { port: portOf(text(parsed.flags.port)), version: STRATA_VERSION, onUnexpected })
  const { address, port, token } = serving
  // Before anybody can know of it.
  const stopped = untilStopped()
  out(json ? JSON.stringify({ address, port, token }) : address)
  if (!json) err('Open this address in a browser. It is good until this command ends: Ctrl-C')
  await stopped
  app.cancelMigration()
  await app.idle()
  await serving.close()
}

export const serveCommand = async (run: Run): Promise<number> => {
  const { flags } = run.parsed
  if (flags.openapi === true) out(JSON.stringify(openApiDocument(STRATA_VERSION), null, 2))
  else if (flags.schema === true) out(JSON.stringify(schemaDocument(), null, 2))
  else if (flags.stdio === true) await serveStdio(run.app, { input: process.stdin, output: process.stdout, onUnexpected })
  else await page(run)
  return 0
}
