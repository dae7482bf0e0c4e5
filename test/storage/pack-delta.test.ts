import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { prefixDelta } from '../../src/storage/pack-delta.ts'
import { applyDelta } from '../../src/storage/pack-entry.ts'

describe('a delta of a file that has grown', () => {
  test('gives the older version, byte for byte, whatever the two are', () => {
    const bytes = fc.uint8Array({ maxLength: 600 }).map((a) => Buffer.from(a))
    fc.assert(
      fc.property(bytes, bytes, bytes, bytes, bytes, (start, middle, other, end, more) => {
        const [base, target] = [Buffer.concat([start, middle, more, end]), Buffer.concat([start, other, end])]
        expect(applyDelta(base, prefixDelta(base, target)).equals(target)).toBe(true)
        expect(applyDelta(target, prefixDelta(target, base)).equals(base)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  test('is small where the newer one only has more at its end', () => {
    const older = Buffer.from(`[\n${'  {"ts":1,"ms":2},\n'.repeat(50_000)}  {}\n]`)
    const newer = Buffer.from(`[\n${'  {"ts":1,"ms":2},\n'.repeat(50_000)}  {},\n  {"ts":3}\n]`)
    expect(prefixDelta(newer, older).length).toBeLessThan(40)
  })

  test('holds for sizes beyond one copy instruction, and for nothing at all', () => {
    const large = Buffer.alloc(40_000_000, 'x')
    const shorter = Buffer.concat([large.subarray(0, 34_000_000), Buffer.from('end')])
    expect(applyDelta(large, prefixDelta(large, shorter)).equals(shorter)).toBe(true)
    const nothing = Buffer.alloc(0)
    expect(applyDelta(large, prefixDelta(large, nothing)).length).toBe(0)
    expect(applyDelta(nothing, prefixDelta(nothing, large.subarray(0, 1000))).length).toBe(1000)
  })
})
