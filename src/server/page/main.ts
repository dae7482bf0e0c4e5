import { activeCard, progressCard, upgradeCard } from './active.ts'
import { hasToken, listen } from './api.ts'
import type { Child } from './dom.ts'
import { h, show } from './dom.ts'
import { goingBackCard } from './going-back.ts'
import { compareSnapshots, filesOf } from './inspect.ts'
import { badge, problem } from './parts.ts'
import { sizeCard } from './plots.ts'
import type { Model } from './store.ts'
import { refresher } from './store.ts'
import { makeRoom, pinOrNot } from './room.ts'
import { snapshotsCard, timelineCard } from './timeline.ts'
import type { Progress } from './types.ts'

/** The page: one model, drawn anew whenever it changes. */

const model: Model = { known: null, failure: null, progress: null, isConnected: true }
const app = document.querySelector('#app')

const header = (): HTMLElement =>
  h(
    'header',
    {},
    h('h1', {}, model.known?.overview.dataset ?? 'Strata'),
    h('span', { class: 'faint' }, 'history and rollback'),
    h('span', { class: 'push', role: 'status' }, model.isConnected ? null : badge('the server does not answer', 'bad')),
  )

const content = (): Child[] => {
  const { known } = model
  if (known === null) return [model.failure === null ? h('p', { class: 'waiting' }, 'Opening the store …') : problem(model.failure)]
  const compare = (a: string, b: string): void => {
    compareSnapshots(known, a, b)
  }
  const files = (id: string): void => {
    filesOf(known, id)
  }
  return [
    model.failure === null ? null : problem(model.failure),
    h('div', { class: 'column' }, progressCard(model), activeCard(known), upgradeCard(known, model), goingBackCard(known), sizeCard(known)),
    h('div', { class: 'column' }, timelineCard(known, compare)),
    h(
      'div',
      { class: 'whole' },
      known.overview.snapshots.length === 0
        ? null
        : snapshotsCard(known, { compare, files, pin: (s) => void pinOrNot(known, s), room: () => void makeRoom(known) }),
    ),
  ]
}

const main = h('main', { id: 'main', tabindex: -1 })
const top = h('div', {})

const render = (): void => {
  show(top, header())
  show(main, ...content())
  document.title = model.known === null ? 'Strata' : `${model.known.overview.dataset}: history and rollback`
}

const refresh = refresher(model, render)

const start = (): void => {
  app?.replaceChildren(top, main)
  if (!hasToken) {
    model.failure = {
      code: 'NO_TOKEN',
      message: 'This address is not complete.',
      hint: 'Open the whole address that strata serve printed: the part after # lets you in.',
    }
    render()
    return
  }
  refresh()
  void listen(
    ({ event, data }) => {
      if (event === 'progress') {
        model.progress = data as Progress
        render()
      } else refresh()
    },
    (is) => {
      if (model.isConnected === is) return
      model.isConnected = is
      if (is) refresh()
      else render()
    },
  )
  // What is said as "a minute ago" grows old.
  setInterval(render, 60_000)
}

start()
