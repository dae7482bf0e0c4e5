import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { AnyChange } from '../../src/core/chain.ts'
import type { Arrangement, StrataError } from '../../src/index.ts'
import { arranged, chain, dataset, file, fileAt, messagePack, migrateFiles, migration, records, schema } from '../../src/index.ts'
import { filesOf } from './toy.ts'

/* What a migration may do wrong besides its steps over a file: in paths, derived and gathered files, dataset steps and arrangements. */

const loose = z.looseObject({})
const list = <const P extends string>(path: P, options = {}) => records(path, '', z.null(), z.looseObject({ n: z.number() }), options)
const v1 = schema('1.0.0', { days: list('a/*.json'), settings: file('settings.json', loose) })
const index = file('index.json', loose)
const copies = file('copies/*.json', loose)
const same = { head: () => null, record: (r: { n: number }) => r }
const DATA = { 'a/1.json': '[{"n": 1}]', 'a/2.json': '[{"n": 2}]', 'settings.json': '{}' }

type Plan = {
  path?: { migrate: (path: string, all: readonly string[]) => unknown; rollback?: (path: string) => unknown }
  derive?: unknown
  each?: unknown
  make?: unknown
  dataset?: unknown
  pack?: unknown
  unpack?: unknown
}

const PATH = { migrate: (path: string) => path.replace('a/', 'b/'), rollback: (path: string) => path.replace('b/', 'a/') }

// The functions are what the types refuse: a migration may be written in JavaScript.
const chainOf = ({ path = PATH, derive = () => [], each = () => 1, make = () => [], dataset: whole, pack, unpack }: Plan) => {
  const arrangement = { name: 'own', pack: pack ?? ((doc: unknown) => doc), unpack: unpack ?? ((doc: unknown) => doc) } as Arrangement
  const codec = pack === undefined && unpack === undefined ? {} : { codec: arranged(messagePack, arrangement) }
  const v2 = schema('2.0.0', { ...v1.kinds, days: list('b/*.json', codec), index, copies, made: file('made.json', loose) })
  const m = migration(v1, v2, {
    description: '',
    createdAt: '2026-01-01T00:00:00Z',
    changes: [],
    files: {
      days: { path: path as typeof PATH, record: { migrate: same, rollback: same } },
      copies: { derive: { from: 'days', each: derive as () => [] } },
      index: { gather: { from: 'days', each: each as () => 1, make: make as () => [] } },
      made: { made: 'by the dataset step' },
    },
    dataset: (whole ?? (() => [])) as () => [],
  })
  return dataset({ name: 'x', chain: chain(v1).add(m) })
}

const run = (plan: Plan): ReadonlyMap<string, Uint8Array> =>
  migrateFiles(chainOf(plan), filesOf(DATA), '1.0.0', '2.0.0', { frozen: true }).steps[0] ?? new Map()
const failure = (work: () => unknown): StrataError => {
  try {
    work()
  } catch (error) {
    return error as StrataError
  }
  throw new Error('it did not fail')
}
const of = (plan: Plan): StrataError => failure(() => run(plan))

const cycle: { self?: unknown } = {}
cycle.self = cycle
const BAD: [string, unknown, string][] = [
  ['undefined', undefined, 'RESULT_UNDEFINED'],
  ['NaN', NaN, 'RESULT_NAN'],
  ['an infinity deep inside', { a: [{ b: Infinity }] }, 'RESULT_NAN'],
  ['a BigInt', { a: 1n }, 'RESULT_BIGINT'],
  ['a cycle', cycle, 'RESULT_CYCLE'],
  ['a promise', Promise.resolve({}), 'ASYNC_STEP'],
  ['a promise that never settles', new Promise(Function.prototype as () => void), 'ASYNC_STEP'],
  ['an instance', new Map(), 'INVALID_RESULT'],
  ['a function', () => 1, 'INVALID_RESULT'],
]

describe.each(BAD)('%s', (_what, value, code) => {
  test('as the document of a derived file', () =>
    expect(of({ derive: () => [['copies/1.json', value]] })).toMatchObject({ code, data: { file: 'b/1.json', step: '2.0.0' } }))
  test('as what is gathered of a file', () =>
    expect(of({ each: () => value })).toMatchObject({ code, data: { file: 'b/1.json', step: '2.0.0' } }))
  test('as the document of what is gathered', () =>
    expect(of({ make: () => [['index.json', value]] })).toMatchObject({ code, data: { step: '2.0.0' } }))
  test('as a document that a dataset step puts', () =>
    expect(of({ dataset: () => [{ kind: 'made', path: 'made.json', doc: value }] })).toMatchObject({ code, data: { step: '2.0.0' } }))
  test('as what an arrangement packs', () => expect(of({ pack: () => value })).toMatchObject({ code, data: { file: 'b/1.json' } }))
})

describe('what is no list', () => {
  test.each([
    ['undefined', undefined, 'RESULT_UNDEFINED'],
    ['a number', 7, 'INVALID_RESULT'],
    ['an object', {}, 'INVALID_RESULT'],
    ['a text', 'index.json', 'INVALID_RESULT'],
    ['a promise', Promise.resolve([]), 'ASYNC_STEP'],
  ])('%s', (_what, value, code) => {
    for (const plan of [{ derive: () => value }, { make: () => value }, { dataset: () => value }]) {
      const { code: found, message, data } = of(plan)
      expect([found, data.step]).toEqual([code, '2.0.0'])
      expect(message).toMatch(/2\.0\.0: (?:derive\.each|gather\.make|the dataset step|the step)/)
    }
  })
})

describe('what throws', () => {
  const boom = (): never => {
    throw new Error('boom')
  }
  test.each<[string, Plan]>([
    ['derive', { derive: boom }],
    ['each', { each: boom }],
    ['make', { make: boom }],
    ['the dataset step', { dataset: boom }],
    ['path', { path: { migrate: boom } }],
    ['pack', { pack: boom }],
  ])('%s: MIGRATION_FAILED with the step and the reason', (_what, plan) => {
    expect(of(plan)).toMatchObject({ code: 'MIGRATION_FAILED', message: expect.stringContaining('boom'), data: { step: '2.0.0' } })
  })
})

describe('an input that is changed', () => {
  type View = { records: { n: number }[] }
  test.each<[string, Plan]>([
    ['by derive', { derive: ({ records: [first] }: View) => [['copies/1.json', { n: first === undefined ? 0 : (first.n += 1) }]] }],
    ['by each', { each: ({ records: own }: View) => own.push({ n: 1 }) }],
    [
      'by make',
      { each: () => ({ n: 1 }), make: ([first]: { value: { n: number } }[]) => [['index.json', { n: first ? ++first.value.n : 0 }]] },
    ],
    ['by make, the list', { make: (all: unknown[]) => [['index.json', { last: all.pop() }]] }],
    [
      'by the dataset step',
      { dataset: (view: { open(kind: string, path: string): View }) => [view.open('days', 'b/1.json').records.push({ n: 3 })] },
    ],
    ['by path, the list', { path: { migrate: (path: string, all: readonly string[]) => ((all as string[]).reverse(), path) } }],
  ])('%s', (_what, plan) => {
    expect(of(plan).code).toBe('INPUT_CHANGED')
  })
})

describe('a path', () => {
  test.each([
    '../x',
    '/b/1.json',
    'b/../b/1.json',
    'c/1.json',
    '',
    'settings.json',
    'b\\1.json',
    'b/x/1.json',
    undefined,
    7,
    {},
    Promise.resolve('b/1.json'),
  ])('that is none of the kind is refused everywhere: %s', (path) => {
    const up = of({ path: { migrate: () => path } })
    expect(up).toMatchObject({ data: { file: 'a/1.json', step: '2.0.0' } })
    expect(['INVALID_RESULT', 'ASYNC_STEP']).toContain(up.code)
    for (const plan of [
      { derive: () => [[path, {}]] },
      { make: () => [[path, {}]] },
      { dataset: () => [{ kind: 'made', path, doc: {} }] },
      { dataset: () => [{ remove: path === 'settings.json' ? 'absent.json' : path } as AnyChange] },
    ])
      expect(of(plan).code).toBe('INVALID_RESULT')
  })

  test('that two files get is EXISTS, and names them', () => {
    expect(of({ path: { migrate: () => 'b/1.json' } })).toMatchObject({ code: 'EXISTS', data: { file: 'b/1.json', source: 'a/2.json' } })
    expect(of({ derive: () => [['copies/1.json', {}]] })).toMatchObject({ code: 'EXISTS', data: { file: 'copies/1.json' } })
    const twice = [
      ['index.json', {}],
      ['index.json', { a: 1 }],
    ]
    expect(of({ make: () => twice })).toMatchObject({ code: 'INVALID_RESULT', message: expect.stringContaining('index.json twice') })
  })

  test('that does not lead back: there is no such file before, or the reason is said', () => {
    const files = run({})
    const back = (rollback: (path: string) => unknown) =>
      failure(() => fileAt(chainOf({ path: { ...PATH, rollback } }), files, 'b/1.json', '2.0.0', '1.0.0'))
    expect(back(() => '../x').code).toBe('ABSENT')
    expect(back(() => undefined)).toMatchObject({ code: 'INVALID_RESULT', data: { file: 'b/1.json', step: '2.0.0' } })
    expect(back(() => Promise.resolve('a/1.json')).code).toBe('ASYNC_STEP')
    const boom = (): never => {
      throw new Error('boom')
    }
    expect(back(boom)).toMatchObject({ code: 'MIGRATION_FAILED', message: 'files.days.path: boom' })
  })
})

describe('an arrangement that does not give back what it was given writes nothing', () => {
  type Rows = { n: number }[]
  test.each<[string, Plan]>([
    ['a pack that drops a record', { pack: (rows: Rows) => rows.slice(1) }],
    ['an unpack that gives another document', { unpack: () => [{ n: 7 }] }],
    ['a number that becomes another', { pack: (rows: Rows) => rows.map(({ n }) => ({ n: n + 1 })) }],
    ['a member that goes', { unpack: (rows: Rows) => rows.map(() => ({})) }],
  ])('%s', (_what, plan) => {
    expect(of(plan)).toMatchObject({
      code: 'INVALID_RESULT',
      message: expect.stringContaining('unpack does not give back what pack was given'),
      data: { file: 'b/1.json', step: '2.0.0' },
    })
  })

  test('an unpack that throws is named', () => {
    const unpack = (): never => {
      throw new Error('no rows')
    }
    expect(of({ unpack })).toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining('no rows'),
      data: { file: 'b/1.json' },
    })
  })
})
