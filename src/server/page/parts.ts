import type { Child } from './dom.ts'
import { h } from './dom.ts'
import { many, number } from './format.ts'
import type { Comparison, Failure, Issue } from './types.ts'

/** Pieces that several views show. */

export const problem = ({ message, hint, code }: Failure): HTMLElement =>
  h('div', { class: 'problem', role: 'alert' }, h('strong', {}, message), hint === '' ? null : h('p', {}, hint), h('code', {}, code))

export const card = (title: string, id: string, ...children: Child[]): HTMLElement =>
  h('section', { class: 'card', 'aria-labelledby': id }, h('h2', { id }, title), ...children)

export const facts = (...rows: readonly (readonly [string, Child])[]): HTMLElement =>
  h('dl', { class: 'facts' }, ...rows.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]))

export const badge = (text: string, kind: 'good' | 'bad' | 'neutral' | 'note' = 'neutral'): HTMLElement =>
  h('span', { class: `badge ${kind}` }, text)

/** The first `most` of a list; the rest on request. */
export const firstOf = <T>(items: readonly T[], most: number, one: (item: T) => Child): HTMLElement => {
  const list = h('ul', { class: 'plain' }, ...items.slice(0, most).map((item) => h('li', {}, one(item))))
  if (items.length <= most) return list
  const rest = h('ul', { class: 'plain' }, ...items.slice(most, most + 2000).map((item) => h('li', {}, one(item))))
  return h('div', {}, list, h('details', {}, h('summary', {}, `${number(items.length - most)} more`), rest))
}

export const issues = (found: readonly Issue[]): Child =>
  found.length === 0
    ? null
    : firstOf(found, 6, ({ severity, code, message, file, count }) =>
        h(
          'span',
          { class: severity === 'error' ? 'bad' : '' },
          badge(severity, severity === 'error' ? 'bad' : 'note'),
          ' ',
          file === null ? null : h('code', {}, file),
          ` ${message}`,
          count > 1 ? ` (${many(count, 'time')})` : '',
          ' ',
          h('code', { class: 'faint' }, code),
        ),
      )

const counts = (words: readonly (readonly [number, string])[]): string =>
  words
    .filter(([n]) => n > 0)
    .map(([n, word]) => `${number(n)} ${word}`)
    .join(', ') || 'none'

type Kind = Comparison['kinds'][number]

const fieldRow = (f: Kind['fields'][number]): HTMLElement =>
  h(
    'tr',
    {},
    h('th', { scope: 'row' }, h('code', {}, f.field)),
    h('td', {}, changeBadge(f.change)),
    h('td', { class: 'number' }, number(f.count)),
    h('td', {}, f.before === null ? '' : h('code', {}, f.before)),
    h('td', {}, f.after === null ? '' : h('code', {}, f.after)),
  )

export const changeBadge = (change: string): HTMLElement =>
  badge(change, change === 'removed' ? 'bad' : change === 'added' ? 'good' : 'note')

const FIELDS = 60

const fieldTable = (kind: string, fields: Kind['fields']): Child =>
  fields.length > 0 &&
  h(
    'table',
    {},
    h('caption', { class: 'hidden' }, `Fields of ${kind}`),
    h('thead', {}, h('tr', {}, ...['field', 'what', 'times', 'before', 'after'].map((t) => h('th', { scope: 'col' }, t)))),
    h('tbody', {}, ...fields.slice(0, FIELDS).map(fieldRow)),
  )

const recordWords = ({ before, after, added, removed, changed }: NonNullable<Kind['records']>): string =>
  `${number(before)} → ${number(after)}; ${counts([
    [added, 'added'],
    [removed, 'removed'],
    [changed, 'changed'],
  ])}`

const kindPart = ({ kind, added, removed, changed, records, fields }: Kind): HTMLElement => {
  const name = kind ?? 'other files'
  const files = counts([
    [added, 'added'],
    [removed, 'removed'],
    [changed, 'changed'],
  ])
  return h(
    'div',
    { class: 'kind' },
    h('h3', {}, name),
    facts(['files', files], ...(records === null ? [] : [['records', recordWords(records)] as const])),
    fieldTable(name, fields),
  )
}

/** A difference by kind of file, record and field. */
export const comparison = ({ kinds }: Comparison): HTMLElement =>
  kinds.length === 0 ? h('p', { class: 'faint' }, 'Nothing differs.') : h('div', { class: 'kinds' }, ...kinds.map(kindPart))
