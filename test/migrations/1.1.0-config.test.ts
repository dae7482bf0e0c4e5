import { expect, test } from 'vitest'
import { codes, config, configWith, google, limits, settings, shortIdOf, take, web } from './support.ts'

const up = (of: unknown) => {
  const taken = take({ 'config.json': of }, '1.0.0', '1.1.0')
  return { doc: taken.json('1.1.0', 'config.json'), text: taken.text('1.1.0', 'config.json'), issues: taken.issues }
}
const endpointOf = (endpoint: object) =>
  up(configWith({ Default: { endpoints: [endpoint], thresholds: limits } })).doc.regions.Default.endpoints[0]

test.each([
  ['8.8.8.8', 'ICMP', 'fd6a02b'],
  ['google.com:80', 'TCP', '436c168'],
  ['8.8.8.8:53', 'UDP', 'f9e7f0e'],
  ['https://github.com', 'HTTP', 'c7ac87a'],
])('the id of %s and %s is %s', (address, type, id) => {
  expect(endpointOf({ name: 'x', type, address, timeout: 1 }).id).toBe(id)
})

test('an endpoint gains id, enabled, description and tags behind its own members', () => {
  expect(Object.entries(endpointOf(google))).toEqual([
    ['name', 'Google DNS'],
    ['type', 'ICMP'],
    ['address', '8.8.8.8'],
    ['timeout', 1000],
    ['id', 'fd6a02b'],
    ['enabled', true],
    ['description', ''],
    ['tags', []],
  ])
})

test('the header comes first and says where the file comes from', () => {
  const { doc } = up(config)
  expect(Object.keys(doc)).toEqual(['header', 'regions', 'settings'])
  expect(doc.header).toEqual({
    formatVersion: '1',
    schemaVersion: '1.1.0',
    createdWith: 'NetMonitor (unversioned)',
    migrations: [{ version: '1.1.0', description: 'Add endpoint metadata fields' }],
  })
  expect(Object.keys(doc.header)).toEqual(['formatVersion', 'schemaVersion', 'createdWith', 'migrations'])
})

test('the same address and type in another region has the same id', () => {
  const { doc } = up(configWith({ A: { endpoints: [google] }, B: { endpoints: [{ ...google, name: 'again' }] } }))
  expect(doc.regions.B.endpoints[0].id).toBe(doc.regions.A.endpoints[0].id)
})

test('duplicate endpoints are kept', () => {
  const { doc } = up(configWith({ A: { endpoints: [google, google, web] } }))
  expect(doc.regions.A.endpoints.map((e: { id: string }) => e.id)).toEqual(['fd6a02b', 'fd6a02b', 'c7ac87a'])
})

test('null endpoints, missing thresholds and a missing settings object are accepted and stay', () => {
  const { doc } = up({ regions: { Empty: { endpoints: null }, Bare: {} }, settings: undefined })
  expect(doc.regions).toEqual({ Empty: { endpoints: null }, Bare: {} })
  expect(doc).not.toHaveProperty('settings')
})

test('unknown members and the order of members, regions and settings stay', () => {
  const before = `{"zeta":1,"settings":{"theme":"dark","test_interval_minutes":1},"regions":{"Z":{"thresholds":{"x":1},"note":"n","endpoints":[{"timeout":1,"custom":{"a":[1]},"address":"a","type":"T","name":"n"}]},"A":{}},"alpha":[2]}`
  const { doc } = up(before)
  expect(Object.keys(doc)).toEqual(['header', 'zeta', 'settings', 'regions', 'alpha'])
  expect(Object.keys(doc.settings)).toEqual(['theme', 'test_interval_minutes'])
  expect(Object.keys(doc.regions)).toEqual(['Z', 'A'])
  expect(Object.keys(doc.regions.Z)).toEqual(['thresholds', 'note', 'endpoints'])
  expect(Object.keys(doc.regions.Z.endpoints[0]).slice(0, 5)).toEqual(['timeout', 'custom', 'address', 'type', 'name'])
})

test('regions with names like numbers keep their order', () => {
  const { text } = up(`{"regions":{"443":{"endpoints":null},"80":{"endpoints":null},"Home":{"endpoints":null}},"settings":{}}`)
  expect([...text.matchAll(/"(443|80|Home)"/g)].map((m) => m[1])).toEqual(['443', '80', 'Home'])
})

test('metadata of the right type that is there already stays', () => {
  const own = { ...google, enabled: false, description: 'mine', tags: ['a'], id: 'abcdef0' }
  expect(endpointOf(own)).toEqual(own)
})

test('metadata of another type moves to legacy_<name>, in its place, with a warning', () => {
  const { doc, issues } = up(configWith({ A: { endpoints: [{ tags: 'a,b', ...google, enabled: 'yes' }] } }))
  const [endpoint] = doc.regions.A.endpoints
  expect(Object.keys(endpoint)).toEqual([
    'legacy_tags',
    'name',
    'type',
    'address',
    'timeout',
    'legacy_enabled',
    'id',
    'enabled',
    'description',
    'tags',
  ])
  expect(endpoint).toMatchObject({ legacy_tags: 'a,b', legacy_enabled: 'yes', enabled: true, tags: [] })
  expect(codes(issues)).toEqual(['LEGACY_MEMBER', 'LEGACY_MEMBER'])
  expect(issues[0]).toMatchObject({ severity: 'warning', file: 'config.json', step: '1.1.0' })
})

test('a legacy name that is taken gets another prefix', () => {
  expect(endpointOf({ ...google, tags: 1, legacy_tags: 2 })).toMatchObject({ legacy_tags: 2, legacy_legacy_tags: 1, tags: [] })
})

test("a header of the user's own moves aside", () => {
  const { doc, issues } = up({ header: 'mine', ...config })
  expect(doc).toMatchObject({ header: { schemaVersion: '1.1.0' }, legacy_header: 'mine' })
  expect(codes(issues)).toEqual(['LEGACY_MEMBER'])
})

test('no warning quotes a value of the user', () => {
  const { issues } = up(configWith({ A: { endpoints: [{ ...google, enabled: 'SECRET' }] } }))
  expect(JSON.stringify(issues)).not.toContain('SECRET')
})

test.each([
  ['torn', '{"regions": {'],
  ['empty', ''],
  ['an endpoint without an address', { regions: { A: { endpoints: [{ name: 'x', type: 'y' }] } }, settings }],
])('a broken config.json (%s) fails the job', (_, broken) => {
  expect(() => take({ 'config.json': broken })).toThrow(/config\.json/)
})

test('a short id is the start of a UUIDv5 in the URL namespace', () => {
  expect(shortIdOf('8.8.8.8ICMP')).toBe('fd6a02b')
  expect(endpointOf({ ...google, address: 'ü & ö' }).id).toBe(shortIdOf('ü & öICMP'))
})
