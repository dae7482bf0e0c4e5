import { call, failureOf } from './api.ts'
import type { Child } from './dom.ts'
import { button, h, show } from './dom.ts'
import { many, size } from './format.ts'
import { badge, facts, problem } from './parts.ts'
import type { Known } from './store.ts'
import { change } from './store.ts'
import type { Collected, Listed, Overview, Pruned } from './types.ts'

/** Keeping the disk small: what would go is shown with its reasons first; a second click does it. */

/** What went wrong with a pin, below the table that it was asked for in. */
export const trouble = h('div', { 'aria-live': 'assertive' })

export const pinOrNot = async (known: Known, { id, isPinned }: Listed): Promise<void> => {
  show(trouble)
  try {
    await change(known, isPinned ? 'Unpin' : 'Pin', { snapshot: id })
  } catch (error) {
    show(trouble, problem(failureOf(error)))
  }
}

const dialog = h('dialog', { class: 'wide', 'aria-labelledby': 'room-title' })
dialog.addEventListener('click', (event) => {
  if (event.target === dialog) dialog.close()
})
document.body.append(dialog)

type Decision = Pruned['decisions'][number]

const stays = ({ directory }: Decision): Child =>
  directory === 'remove' ? badge('goes', 'bad') : directory === 'keep' ? badge('stays', 'good') : badge('in the repository only', 'note')

const row = (decision: Decision): HTMLElement =>
  h(
    'tr',
    {},
    h('th', { scope: 'row', title: decision.snapshot }, decision.schemaVersion),
    h('td', { class: 'number' }, size(decision.bytes)),
    h('td', {}, stays(decision)),
    h('td', {}, decision.reasons.join('; ')),
  )

const table = ({ decisions }: Pruned): HTMLElement =>
  h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'What stays and what goes' },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...['version', 'size', 'directory', 'why'].map((name) => h('th', { scope: 'col', class: name === 'size' ? 'number' : '' }, name)),
        ),
      ),
      h('tbody', {}, ...decisions.map(row)),
    ),
  )

const sheet = (...body: Child[]): void => {
  const close = button('Close', () => {
    dialog.close()
  })
  show(dialog, h('div', { class: 'sheet' }, h('div', { class: 'title' }, h('h2', { id: 'room-title' }, 'Make room'), close), ...body))
}

/** Each change has a head of its own to rest on. */
const doIt = async (known: Known): Promise<void> => {
  const done = await change<Pruned>(known, 'Prune', POLICY)
  const overview = await call<Overview>('Overview')
  const freed = await change<Collected>({ ...known, overview }, 'CollectGarbage')
  sheet(
    h('p', { role: 'status' }, badge('done', 'good'), ` ${size(done.bytes + freed.bytesBefore - freed.bytesAfter)} are free again.`),
    facts(['directories', size(done.bytes)], ['repository', `${size(freed.bytesBefore)} → ${size(freed.bytesAfter)}`]),
  )
}

/** Nobody's data is at stake: what goes are copies, and what is needed to go back or forward stays. */
const POLICY = { directories: 0 } as const

export const makeRoom = async (known: Known): Promise<void> => {
  const outcome = h('div', { 'aria-live': 'polite' })
  sheet(h('p', { class: 'busy' }, 'Looking at what could go …'))
  dialog.showModal()
  try {
    const plan = await call<Pruned>('Prune', { ...POLICY, dryRun: true, expectedHead: known.overview.head })
    const going = plan.decisions.filter((d) => d.directory === 'remove').length
    const go = button(
      `Remove ${many(going, 'directory copy', 'directory copies')} now`,
      () => {
        go.disabled = true
        doIt(known).catch((error: unknown) => {
          show(outcome, problem(failureOf(error)))
          go.disabled = false
        })
      },
      { class: 'primary' },
    )
    sheet(
      h('p', {}, 'A directory that goes is a copy of what the repository has: its files can still be read, compared and put back.'),
      table(plan),
      going === 0 ? h('p', {}, 'Nothing can go: all that is there is needed.') : h('div', { class: 'actions' }, go),
      outcome,
    )
  } catch (error) {
    sheet(problem(failureOf(error)))
  }
}
