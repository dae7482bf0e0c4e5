import { describe, expect, test } from 'vitest'
import { backJson, codes, config, configWith, DAY, filesOf, google, limits, named, take, web } from './support.ts'

const up = (of: unknown) => {
  const taken = take({ 'config.json': of }, '1.0.0', '2.0.0')
  return { doc: taken.json('2.0.0', 'config.json'), text: taken.text('2.0.0', 'config.json'), issues: taken.issues, taken }
}
const withSettings = (settings: object) => up({ regions: {}, settings }).doc

test('the whole of an ordinary configuration', () => {
  const before = {
    regions: { Home: { endpoints: [google], thresholds: limits } },
    settings: {
      test_interval_seconds: 30,
      data_retention_days: 365,
      notifications_enabled: false,
      window_width: 1024,
      window_height: 768,
      window_x: -5,
      window_y: 0,
    },
  }
  const { header, ...doc } = up(before).doc
  expect(JSON.stringify(doc)).toBe(
    JSON.stringify({
      monitoring: { intervalSeconds: 30 },
      retention: { days: 365 },
      notifications: { enabled: false },
      window: { width: 1024, height: 768, x: -5, y: 0 },
      regions: [{ name: 'Home', thresholds: { latencyMs: 100, availabilityPercent: 99 } }],
      endpoints: [
        {
          id: 'fd6a02b',
          name: 'Google DNS',
          region: 'Home',
          type: 'ICMP',
          address: '8.8.8.8',
          timeoutMs: 1000,
          enabled: true,
          description: '',
          tags: [],
        },
      ],
    }),
  )
  expect(header).toEqual({
    formatVersion: '1',
    schemaVersion: '2.0.0',
    createdWith: 'NetMonitor (unversioned)',
    migrations: [
      { version: '1.1.0', description: 'Add endpoint metadata fields' },
      { version: '2.0.0', description: 'Restructure configuration format' },
    ],
  })
})

test.each([
  [{ test_interval_seconds: 30 }, 30],
  [{ test_interval_minutes: 5 }, 300],
  [{ test_interval_minutes: 1 }, 60],
  [{ test_interval_minutes: 10, test_interval_seconds: 7 }, 7],
  [{}, 300],
  [{ test_interval_seconds: 0 }, 300],
  [{ test_interval_seconds: -5 }, 300],
  [{ test_interval_minutes: 0 }, 300],
  [{ test_interval_seconds: 0, test_interval_minutes: 10 }, 300],
  [{ test_interval_seconds: null, test_interval_minutes: 10 }, 600],
  [{ test_interval_seconds: 1 }, 1],
  [{ test_interval_seconds: 0.9 }, 300],
  [{ test_interval_minutes: 0.5 }, 30],
  [{ test_interval_minutes: 0.01 }, 300],
  [{ test_interval_minutes: 1e308 }, 300],
])('%j gives an interval of %d seconds', (settings, seconds) =>
  expect(withSettings(settings).monitoring).toEqual({ intervalSeconds: seconds }),
)

describe('window', () => {
  test('holds only the members that are there', () =>
    expect(withSettings({ window_x: 3, window_width: 800 }).window).toEqual({ width: 800, x: 3 }))
  test('is absent without any', () => expect(withSettings({})).not.toHaveProperty('window'))
})

test('regions and endpoints keep their order, names like numbers too', () => {
  const region = (name: string) => `"${name}":{"endpoints":[{"name":"e${name}","type":"t","address":"a","timeout":1}]}`
  const { doc } = up(`{"regions":{${['443', 'Z', '80', 'A'].map(region).join()}},"settings":{}}`)
  expect(doc.regions.map((r: { name: string }) => r.name)).toEqual(['443', 'Z', '80', 'A'])
  expect(doc.endpoints.map((e: { name: string; region: string }) => e.region + e.name)).toEqual(['443e443', 'ZeZ', '80e80', 'AeA'])
})

test('unknown members stay with what they belong to', () => {
  const { doc } = up({
    zeta: 1,
    regions: { R: { note: 'r', endpoints: [{ ...google, color: 'red' }], thresholds: { ...limits, jitter_ms: 5 } } },
    settings: { theme: 'dark', test_interval_minutes: 1, language: 'de' },
    alpha: { x: 1 },
  })
  expect(Object.keys(doc)).toEqual([
    'header',
    'monitoring',
    'retention',
    'notifications',
    'regions',
    'endpoints',
    'settings',
    'zeta',
    'alpha',
  ])
  expect(doc.regions).toEqual([{ name: 'R', thresholds: { latencyMs: 100, availabilityPercent: 99, jitter_ms: 5 }, note: 'r' }])
  expect(doc.endpoints[0].color).toBe('red')
  expect(Object.entries(doc.settings)).toEqual([
    ['theme', 'dark'],
    ['language', 'de'],
  ])
})

test('duplicate endpoints are kept, and regions without endpoints too', () => {
  const { doc } = up(configWith({ A: { endpoints: [google, google], thresholds: limits }, Empty: { endpoints: null, thresholds: limits } }))
  expect(doc.endpoints).toHaveLength(2)
  expect(doc.regions.map((r: { name: string }) => r.name)).toEqual(['A', 'Empty'])
})

test("what is absent reads as Go's zero value; retention is the application's 90 days", () => {
  const { doc } = up({ regions: { Bare: { endpoints: [{ name: 'n', type: 't', address: 'a' }] } }, settings: {} })
  expect(doc).toMatchObject({ retention: { days: 90 }, notifications: { enabled: false } })
  expect(doc.regions[0].thresholds).toEqual({ latencyMs: 0, availabilityPercent: 0 })
  expect(doc.endpoints[0].timeoutMs).toBe(0)
})

test('members with names of 2.0.0 move aside wherever they are', () => {
  const { doc, issues } = up({
    window: 'w',
    endpoints: 'mine',
    regions: { R: { name: 'n', endpoints: [{ ...google, region: 'r' }], thresholds: { latencyMs: 1 } } },
    settings: {},
  })
  expect(doc).toMatchObject({ legacy_window: 'w', legacy_endpoints: 'mine' })
  expect(doc).not.toHaveProperty('window')
  expect(doc.regions[0]).toEqual({ name: 'R', thresholds: { latencyMs: 0, availabilityPercent: 0, legacy_latencyMs: 1 }, legacy_name: 'n' })
  expect(doc.endpoints[0]).toMatchObject({ region: 'R', legacy_region: 'r' })
  expect(new Set(codes(issues))).toEqual(new Set(['LEGACY_MEMBER']))
})

test('a region without endpoints, null or empty, has none', () => {
  const { doc } = up(configWith({ Null: { endpoints: null, thresholds: limits }, Empty: { endpoints: [], thresholds: limits } }))
  expect(doc.endpoints).toEqual([])
  expect(doc.regions.map((r: object) => Object.keys(r))).toEqual([
    ['name', 'thresholds'],
    ['name', 'thresholds'],
  ])
})

test('metadata that the user has given goes with the endpoint', () => {
  const own = { ...google, enabled: false, description: 'router', tags: ['lan'] }
  expect(up(configWith({ R: { endpoints: [own], thresholds: limits } })).doc.endpoints[0]).toEqual({
    id: 'fd6a02b',
    name: 'Google DNS',
    region: 'R',
    type: 'ICMP',
    address: '8.8.8.8',
    timeoutMs: 1000,
    enabled: false,
    description: 'router',
    tags: ['lan'],
  })
})

test("a computed value is not taken from the user's member of its name, whatever its type", () => {
  const { doc, issues } = up({
    monitoring: { intervalSeconds: 5 },
    regions: { R: { endpoints: [{ ...google, timeoutMs: 7 }], thresholds: limits } },
    settings: { test_interval_seconds: 30 },
  })
  expect(doc).toMatchObject({ monitoring: { intervalSeconds: 30 }, legacy_monitoring: { intervalSeconds: 5 } })
  expect(doc.endpoints[0]).toMatchObject({ timeoutMs: 1000, legacy_timeoutMs: 7 })
  expect(codes(issues)).toEqual(['LEGACY_MEMBER', 'LEGACY_MEMBER'])
})

test('daily files are not touched', () => {
  const { taken } = named([{ ts: 1765233139, id: 'fd6a02b', ms: 1, st: 0, err: null }])
  expect(taken.files('2.0.0').get(DAY)).toEqual(taken.files('1.2.0').get(DAY))
})

describe('back', () => {
  const down = (doc: unknown) => backJson(filesOf({ 'config.json': doc }), 'config.json', '2.0.0', '1.2.0')
  const { doc } = up(config)

  test('the interval is in seconds, and nothing else of the settings is made up', () => {
    expect(down(doc).settings).toEqual({ test_interval_seconds: 60, data_retention_days: 90, notifications_enabled: true })
  })

  test('regions hold their endpoints again, null where there are none', () => {
    const empty = { name: 'Empty', thresholds: { latencyMs: 1, availabilityPercent: 2 } }
    const { regions } = down({ ...doc, regions: [...doc.regions, empty] })
    expect(Object.keys(regions)).toEqual(['Default', 'Empty'])
    expect(regions.Default.endpoints.map((e: { name: string }) => e.name)).toEqual([google.name, web.name])
    expect(regions.Default.endpoints[0]).toMatchObject({ ...google, id: 'fd6a02b', enabled: true, description: '', tags: [] })
    expect(regions.Empty).toEqual({ endpoints: null, thresholds: { latency_ms: 1, availability_percent: 2 } })
  })

  test('an endpoint of an unknown region creates it, with zero thresholds', () => {
    const [first] = doc.endpoints
    const { regions } = down({ ...doc, endpoints: [...doc.endpoints, { ...first, region: 'New' }] })
    expect(regions.New).toMatchObject({ endpoints: [{ name: google.name }], thresholds: { latency_ms: 0, availability_percent: 0 } })
  })

  test('unknown settings and members, and the window, go back to their places', () => {
    const before = {
      regions: { R: { endpoints: [{ ...google, color: 'red' }], thresholds: { ...limits, jitter_ms: 5 }, note: 'r' } },
      settings: { test_interval_seconds: 5, data_retention_days: 7, notifications_enabled: false, window_x: 3, theme: 'dark' },
      zeta: [1],
    }
    expect(backJson(up(before).taken.files('2.0.0'), 'config.json', '2.0.0', '1.0.0')).toEqual(before)
  })

  test('the header names 1.1.0, the version that changed the file before', () => {
    expect(down(doc).header).toMatchObject({ schemaVersion: '1.1.0', migrations: [{ version: '1.1.0' }] })
  })
})
