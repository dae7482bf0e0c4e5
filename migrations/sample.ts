import { shortId } from './endpoints.ts'

/**
 * Made-up data as NetMonitor's releases wrote it, byte for byte in Go's formatting: for demonstrations and tests.
 * The same options give the same bytes; there is no clock in it.
 */
export type SampleOptions = { readonly days: number; readonly endDate: string; readonly seed: number }

type Random = () => number
type Endpoint = { readonly name: string; readonly type: string; readonly address: string; readonly timeout: number }
type Probe = { readonly instant: number; readonly endpoint: Endpoint; readonly ms: number; readonly st: 0 | 1 | 2 }

const DAY = 86_400_000
const ROUND = 15 * 60_000

const ENDPOINTS: readonly Endpoint[] = [
  { name: 'Google DNS', type: 'ICMP', address: '8.8.8.8', timeout: 1000 },
  { name: 'Google TCP', type: 'TCP', address: 'google.com:80', timeout: 2000 },
  { name: 'Google DNS UDP', type: 'UDP', address: '8.8.8.8:53', timeout: 2000 },
  { name: 'GitHub HTTP', type: 'HTTP', address: 'https://github.com', timeout: 5000 },
  { name: 'R&D <lab>', type: 'TCP', address: '10.20.0.1:443', timeout: 2000 },
]
/** Was deleted, but not its history. */
const GONE: Endpoint = { name: 'Old-Router', type: 'ICMP', address: '192.168.1.1', timeout: 1000 }

const CONFIG = {
  regions: { Default: { endpoints: ENDPOINTS, thresholds: { latency_ms: 100, availability_percent: 99 } } },
  settings: { test_interval_minutes: 15, data_retention_days: 90, notifications_enabled: true },
}

/** Mulberry32: small, seedable, the same everywhere. */
const randomOf = (seed: number): Random => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const encoder = new TextEncoder()

/** Go's json.MarshalIndent(value, "", "  "). */
const marshal = (value: unknown): Uint8Array =>
  encoder.encode(JSON.stringify(value, null, 2).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`))

/** US Eastern time: daylight saving from the second Sunday of March to the first of November, at 07:00 and 06:00 UTC. */
const offsetHours = (instant: number): number => {
  const year = new Date(instant).getUTCFullYear()
  const sunday = (month: number, earliest: number): number => {
    const first = Date.UTC(year, month, earliest)
    return first + ((7 - new Date(first).getUTCDay()) % 7) * DAY
  }
  return instant >= sunday(2, 8) + 7 * 3_600_000 && instant < sunday(10, 1) + 6 * 3_600_000 ? -4 : -5
}

const localTime = (instant: number): string => new Date(instant + offsetHours(instant) * 3_600_000).toISOString()

const probe = (instant: number, endpoint: Endpoint, random: Random): Probe => {
  const luck = random()
  const st = luck < 0.01 ? 1 : luck < 0.02 ? 2 : 0
  const slow = random() < 0.05 ? 400 : 40
  return { instant, endpoint, ms: st === 1 ? endpoint.timeout : Math.floor(8 + random() * slow), st }
}

/** A local day: a round of all endpoints every quarter of an hour, a few milliseconds apart. */
const probesOf = (midnight: number, random: Random): Probe[] => {
  const start = midnight - offsetHours(midnight + DAY / 4) * 3_600_000 + Math.floor(random() * 60_000)
  return Array.from({ length: 94 }, (_, round) => round).flatMap((round) => {
    const endpoints = round % 30 === 7 ? [...ENDPOINTS, GONE] : ENDPOINTS
    return endpoints.map((endpoint, at) => probe(start + round * ROUND + at * 7 + Math.floor(random() * 7), endpoint, random))
  })
}

const FAILURES = { 0: '', 1: 'i/o timeout', 2: 'dial tcp: connection refused' } as const

/** Windows' clock has seven digits, and Go writes no zeros at the end. */
const shapeA = ({ instant, endpoint, ms, st }: Probe, random: Random): object => {
  const digits = localTime(instant).slice(20, 23) + String(Math.floor(random() * 10_000)).padStart(4, '0')
  const fraction = digits.replace(/0+$/, '')
  return {
    timestamp: `${localTime(instant).slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}-0${-offsetHours(instant)}:00`,
    endpoint_id: `Default-${endpoint.name}`,
    latency_ms: ms,
    status: st === 0 ? 'success' : 'failure',
    ...(st === 0 ? undefined : { error: FAILURES[st] }),
  }
}

const shapeC = ({ instant, endpoint, ms, st }: Probe): object => ({
  ts: instant,
  id: shortId(endpoint.address + endpoint.type),
  ms,
  st,
  err: st === 2 ? {} : null,
})
const shapeB = (p: Probe): object => ({ ...shapeC(p), ts: Math.floor(p.instant / 1000) })
const zero = (): object => ({ ts: 0, id: '', ms: 0, st: 0, err: null })

/** The writers of a day: the first sixth of it may be from before an upgrade. */
type Day = { readonly before: (p: Probe, random: Random) => object; readonly after: (p: Probe, random: Random) => object }

const DAYS: readonly [Day, ...Day[]] = [
  { before: shapeA, after: shapeA },
  { before: shapeA, after: shapeA },
  { before: shapeB, after: shapeB },
  { before: zero, after: shapeC },
  { before: shapeB, after: shapeC },
  { before: shapeC, after: shapeC },
]

const recordsOf = (day: number, midnight: number, random: Random): object[] => {
  const { before, after } = DAYS[day % DAYS.length] ?? DAYS[0]
  const probes = probesOf(midnight, random)
  return probes.map((p, at) => (at < probes.length / 6 ? before : after)(p, random))
}

/**
 * `config.json` of the first release, then one daily file for each of `days` days up to `endDate`, oldest first.
 * The days take turns: A, A, B, a day of A emptied by an upgrade and continued as C, B continued as C, C.
 *
 * @example const files = new Map(sampleFiles({ days: 6, endDate: '2025-12-14', seed: 1 }))
 */
export function* sampleFiles({ days, endDate, seed }: SampleOptions): Generator<[path: string, bytes: Uint8Array]> {
  const random = randomOf(seed)
  yield ['config.json', marshal(CONFIG)]
  const last = Date.parse(`${endDate}T00:00:00Z`)
  for (let day = 0; day < days; day++) {
    const midnight = last - (days - 1 - day) * DAY
    yield [`data/${new Date(midnight).toISOString().slice(0, 10)}.json`, marshal(recordsOf(day, midnight, random))]
  }
}
