import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import netmonitor from '../../migrations/index.ts'
import type { Issue } from '../../src/index.ts'
import { fileAt, migrateFiles } from '../../src/index.ts'

export const VERSIONS = ['1.0.0', '1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0'] as const
export type Version = (typeof VERSIONS)[number]

/** Text is taken as it stands; anything else is written as Go would, but for escapes. */
export type Content = Readonly<Record<string, unknown>>
export type FileMap = ReadonlyMap<string, Uint8Array>

export const textOf = (bytes: Uint8Array | undefined): string => {
  if (bytes === undefined) throw new Error('there is no such file')
  return new TextDecoder().decode(bytes)
}
export const bytesOf = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value, null, 2))

export const filesOf = (content: Content): FileMap => new Map(Object.entries(content).map(([path, value]) => [path, bytesOf(value)]))

/** A dataset taken up from 1.0.0 (or `from`), to be looked at in every version. */
export type Taken = {
  readonly issues: readonly Issue[]
  files(version: Version): FileMap
  text(version: Version, path: string): string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- parsed JSON, looked at by expectations
  json(version: Version, path: string): any
}

export const take = (content: Content | FileMap, from: Version = '1.0.0', to: Version = '2.2.0'): Taken => {
  const source = content instanceof Map ? (content as FileMap) : filesOf(content as Content)
  const { steps, issues } = migrateFiles(netmonitor, source, from, to)
  const all = [source, ...steps]
  const files = (version: Version): FileMap => all[VERSIONS.indexOf(version) - VERSIONS.indexOf(from)] ?? new Map<string, Uint8Array>()
  const text = (version: Version, path: string): string => textOf(files(version).get(path))
  return { issues, files, text, json: (version, path) => JSON.parse(text(version, path)) }
}

/** One file of `files`, which are at `from`, by the `rollback` functions down to `to`. */
export const back = (files: FileMap, path: string, from: Version, to: Version): string => textOf(fileAt(netmonitor, files, path, from, to))
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
export const backJson = (files: FileMap, path: string, from: Version, to: Version): any => JSON.parse(back(files, path, from, to))

export const DAY = 'data/2025-12-08.json'
export const HOURLY = 'aggregated/2025-12-08-hourly.json'
export const DAILY = 'aggregated/2025-12-08-daily.json'

export const google = { name: 'Google DNS', type: 'ICMP', address: '8.8.8.8', timeout: 1000 }
export const web = { name: 'GitHub HTTP', type: 'HTTP', address: 'https://github.com', timeout: 5000 }
export const limits = { latency_ms: 100, availability_percent: 99 }
export const settings = { test_interval_minutes: 1, data_retention_days: 90, notifications_enabled: true }

export const configWith = (regions: Readonly<Record<string, unknown>>, more: object = {}): object => ({ regions, settings, ...more })
export const config = configWith({ Default: { endpoints: [google, web], thresholds: limits } })

/** Records of a day, taken up: the results at 1.1.0 and what was reported. */
export const named = (records: readonly unknown[], of: object = config) => {
  const taken = take({ 'config.json': of, [DAY]: records })
  return { results: taken.json('1.1.0', DAY).results as unknown[], issues: taken.issues, taken }
}
export const timed = (records: readonly unknown[], of: object = config) => {
  const taken = take({ 'config.json': of, [DAY]: records })
  return taken.json('1.2.0', DAY) as { utcOffset?: string; results: Record<string, unknown>[] }
}

export const codes = (issues: readonly Issue[]): string[] => issues.map((found) => found.code)

/** The short id, worked out from RFC 9562 alone: SHA-1 over namespace and name; the version bits come later in the text. */
export const shortIdOf = (text: string): string => {
  const namespace = Buffer.from('6ba7b8119dad11d180b400c04fd430c8', 'hex')
  return createHash('sha1').update(namespace).update(text).digest('hex').slice(0, 7)
}

const FIXTURE = new URL('../fixtures/netmonitor-v1.0.0/', import.meta.url)
export const fixture = (): FileMap =>
  new Map(['config.json', DAY].map((path) => [path, new Uint8Array(readFileSync(new URL(path, FIXTURE)))]))
