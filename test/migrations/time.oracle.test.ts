import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_INSTANT, MIN_INSTANT, formatInstant, instantOf } from '../../migrations/time.ts'

/* RFC 3339 by its grammar, and by what the platform makes of the same time in the form that it knows. */

const RFC3339 =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

const oracle = (text: string): number => {
  const found = RFC3339.exec(text)
  if (found === null) return NaN
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '', fraction = '', offset = ''] = found
  const date = new Date(`${year}-${month}-${day}T00:00:00.000Z`)
  if (date.toISOString().slice(8, 10) !== day) return NaN
  const ms = Number(fraction.slice(1, 4).padEnd(3, '0'))
  const isLeap = second === '60'
  const at =
    Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${isLeap ? '59' : second}.000${offset.toUpperCase()}`) + (isLeap ? 1000 : 0)
  if (isLeap && at % 86_400_000 !== 0) return NaN
  const instant = at + ms
  return instant >= MIN_INSTANT && instant <= MAX_INSTANT ? instant : NaN
}

const two = (min: number, max: number) => fc.integer({ min, max }).map((n) => String(n).padStart(2, '0'))
const year = fc.oneof(
  two(0, 99).chain((a) => two(0, 99).map((b) => a + b)),
  fc.constantFrom('0000', '0001', '1970', '2024', '2025', '9998', '9999'),
)
const offset = fc.oneof(
  fc.constantFrom('Z', 'z', '+00:00', '-00:00', '', 'ZZ', '+5:00', '05:00'),
  fc.tuple(fc.constantFrom('+', '-', ' '), two(0, 25), fc.constantFrom(':', '.'), two(0, 61)).map((p) => p.join('')),
)
const part = fc.tuple(year, two(0, 13), two(0, 32), fc.constantFrom('T', 't', ' '), two(0, 25), two(0, 61), two(0, 62))
const likely = fc.tuple(
  fc.constantFrom('2024', '2025', '1969', '0099'),
  two(1, 12),
  two(26, 31),
  fc.constant('T'),
  fc.constantFrom('00', '23', '12'),
  fc.constantFrom('00', '59'),
  fc.constantFrom('00', '59', '60'),
)
const fraction = fc.oneof(fc.constantFrom('', '.', '.0', '.9999999', ',5'), fc.stringMatching(/^\.[0-9]{1,12}$/))
const text = fc
  .tuple(fc.oneof(part, likely), fraction, offset)
  .map(([[y, mo, d, t, h, mi, s], f, o]) => `${y}-${mo}-${d}${t}${h}:${mi}:${s}${f}${o}`)
/** One character of it another, one more, or one less. */
const torn = fc
  .tuple(text, fc.nat(40), fc.constantFrom('', '0', ':', '-', '\u0661', 'T', 'x'))
  .map(([all, at, by]) => all.slice(0, at) + by + all.slice(at + 1))

test('a time is the instant that it is by its grammar, and whatever is none is NaN', () => {
  let good = 0
  fc.assert(
    fc.property(fc.oneof(text, torn), (one) => {
      const wanted = oracle(one)
      if (!Number.isNaN(wanted)) good += 1
      expect(instantOf(one)).toBe(wanted)
    }),
    { numRuns: 20_000 },
  )
  expect(good).toBeGreaterThan(1000)
})

test('an instant written at any offset is the same instant again', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: MIN_INSTANT + 86_400_000, max: MAX_INSTANT - 86_400_000 }),
      fc.constantFrom('Z', '-05:00', '+23:59'),
      (at, zone) => {
        expect(instantOf(formatInstant(at, zone))).toBe(at)
      },
    ),
  )
})
