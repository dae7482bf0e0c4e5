import type { DataFileHeader, FileView } from '../src/index.ts'
import { migration, numberOf } from '../src/index.ts'
import { createdHeader, headerProblem } from './header.ts'
import type { AggregateRow, ConfigV2, TimedRecord } from './schemas.ts'
import { v2_0, v2_1 } from './schemas.ts'
import { Values, rounded, statistics } from './statistics.ts'
import { DAY, HOUR } from './time.ts'

const STEP = { version: '2.1.0', description: 'Add aggregation data' }
const SPAN = { hourly: HOUR, daily: DAY } as const

type Period = keyof typeof SPAN
type Bucket = { readonly startTime: number; readonly endpointId: string; tests: number; successes: number; readonly latencies: Values }

const add = (bucket: Bucket, { status, latency_ms }: TimedRecord): void => {
  bucket.tests += 1
  if (status !== 'success') return
  bucket.successes += 1
  // A success without a latency counts as a test only.
  if (latency_ms !== null) bucket.latencies.add(latency_ms)
}

/** The records by UTC hour or day, and by endpoint; emptied ones are left out. */
const bucketsOf = (records: Iterable<TimedRecord>, span: number): Bucket[] => {
  const buckets = new Map<string, Map<number, Bucket>>()
  // Records mostly come in order of time: the last bucket of an endpoint is nearly always the next one's.
  const latest = new Map<string, Bucket>()
  for (const record of records) {
    const { endpoint_id: endpointId } = record
    const ts = numberOf(record.ts) ?? 0
    if (ts === 0 && endpointId === '') continue
    const startTime = Math.floor(ts / span) * span
    let bucket = latest.get(endpointId)
    if (bucket?.startTime !== startTime) {
      bucket = bucketOf(buckets, startTime, endpointId)
      latest.set(endpointId, bucket)
    }
    add(bucket, record)
  }
  return [...buckets.values()].flatMap((own) => [...own.values()])
}

const bucketOf = (buckets: Map<string, Map<number, Bucket>>, startTime: number, endpointId: string): Bucket => {
  const own = buckets.get(endpointId) ?? new Map<number, Bucket>()
  const bucket = own.get(startTime) ?? { startTime, endpointId, tests: 0, successes: 0, latencies: new Values() }
  buckets.set(endpointId, own.set(startTime, bucket))
  return bucket
}

const byTimeAndEndpoint = (a: Bucket, b: Bucket): number => a.startTime - b.startTime || (a.endpointId < b.endpointId ? -1 : 1)

const rowOf = (bucket: Bucket, span: number, region: string | null): AggregateRow => {
  const { startTime, endpointId, tests, successes } = bucket
  const { avg, min, max, p95, stdDev } = statistics(bucket.latencies)
  return {
    startTime,
    endTime: startTime + span,
    endpointId,
    region,
    testCount: tests,
    successCount: successes,
    failureCount: tests - successes,
    avgLatencyMs: avg,
    // Measured values keep the text that they have in the daily file: at run time a number may be a JsonNumber.
    minLatencyMs: min as number | null,
    maxLatencyMs: max as number | null,
    p95LatencyMs: p95 as number | null,
    stdDevLatencyMs: stdDev,
    availabilityPercent: rounded(100n * BigInt(successes), BigInt(tests)),
  }
}

/** An endpoint that is in several regions counts for the first. */
const regionsById = (config: ConfigV2 | undefined): ReadonlyMap<string, string> => {
  const regions = new Map<string, string>()
  for (const { id, region } of config?.endpoints ?? []) if (!regions.has(id)) regions.set(id, region)
  return regions
}

type Aggregates<P extends Period> = { header: DataFileHeader; date: string; period: P; aggregates: AggregateRow[] }
type DailyFile = FileView<(typeof v2_1)['kinds']['daily']>

/** The aggregates of one daily file, over its records only. */
const aggregate = <P extends Period>(period: P, { path, records }: DailyFile, config: ConfigV2 | undefined): [string, Aggregates<P>] => {
  const date = path.slice('data/'.length, -'.json'.length)
  const regions = regionsById(config)
  const rows = bucketsOf(records, SPAN[period])
    .sort(byTimeAndEndpoint)
    .map((bucket) => rowOf(bucket, SPAN[period], regions.get(bucket.endpointId) ?? null))
  return [`aggregated/${date}-${period}.json`, { header: createdHeader(STEP), date, period, aggregates: rows }]
}

const rowProblem = (row: AggregateRow, span: number): string | undefined => {
  if (row.successCount + row.failureCount !== row.testCount) return 'successes and failures are not the tests'
  if (row.endTime - row.startTime !== span || row.startTime % span !== 0) return 'a row is not of one period'
  return row.testCount > 0 && row.availabilityPercent >= 0 && row.availabilityPercent <= 100 ? undefined : 'availability is out of range'
}

const problemOf = (doc: Aggregates<Period>): string | undefined => {
  const span = SPAN[doc.period]
  return (
    headerProblem(doc.header, STEP.version) ?? doc.aggregates.map((row) => rowProblem(row, span)).find((problem) => problem !== undefined)
  )
}

export const addAggregationData = migration(v2_0, v2_1, {
  description: STEP.description,
  createdAt: '2026-11-23T00:00:00Z',
  changes: [
    'New aggregated/YYYY-MM-DD-hourly.json and aggregated/YYYY-MM-DD-daily.json: counts, latencies and availability by endpoint and UTC hour or day',
  ],
  // Files are only added: an application of 2.0.0 finds everything as it knows it.
  readableFrom: '2.0.0',
  files: {
    aggregatedHourly: { derive: { from: 'daily', each: (day, ctx) => [aggregate('hourly', day, ctx.find('config'))] } },
    aggregatedDaily: { derive: { from: 'daily', each: (day, ctx) => [aggregate('daily', day, ctx.find('config'))] } },
  },
  validate: { aggregatedHourly: { doc: problemOf }, aggregatedDaily: { doc: problemOf } },
})
