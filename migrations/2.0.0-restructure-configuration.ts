import { entries, fromEntries, migration, numberOf } from '../src/index.ts'
import { headerProblem, stamped, unstamped } from './header.ts'
import type { Header } from './header.ts'
import { isList, isObject, isText, makeRoom, mapMembers, restoreLegacy, without } from './members.ts'
import { v1_2, v2_0 } from './schemas.ts'

const STEP = { version: '2.0.0', description: 'Restructure configuration format' }

type Loose = Record<string, unknown>
type Pair = [string, unknown]

const NEW_MEMBERS = ['monitoring', 'retention', 'notifications', 'window', 'endpoints'] as const
const WINDOW: Readonly<Record<string, string>> = { window_width: 'width', window_height: 'height', window_x: 'x', window_y: 'y' }
const KNOWN_SETTINGS = [
  'test_interval_minutes',
  'test_interval_seconds',
  'data_retention_days',
  'notifications_enabled',
  ...Object.keys(WINDOW),
]
const DEFAULT_SECONDS = 300

const present = (pairs: readonly Pair[]): Pair[] => pairs.filter(([, value]) => value !== undefined)

/** Seconds win over minutes; neither, or below one, gives five minutes. A number that is taken over keeps its text. */
const intervalOf = (settings: Loose): unknown => {
  const minutes = numberOf(settings.test_interval_minutes)
  const chosen = settings.test_interval_seconds ?? (minutes === undefined ? undefined : minutes * 60)
  const seconds = numberOf(chosen)
  return seconds === undefined || seconds < 1 ? DEFAULT_SECONDS : chosen
}

const rename =
  (name: string, map: (value: unknown) => unknown = (value) => value) =>
  (value: unknown): Pair[] => [[name, map(value)]]

const upThresholds = (value: unknown): unknown =>
  isObject(value) ? mapMembers(value, { latency_ms: rename('latencyMs'), availability_percent: rename('availabilityPercent') }) : value
const downThresholds = (value: unknown): unknown =>
  isObject(value) ? mapMembers(value, { latencyMs: rename('latency_ms'), availabilityPercent: rename('availability_percent') }) : value

type Warn = (code: string, message: string, hint?: string) => void

const upRegion = (name: string, value: unknown, warn: Warn): Loose => {
  const region = makeRoom(isObject(value) ? value : {}, { name: () => false }, warn)
  return fromEntries([
    ['name', name],
    ...without(region, 'endpoints').map(([key, v]): Pair => [key, key === 'thresholds' ? upThresholds(v) : v]),
  ])
}

const ENDPOINT = ['id', 'name', 'region', 'type', 'address', 'timeout', 'enabled', 'description', 'tags']

const upEndpoint = (region: string, value: Loose, warn: Warn): Loose => {
  const e = makeRoom(value, { region: () => false, timeoutMs: () => false }, warn)
  const known: Pair[] = [
    ['id', e.id],
    ['name', e.name],
    ['region', region],
    ['type', e.type],
    ['address', e.address],
    ['timeoutMs', e.timeout],
    ['enabled', e.enabled],
    ['description', e.description],
    ['tags', e.tags],
  ]
  return fromEntries([...present(known), ...without(e, ...ENDPOINT)])
}

const endpointsOf = (region: unknown): Loose[] => (isObject(region) && isList(region.endpoints) ? region.endpoints.filter(isObject) : [])

const up = (doc: Loose & { header: Header; regions: object; settings?: object }, warn: Warn): Loose => {
  const room = makeRoom(doc, Object.fromEntries(NEW_MEMBERS.map((name) => [name, () => false])), warn)
  const settings = fromEntries(entries(doc.settings ?? {}))
  const window = present(Object.entries(WINDOW).map(([from, to]): Pair => [to, settings[from]]))
  const unknown = without(settings, ...KNOWN_SETTINGS)
  const regions = entries(doc.regions)
  return fromEntries([
    ['header', stamped(doc.header, STEP)],
    ['monitoring', { intervalSeconds: intervalOf(settings) }],
    ['retention', fromEntries(present([['days', settings.data_retention_days]]))],
    ['notifications', fromEntries(present([['enabled', settings.notifications_enabled]]))],
    ...(window.length === 0 ? [] : [['window', fromEntries(window)] as Pair]),
    ['regions', regions.map(([name, region]) => upRegion(name, region, warn))],
    ['endpoints', regions.flatMap(([name, region]) => endpointsOf(region).map((e) => upEndpoint(name, e, warn)))],
    ...(unknown.length === 0 ? [] : [['settings', fromEntries(unknown)] as Pair]),
    ...without(room, 'header', 'regions', 'settings'),
  ])
}

const downEndpoint = (value: Loose): Loose => {
  const known: Pair[] = [
    ['name', value.name],
    ['type', value.type],
    ['address', value.address],
    ['timeout', value.timeoutMs],
    ['id', value.id],
    ['enabled', value.enabled],
    ['description', value.description],
    ['tags', value.tags],
  ]
  return restoreLegacy(fromEntries([...present(known), ...without(value, 'timeoutMs', ...ENDPOINT)]), ['region', 'timeoutMs'])
}

const ZERO_THRESHOLDS = { latency_ms: 0, availability_percent: 0 }

/** The map of regions in their order; an endpoint of a region that is not listed creates it. */
const downRegions = (regions: readonly Loose[], endpoints: readonly Loose[]): Loose => {
  const names = [...new Set([...regions.map((r) => r.name), ...endpoints.map((e) => e.region)])].filter(isText)
  return fromEntries(
    names.map((name): Pair => {
      const region = regions.find((r) => r.name === name)
      const own = endpoints.filter((e) => e.region === name).map(downEndpoint)
      const rest =
        region === undefined
          ? [['thresholds', ZERO_THRESHOLDS] as Pair]
          : without(region, 'name').map(([key, value]): Pair => [key, key === 'thresholds' ? downThresholds(value) : value])
      return [name, restoreLegacy(fromEntries([['endpoints', own], ...rest]), ['name'])]
    }),
  )
}

const down = (doc: Loose & { header: Header; regions: Loose[]; endpoints: Loose[] }): Loose => {
  const at = (name: string): Loose => (isObject(doc[name]) ? doc[name] : {})
  const settings: Pair[] = present([
    ['test_interval_seconds', at('monitoring').intervalSeconds],
    ['data_retention_days', at('retention').days],
    ['notifications_enabled', at('notifications').enabled],
    ...Object.entries(WINDOW).map(([name, from]): Pair => [name, at('window')[from]]),
  ])
  const rest = without(doc, 'header', 'regions', 'settings', ...NEW_MEMBERS)
  const back = fromEntries([
    ['header', unstamped(doc.header, '1.1.0')],
    ['regions', downRegions(doc.regions, doc.endpoints)],
    ['settings', fromEntries([...settings, ...entries(at('settings'))])],
    ...rest,
  ])
  return restoreLegacy(back, NEW_MEMBERS)
}

export const m2_0 = migration(v1_2, v2_0, {
  ...STEP,
  createdAt: '2026-11-23T00:00:00Z',
  changes: [
    'config.json is grouped into monitoring, retention, notifications and window',
    'Regions and endpoints become lists; each endpoint names its region',
    'The test interval is in seconds',
  ],
  files: {
    config: {
      file: {
        // Both directions build the whole document; the schema check of every result stands in for the types here.
        migrate: (doc, ctx) => up(doc as Loose & typeof doc, ctx.warn) as never,
        rollback: (doc) => down(doc as Loose & typeof doc) as never,
      },
    },
  },
  validate: {
    config: {
      doc: (doc) => {
        const regions = new Set(doc.regions.map((r) => r.name))
        if (doc.endpoints.some((e) => !regions.has(e.region))) return 'an endpoint names a region that is not listed'
        if ((numberOf(doc.monitoring.intervalSeconds) ?? 0) < 1) return 'the test interval is below one second'
        return headerProblem(doc.header, STEP.version)
      },
    },
  },
})
