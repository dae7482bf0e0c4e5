import { call, failureOf } from './api.ts'
import type { Child } from './dom.ts'
import { button, h, show } from './dom.ts'
import { date, many, time } from './format.ts'
import { badge, card, facts, firstOf, problem } from './parts.ts'
import { activeOf } from './active.ts'
import type { Known } from './store.ts'
import { change } from './store.ts'
import type { Carried, Failure, Overview, Preview } from './types.ts'

/** Going back and returning: one click shows all that it means, a second one does it. */

type Kind = 'rollback' | 'redo'

const STAYS: Readonly<Record<string, string>> = {
  kept: ' stays as it is there',
  unreadable: ' stays as it is there: what was written cannot be read, and is in the history',
}

const comes = ({ path, result, added, removed, clashes }: Carried): Child =>
  h(
    'span',
    {},
    h('code', {}, path),
    result === 'removed' ? ' is removed there, too' : (STAYS[result] ?? ''),
    added > 0 ? ` ${many(added, 'record')} more` : '',
    removed > 0 ? ` ${many(removed, 'record')} fewer` : '',
    clashes > 0 ? `; ${many(clashes, 'clash', 'clashes')}: the newer one wins, the other stays in the history` : '',
  )

const alongOf = ({ carried, inTheWay, from }: Preview): Child => {
  if (carried.length + inTheWay.length === 0)
    return h('p', {}, `Nothing was written in ${from.schemaVersion} that is not in it: nothing has to come along.`)
  const records = carried.reduce((sum, c) => sum + c.added, 0)
  return h(
    'div',
    {},
    carried.length === 0
      ? null
      : h(
          'div',
          {},
          h(
            'p',
            {},
            badge('comes along', 'good'),
            ` ${many(carried.length, 'file')} written since, ${many(records, 'new record')}, in the format of the other side:`,
          ),
          firstOf(carried, 5, comes),
        ),
    inTheWay.length === 0
      ? null
      : h(
          'div',
          {},
          h('p', {}, badge('cannot come along', 'bad'), ` ${many(inTheWay.length, 'file')}. They stay in ${from.id}, which is kept:`),
          firstOf(inTheWay, 5, ({ path, why }) => h('span', {}, h('code', {}, path), ` ${why}`)),
        ),
  )
}

/** The running application is of the newest version that this chain knows. */
const readableOf = ({ versions }: Overview, { to }: Preview): Child => {
  const running = versions.at(-1) ?? ''
  return to.readableBy.includes(running)
    ? h(
        'span',
        {},
        badge('yes', 'good'),
        ` the application of version ${running} can read it; it has to open its data again (restart it, or let it reload).`,
      )
    : h(
        'span',
        {},
        badge('no', 'bad'),
        ` the application of version ${running} cannot read ${to.schemaVersion}. Close it, go back, and start one of version ${to.readableBy.join(' or ')}.`,
      )
}

const meaningOf = (kind: Kind, known: Known, preview: Preview): Child[] => {
  const { from, to, pending } = preview
  return [
    facts(
      ['from', h('span', {}, h('strong', {}, from.schemaVersion), ` ${from.id}`)],
      ['to', h('span', {}, h('strong', {}, to.schemaVersion), ` ${to.id}, of ${date(to.createdAt)}`)],
      ['verified', to.verifiedAt === null ? 'not yet; its bytes are compared before the switch' : time(to.verifiedAt)],
      ['readable', readableOf(known.overview, preview)],
    ),
    h('h3', {}, 'What was written since'),
    pending.length === 0 ? null : h('p', {}, `${many(pending.length, 'file')} not committed yet: that is done first.`),
    alongOf(preview),
    h('h3', {}, 'Afterwards'),
    kind === 'rollback'
      ? h(
          'p',
          {},
          `Automatic upgrading is off, until you return or upgrade by hand. Nothing is deleted: `,
          h('strong', {}, `Return to ${from.schemaVersion}`),
          ' is then beside this button (',
          h('code', {}, 'strata redo'),
          ').',
        )
      : h('p', {}, 'Automatic upgrading is on again. Nothing is deleted: going back stays possible.'),
  ]
}

const NAMES = { rollback: 'Go back', redo: 'Return' } as const

const dialog = h('dialog', { 'aria-labelledby': 'switch-title' })
dialog.addEventListener('click', (event) => {
  // A click beside it.
  if (event.target === dialog) dialog.close()
})
document.body.append(dialog)

const params = (kind: Kind, job: string | null, exact: boolean): object => ({
  exact,
  ...(kind === 'rollback' && job !== null && { migrationID: job }),
})

type Sheet = { readonly body: HTMLElement; readonly told: HTMLElement; readonly actions: HTMLElement; readonly close: HTMLButtonElement }
type Wanted = { readonly kind: Kind; readonly known: Known; readonly job: string | null }

/** The second click. */
const does = (label: string, { body: _, told, actions, close }: Sheet, { kind, known, job }: Wanted, exact: boolean): HTMLButtonElement => {
  const act = (): void => {
    for (const b of actions.querySelectorAll('button')) b.disabled = true
    show(told, h('p', { class: 'busy' }, 'Switching …'))
    change(known, kind === 'rollback' ? 'RollbackMigration' : 'Redo', params(kind, job, exact)).then(
      () => {
        dialog.close()
      },
      (error: unknown) => {
        const failure = failureOf(error)
        show(
          told,
          problem(failure.code === 'STALE' ? { ...failure, hint: 'Something was written meanwhile. Close this and look again.' } : failure),
        )
        close.disabled = false
      },
    )
  }
  return button(label, act, { class: exact ? 'danger' : 'primary' })
}

const ready = (sheet: Sheet, wanted: Wanted, preview: Preview): void => {
  const { kind, known } = wanted
  const target = preview.to.schemaVersion
  show(sheet.body, ...meaningOf(kind, known, preview))
  const main =
    preview.inTheWay.length === 0
      ? does(`${NAMES[kind]} to ${target} now`, sheet, wanted, false)
      : does(`${NAMES[kind]}, and leave those in the history`, sheet, wanted, true)
  show(sheet.actions, main, sheet.close)
  main.focus()
}

const refused = (sheet: Sheet, wanted: Wanted, failure: Failure): void => {
  const isHidden = ['DATA_WRITTEN_SINCE', 'NEEDS_NEWER_VERSION'].includes(failure.code)
  show(
    sheet.body,
    problem(failure),
    isHidden && h('p', {}, 'It can be done exactly: what was written since then stays in the history, and is not in the data.'),
  )
  show(sheet.actions, isHidden && does(`${NAMES[wanted.kind]} exactly`, sheet, wanted, true), sheet.close)
}

/** The first click. */
const open = (kind: Kind, known: Known, job: string | null): void => {
  const sheet: Sheet = {
    body: h('div', {}, h('p', { class: 'busy' }, 'Looking at what was written since …')),
    told: h('div', { 'aria-live': 'polite' }),
    actions: h('div', { class: 'actions' }),
    close: button('Cancel', () => {
      dialog.close()
    }),
  }
  const title = h('h2', { id: 'switch-title' }, NAMES[kind])
  show(dialog, h('div', { class: 'sheet' }, title, sheet.body, sheet.told, sheet.actions))
  show(sheet.actions, sheet.close)
  dialog.showModal()
  call<Preview>('PreviewSwitch', { kind, ...(kind === 'rollback' && job !== null && { migrationID: job }) }).then(
    (preview) => {
      title.textContent = `${NAMES[kind]} to ${preview.to.schemaVersion}`
      ready(sheet, { kind, known, job }, preview)
    },
    (error: unknown) => {
      refused(sheet, { kind, known, job }, failureOf(error))
    },
  )
}

/** The version that `rollback` without a name goes to: what the job that made the active snapshot began with. A carry made no new version. */
const versionBefore = (overview: Overview): string | null => {
  for (let at = activeOf(overview); at !== undefined; ) {
    const { job: id, from } = at
    const job = overview.jobs.find((j) => j.id === id)
    if (job !== undefined && job.kind !== 'carry') return job.fromVersion
    at = overview.snapshots.find((s) => s.id === from)
  }
  return null
}

/** Opens the same for an earlier job of the timeline. */
export const goBackTo = (known: Known, job: string): void => {
  open('rollback', known, job)
}

export const goingBackCard = (known: Known): HTMLElement | null => {
  const { overview } = known
  const earlier = versionBefore(overview)
  const back = overview.redo === null ? undefined : overview.snapshots.find((s) => s.id === overview.redo?.snapshot)
  if (earlier === null && back === undefined) return null
  return card(
    'Go back',
    'going-back',
    overview.hold !== null &&
      known.status.pending.length === 0 &&
      h('p', {}, badge('automatic upgrading is off', 'note'), ` ${overview.hold.reason}, `, time(overview.hold.since)),
    earlier === null
      ? h('p', { class: 'faint' }, 'This is the earliest snapshot.')
      : h(
          'p',
          {},
          `The data as it was at ${earlier} is kept, byte for byte. Going back is instant, and brings along what was written since.`,
        ),
    h(
      'div',
      { class: 'actions' },
      earlier === null
        ? null
        : button(
            `Go back to ${earlier} …`,
            () => {
              open('rollback', known, null)
            },
            { class: 'primary', 'data-key': 'rollback' },
          ),
      back === undefined
        ? null
        : button(
            `Return to ${back.schemaVersion} …`,
            () => {
              open('redo', known, null)
            },
            { class: earlier === null ? 'primary' : '', 'data-key': 'redo' },
          ),
    ),
  )
}
