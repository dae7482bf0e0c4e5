import { entries, uuid5 } from '../src/index.ts'
import { isObject, isText } from './members.ts'

/** The URL namespace of RFC 9562, which the application uses for its short ids. */
const URL_NAMESPACE = '6ba7b811-9dad-11d1-80b4-00c04fd430c8'
const SHORT = 7

/** The application's short id: the first seven hex digits of a version 5 UUID. `shortId('8.8.8.8ICMP')` is `fd6a02b`. */
export const shortId = (text: string): string => uuid5(text, URL_NAMESPACE).slice(0, SHORT)

/** Endpoints whose id an old `<region>-<name>` string may mean, with the region first in the configuration. */
export type Directory = {
  /** `<region>-<name>` to the ids of the endpoints of that name, in file order. */
  readonly byName: ReadonlyMap<string, readonly string[]>
  /** The application's own tool wrote the short id of `<region>-<name>` instead. */
  readonly byToolId: ReadonlyMap<string, string>
  readonly ids: ReadonlySet<string>
}

const listOf = (region: unknown): unknown[] => (isObject(region) && Array.isArray(region.endpoints) ? region.endpoints : [])

/** Whole `<region>-<name>` strings: either part may hold a dash, so nothing is ever split. */
export const buildDirectory = (config: { regions: object } | undefined): Directory => {
  const byName = new Map<string, string[]>()
  const byToolId = new Map<string, string>()
  const ids = new Set<string>()
  for (const [region, value] of entries(config?.regions ?? {})) {
    for (const endpoint of listOf(value)) {
      if (!isObject(endpoint) || !isText(endpoint.name) || !isText(endpoint.address) || !isText(endpoint.type)) continue
      const id = shortId(endpoint.address + endpoint.type)
      const key = `${region}-${endpoint.name}`
      ids.add(id)
      byName.set(key, [...(byName.get(key) ?? []), id])
      if (!byToolId.has(shortId(key))) byToolId.set(shortId(key), id)
    }
  }
  return { byName, byToolId, ids }
}
