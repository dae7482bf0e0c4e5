import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { StrataError } from '../../src/index.ts'
import { arranged, fields, file, gzip, messagePack, migration, records, schema, testMigration } from '../../src/index.ts'

/* testMigration, with a mistake planted for each thing that it looks for. */

const settings0 = file('settings.json', z.looseObject({ colour: z.string(), accounts: z.array(z.looseObject({ name: z.string() })) }))
const settings1 = file('settings.json', z.looseObject({ color: z.string(), accounts: z.array(z.looseObject({ name: z.string() })) }))
const days = () => records('days/*.json', 'list', z.looseObject({}), z.looseObject({ n: z.number() }), { damaged: 'quarantine' })
const v1 = schema('1.0.0', { settings: settings0, days: days() })
const days1 = records('days/*.json', 'list', z.looseObject({ note: z.string().optional() }), z.looseObject({ n: z.number() }), {
  damaged: 'quarantine',
})
const v2 = schema('2.0.0', { settings: settings1, days: days1 })

type Old = { colour: string; accounts: { name: string }[] }
type New = { color: string; accounts: { name: string }[] }
type Day = { n: number }
type Step = {
  up?: (doc: Old, ctx: { id(): string; now(): number }) => New
  down?: ((doc: New) => Old) | null
  day?: (record: Day) => Day
  dayDown?: (record: Day) => Day
  more?: object
}

const fine = fields(settings0).rename('colour', 'color').steps()

const of = ({ up, down, day = (r) => r, dayDown = (r) => r, more = {} }: Step) =>
  migration(v1, v2, {
    description: 'Spell it as they do',
    createdAt: '2026-01-01T00:00:00Z',
    changes: [],
    files: {
      settings: { file: { migrate: up ?? fine.migrate, ...(down === null ? {} : { rollback: down ?? fine.rollback }) } },
      days: { record: { migrate: { head: (doc) => doc, record: day }, rollback: { head: (doc) => doc, record: dayDown } } },
    },
    ...more,
  })

const SAMPLE = {
  'settings.json': { colour: 'red', accounts: [{ name: 'a' }, { name: 'b' }] },
  'days/1.json': { list: [{ n: 1 }, { n: 2.5 }] },
}

type Found = { code: string; file: string | null; message: string; record: number | null }
const findings = (step: Step, sample: Record<string, unknown> = SAMPLE, options = {}): Found[] => {
  try {
    testMigration(of(step), sample, options)
    return []
  } catch (error) {
    const { code, data, message } = error as StrataError
    if (code !== 'FINDINGS') throw error
    const found = data.findings as Found[]
    for (const one of found) expect(message).toContain(one.code)
    return found
  }
}
const codes = (...args: Parameters<typeof findings>): string[] => findings(...args).map((f) => f.code)

test('a migration that is right passes', () => expect(findings({})).toEqual([]))

let calls = 0

describe('it finds', () => {
  test.each<[string, Step, string]>([
    ['the clock, by Date.now', { up: (d) => ({ ...fine.migrate(d, quiet), at: Date.now() }) }, 'the clock'],
    ['the clock, by new Date', { up: (d) => ({ ...fine.migrate(d, quiet), at: new Date().toISOString() }) }, 'the clock'],
    ['the clock, by performance.now', { up: (d) => ({ ...fine.migrate(d, quiet), at: performance.now() }) }, 'the clock'],
    ['chance, by Math.random', { up: (d) => ({ ...fine.migrate(d, quiet), at: Math.random() }) }, 'randomness'],
    ['chance, by crypto', { up: (d) => ({ ...fine.migrate(d, quiet), at: crypto.randomUUID() }) }, 'randomness'],
    ['chance, by an import from node:crypto', { up: (d) => ({ ...fine.migrate(d, quiet), at: randomUUID() }) }, 'randomness'],
    ['chance that does not show in the result', { up: (d) => (Math.random(), fine.migrate(d, quiet)) }, 'randomness'],
  ])('%s', (_, step, source) => {
    const found = findings(step).filter((f) => f.code === 'IMPURE')
    expect(found.map((f) => f.message)).toContain(`the migration asks ${source}`)
  })

  test('what is kept from one call to the next', () => {
    expect(findings({ up: (d) => ({ ...fine.migrate(d, quiet), calls: ++calls }) })).toMatchObject([
      { code: 'IMPURE', file: 'settings.json', message: 'a second run gives another result' },
      { code: 'LOSSY_ROUND_TRIP' },
    ])
  })

  test('but not what ctx gives, nor a date that is computed from the input', () => {
    const up: Step['up'] = (d, ctx) => ({ ...fine.migrate(d, quiet), id: ctx.id(), at: ctx.now(), day: new Date(86_400_000).toISOString() })
    const down: Step['down'] = ({ id: _, at: __, day: ___, ...doc }: New & { id?: string; at?: number; day?: string }) =>
      fine.rollback(doc, quiet)
    expect(codes({ up, down })).toEqual([])
  })

  test('a changed input', () => {
    const day = (r: Day) => ((r.n += 1), r)
    expect(findings({ day })).toMatchObject([{ code: 'INPUT_CHANGED', file: 'days/1.json', record: 0 }])
  })

  test('dropped unknown members, saying where', () => {
    const up: Step['up'] = ({ colour, accounts }) => ({ color: colour, accounts: accounts.map(({ name }) => ({ name })) })
    expect(findings({ up })).toMatchObject([
      { code: 'DROPPED_FIELD', file: 'settings.json', message: 'unknown members of accounts[], the document are dropped' },
    ])
    const day = ({ n }: Day) => ({ n })
    expect(findings({ day })).toMatchObject([
      { code: 'DROPPED_FIELD', file: 'days/1.json', message: 'unknown members of list[] are dropped' },
    ])
  })

  test('and those that go on the way back', () => {
    expect(findings({ dayDown: ({ n }) => ({ n }) })).toMatchObject([
      { code: 'DROPPED_FIELD', message: 'unknown members of list[] are dropped on the way back' },
    ])
  })

  test('a missing rollback', () => {
    expect(findings({ down: null })).toMatchObject([{ code: 'NO_ROLLBACK', message: expect.stringContaining('settings has no rollback') }])
  })

  test('a lossy round trip, naming the fields', () => {
    const down: Step['down'] = ({ color, accounts, ...rest }) => ({ ...rest, colour: color.toUpperCase(), accounts: accounts.slice(1) })
    expect(findings({ down }).find((f) => f.code === 'LOSSY_ROUND_TRIP')).toMatchObject({
      file: 'settings.json',
      message: 'up and down again changes colour, accounts[]',
    })
    expect(findings({ day: (r) => ({ ...r, n: Math.round(r.n) }) })).toMatchObject([
      { code: 'LOSSY_ROUND_TRIP', file: 'days/1.json', message: 'up and down again changes list[].n' },
    ])
  })

  test('nothing in what the migration says it loses', () => {
    const loses = { days: { 'list[].n': 'whole numbers are enough' } }
    expect(codes({ day: (r) => ({ ...r, n: Math.round(r.n) }), more: { loses } })).toEqual([])
    const gone = { days: { 'list[].*': 'only n is needed' } }
    expect(codes({ day: ({ n }) => ({ n }), more: { loses: gone } })).toEqual([])
  })

  test.each<[string, Step, string]>([
    [
      'throws',
      {
        day: () => {
          throw new Error('boom')
        },
      },
      'MIGRATION_FAILED',
    ],
    ['gives NaN', { day: () => ({ n: NaN }) }, 'RESULT_NAN'],
    ['gives a promise', { day: (r) => Promise.resolve(r) as unknown as Day }, 'ASYNC_STEP'],
    [
      'breaks a law',
      { day: (r) => ({ ...r, n: 0 }), more: { conserves: { days: { sum: { before: (r: Day) => r.n, after: (r: Day) => r.n } } } } },
      'DATA_LOST',
    ],
  ])('what a migration does that %s', (_, step, code) => {
    expect(findings(step)).toMatchObject([{ code, file: 'days/1.json' }])
  })

  test('what is thrown on the way back only', () => {
    const dayDown = (): Day => {
      throw new Error('boom')
    }
    expect(findings({ dayDown }).map((f) => [f.code, f.message.split(':')[0]])).toEqual([
      ['MIGRATION_FAILED', 'on the way back'],
      ['MIGRATION_FAILED', 'with an unknown member in every object'],
    ])
  })

  test('a sample that cannot be read, or that lacks a kind, or everything', () => {
    expect(codes({}, { ...SAMPLE, 'days/1.json': '{"list": [' })).toEqual(['DAMAGED_SAMPLE'])
    expect(findings({}, { 'settings.json': SAMPLE['settings.json'] })).toMatchObject([
      { code: 'NO_SAMPLE', message: expect.stringContaining('kind days') },
    ])
    expect(codes({}, {})).toEqual(['NO_SAMPLE'])
  })
})

test('what is meant can be allowed by its code', () => {
  expect(codes({ down: null }, SAMPLE, { allow: ['NO_ROLLBACK'] })).toEqual([])
})

test('a migration that is none is refused as by a chain', () => {
  expect(() => {
    testMigration(of({ up: (async (d: Old) => Promise.resolve(d)) as never }), SAMPLE)
  }).toThrow(expect.objectContaining({ code: 'ASYNC_STEP' }))
})

test('clocks and chances are as before when it is done, also when it fails', () => {
  const places: [object, string][] = [
    [globalThis, 'Date'],
    [Date, 'now'],
    [performance, 'now'],
    [Math, 'random'],
    [crypto, 'randomUUID'],
  ]
  const all = () => places.map(([of, name]): unknown => Reflect.get(of, name))
  const before = all()
  testMigration(of({}), SAMPLE)
  expect(() => {
    testMigration(of({ down: null }), SAMPLE)
  }).toThrow()
  expect(all().every((f, i) => f === before[i])).toBe(true)
  expect(new Date().getFullYear()).toBeGreaterThan(2024)
})

const quiet = { path: '', warn: () => undefined, id: () => '', now: () => 0 }

describe('the same in every form of step', () => {
  const note = z.looseObject({ n: z.number() })
  const doc = z.looseObject({ title: z.string() })
  const notes1 = records('notes/*.json', 'list', doc, note)
  const packing = (pack: (value: unknown) => unknown, unpack: (value: unknown) => unknown) => ({
    codec: gzip(arranged(messagePack, { name: 'own', pack, unpack })),
  })
  const asIs = (value: unknown): unknown => value
  type Whole = {
    path?: { migrate: (path: string) => string; rollback?: (path: string) => string }
    codec?: ReturnType<typeof packing>
    up?: (record: { n: number }) => { n: number }
    copy?: (title: string) => object
    each?: (n: number) => unknown
    make?: (all: readonly { value: unknown }[]) => object
    dataset?: (view: View) => Iterable<object>
  }
  type View = { open(kind: string, path: string): { doc: { title: string }; records: readonly { n: number }[] } }
  const MOVE = { migrate: (path: string) => path.replace('.json', '.gz'), rollback: (path: string) => path.replace('.gz', '.json') }
  const config = file('config.json', doc)
  const whole = ({ path = MOVE, codec = packing(asIs, asIs), up = (r) => r, copy, each, make, dataset: all }: Whole) => {
    const from = schema('1.0.0', { notes: notes1, config })
    const to = schema('2.0.0', {
      notes: records('notes/*.gz', 'list', doc, note, codec),
      config,
      copies: file('copies/*.json', z.looseObject({})),
      index: file('index.json', z.looseObject({})),
      made: file('made.json', z.looseObject({})),
    })
    return migration(from, to, {
      description: 'All of it',
      createdAt: '2026-01-01T00:00:00Z',
      changes: [],
      files: {
        notes: {
          path,
          record: { migrate: { head: (head) => head, record: up }, rollback: { head: (head) => head, record: (r) => r } },
        },
        copies: {
          derive: {
            from: 'notes',
            each: ({ path: at, doc: { title } }) => [[at.replace('notes', 'copies').replace('.gz', '.json'), { ...copy?.(title) }]],
          },
        },
        index: {
          gather: {
            from: 'notes',
            each: ({ records: own }) => each?.([...own].length) ?? [...own].length,
            make: (found) => [
              ['index.json', { ...make?.(found as readonly { value: unknown }[]), notes: found.map(({ value }) => String(value)) }],
            ],
          },
        },
        made: { made: 'by the dataset step' },
      },
      // As an author in JavaScript writes it.
      dataset: (all ?? (() => [{ kind: 'made', path: 'made.json', doc: {} }])) as never,
    })
  }
  const FILES = {
    'notes/1.json': { title: 'a', list: [{ n: 1 }, { n: 2 }] },
    'notes/2.json': { title: 'b', list: [] },
    'config.json': { title: 'c' },
  }
  const of = (step: Whole): Found[] => {
    try {
      testMigration(whole(step), FILES)
      return []
    } catch (error) {
      const { code, data } = error as StrataError
      if (code !== 'FINDINGS') throw error
      return data.findings as Found[]
    }
  }
  let count = 0
  const made = (more: object) => [{ kind: 'made', path: 'made.json', doc: more }]

  test('one that is right passes', () => expect(of({})).toEqual([]))

  test.each<[string, Whole]>([
    ['a path', { path: { ...MOVE, migrate: (path) => (Math.random(), MOVE.migrate(path)) } }],
    ['a derived file', { copy: () => ({ at: Date.now() }) }],
    ['what is gathered', { each: () => Math.random() }],
    ['a gathered file', { make: () => ({ at: Date.now() }) }],
    ['a dataset step', { dataset: () => made({ at: randomUUID() }) }],
    ['what a dataset step keeps', { dataset: () => made({ count: ++count }) }],
    ['what gathering keeps', { make: () => ({ count: ++count }) }],
    [
      'an arrangement',
      {
        codec: packing(
          (value) => ({ value, at: Date.now() }),
          (packed) => (packed as { value: unknown }).value,
        ),
      },
    ],
  ])('%s that is impure', (_what, step) => {
    expect(of(step).map((f) => f.code)).toContain('IMPURE')
  })

  test.each<[string, Whole]>([
    ['derived', { copy: (title) => Object.assign(Object.freeze({ title }), { title: 'x' }) }],
    ['gathered', { make: (all) => ({ n: (all as { value: unknown }[]).pop()?.value ?? 0 }) }],
    [
      'by the dataset step',
      { dataset: (view) => made({ n: (view.open('notes', 'notes/1.gz').records as { n: number }[]).push({ n: 1 }) }) },
    ],
  ])('an input that is changed: %s', (_what, step) => {
    expect(of(step)).toMatchObject([{ code: 'INPUT_CHANGED' }])
  })

  test('a path that leads back elsewhere, or nowhere', () => {
    expect(of({ path: { ...MOVE, rollback: () => 'notes/1.json' } })).toMatchObject([
      { code: 'LOSSY_ROUND_TRIP', file: 'notes/2.json', message: 'up and down again leads to another path, notes/1.json' },
    ])
    expect(of({ path: { migrate: MOVE.migrate } }).map((f) => f.code)).toContain('NO_ROLLBACK')
  })

  test('unknown members that go, in a file that moves to another format, or by a dataset step', () => {
    expect(of({ up: ({ n }) => ({ n }) })).toMatchObject([{ code: 'DROPPED_FIELD', file: 'notes/1.json' }])
    expect(of({ dataset: () => [...made({}), { kind: 'config', path: 'config.json', doc: { title: 'c' } }] })).toMatchObject([
      { code: 'DROPPED_FIELD', file: 'config.json' },
    ])
    const kept: Whole['dataset'] = (view) => [
      ...made(view.open('config', 'config.json').doc),
      { kind: 'config', path: 'config.json', doc: { title: 'c' } },
    ]
    expect(of({ dataset: kept })).toEqual([])
  })

  test('an arrangement that loses something', () => {
    const lossy = packing((value) => ({ ...(value as object), list: [] }), asIs)
    expect(of({ codec: lossy })).toMatchObject([{ code: 'INVALID_RESULT', file: 'notes/1.gz' }])
  })

  test('a lossy round trip in a file that moves to another format', () => {
    expect(of({ up: ({ n, ...rest }) => ({ ...rest, n: n + 1 }) })).toMatchObject([
      { code: 'LOSSY_ROUND_TRIP', file: 'notes/1.json', message: 'up and down again changes list[].n' },
    ])
  })
})
