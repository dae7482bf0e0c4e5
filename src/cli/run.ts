import type { App, Difference } from '../index.ts'
import { StrataError, printable } from '../index.ts'
import { out, paint } from './output.ts'
import type { Parsed } from './parse.ts'

/** One call of the command line. */
export type Run = { readonly app: App; readonly parsed: Parsed; readonly json: boolean; readonly root: string }

export const text = (value: string | boolean | undefined): string | undefined => (typeof value === 'string' ? value : undefined)

/** One JSON document, or lines for people. */
export const print = ({ json }: Run, value: unknown, lines: readonly string[]): void => {
  out(json ? JSON.stringify(value, null, 2) : lines.join('\n'))
}

export const differenceText = ({ path, change }: Difference): string =>
  `  ${paint(change === 'removed' ? 'red' : change === 'added' ? 'green' : 'yellow', change.padEnd(8))} ${printable(path)}`

/** A count from the command line; undefined where it was not given. `example`: how it is used. */
export const count = (run: Run, name: string, example: string, unit = 1): number | undefined => {
  const given = text(run.parsed.flags[name])
  if (given === undefined) return undefined
  const value = Number(given) * unit
  if (given.trim() !== '' && Number.isSafeInteger(value) && value >= 0) return value
  throw new StrataError('BAD_ARGUMENT', `--${name} is ${printable(given)}, not a whole number of 0 or more`, {
    hint: `For example: ${example}`,
  })
}
