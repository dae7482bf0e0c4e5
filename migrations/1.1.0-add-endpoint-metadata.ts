import { entries, fromEntries, migration, numberOf } from '../src/index.ts'
import type { Directory } from './endpoints.ts'
import { buildDirectory, shortId } from './endpoints.ts'
import { headerProblem, lifted } from './header.ts'
import { isFlag, isList, isObject, isText, makeRoom, restoreLegacy, without } from './members.ts'
import { backRecord } from './legacy-records.ts'
import { v1_0, v1_1 } from './schemas.ts'
import { formatInstant } from './time.ts'

const STEP = { version: '1.1.0', description: 'Add endpoint metadata fields' }

type Warn = (code: string, message: string, hint?: string) => void
type Loose = Record<string, unknown>

/* ---- config.json ---- */

const METADATA = ['id', 'enabled', 'description', 'tags'] as const

const upEndpoint = (endpoint: unknown, warn: Warn): unknown => {
  if (!isObject(endpoint)) return endpoint
  const id = shortId(`${String(endpoint.address)}${String(endpoint.type)}`)
  // History is found by this id, so an `id` of the user's own that differs has to make room.
  const kept = makeRoom(endpoint, { id: (value) => value === id, enabled: isFlag, description: isText, tags: isList }, warn)
  const fresh: readonly [string, unknown][] = [
    ['id', id],
    ['enabled', true],
    ['description', ''],
    ['tags', []],
  ]
  return fromEntries([...entries(kept), ...fresh.filter(([key]) => !Object.hasOwn(kept, key))])
}

const downEndpoint = (endpoint: unknown): unknown =>
  isObject(endpoint) ? restoreLegacy(fromEntries(without(endpoint, ...METADATA)), METADATA) : endpoint

const mapEndpoints = (regions: object, map: (endpoint: unknown) => unknown): Loose =>
  fromEntries(
    entries(regions).map(([name, region]) => [
      name,
      isObject(region)
        ? fromEntries(entries(region).map(([key, value]) => [key, key === 'endpoints' && isList(value) ? value.map(map) : value]))
        : region,
    ]),
  )

const replaceMember = (object: object, name: string, change: (value: object) => unknown): [string, unknown][] =>
  entries(object).map(([key, value]) => [key, key === name && typeof value === 'object' && value !== null ? change(value) : value])

/* ---- data/*.json ---- */

const directories = new WeakMap<object, Directory>()
const NO_CONFIG = {}

/** Worked out once for each configuration: days have a hundred thousand records. */
const directoryOf = (config: { regions: object } | undefined): Directory => {
  const key = config ?? NO_CONFIG
  const known = directories.get(key)
  if (known !== undefined) return known
  const made = buildDirectory(config)
  directories.set(key, made)
  return made
}

const SHORT_ID = /^[0-9a-f]{7}$/

/** The endpoint's id for what an old record called it; history of an unknown endpoint is kept under an id of its own. */
const resolve = (old: string, directory: Directory, warn: Warn): string => {
  const named = directory.byName.get(old)
  if (named?.[0] !== undefined) {
    if (named.some((id) => id !== named[0]))
      warn(
        'AMBIGUOUS_ENDPOINT',
        `several endpoints are called "${old}"; the first one in the configuration is taken`,
        'Give them different names.',
      )
    return named[0]
  }
  if (directory.ids.has(old)) return old
  const tool = directory.byToolId.get(old)
  if (tool !== undefined) return tool
  warn(
    'ORPHANED_ENDPOINT',
    `"${old}" is no endpoint of the configuration; its history is kept`,
    'Nothing to do: the endpoint was probably removed.',
  )
  return SHORT_ID.test(old) ? old : shortId(old)
}

const isZero = (record: Loose): boolean => record.id === '' && numberOf(record.ts) === 0

/** A `ts` below this is in seconds (shape B), else in milliseconds (shape C). */
const SECONDS_BELOW = 100_000_000_000

const timestampOf = (ts: number, zero: boolean): string => {
  if (zero) return '1970-01-01T00:00:00.000Z'
  if (Math.abs(ts) >= SECONDS_BELOW) return formatInstant(Math.floor(ts))
  // Whole seconds carry no fraction; the application never wrote others, but a hand may have.
  return Number.isInteger(ts) ? formatInstant(ts * 1000).replace('.000Z', 'Z') : formatInstant(Math.floor(ts * 1000))
}

const NAMES: Readonly<Record<string, string>> = { ts: 'timestamp', id: 'endpoint_id', ms: 'latency_ms', st: 'status', err: 'error' }

const errorOf = (record: Loose, st: number | undefined): string | undefined => {
  if (isText(record.err)) return record.err
  if (st === 0) return undefined
  return st === 1 ? 'timeout' : 'error'
}

const isNothing = (err: unknown): boolean =>
  err === undefined || err === null || isText(err) || (isObject(err) && Object.keys(err).length === 0)

/** A record of shape B or C: each member becomes its named counterpart where it stands. */
const upNumbered = (record: Loose, directory: Directory, warn: Warn): Loose => {
  const zero = isZero(record)
  const st = numberOf(record.st)
  if (zero) warn('EMPTY_RECORD', 'a record was emptied by an earlier version of the application; it is kept and left out of aggregates')
  if (st !== 0 && st !== 1 && st !== 2) warn('UNKNOWN_STATUS', 'a record has a status other than 0, 1 and 2; it counts as a failure')
  const error = errorOf(record, st)
  if (!isNothing(record.err)) warn('LEGACY_MEMBER', 'the member err holds more than a text; it is kept as legacy_err')
  const values: Loose = {
    ts: timestampOf(numberOf(record.ts) ?? 0, zero),
    id: zero ? '' : resolve(String(record.id), directory, warn),
    st: st === 0 ? 'success' : 'failure',
  }
  const room = makeRoom(
    record,
    { timestamp: () => false, endpoint_id: () => false, latency_ms: () => false, status: () => false, error: () => false },
    warn,
  )
  const pairs = entries(room).flatMap(([key, value]): [string, unknown][] => {
    if (key === 'err')
      return [
        ...(isNothing(value) ? [] : [['legacy_err', value] as [string, unknown]]),
        ...(error === undefined ? [] : [['error', error] as [string, unknown]]),
      ]
    return [[NAMES[key] ?? key, Object.hasOwn(values, key) ? values[key] : value]]
  })
  if (!Object.hasOwn(record, 'err') && error !== undefined) pairs.push(['error', error])
  return fromEntries(pairs)
}

/** What the application itself wrote in shapes B and C, member for member: the common case, without the general machinery. */
const upPlain = (record: Loose, directory: Directory, warn: Warn): Loose => {
  const st = numberOf(record.st)
  const error = errorOf(record, st)
  const plain = {
    timestamp: timestampOf(numberOf(record.ts) ?? 0, false),
    endpoint_id: resolve(String(record.id), directory, warn),
    latency_ms: record.ms,
    status: st === 0 ? 'success' : 'failure',
  }
  return error === undefined ? plain : { ...plain, error }
}

const PLAIN = 'ts,id,ms,st,err'
const isPlain = (record: Loose): boolean =>
  Object.keys(record).join() === PLAIN && record.err === null && !isZero(record) && [0, 1, 2].includes(numberOf(record.st) ?? -1)

const upRecord = (record: Loose, directory: Directory, warn: Warn): Loose => {
  if (isText(record.timestamp) && isText(record.endpoint_id))
    return { ...record, endpoint_id: resolve(record.endpoint_id, directory, warn) }
  return isPlain(record) ? upPlain(record, directory, warn) : upNumbered(record, directory, warn)
}

const ID = /^([0-9a-f]{7})?$/

export const m1_1 = migration(v1_0, v1_1, {
  ...STEP,
  createdAt: '2026-11-23T00:00:00Z',
  changes: [
    'Every file starts with a header that names its schema version',
    'Each endpoint gains id, enabled, description and tags',
    'Daily files become { header, date, results }; the three shapes of records become one',
  ],
  files: {
    config: {
      file: {
        migrate: (doc, ctx) => {
          const room = makeRoom(doc, { header: () => false }, ctx.warn)
          const rest = replaceMember(room, 'regions', (regions) => mapEndpoints(regions, (e) => upEndpoint(e, ctx.warn)))
          // The members of `doc` are those of the schema before, each endpoint with its metadata: see v1_1.
          return fromEntries([['header', lifted(STEP)], ...rest]) as never
        },
        rollback: (doc) => {
          const rest = fromEntries(
            replaceMember(fromEntries(without(doc, 'header')), 'regions', (regions) => mapEndpoints(regions, downEndpoint)),
          )
          return restoreLegacy(rest, ['header']) as never
        },
      },
    },
    daily: {
      record: {
        migrate: {
          head: (_, __, ctx) => ({ header: lifted(STEP), date: /(\d{4}-\d\d-\d\d)\.json$/.exec(ctx.path)?.[1] ?? '' }),
          // What comes out is checked against the schema, like every result.
          record: (record, _, ctx) => upRecord(record as Loose, directoryOf(ctx.find('config')), ctx.warn) as never,
        },
        rollback: {
          head: () => null,
          record: (record, _, ctx) => backRecord(record as Loose, ctx.find('config')) as never,
        },
      },
    },
  },
  validate: {
    config: {
      doc: (doc) => {
        for (const region of Object.values(doc.regions))
          for (const e of region.endpoints ?? [])
            if (e.id !== shortId(e.address + e.type)) return 'an endpoint has an id that is not the short id of its address and type'
        return headerProblem(doc.header, STEP.version)
      },
    },
    daily: {
      doc: (doc, ctx) =>
        headerProblem(doc.header, STEP.version) ?? (ctx.path.includes(doc.date) ? undefined : 'the date is not that of the file name'),
      record: (record) => {
        if (!ID.test(record.endpoint_id)) return 'endpoint_id is no short id'
        return record.status === 'success' || record.status === 'failure' || isText(record.status) ? undefined : 'status is missing'
      },
    },
  },
})
