import type { Pair, Warner } from '../src/index.ts'
import { entries, fromEntries, migration, numberOf, restored, without } from '../src/index.ts'
import { regionsOf } from './endpoints.ts'
import { headerProblem, stamped, unstamped } from './header.ts'
import { withRest } from './members.ts'
import type { ConfigV1_1, ConfigV2 } from './schemas.ts'
import { v1_2, v2_0 } from './schemas.ts'

const STEP = { version: '2.0.0', description: 'Restructure configuration format' }

const DEFAULT_INTERVAL_SECONDS = 300
const DEFAULT_RETENTION_DAYS = 90

type Settings = NonNullable<ConfigV1_1['settings']>
type Region = NonNullable<ConfigV1_1['regions']>[string]
type Endpoint = NonNullable<Region['endpoints']>[number]
type Limits = ConfigV2['regions'][number]['thresholds']
type FlatEndpoint = ConfigV2['endpoints'][number]
type WindowPlace = NonNullable<ConfigV2['window']>

const WINDOW = ['width', 'height', 'x', 'y'] as const
const KNOWN_SETTINGS = [
  'test_interval_seconds',
  'test_interval_minutes',
  'data_retention_days',
  'notifications_enabled',
  ...WINDOW.map((name) => `window_${name}`),
]
const OLD_TOP = ['header', 'regions', 'settings']
const NEW_TOP = ['header', 'monitoring', 'retention', 'notifications', 'window', 'regions', 'endpoints', 'settings']
const OLD_THRESHOLDS = ['latency_ms', 'availability_percent']
const NEW_THRESHOLDS = ['latencyMs', 'availabilityPercent']
const OLD_ENDPOINT = ['id', 'name', 'type', 'address', 'timeout', 'enabled', 'description', 'tags']
const NEW_ENDPOINT = [...OLD_ENDPOINT.filter((name) => name !== 'timeout'), 'region', 'timeoutMs']

/* ---- forwards ---- */

/** Seconds win over minutes; neither, or below one second, gives five minutes. */
const intervalOf = ({ test_interval_seconds: seconds, test_interval_minutes: minutes }: Settings): number => {
  const interval = seconds ?? (numberOf(minutes) ?? 0) * 60
  const value = numberOf(interval) ?? 0
  // So many minutes that their seconds are no number are none.
  return value < 1 || !Number.isFinite(value) ? DEFAULT_INTERVAL_SECONDS : interval
}

const windowOf = (settings: Settings): WindowPlace | undefined => {
  const present = WINDOW.filter((name) => settings[`window_${name}`] !== undefined)
  return present.length === 0 ? undefined : Object.fromEntries(present.map((name) => [name, settings[`window_${name}`]]))
}

/** What is absent reads as Go's zero value, as it did in the application. */
const limitsOf = (thresholds: Region['thresholds'], ctx: Warner): Limits => {
  const known = { latencyMs: thresholds?.latency_ms ?? 0, availabilityPercent: thresholds?.availability_percent ?? 0 }
  return withRest(known, without(thresholds ?? {}, OLD_THRESHOLDS), ctx)
}

const flatRegion = (name: string, region: Region, ctx: Warner): ConfigV2['regions'][number] =>
  withRest({ name, thresholds: limitsOf(region.thresholds, ctx) }, without(region, ['endpoints', 'thresholds']), ctx)

const flatEndpoint = (region: string, endpoint: Endpoint, ctx: Warner): FlatEndpoint => {
  const { id, name, type, address, timeout, enabled, description, tags } = endpoint
  const known = { id, name, region, type, address, timeoutMs: timeout ?? 0, enabled, description, tags }
  return withRest(known, without(endpoint, OLD_ENDPOINT), ctx)
}

const migrateConfig = (doc: ConfigV1_1, ctx: Warner): ConfigV2 => {
  const settings = doc.settings ?? {}
  const window = windowOf(settings)
  const others = without(settings, KNOWN_SETTINGS)
  const regions = regionsOf(doc.regions)
  const known: ConfigV2 = {
    header: stamped(doc.header, STEP),
    monitoring: { intervalSeconds: intervalOf(settings) },
    retention: { days: settings.data_retention_days ?? DEFAULT_RETENTION_DAYS },
    notifications: { enabled: settings.notifications_enabled ?? false },
    ...(window && { window }),
    regions: regions.map(([name, region]) => flatRegion(name, region, ctx)),
    endpoints: regions.flatMap(([name, { endpoints }]) => (endpoints ?? []).map((endpoint) => flatEndpoint(name, endpoint, ctx))),
    ...(others.length > 0 && { settings: fromEntries(others) }),
  }
  return withRest(known, without(doc, OLD_TOP), ctx, NEW_TOP)
}

/* ---- back ---- */

const back = <T extends object>(known: T, rest: readonly Pair[], names: readonly string[], ctx: Warner): T =>
  withRest(known, restored(rest, names), ctx)

const thresholdsOf = (limits: Limits, ctx: Warner): NonNullable<Region['thresholds']> =>
  back(
    { latency_ms: limits.latencyMs, availability_percent: limits.availabilityPercent },
    without(limits, NEW_THRESHOLDS),
    NEW_THRESHOLDS,
    ctx,
  )

const nestedEndpoint = (endpoint: FlatEndpoint, ctx: Warner): Endpoint => {
  const { id, name, type, address, timeoutMs: timeout, enabled, description, tags } = endpoint
  return back(
    { name, type, address, timeout, id, enabled, description, tags },
    without(endpoint, NEW_ENDPOINT),
    ['region', 'timeoutMs'],
    ctx,
  )
}

const ZERO: Limits = { latencyMs: 0, availabilityPercent: 0 }

/** Each region with its endpoints, null where it has none, as Go writes it; an unknown region is made when an endpoint names it. */
const nestedRegions = (doc: ConfigV2, ctx: Warner): Record<string, Region> => {
  const all = new Map(doc.regions.map((region) => [region.name, region]))
  for (const { region } of doc.endpoints) if (!all.has(region)) all.set(region, { name: region, thresholds: ZERO })
  const nested = [...all].map(([name, region]): Pair => {
    const endpoints = doc.endpoints.filter((e) => e.region === name).map((e) => nestedEndpoint(e, ctx))
    const known: Region = { endpoints: endpoints.length === 0 ? null : endpoints, thresholds: thresholdsOf(region.thresholds, ctx) }
    return [name, back(known, without(region, ['name', 'thresholds']), ['name'], ctx)]
  })
  // Every value was just made as a Region.
  return fromEntries(nested) as Record<string, Region>
}

const settingsOf = (doc: ConfigV2, ctx: Warner): Settings => {
  const window = entries(doc.window ?? {}).map(([name, value]): Pair => [`window_${name}`, value])
  const known: Settings = {
    test_interval_seconds: doc.monitoring.intervalSeconds,
    data_retention_days: doc.retention.days,
    notifications_enabled: doc.notifications.enabled,
  }
  // The application's own names again, then what no version knows.
  return withRest(fromEntries([...entries(known), ...window]) as Settings, entries(doc.settings ?? {}), ctx, KNOWN_SETTINGS)
}

const rollbackConfig = (doc: ConfigV2, ctx: Warner): ConfigV1_1 => {
  const known: ConfigV1_1 = {
    header: unstamped(doc.header, STEP.version, '1.1.0'),
    regions: nestedRegions(doc, ctx),
    settings: settingsOf(doc, ctx),
  }
  return back(known, without(doc, NEW_TOP), ['monitoring', 'retention', 'notifications', 'window', 'endpoints'], ctx)
}

const homeless = ({ regions, endpoints }: ConfigV2): boolean => {
  const names = new Set(regions.map((region) => region.name))
  return endpoints.some((endpoint) => !names.has(endpoint.region))
}

export const restructureConfigurationFormat = migration(v1_2, v2_0, {
  description: STEP.description,
  createdAt: '2026-11-23T00:00:00Z',
  changes: [
    'config.json: settings become monitoring, retention, notifications and window; the interval is in seconds',
    'config.json: regions and endpoints become lists; an endpoint names its region',
  ],
  files: { config: { file: { migrate: migrateConfig, rollback: rollbackConfig } } },
  validate: {
    config: {
      doc: (doc) => headerProblem(doc.header, STEP.version) ?? (homeless(doc) ? 'an endpoint names a region that is not there' : undefined),
    },
  },
})
