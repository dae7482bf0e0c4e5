import type { Ctx, Doc, GatheredFrom, Pair } from '../src/index.ts'
import { entries, enumeration, fields, fromEntries, migration, numberOf, recordFields } from '../src/index.ts'
import { createdHeader, headerProblem, stamped, unstamped } from './header.ts'
import { hasExactly, replacing } from './members.ts'
import type { CompactRecord, IndexedDay, TimedRecord } from './schemas.ts'
import { COMPACT, v2_1, v2_2 } from './schemas.ts'

const STEP = { version: '2.2.0', description: 'Compact history' }
const CONFIG_BEFORE = '2.0.0'
const DAILY_BEFORE = '1.2.0'

const JSON_NAME = '.json'
/** So many days, the newest by name, stay JSON: the application writes them. */
const STAY = 2

const compactName = (path: string): string => path.slice(0, -JSON_NAME.length) + COMPACT
const jsonName = (path: string): string => (path.endsWith(COMPACT) ? path.slice(0, -COMPACT.length) + JSON_NAME : path)
const dateOf = (path: string): string => jsonName(path).slice('data/'.length, -JSON_NAME.length)

/* ---- records ---- */

const STATUS = { success: 0, failure: 1 } as const
const USUAL = ['ts', 'endpoint_id', 'latency_ms', 'status']
const USUAL_WITH_OFFSET = ['ts', 'utcOffset', 'endpoint_id', 'latency_ms', 'status']

/** Any record, member by member. */
const anyRecord = recordFields(v2_1.kinds.daily).rename('status', 'st').convert('st', enumeration(STATUS)).steps()

type Warner = Pick<Ctx<(typeof v2_1)['kinds']>, 'warn'>
type FieldCtx = Parameters<typeof anyRecord.migrate>[1]

// Literals, as in 1.2.0: there are 100,000 a day.
const toCompact = (record: TimedRecord, ctx: FieldCtx & Warner): CompactRecord => {
  const { ts, utcOffset, endpoint_id, latency_ms, status, error } = record
  const st = STATUS[status]
  if (hasExactly(record, USUAL, 'error'))
    return error === undefined ? { ts, endpoint_id, latency_ms, st } : { ts, endpoint_id, latency_ms, st, error }
  if (hasExactly(record, USUAL_WITH_OFFSET, 'error') && error === undefined) return { ts, utcOffset, endpoint_id, latency_ms, st }
  return anyRecord.migrate(record, ctx)
}

/* ---- endpoints ---- */

type Endpoint = Doc<(typeof v2_2)['kinds']['config']>['endpoints'][number]

const AFTER = 'enabled'

/** A description goes where it says nothing, and comes back behind `enabled`. */
const endpoints = fields(v2_1.kinds.config).each('endpoints', (endpoint) =>
  endpoint.apply<Endpoint>({
    up: (old) => (old.description === '' ? (fromEntries(entries(old).filter(([name]) => name !== 'description')) as Endpoint) : old),
    down: (now) => {
      type Old = typeof now & { description: string }
      // It has one.
      if (now.description !== undefined) return now as Old
      const members = entries(now).flatMap(([name, value]): Pair[] =>
        name === AFTER
          ? [
              [name, value],
              ['description', ''],
            ]
          : [[name, value]],
      )
      // Where someone took `enabled` away, it is the last.
      return fromEntries(members.length > entries(now).length ? members : [...members, ['description', '']]) as Old
    },
  }),
)
const config = endpoints.steps()

/* ---- the index ---- */

const isEmptied = (record: CompactRecord): boolean => record.endpoint_id === '' && numberOf(record.ts) === 0

const dayOf = (path: string, records: Iterable<CompactRecord>, bytes: number): IndexedDay => {
  const ids = new Set<string>()
  let [count, first, last] = [0, Infinity, -Infinity]
  for (const record of records) {
    count += 1
    if (isEmptied(record)) continue
    const ts = numberOf(record.ts) ?? 0
    first = Math.min(first, ts)
    last = Math.max(last, ts)
    ids.add(record.endpoint_id)
  }
  const isAny = ids.size > 0
  return {
    date: dateOf(path),
    file: path,
    records: count,
    firstTs: isAny ? first : null,
    lastTs: isAny ? last : null,
    endpointIds: [...ids].sort(),
    bytes,
  }
}

const byDate = (a: IndexedDay, b: IndexedDay): number => (a.date < b.date ? -1 : 1)

export const compactHistory = migration(v2_1, v2_2, {
  description: STEP.description,
  createdAt: '2026-11-24T00:00:00Z',
  changes: [
    'Daily files but the two newest become data/YYYY-MM-DD.msgpack.gz: the same records, as columns in MessagePack in gzip',
    'Daily files: status becomes st, 0 for success and 1 for failure',
    'config.json: an empty description is removed from endpoints',
    'New index.json: for each day its file, records, first and last time, endpoints and size',
  ],
  files: {
    config: {
      file: {
        migrate: (doc, ctx) => replacing(config.migrate(doc, ctx), { header: stamped(doc.header, STEP) }),
        rollback: (doc, ctx) => replacing(config.rollback(doc, ctx), { header: unstamped(doc.header, STEP.version, CONFIG_BEFORE) }),
      },
    },
    daily: {
      path: { migrate: (path, all) => (all.slice(-STAY).includes(path) ? path : compactName(path)), rollback: jsonName },
      record: {
        migrate: {
          head: (doc) => replacing(doc, { header: stamped(doc.header, STEP) }),
          record: (record, _sum, ctx) => toCompact(record, ctx),
        },
        rollback: {
          head: (doc) => replacing(doc, { header: unstamped(doc.header, STEP.version, DAILY_BEFORE) }),
          record: (record, _sum, ctx) => anyRecord.rollback(record, ctx),
        },
      },
    },
    index: {
      gather: {
        from: 'daily',
        each: ({ path, records, size }) => dayOf(path, records, size),
        make: (days: readonly GatheredFrom<IndexedDay>[]) => [
          ['index.json', { header: createdHeader(STEP), days: days.map(({ value }) => value).sort(byDate) }],
        ],
      },
    },
  },
  validate: {
    config: { doc: (doc) => headerProblem(doc.header, STEP.version) },
    daily: {
      doc: (doc, ctx) =>
        headerProblem(doc.header, STEP.version) ?? (doc.date === dateOf(ctx.path) ? undefined : 'the date is not that of the file'),
    },
    index: { doc: (doc) => headerProblem(doc.header, STEP.version) },
  },
})
