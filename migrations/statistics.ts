/** Exact statistics over decimal numbers: every sum is a whole number of the smallest unit that occurs. */

export type Statistics = { readonly avg: number; readonly min: number; readonly max: number; readonly p95: number; readonly stdDev: number }

type Decimal = { readonly digits: bigint; readonly exponent: number }

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** A decimal text as digits x 10^exponent. */
const decimal = (text: string): Decimal => {
  const [, sign = '', whole = '0', fraction = '', power = '0'] = DECIMAL.exec(text) ?? []
  const digits = BigInt(whole + fraction)
  return { digits: sign === '-' ? -digits : digits, exponent: Number(power) - fraction.length }
}

const floorDiv = (a: bigint, b: bigint): bigint => (a < 0n && a % b !== 0n ? a / b - 1n : a / b)

/** The whole part of a square root (Newton). */
export const isqrt = (n: bigint): bigint => {
  if (n < 2n) return n
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1)
  for (;;) {
    const next = (x + n / x) >> 1n
    if (next >= x) return x
    x = next
  }
}

/** numerator / denominator, rounded half up to three decimals. */
export const rounded = (numerator: bigint, denominator: bigint): number =>
  Number(floorDiv(numerator * 2000n + denominator, denominator * 2n)) / 1000

/** The square root of numerator / denominator, rounded half up to three decimals: ⌊x + ½⌋ is ⌊(⌊2x⌋ + 1) / 2⌋. */
const roundedRoot = (numerator: bigint, denominator: bigint): number =>
  Number((isqrt((numerator * 4_000_000n) / denominator) + 1n) / 2n) / 1000

/** Whole numbers whose sums of squares stay exact in a double need no big integers. */
const SAFE_VALUE = 1_000_000

type Sums = { sum: bigint; squares: bigint; scale: bigint }

const wholeSums = (values: readonly number[]): Sums | undefined => {
  let [sum, squares] = [0, 0]
  for (const value of values) {
    if (!Number.isInteger(value) || Math.abs(value) > SAFE_VALUE) return undefined
    sum += value
    squares += value * value
  }
  return squares > Number.MAX_SAFE_INTEGER ? undefined : { sum: BigInt(sum), squares: BigInt(squares), scale: 1n }
}

const exactSums = (texts: readonly string[]): Sums => {
  const decimals = texts.map(decimal)
  const least = decimals.reduce((e, d) => Math.min(e, d.exponent), 0)
  const units = decimals.map((d) => d.digits * 10n ** BigInt(d.exponent - least))
  return { sum: units.reduce((a, u) => a + u, 0n), squares: units.reduce((a, u) => a + u * u, 0n), scale: 10n ** BigInt(-least) }
}

/** Null for no values. `texts` are the numbers as they are written. */
export const statistics = (values: readonly number[], texts: () => readonly string[]): Statistics | null => {
  if (values.length === 0) return null
  const { sum, squares, scale } = wholeSums(values) ?? exactSums(texts())
  const n = BigInt(values.length)
  const sorted = Float64Array.from(values).sort()
  const at = (i: number): number => sorted[i] ?? 0
  return {
    avg: rounded(sum, n * scale),
    min: at(0),
    max: at(sorted.length - 1),
    p95: at(Math.floor((95 * values.length + 99) / 100) - 1),
    stdDev: roundedRoot(n * squares - sum * sum, n * n * scale * scale),
  }
}
