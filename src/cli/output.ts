import { fromSystem, isStrataError, printable } from '../light.ts'

export const out = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

export const err = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

const colours = { red: 31, green: 32, yellow: 33, cyan: 36, bold: 1, dim: 2 } as const

const wantsColour = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb'

/** Text in a colour, on a terminal that wants it. */
export const paint = (colour: keyof typeof colours, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  wantsColour(stream) ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text

/** An error as people read it: what happened, then what to do. With `--json` as one document on stdout. */
export const fail = (cause: unknown, json: boolean): void => {
  // The start-up path has no library around it that names system errors.
  const error = fromSystem(cause)
  if (!isStrataError(error)) {
    err(`${paint('red', 'error', process.stderr)} unexpected: ${error.stack ?? error.message}`)
    if (json) out(JSON.stringify({ error: { code: 'UNEXPECTED', message: String(error) } }))
    return
  }
  if (json) out(JSON.stringify({ error }, null, 2))
  err(`${paint('red', 'error', process.stderr)} ${error.code}: ${printable(error.message)}`)
  if (error.hint !== '') err(`${paint('dim', 'hint', process.stderr)}  ${printable(error.hint)}`)
}

const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB']

export const size = (bytes: number): string => {
  const unit = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** unit
  return unit === 0 ? `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}` : `${value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit] ?? ''}`
}

export const plural = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
