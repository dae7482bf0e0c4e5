import { JsonNumber } from '../src/index.ts'

/** Exact statistics over decimal numbers: sums have no rounding error, so the result depends on the values alone, not on their order. */

/** A number as it stands in JSON: a JsonNumber keeps a text that JavaScript would write differently. */
export type Measured = number | JsonNumber

/** Measured values, of each how often: however many there are, what is kept are the different ones. */
export class Values {
  readonly #numbers = new Map<number, number>()
  readonly #texts = new Map<string, { readonly value: JsonNumber; count: number }>()

  add(value: Measured): void {
    if (typeof value === 'number') {
      this.#numbers.set(value, (this.#numbers.get(value) ?? 0) + 1)
      return
    }
    const known = this.#texts.get(value.text)
    if (known === undefined) this.#texts.set(value.text, { value, count: 1 })
    else known.count += 1
  }

  get all(): Counted[] {
    return [...Array.from(this.#numbers, ([value, count]) => ({ value, count })), ...this.#texts.values()]
  }
}

type Counted = { readonly value: Measured; readonly count: number }

/** Sums in units of 1/scale, squares in 1/scale². */
type Sums = { readonly n: number; readonly sum: bigint; readonly squares: bigint; readonly scale: bigint }

const DECIMAL = /^(-?\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/
// Texts beyond this are no latencies; the nearest double, at most 17 digits, bounds the work.
const MAX_POWER = 400

const split = (text: string): { digits: bigint; decimals: number } => {
  const [, whole = '0', fraction = '', power = '0'] = DECIMAL.exec(text) ?? []
  return { digits: BigInt(whole + fraction), decimals: fraction.length - Number(power) }
}

const decimal = (value: Measured): { digits: bigint; decimals: number } => {
  const found = value instanceof JsonNumber && value.text.length <= MAX_POWER ? split(value.text) : split(String(value.valueOf()))
  return Math.abs(found.decimals) <= MAX_POWER ? found : split(String(value.valueOf()))
}

/** Values as whole numbers of one unit, 1/scale. */
const scaled = (values: readonly Measured[]): { units: bigint[]; scale: bigint } => {
  const all = values.map(decimal)
  const decimals = all.reduce((most, d) => Math.max(most, d.decimals), 0)
  return { units: all.map((d) => d.digits * 10n ** BigInt(decimals - d.decimals)), scale: 10n ** BigInt(decimals) }
}

/** Sums of whole milliseconds in doubles; undefined where they could be inexact. */
const wholeSums = (values: readonly Counted[]): Sums | undefined => {
  let [n, sum, squares] = [0, 0, 0]
  for (const { value, count } of values) {
    if (!Number.isInteger(value)) return undefined
    const whole = Number(value)
    n += count
    sum += whole * count
    squares += whole * whole * count
  }
  // Squares never fall, and each is at least its value: if their sum is exact, so was every sum on the way.
  return squares <= Number.MAX_SAFE_INTEGER ? { n, sum: BigInt(sum), squares: BigInt(squares), scale: 1n } : undefined
}

const exactSums = (values: readonly Counted[]): Sums => {
  const { units, scale } = scaled(values.map(({ value }) => value))
  const counts = values.map(({ count }) => BigInt(count))
  const total = (of: (unit: bigint) => bigint): bigint => units.reduce((sum, unit, i) => sum + of(unit) * (counts[i] ?? 0n), 0n)
  return { n: Number(counts.reduce((a, b) => a + b, 0n)), sum: total((u) => u), squares: total((u) => u * u), scale }
}

const floorDivide = (a: bigint, b: bigint): bigint => (a < 0n && a % b !== 0n ? a / b - 1n : a / b)

/** ⌊√n⌋ by Newton's method from above. */
const integerRoot = (n: bigint): bigint => {
  if (n < 2n) return n
  let root = 1n << BigInt(2 * n.toString(16).length)
  for (let next = (root + n / root) >> 1n; next < root; next = (root + n / root) >> 1n) root = next
  return root
}

/** The double nearest to so many thousandths. */
const ofThousandths = (count: bigint): number => {
  const near = Number(count)
  if (Number.isSafeInteger(near)) return near / 1000
  return Number(
    `${count / 1000n}.${String(count % 1000n)
      .replace('-', '')
      .padStart(3, '0')}`,
  )
}

/** a / b, rounded half up to 3 decimals. */
export const rounded = (a: bigint, b: bigint): number => ofThousandths(floorDivide(2000n * a + b, 2n * b))

/** √(a / b), rounded half up to 3 decimals: ⌊x + ½⌋ is ⌊(⌊2x⌋ + 1) / 2⌋. */
const roundedRoot = (a: bigint, b: bigint): number => ofThousandths((integerRoot((4_000_000n * a) / b) + 1n) / 2n)

/** By value, ascending; equal doubles by their exact decimals. */
const sorted = (values: readonly Counted[]): readonly Counted[] => {
  if (values.every(({ value }) => typeof value === 'number')) return [...values].sort((a, b) => Number(a.value) - Number(b.value))
  const { units } = scaled(values.map(({ value }) => value))
  const order = units.map((unit, at) => ({ unit, at })).sort((a, b) => (a.unit < b.unit ? -1 : a.unit > b.unit ? 1 : a.at - b.at))
  return order.flatMap(({ at }) => values[at] ?? [])
}

/** The value at a place of the whole ascending list. */
const valueAt = (ascending: readonly Counted[], place: number): Measured | null => {
  let passed = 0
  for (const { value, count } of ascending) if ((passed += count) > place) return value
  return null
}

export type Statistics = { avg: number | null; min: Measured | null; max: Measured | null; p95: Measured | null; stdDev: number | null }

const NOTHING: Statistics = { avg: null, min: null, max: null, p95: null, stdDev: null }

/** Mean and population standard deviation, rounded half up to 3 decimals; minimum, maximum and 95th percentile as they were measured. */
export const statistics = (measured: Values): Statistics => {
  const values = measured.all
  if (values.length === 0) return NOTHING
  const { sum, squares, scale, ...rest } = wholeSums(values) ?? exactSums(values)
  const n = BigInt(rest.n)
  const ascending = sorted(values)
  return {
    avg: rounded(sum, n * scale),
    min: valueAt(ascending, 0),
    max: valueAt(ascending, rest.n - 1),
    p95: valueAt(ascending, Math.floor((95 * rest.n + 99) / 100) - 1),
    stdDev: roundedRoot(n * squares - sum * sum, (n * scale) ** 2n),
  }
}
