import { z } from 'zod'
import type { Ctx } from '../../src/index.ts'
import { chain, dataset, file, migration, records, schema } from '../../src/index.ts'

/* A dataset small enough to plant a mistake in any of its functions. */

const header = z.looseObject({ schemaVersion: z.string() })
const settings0 = file('settings.json', z.looseObject({ items: z.array(z.string()) }), {
  counts: (doc: { items: string[] }) => ({ items: doc.items.length }),
})
const settings1 = file('settings.json', z.looseObject({ header, items: z.array(z.string()) }), {
  counts: (doc: { items: string[] }) => ({ items: doc.items.length }),
})
const days0 = records('days/*.json', '', z.null(), z.looseObject({ n: z.number() }), { damaged: 'quarantine' })
const days1 = records('days/*.json', 'list', z.looseObject({ header }), z.looseObject({ n: z.number() }), { damaged: 'quarantine' })
const sums = file('sums/*.json', z.looseObject({ sum: z.number() }))

const v1 = schema('1.0.0', { settings: settings0, days: days0 })
const v2 = schema('2.0.0', { settings: settings1, days: days1 })
const v3 = schema('3.0.0', { ...v2.kinds, sums })
const renamed = file('settings.json', z.looseObject({ header, items: z.array(z.string()), label: z.string() }))
const v4 = schema('4.0.0', { ...v3.kinds, settings: renamed })

export type Day = { n: number }
type Settings = { items: string[] }
type Ctx1 = Ctx<(typeof v1)['kinds']>
export type Plan = {
  settings?: (doc: Settings, ctx: Ctx1) => Settings
  record?: (record: Day, ctx: Ctx1) => Day
  validate?: (record: Day) => string | undefined
  loses?: { settings: Record<string, string> }
  derived?: (path: string) => string
}

export const HEADER = { schemaVersion: '2.0.0' }
const about = { description: 'a step', createdAt: '2026-01-01T00:00:00Z', changes: [] }

export const toy = ({
  settings = (doc) => doc,
  record = (r) => r,
  validate,
  loses,
  derived = (path) => path.replace('days', 'sums'),
}: Plan = {}) => {
  const second = migration(v1, v2, {
    ...about,
    files: {
      settings: { file: { migrate: (doc, ctx) => ({ header: HEADER, ...settings(doc, ctx) }), rollback: ({ items }) => ({ items }) } },
      days: {
        record: {
          migrate: { head: () => ({ header: HEADER }), record: (r, _, ctx) => record(r, ctx) },
          rollback: { head: () => null, record: (r) => r },
        },
      },
    },
    validate: validate === undefined ? {} : { days: { record: validate } },
    ...(loses && { loses }),
  })
  const third = migration(v2, v3, {
    ...about,
    files: {
      sums: {
        derive: { from: 'days', each: ({ path, records }) => [[derived(path), { sum: [...records].reduce((a, r) => a + r.n, 0) }]] },
      },
    },
  })
  const fourth = migration(v3, v4, {
    ...about,
    files: { settings: { file: { migrate: (doc) => ({ ...doc, header: { schemaVersion: '4.0.0' }, label: 'x' }) } } },
  })
  return dataset({ name: 'Toy', chain: chain(v1).add(second).add(third).add(fourth), ignore: ['logs/**'] })
}

const encode = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
export const filesOf = (content: Record<string, unknown>) => new Map(Object.entries(content).map(([path, value]) => [path, encode(value)]))
export const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)
export const json = (bytes: Uint8Array | undefined): unknown => JSON.parse(text(bytes))

export const DATA = { 'settings.json': { items: ['a', 'b'] }, 'days/1.json': [{ n: 1 }, { n: 2 }] }
