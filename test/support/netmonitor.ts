import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { COMPACT, v2_2 } from '../../migrations/schemas.ts'
import { GO_STYLE } from '../../src/core/json/index.ts'
import { codecOf } from '../../src/core/schema.ts'

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
  if (version === '2.2.0') return { ts, endpoint_id: 'fd6a02b', latency_ms: ms, st: 0 }
  const rest = { endpoint_id: 'fd6a02b', latency_ms: ms, status: 'success' }
  return version === '1.1.0' ? { timestamp: new Date(ts).toISOString(), ...rest } : { ts, ...rest }
}

const newDay = (version: string, date: string): Day | Values[] => {
  if (version === '1.0.0') return []
  // 2.0.0 and 2.1.0 left the days as they were at 1.2.0.
  return { header: header(version === '1.1.0' || version === '2.2.0' ? version : '1.2.0'), date, results: [] }
}

const listOf = (day: Day | Values[]): Values[] => (Array.isArray(day) ? day : day.results)

/** A day in either format. `file`: below the data directory, which is what tells the format. */
const readDay = (directory: string, file: string): Day | Values[] =>
  codecOf(v2_2.kinds.daily, file).read(readFileSync(join(directory, file)), 'go').value as Day | Values[]

/** Reads the day, adds a record, and writes all of it back in place, as `os.WriteFile` does. */
export const appendRecord = (directory: string, version: string, date: string, ts: number, ms: number): void => {
  const [plain, compact] = [`data/${date}.json`, `data/${date}${COMPACT}`]
  const file = existsSync(join(directory, compact)) ? compact : plain
  const path = join(directory, file)
  const day = existsSync(path) ? readDay(directory, file) : newDay(version, date)
  listOf(day).push(recordOf(version, ts, ms))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, codecOf(v2_2.kinds.daily, file).write({ value: day, spelling: null, style: GO_STYLE }, 'go'))
}

/** The latencies of all records of all days that are at least `from`: tests give each of their records one of its own. */
export const latenciesFrom = (directory: string, from: number): number[] =>
  readdirSync(join(directory, 'data'))
    .filter((name) => /^\d{4}-\d\d-\d\d\.(json|msgpack\.gz)$/.test(name))
    .flatMap((name) => listOf(readDay(directory, `data/${name}`)))
    .map((record) => Number(record.ms ?? record.latency_ms))
    .filter((ms) => ms >= from)
    .sort((a, b) => a - b)
