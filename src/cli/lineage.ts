import type { HistoryEvent } from '../index.ts'

/** The lineage of snapshots beside their events, newest first: a column for each snapshot, which ends where it was made from another. */

type Row = { readonly event: HistoryEvent; readonly lines: readonly string[] }

/** The snapshot that an event is about, if it is one of those that stand for a place in the lineage. */
const snapshotOf = (event: HistoryEvent): string | undefined => {
  switch (event.type) {
    case 'SnapshotCaptured':
    case 'CheckpointTaken':
    case 'SnapshotActivated':
    case 'SnapshotSealed':
      return event.data.snapshot
    default:
      return undefined
  }
}

/** What each snapshot was made from, whether it is shown or not. */
const parentsOf = (events: readonly HistoryEvent[]): Map<string, string> =>
  new Map(events.flatMap((e) => (e.type === 'SnapshotSealed' ? [[e.data.snapshot, e.data.from] as const] : [])))

const ancestor = (parents: ReadonlyMap<string, string>, shown: ReadonlySet<string>, of: string): string | undefined => {
  let at = parents.get(of)
  while (at !== undefined && !shown.has(at)) at = parents.get(at)
  return at
}

/** `╰─┤` or `├─╯`: the column `from` ends in the column `to`. */
const joint = (columns: readonly (string | null)[], from: number, to: number): string => {
  const [left, right] = [Math.min(from, to), Math.max(from, to)]
  return columns
    .map((lane, i) => {
      const mark =
        i === from ? (from < to ? '╰' : '╯') : i === to ? (from < to ? '┤' : '├') : i > left && i < right ? '─' : lane === null ? ' ' : '│'
      return mark + (i >= left && i < right ? '─' : ' ')
    })
    .join('')
}

const bars = (columns: readonly (string | null)[], marked = -1): string =>
  columns.map((lane, i) => `${i === marked ? '●' : lane === null ? ' ' : '│'} `).join('')

/** The lines of `rows` (newest first) with the lineage before them. `all`: every event. */
export const withLineage = (rows: readonly Row[], all: readonly HistoryEvent[]): string[] => {
  const parents = parentsOf(all)
  const oldest = new Map<string, number>()
  rows.forEach(({ event, lines }, i) => {
    const id = snapshotOf(event)
    if (id !== undefined && lines.length > 0) oldest.set(id, i)
  })
  const shown = new Set(oldest.keys())
  const columns: (string | null)[] = []
  const put: { gutter: string; line: string }[] = []
  const columnOf = (id: string): number => {
    const there = columns.indexOf(id)
    if (there >= 0) return there
    const free = columns.indexOf(null)
    return free >= 0 ? ((columns[free] = id), free) : columns.push(id) - 1
  }
  rows.forEach(({ event, lines: [first, ...more] }, i) => {
    if (first === undefined) return
    const id = snapshotOf(event)
    const at = id === undefined ? -1 : columnOf(id)
    put.push({ gutter: bars(columns, at), line: first })
    for (const line of more) put.push({ gutter: bars(columns), line })
    if (id === undefined || oldest.get(id) !== i) return
    const parent = ancestor(parents, shown, id)
    const to = parent === undefined ? -1 : columns.indexOf(parent)
    if (to >= 0) put.push({ gutter: joint(columns, at, to), line: '' })
    // Where the parent has not been seen yet, its column goes on here.
    columns[at] = to < 0 ? (parent ?? null) : null
  })
  const width = Math.max(0, ...put.map(({ gutter }) => gutter.length))
  return put.map(({ gutter, line }) => `${gutter.padEnd(width)} ${line}`.trimEnd())
}
