import type { Child } from './dom.ts'
import { h, svg } from './dom.ts'
import { date, many, number, size } from './format.ts'
import { card } from './parts.ts'
import type { Known } from './store.ts'
import type { RecordCount } from './types.ts'

/** Two plots, drawn here: lines and bars need no library. Each is told in words as well. */

const WIDTH = 640
const HEIGHT = 160
const PAD = { left: 76, right: 8, top: 14, bottom: 26 }

const frame = (title: string, words: string, ...parts: Child[]): HTMLElement =>
  h(
    'figure',
    {},
    svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}. ${words}` }, ...parts),
    h('figcaption', {}, words),
  )

const scale = (most: number): ((value: number) => number) => {
  const room = HEIGHT - PAD.top - PAD.bottom
  return (value) => HEIGHT - PAD.bottom - (most === 0 ? 0 : (value / most) * room)
}

const grid = (most: number, y: (value: number) => number, label: (value: number) => string): Child[] =>
  [0, most / 2, most].flatMap((value) => [
    svg('line', { class: 'grid', x1: PAD.left, x2: WIDTH - PAD.right, y1: y(value), y2: y(value) }),
    svg('text', { class: 'axis', x: PAD.left - 6, y: y(value) + 5, 'text-anchor': 'end' }, label(value)),
  ])

/** The sum of all snapshots' data after each event that changed it. */
const sizes = ({ events }: Known): { at: number; bytes: number }[] => {
  const of = new Map<string, number>()
  return [...events].reverse().flatMap(({ type, at, data }) => {
    if (!['SnapshotCaptured', 'SnapshotSealed', 'CheckpointTaken'].includes(type)) return []
    of.set(String(data.snapshot), Number(data.bytes))
    return [{ at: Date.parse(at), bytes: [...of.values()].reduce((a, b) => a + b, 0) }]
  })
}

export const sizeCard = (known: Known): HTMLElement | null => {
  const points = sizes(known)
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined) return null
  const most = Math.max(...points.map((p) => p.bytes))
  const y = scale(most)
  const span = last.at - first.at || 1
  const x = (at: number): number => PAD.left + ((at - first.at) / span) * (WIDTH - PAD.left - PAD.right)
  // Steps: between two events nothing changes.
  const line = points.map((p, i) => (i === 0 ? `M${x(p.at)} ${y(p.bytes)}` : `H${x(p.at)}V${y(p.bytes)}`)).join('')
  const words = `${size(last.bytes)} in ${many(known.overview.snapshots.length, 'snapshot')}, since ${date(new Date(first.at).toISOString())}`
  return card(
    'Size over time',
    'size',
    frame(
      'Data in all snapshots over time',
      words,
      ...grid(most, y, size),
      svg('path', { class: 'area', d: `${line}H${WIDTH - PAD.right}V${y(0)}H${PAD.left}Z` }),
      svg('path', { class: 'line', d: `${line}H${WIDTH - PAD.right}` }),
    ),
  )
}

const DAY = /\d{4}-\d{2}-\d{2}/

type Day = { readonly day: string; before: number; after: number }

/** Records by day, before and after: whoever sees two equal bars everywhere knows that nothing was lost. */
const daysOf = (counts: readonly RecordCount[]): Day[] => {
  const days = new Map<string, Day>()
  for (const { path, before, after } of counts) {
    const day = DAY.exec(path)?.[0]
    // A file that only one side has is made from others, or made of them.
    if (day === undefined || before === null || after === null) continue
    const found = days.get(day) ?? { day, before: 0, after: 0 }
    days.set(day, found)
    found.before += before
    found.after += after
  }
  return [...days.values()].sort((a, b) => (a.day < b.day ? -1 : 1))
}

export const recordsPlot = (counts: readonly RecordCount[]): HTMLElement => {
  const days = daysOf(counts)
  if (days.length === 0) return h('p', { class: 'faint' }, 'No file here has a day in its name and records in it.')
  const most = Math.max(...days.flatMap((d) => [d.before, d.after]))
  const y = scale(most)
  const width = (WIDTH - PAD.left - PAD.right) / days.length
  const different = days.filter((d) => d.before !== d.after)
  const sum = (side: 'before' | 'after'): number => days.reduce((n, d) => n + d[side], 0)
  const words =
    different.length === 0
      ? `${number(sum('before'))} records on ${many(days.length, 'day')}, the same number before and after on every one.`
      : `${number(sum('before'))} records before, ${number(sum('after'))} after; other on ${different.map((d) => `${d.day} (${d.before} → ${d.after})`).join(', ')}.`
  const bar = (name: string, left: number, value: number): Child =>
    svg('rect', { class: name, x: left, width: Math.max(1, width * 0.38), y: y(value), height: Math.max(0, y(0) - y(value)) })
  return frame(
    'Records of each day, before and after',
    words,
    ...grid(most, y, (v) => number(Math.round(v))),
    ...days.flatMap(({ before, after }, i) => [
      bar('bar before', PAD.left + i * width + width * 0.08, before),
      bar('bar after', PAD.left + i * width + width * 0.52, after),
    ]),
    svg('text', { class: 'axis', x: PAD.left, y: HEIGHT - 6 }, days[0]?.day ?? ''),
    svg('text', { class: 'axis', x: WIDTH - PAD.right, y: HEIGHT - 6, 'text-anchor': 'end' }, days.at(-1)?.day ?? ''),
  )
}
