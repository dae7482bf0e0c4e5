/**
 * RFC 3339 times as text and as Unix milliseconds. A day has 100,000 of them and each is read several times,
 * so digits are read in place: no matches, no Date where arithmetic does.
 */
const RFC3339 =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/
const OFFSET = /^(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

const MINUTE = 60_000
export const HOUR = 3_600_000
export const DAY = 86_400_000

/** 0001-01-01T00:00:00Z (Go's zero time) up to, and without, 9999: local times stay in years of four digits at every offset. */
export const MIN_INSTANT = -62_135_596_800_000
export const MAX_INSTANT = 253_370_764_799_999

const digit = (text: string, at: number): number => text.charCodeAt(at) - 48
const two = (text: string, at: number): number => digit(text, at) * 10 + digit(text, at + 1)

// 400 Gregorian years: Date.UTC takes years below 100 for 19xx, so it is asked about a later cycle.
const CYCLE_MS = 146_097 * DAY

/** Midnight UTC of the date at the start of `text`, NaN for one like 30 February. */
const midnight = (text: string): number => {
  const [month, day] = [two(text, 5), two(text, 8)]
  const later = Date.UTC(two(text, 0) * 100 + two(text, 2) + 400, month - 1, day)
  return day > 28 && new Date(later).getUTCDate() !== day ? NaN : later - CYCLE_MS
}

/** The first three fraction digits: cutting off the others is the floor of the instant, before 1970 too. */
const fraction = (text: string): number => {
  if (text[19] !== '.') return 0
  let ms = 0
  for (let at = 20, unit = 100; unit >= 1; at++, unit /= 10) {
    const value = digit(text, at)
    if (!(value >= 0 && value <= 9)) break
    ms += value * unit
  }
  return ms
}

/** The offset of an RFC 3339 time as it is written: `Z`, `z`, `-05:00`. */
export const offsetOf = (timestamp: string): string => timestamp.slice(/[Zz]$/.test(timestamp) ? -1 : -6)

export const isOffset = (text: string): boolean => OFFSET.test(text)

const offsetMs = (offset: string): number => {
  if (offset.length < 6) return 0
  const ms = (two(offset, 1) * 60 + two(offset, 4)) * MINUTE
  return offset.startsWith('-') ? -ms : ms
}

/**
 * Unix milliseconds, the floor of the instant; NaN for what is not an RFC 3339 time of the years 1 to 9998.
 * A leap second (`23:59:60` UTC only) is the first second of the next day, as in Unix time.
 */
export const instantOf = (timestamp: string): number => {
  if (!RFC3339.test(timestamp)) return NaN
  const second = two(timestamp, 17)
  const whole =
    midnight(timestamp) + two(timestamp, 11) * HOUR + two(timestamp, 14) * MINUTE + second * 1000 - offsetMs(offsetOf(timestamp))
  if (second === 60 && whole % DAY !== 0) return NaN
  const instant = whole + fraction(timestamp)
  return instant >= MIN_INSTANT && instant <= MAX_INSTANT ? instant : NaN
}

export const isTimestamp = (text: string): boolean => !Number.isNaN(instantOf(text))

/** RFC 3339 in local time at `offset`, with three fraction digits, or none. `formatInstant(0)` is `1970-01-01T00:00:00.000Z`. */
export const formatInstant = (instant: number, offset = 'Z', digits: 0 | 3 = 3): string =>
  new Date(instant + offsetMs(offset)).toISOString().slice(0, digits === 0 ? 19 : 23) + offset
