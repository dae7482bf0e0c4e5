import { entries, fromEntries, migration, numberOf } from '../src/index.ts'
import { headerProblem, stamped, unstamped } from './header.ts'
import { makeRoom, restoreLegacy } from './members.ts'
import { v1_1, v1_2 } from './schemas.ts'
import { formatInstant, parseInstant } from './time.ts'

const STEP = { version: '1.2.0', description: 'Change timestamp format' }

/** The offset that all records of a file share; null: they differ; undefined: none seen yet. */
type Shared = string | null | undefined

const isZero = (record: { endpoint_id: string }, epochMs: number): boolean => record.endpoint_id === '' && epochMs === 0

/** `utcOffset` stands right after `date`, wherever that is. */
const withOffset = (doc: object, offset: string | undefined): Record<string, unknown> =>
  fromEntries(
    entries(doc).flatMap(
      ([key, value]) =>
        (key === 'date' && offset !== undefined
          ? [
              [key, value],
              ['utcOffset', offset],
            ]
          : [[key, value]]) as [string, unknown][],
    ),
  )

export const m1_2 = migration(v1_1, v1_2, {
  ...STEP,
  createdAt: '2026-11-23T00:00:00Z',
  changes: [
    'timestamp becomes ts: Unix milliseconds, in first position',
    'utcOffset keeps the local offset: once for the file where all records share it, else in each record',
  ],
  files: {
    daily: {
      record: {
        migrate: {
          scan: {
            init: (): Shared => undefined,
            add: (shared: Shared, record) => {
              const { epochMs, offset } = parseInstant(record.timestamp)
              // Emptied records say nothing about where the user was.
              if (shared === null || isZero(record, epochMs)) return shared
              return shared === undefined || shared === offset ? offset : null
            },
          },
          head: (doc, shared: Shared, ctx) => {
            const room = makeRoom({ ...doc, header: stamped(doc.header, STEP) }, { utcOffset: () => false }, ctx.warn)
            return withOffset(room, shared ?? undefined) as typeof doc
          },
          record: (record, shared: Shared, ctx) => {
            const { epochMs, offset } = parseInstant(record.timestamp)
            const clash = 'ts' in record || 'utcOffset' in record
            const { timestamp: _, ...rest } = clash
              ? (makeRoom(record, { ts: () => false, utcOffset: () => false }, ctx.warn) as typeof record)
              : record
            return shared === null && !isZero(record, epochMs) ? { ts: epochMs, utcOffset: offset, ...rest } : { ts: epochMs, ...rest }
          },
        },
        rollback: {
          head: (doc) => {
            const { utcOffset: _, ...rest } = doc
            return restoreLegacy({ ...rest, header: unstamped(doc.header, '1.1.0') }, ['utcOffset']) as typeof rest
          },
          scan: { init: (doc): string => doc.utcOffset ?? 'Z' },
          record: (record, offset: string) => {
            const { ts, utcOffset, ...rest } = record
            const back = { timestamp: formatInstant(numberOf(ts) ?? 0, utcOffset ?? offset), ...rest }
            return 'legacy_ts' in back || 'legacy_utcOffset' in back ? (restoreLegacy(back, ['ts', 'utcOffset']) as typeof back) : back
          },
        },
      },
    },
  },
  validate: {
    daily: {
      doc: (doc) => headerProblem(doc.header, STEP.version),
      record: (record) => (Number.isSafeInteger(numberOf(record.ts)) ? undefined : 'ts is no whole number of milliseconds'),
    },
  },
})
