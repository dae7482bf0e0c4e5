import { describe, expect, test } from 'vitest'
import netmonitor from '../../migrations/index.ts'
import type { Content, Contents } from '../../src/core/carry-file.ts'
import { carryFile, contentOf } from '../../src/core/carry-file.ts'
import { memorySource, sourceOf } from '../../src/core/memory.ts'
import type { Keep } from '../../src/core/transform.ts'
import { Transformer } from '../../src/core/transform.ts'
import type { StrataError } from '../../src/index.ts'
import { dataset, fileAt, file, migrateFiles, schema } from '../../src/index.ts'
import { z } from 'zod'
import type { Day, Plan } from './toy.ts'
import { DATA, filesOf, HEADER, json, text, toy } from './toy.ts'

const run = (plan: Plan, content: Record<string, unknown> = DATA, to = '2.0.0') => migrateFiles(toy(plan), filesOf(content), '1.0.0', to)

const failureOf = (plan: Plan, content?: Record<string, unknown>, to?: string): StrataError => {
  try {
    run(plan, content, to)
  } catch (error) {
    return error as StrataError
  }
  throw new Error('it did not fail')
}

const lone = {
  from: schema('1.0.0', { a: file('a.json', z.looseObject({})) }),
  to: schema('2.0.0', { a: file('a.json', z.looseObject({})) }),
  description: 'a step',
  createdAt: '2026-01-01T00:00:00Z',
  changes: [],
}

// What a function must not return, past the compiler.
const value = (wrong: unknown): Day => ({ n: 1, x: wrong }) as unknown as Day

describe('conservation', () => {
  test('a count that shrinks is DATA_LOST, with both numbers', () => {
    const error = failureOf({ settings: () => ({ items: ['a'] }) })
    expect(error).toMatchObject({ code: 'DATA_LOST', data: { file: 'settings.json', step: '2.0.0', what: 'items', before: 2, after: 1 } })
    expect(error.hint).toContain('loses')
  })

  test('unless the step says so: then it is a warning with the reason', () => {
    const { issues } = run({ settings: () => ({ items: ['a'] }), loses: { settings: { items: 'duplicates are merged' } } })
    expect(issues).toMatchObject([{ code: 'COUNT_DECREASED', severity: 'warning', message: 'items: duplicates are merged', count: 1 }])
  })

  test('a count may grow', () => {
    expect(() => run({ settings: ({ items }) => ({ items: [...items, 'c'] }) })).not.toThrow()
  })
})

describe('a function that throws', () => {
  const boom = () => {
    throw new Error('boom')
  }

  test('is MIGRATION_FAILED and names file, record and step', () => {
    const error = failureOf({ record: (r) => (r.n === 2 ? boom() : r) })
    expect(error).toMatchObject({ code: 'MIGRATION_FAILED', data: { file: 'days/1.json', record: 1, step: '2.0.0' } })
    expect(error.message).toBe('days/1.json, record 1: step 2.0.0: boom')
    expect(error.cause).toMatchObject({ message: 'boom' })
  })

  test('on a whole file names no record', () => {
    expect(failureOf({ settings: boom })).toMatchObject({ data: { file: 'settings.json', record: null } })
  })

  test('reading a file that is not there is a failure of the step too', () => {
    const error = failureOf({ record: (r, ctx) => (ctx.read('settings'), r) }, { 'days/1.json': [{ n: 1 }] })
    expect(error).toMatchObject({ code: 'MIGRATION_FAILED', data: { file: 'days/1.json', record: 0 } })
  })
})

describe('a result that cannot be stored', () => {
  const loop: Record<string, unknown> = { n: 1 }
  loop.self = loop
  test.each([
    ['NaN', NaN, 'RESULT_NAN'],
    ['Infinity', Infinity, 'RESULT_NAN'],
    ['undefined', undefined, 'RESULT_UNDEFINED'],
    ['a BigInt', 1n, 'RESULT_BIGINT'],
    ['a cycle', loop, 'RESULT_CYCLE'],
    ['a promise', Promise.resolve(1), 'ASYNC_STEP'],
    ['a Date', new Date(0), 'INVALID_RESULT'],
    ['a function', () => 1, 'INVALID_RESULT'],
  ])('%s in a record has its code, and names file, record and step', (_, wrong, code) => {
    const of = { data: { file: 'days/1.json', record: 1, step: '2.0.0' } }
    expect(failureOf({ record: (r) => (r.n === 2 ? value(wrong) : r) })).toMatchObject({ code, ...of })
  })

  test.each([
    ['undefined', () => undefined, 'RESULT_UNDEFINED'],
    ['NaN', () => NaN, 'RESULT_NAN'],
    ['a BigInt', () => 1n, 'RESULT_BIGINT'],
    ['a cycle', () => loop, 'RESULT_CYCLE'],
    ['a promise', () => Promise.resolve({ n: 1 }), 'ASYNC_STEP'],
    ['a promise that fails', () => Promise.reject(new Error('late')), 'ASYNC_STEP'],
  ])('%s instead of a record, too', (_, wrong, code) => {
    const record = (r: Day): Day => (r.n === 2 ? (wrong() as unknown as Day) : r)
    expect(failureOf({ record })).toMatchObject({ code, data: { file: 'days/1.json', record: 1, step: '2.0.0' } })
  })

  test.each([
    ['undefined', undefined, 'RESULT_UNDEFINED'],
    ['a promise', Promise.resolve({ items: [] }), 'ASYNC_STEP'],
  ])('%s instead of a document names the file', (_, wrong, code) => {
    // Spread into the header of the toy dataset, a promise is an object without members: so the whole chain is a plain one here.
    const only = {
      first: lone.from,
      schemas: [lone.from, lone.to],
      migrations: [{ ...lone, files: { a: { file: { migrate: () => wrong } } } }],
    }
    const run = () => migrateFiles(dataset({ name: 'x', chain: only }), filesOf({ 'a.json': {} }), '1.0.0', '2.0.0')
    expect(run).toThrow(expect.objectContaining({ code, data: expect.objectContaining({ file: 'a.json', record: null, step: '2.0.0' }) }))
  })

  test.each([
    ['NaN', NaN],
    ['undefined', undefined],
    ['a BigInt', 1n],
  ])('%s in a record is found by its path', (_, wrong) => {
    const error = failureOf({ record: (r) => (r.n === 2 ? value(wrong) : r) })
    expect(error.data).toMatchObject({ path: 'list[1].x' })
    expect(error.message).toContain('list[1].x')
  })

  test('in a document is found by its path too', () => {
    const error = failureOf({ settings: (doc) => ({ ...doc, deep: { list: [1, NaN] } }) })
    expect(error).toMatchObject({ code: 'RESULT_NAN', data: { file: 'settings.json', path: 'deep.list[1]' } })
  })

  test('a result of another shape names the record and the member', () => {
    const error = failureOf({ record: (r) => (r.n === 2 ? ({ n: 'two' } as unknown as Day) : r) })
    expect(error).toMatchObject({ code: 'INVALID_RESULT', data: { file: 'days/1.json', record: 1, step: '2.0.0' } })
    expect(error.message).toContain('n:')
    expect(error.message).not.toContain('two')
  })

  test('what validate finds names the record', () => {
    const error = failureOf({ validate: ({ n }) => (n === 2 ? 'n is two' : undefined) })
    expect(error).toMatchObject({ code: 'INVALID_RESULT', data: { file: 'days/1.json', record: 1 } })
    expect(error.message).toContain('n is two')
  })

  test('a derived file outside its own pattern', () => {
    expect(failureOf({ derived: () => 'elsewhere.json' }, DATA, '3.0.0')).toMatchObject({ code: 'INVALID_RESULT' })
  })
})

describe('a file that cannot be read', () => {
  test('of a kind that quarantines keeps its bytes, and the issue has line and column', () => {
    const broken = '[\n  {"n": 1},\n  {"n": oops}\n]'
    const { steps, issues } = run({}, { ...DATA, 'days/2.json': broken }, '3.0.0')
    expect(text(steps[1]?.get('days/2.json'))).toBe(broken)
    expect(issues).toMatchObject([{ code: 'QUARANTINED', file: 'days/2.json', line: 3, column: 9 }])
    expect(steps[1]?.has('sums/2.json')).toBe(false)
    expect(json(steps[1]?.get('sums/1.json'))).toEqual({ sum: 3 })
  })

  test('because of a record names the record', () => {
    expect(run({}, { 'days/1.json': [{ n: 1 }, { n: 'x' }] }).issues).toMatchObject([{ code: 'QUARANTINED', record: 1 }])
  })

  test('of a kind that does not stops the job', () => {
    expect(failureOf({}, { ...DATA, 'settings.json': '{"items":' })).toMatchObject({
      code: 'JSON_SYNTAX',
      data: { file: 'settings.json', line: 1 },
    })
  })
})

describe('a dataset', () => {
  test('keeps what is of no kind, and skips what is ignored', () => {
    const { steps } = run({}, { ...DATA, 'notes.txt': 'hello', 'logs/app.log': 'x' })
    expect(text(steps[0]?.get('notes.txt'))).toBe('hello')
    expect(steps[0]?.has('logs/app.log')).toBe(false)
  })

  test('keeps derived files in the steps after', () => {
    const { steps } = run({}, DATA, '4.0.0')
    expect(steps.map((files) => files.has('sums/1.json'))).toEqual([false, true, true])
    expect(steps[2]?.get('sums/1.json')).toEqual(steps[1]?.get('sums/1.json'))
  })

  test('a step leaves the bytes of other kinds alone', () => {
    const { steps } = run({}, DATA, '4.0.0')
    expect(steps[2]?.get('days/1.json')).toBe(steps[0]?.get('days/1.json'))
  })

  test('does not take a file twice that is at a later version already', () => {
    const already = { header: { schemaVersion: '2.0.0' }, list: [{ n: 1 }] }
    const { steps } = run({ record: ({ n }) => ({ n: n + 1 }) }, { ...DATA, 'days/1.json': already, 'days/2.json': [{ n: 1 }] })
    expect(json(steps[0]?.get('days/1.json'))).toEqual(already)
    expect(json(steps[0]?.get('days/2.json'))).toMatchObject({ list: [{ n: 2 }] })
  })

  test('collapses alike warnings of a file into the first, with a count', () => {
    const { issues } = run({ record: (r, ctx) => (ctx.warn('ODD', 'an odd record'), r) })
    expect(issues).toMatchObject([{ code: 'ODD', count: 2, record: 0, file: 'days/1.json', step: '2.0.0', severity: 'warning' }])
  })
})

describe('reading other files', () => {
  const transformer = (plan: Plan, content: Record<string, unknown>) => {
    const of = toy(plan)
    return new Transformer(of, memorySource(of, filesOf(content), 0))
  }

  test('is recorded: the result depends on them', () => {
    const reading: Plan = { record: (r, ctx) => (ctx.read('settings'), r) }
    expect(transformer(reading, DATA).file('days/1.json', 0, 1).reads).toMatchObject([{ path: 'settings.json' }])
    expect(transformer({}, DATA).file('days/1.json', 0, 1).reads).toEqual([])
  })

  test('gives the one document, frozen, for every record and file', () => {
    const seen = new Set<unknown>()
    const content = { ...DATA, 'days/2.json': [{ n: 3 }] }
    const t = transformer({ record: (r, ctx) => (seen.add(ctx.find('settings')), r) }, content)
    for (const path of ['days/1.json', 'days/2.json']) t.file(path, 0, 1)
    expect([...seen]).toEqual([{ items: ['a', 'b'] }])
    expect([...seen].every(Object.isFrozen)).toBe(true)
  })

  test('refuses to have them changed, however deep', () => {
    const changing: Plan = { record: (r, ctx) => (ctx.read('settings').items.push('c'), r) }
    expect(failureOf(changing)).toMatchObject({ code: 'INPUT_CHANGED', data: { file: 'days/1.json', record: 0 } })
  })

  test('gives them as they are at the version of the step, even when they are newer', () => {
    const newer = { header: HEADER, items: ['a'] }
    let seen: unknown
    transformer({ record: (r, ctx) => ((seen = ctx.find('settings')), r) }, { ...DATA, 'settings.json': newer }).file('days/1.json', 0, 1)
    expect(seen).toEqual({ items: ['a'] })
  })
})

describe('one file at another version', () => {
  const files = (to: string) => run({}, DATA, to).steps.at(-1) ?? new Map<string, Uint8Array>()

  test('by migrate', () => {
    expect(json(fileAt(toy(), filesOf(DATA), 'days/1.json', '1.0.0', '2.0.0'))).toEqual({ header: HEADER, list: [{ n: 1 }, { n: 2 }] })
  })

  test('by rollback, over steps that leave its kind alone', () => {
    expect(json(fileAt(toy(), files('4.0.0'), 'days/1.json', '4.0.0', '1.0.0'))).toEqual(DATA['days/1.json'])
  })

  test('keeps the order of members with names like numbers', () => {
    const source = filesOf({ 'settings.json': '{"9":1,"items":[],"5":2}' })
    const after = text(fileAt(toy({ settings: (doc) => doc }), source, 'settings.json', '1.0.0', '1.0.0'))
    expect(after).toBe('{"9":1,"items":[],"5":2}')
  })

  test('without a rollback function is refused', () => {
    expect(() => fileAt(toy(), files('4.0.0'), 'settings.json', '4.0.0', '1.0.0')).toThrow(/no rollback function/)
  })
})

test('a disk that fails is no damaged file: what is made of all files, and a file on its way, end with its error', () => {
  const path = 'data/2026-01-01.json'
  const last = netmonitor.chain.schemas.length - 1
  const failing = (): Uint8Array => {
    throw Object.assign(new Error('EIO: the disk'), { code: 'EIO' })
  }
  const at = (read: () => Uint8Array, position: number): Transformer =>
    new Transformer(netmonitor, { ...sourceOf(netmonitor, [path], read, position), start: () => position })
  expect(at(() => Buffer.from('torn'), last).gathered(path, last, [last - 1])).toEqual([])
  expect(() => at(failing, last).gathered(path, last, [last - 1])).toThrow('EIO')
  expect(at(() => Buffer.from('torn'), 0).file(path, 0, 1)).toMatchObject({ damaged: true })
  expect(() => at(failing, 0).file(path, 0, 1)).toThrow('EIO')
})

test('nor is one on whose way the disk fails half-way, read piece by piece', () => {
  const path = 'days/1.json'
  const day = filesOf({ 'settings.json': DATA['settings.json'], [path]: DATA['days/1.json'] })
  const data = toy({})
  const bytes = day.get(path) ?? new Uint8Array()
  const pieces = function* (): Generator<Uint8Array> {
    yield bytes.subarray(0, 3)
    throw Object.assign(new Error('EIO: the disk'), { code: 'EIO' })
  }
  const keep: Keep = (_, __, made) => ({ pieces: () => [...made], size: [...made].length })
  const transformer = new Transformer(data, memorySource(data, day, 0))
  expect(() => transformer.byRecords(path, 0, 1, { pieces, size: bytes.byteLength }, keep)).toThrow('EIO')
})

test('what both sides had in common is not taken for nothing when it cannot be read: each of its records would be new', () => {
  const path = 'data/2026-01-01.json'
  const last = netmonitor.chain.schemas.length - 1
  const of = (records: number): Uint8Array =>
    Buffer.from(
      JSON.stringify(Array.from({ length: records }, (_, i) => ({ ts: 1767225600000 + i, id: 'fd6a02b', ms: i, st: 0, err: null }))),
    )
  const config = Buffer.from(JSON.stringify({ regions: {}, settings: {} }))
  const first = (bytes: Uint8Array) =>
    new Map([
      ['config.json', config],
      [path, bytes],
    ])
  const newest = (bytes: Uint8Array) =>
    migrateFiles(netmonitor, first(bytes), '1.0.0', '2.2.0').steps.at(-1) ?? new Map<string, Uint8Array>()
  const content = (files: ReadonlyMap<string, Uint8Array>, position: number, isReadable = true): Content => {
    const source = memorySource(netmonitor, files, position)
    const failing = (): Uint8Array => {
      throw Object.assign(new Error('EIO: the disk'), { code: 'EIO' })
    }
    return contentOf(netmonitor, position, isReadable ? source : { ...source, bytes: failing, start: () => position })
  }
  const sides = (isReadable: boolean): Contents => ({
    base: content(newest(of(2)), last, isReadable),
    theirs: content(newest(of(3)), last),
    original: content(first(of(2)), 0),
    ours: content(first(of(2)), 0),
  })
  expect(carryFile(netmonitor, sides(true), path, 'theirs')).toMatchObject({ what: 'write', added: 1 })
  expect(() => carryFile(netmonitor, sides(false), path, 'theirs')).toThrow('EIO')
})
