import { z } from 'zod'
import { file, records, schema } from '../src/index.ts'
import { isInstant } from './time.ts'

/**
 * NetMonitor's data at each schema version. Objects are loose: users edit by hand, and unknown members are kept.
 * A kind that a version does not change is the same value as in the version before.
 */

const DAILY = 'data/[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].json'

const count = (list: unknown): number => (Array.isArray(list) ? list.length : 0)

const endpoint = z.looseObject({ name: z.string(), type: z.string(), address: z.string() })
const regionsOf = (regions: Readonly<Record<string, { endpoints?: unknown }>>): { regions: number; endpoints: number } => ({
  regions: Object.keys(regions).length,
  endpoints: Object.values(regions).reduce((sum, r) => sum + count(r.endpoints), 0),
})

const settings = z.looseObject({
  test_interval_minutes: z.number().optional(),
  test_interval_seconds: z.number().optional(),
  data_retention_days: z.number().optional(),
  notifications_enabled: z.boolean().optional(),
  window_width: z.number().optional(),
  window_height: z.number().optional(),
  window_x: z.number().optional(),
  window_y: z.number().optional(),
})
const thresholds = z.looseObject({ latency_ms: z.number().optional(), availability_percent: z.number().optional() })
const region = z.looseObject({ endpoints: z.array(endpoint).nullable().optional(), thresholds: thresholds.optional() })
type Regions = { regions: Record<string, { endpoints?: unknown }> }

const config0 = file('config.json', z.looseObject({ regions: z.record(z.string(), region), settings: settings.optional() }), {
  counts: (doc: Regions) => regionsOf(doc.regions),
})

/** Shape A has a timestamp; shapes B and C have `ts` and `id`. Which of the two a record is decides the migration to 1.1.0. */
const timestamped = z.looseObject({
  timestamp: z.string().refine(isInstant, 'is no RFC 3339 date and time'),
  endpoint_id: z.string(),
  latency_ms: z.number().nullable().optional(),
  status: z.string(),
  error: z.string().optional(),
})
const numbered = z.looseObject({ ts: z.number(), id: z.string(), ms: z.number().nullable().optional(), st: z.number() })
const daily0 = records(DAILY, '', z.null(), z.union([timestamped, numbered]), { damaged: 'quarantine' })

const header = z.looseObject({
  formatVersion: z.string(),
  schemaVersion: z.string(),
  createdWith: z.string(),
  migrations: z.array(z.looseObject({ version: z.string(), description: z.string() })),
})

const endpoint1 = z.looseObject({
  name: z.string(),
  type: z.string(),
  address: z.string(),
  id: z.string(),
  enabled: z.boolean(),
  description: z.string(),
  tags: z.array(z.unknown()),
})
const region1 = z.looseObject({ endpoints: z.array(endpoint1).nullable().optional(), thresholds: thresholds.optional() })
const config1 = file('config.json', z.looseObject({ header, regions: z.record(z.string(), region1), settings: settings.optional() }), {
  counts: (doc: Regions) => regionsOf(doc.regions),
})

const measured = { endpoint_id: z.string(), latency_ms: z.number().nullable().optional(), status: z.string(), error: z.string().optional() }
const daily1 = records(
  DAILY,
  'results',
  z.looseObject({ header, date: z.string() }),
  z.looseObject({ timestamp: z.string().refine(isInstant, 'is no RFC 3339 date and time'), ...measured }),
  {
    damaged: 'quarantine',
  },
)

const daily2 = records(
  DAILY,
  'results',
  z.looseObject({ header, date: z.string(), utcOffset: z.string().optional() }),
  z.looseObject({ ts: z.number().int(), utcOffset: z.string().optional(), ...measured }),
  { damaged: 'quarantine' },
)

const flatEndpoint = z.looseObject({
  id: z.string(),
  name: z.string(),
  region: z.string(),
  type: z.string(),
  address: z.string(),
  timeoutMs: z.number().optional(),
  enabled: z.boolean(),
  description: z.string(),
  tags: z.array(z.unknown()),
})
const config2 = file(
  'config.json',
  z.looseObject({
    header,
    monitoring: z.looseObject({ intervalSeconds: z.number() }),
    retention: z.looseObject({ days: z.number().optional() }),
    notifications: z.looseObject({ enabled: z.boolean().optional() }),
    window: z
      .looseObject({ width: z.number().optional(), height: z.number().optional(), x: z.number().optional(), y: z.number().optional() })
      .optional(),
    regions: z.array(
      z.looseObject({
        name: z.string(),
        thresholds: z.looseObject({ latencyMs: z.number().optional(), availabilityPercent: z.number().optional() }).optional(),
      }),
    ),
    endpoints: z.array(flatEndpoint),
    settings: z.looseObject({}).optional(),
  }),
  { counts: (doc: { regions: unknown[]; endpoints: unknown[] }) => ({ regions: doc.regions.length, endpoints: doc.endpoints.length }) },
)

const latency = z.number().nullable()
const aggregate = z.looseObject({
  startTime: z.number().int(),
  endTime: z.number().int(),
  endpointId: z.string(),
  region: z.string().nullable(),
  testCount: z.number().int(),
  successCount: z.number().int(),
  failureCount: z.number().int(),
  avgLatencyMs: latency,
  minLatencyMs: latency,
  maxLatencyMs: latency,
  p95LatencyMs: latency,
  stdDevLatencyMs: latency,
  availabilityPercent: z.number(),
})
const aggregates = (period: 'hourly' | 'daily') =>
  file(
    `aggregated/[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]-${period}.json`,
    z.looseObject({ header, date: z.string(), period: z.literal(period), aggregates: z.array(aggregate) }),
    {
      damaged: 'quarantine',
    },
  )

export const v1_0 = schema('1.0.0', { config: config0, daily: daily0 })
export const v1_1 = schema('1.1.0', { config: config1, daily: daily1 })
export const v1_2 = schema('1.2.0', { ...v1_1.kinds, daily: daily2 })
export const v2_0 = schema('2.0.0', { ...v1_2.kinds, config: config2 })
export const v2_1 = schema('2.1.0', { ...v2_0.kinds, hourly: aggregates('hourly'), perDay: aggregates('daily') })
