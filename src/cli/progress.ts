import type { App, LogEntry, MigrationProgress } from '../index.ts'
import { printable } from '../index.ts'
import { err, paint, size } from './output.ts'
import type { Parsed } from './parse.ts'

const WIDTH = 24
const REDRAW_MS = 80

const clear = (): void => {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
}

/** Log lines go to stderr as they happen; those of a step name it. With --json each is a JSON document of one line. */
export const logger =
  (quiet: boolean, json = false) =>
  (entry: LogEntry): void => {
    if (quiet && entry.level !== 'error') return
    if (json) {
      err(JSON.stringify({ log: entry }))
      return
    }
    clear()
    const where = [entry.step, entry.file].filter((part) => part !== null && part !== '').join(' ')
    const mark =
      entry.level === 'info'
        ? paint('dim', 'info', process.stderr)
        : paint(entry.level === 'error' ? 'red' : 'yellow', entry.level, process.stderr)
    err(`${mark} ${where === '' ? '' : `${printable(where)}: `}${printable(entry.message)}`)
  }

const bar = (p: MigrationProgress): string => {
  const share = p.bytesTotal === 0 ? 0 : Math.min(1, p.bytesDone / p.bytesTotal)
  const full = Math.round(share * WIDTH)
  const rate = p.elapsedSeconds > 0.2 ? `, ${size(p.bytesDone / p.elapsedSeconds)}/s` : ''
  const left = p.remainingSeconds === null ? '' : `, ${Math.ceil(p.remainingSeconds)} s left`
  const steps = p.step === null ? '' : ` to ${p.step.version}`
  return `${p.phase}${steps} [${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${p.filesDone}/${p.filesTotal} files, ${size(p.bytesDone)}${rate}${left}`
}

/** Phases worth a line of their own: a backup with nothing to do after it is not. */
const TOLD: readonly string[] = ['migrating', 'verifying', 'activating']

const JSON_MS = 250

/** A line of JSON whenever the phase or the step changes, and four times a second. */
const reportProgress = (app: App): (() => void) => {
  let [told, place] = [0, '']
  return app.onProgress((progress) => {
    const now = `${progress.phase} ${progress.step?.index ?? ''}`
    if (now === place && Date.now() - told < JSON_MS) return
    told = Date.now()
    place = now
    err(JSON.stringify({ progress }))
  })
}

/** A bar on a terminal, a line for each phase elsewhere, lines of JSON with --json, nothing with --quiet. Returns what ends it. */
export const showProgress = (app: App, { flags }: Parsed): (() => void) => {
  if (flags.quiet === true) return () => undefined
  if (flags.json === true) return reportProgress(app)
  let [drawn, phase] = [0, '']
  const stop = app.onProgress((p) => {
    if (!process.stderr.isTTY) {
      if (p.phase !== phase && TOLD.includes(p.phase)) err(`${p.phase} …`)
      phase = p.phase
      return
    }
    const now = Date.now()
    if (p.phase === phase && now - drawn < REDRAW_MS && p.filesDone < p.filesTotal) return
    drawn = now
    phase = p.phase
    clear()
    if (TOLD.includes(p.phase)) process.stderr.write(bar(p).slice(0, (process.stderr.columns || 80) - 1))
  })
  return () => {
    stop()
    clear()
  }
}
