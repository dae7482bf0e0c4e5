import * as z from 'zod'
import type { Doc, Rec } from '../src/index.ts'
import { arranged, file, gzip, messagePack, records, schema } from '../src/index.ts'
import { columns } from './columns.ts'
import { header } from './header.ts'
import { isOffset, isTimestamp, MAX_INSTANT, MIN_INSTANT } from './time.ts'

/**
 * NetMonitor's data, version by version. A kind that a version does not change is the same value as in the one before.
 * Objects are loose because users edit by hand. Each shape is strict enough that the steps from it cannot fail: what is
 * wrong in a daily file shows when the file is read, where it is quarantined, and not in a step, where it would stop the job.
 */

const DATE = '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'
const DAY_FILE = `data/${DATE}.json`

/** A short id, or nothing: the id of a zero record. */
export const SHORT_ID = /^(?:[0-9a-f]{7})?$/

const timestamp = z.string().refine(isTimestamp, 'is not an RFC 3339 time')
const offset = z.string().refine(isOffset, 'is not an offset such as -05:00 or Z')
const number = z.number().nullish()

/* ---- config.json before 2.0.0 ---- */

const thresholds = z.looseObject({ latency_ms: number, availability_percent: number })
const endpoint0 = z.looseObject({ name: z.string(), type: z.string(), address: z.string(), timeout: number })
const endpoint1 = endpoint0.extend({ id: z.string(), enabled: z.boolean(), description: z.string(), tags: z.array(z.string()) })

const settings = z.looseObject({
  test_interval_seconds: number,
  test_interval_minutes: number,
  data_retention_days: number,
  notifications_enabled: z.boolean().nullish(),
  window_width: number,
  window_height: number,
  window_x: number,
  window_y: number,
})

// `endpoints` is null once the last one was deleted; Go reads what is absent as its zero value.
const regions = <E extends z.ZodType>(endpoint: E) =>
  z.record(z.string(), z.looseObject({ endpoints: z.array(endpoint).nullish(), thresholds: thresholds.nullish() })).nullish()

type Nested = { regions?: Readonly<Record<string, { endpoints?: readonly unknown[] | null }>> | null }

const countNested = (doc: Nested) => {
  const all = Object.values(doc.regions ?? {})
  return { regions: all.length, endpoints: all.reduce((sum, region) => sum + (region.endpoints?.length ?? 0), 0) }
}

const config1_0 = file('config.json', z.looseObject({ regions: regions(endpoint0), settings: settings.nullish() }), { counts: countNested })
const config1_1 = file('config.json', z.looseObject({ header, regions: regions(endpoint1), settings: settings.nullish() }), {
  counts: countNested,
})

/* ---- config.json from 2.0.0 ---- */

const limits = z.looseObject({ latencyMs: z.number(), availabilityPercent: z.number() })
const endpoint2 = z.looseObject({
  id: z.string(),
  name: z.string(),
  region: z.string(),
  type: z.string(),
  address: z.string(),
  timeoutMs: z.number(),
  enabled: z.boolean(),
  description: z.string(),
  tags: z.array(z.string()),
})
const windowPlace = z.looseObject({ width: number, height: number, x: number, y: number })

const countFlat = (doc: { regions: readonly unknown[]; endpoints: readonly unknown[] }) => ({
  regions: doc.regions.length,
  endpoints: doc.endpoints.length,
})

const config2_0 = file(
  'config.json',
  z.looseObject({
    header,
    monitoring: z.looseObject({ intervalSeconds: z.number() }),
    retention: z.looseObject({ days: z.number() }),
    notifications: z.looseObject({ enabled: z.boolean() }),
    window: windowPlace.optional(),
    regions: z.array(z.looseObject({ name: z.string(), thresholds: limits })),
    endpoints: z.array(endpoint2),
    settings: z.looseObject({}).optional(),
  }),
  { counts: countFlat },
)

const endpoint2_2 = endpoint2.extend({ description: z.string().optional() })
const config2_2 = file('config.json', config2_0.doc.extend({ endpoints: z.array(endpoint2_2) }), { counts: countFlat })

/* ---- daily files ---- */

const status = z.enum(['success', 'failure'])
const latency = z.number().nullable()
const anything = z.unknown().optional()

/** A `ts` below this is in seconds, else in milliseconds. The years 1 to 9998 in either unit; whole, as the application reads it. */
export const SECONDS_BELOW = 100_000_000_000
const ts = z
  .int()
  .min(MIN_INSTANT / 1000)
  .max(MAX_INSTANT)

// `error` and `err` may be anything here: what is no text moves aside instead of costing the user the whole day.
const recordA = z.looseObject({ timestamp, endpoint_id: z.string(), latency_ms: latency, status, error: anything })
const recordBC = z.looseObject({ ts, id: z.string(), ms: latency, st: z.number(), err: anything })

const measured = { endpoint_id: z.string(), latency_ms: latency, status, error: z.string().optional() }
const record1_1 = z.looseObject({ timestamp, ...measured })
const record1_2 = z.looseObject({ ts: z.int().min(MIN_INSTANT).max(MAX_INSTANT), utcOffset: offset.optional(), ...measured })

const quarantine = { damaged: 'quarantine' } as const
const daily1_0 = records(DAY_FILE, '', z.null(), z.union([recordA, recordBC]), quarantine)
const daily1_1 = records(DAY_FILE, 'results', z.looseObject({ header, date: z.string() }), record1_1, quarantine)
const daily1_2 = records(
  DAY_FILE,
  'results',
  z.looseObject({ header, date: z.string(), utcOffset: offset.optional() }),
  record1_2,
  quarantine,
)

const recordCompact = z.looseObject({
  ts: z.int().min(MIN_INSTANT).max(MAX_INSTANT),
  utcOffset: offset.optional(),
  endpoint_id: z.string(),
  latency_ms: latency,
  st: z.union([z.literal(0), z.literal(1)]),
  error: z.string().optional(),
})

/** Past days, from 2.2.0 on: the same records, in columns. */
export const COMPACT = '.msgpack.gz'
const daily2_2 = records(DAY_FILE, 'results', z.looseObject({ header, date: z.string(), utcOffset: offset.optional() }), recordCompact, {
  ...quarantine,
  forms: { [`data/${DATE}${COMPACT}`]: gzip(arranged(messagePack, columns)) },
})

const day = z.looseObject({
  date: z.string(),
  file: z.string(),
  records: z.int(),
  firstTs: z.int().nullable(),
  lastTs: z.int().nullable(),
  endpointIds: z.array(z.string()),
  bytes: z.int(),
})
const dayIndex = file('index.json', z.looseObject({ header, days: z.array(day) }), quarantine)

/* ---- aggregates ---- */

const row = z.looseObject({
  startTime: z.int(),
  endTime: z.int(),
  endpointId: z.string(),
  region: z.string().nullable(),
  testCount: z.int(),
  successCount: z.int(),
  failureCount: z.int(),
  avgLatencyMs: latency,
  minLatencyMs: latency,
  maxLatencyMs: latency,
  p95LatencyMs: latency,
  stdDevLatencyMs: latency,
  availabilityPercent: z.number(),
})
const aggregates = <P extends 'hourly' | 'daily'>(period: P) =>
  file(
    `aggregated/${DATE}-${period}.json`,
    z.looseObject({ header, date: z.string(), period: z.literal(period), aggregates: z.array(row) }),
    quarantine,
  )

export const v1_0 = schema('1.0.0', { config: config1_0, daily: daily1_0 })
export const v1_1 = schema('1.1.0', { config: config1_1, daily: daily1_1 })
export const v1_2 = schema('1.2.0', { ...v1_1.kinds, daily: daily1_2 })
export const v2_0 = schema('2.0.0', { ...v1_2.kinds, config: config2_0 })
export const v2_1 = schema('2.1.0', { ...v2_0.kinds, aggregatedHourly: aggregates('hourly'), aggregatedDaily: aggregates('daily') })

export const v2_2 = schema('2.2.0', { ...v2_1.kinds, config: config2_2, daily: daily2_2, index: dayIndex })

export type ConfigV1 = Doc<typeof config1_0>
export type ConfigV1_1 = Doc<typeof config1_1>
export type ConfigV2 = Doc<typeof config2_0>
export type ConfigV2_2 = Doc<typeof config2_2>
export type RawRecord = Rec<typeof daily1_0>
export type NamedRecord = Rec<typeof daily1_1>
export type TimedRecord = Rec<typeof daily1_2>
export type CompactRecord = Rec<typeof daily2_2>
export type IndexedDay = z.infer<typeof day>
export type AggregateRow = z.infer<typeof row>
