import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** NetMonitor's data as its builds of each schema version read and write it: whole files, truncated and written in place. */

export type Current = {
  readonly directory: string
  readonly schemaVersion: string
  readonly snapshot: string
  readonly readableBy: string[]
}

/** What an application reads at its start, and nothing else of the store. */
export const currentOf = (store: string): Current => {
  const current = JSON.parse(readFileSync(join(store, 'CURRENT'), 'utf8')) as Current
  return { ...current, directory: join(store, current.directory) }
}

type Values = Record<string, unknown>
type Day = Values & { results: Values[] }

const header = (version: string): Values => ({
  formatVersion: '1',
  schemaVersion: version,
  createdWith: 'NetMonitor',
  migrations: [{ version, description: 'written by the application' }],
})

/** One measurement, in the words of a schema version. */
const recordOf = (version: string, ts: number, ms: number): Values => {
  if (version === '1.0.0') return { ts, id: 'fd6a02b', ms, st: 0, err: null }
  const rest = { endpoint_id: 'fd6a02b', latency_ms: ms, status: 'success' }
  return version === '1.1.0' ? { timestamp: new Date(ts).toISOString(), ...rest } : { ts, ...rest }
}

const newDay = (version: string, date: string): Day | Values[] => {
  if (version === '1.0.0') return []
  // 2.x left the days as they were at 1.2.0.
  return { header: header(version === '1.1.0' ? '1.1.0' : '1.2.0'), date, results: [] }
}

const listOf = (day: Day | Values[]): Values[] => (Array.isArray(day) ? day : day.results)

const readDay = (directory: string, date: string): Values[] => {
  const path = join(directory, `data/${date}.json`)
  return existsSync(path) ? listOf(JSON.parse(readFileSync(path, 'utf8')) as Day | Values[]) : []
}

/** Reads the day, adds a record, and writes all of it back in place, as `os.WriteFile` does. */
export const appendRecord = (directory: string, version: string, date: string, ts: number, ms: number): void => {
  const path = join(directory, `data/${date}.json`)
  const day = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Day | Values[]) : newDay(version, date)
  listOf(day).push(recordOf(version, ts, ms))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, JSON.stringify(day, null, 2))
}

/** The latencies of all records of all days that are at least `from`: tests give each of their records one of its own. */
export const latenciesFrom = (directory: string, from: number): number[] =>
  readdirSync(join(directory, 'data'))
    .filter((name) => /^\d{4}-\d\d-\d\d\.json$/.test(name))
    .flatMap((name) => readDay(directory, name.slice(0, -'.json'.length)))
    .map((record) => Number(record.ms ?? record.latency_ms))
    .filter((ms) => ms >= from)
    .sort((a, b) => a - b)
