import type { Child } from './dom.ts'
import { button, h } from './dom.ts'
import { many, number, size, time } from './format.ts'
import { goBackTo } from './going-back.ts'
import { badge, card, issues } from './parts.ts'
import { trouble } from './room.ts'
import type { Known } from './store.ts'
import type { Event, Issue, Listed } from './types.ts'

/** What happened, newest first: a job is one entry with its steps, whatever else happened one line. */

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const count = (value: unknown): number => (typeof value === 'number' ? value : 0)
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const REASONS: Readonly<Record<string, string>> = {
  rollback: 'Went back to',
  redo: 'Returned to',
  capture: 'Active',
  migration: 'Migrated to',
  restore: 'Restored into',
}

type Told = { readonly title: string; readonly look: string; readonly more?: Child }

const faint = (words: string): Child => h('span', { class: 'faint' }, words)
const actions = (data: Event['data']): Child => faint(list(data.actions).map(text).join('; '))

/** How each event that is a line of its own reads. What belongs to a job is told there. */
const LINES: Readonly<Record<string, (event: Event, version: string) => Told | null>> = {
  StoreCreated: () => ({ title: 'The store was created', look: 'plain' }),
  SnapshotCaptured: ({ data }) => ({
    title: `Captured ${text(data.schemaVersion)}: ${many(count(data.files), 'file')}, ${size(count(data.bytes))}`,
    look: 'snapshot',
  }),
  CheckpointTaken: ({ data }) => ({
    title: `Checkpoint: ${many(count(data.changed), 'file')} changed`,
    look: 'plain',
    more: faint(text(data.reason)),
  }),
  SnapshotActivated: ({ data, jobId }, version) => {
    const reason = text(data.reason)
    if (jobId !== undefined && reason !== 'rollback' && reason !== 'redo') return null
    return { title: `${REASONS[reason] ?? 'Active:'} ${version}`, look: reason === 'rollback' ? 'back' : 'active' }
  },
  HoldLifted: () => ({ title: 'Automatic upgrading is on again', look: 'plain' }),
  IntegrityChecked: ({ data }) =>
    data.valid === true
      ? { title: `Verified: ${number(count(data.filesChecked))} files and objects are sound`, look: 'good' }
      : { title: `Verified: ${many(count(data.errors), 'error')} found`, look: 'bad' },
  // The server's own schema of an issue.
  CorruptionFound: ({ data }) => ({ title: 'Damage was found', look: 'bad', more: issues(list(data.issues) as Issue[]) }),
  Recovered: ({ data }) => ({ title: 'Recovered from an interruption', look: 'plain', more: actions(data) }),
  Pinned: (_, version) => ({ title: `Pinned ${version}`, look: 'plain' }),
  Unpinned: (_, version) => ({ title: `No longer pinned: ${version}`, look: 'plain' }),
  Evicted: ({ data }) => ({ title: `Removed ${many(list(data.snapshots).length, 'directory copy', 'directory copies')}`, look: 'plain' }),
  Pruned: ({ data }) => ({ title: `Pruned ${many(list(data.snapshots).length, 'snapshot')} from the history`, look: 'plain' }),
  Forgotten: ({ data }) => ({ title: `Forgot ${String(data.path)}`, look: 'plain' }),
  Compacted: () => ({ title: 'Made the repository smaller', look: 'plain' }),
  Repaired: ({ data }) => ({ title: 'Repaired', look: 'good', more: actions(data) }),
  Adopted: ({ data }) => ({ title: `Took over ${many(list(data.files).length, 'file')} of an older application`, look: 'plain' }),
}

const said = (event: Event, known: Known): Told | null => {
  const snapshot = known.overview.snapshots.find((s) => s.id === event.data.snapshot)
  return LINES[event.type]?.(event, snapshot?.schemaVersion ?? text(event.data.snapshot)) ?? null
}

const entry = (look: string, at: string, title: Child, ...more: Child[]): HTMLElement =>
  h('li', { class: `event ${look}` }, h('div', { class: 'what' }, title, ' ', h('span', { class: 'when' }, time(at))), ...more)

const KINDS: Readonly<Record<string, string>> = {
  migration: 'Migrated',
  adopt: 'Took over data',
  mend: 'Mended files of an older version',
  carry: 'Brought new data along',
}

const stepOf = ({ data }: Event): Child =>
  h(
    'li',
    {},
    h('strong', {}, text(data.version)),
    ` ${text(data.description)}: `,
    `${many(count(data.changed), 'file')} changed, ${number(count(data.created))} created, ${number(count(data.removed))} removed`,
    issues(list(data.issues) as Issue[]),
  )

const jobActions = (known: Known, { data, jobId = '' }: Event, result: string, compare: (a: string, b: string) => void): Child =>
  h(
    'div',
    { class: 'actions small' },
    button(
      'What it changed',
      () => {
        compare(text(data.from), result)
      },
      { 'data-key': `what ${jobId}` },
    ),
    data.kind === 'migration' &&
      button(
        'Go back to before this …',
        () => {
          goBackTo(known, jobId)
        },
        { 'data-key': `before ${jobId}` },
      ),
  )

const titleOf = ({ data }: Event, isFailed: boolean, isActive: boolean): Child =>
  h(
    'span',
    {},
    h('strong', {}, `${KINDS[text(data.kind)] ?? 'Job'} ${text(data.fromVersion)} → ${text(data.toVersion)}`),
    ' ',
    isFailed && badge('failed', 'bad'),
    isActive && badge('active', 'good'),
  )

const stepsOf = ({ data, jobId = '' }: Event, steps: readonly Event[], isOpen: boolean): Child =>
  steps.length > 0 &&
  h(
    'details',
    { 'data-key': jobId, open: isOpen },
    h('summary', {}, `${many(steps.length, 'step')}, ${many(count(data.files), 'file')}`),
    h('ol', { class: 'steps' }, ...steps.map(stepOf)),
  )

/** A job: what it made of what, step by step. */
const jobEntry = (known: Known, started: Event, events: readonly Event[], compare: (a: string, b: string) => void): HTMLElement => {
  const job = known.overview.jobs.find((j) => j.id === started.jobId)
  const steps = events.filter((e) => e.type === 'StepCompleted').reverse()
  const result = job?.status === 'completed' ? job.snapshot : null
  const isFailed = job?.status === 'failed'
  const isActive = result !== null && result === known.overview.active
  return entry(
    isFailed ? 'bad' : 'job',
    job?.endTime ?? started.at,
    titleOf(started, isFailed, isActive),
    isFailed && h('p', {}, job.error),
    stepsOf(started, steps, isActive),
    result !== null && jobActions(known, started, result, compare),
  )
}

export const timelineCard = (known: Known, compare: (a: string, b: string) => void): HTMLElement => {
  const byJob = groups(known.events)
  const entries = known.events.flatMap((event) => {
    if (event.type === 'MigrationStarted' && event.jobId !== undefined)
      return [jobEntry(known, event, byJob.get(event.jobId) ?? [], compare)]
    const told = said(event, known)
    return told === null ? [] : [entry(told.look, event.at, told.title, told.more)]
  })
  return card(
    'What happened',
    'timeline',
    h('ol', { class: 'timeline' }, ...entries),
    known.hasMore && h('p', { class: 'faint' }, 'Earlier events: ', h('code', {}, 'strata history')),
  )
}

const groups = (events: readonly Event[]): Map<string, Event[]> => {
  const found = new Map<string, Event[]>()
  for (const event of events) {
    const group = found.get(event.jobId ?? '')
    if (group === undefined) found.set(event.jobId ?? '', [event])
    else group.push(event)
  }
  return found
}

const mark = (s: Listed, known: Known): Child =>
  h(
    'span',
    {},
    s.id === known.overview.active ? badge('active', 'good') : s.isMaterialised ? badge('kept') : badge('in the repository only', 'note'),
    s.isPinned && ' ',
    s.isPinned && badge('pinned', 'note'),
  )

export type Actions = {
  readonly compare: (a: string, b: string) => void
  readonly files: (id: string) => void
  readonly pin: (snapshot: Listed) => void
  readonly room: () => void
}

const row = (s: Listed, known: Known, act: Actions): HTMLElement =>
  h(
    'tr',
    {},
    h('th', { scope: 'row', title: s.id }, s.schemaVersion),
    h('td', {}, mark(s, known)),
    h('td', {}, time(s.createdAt)),
    h('td', { class: 'number' }, number(s.files)),
    h('td', { class: 'number' }, size(s.bytes)),
    h('td', {}, s.verifiedAt === null ? '–' : time(s.verifiedAt)),
    h(
      'td',
      { class: 'row-actions' },
      button(
        'Files',
        () => {
          act.files(s.id)
        },
        { 'aria-label': `Files of ${s.schemaVersion}, ${s.id}`, 'data-key': `files ${s.id}` },
      ),
      button(
        s.isPinned ? 'Unpin' : 'Pin',
        () => {
          act.pin(s)
        },
        { 'aria-label': `${s.isPinned ? 'Unpin' : 'Pin'} ${s.schemaVersion}, ${s.id}`, 'data-key': `pin ${s.id}` },
      ),
      s.id !== known.overview.active &&
        button(
          'Compare',
          () => {
            act.compare(s.id, '@')
          },
          { 'aria-label': `Compare ${s.schemaVersion}, ${s.id}, with the active one`, 'data-key': `compare ${s.id}` },
        ),
    ),
  )

const COLUMNS = ['version', 'state', 'made', 'files', 'size', 'verified']

/** Every snapshot there is. */
export const snapshotsCard = (known: Known, act: Actions): HTMLElement => {
  const heads = COLUMNS.map((name) => h('th', { scope: 'col', class: name === 'files' || name === 'size' ? 'number' : '' }, name))
  const rows = [...known.overview.snapshots].reverse().map((s) => row(s, known, act))
  const table = h(
    'table',
    {},
    h('thead', {}, h('tr', {}, ...heads, h('th', { scope: 'col' }, h('span', { class: 'hidden' }, 'actions')))),
    h('tbody', {}, ...rows),
  )
  return card(
    'Snapshots',
    'snapshots',
    h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'snapshots' }, table),
    h('div', { class: 'actions' }, button('Make room …', act.room, { 'data-key': 'room' })),
    trouble,
  )
}
