import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Dataset } from '../../src/core/dataset.ts'
import { migrateFiles } from '../../src/core/memory.ts'
import type { Context } from '../../src/engine/context.ts'
import { createContext } from '../../src/engine/context.ts'
import { initFrom } from '../../src/engine/init.ts'
import { migrate } from '../../src/engine/migrate.ts'
import { silent } from '../../src/engine/progress.ts'
import { recover } from '../../src/engine/recover.ts'
import { rollback } from '../../src/engine/rollback.ts'
import type { Session } from '../../src/engine/session.ts'
import { openSession } from '../../src/engine/session.ts'
import { survey } from '../../src/engine/survey.ts'
import { chain, dataset, file, json, migration, records, schema } from '../../src/index.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { temporary } from '../contract/temporary.ts'
import { contents } from '../support/tree.ts'

/* What is remembered where files move, and where a step looks at the dataset as a whole. */

const about = { description: '', createdAt: '2026-01-01T00:00:00Z', changes: [] }
const open = z.looseObject({})
const note = z.looseObject({ t: z.string() })
const same = { head: (doc: Record<string, unknown>) => doc, record: (one: { t: string }) => one }
/** Which files a step has worked at since someone looked. */
const worked: string[] = []

const settings = () => file('settings.json', open)
const mark = () => file('mark.json', open)
const v1 = schema('1.0.0', { settings: settings(), notes: records('notes/*.json', 'list', open, note) })
const m1 = schema('1.0.0', { ...v1.kinds, mark: mark() })
const m2 = schema('2.0.0', { ...m1.kinds, notes: records('new/*.json', 'list', open, note, { forms: { 'old/*.json': json } }) })

/** All notes but the newest are old. */
const age = migration(m1, m2, {
  ...about,
  files: {
    notes: {
      path: {
        migrate: (path, all) => path.replace('notes/', path === all.at(-1) ? 'new/' : 'old/'),
        rollback: (path) => path.replace(/^(?:new|old)/, 'notes'),
      },
      record: { migrate: same, rollback: same },
    },
  },
})

const m3 = schema('3.0.0', { ...m2.kinds, settings: settings(), mark: mark() })
const count = migration(m2, m3, {
  ...about,
  files: {
    settings: {
      file: {
        migrate: (doc, ctx) => ({ ...doc, notes: ctx.paths('notes').length }),
        rollback: (doc) => doc,
      },
    },
    mark: {
      file: {
        migrate: (doc, ctx) => ({ ...doc, isOld: ctx.find('notes', 'old/1.json') !== undefined }),
        rollback: (doc) => doc,
      },
    },
  },
})

const MOVING = dataset({ name: 'Moving', chain: chain(m1).add(age).add(count), detect: () => '1.0.0' })

const w2 = schema('2.0.0', { ...v1.kinds, index: file('index.json', z.looseObject({ all: z.array(z.string()) })) })
const index = migration(v1, w2, {
  ...about,
  files: {
    index: { gather: { from: 'notes', each: ({ path }) => path, make: (all) => [['index.json', { all: all.map(({ path }) => path) }]] } },
  },
})
const w3 = schema('3.0.0', { ...w2.kinds, notes: records('notes/*.json', 'list', open, note) })
const touch = migration(w2, w3, {
  ...about,
  files: {
    notes: {
      record: {
        migrate: {
          ...same,
          head: (doc: object, _sum, ctx) => {
            worked.push(ctx.path)
            return { ...doc, at: '3.0.0' }
          },
        },
        rollback: same,
      },
    },
  },
})
const w4 = schema('4.0.0', { ...w3.kinds, book: records('book.json', 'list', open, note) })
const merge = migration(w3, w4, {
  ...about,
  files: { book: { made: 'by the dataset step' } },
  *dataset(view) {
    const old = view.paths('notes').slice(0, -1)
    yield { kind: 'book', path: 'book.json', doc: {}, records: old.flatMap((path) => [...view.open('notes', path).records]) }
    for (const path of old) yield { remove: path }
    yield { kind: 'settings', path: 'settings.json', doc: { ...view.open('settings', 'settings.json').doc, old: old.length } }
  },
})

const MERGING = dataset({ name: 'Merging', chain: chain(v1).add(index).add(touch).add(merge), detect: () => '1.0.0' })

const inStore = async <T>(context: Context, work: (session: Session) => Promise<T>): Promise<T> => {
  const session = await openSession(context)
  try {
    recover(session)
    return await work(session)
  } finally {
    await session.close()
  }
}

const write = (dir: string, path: string, value: unknown): void => {
  nodeFs.mkdirSync(join(dir, path, '..'), { recursive: true })
  nodeFs.writeFileSync(join(dir, path), JSON.stringify(value))
  const past = new Date(Date.now() - 60_000)
  nodeFs.utimesSync(join(dir, path), past, past)
}

const day = (...t: string[]) => ({ list: t.map((one) => ({ t: one })) })

/** A store of the given files that has been up and down once. */
const store = async (of: Dataset, files: Readonly<Record<string, unknown>>) => {
  const dir = temporary()
  const context = createContext({ store: join(dir, 'store'), dataset: of, code: 'one', fs: nodeFsPort, workers: 0 })
  for (const [path, value] of Object.entries(files)) write(join(dir, 'data'), path, value)
  await initFrom(context, survey(nodeFsPort, of, join(dir, 'data')))
  const current = () => JSON.parse(nodeFs.readFileSync(join(dir, 'store/CURRENT'), 'utf8')) as { directory: string }
  const active = (): string => join(dir, 'store', current().directory)
  const up = () =>
    inStore(context, async (session) => {
      const { jobId, state } = await migrate(session, undefined, { progress: silent })
      return state.jobs.find((job) => job.id === jobId)
    })
  const down = () => inStore(context, (session) => rollback(session, {}, true))
  await up()
  await down()
  worked.length = 0
  return { active, up, down }
}

/** What a run without any memory makes of a directory at 1.0.0. */
const fresh = (of: Dataset, dir: string): Record<string, string> => {
  const files = new Map(Object.keys(contents(dir)).map((path) => [path, nodeFs.readFileSync(join(dir, path))]))
  const last = migrateFiles(of, files, '1.0.0', of.chain.schemas.at(-1)?.version ?? '').steps.at(-1) ?? new Map<string, Uint8Array>()
  const made = Object.fromEntries(Array.from(last, ([path, bytes]) => [path, Buffer.from(bytes).toString('utf8')]))
  worked.length = 0
  return made
}

const textsOf = (dir: string): Record<string, string> =>
  Object.fromEntries(Object.keys(contents(dir)).map((path) => [path, nodeFs.readFileSync(join(dir, path), 'utf8')]))

describe('where files move, a result is used again', () => {
  test('unless the paths that there are lead to another: the first note, a second that makes the first an old one', async () => {
    const { active, up, down } = await store(MOVING, { 'settings.json': {}, 'mark.json': {} })
    for (const [path, isOld] of [
      ['notes/1.json', false],
      ['notes/2.json', true],
    ] as const) {
      write(active(), path, day('a'))
      const wanted = fresh(MOVING, active())
      await up()
      expect(textsOf(active())).toEqual(wanted)
      expect(JSON.parse(wanted['mark.json'] ?? '')).toMatchObject({ isOld })
      await down()
    }
  })

  test('where they lead to the same', async () => {
    const { active, up } = await store(MOVING, { 'settings.json': {}, 'notes/1.json': day('a'), 'notes/2.json': day('b') })
    write(active(), 'notes/2.json', day('b', 'c'))
    const wanted = fresh(MOVING, active())
    expect(await up()).toMatchObject({ filesTransformed: 1, filesRemembered: 2 })
    expect(textsOf(active())).toEqual(wanted)
  })
})

test('what a step over the whole dataset took away or changed afterwards is remembered all the same', async () => {
  const files = { 'settings.json': {}, 'notes/1.json': day('a'), 'notes/2.json': day('b'), 'notes/3.json': day('c') }
  const { active, up } = await store(MERGING, files)
  write(active(), 'notes/2.json', day('b', 'c'))
  const wanted = fresh(MERGING, active())
  expect(await up()).toMatchObject({ filesTransformed: 1, filesRemembered: 3 })
  expect(worked).toEqual(['notes/2.json'])
  expect(textsOf(active())).toEqual(wanted)
})
