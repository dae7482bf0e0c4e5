import type { Warner } from '../src/index.ts'
import { entries, fromEntries, isObject, moveAside, numberOf, restored } from '../src/index.ts'
import type { Directory } from './endpoints.ts'
import { hasExactly, isText, recast, replacing } from './members.ts'
import type { NamedRecord, RawRecord } from './schemas.ts'
import { SECONDS_BELOW } from './schemas.ts'
import { formatInstant, instantOf, isTimestamp } from './time.ts'

/** The three shapes of daily records that the application wrote, to the one of 1.1.0 and back. */

type RecordA = Extract<RawRecord, { timestamp: string }>
type RecordBC = Extract<RawRecord, { ts: number }>

const COMPACT = ['ts', 'id', 'ms', 'st']
const FULL = ['timestamp', 'endpoint_id', 'latency_ms', 'status']
const TO_FULL: Readonly<Record<string, string>> = { ts: 'timestamp', id: 'endpoint_id', ms: 'latency_ms', st: 'status', err: 'error' }
const TO_COMPACT: Readonly<Record<string, string>> = { timestamp: 'ts', endpoint_id: 'id', latency_ms: 'ms', status: 'st', error: 'err' }

/** A record with the members of both shapes is of shape A if it is a whole one. */
const isA = (record: RawRecord): record is RecordA => {
  if (!('ts' in record)) return true
  const { timestamp, endpoint_id, latency_ms, status } = record as Readonly<Record<string, unknown>>
  const named = isText(timestamp) && isTimestamp(timestamp) && isText(endpoint_id)
  return named && (latency_ms === null || numberOf(latency_ms) !== undefined) && (status === 'success' || status === 'failure')
}

/** Warnings stay in the journal for ever: they name no endpoint, only its id, which says nothing without config.json. */
const resolved = (text: string, directory: Directory, ctx: Warner): string => {
  const { id, finding } = directory.find(text)
  if (finding === 'ORPHANED_ENDPOINT')
    ctx.warn(
      finding,
      `records name an endpoint that is not in config.json; its history is kept under the id ${id}`,
      'It was renamed or deleted. Nothing is lost.',
    )
  if (finding === 'AMBIGUOUS_ENDPOINT')
    ctx.warn(
      finding,
      `records name an endpoint that is several times in config.json; its history goes to the first, with the id ${id}`,
      'Give the endpoints different names.',
    )
  return id
}

const fromA = (record: RecordA, directory: Directory, ctx: Warner): NamedRecord => {
  const endpoint_id = resolved(record.endpoint_id, directory, ctx)
  const { timestamp, latency_ms, status, error } = record
  if ((error === undefined || isText(error)) && hasExactly(record, FULL, 'error'))
    return error === undefined ? { timestamp, endpoint_id, latency_ms, status } : { timestamp, endpoint_id, latency_ms, status, error }
  const aside = moveAside(entries(replacing(record, { endpoint_id })), (name, value) => name === 'error' && !isText(value), ctx)
  // The schema has checked the rest of the record, and what is left of `error` is a text.
  return fromEntries(aside) as NamedRecord
}

/** `{}` is what Go makes of most errors: it says no more than null. */
const saysNothing = (err: unknown): boolean => err === undefined || err === null || (isObject(err) && Object.keys(err).length === 0)

const errorText = (st: number | undefined, err: unknown): string | undefined => {
  if (isText(err)) return err
  if (st === 0) return undefined
  return st === 1 ? 'timeout' : 'error'
}

/** Seconds give no fraction, milliseconds three digits: that tells the shapes apart on the way back. */
const timestampOf = (ts: number): string => (ts < SECONDS_BELOW ? formatInstant(ts * 1000, 'Z', 0) : formatInstant(ts))

/** What an upgrade of the application left of a record of shape A; later versions know it by the empty id and instant 0. */
const isZero = (instant: number, id: string): boolean => instant === 0 && id === ''

const ZERO_TIMESTAMP = formatInstant(0)

const fullOf = (record: RecordBC, directory: Directory, ctx: Warner): NamedRecord => {
  // At run time a number with an unusual spelling is a JsonNumber.
  const [ts = 0, st] = [numberOf(record.ts), numberOf(record.st)]
  const zero = isZero(ts, record.id)
  const error = errorText(st, record.err)
  if (zero) ctx.warn('EMPTY_RECORD', 'the application emptied a record when it was upgraded; what is left is kept, and counts nowhere')
  if (st !== 0 && st !== 1 && st !== 2) ctx.warn('UNKNOWN_STATUS', 'a record has an st other than 0, 1 and 2; it counts as a failure')
  const timestamp = zero ? ZERO_TIMESTAMP : timestampOf(ts)
  const endpoint_id = zero ? '' : resolved(record.id, directory, ctx)
  const status = st === 0 ? 'success' : 'failure'
  return error === undefined
    ? { timestamp, endpoint_id, latency_ms: record.ms, status }
    : { timestamp, endpoint_id, latency_ms: record.ms, status, error }
}

const fromBC = (record: RecordBC, directory: Directory, ctx: Warner): NamedRecord => {
  const known = fullOf(record, directory, ctx)
  const plain = isText(record.err) || saysNothing(record.err)
  if (plain && hasExactly(record, COMPACT, 'err')) return known
  const source = plain ? record : fromEntries(moveAside(entries(record), (name) => name === 'err', ctx))
  return recast(source, TO_FULL, known, ctx)
}

export const fromRaw = (record: RawRecord, directory: Directory, ctx: Warner): NamedRecord =>
  isA(record) ? fromA(record, directory, ctx) : fromBC(record, directory, ctx)

/* ---- back ---- */

/** The shape that a record of 1.1.0 had, as far as its text shows: A kept its own, B has no fraction, C three digits. */
export type Shape = 'A' | 'B' | 'C'

const UTC_SECONDS = /T.{8}(?:\.000)?Z$/
const UTC_MILLISECONDS = /T.{8}\.\d{3}Z$/

export const shapeOf = ({ timestamp, endpoint_id }: NamedRecord): Shape | undefined => {
  if (isZero(instantOf(timestamp), endpoint_id)) return undefined
  if (UTC_SECONDS.test(timestamp)) return 'B'
  return UTC_MILLISECONDS.test(timestamp) ? 'C' : 'A'
}

/** `ts` in the unit that a reader takes it for; undefined where neither unit can say it. */
const compactTs = (timestamp: string, shape: Shape): number | undefined => {
  const instant = instantOf(timestamp)
  const seconds = instant / 1000
  const whole = Number.isInteger(seconds) && seconds < SECONDS_BELOW
  const isB = shape === 'B' || timestamp.length === '1970-01-01T00:00:00Z'.length
  if (whole && (isB || instant < SECONDS_BELOW)) return seconds
  return instant < SECONDS_BELOW ? undefined : instant
}

const compactError = ({ status, error }: NamedRecord): { st: number; err: string | null } => {
  if (status === 'success') return { st: 0, err: error ?? null }
  if (error === 'timeout') return { st: 1, err: null }
  return { st: 2, err: error === undefined || error === 'error' ? null : error }
}

const toBC = (record: NamedRecord, ts: number, ctx: Warner): RawRecord => {
  const { st, err } = compactError(record)
  const known: RecordBC = { ts, id: record.endpoint_id, ms: record.latency_ms, st }
  // An `err` that had moved aside comes back in its place.
  if (!Object.hasOwn(record, 'legacy_err')) known.err = err
  if (hasExactly(record, FULL, 'error')) return known
  // Only members that the schema leaves open change their names.
  return fromEntries(restored(entries(recast(record, TO_COMPACT, known, ctx)), [...FULL, 'error', 'err'])) as RawRecord
}

const toA = (record: NamedRecord, names: ReadonlyMap<string, string>): RawRecord => {
  const endpoint_id = names.get(record.endpoint_id) ?? record.endpoint_id
  if (hasExactly(record, FULL, 'error')) return { ...record, endpoint_id }
  // `error` may be anything in shape A.
  return fromEntries(restored(entries(replacing(record, { endpoint_id })), ['error'])) as RawRecord
}

/** A record in `shape`, the one of the file's other records, or in the nearest that can hold it. */
export const toRaw = (record: NamedRecord, shape: Shape, names: ReadonlyMap<string, string>, ctx: Warner): RawRecord => {
  const isOwnShape = shape === 'A' && shapeOf(record) !== undefined
  const ts = isOwnShape ? undefined : compactTs(record.timestamp, shape)
  return ts === undefined ? toA(record, names) : toBC(record, ts, ctx)
}
