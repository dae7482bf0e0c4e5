import { fromSystem, isStrataError, printable } from '../light.ts'

export const out = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

export const err = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

/** Whoever reads may stop (`strata history | head`); what is being done goes on all the same. */
export const forgiveReaders = (): void => {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
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

/** With --verbose, times and sizes are exact. */
const display = { exact: false }
export const showExact = (exact: boolean): void => {
  display.exact = exact
}

const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB']

export const size = (bytes: number): string => {
  if (display.exact) return `${bytes.toLocaleString('en-US')} ${bytes === 1 ? 'byte' : 'bytes'}`
  const unit = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** unit
  return unit === 0 ? `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}` : `${value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit] ?? ''}`
}

export const plural = (n: number, noun: string, many = `${noun}s`): string => `${n} ${n === 1 ? noun : many}`

const AGES = [
  [60, 's'],
  [60, 'min'],
  [24, 'h'],
  [30, 'd'],
] as const

/** A time as people think of it on a terminal (`5 min ago`), the exact one with --verbose, for programs, and when it is long ago. */
export const when = (at: string, now = Date.now()): string => {
  const exact = at.replace('T', ' ').slice(0, 19)
  let age = Math.floor((now - Date.parse(at)) / 1000)
  if (display.exact || !process.stdout.isTTY || !(age >= 0)) return exact
  for (const [limit, unit] of AGES) {
    if (age < limit) return age === 0 && unit === 's' ? 'just now' : `${age} ${unit} ago`
    age = Math.floor(age / limit)
  }
  return exact.slice(0, 10)
}

const ESCAPE = '\u001b['

/** Cuts a line to the terminal's width, colours not counted; elsewhere it stays as it is. */
export const fit = (line: string, width = process.stdout.isTTY ? process.stdout.columns : 0): string => {
  if (!(width > 0)) return line
  const [first = '', ...coloured] = line.split(ESCAPE)
  // After an escape comes a number and an m, which take no room.
  const parts = [
    { mark: '', text: first },
    ...coloured.map((p) => ({ mark: `${ESCAPE}${p.slice(0, p.indexOf('m') + 1)}`, text: p.slice(p.indexOf('m') + 1) })),
  ]
  if (parts.reduce((sum, { text }) => sum + text.length, 0) <= width) return line
  let room = width - 1
  const kept = parts.map(({ mark, text }) => {
    const piece = text.slice(0, Math.max(0, room))
    room -= text.length
    return `${mark}${piece}`
  })
  return `${kept.join('')}…`
}
