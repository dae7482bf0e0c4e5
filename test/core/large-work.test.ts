import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { chain, dataset, file, migration, numberOf, recordFields, records, schema } from '../../src/index.ts'
import { requireVersion } from '../../src/core/dataset.ts'
import { memorySource } from '../../src/core/memory.ts'
import type { FileResult, Kept } from '../../src/core/transform.ts'
import { Transformer } from '../../src/core/transform.ts'

/* One file through three steps, whole and piece by piece: everything that there is to see of it must be the same. */

const about = { createdAt: '2026-01-01T00:00:00Z', changes: [] }
const note = z.looseObject({ text: z.string(), n: z.number() })
const head = z.looseObject({ version: z.string() })
const config = file('config.json', z.looseObject({ lead: z.string() }))
const options = { damaged: 'quarantine', badRecords: 'quarantine' } as const
const notes1 = records('notes/*.json', '', z.null(), note, options)
const notes2 = records('notes/*.json', 'list', head, z.looseObject({ body: z.string(), n: z.number(), id: z.string() }), options)
const notes3 = records(
  'notes/*.json',
  'list',
  head,
  z.looseObject({ body: z.string(), n: z.number(), id: z.string(), share: z.number() }),
  options,
)
const sums = file('sums/*.json', z.looseObject({ sum: z.number(), id: z.string() }))
const index = file('index.json', z.looseObject({ files: z.array(z.unknown()) }))

const v1 = schema('1.0.0', { config, notes: notes1 })
const v2 = schema('2.0.0', { config, notes: notes2 })
const v3 = schema('3.0.0', { config, notes: notes3, sums })
const v4 = schema('4.0.0', { ...v3.kinds, index })

const second = migration(v1, v2, {
  ...about,
  description: 'Name the text body',
  files: {
    notes: {
      record: {
        migrate: {
          head: (_, __, ctx) => ({ version: '2.0.0', lead: ctx.read('config').lead }),
          record: (record, _, ctx) => {
            if ((numberOf(record.n) ?? 0) < 0) ctx.warn('NEGATIVE', 'a number is below zero')
            const { text, ...rest } = record
            return numberOf(record.n) === 7 ? { ...rest, body: 'seven', id: ctx.id() } : { body: text, ...rest, id: ctx.id() }
          },
        },
      },
    },
  },
  conserves: { notes: { total: { before: (r) => r.n, after: (r) => r.n } } },
  validate: { notes: { record: (r) => (r.body === 'never' ? 'never' : undefined) } },
})
const share = recordFields(v2.kinds.notes).rename('n', 'count').rename('count', 'n').steps()
const third = migration(v2, v3, {
  ...about,
  description: 'Say which part each is',
  files: {
    notes: {
      record: {
        migrate: {
          scan: { init: () => 0, add: (sum: number, record) => sum + Math.abs(numberOf(record.n) ?? 0) },
          head: (doc, sum: number) => ({ ...doc, sum }),
          record: (record, sum: number, ctx) => ({
            ...share.migrate(record, ctx),
            share: sum === 0 ? 0 : Math.round((1000 * Math.abs(numberOf(record.n) ?? 0)) / sum),
          }),
        },
      },
    },
    sums: {
      derive: {
        from: 'notes',
        *each({ path, records: all, size }, ctx) {
          let sum = 0
          for (const { n } of all) sum += numberOf(n) ?? 0
          yield [path.replace('notes', 'sums'), { sum, size, id: ctx.id(), other: ctx.id() }]
        },
      },
    },
  },
})
const fourth = migration(v3, v4, {
  ...about,
  description: 'List the files',
  files: {
    index: {
      gather: {
        from: 'notes',
        each: ({ path, doc, records: all, size }) => ({ path, version: doc.version, count: [...all].length, size }),
        make: (all) => [['index.json', { files: all.map(({ value }) => value as unknown) }]],
      },
    },
  },
})
const app = (layout: 'go' | 'source') => dataset({ name: 'Notes', layout, chain: chain(v1).add(second).add(third).add(fourth) })

const PATH = 'notes/a.json'
const text = (bytes: Uint8Array | null | undefined): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes ?? new Uint8Array())

const transformerOf = (data: ReturnType<typeof app>, content: string): Transformer =>
  new Transformer(
    data,
    memorySource(
      data,
      new Map([
        ['config.json', new TextEncoder().encode('{"lead":"é"}')],
        [PATH, new TextEncoder().encode(content)],
      ]),
      requireVersion(data, '1.0.0'),
    ),
  )

const cut = (bytes: Uint8Array, size: number) =>
  function* () {
    const buffer = Buffer.alloc(size)
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.subarray(at, at + size)
      buffer.set(piece)
      yield buffer.subarray(0, piece.length)
    }
  }

type Seen = Omit<FileResult, 'steps' | 'reads'> & {
  readonly steps: readonly (readonly [path: string, text: string])[][]
  readonly reads: number
}

const whole = (data: ReturnType<typeof app>, content: string): Seen => {
  const result = transformerOf(data, content).file(PATH, 0, 3)
  let before = new Map([[PATH, content]])
  const steps = result.steps.map((made) => {
    const now = made.map(({ path, bytes, from }): [string, string] => [path, bytes === null ? (before.get(from) ?? '?') : text(bytes)])
    before = new Map(now)
    return now
  })
  return { ...result, steps, reads: result.reads.length }
}

const byPieces = (data: ReturnType<typeof app>, content: string, size: number): Seen => {
  const kept = (bytes: Uint8Array): Kept => ({ pieces: cut(bytes, size), size: bytes.byteLength })
  const own = new Map<number, string>()
  const keep = (position: number, _: string, pieces: Iterable<Uint8Array>): Kept => {
    const all = Buffer.concat(Array.from(pieces, (piece) => new Uint8Array(piece)))
    own.set(position, all.toString('utf8'))
    return kept(all)
  }
  const result = transformerOf(data, content).byRecords(PATH, 0, 3, kept(new TextEncoder().encode(content)), keep)
  if (result === undefined) throw new Error('it should be possible piece by piece')
  let before = new Map([[PATH, content]])
  const steps = result.steps.map((made, i) => {
    const now = made.map(({ path, bytes, from }): [string, string] => {
      const large = path === PATH ? own.get(i + 1) : undefined
      return [path, large ?? (bytes === null ? (before.get(from) ?? '?') : text(bytes))]
    })
    before = new Map(now)
    return now
  })
  return { ...result, steps, reads: result.reads.length }
}

const odd = fc.constantFrom('"a"', '"\\u0061"', '"\\/"', '"/"', '"é"', '"\\u00e9"', '"<b>"', '"\\u003cb\\u003e"', '""')
const number = fc.constantFrom('1', '-1', '7', '1.0', '0', '-0', '12345678901234567890', '1e3', '2.50')
const good = fc
  .record({ t: odd, n: number, extra: fc.option(fc.tuple(fc.constantFrom('"x"', '"443"', '"80"', '"\\u0078y"'), odd), { nil: undefined }) })
  .map(({ t, n, extra }) => `{"n": ${n}, ${extra === undefined ? '' : `${extra[0]}: ${extra[1]}, `}"text": ${t}}`)
const bad = fc.constantFrom('{"n": "one", "text": "\\u0062"}', '3', '{"text": 1}')
const record = fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: bad })
const list = fc.array(record, { maxLength: 12 })
const space = fc.constantFrom(['', ''], ['\n  ', '\n'], ['\r\n\t', '\r\n'])
const layout = fc.constantFrom('go' as const, 'source' as const)
const size = fc.integer({ min: 1, max: 200 })

const contentOf = (all: readonly string[], [before = '', after = '']: readonly string[]): string =>
  all.length === 0 ? '[]' : `[${all.map((one) => before + one).join(',')}${after}]`

describe('a file that goes through the steps piece by piece', () => {
  test('becomes what it becomes as a whole: bytes, what is made of it, warnings, counts', () => {
    let [spelled, aside] = [0, 0]
    fc.assert(
      fc.property(list, space, layout, size, (all, white, how, pieces) => {
        const content = contentOf(all, white)
        const data = app(how)
        const expected = whole(data, content)
        expect(byPieces(data, content, pieces)).toEqual(expected)
        if (content.includes('\\u')) spelled += 1
        if (expected.issues.some(({ code }) => code === 'QUARANTINED')) aside += 1
      }),
      { numRuns: 400 },
    )
    // Or the property would say little.
    expect(Math.min(spelled, aside)).toBeGreaterThan(50)
  })

  test('is kept as it is, and reported alike, when it cannot be read, wherever it is damaged', () => {
    fc.assert(
      fc.property(fc.array(good, { minLength: 1, maxLength: 6 }), layout, size, fc.nat(), (all, how, pieces, at) => {
        const content = contentOf(all, ['\n  ', '\n'])
        const torn = content.slice(0, at % content.length)
        const data = app(how)
        expect(byPieces(data, torn, pieces)).toEqual(whole(data, torn))
        // A record that is no JSON comes to light only after those before it went through the step.
        const broken = contentOf(all.toSpliced(at % (all.length + 1), 0, '{"n": 1, "text": oops}'), ['', ''])
        const expected = whole(data, broken)
        const found = byPieces(data, broken, pieces)
        expect(found).toEqual({ ...expected, reads: found.reads })
        // What those read besides is one thing more that its result hangs on, which is safe.
        expect(found.reads).toBeGreaterThanOrEqual(expected.reads)
      }),
      { numRuns: 300 },
    )
  })

  test('gives an index made anew the same as it gave when it was migrated', () => {
    const data = app('source')
    const content = contentOf(
      Array.from({ length: 9 }, (_, n) => `{"n": ${n}, "text": "t"}`),
      ['\n  ', '\n'],
    )
    const seen = whole(data, content)
    const last = new Map(seen.steps.at(-1)).get(PATH) ?? ''
    const bytes = new TextEncoder().encode(last)
    const there = new Transformer(data, memorySource(data, new Map([[PATH, bytes]]), 3))
    expect(there.gatheredByRecords(PATH, 3, [2], { pieces: cut(bytes, 40), size: bytes.byteLength })).toEqual(seen.gathered)
    expect(there.gathered(PATH, 3, [2])).toEqual(seen.gathered)
  })

  test('fails with the same words when a step fails at a record', () => {
    const failing = migration(v1, v2, {
      ...second,
      files: {
        notes: {
          record: {
            migrate: {
              head: () => ({ version: '2' }),
              record: (r) => {
                if (r.text === 'stop') throw new Error('no more')
                return { n: r.n, body: r.text, id: '' }
              },
            },
          },
        },
      },
    })
    const data = dataset({ name: 'Notes', chain: chain(v1).add(failing) })
    const content = `[${Array.from({ length: 30 }, (_, n) => `{"n":${n},"text":"${n === 17 ? 'stop' : 'go'}"}`).join(',')}]`
    const failure = (run: () => unknown): unknown => {
      try {
        return run()
      } catch (error) {
        return error
      }
    }
    const one = transformerOf(data, content)
    const expected = failure(() => one.file(PATH, 0, 1))
    expect(expected).toMatchObject({ code: 'MIGRATION_FAILED', data: { record: 17 } })
    const kept: Kept = { pieces: cut(new TextEncoder().encode(content), 50), size: content.length }
    const found = failure(() =>
      one.byRecords(PATH, 0, 1, kept, (_, __, pieces) => ({ pieces: () => [...pieces], size: 0 * [...pieces].length })),
    )
    expect(found).toMatchObject({ code: 'MIGRATION_FAILED', message: (expected as Error).message, data: { record: 17 } })
  })
})
