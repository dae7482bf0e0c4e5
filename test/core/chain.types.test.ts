import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import type { Ctx, Doc, Rec } from '../../src/index.ts'
import { chain, dataset, file, gzip, messagePack, migration, ndjson, records, schema } from '../../src/index.ts'

/**
 * The promise of the types: a chain that does not fit does not compile. `tsc -p .` checks this file, as an unused
 * @ts-expect-error is an error. The functions here are never called; what is left to check at run time comes last.
 */

const header = z.looseObject({ schemaVersion: z.string() })
const config0 = file('config.json', z.looseObject({ settings: z.looseObject({ test_interval_minutes: z.number() }) }))
const daily0 = records('data/*.json', '', z.null(), z.looseObject({ timestamp: z.string(), endpoint_id: z.string() }))
const v1_0 = schema('1.0.0', { config: config0, daily: daily0 })
const daily1 = records(
  'data/*.json',
  'results',
  z.looseObject({ header, utcOffset: z.string().optional() }),
  z.looseObject({ ts: z.number(), endpoint_id: z.string() }),
)
const v1_1 = schema('1.1.0', { ...v1_0.kinds, daily: daily1 })
const config2 = file('config.json', z.looseObject({ header, monitoring: z.looseObject({ intervalSeconds: z.number() }) }))
const index = file('index/*.json', z.looseObject({ days: z.array(z.string()) }))
const v2_0 = schema('2.0.0', { ...v1_1.kinds, config: config2, index })

const about = { description: '', createdAt: '2026-01-01T00:00:00Z', changes: [] }

const m1_1 = migration(v1_0, v1_1, {
  ...about,
  files: {
    daily: {
      record: {
        migrate: {
          scan: { init: () => new Set<string>(), add: (offsets: Set<string>, r) => offsets.add(r.timestamp.slice(-6)) },
          head: (_doc, offsets: Set<string>) => ({ header: { schemaVersion: '1.1.0' }, utcOffset: [...offsets][0] }),
          record: ({ timestamp, ...rest }) => ({ ...rest, ts: Date.parse(timestamp) }),
        },
        rollback: {
          head: () => null,
          record: ({ ts, ...rest }) => ({ ...rest, timestamp: new Date(ts).toISOString() }),
        },
      },
    },
  },
})

const m2_0 = migration(v1_1, v2_0, {
  ...about,
  files: {
    config: {
      file: {
        migrate: ({ settings }) => ({
          header: { schemaVersion: '2.0.0' },
          monitoring: { intervalSeconds: settings.test_interval_minutes * 60 },
        }),
        rollback: ({ monitoring }) => ({ settings: { test_interval_minutes: monitoring.intervalSeconds / 60 } }),
      },
    },
    index: {
      derive: {
        from: 'daily',
        each: ({ path, records }) => [[`index/${path.slice(5)}`, { days: Array.from(records, (r) => r.endpoint_id) }]],
      },
    },
  },
  validate: { config: { doc: ({ monitoring }) => (monitoring.intervalSeconds > 0 ? undefined : 'no interval') } },
})

const fits = chain(v1_0).add(m1_1).add(m2_0)

describe('does not compile:', () => {
  test('a gap', () => {
    // @ts-expect-error 2.0.0 starts at 1.1.0
    const gap = () => chain(v1_0).add(m2_0)
    expect(() => dataset({ name: 'x', chain: gap() })).toThrow(expect.objectContaining({ code: 'BAD_CHAIN' }))
  })

  test('the wrong order', () => {
    const order = () =>
      chain(v1_0)
        // @ts-expect-error 2.0.0 starts at 1.1.0
        .add(m2_0)
        // @ts-expect-error 1.1.0 starts at 1.0.0
        .add(m1_1)
    expect(() => dataset({ name: 'x', chain: order() })).toThrow(expect.objectContaining({ code: 'BAD_CHAIN' }))
  })

  test('a version twice', () => {
    // The way back as a migration: its steps are all there, only the version is known already.
    const again = migration(v1_1, v1_0, {
      ...about,
      files: { daily: { record: { migrate: { head: () => null, record: ({ ts, ...rest }) => ({ ...rest, timestamp: String(ts) }) } } } },
    })
    // @ts-expect-error 1.0.0 is in the chain
    const twice = () => chain(v1_0).add(m1_1).add(again)
    expect(() => dataset({ name: 'x', chain: twice() })).toThrow(expect.objectContaining({ code: 'DUPLICATE_VERSION' }))
  })

  test('a changed kind without a step', () => {
    // @ts-expect-error daily changes
    const missing = migration(v1_0, v1_1, { ...about, files: {} })
    expect(() => dataset({ name: 'x', chain: chain(v1_0).add(missing) })).toThrow(expect.objectContaining({ code: 'BAD_CHAIN' }))
  })

  test('a kind that is only elsewhere, or in another format, without a step', () => {
    const note = z.looseObject({ text: z.string() })
    const same = { head: () => null, record: (r: { text: string }) => r }
    const kinds = [
      records('notes/*.json', '', z.null(), note),
      records('journal/*.json', '', z.null(), note),
      records('notes/*.json', '', z.null(), note, { codec: gzip() }),
      records('notes/*.json', '', z.null(), note, { codec: gzip(messagePack) }),
      records('notes/*.json', '', z.null(), note, { forms: { 'old/*.nd': ndjson } }),
    ] as const
    const [first, ...others] = kinds
    const from = schema('1.0.0', { notes: first })
    const [moved, zipped, packed, formed] = others
    // @ts-expect-error notes are elsewhere
    migration(from, schema('2.0.0', { notes: moved }), { ...about, files: {} })
    // @ts-expect-error notes are in another format
    migration(from, schema('2.0.0', { notes: zipped }), { ...about, files: {} })
    // @ts-expect-error notes are in another format
    migration(schema('1.0.0', { notes: zipped }), schema('2.0.0', { notes: packed }), { ...about, files: {} })
    // @ts-expect-error notes may be in another format
    migration(from, schema('2.0.0', { notes: formed }), { ...about, files: {} })
    const steps = { files: { notes: { record: { migrate: same, rollback: same } } } }
    const path = { migrate: (at: string) => at.replace('notes', 'journal') }
    const fine = [
      migration(from, schema('2.0.0', { notes: moved }), { ...about, files: { notes: { ...steps.files.notes, path } } }),
      migration(from, schema('2.0.0', { notes: zipped }), { ...about, ...steps }),
      migration(from, schema('2.0.0', { notes: formed }), { ...about, ...steps }),
    ]
    expect(fine).toHaveLength(3)
  })

  test('a path, a gathered file or a dataset step that does not fit', () => {
    const to = schema('2.0.0', { ...v2_0.kinds, summary: file('summary.json', z.looseObject({ total: z.number() })) })
    const of = (all: readonly { value: number }[]) => all.reduce((sum, { value }) => sum + value, 0)
    migration(v2_0, to, {
      ...about,
      files: {
        summary: {
          // @ts-expect-error total is a number
          gather: { from: 'daily', each: ({ records: own }) => [...own].length, make: () => [['summary.json', { total: 'all' }]] },
        },
      },
    })
    // @ts-expect-error there is no kind of that name
    migration(v2_0, to, { ...about, files: { summary: { gather: { from: 'nothing', each: () => 1, make: () => [] } } } })
    // @ts-expect-error no step makes it
    migration(v2_0, to, { ...about, files: {} })
    const fine = migration(v2_0, to, {
      ...about,
      files: {
        summary: {
          gather: { from: 'daily', each: ({ records: own }) => [...own].length, make: (all) => [['summary.json', { total: of(all) }]] },
        },
      },
    })
    migration(v2_0, to, {
      ...about,
      files: { summary: { made: 'by the dataset step' } },
      // @ts-expect-error total is a number
      dataset: () => [{ kind: 'summary', path: 'summary.json', doc: { total: 'all' } }],
    })
    migration(v2_0, to, {
      ...about,
      files: { summary: { made: 'by the dataset step' } },
      // @ts-expect-error a daily file has records
      dataset: () => [{ kind: 'daily', path: 'data/1.json', doc: { header: { schemaVersion: '1.1.0' } } }],
    })
    migration(v2_0, to, {
      ...about,
      files: { summary: { made: 'by the dataset step' } },
      *dataset(view) {
        const [path = ''] = view.paths('daily')
        const { doc, records: own } = view.open('daily', path)
        expectTypeOf(own).toEqualTypeOf<Iterable<{ ts: number; endpoint_id: string }>>()
        // @ts-expect-error the document has no such member
        yield { kind: 'summary', path: 'summary.json', doc: { total: doc.total } }
      },
    })
    expect(fine.to.version).toBe('2.0.0')
  })

  test('a result of the wrong shape', () => {
    const head = () => ({ header: { schemaVersion: '1.1.0' } })
    migration(v1_0, v1_1, {
      ...about,
      // @ts-expect-error ts must be a number
      files: { daily: { record: { migrate: { head, record: ({ timestamp, ...rest }) => ({ ...rest, ts: timestamp }) } } } },
    })
    const lacking = () =>
      migration(v1_0, v1_1, {
        ...about,
        // @ts-expect-error the head lacks its header
        files: { daily: { record: { migrate: { head: () => ({ utcOffset: 'Z' }), record: (r) => ({ ...r, ts: 1 }) } } } },
      })
    expect(lacking).not.toThrow()
  })

  test('a field that the version before does not have', () => {
    migration(v1_1, v2_0, {
      ...about,
      files: {
        index: m2_0.files.index,
        config: {
          file: {
            migrate: ({ settings }) => ({
              header: { schemaVersion: '2.0.0' },
              // @ts-expect-error loose objects hold anything, but only what the schema names may be used
              monitoring: { intervalSeconds: settings.test_interval_hours ?? 300 },
            }),
          },
        },
      },
    })
    expect(fits.migrations).toHaveLength(2)
  })

  test('a step by record for a kind without records, or by file for one with', () => {
    migration(v1_1, v2_0, {
      ...about,
      // @ts-expect-error config has no records
      files: { index: m2_0.files.index, config: { record: { migrate: { head: () => null, record: (r: unknown) => r } } } },
    })
    migration(v1_0, v1_1, {
      ...about,
      // @ts-expect-error daily has records
      files: { daily: { file: { migrate: () => ({ header: { schemaVersion: '1.1.0' } }) } } },
    })
    expect(fits.newest.version).toBe('2.0.0')
  })

  test('an unknown kind', () => {
    const typo = migration(v1_0, v1_1, {
      ...about,
      // @ts-expect-error no such kind
      files: { daily: m1_1.files.daily, dialy: m1_1.files.daily },
    })
    expect(() => dataset({ name: 'x', chain: chain(v1_0).add(typo) })).toThrow(expect.objectContaining({ code: 'BAD_CHAIN' }))
  })

  test('a step for a kind that does not change', () => {
    const step = { file: { migrate: (doc: { settings: { test_interval_minutes: number } }) => doc } }
    // @ts-expect-error config is the same in both versions
    const idle = migration(v1_0, v1_1, { ...about, files: { daily: m1_1.files.daily, config: step } })
    expect(() => dataset({ name: 'x', chain: chain(v1_0).add(idle) })).toThrow(expect.objectContaining({ code: 'BAD_CHAIN' }))
  })

  test('a law over a field that a version does not have, or one that gives neither number nor text', () => {
    migration(v1_0, v1_1, {
      ...about,
      files: m1_1.files,
      // @ts-expect-error records of 1.0.0 have no ts yet
      conserves: { daily: { ends: { before: (r) => r.ts, after: (r) => r.ts } } },
    })
    migration(v1_0, v1_1, {
      ...about,
      files: m1_1.files,
      // @ts-expect-error an object can be neither summed nor collected
      conserves: { daily: { ends: { before: (r) => ({ r }), after: (r) => r.ts } } },
    })
    const fine = {
      daily: { endpoints: { before: (r: Rec<typeof daily0>) => r.endpoint_id, after: (r: Rec<typeof daily1>) => r.endpoint_id } },
    }
    expect(migration(v1_0, v1_1, { ...about, files: m1_1.files, conserves: fine }).conserves).toBe(fine)
  })

  test('deriving from an unknown kind, or reading one through ctx', () => {
    // @ts-expect-error there is no such kind to derive from
    migration(v1_1, v2_0, { ...about, files: { config: m2_0.files.config, index: { derive: { from: 'days', each: () => [] } } } })
    migration(v1_0, v1_1, {
      ...about,
      // @ts-expect-error there is no such kind to read
      files: { daily: { record: { migrate: { head: (_d, _s, ctx) => ctx.read('index'), record: (r) => ({ ...r, ts: 1 }) } } } },
    })
    expect(fits.schemas).toHaveLength(3)
  })
})

describe('compiles:', () => {
  test('steps in order, and a chain that goes on', () => {
    expect(dataset({ name: 'x', chain: fits }).chain.schemas.map((s) => s.version)).toEqual(['1.0.0', '1.1.0', '2.0.0'])
  })
})

test('a version that is none is found when the dataset is declared', () => {
  expect(() => dataset({ name: 'x', chain: chain(schema('one', { config: config0 })) })).toThrow(/semantic version/)
})

describe('types are inferred from the schemas:', () => {
  test('documents and records, with the members that the schema names and no others', () => {
    expectTypeOf<Doc<typeof config0>>().toEqualTypeOf<{ settings: { test_interval_minutes: number } }>()
    expectTypeOf<Doc<typeof daily1>>().toEqualTypeOf<{ header: { schemaVersion: string }; utcOffset?: string | undefined }>()
    expectTypeOf<Rec<typeof daily0>>().toEqualTypeOf<{ timestamp: string; endpoint_id: string }>()
    expectTypeOf<Rec<typeof daily1>>().toEqualTypeOf<{ ts: number; endpoint_id: string }>()
    expectTypeOf<Rec<typeof config0>>().toBeNever()
  })

  test('the parameters of every function of a step', () => {
    migration(v1_0, v1_1, {
      ...about,
      files: {
        daily: {
          record: {
            migrate: {
              scan: {
                init: (doc) => {
                  expectTypeOf(doc).toEqualTypeOf<null>()
                  return 0
                },
                add: (sum: number, record, ctx) => {
                  expectTypeOf(record).toEqualTypeOf<Rec<typeof daily0>>()
                  expectTypeOf(ctx).toEqualTypeOf<Ctx<(typeof v1_0)['kinds']>>()
                  return sum
                },
              },
              head: (doc, _sum: number, ctx) => {
                expectTypeOf(doc).toEqualTypeOf<null>()
                expectTypeOf(ctx.read('config')).toEqualTypeOf<Doc<typeof config0>>()
                expectTypeOf(ctx.id()).toEqualTypeOf<string>()
                expectTypeOf(ctx.now()).toEqualTypeOf<number>()
                expectTypeOf(ctx.signal.aborted).toEqualTypeOf<boolean>()
                expectTypeOf(ctx.find('config')).toEqualTypeOf<Doc<typeof config0> | undefined>()
                return { header: { schemaVersion: '1.1.0' } }
              },
              record: (record) => {
                expectTypeOf(record).toEqualTypeOf<Rec<typeof daily0>>()
                return { ts: 0, endpoint_id: record.endpoint_id }
              },
            },
            rollback: {
              head: (doc, _sum, ctx) => {
                expectTypeOf(doc).toEqualTypeOf<Doc<typeof daily1>>()
                expectTypeOf(ctx).toEqualTypeOf<Ctx<(typeof v1_1)['kinds']>>()
                return null
              },
              record: (record) => {
                expectTypeOf(record).toEqualTypeOf<Rec<typeof daily1>>()
                return { timestamp: '', endpoint_id: record.endpoint_id }
              },
            },
          },
        },
      },
      validate: {
        daily: {
          record: (record) => {
            expectTypeOf(record).toEqualTypeOf<Rec<typeof daily1>>()
            return undefined
          },
        },
      },
    })
    expectTypeOf(fits.newest.version).toEqualTypeOf<'2.0.0'>()
    expect(fits.newest.version).toBe('2.0.0')
  })

  test('what a derived file is made from', () => {
    migration(v1_1, v2_0, {
      ...about,
      files: {
        config: m2_0.files.config,
        index: {
          derive: {
            from: 'daily',
            each: ({ path, doc, records }, ctx) => {
              expectTypeOf(doc).toEqualTypeOf<Doc<typeof daily1>>()
              expectTypeOf(records).toEqualTypeOf<Iterable<Rec<typeof daily1>>>()
              expectTypeOf(ctx.read('config')).toEqualTypeOf<Doc<typeof config2>>()
              return [[path, { days: [] }]]
            },
          },
        },
      },
    })
    expect(fits.schemas).toHaveLength(3)
  })
})
