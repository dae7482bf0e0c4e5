import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { temporary } from '../contract/temporary.ts'
import type { Sandbox } from './sandbox.ts'
import { ROOT, copyOf, made } from './sandbox.ts'

/** A small dataset as a plain JavaScript module, with a function of the test's own in any place of the chain. */

const url = (path: string): string => pathToFileURL(join(ROOT, path)).href

export type ToyPlan = {
  /** JavaScript of functions; each has a working default. */
  record?: string
  settings?: string
  validate?: string
  derived?: string
  /** What the module does when it is loaded. */
  setup?: string
  loses?: string
  /** More members of the dataset. */
  more?: string
  /** The version of the second schema: 2.0.0 unless it says so. */
  second?: string
  /** How long the chain is: 2.0.0 lifts, 3.0.0 adds sums. */
  newest?: '1.0.0' | '2.0.0' | '3.0.0'
}

export const TOY = {
  'settings.json': '{"items": ["a", "b"], "big": 9007199254740993.0}',
  'days/1.json': '[{"n": 1},\n {"n": 2}]',
  'days/2.json': '[{"n": 3}]',
}

const ADDS = { '1.0.0': '', '2.0.0': '.add(second)', '3.0.0': '.add(second).add(third)' }

const source = (plan: ToyPlan): string => `
${JSON.stringify(plan).includes('Sync') ? `import { readFileSync, writeFileSync, appendFileSync, existsSync } from 'node:fs'` : ''}
import { z } from '${url('dist/internal.js')}'
import { chain, dataset, file, migration, records, schema } from '${url('dist/index.js')}'
${plan.setup ?? ''}
const header = z.looseObject({ schemaVersion: z.string() })
const counts = (doc) => ({ items: doc.items.length })
const settings0 = file('settings.json', z.looseObject({ items: z.array(z.string()) }), { counts })
const settings1 = file('settings.json', z.looseObject({ header, items: z.array(z.string()) }), { counts })
const days0 = records('days/*.json', '', z.null(), z.looseObject({ n: z.number() }), { damaged: 'quarantine' })
const days1 = records('days/*.json', 'list', z.looseObject({ header }), z.looseObject({ n: z.number() }), { damaged: 'quarantine' })
const sums = file('sums/*.json', z.looseObject({ header, sum: z.number() }))
const v1 = schema('1.0.0', { settings: settings0, days: days0 })
const v2 = schema('${plan.second ?? '2.0.0'}', { settings: settings1, days: days1 })
const v3 = schema('3.0.0', { ...v2.kinds, sums })
const of = (version) => ({ schemaVersion: version })
const about = { description: 'a step', createdAt: '2026-01-01T00:00:00Z', changes: [] }
const record = ${plan.record ?? '(r) => r'}
const settings = ${plan.settings ?? '(doc) => doc'}
const second = migration(v1, v2, {
  ...about,
  files: {
    settings: { file: { migrate: (doc, ctx) => settings({ header: of('${plan.second ?? '2.0.0'}'), ...doc }, ctx), rollback: ({ header, ...rest }) => rest } },
    days: {
      record: {
        migrate: { head: () => ({ header: of('${plan.second ?? '2.0.0'}') }), record: (r, sum, ctx) => record(r, ctx) },
        rollback: { head: () => null, record: (r) => r },
      },
    },
  },
  validate: ${plan.validate ?? '{}'},
  ${plan.loses ?? ''}
})
const derived = ${plan.derived ?? "(path) => path.replace('days', 'sums')"}
const third = migration(v2, v3, {
  ...about,
  files: {
    sums: {
      derive: {
        from: 'days',
        each: ({ path, records }) => [[derived(path), { header: of('3.0.0'), sum: [...records].reduce((a, r) => a + r.n, 0) }]],
      },
    },
  },
})
export default dataset({
  name: 'Toy',
  chain: chain(v1)${ADDS[plan.newest ?? '3.0.0']},
  ignore: ['logs/**'],
  detect: ({ head }) => (/^\\s*(\\[|\\{"items")/.test(head) ? '1.0.0' : null),
  initial: () => ({}),
  ${plan.more ?? ''}
})
`

/** Writes the module and returns its path. */
export const toyModule = (plan: ToyPlan = {}): string => {
  const path = join(temporary(), 'migrations.mjs')
  writeFileSync(path, source(plan))
  return path
}

/** The toy dataset, captured; `migrations` is the build of the application that runs from now on. */
export const toyCaptured = (migrations: string): Sandbox => copyOf('toy', (dir) => made(dir, TOY, toyModule()), migrations)

/** The same, taken to 3.0.0 by the module as it should be. */
export const toyMigrated = (migrations = toyModule()): Sandbox =>
  copyOf('toy migrated', (dir) => made(dir, TOY, toyModule(), ['migrate']), migrations)
