import { shortId } from './endpoints.ts'

const ENDPOINTS = [
  ['Google DNS', 'ICMP', '8.8.8.8', 1000],
  ['Google TCP', 'TCP', 'google.com:80', 2000],
  ['Google DNS UDP', 'UDP', '8.8.8.8:53', 2000],
  ['GitHub HTTP', 'HTTP', 'https://github.com', 5000],
] as const

/** The configuration of a fresh install, as the newest version that changed it (2.0.0) has it. */
export const initialConfig = {
  header: { formatVersion: '1', schemaVersion: '2.0.0', createdWith: 'Strata', migrations: [] },
  monitoring: { intervalSeconds: 60 },
  retention: { days: 90 },
  notifications: { enabled: true },
  regions: [{ name: 'Default', thresholds: { latencyMs: 100, availabilityPercent: 99 } }],
  endpoints: ENDPOINTS.map(([name, type, address, timeoutMs]) => ({
    id: shortId(address + type),
    name,
    region: 'Default',
    type,
    address,
    timeoutMs,
    enabled: true,
    description: '',
    tags: [],
  })),
}
