import type { Child } from './dom.ts'
import { h } from './dom.ts'

const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB']

/** 1,234,567 bytes as `1.2 MB`. */
export const size = (bytes: number): string => {
  const power = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** power
  return `${power === 0 ? value : value.toPrecision(value < 100 ? 2 : 3)} ${UNITS[power] ?? ''}`
}

export const number = (value: number): string => value.toLocaleString('en-US')
export const many = (value: number, one: string, more = `${one}s`): string => `${number(value)} ${value === 1 ? one : more}`

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
]
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const exact = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })

const ago = (at: string): string => {
  const seconds = (Date.now() - Date.parse(at)) / 1000
  const [unit, length] = STEPS.find(([, s]) => Math.abs(seconds) >= s) ?? ['second', 1]
  return unit === 'second' ? 'just now' : relative.format(-Math.round(seconds / length), unit)
}

/** A time as people say it, with the exact one beside it for who asks. */
export const time = (at: string): Child => h('time', { datetime: at, title: exact.format(new Date(at)) }, ago(at))
export const date = (at: string): string => exact.format(new Date(at))

export const seconds = (value: number): string => (value < 60 ? many(Math.ceil(value), 'second') : many(Math.ceil(value / 60), 'minute'))
