import type { Comparison, FieldChange, KindComparison, Traced } from '../index.ts'
import { JsonNumber, entries, printable } from '../index.ts'
import { paint, plural } from './output.ts'

/** How data differs by record and field, for people. */

const MARKS = { added: ['green', '+'], removed: ['red', '-'], changed: ['yellow', '~'] } as const
const MOST_FIELDS = 30

const cut = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text)

const fieldText = (f: FieldChange): string => {
  const [colour, mark] = MARKS[f.change]
  const values = [f.before, f.after].filter((value) => value !== null).map((value) => printable(cut(value)))
  return `${paint(colour, mark)} ${printable(f.field === '' ? '(all of it)' : f.field).padEnd(34)} ${`${f.count}×`.padStart(8)}  ${paint('dim', values.join(' → '))}`
}

const fieldsText = (fields: readonly FieldChange[], indent: string): string[] => [
  ...fields.slice(0, MOST_FIELDS).map((f) => `${indent}${fieldText(f)}`),
  ...(fields.length > MOST_FIELDS ? [`${indent}… and ${fields.length - MOST_FIELDS} more (all of them with --json)`] : []),
]

const kindText = (k: KindComparison): string[] => {
  const files = (
    [
      ['changed', k.changed],
      ['added', k.added],
      ['removed', k.removed],
    ] as const
  )
    .filter(([, n]) => n > 0)
    .map(([what, n]) => `${plural(n, 'file')} ${what}`)
  const { records } = k
  const ofRecords =
    records === null
      ? ''
      : `, ${records.changed} of ${plural(records.before, 'record')} changed, ${records.added} added, ${records.removed} removed`
  const unread = k.unread === 0 ? '' : ` (${k.unread} cannot be read)`
  return [`${paint('bold', k.kind ?? 'files of no kind')}: ${files.join(', ')}${unread}${ofRecords}`, ...fieldsText(k.fields, '  ')]
}

export const comparisonText = (kinds: Comparison['kinds']): string[] => kinds.flatMap(kindText)

const plainText = (value: unknown, indent = ''): string => {
  if (value instanceof JsonNumber) return value.text
  if (Array.isArray(value))
    return value.length === 0 ? '[]' : `[\n${value.map((v) => `${indent}  ${plainText(v, `${indent}  `)}`).join(',\n')}\n${indent}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = entries(value).map(([name, member]) => `${indent}  ${JSON.stringify(name)}: ${plainText(member, `${indent}  `)}`)
  return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`
}

const MOST_LINES = 40

/** A record after one step: what the step changed, then the record. */
export const tracedText = (t: Traced): string[] => {
  const title = `${paint('bold', t.schemaVersion)}  ${printable(t.description)}  ${paint('dim', t.snapshot)}`
  if (t.value === undefined) return [title, '  (not there)']
  const lines = plainText(t.value, '  ').split('\n')
  return [
    title,
    ...fieldsText(t.fields, '  '),
    ...lines.slice(0, MOST_LINES).map((line, i) => printable(i === 0 ? `  ${line}` : line)),
    ...(lines.length > MOST_LINES ? [`  … ${lines.length - MOST_LINES} more lines (all of them with --json)`] : []),
  ]
}
