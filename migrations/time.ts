/**
 * RFC 3339 times as text and as Unix milliseconds. A day has 100,000 of them and each is read several times,
 * so digits are read in place: no matches, no Date where arithmetic does.
 */
const OFFSET = /^(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

const MINUTE = 60_000
export const HOUR = 3_600_000
export const DAY = 86_400_000

/** 0001-01-01T00:00:00Z (Go's zero time) up to, and without, 9999: local times stay in years of four digits at every offset. */
export const MIN_INSTANT = -62_135_596_800_000
export const MAX_INSTANT = 253_370_764_799_999

/** NaN, which arithmetic hands on and no comparison lets pass, for what is no digit. */
const digit = (text: string, at: number): number => {
  const value = text.charCodeAt(at) - 48
  return value >= 0 && value <= 9 ? value : NaN
}
const two = (text: string, at: number): number => digit(text, at) * 10 + digit(text, at + 1)
const has = (text: string, at: number, character: string): boolean => text.charCodeAt(at) === character.charCodeAt(0)

// 400 Gregorian years: Date.UTC takes years below 100 for 19xx, so it is asked about a later cycle.
const CYCLE_MS = 146_097 * DAY

const lastDate = { key: 0, midnight: NaN }

/** Midnight UTC of a date, NaN for one like 30 February. A file has one date, or two. */
const midnight = (year: number, month: number, day: number): number => {
  const key = (year * 100 + month) * 100 + day
  if (key === lastDate.key) return lastDate.midnight
  const later = Date.UTC(year + 400, month - 1, day)
  lastDate.key = key
  lastDate.midnight = day > 28 && new Date(later).getUTCDate() !== day ? NaN : later - CYCLE_MS
  return lastDate.midnight
}

/** The offset of an RFC 3339 time as it is written: `Z`, `z`, `-05:00`. */
export const offsetOf = (timestamp: string): string => timestamp.slice(/[Zz]$/.test(timestamp) ? -1 : -6)

export const isOffset = (text: string): boolean => OFFSET.test(text)

/** The milliseconds of an offset that is the text from `at` to its end; NaN for what is none. */
const offsetAt = (text: string, at: number): number => {
  if (has(text, at, 'Z') || has(text, at, 'z')) return at + 1 === text.length ? 0 : NaN
  const [sign, hours, minutes] = [has(text, at, '-') ? -1 : 1, two(text, at + 1), two(text, at + 4)]
  const isOne = (sign < 0 || has(text, at, '+')) && hours <= 23 && has(text, at + 3, ':') && minutes <= 59 && at + 6 === text.length
  return isOne ? sign * (hours * 60 + minutes) * MINUTE : NaN
}

/** Seconds from midnight of what stands at the place of the time of day, up to a leap second; NaN for what is none. */
const secondsOf = (text: string): number => {
  const [hour, minute, second] = [two(text, 11), two(text, 14), two(text, 17)]
  const isOne = (has(text, 10, 'T') || has(text, 10, 't')) && has(text, 13, ':') && has(text, 16, ':')
  return isOne && hour <= 23 && minute <= 59 && second <= 60 ? (hour * 60 + minute) * 60 + second : NaN
}

const dateOf = (text: string): number => {
  const [year, month, day] = [two(text, 0) * 100 + two(text, 2), two(text, 5), two(text, 8)]
  const isOne = has(text, 4, '-') && has(text, 7, '-') && month >= 1 && month <= 12 && day >= 1 && day <= 31
  return isOne ? midnight(year, month, day) : NaN
}

/**
 * Unix milliseconds, the floor of the instant; NaN for what is not an RFC 3339 time of the years 1 to 9998.
 * A leap second (`23:59:60` UTC only) is the first second of the next day, as in Unix time.
 */
export const instantOf = (timestamp: string): number => {
  let [at, ms] = [19, 0]
  if (has(timestamp, at, '.')) {
    // Of the fraction three digits: cutting off the others is the floor of the instant, before 1970 too.
    for (let unit = 100; digit(timestamp, at + 1) >= 0; at++, unit /= 10) if (unit >= 1) ms += digit(timestamp, at + 1) * unit
    if (at++ === 19) return NaN
  }
  const whole = dateOf(timestamp) + secondsOf(timestamp) * 1000 - offsetAt(timestamp, at)
  if (two(timestamp, 17) === 60 && whole % DAY !== 0) return NaN
  const instant = whole + ms
  return instant >= MIN_INSTANT && instant <= MAX_INSTANT ? instant : NaN
}

export const isTimestamp = (text: string): boolean => !Number.isNaN(instantOf(text))

/** RFC 3339 in local time at `offset`, with three fraction digits, or none. `formatInstant(0)` is `1970-01-01T00:00:00.000Z`. */
export const formatInstant = (instant: number, offset = 'Z', digits: 0 | 3 = 3): string =>
  new Date(instant + offsetAt(offset, 0)).toISOString().slice(0, digits === 0 ? 19 : 23) + offset
