import { entries, fromEntries } from '../src/index.ts'
import { isObject, isText, without } from './members.ts'
import { parseInstant } from './time.ts'

/**
 * Records of 1.1.0 in the shapes that the application wrote before. Which shape a record had shows in its timestamp: whole
 * seconds in UTC are shape B, milliseconds in UTC shape C, anything else shape A. Records that were there before the
 * migration come back as their original bytes by other means; this serves those written since.
 */

type Loose = Record<string, unknown>

const SECONDS = /:\d\dZ$/
const MILLISECONDS = /\.\d{3}Z$/

/** `<region>-<name>` of the first endpoint with this id. */
const nameOf = (id: unknown, config: { regions: object } | undefined): string | undefined => {
  for (const [region, value] of entries(config?.regions ?? {})) {
    const list = isObject(value) && Array.isArray(value.endpoints) ? value.endpoints : []
    for (const endpoint of list) if (isObject(endpoint) && endpoint.id === id) return `${region}-${String(endpoint.name)}`
  }
  return undefined
}

const statusOf = (record: Loose): { st: number; err: string | null } => {
  if (record.status === 'success') return { st: 0, err: isText(record.error) ? record.error : null }
  if (record.error === 'timeout') return { st: 1, err: null }
  return { st: 2, err: isText(record.error) && record.error !== 'error' ? record.error : null }
}

const numbered = (record: Loose, ts: number): Loose => {
  const { st, err } = statusOf(record)
  const rest = without(record, 'timestamp', 'endpoint_id', 'latency_ms', 'status', 'error')
  return fromEntries([['ts', ts], ['id', record.endpoint_id], ['ms', record.latency_ms ?? null], ['st', st], ['err', err], ...rest])
}

export const backRecord = (record: Loose, config: { regions: object } | undefined): Loose => {
  const timestamp = String(record.timestamp)
  const { epochMs } = parseInstant(timestamp)
  if (MILLISECONDS.test(timestamp)) return numbered(record, epochMs)
  if (SECONDS.test(timestamp)) return numbered(record, epochMs / 1000)
  return { ...record, endpoint_id: nameOf(record.endpoint_id, config) ?? record.endpoint_id }
}
