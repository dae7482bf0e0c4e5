import { shortId } from './endpoints.ts'

/** Sample data as the application wrote it over its first releases: every shape, in Go's formatting. Pure: a seed decides. */

export type SampleOptions = { readonly days: number; readonly endDate: string; readonly seed: number }

type Random = () => number

/** mulberry32: a small generator with a 32-bit state. */
const randomFrom = (seed: number): Random => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const ENDPOINTS = [
  { name: 'Google DNS', type: 'ICMP', address: '8.8.8.8', timeout: 1000 },
  { name: 'Google TCP', type: 'TCP', address: 'google.com:80', timeout: 2000 },
  { name: 'R&D gateway', type: 'TCP', address: '10.0.0.1:443', timeout: 2000 },
  { name: 'GitHub HTTP', type: 'HTTP', address: 'https://github.com', timeout: 5000 },
]

const config = {
  regions: { Default: { endpoints: ENDPOINTS, thresholds: { latency_ms: 100, availability_percent: 99 } } },
  settings: { test_interval_minutes: 5, data_retention_days: 90, notifications_enabled: true },
}

/** As Go's json.MarshalIndent writes it. */
const encode = (value: unknown): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify(value, null, 2).replace(/[<>&]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`),
  )

const OFFSET_HOURS = -5
const STEP_MS = 5 * 60_000
const DAY_MS = 86_400_000

const latency = (random: Random): number => Math.round(20 + random() * 60 + (random() < 0.03 ? 400 * random() : 0))

type Moment = { readonly ms: number; readonly endpoint: (typeof ENDPOINTS)[number]; readonly failed: boolean }

const moments = (startMs: number, random: Random): Moment[] =>
  Array.from({ length: DAY_MS / STEP_MS }, (_, i) => startMs + i * STEP_MS + Math.floor(random() * 4000)).flatMap((ms) =>
    ENDPOINTS.slice(0, 2).map((_, i) => ({
      ms: ms + i * 40,
      endpoint: ENDPOINTS[Math.floor(random() * ENDPOINTS.length)] ?? { name: '', type: '', address: '', timeout: 0 },
      failed: random() < 0.02,
    })),
  )

const local = (ms: number, random: Random): string => {
  const text = new Date(ms + OFFSET_HOURS * 3_600_000).toISOString().slice(0, -1)
  return `${text}${String(Math.floor(random() * 9999)).padStart(4, '0')}-05:00`
}

const shapeA = (m: Moment, random: Random): unknown => {
  const record = {
    timestamp: local(m.ms, random),
    endpoint_id: `Default-${m.endpoint.name}`,
    latency_ms: m.failed ? 0 : latency(random),
    status: m.failed ? 'failure' : 'success',
  }
  return m.failed ? { ...record, error: 'i/o timeout' } : record
}

const idOf = ({ endpoint }: Moment): string => shortId(endpoint.address + endpoint.type)
const numbered = (m: Moment, ts: number, random: Random): unknown => ({
  ts,
  id: idOf(m),
  ms: m.failed ? 0 : latency(random),
  st: m.failed ? 1 + Math.floor(random() * 2) : 0,
  err: null,
})
const shapeB = (m: Moment, random: Random): unknown => numbered(m, Math.floor(m.ms / 1000), random)
const shapeC = (m: Moment, random: Random): unknown => numbered(m, m.ms, random)
const emptied = (): unknown => ({ ts: 0, id: '', ms: 0, st: 0, err: null })
const orphan = (m: Moment): unknown => ({
  timestamp: new Date(m.ms).toISOString().replace('Z', '-05:00'),
  endpoint_id: 'Default-Old Router',
  latency_ms: 12,
  status: 'success',
})

/** The first third is shape A, then B, then C; single days mix them the way upgrades of the application did. */
const day = (index: number, days: number, startMs: number, random: Random): unknown[] => {
  const all = moments(startMs, random)
  const third = Math.floor((index * 3) / days)
  if (index === 1) return all.map((m, i) => (i % 97 === 0 ? orphan(m) : shapeA(m, random)))
  if (index === Math.floor(days / 3) && days > 3) return all.map((m, i) => (i < 20 ? emptied() : shapeC(m, random)))
  if (index === Math.floor((days * 2) / 3) && days > 3) return all.map((m, i) => (i % 2 === 0 ? shapeB(m, random) : shapeC(m, random)))
  return all.map((m) => (third === 0 ? shapeA : third === 1 ? shapeB : shapeC)(m, random))
}

/** `config.json`, then one file a day up to and with `endDate`. */
export function* sampleFiles({ days, endDate, seed }: SampleOptions): Generator<[path: string, bytes: Uint8Array]> {
  const random = randomFrom(seed)
  yield ['config.json', encode(config)]
  const end = Date.parse(`${endDate}T00:00:00Z`)
  for (let i = 0; i < days; i++) {
    const date = new Date(end - (days - 1 - i) * DAY_MS)
    yield [`data/${date.toISOString().slice(0, 10)}.json`, encode(day(i, days, date.getTime() - OFFSET_HOURS * 3_600_000, random))]
  }
}
