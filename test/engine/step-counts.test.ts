import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Oid } from '../../src/core/git-objects.ts'
import type { FileEntry } from '../../src/core/manifest.ts'
import { Outputs } from '../../src/engine/outputs.ts'
import { countAll, recount, withMoves } from '../../src/engine/step-counts.ts'
import type { Made, Transformed } from '../../src/engine/task-types.ts'

const PATHS = ['a', 'b', 'c', 'd', 'e']
const path = fc.constantFrom(...PATHS)
const entry = (at: string, content: number): Made => ({
  path: at,
  size: content * 10,
  sha256: `sha-${content}`,
  oid: `oid-${content}` as Oid,
  mode: 0o644,
  same: false,
})
const files = fc.dictionary(path, fc.integer({ min: 0, max: 3 })).map((of) => new Map(Object.entries(of).map(([p, n]) => [p, entry(p, n)])))

/** What differs, with what it was. */
const since = (was: ReadonlyMap<string, FileEntry>, is: ReadonlyMap<string, FileEntry>, more: readonly string[]) =>
  new Map(PATHS.filter((p) => was.get(p) !== is.get(p) || more.includes(p)).map((p) => [p, was.get(p)]))

describe('counts', () => {
  test('that are gone on with are those that are counted anew, also where more is named than has changed', () => {
    fc.assert(
      fc.property(files, files, files, files, fc.subarray(PATHS), (before, made, beforeNow, madeNow, more) => {
        const step = { counts: countAll(before, made) }
        const counts = recount({ step, before: since(before, beforeNow, more) }, beforeNow, madeNow, since(made, madeNow, more))
        expect({ ...counts }).toEqual({ ...countAll(beforeNow, madeNow) })
      }),
    )
  })

  test('say what is the same, changed, new and gone; a file that has only got another path has changed', () => {
    const before = new Map([entry('a', 1), entry('b', 1), entry('c', 1)].map((f) => [f.path, f]))
    const made = new Map([entry('a', 1), entry('b', 2), entry('d', 1), entry('e', 3)].map((f) => [f.path, f]))
    expect({ ...countAll(before, made) }).toEqual({ bytes: 70, shared: 10, changed: 1, created: 2, removed: 1 })
    expect(withMoves(countAll(before, made), 1)).toEqual({ bytes: 70, shared: 10, changed: 2, created: 1, removed: 0 })
  })
})

const result = (name: string, made: readonly Made[]): Transformed => ({
  path: name,
  steps: [made],
  issues: [],
  records: 0,
  reads: [],
  damaged: false,
  gathered: [],
})

type Act = { readonly name: string; readonly made: readonly (readonly [string, number])[] | null }
const act: fc.Arbitrary<Act> = fc.record({
  name: fc.constantFrom('x', 'y', 'z'),
  made: fc.option(fc.uniqueArray(fc.tuple(path, fc.nat(3)), { selector: ([p]) => p, maxLength: 2 })),
})

describe('the files of a target', () => {
  test('are those of the results that there are, under what was made of the whole, and it is known what was another before', () => {
    const whole = fc.option(fc.tuple(files, fc.subarray(PATHS)), { nil: undefined })
    fc.assert(
      fc.property(fc.array(act), whole, fc.array(act), whole, (first, covered, second, again) => {
        const outputs = new Outputs(0)
        const results = new Map<string, Transformed>()
        const go = (acts: readonly Act[]): void => {
          for (const { name, made } of acts) {
            const before = results.get(name)
            if (before !== undefined) outputs.remove(before)
            results.delete(name)
            if (made === null) continue
            const now = result(
              name,
              made.map(([p, n]) => entry(p, n)),
            )
            results.set(name, now)
            outputs.add(now)
          }
        }
        const cover = (of: typeof covered): void => {
          outputs.cover(undefined)
          if (of !== undefined) outputs.cover({ files: of[0], gone: new Set(of[1]) })
        }
        /** What it should be; undefined where two made one path. */
        const wanted = (of: typeof covered): Map<string, FileEntry> | undefined => {
          const all = [...results.values()].flatMap((r) => r.steps[0] ?? [])
          if (new Set(all.map((f) => f.path)).size < all.length) return undefined
          const found = new Map<string, FileEntry>(all.map((f) => [f.path, f]))
          for (const p of of?.[1] ?? []) found.delete(p)
          for (const [p, f] of of?.[0] ?? []) found.set(p, f)
          return found
        }
        const there = (): Map<string, FileEntry> | undefined => {
          try {
            return new Map(outputs.files(results.values()))
          } catch (error) {
            expect(error).toMatchObject({ code: 'EXISTS' })
            return undefined
          }
        }
        go(first)
        cover(covered)
        const before = wanted(covered)
        expect(there()).toEqual(before)
        outputs.mark()
        // What was covered comes back by its results alone.
        outputs.cover(undefined)
        for (const one of results.values()) {
          outputs.remove(one)
          outputs.add(one)
        }
        go(second)
        cover(again)
        const after = wanted(again)
        if (before === undefined || after === undefined) return
        expect(there()).toEqual(after)
        for (const p of PATHS) {
          if (!outputs.since.has(p)) expect(after.get(p)).toBe(before.get(p))
          else expect(outputs.since.get(p)).toEqual(before.get(p))
        }
      }),
      { numRuns: 500 },
    )
  })
})
