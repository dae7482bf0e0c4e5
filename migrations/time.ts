/** RFC 3339 date and time; `T` and `Z` in either case, 0 to 9 fraction digits, and the leap second :60. */
const INSTANT = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/

const minutesOf = (offset: string): number => {
  if (/^z$/i.test(offset)) return 0
  const sign = offset.startsWith('-') ? -1 : 1
  return sign * (Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6)))
}

type Parts = { readonly epochMs: number; readonly offset: string }

const parts = (text: string): Parts | undefined => {
  const m = INSTANT.exec(text)
  if (m === null) return undefined
  const [, year, month, day, hour, minute, second, fraction = '', offset = ''] = m
  // A year below 100 means itself here, not 19xx; a leap second is the first instant of the next minute.
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  const real = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
  if (!real || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined
  date.setUTCHours(Number(hour), Number(minute), Number(second))
  // The fraction counts forward from the second, so cutting it off is the floor of the instant, before 1970 too.
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, '0'))
  return { epochMs: date.getTime() + milliseconds - minutesOf(offset) * 60_000, offset: /^z$/i.test(offset) ? 'Z' : offset }
}

export const isInstant = (text: string): boolean => parts(text) !== undefined

/** Unix milliseconds (the floor of the instant) and the offset as text; `z` counts as `Z`. Throws for a text that is no instant. */
export const parseInstant = (text: string): Parts => {
  const found = parts(text)
  if (found === undefined) throw new Error('the timestamp is no RFC 3339 date and time')
  return found
}

/** `2025-12-08T22:32:19.432Z`, or with an offset the local time and that offset; always three fraction digits. */
export const formatInstant = (epochMs: number, offset = 'Z'): string => {
  const local = new Date(epochMs + minutesOf(offset) * 60_000).toISOString()
  return local.replace(/Z$/, offset)
}
