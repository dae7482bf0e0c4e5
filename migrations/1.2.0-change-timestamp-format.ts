import type { Doc, Pair, Warner } from '../src/index.ts'
import { entries, fromEntries, migration, moveAside, numberOf, restored, without } from '../src/index.ts'
import { headerProblem, stamped, unstamped } from './header.ts'
import { hasExactly, withRest } from './members.ts'
import type { NamedRecord, TimedRecord } from './schemas.ts'
import { v1_1, v1_2 } from './schemas.ts'
import { formatInstant, instantOf, offsetOf } from './time.ts'

const STEP = { version: '1.2.0', description: 'Change timestamp format' }
const OWN = ['ts', 'utcOffset']
const USUAL = ['timestamp', 'endpoint_id', 'latency_ms', 'status']
const TIMED = ['ts', 'endpoint_id', 'latency_ms', 'status']

type DayV1_1 = Doc<(typeof v1_1)['kinds']['daily']>
type DayV1_2 = Doc<(typeof v1_2)['kinds']['daily']>

/** An offset that all records share; null: they differ; undefined: none seen. Emptied records have none. */
type Shared = { offset?: string | null }

const isZero = (record: { endpoint_id: string }, instant: number): boolean => record.endpoint_id === '' && instant === 0

const share = (shared: Shared, record: NamedRecord): Shared => {
  if (shared.offset === null || isZero(record, instantOf(record.timestamp))) return shared
  const offset = offsetOf(record.timestamp)
  shared.offset = shared.offset === undefined || shared.offset === offset ? offset : null
  return shared
}

/** utcOffset follows the date. */
const withOffset = (doc: DayV1_1, { offset }: Shared, ctx: Warner): DayV1_2 => {
  const header = stamped(doc.header, STEP)
  const members = moveAside(entries(doc), (name) => name === 'utcOffset', ctx)
  const placed = members.flatMap(([name, value]): Pair[] => {
    if (name === 'header') return [[name, header]]
    return name === 'date' && typeof offset === 'string'
      ? [
          [name, value],
          ['utcOffset', offset],
        ]
      : [[name, value]]
  })
  // The members of 1.1.0 with the new header, and utcOffset, which is a text.
  return fromEntries(placed) as DayV1_2
}

const withoutOffset = (doc: DayV1_2): DayV1_1 => {
  const members = without({ ...doc, header: unstamped(doc.header, STEP.version, '1.1.0') }, ['utcOffset'])
  // The members of 1.1.0 again.
  return fromEntries(restored(members, ['utcOffset'])) as DayV1_1
}

// Literals, not spreads: V8 copies an object with a double in it a hundred times slower, and there are 100,000 a day.
const usual = ({ endpoint_id, latency_ms, status, error }: NamedRecord, ts: number): TimedRecord =>
  error === undefined ? { ts, endpoint_id, latency_ms, status } : { ts, endpoint_id, latency_ms, status, error }

const usualWithOffset = ({ endpoint_id, latency_ms, status, error }: NamedRecord, ts: number, utcOffset: string): TimedRecord =>
  error === undefined ? { ts, utcOffset, endpoint_id, latency_ms, status } : { ts, utcOffset, endpoint_id, latency_ms, status, error }

const toTs = (record: NamedRecord, { offset }: Shared, ctx: Warner): TimedRecord => {
  const ts = instantOf(record.timestamp)
  const own = offset === null && !isZero(record, ts) ? offsetOf(record.timestamp) : undefined
  if (hasExactly(record, USUAL, 'error')) return own === undefined ? usual(record, ts) : usualWithOffset(record, ts, own)
  const known = own === undefined ? { ts } : { ts, utcOffset: own }
  // The other members are those of the record.
  return withRest(known, without(record, ['timestamp']), ctx, OWN) as TimedRecord
}

const toTimestamp = (record: TimedRecord, fileOffset: string | undefined): NamedRecord => {
  const { endpoint_id, latency_ms, status, error, utcOffset } = record
  const ts = numberOf(record.ts) ?? 0
  const timestamp = formatInstant(ts, isZero(record, ts) ? 'Z' : (utcOffset ?? fileOffset))
  if (error === undefined && hasExactly(record, TIMED)) return { timestamp, endpoint_id, latency_ms, status }
  // Names only; the other members are those of the record.
  return fromEntries([['timestamp', timestamp], ...restored(without(record, OWN), OWN)]) as NamedRecord
}

export const changeTimestampFormat = migration(v1_1, v1_2, {
  description: STEP.description,
  createdAt: '2026-11-23T00:00:00Z',
  changes: [
    'Daily files: timestamp becomes ts, Unix milliseconds, as the first member of a record',
    'Daily files: utcOffset once after date where all records share it, else in each record',
  ],
  files: {
    daily: {
      record: {
        migrate: {
          scan: { init: (): Shared => ({}), add: (shared: Shared, record) => share(shared, record) },
          head: (doc, shared: Shared, ctx) => withOffset(doc, shared, ctx),
          record: (record, shared: Shared, ctx) => toTs(record, shared, ctx),
        },
        rollback: {
          scan: { init: (doc) => doc.utcOffset },
          head: withoutOffset,
          record: (record, offset: string | undefined) => toTimestamp(record, offset),
        },
      },
    },
  },
  loses: { daily: { 'results[].timestamp': 'a time has milliseconds from here on; on the way back finer ones are those of the original' } },
  validate: {
    daily: {
      doc: (doc) => headerProblem(doc.header, STEP.version),
      record: ({ ts }) => (Number.isSafeInteger(numberOf(ts)) ? undefined : 'ts is not an integer'),
    },
  },
})
