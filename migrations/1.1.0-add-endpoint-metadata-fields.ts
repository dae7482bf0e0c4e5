import type { Ctx } from '../src/index.ts'
import { entries, fromEntries, migration } from '../src/index.ts'
import { directoryOf, idOf, isShortId, namesById, regionsOf } from './endpoints.ts'
import type { Directory } from './endpoints.ts'
import { headerProblem, isLifted, liftedHeader } from './header.ts'
import type { Pair, Warner } from './members.ts'
import { isText, replacing, restored, withDefaults, without, withRest } from './members.ts'
import type { ConfigV1, ConfigV1_1 } from './schemas.ts'
import { SHORT_ID, v1_0, v1_1 } from './schemas.ts'
import type { Shape } from './shapes.ts'
import { fromRaw, shapeOf, toRaw } from './shapes.ts'
import { instantOf } from './time.ts'

const STEP = { version: '1.1.0', description: 'Add endpoint metadata fields' }
const METADATA = ['id', 'enabled', 'description', 'tags']

type Endpoint = NonNullable<NonNullable<ConfigV1['regions']>[string]['endpoints']>[number]
type EndpointV1_1 = NonNullable<NonNullable<ConfigV1_1['regions']>[string]['endpoints']>[number]

const withMetadata = (endpoint: Endpoint, ctx: Warner): EndpointV1_1 => {
  const gained = {
    id: { value: idOf(endpoint), fits: isShortId },
    enabled: { value: true, fits: (value: unknown) => typeof value === 'boolean' },
    description: { value: '', fits: isText },
    tags: { value: [], fits: (value: unknown) => Array.isArray(value) && value.every(isText) },
  }
  // The members of the endpoint, and the four that are gained, each of its type.
  return fromEntries(withDefaults(entries(endpoint), gained, ctx)) as EndpointV1_1
}

const withoutMetadata = (endpoint: EndpointV1_1): Endpoint =>
  // Metadata goes, what the application knew stays.
  fromEntries(restored(without(endpoint, METADATA), METADATA)) as Endpoint

/** The regions with each endpoint changed; the order of regions, members and endpoints stays. */
const mapEndpoints = <E>(
  regions: Readonly<Record<string, { endpoints?: E[] | null }>>,
  change: (endpoint: E) => unknown,
): Record<string, unknown> =>
  fromEntries(
    regionsOf(regions).map(([name, region]): Pair => {
      const { endpoints } = region
      return [name, endpoints ? replacing<{ endpoints?: unknown }>(region, { endpoints: endpoints.map(change) }) : region]
    }),
  )

const withRegions = (doc: { regions?: unknown }, regions: Record<string, unknown> | undefined): object =>
  regions === undefined ? doc : replacing(doc, { regions })

const migrateConfig = (doc: ConfigV1, ctx: Warner): ConfigV1_1 => {
  const regions = doc.regions ? mapEndpoints(doc.regions, (endpoint) => withMetadata(endpoint, ctx)) : undefined
  // The header comes first; the other members are those of 1.0.0, but for the endpoints.
  return withRest<ConfigV1_1>({ header: liftedHeader(STEP) }, entries(withRegions(doc, regions)), ctx)
}

const rollbackConfig = (doc: ConfigV1_1): ConfigV1 => {
  const regions = doc.regions ? mapEndpoints(doc.regions, withoutMetadata) : undefined
  return fromEntries(restored(without(withRegions(doc, regions), ['header']), ['header']))
}

const dateOf = (path: string): string => path.slice('data/'.length, -'.json'.length)

/** What the way back needs to know of a file: its shape, and names for shape A. */
type Origin = { shape?: Shape; names?: ReadonlyMap<string, string> }

const lookUp = (directory: Directory | null, ctx: Ctx<(typeof v1_0)['kinds']>): Directory => directory ?? directoryOf(ctx.find('config'))

export const addEndpointMetadataFields = migration(v1_0, v1_1, {
  description: STEP.description,
  createdAt: '2026-11-23T00:00:00Z',
  changes: [
    'config.json and daily files: a header with the schema version',
    'config.json: each endpoint has id, enabled, description and tags',
    'Daily files: an object with date and results; records of all shapes become timestamp, endpoint_id (the short id), latency_ms, status and error',
  ],
  files: {
    config: { file: { migrate: migrateConfig, rollback: rollbackConfig } },
    daily: {
      record: {
        migrate: {
          // One look-up for the file, at its first record.
          scan: { init: () => null, add: (directory: Directory | null, _record, ctx) => lookUp(directory, ctx) },
          head: (_doc, _sum, ctx) => ({ header: liftedHeader(STEP), date: dateOf(ctx.path) }),
          record: (record, directory: Directory, ctx) => fromRaw(record, directory, ctx),
        },
        rollback: {
          scan: {
            // In a file that was not there before 1.1.0 every record is new, and new ones are of shape C.
            init: (doc): Origin => ({ shape: isLifted(doc.header) ? undefined : 'C' }),
            // Files only grow at their end: going by the first record, what is appended cannot change how older ones come back.
            add: (origin: Origin, record, ctx) => {
              origin.shape ??= shapeOf(record)
              origin.names ??= namesById(ctx.find('config'))
              return origin
            },
          },
          head: () => null,
          record: (record, { shape = 'C', names = new Map() }: Origin, ctx) => toRaw(record, shape, names, ctx),
        },
      },
    },
  },
  validate: {
    config: {
      doc: (doc) => {
        const all = regionsOf(doc.regions).flatMap(([, { endpoints }]) => endpoints ?? [])
        return headerProblem(doc.header, STEP.version) ?? (all.every((e) => isShortId(e.id)) ? undefined : 'an endpoint has no short id')
      },
    },
    daily: {
      doc: (doc, ctx) =>
        headerProblem(doc.header, STEP.version) ?? (doc.date === dateOf(ctx.path) ? undefined : 'the date is not that of the file'),
      record: ({ endpoint_id, timestamp }) => {
        if (!SHORT_ID.test(endpoint_id)) return 'endpoint_id is not a short id'
        return endpoint_id === '' && instantOf(timestamp) !== 0 ? 'only an emptied record may lack an endpoint' : undefined
      },
    },
  },
})
