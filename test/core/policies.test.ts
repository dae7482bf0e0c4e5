import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { StrataError } from '../../src/index.ts'
import { chain, dataset, file, fileAt, MigrationManager, migrateFiles, migration, records, schema } from '../../src/index.ts'
import { filesOf, json, text } from './toy.ts'

/* What a kind says about files that cannot be read, and about records that are not as its schema says. */

type Options = { damaged?: 'fail' | 'quarantine' | 'keep'; badRecords?: 'fail' | 'quarantine' | 'keep' }
type Day = { n: number }

const notes = (options: Options) => {
  const days0 = records('days/*.json', '', z.null(), z.looseObject({ n: z.number() }), options)
  const days1 = records('days/*.json', 'list', z.looseObject({ v: z.number() }), z.looseObject({ m: z.number() }), options)
  const sums = file('sums/*.json', z.looseObject({ sum: z.number() }))
  const v1 = schema('1.0.0', { days: days0 })
  const v2 = schema('2.0.0', { days: days1, sums })
  const m2 = migration(v1, v2, {
    description: '',
    createdAt: '2026-01-01T00:00:00Z',
    changes: [],
    files: {
      days: {
        record: {
          migrate: {
            scan: { init: () => 0, add: (sum: number, { n }) => sum + n },
            head: (_doc, sum: number) => ({ v: sum }),
            record: ({ n, ...rest }: Day, _sum, ctx) => {
              if (n > 99) ctx.warn('BIG', 'a big one')
              if (n < 0) throw new Error('less than nothing')
              return { ...rest, m: n }
            },
          },
          rollback: { head: () => null, record: ({ m, ...rest }) => ({ ...rest, n: m }) },
        },
      },
      sums: {
        derive: {
          from: 'days',
          each: ({ path, records: all }) => [[path.replace('days', 'sums'), { sum: [...all].reduce((a, r) => a + r.m, 0) }]],
        },
      },
    },
    validate: { days: { record: ({ m }) => (m === 13 ? 'thirteen' : undefined) } },
    conserves: { days: { n: { before: (r) => r.n, after: (r) => r.m } } },
  })
  return dataset({ name: 'x', chain: chain(v1).add(m2) })
}

const DAY = '[{"n": 1}, {"n": "two", "x": 1.0}, {"n": 100}, 7, {"n": 4}]'
const run = (options: Options, day: string = DAY) => {
  const { steps, issues } = migrateFiles(notes(options), filesOf({ 'days/1.json': day, 'days/2.json': '[{"n": 5}]' }), '1.0.0', '2.0.0')
  return { files: steps[0] ?? new Map<string, Uint8Array>(), issues }
}
const failure = (work: () => unknown): StrataError => {
  try {
    work()
  } catch (error) {
    return error as StrataError
  }
  throw new Error('it did not fail')
}

describe('a damaged file', () => {
  test.each([undefined, 'fail'] as const)('stops the job: %s', (damaged) => {
    expect(failure(() => run({ damaged }, '[{'))).toMatchObject({ code: 'JSON_SYNTAX', data: { file: 'days/1.json' } })
    expect(failure(() => run({ damaged }))).toMatchObject({ code: 'INVALID_RESULT', data: { file: 'days/1.json', record: 1 } })
  })

  test('is quarantined: its bytes stay, it is reported, the others go on', () => {
    const { files, issues } = run({ damaged: 'quarantine' }, '[{')
    expect(text(files.get('days/1.json'))).toBe('[{')
    expect(issues).toMatchObject([{ code: 'QUARANTINED', file: 'days/1.json' }])
    expect([...files.keys()].sort()).toEqual(['days/1.json', 'days/2.json', 'sums/2.json'])
  })

  test('is kept: the same, without a word', () => {
    const { files, issues } = run({ damaged: 'keep' }, '[{')
    expect(text(files.get('days/1.json'))).toBe('[{')
    expect(issues).toEqual([])
    expect([...files.keys()].sort()).toEqual(['days/1.json', 'days/2.json', 'sums/2.json'])
    const manager = new MigrationManager(notes({ damaged: 'keep' }), '2.0.0')
    expect(text(manager.migrations[0]?.rollback(files).get('days/1.json'))).toBe('[{')
  })
})

describe('a bad record that is kept', () => {
  const { files, issues } = run({ badRecords: 'keep' })

  test('stays as it is, in its place; the others go through the step', () => {
    const list = '{"v": 105, "list": [{"m": 1}, {"n": "two", "x": 1.0}, {"m": 100}, 7, {"m": 4}]}'
    expect(json(files.get('days/1.json'))).toEqual(JSON.parse(list))
    expect(text(files.get('days/1.json'))).toContain('"x": 1.0')
  })

  test('is counted, and the first is named', () => {
    expect(issues).toMatchObject([
      { code: 'BAD_RECORD', file: 'days/1.json', record: 1, count: 2, step: '2.0.0', severity: 'warning' },
      { code: 'BIG', record: 2 },
    ])
  })

  test('is in no sum, no law and no derived file', () => {
    expect(json(files.get('sums/1.json'))).toEqual({ sum: 105 })
  })

  test('comes back in its place on the way back', () => {
    const back = fileAt(notes({ badRecords: 'keep' }), files, 'days/1.json', '2.0.0', '1.0.0')
    expect(json(back)).toEqual(JSON.parse(DAY))
  })

  test('does not shift the records that an error names', () => {
    const of = (day: string) => failure(() => run({ badRecords: 'keep' }, day)).data
    expect(of('[7, {"n": 1}, 7, {"n": -1}]')).toMatchObject({ file: 'days/1.json', record: 3 })
    expect(of('[7, {"n": 1}, 7, 7, {"n": 13}]')).toMatchObject({ record: 4 })
  })

  test('does not hide a file that cannot be read', () => {
    expect(failure(() => run({ badRecords: 'keep' }, '{}')).code).toBe('INVALID_RESULT')
    expect(run({ badRecords: 'keep', damaged: 'quarantine' }, '{}').issues).toMatchObject([{ code: 'QUARANTINED' }])
  })
})

describe('a bad record that is quarantined', () => {
  test('is as one that is kept, and is reported with its line', () => {
    const { files, issues } = run({ badRecords: 'quarantine' }, DAY.replaceAll(', ', ',\n'))
    expect(json(files.get('days/1.json'))).toEqual(json(run({ badRecords: 'keep' }).files.get('days/1.json')))
    expect(issues[0]).toMatchObject({ code: 'QUARANTINED', file: 'days/1.json', record: 1, line: 2, count: 2, step: '2.0.0' })
    expect(issues[0]?.message).toBe('records 1 and 3 are not as the schema says, and are kept')
  })

  test('of many, the first twenty are named', () => {
    const [found] = run({ badRecords: 'quarantine' }, JSON.stringify(Array.from({ length: 30 }, () => ({})))).issues
    expect(found).toMatchObject({ count: 30, line: 1 })
    expect(found?.message).toMatch(/^records 0, 1, .*, 19 and 10 more are not/)
  })
})

test.each([{ damaged: 'sometimes' }, { badRecords: 'sometimes' }])('an unknown policy is refused: %j', (options) => {
  expect(failure(() => notes(options as Options))).toMatchObject({ code: 'BAD_CHAIN', data: { version: '1.0.0', kind: 'days' } })
})
