import { migration, numberOf } from '../src/index.ts'
import { created, headerProblem } from './header.ts'
import { v2_0, v2_1 } from './schemas.ts'
import { rounded, statistics } from './statistics.ts'

const STEP = { version: '2.1.0', description: 'Add aggregation data' }

const HOUR = 3_600_000
const SPAN = { hourly: HOUR, daily: 24 * HOUR } as const
type Period = keyof typeof SPAN

type Result = { ts: number; endpoint_id: string; status: string; latency_ms?: number | null }
type Group = {
  startTime: number
  endpointId: string
  tests: number
  successes: number
  latencies: number[]
  texts: (number | { toString(): string })[]
}

/** An emptied record belongs to no endpoint and no time. */
const isEmptied = (r: Result, ts: number): boolean => r.endpoint_id === '' && ts === 0

const group = (records: readonly Result[], span: number): Group[] => {
  const groups = new Map<string, Group>()
  for (const r of records) {
    const ts = numberOf(r.ts) ?? 0
    if (isEmptied(r, ts)) continue
    const startTime = Math.floor(ts / span) * span
    const key = `${startTime} ${r.endpoint_id}`
    let found = groups.get(key)
    if (found === undefined) {
      found = { startTime, endpointId: r.endpoint_id, tests: 0, successes: 0, latencies: [], texts: [] }
      groups.set(key, found)
    }
    addTo(found, r)
  }
  return [...groups.values()].sort((a, b) => a.startTime - b.startTime || (a.endpointId < b.endpointId ? -1 : 1))
}

/** Latencies of successful tests only; a success without one counts as a test. */
const addTo = (g: Group, r: Result): void => {
  g.tests += 1
  if (r.status !== 'success') return
  g.successes += 1
  const latency = numberOf(r.latency_ms)
  if (latency === undefined) return
  g.latencies.push(latency)
  g.texts.push(r.latency_ms ?? 0)
}

type Endpoints = readonly { id: string; region: string }[]

const row = (g: Group, span: number, endpoints: Endpoints) => {
  const s = statistics(g.latencies, () => g.texts.map(String))
  return {
    startTime: g.startTime,
    endTime: g.startTime + span,
    endpointId: g.endpointId,
    region: endpoints.find((e) => e.id === g.endpointId)?.region ?? null,
    testCount: g.tests,
    successCount: g.successes,
    failureCount: g.tests - g.successes,
    avgLatencyMs: s?.avg ?? null,
    minLatencyMs: s?.min ?? null,
    maxLatencyMs: s?.max ?? null,
    p95LatencyMs: s?.p95 ?? null,
    stdDevLatencyMs: s?.stdDev ?? null,
    availabilityPercent: rounded(BigInt(g.successes) * 100n, BigInt(g.tests)),
  }
}

const aggregate = <P extends Period>(period: P, date: string, records: readonly Result[], endpoints: Endpoints) => ({
  header: created(STEP),
  date,
  period,
  aggregates: group(records, SPAN[period]).map((g) => row(g, SPAN[period], endpoints)),
})

const dayOf = (path: string): string => /(\d{4}-\d\d-\d\d)\.json$/.exec(path)?.[1] ?? ''

type Rows = { aggregates: readonly { testCount: number; successCount: number; failureCount: number; startTime: number; endTime: number }[] }

const rowsProblem = (doc: Rows, span: number): string | undefined => {
  if (doc.aggregates.some((a) => a.successCount + a.failureCount !== a.testCount))
    return 'successes and failures of a row do not add up to its tests'
  return doc.aggregates.some((a) => a.endTime - a.startTime !== span) ? 'a row does not span its period' : undefined
}

export const m2_1 = migration(v2_0, v2_1, {
  ...STEP,
  createdAt: '2026-11-23T00:00:00Z',
  changes: ['aggregated/YYYY-MM-DD-hourly.json and -daily.json hold counts and latencies of each endpoint, by UTC hour and UTC day'],
  files: {
    hourly: {
      derive: {
        from: 'daily',
        *each({ path, doc, records }, ctx) {
          yield [`aggregated/${dayOf(path)}-hourly.json`, aggregate('hourly', doc.date, records, ctx.find('config')?.endpoints ?? [])]
        },
      },
    },
    perDay: {
      derive: {
        from: 'daily',
        *each({ path, doc, records }, ctx) {
          yield [`aggregated/${dayOf(path)}-daily.json`, aggregate('daily', doc.date, records, ctx.find('config')?.endpoints ?? [])]
        },
      },
    },
  },
  validate: {
    hourly: { doc: (doc) => rowsProblem(doc, SPAN.hourly) ?? headerProblem(doc.header, STEP.version) },
    perDay: { doc: (doc) => rowsProblem(doc, SPAN.daily) ?? headerProblem(doc.header, STEP.version) },
  },
})
