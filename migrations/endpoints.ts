import { entries, uuid5 } from '../src/index.ts'
import { isText } from './members.ts'
import type { ConfigV1, ConfigV1_1 } from './schemas.ts'

/** Seven hex digits: what the application calls an endpoint by since its shape B. */
const ID = /^[0-9a-f]{7}$/

export const isShortId = (value: unknown): value is string => isText(value) && ID.test(value)

/** The first 7 hex digits of the UUIDv5 in the URL namespace. `shortId('8.8.8.8ICMP')` is `fd6a02b`. */
export const shortId = (text: string): string => uuid5(text, uuid5.URL).slice(0, 7)

type Regions = NonNullable<ConfigV1['regions']>
type Region = Regions[string]
type Endpoint = NonNullable<Region['endpoints']>[number]

/** The regions in the order of the file, integer-like names too. */
export const regionsOf = <R>(regions: Readonly<Record<string, R>> | null | undefined): [name: string, region: R][] =>
  // `entries` gives the values as unknown; they are those of `regions`.
  entries(regions ?? {}) as [string, R][]

/** The id that 1.1.0 gives an endpoint: one that is there stays. Same address and type, same id, in whatever region. */
export const idOf = (endpoint: Endpoint): string => {
  const own = 'id' in endpoint ? endpoint.id : undefined
  return isShortId(own) ? own : shortId(endpoint.address + endpoint.type)
}

export type Finding = 'AMBIGUOUS_ENDPOINT' | 'ORPHANED_ENDPOINT'
export type Found = { readonly id: string; readonly finding?: Finding }

/** Finds the endpoint that a record of 1.0.0 means. Answers are remembered: a day repeats a few names 100,000 times. */
export class Directory {
  /** Ids by whole `<region>-<name>`, in file order. Never split: region and name may both hold dashes. */
  readonly #byName = new Map<string, string[]>()
  readonly #byOwnId = new Map<string, string>()
  /** By the id that the application's tool wrote: the short id of `<region>-<name>`. */
  readonly #byNameId = new Map<string, string>()
  readonly #known = new Map<string, Found>()

  constructor(config: ConfigV1 | undefined) {
    for (const [region, { endpoints }] of regionsOf(config?.regions))
      for (const endpoint of endpoints ?? []) this.#add(`${region}-${endpoint.name}`, endpoint)
    for (const name of this.#byName.keys()) this.#byNameId.set(shortId(name), name)
  }

  #add(name: string, endpoint: Endpoint): void {
    const id = idOf(endpoint)
    const same = this.#byName.get(name)
    if (same === undefined) this.#byName.set(name, [id])
    else same.push(id)
    for (const own of [id, shortId(endpoint.address + endpoint.type)]) if (!this.#byOwnId.has(own)) this.#byOwnId.set(own, id)
  }

  /** `text` is an `endpoint_id` of shape A or an `id` of the others. */
  find(text: string): Found {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const found = this.#look(text)
    this.#known.set(text, found)
    return found
  }

  #look(text: string): Found {
    const own = this.#byOwnId.get(text)
    if (own !== undefined) return { id: own }
    const [first, ...others] = this.#byName.get(text) ?? this.#byName.get(this.#byNameId.get(text) ?? '') ?? []
    // An id that nothing explains any more stays as it is; a name gets the id it would have had.
    if (first === undefined) return { id: isShortId(text) ? text : shortId(text), finding: 'ORPHANED_ENDPOINT' }
    return others.some((id) => id !== first) ? { id: first, finding: 'AMBIGUOUS_ENDPOINT' } : { id: first }
  }
}

const directories = new WeakMap<object, Directory>()

/** One directory for each configuration object: the engine hands every file of a job the same one. */
export const directoryOf = (config: ConfigV1 | undefined): Directory => {
  const known = config === undefined ? undefined : directories.get(config)
  if (known !== undefined) return known
  const made = new Directory(config)
  if (config !== undefined) directories.set(config, made)
  return made
}

/** `<region>-<name>` by id, of the first endpoint with that id. */
export const namesById = (config: ConfigV1_1 | undefined): ReadonlyMap<string, string> => {
  const names = new Map<string, string>()
  for (const [region, { endpoints }] of regionsOf(config?.regions))
    for (const { id, name } of endpoints ?? []) if (!names.has(id)) names.set(id, `${region}-${name}`)
  return names
}
