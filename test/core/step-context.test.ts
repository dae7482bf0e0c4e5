import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { AnyCtx, AnyMigration } from '../../src/core/chain.ts'
import type { RunOptions } from '../../src/core/work.ts'
import { memorySource } from '../../src/core/memory.ts'
import { Transformer } from '../../src/core/transform.ts'
import { dataset, file, records, schema } from '../../src/index.ts'
import { filesOf, json } from './toy.ts'

/* What a step's functions are given, and what is measured around them. */

const settings = () => file('settings.json', z.looseObject({}))
const days = () => records('days/*.json', '', z.null(), z.looseObject({ n: z.number() }))
const v1 = schema('1.0.0', { settings: settings(), days: days() })
const v2 = schema('2.0.0', { settings: settings(), days: days() })

type Day = { n: number }
type Functions = {
  settings?: (doc: object, ctx: AnyCtx) => unknown
  day?: (record: Day, ctx: AnyCtx) => unknown
  more?: Partial<AnyMigration>
}

const of = ({ settings = (doc) => doc, day = (record) => record, more = {} }: Functions, run: RunOptions = {}) => {
  const m: AnyMigration = {
    from: v1,
    to: v2,
    description: 'a step',
    createdAt: '2026-01-02T03:04:05Z',
    changes: [],
    files: {
      settings: { file: { migrate: settings as never, rollback: (doc) => doc } },
      days: {
        record: {
          migrate: { head: () => null, record: (r, _, ctx) => day(r as Day, ctx) },
          rollback: { head: () => null, record: (r) => r },
        },
      },
    },
    ...more,
  }
  const d = dataset({ name: 'x', chain: { first: v1, schemas: [v1, v2], migrations: [m] } })
  return (path: string, value: unknown, other: Record<string, unknown> = {}) =>
    new Transformer(d, memorySource(d, filesOf({ ...other, [path]: value }), 0), run).file(path, 0, 1)
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('ids', () => {
  const ids = (value: unknown, path = 'days/1.json', version = v2) => {
    const made: string[] = []
    const day = (record: Day, ctx: AnyCtx) => (made.push(ctx.id(), ctx.id()), record)
    of({ day, more: { to: version } })(path, value)
    return made
  }
  const first = ids([{ n: 1 }, { n: 1 }, { n: 2 }])

  test('are UUIDs of version 8, another one for each call and each record', () => {
    for (const id of first) expect(id).toMatch(UUID)
    expect(new Set(first).size).toBe(6)
  })

  test('are the same for the same step, path, place and input', () => expect(ids([{ n: 1 }, { n: 1 }, { n: 2 }])).toEqual(first))

  test('of a record do not depend on the records after it: what is appended changes no id', () => {
    expect(ids([{ n: 1 }, { n: 1 }, { n: 2 }, { n: 9 }]).slice(0, 6)).toEqual(first)
  })

  test('are others for another path and another input', () => {
    expect(ids([{ n: 1 }], 'days/2.json')).not.toContain(first[0])
    expect(ids([{ n: 5 }])).not.toContain(first[0])
  })

  test('of a document are its own', () => {
    const made = (value: object) =>
      json(of({ settings: (doc, ctx) => ({ ...doc, id: ctx.id() }) })('settings.json', value).steps[0]?.[0]?.bytes ?? undefined)
    expect(made({ a: 1 })).toEqual(made({ a: 1 }))
    expect(made({ a: 1 })).not.toMatchObject({ id: (made({ a: 2 }) as { id: string }).id })
  })
})

test('now is the time at which the migration was written', () => {
  let now = 0
  of({ settings: (doc, ctx) => ((now = ctx.now()), doc) })('settings.json', {})
  expect(new Date(now).toISOString()).toBe('2026-01-02T03:04:05.000Z')
})

describe('the signal', () => {
  const look = (run: RunOptions) => {
    let aborted: boolean | undefined
    of({ settings: (doc, ctx) => ((aborted = ctx.signal.aborted), ctx.signal.throwIfAborted(), doc) }, run)('settings.json', {})
    return aborted
  }

  test('is quiet as long as nobody gives up', () => expect(look({})).toBe(false))
  test('ends a step that asks for it', () => {
    expect(() => look({ aborted: () => 'CANCELLED' })).toThrow(
      expect.objectContaining({ code: 'CANCELLED', data: { file: 'settings.json', record: null, step: '2.0.0' } }),
    )
  })
})

describe('frozen inputs', () => {
  const frozen = { frozen: true }

  test.each<[string, Functions, string, unknown]>([
    ['a member set', { settings: (doc) => Object.assign(doc, { x: 1 }) }, 'settings.json', {}],
    ['a member deleted', { settings: (doc: { a?: 1 }) => (delete doc.a, doc) }, 'settings.json', { a: 1 }],
    [
      'a list sorted, deep inside',
      { settings: (doc) => ((doc as { a: { b: number[] } }).a.b.sort(), doc) },
      'settings.json',
      { a: { b: [2, 1] } },
    ],
    ['a record changed', { day: (r) => ((r.n += 1), r) }, 'days/1.json', [{ n: 1 }]],
  ])('%s: INPUT_CHANGED names file and step', (_, functions, path, value) => {
    expect(() => of(functions, frozen)(path, value)).toThrow(
      expect.objectContaining({ code: 'INPUT_CHANGED', data: { file: path, record: Array.isArray(value) ? 0 : null, step: '2.0.0' } }),
    )
    expect(() => of(functions)(path, value)).not.toThrow()
  })

  test('a step that leaves them alone gives the same bytes', () => {
    const files = (run: RunOptions) => of({ day: (r) => ({ ...r, m: r.n }) }, run)('days/1.json', [{ n: 1 }, { n: 2 }]).steps[0]?.[0]?.bytes
    expect(files(frozen)).toEqual(files({}))
    expect(of({}, frozen)('settings.json', { a: { b: 1 } }).steps[0]?.[0]?.bytes).toEqual(
      of({})('settings.json', { a: { b: 1 } }).steps[0]?.[0]?.bytes,
    )
  })
})

describe('conservation laws', () => {
  const sum = { before: (r: unknown) => (r as Day).n * 60, after: (r: unknown) => (r as Day).n }
  const names = { before: (r: unknown) => (r as { id: string }).id, after: (r: unknown) => (r as { id?: string }).id ?? null }
  const laws = (law: object, more: Partial<AnyMigration> = {}): Partial<AnyMigration> => ({ conserves: { days: law } as never, ...more })
  const input = [
    { n: 0.1, id: 'a' },
    { n: 0.2, id: 'b' },
    { n: 0.3, id: 'a' },
  ]

  test('a sum that is the same in other units holds', () => {
    expect(() => of({ day: (r) => ({ ...r, n: r.n * 60 }), more: laws({ time: sum }) })('days/1.json', input)).not.toThrow()
  })

  test.each<[string, Functions['day'], number]>([
    ['shrinks', (r) => ({ ...r, n: r.n * 6 }), 3.6],
    ['grows', (r) => ({ ...r, n: r.n * 600 }), 360],
  ])('a sum that %s is DATA_LOST with both', (_, day, after) => {
    expect(() => of({ day, more: laws({ time: sum }) })('days/1.json', input)).toThrow(
      expect.objectContaining({
        code: 'DATA_LOST',
        data: expect.objectContaining({ file: 'days/1.json', what: 'time', before: 36, after: expect.closeTo(after) }),
      }),
    )
  })

  test('texts are counted once each; one that is gone is DATA_LOST with how many there were and are', () => {
    const day = (r: Day): object => (r.n === 0.2 ? { n: r.n } : r)
    expect(() => of({ more: laws({ ids: names }) })('days/1.json', input)).not.toThrow()
    expect(() => of({ day, more: laws({ ids: names }) })('days/1.json', input)).toThrow(
      expect.objectContaining({ code: 'DATA_LOST', message: expect.stringContaining('2 ids before the step, 1 after it') }),
    )
  })

  test('a loss with a reason is a warning with the reason', () => {
    const day = (r: Day): object => ({ n: r.n })
    const more = laws({ ids: names }, { loses: { days: { ids: 'they were random' } } })
    expect(of({ day, more })('days/1.json', input).issues).toMatchObject([
      { code: 'COUNT_DECREASED', message: 'ids: they were random', count: 2 },
    ])
  })

  test('what goes in is measured before the step can change it', () => {
    const day = (r: Day): object => ((r.n = 0), r)
    expect(() => of({ day, more: laws({ n: { before: sum.after, after: sum.after } }) })('days/1.json', input)).toThrow(
      expect.objectContaining({ code: 'DATA_LOST', data: expect.objectContaining({ what: 'n', after: 0 }) }),
    )
  })

  test('of a kind without records measures the document; lists of texts count, too', () => {
    const tags = (doc: unknown) => (doc as { tags: string[] }).tags
    const more: Partial<AnyMigration> = { conserves: { settings: { tags: { before: tags, after: tags } } } }
    const run = of({ settings: (doc) => ({ ...doc, tags: ['x'] }), more })
    expect(() => run('settings.json', { tags: ['x', 'y'] })).toThrow(
      expect.objectContaining({ code: 'DATA_LOST', message: expect.stringContaining('2 tags') }),
    )
    expect(() => run('settings.json', { tags: ['x'] })).not.toThrow()
  })

  test('that gives nonsense fails the step', () => {
    expect(() => of({ more: laws({ odd: { before: () => ({}), after: () => 1 } }) })('days/1.json', input)).toThrow(
      expect.objectContaining({ code: 'INVALID_RESULT', message: expect.stringContaining('the law odd') }),
    )
  })
})
