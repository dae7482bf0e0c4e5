import type { Arrangement } from '../src/index.ts'
import { entries, fromEntries, isObject, jsonText, jsonValue, numberOf } from '../src/index.ts'
import { hasExactly } from './members.ts'

/**
 * A day of records as columns, which compress to a fifth of what rows do. `ts` holds differences in record order, `endpoint` places
 * in `endpoints`. `error`, `utcOffset` and `extra` are sparse: by record number, as text. A record with members of its own, another
 * order of them, or a number whose text JavaScript would not write has an `extra`: its members in order, each with its JSON text
 * where the columns do not have it. The day's head has one in the same way.
 */

type Extra = readonly (readonly [name: string] | readonly [name: string, json: string])[]
type Sparse<T> = Record<string, T>
type Columns = {
  endpoints: string[]
  ts: number[]
  endpoint: number[]
  latency_ms: (number | null)[]
  st: number[]
  error: Sparse<string>
  utcOffset: Sparse<string>
  extra: Sparse<Extra>
}
type Row = { ts: unknown; utcOffset?: string; endpoint_id: string; latency_ms: unknown; st: unknown; error?: string }

const USUAL = ['ts', 'endpoint_id', 'latency_ms', 'st']
const USUAL_WITH_OFFSET = ['ts', 'utcOffset', 'endpoint_id', 'latency_ms', 'st']
const NUMBERS = ['ts', 'latency_ms', 'st']
const IN_COLUMNS = [...USUAL_WITH_OFFSET, 'error']
const HEAD = ['header', 'date', 'utcOffset', 'results']

/** A JsonNumber is an object: it keeps a text of its own. */
const isPlain = (value: unknown): boolean => typeof value === 'number' || value === null

const isUsual = (row: Row): boolean =>
  isPlain(row.ts) &&
  isPlain(row.latency_ms) &&
  isPlain(row.st) &&
  (hasExactly(row, USUAL, 'error') || hasExactly(row, USUAL_WITH_OFFSET, 'error'))

const extraOf = (object: object, isInColumns: (name: string, value: unknown) => boolean): Extra =>
  entries(object).map(([name, value]) => (isInColumns(name, value) ? [name] : [name, jsonText(value)]))

const numbers = (value: unknown): number | null => numberOf(value) ?? null

const packRecords = (records: readonly Row[]): Columns => {
  const made: Columns = { endpoints: [], ts: [], endpoint: [], latency_ms: [], st: [], error: {}, utcOffset: {}, extra: {} }
  const places = new Map<string, number>()
  let before = 0
  records.forEach((row, i) => {
    const ts = numberOf(row.ts) ?? 0
    let place = places.get(row.endpoint_id)
    if (place === undefined) {
      place = made.endpoints.push(row.endpoint_id) - 1
      places.set(row.endpoint_id, place)
    }
    made.ts.push(ts - before)
    made.endpoint.push(place)
    made.latency_ms.push(numbers(row.latency_ms))
    made.st.push(numberOf(row.st) ?? 0)
    if (row.error !== undefined) made.error[i] = row.error
    if (row.utcOffset !== undefined) made.utcOffset[i] = row.utcOffset
    if (!isUsual(row))
      made.extra[i] = extraOf(row, (name, value) => IN_COLUMNS.includes(name) && (!NUMBERS.includes(name) || isPlain(value)))
    before = ts
  })
  return made
}

/** The members of an `extra`, those without a text from `known`. */
const unpackExtra = (extra: Extra, known: object): object =>
  fromEntries(extra.map(([name, json]) => [name, json === undefined ? known[name as keyof typeof known] : jsonValue(json)]))

const unpackRecords = (columns: Columns): object[] => {
  const { endpoints, endpoint, latency_ms, st, error, utcOffset, extra } = columns
  let ts = 0
  return columns.ts.map((difference, i) => {
    ts += difference
    const own = utcOffset[i]
    const why = error[i]
    const values = { endpoint_id: endpoints[endpoint[i] ?? -1], latency_ms: latency_ms[i], st: st[i] }
    // Literals in the usual orders: there are 100,000 a day.
    const row =
      own === undefined
        ? { ts, endpoint_id: values.endpoint_id, latency_ms: values.latency_ms, st: values.st }
        : { ts, utcOffset: own, endpoint_id: values.endpoint_id, latency_ms: values.latency_ms, st: values.st }
    const whole = why === undefined ? row : { ...row, error: why }
    const more = extra[i]
    return more === undefined ? whole : unpackExtra(more, whole)
  })
}

const HEADER = ['formatVersion', 'schemaVersion', 'createdWith', 'migrations']
const STEP = ['version', 'description']

const isUsualHeader = (header: unknown): boolean =>
  isObject(header) &&
  hasExactly(header, HEADER) &&
  Object.keys(header).length === HEADER.length &&
  Array.isArray(header.migrations) &&
  header.migrations.every((step) => isObject(step) && hasExactly(step, STEP) && Object.keys(step).length === STEP.length)

const isList = (value: unknown): boolean => Array.isArray(value)
const COLUMNS = ['endpoints', 'ts', 'endpoint', 'latency_ms', 'st'] as const
const SPARSE = ['error', 'utcOffset', 'extra'] as const

/** Columns of one length, or an error that says what they are instead. */
const checkColumns = (results: unknown): Columns => {
  if (!isObject(results)) throw new Error('results are no columns')
  const missing = [...COLUMNS.filter((name) => !isList(results[name])), ...SPARSE.filter((name) => !isObject(results[name]))]
  if (missing.length > 0) throw new Error(`results have no ${missing.join(', ')}`)
  // All are there, as the check above has seen.
  const columns = results as Columns
  const lengths = new Set([columns.ts.length, columns.endpoint.length, columns.latency_ms.length, columns.st.length])
  if (lengths.size > 1) throw new Error('the columns are not of one length')
  return columns
}

export const columns: Arrangement = {
  name: 'columns',
  pack: (document) => {
    if (!isObject(document)) return document
    const { header, date, utcOffset, results, ...others } = document
    const order = utcOffset === undefined ? HEAD.filter((name) => name !== 'utcOffset') : HEAD
    const isAsUsual = isUsualHeader(header) && Object.keys(others).length === 0 && hasExactly(document, order)
    // The day's file is checked against its schema before it is written: its results are rows.
    const packed = { header, date, ...(utcOffset === undefined ? {} : { utcOffset }), results: packRecords(results as Row[]) }
    return isAsUsual ? packed : { ...packed, extra: extraOf(document, (name) => HEAD.includes(name) && name !== 'header') }
  },
  unpack: (packed) => {
    if (!isObject(packed)) throw new Error('it is no object')
    const { header, date, utcOffset, results, extra } = packed
    const rows = unpackRecords(checkColumns(results))
    const whole = utcOffset === undefined ? { header, date, results: rows } : { header, date, utcOffset, results: rows }
    return Array.isArray(extra) ? unpackExtra(extra as Extra, whole) : whole
  },
}
