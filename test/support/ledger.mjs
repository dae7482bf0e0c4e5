import { chain, dataset, file, gzip, messagePack, migration, records, schema } from '../../dist/index.js'
import { z } from '../../dist/internal.js'

/*
 * An application whose records are not all as they should be. What a step makes of one depends on the others, files are derived and
 * indexed, and in the end all move to another format:
 *
 * 1.0.0  days/D.json: a list of { n, zone }
 * 2.0.0  days/D.json: { zone?, list: [{ m, zone? }] }, the zone in front where all have the same; sums/D.json; index.json
 * 3.0.0  days/D.msgpack.gz: m is k
 */

const badRecords = 'quarantine'
const v1 = schema('1.0.0', {
  days: records('days/*.json', '', z.null(), z.looseObject({ n: z.number(), zone: z.string() }), { badRecords }),
})
const head = z.looseObject({ version: z.string(), zone: z.string().optional() })
const v2 = schema('2.0.0', {
  days: records('days/*.json', 'list', head, z.looseObject({ m: z.number(), zone: z.string().optional() }), { badRecords }),
  sums: file('sums/*.json', z.looseObject({ sum: z.number() })),
  index: file('index.json', z.looseObject({ days: z.array(z.looseObject({ path: z.string(), count: z.int() })) })),
})
const v3 = schema('3.0.0', {
  ...v2.kinds,
  days: records('days/*.msgpack.gz', 'list', head, z.looseObject({ k: z.number(), zone: z.string().optional() }), {
    badRecords,
    codec: gzip(messagePack),
  }),
})

const about = (description) => ({ description, createdAt: '2026-01-01T00:00:00Z', changes: [description] })

/** Of a large file the records come one by one. */
const total = (records, of) => {
  let sum = 0
  for (const record of records) sum += of(record)
  return sum
}

const share = migration(v1, v2, {
  ...about('Share the zone'),
  files: {
    days: {
      record: {
        migrate: {
          scan: { init: () => new Set(), add: (zones, { zone }) => zones.add(zone) },
          head: (_doc, zones) => ({ version: '2', ...(zones.size === 1 ? { zone: [...zones][0] } : {}) }),
          record: ({ n, zone, ...rest }, zones, ctx) => {
            if (n > 1e6) ctx.warn('LARGE_SUM', 'is more than a million')
            return { ...rest, m: n, ...(zones.size === 1 ? {} : { zone }) }
          },
        },
        rollback: {
          scan: { init: ({ zone }) => zone },
          head: () => null,
          record: ({ m, zone, ...rest }, shared) => ({ ...rest, n: m, zone: zone ?? shared ?? '' }),
        },
      },
    },
    sums: {
      derive: {
        from: 'days',
        each: ({ path, records: all }) => [[path.replace('days', 'sums'), { sum: total(all, ({ m }) => m) }]],
      },
    },
    index: {
      gather: {
        from: 'days',
        each: ({ path, records: all }) => ({ path, count: total(all, () => 1) }),
        make: (days) => [['index.json', { days: days.map(({ value }) => value) }]],
      },
    },
  },
  conserves: { days: { n: { before: ({ n }) => n, after: ({ m }) => m } } },
})

const pack = migration(v2, v3, {
  ...about('Pack'),
  files: {
    days: {
      path: { migrate: (path) => path.replace('.json', '.msgpack.gz'), rollback: (path) => path.replace('.msgpack.gz', '.json') },
      record: {
        migrate: { head: (doc) => ({ ...doc, version: '3' }), record: ({ m, ...rest }) => ({ ...rest, k: m }) },
        rollback: { head: (doc) => ({ ...doc, version: '2' }), record: ({ k, ...rest }) => ({ ...rest, m: k }) },
      },
    },
  },
})

export default dataset({
  name: 'Ledger',
  chain: chain(v1).add(share).add(pack),
  detect: ({ path, head: text }) => (path.startsWith('days/') && /^\s*\[/.test(text) ? '1.0.0' : null),
})
