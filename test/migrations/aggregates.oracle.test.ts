import fc from 'fast-check'
import { expect, test } from 'vitest'
import { config, DAILY, DAY, HOURLY, take } from './support.ts'

/**
 * The contract's formulas once more, as plainly as they can be written: fractions of big integers, a filter for each row, and
 * a binary search where the migration takes a root. Slow, and shares nothing with it.
 */

type Sample = { ts: number; id: string; thousandths: number | null; ok: boolean }

const START = 1765152000000
const IDS = ['fd6a02b', 'c7ac87a', '0000000'] as const

const sample: fc.Arbitrary<Sample> = fc.record({
  ts: fc.integer({ min: START - 7_200_000, max: START + 100_000_000 }),
  id: fc.constantFrom(...IDS),
  thousandths: fc.option(
    fc.oneof(
      fc.integer({ min: 0, max: 9_999_999 }),
      fc.integer({ min: 0, max: 5000 }).map((ms) => ms * 1000),
    ),
    { freq: 9 },
  ),
  ok: fc.boolean(),
})

/** `thousandths` as JSON, with as many decimals as it needs: 14523 is 14.523. */
const decimal = (thousandths: number | null): string => (thousandths === null ? 'null' : String(Number((thousandths / 1000).toFixed(3))))

const day = (samples: readonly Sample[]): string =>
  `[${samples.map((s) => `{"ts":${s.ts},"id":"${s.id}","ms":${decimal(s.thousandths)},"st":${s.ok ? 0 : 2},"err":null}`).join()}]`

/** The greatest k with k - 1/2 <= x, where `atMost(a, b)` says whether a / b <= x. */
const halfUp = (atMost: (a: bigint, b: bigint) => boolean): bigint => {
  let [low, high] = [0n, 1n << 80n]
  while (low < high) {
    const middle = (low + high + 1n) / 2n
    if (atMost(2n * middle - 1n, 2n)) low = middle
    else high = middle - 1n
  }
  return low
}

const row = (samples: readonly Sample[], startTime: number, span: number, endpointId: string) => {
  const good = samples.filter((s) => s.ok)
  const units = good.flatMap((s) => (s.thousandths === null ? [] : [BigInt(s.thousandths)])).sort((a, b) => Number(a - b))
  const n = BigInt(units.length)
  const sum = units.reduce((a, b) => a + b, 0n)
  // n²·variance, in thousandths squared: Σ over all pairs, which is (nΣx²−(Σx)²) by Lagrange's identity.
  const spread = units.reduce((a, x, i) => a + units.slice(i + 1).reduce((b, y) => b + (x - y) ** 2n, 0n), 0n)
  const value = (index: number) => (n === 0n ? null : Number(units[index]) / 1000)
  const rank = Math.floor((95 * units.length + 99) / 100) - 1
  return {
    startTime,
    endTime: startTime + span,
    endpointId,
    region: endpointId === '0000000' ? null : 'Default',
    testCount: samples.length,
    successCount: good.length,
    failureCount: samples.length - good.length,
    avgLatencyMs: n === 0n ? null : Number(halfUp((a, b) => a * n <= sum * b)) / 1000,
    minLatencyMs: value(0),
    maxLatencyMs: value(units.length - 1),
    p95LatencyMs: value(rank),
    stdDevLatencyMs: n === 0n ? null : Number(halfUp((a, b) => a <= 0n || a * a * n * n <= spread * b * b)) / 1000,
    availabilityPercent: Number(halfUp((a, b) => a * BigInt(samples.length) <= 100_000n * BigInt(good.length) * b)) / 1000,
  }
}

const rows = (samples: readonly Sample[], span: number) => {
  const starts = [...new Set(samples.map((s) => s.ts - (s.ts % span)))].sort((a, b) => a - b)
  return starts.flatMap((start) =>
    [...IDS].sort().flatMap((id) => {
      const own = samples.filter((s) => s.id === id && s.ts >= start && s.ts < start + span)
      return own.length === 0 ? [] : [row(own, start, span, id)]
    }),
  )
}

test('aggregates are what the formulas of the contract give, to the last digit', () => {
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 60 }), (samples) => {
      const taken = take({ 'config.json': config, [DAY]: day(samples) })
      expect(taken.json('2.1.0', HOURLY).aggregates).toEqual(rows(samples, 3_600_000))
      expect(taken.json('2.1.0', DAILY).aggregates).toEqual(rows(samples, 86_400_000))
    }),
    { numRuns: 150 },
  )
})

test('aggregates do not depend on the order of records', () => {
  const shuffled = fc
    .array(sample, { maxLength: 40 })
    .chain((s) => fc.tuple(fc.constant(s), fc.shuffledSubarray(s, { minLength: s.length })))
  fc.assert(
    fc.property(shuffled, ([samples, others]) => {
      const [one, other] = [samples, others].map((s) => take({ 'config.json': config, [DAY]: day(s) }).text('2.1.0', HOURLY))
      expect(one).toBe(other)
    }),
    { numRuns: 50 },
  )
})
