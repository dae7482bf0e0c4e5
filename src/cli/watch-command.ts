import type { WatchEvent } from '../index.ts'
import { StrataError, printable } from '../index.ts'
import { out, paint, plural } from './output.ts'
import type { Run } from './run.ts'
import { text } from './run.ts'

/** `watch`: a line for each thing that happens, until it is stopped. */

const MOST_LISTED = 5

const files = (paths: readonly string[]): string =>
  `${paths.slice(0, MOST_LISTED).map(printable).join(', ')}${paths.length > MOST_LISTED ? ` and ${plural(paths.length - MOST_LISTED, 'more file')}` : ''}`

const sentence = (event: WatchEvent): string => {
  switch (event.type) {
    case 'switched':
      return `${paint('bold', 'active')}      ${event.directory} (${event.schemaVersion})`
    case 'changed':
      return `changed     ${files(event.files)}`
    case 'legacy':
      return `older files ${files(event.files)} in ${printable(event.directory)}`
    case 'checkpoint':
      return `committed   ${plural(event.files.length, 'file')} (${event.commit.slice(0, 10)})${event.late.length > 0 ? `, ${plural(event.late.length, 'file')} carried over` : ''}`
    case 'polling':
      return `no notices of changes (${printable(event.why)}): looking every two seconds`
    case 'error':
      return paint('red', `${event.error.code}: ${printable(event.error.message)}`)
  }
}

const minutes = (value: string | undefined): number => {
  const parsed = Number(value ?? 5)
  if (!Number.isFinite(parsed) || parsed < 0) throw new StrataError('BAD_ARGUMENT', `--every needs a number of minutes, not ${value ?? ''}`)
  return parsed * 60_000
}

export const watchCommand = async ({ app, parsed, json }: Run): Promise<number> => {
  const everyMs = minutes(text(parsed.flags.every))
  const checkpoints = parsed.flags['no-checkpoint'] === true ? null : { everyMs, quietMs: Math.min(10_000, everyMs) }
  const onEvent = (event: WatchEvent): void => {
    out(json ? JSON.stringify({ at: new Date().toISOString(), ...event }) : `${new Date().toISOString().slice(11, 19)}  ${sentence(event)}`)
  }
  const watching = await app.watch({ onEvent, checkpoints })
  await new Promise<void>((resolve) => {
    // Something has to keep the process alive while nothing happens.
    const alive = setInterval(() => undefined, 60_000)
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        clearInterval(alive)
        resolve()
      })
  })
  await watching.close()
  return 0
}
