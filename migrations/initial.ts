import { shortId } from './endpoints.ts'
import type { ConfigV2_2 } from './schemas.ts'

const endpoint = (name: string, type: string, address: string, timeoutMs: number): ConfigV2_2['endpoints'][number] => ({
  id: shortId(address + type),
  name,
  region: 'Default',
  type,
  address,
  timeoutMs,
  enabled: true,
  tags: [],
})

/** The files of a fresh install: the application's own defaults. The configuration's shape is that of 2.2.0, the last step that changed it. */
export const initialFiles = (): { 'config.json': ConfigV2_2 } => ({
  'config.json': {
    header: { formatVersion: '1', schemaVersion: '2.2.0', createdWith: 'Strata', migrations: [] },
    monitoring: { intervalSeconds: 300 },
    retention: { days: 90 },
    notifications: { enabled: true },
    regions: [{ name: 'Default', thresholds: { latencyMs: 100, availabilityPercent: 99 } }],
    endpoints: [
      endpoint('Google DNS', 'ICMP', '8.8.8.8', 1000),
      endpoint('Google TCP', 'TCP', 'google.com:80', 2000),
      endpoint('Google DNS UDP', 'UDP', '8.8.8.8:53', 2000),
      endpoint('GitHub HTTP', 'HTTP', 'https://github.com', 5000),
    ],
  },
})
