import type { Ctx } from '../src/index.ts'
import { fields, migration } from '../src/index.ts'
import { directoryOf, idOf, isShortId, namesById, regionsOf } from './endpoints.ts'
import type { Directory } from './endpoints.ts'
import { headerProblem, isLifted, liftedHeader } from './header.ts'
import { isText } from './members.ts'
import { SHORT_ID, v1_0, v1_1 } from './schemas.ts'
import type { Shape } from './shapes.ts'
import { fromRaw, shapeOf, toRaw } from './shapes.ts'
import { instantOf } from './time.ts'

const STEP = { version: '1.1.0', description: 'Add endpoint metadata fields' }

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText)

const config = fields(v1_0.kinds.config)
  .each('regions', (region) =>
    region.each('endpoints', (endpoint) =>
      endpoint
        .add('id', idOf, { fits: isShortId })
        .add('enabled', true)
        .add('description', '')
        .add('tags', [] as string[], { fits: isTexts }),
    ),
  )
  // A header that was there is not ours.
  .add('header', liftedHeader(STEP), { at: 'first', fits: () => false })

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
    config: { file: config.steps() },
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
