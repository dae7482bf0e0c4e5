import { call, failureOf } from './api.ts'
import { button, h, show } from './dom.ts'
import { many, number, size } from './format.ts'
import { changeBadge, comparison, firstOf, problem } from './parts.ts'
import { recordsPlot } from './plots.ts'
import type { Known } from './store.ts'
import { change } from './store.ts'
import type { Comparison, Diff, FileContent, RecordCount, SnapshotFiles } from './types.ts'

/** A sheet beside the page: what two snapshots differ in, or the files of one. */

const dialog = h('dialog', { class: 'wide', 'aria-labelledby': 'inspect-title' })
dialog.addEventListener('click', (event) => {
  if (event.target === dialog) dialog.close()
})
document.body.append(dialog)

const sheet = (title: string): HTMLElement => {
  const body = h('div', { 'aria-live': 'polite' }, h('p', { class: 'busy' }, 'Reading …'))
  const close = button('Close', () => {
    dialog.close()
  })
  show(dialog, h('div', { class: 'sheet' }, h('div', { class: 'title' }, h('h2', { id: 'inspect-title' }, title), close), body))
  dialog.showModal()
  return body
}

const into = <T>(body: HTMLElement, found: Promise<T>, shown: (value: T) => void): void => {
  found.then(shown, (error: unknown) => show(body, problem(failureOf(error))))
}

const nameOf = ({ overview }: Known, id: string): string => {
  const snapshot = overview.snapshots.find((s) => s.id === (id === '@' ? overview.active : id))
  return snapshot === undefined ? id : `${snapshot.schemaVersion} (${snapshot.id})`
}

const recordsOf = (a: string, b: string): HTMLElement => {
  const place = h('div', { 'aria-live': 'polite' })
  const start = button('Count the records of each day', () => {
    start.disabled = true
    show(place, h('p', { class: 'busy' }, 'Counting …'))
    into(place, call<RecordCount[]>('CountRecords', { a, b }), (counts) => show(place, recordsPlot(counts)))
  })
  return h('div', {}, h('div', { class: 'actions' }, start), place)
}

/** By kind of file, record and field, then file by file. */
export const compareSnapshots = (known: Known, a: string, b: string): void => {
  const body = sheet(`From ${nameOf(known, a)} to ${nameOf(known, b)}`)
  into(body, Promise.all([call<Comparison>('Compare', { a, b, values: true }), call<Diff>('Diff', { a, b })]), ([found, { files }]) => {
    show(
      body,
      comparison(found),
      recordsOf(a, b),
      h('h3', {}, many(files.length, 'file')),
      firstOf(files, 12, ({ path, change }) => h('span', {}, changeBadge(change), ' ', h('code', {}, path))),
    )
  })
}

const save = (path: string, { base64 }: FileContent): void => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
  const url = URL.createObjectURL(new Blob([bytes]))
  h('a', { href: url, download: path.split('/').at(-1) ?? 'file' }).click()
  URL.revokeObjectURL(url)
}

const SHOWN = 20_000

const fileRow = (known: Known, snapshot: string, { path, size: bytes }: SnapshotFiles['files'][number]): HTMLElement => {
  const place = h('div', { 'aria-live': 'polite' })
  const read = (then: (content: FileContent) => void): void => {
    into(place, call<FileContent>('Read', { snapshot, path }), then)
  }
  return h(
    'div',
    { class: 'file' },
    h('code', {}, path),
    h('span', { class: 'faint number' }, size(bytes)),
    button(
      'Show',
      () => {
        read(({ base64 }) => {
          const text = new TextDecoder().decode(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)))
          show(
            place,
            h('pre', { tabindex: 0 }, text.slice(0, SHOWN)),
            text.length > SHOWN ? h('p', { class: 'faint' }, `The first ${number(SHOWN)} characters.`) : null,
          )
        })
      },
      { 'aria-label': `Show ${path}` },
    ),
    button(
      'Save a copy',
      () => {
        read((content) => {
          save(path, content)
        })
      },
      { 'aria-label': `Save a copy of ${path}` },
    ),
    snapshot !== known.overview.active && putBack(known, snapshot, path, place),
    place,
  )
}

/** Two clicks: the first says what the second does. */
const putBack = (known: Known, snapshot: string, path: string, place: HTMLElement): HTMLButtonElement => {
  const now = button(
    'Put it back now',
    () => {
      now.disabled = true
      into(place, change<{ jobId: string | null }>(known, 'Restore', { snapshot, path }), ({ jobId }) => {
        show(
          place,
          h(
            'p',
            { role: 'status' },
            jobId === null ? 'The active data holds the very same already.' : `${path} is back. Going back undoes it.`,
          ),
        )
      })
    },
    { class: 'primary' },
  )
  return button(
    'Put back …',
    () => {
      show(
        place,
        h(
          'p',
          {},
          'It takes the place of the file in the active data, in the form of its version. What is there now is committed first, and going back returns to it.',
        ),
        h('div', { class: 'actions' }, now),
      )
    },
    { 'aria-label': `Put ${path} back into the active data` },
  )
}

export const filesOf = (known: Known, id: string): void => {
  const body = sheet(`Files of ${nameOf(known, id)}`)
  into(body, call<SnapshotFiles>('ShowSnapshot', { snapshot: id }), ({ files }) => {
    const shown = h('div', {})
    const list = (part: string): void => {
      const found = files.filter((f) => f.path.toLowerCase().includes(part.toLowerCase()))
      show(
        shown,
        h('p', { class: 'faint', role: 'status' }, many(found.length, 'file')),
        firstOf(found, 50, (f) => fileRow(known, id, f)),
      )
    }
    const field = h('input', {
      type: 'search',
      placeholder: 'part of a path',
      'aria-label': 'Only files whose path contains',
      input: () => {
        list(field.value)
      },
    })
    list('')
    show(body, field, shown)
  })
}
