import { json, ndjson } from './codecs/index.ts'
import type { Aside } from './document.ts'
import type { Issue } from './issues.ts'
import { issue } from './issues.ts'
import { elementLine, valueLine } from './json/index.ts'
import type { Kind } from './schema.ts'
import { codecOf } from './schema.ts'

/** What is said of records that are not as their schema says. */

/** So many are named one by one. */
const NAMED = 20

const decoder = new TextDecoder()

/** The line of a record, where the format has lines. */
export const lineOf = (kind: Kind, path: string, index: number, bytes: () => Uint8Array): number | null => {
  const codec = codecOf(kind, path)
  if (codec === json) return elementLine(decoder.decode(bytes()), kind.at ?? '', index)
  return codec === ndjson ? valueLine(decoder.decode(bytes()), index) : null
}

const listed = (aside: readonly Aside[]): string => {
  const named = aside.slice(0, NAMED).map(({ index }) => String(index))
  const more = aside.length - named.length
  const last = more > 0 ? `${more} more` : named.pop()
  return named.length === 0 ? `record ${last ?? ''}` : `records ${named.join(', ')} and ${last ?? ''}`
}

const hintFor = {
  quarantine:
    'Mend it in the active directory, in the form that its file has now or in the one that it had before; then run migrate, which takes it through alone.',
  keep: 'Mend it in the active directory, in the form that its file has now.',
}

/** One finding for all records of a file that were set aside, with the place of the first; null where there is none. */
export const asideIssue = (kind: Kind, path: string, aside: readonly Aside[], lineAt: (place: number) => number | null): Issue | null => {
  const [first] = aside
  if (first === undefined) return null
  const isKept = kind.badRecords === 'keep'
  const is = aside.length === 1 ? 'is not as the schema says, and is' : 'are not as the schema says, and are'
  return issue({
    severity: 'warning',
    code: isKept ? 'BAD_RECORD' : 'QUARANTINED',
    file: path,
    record: first.index,
    line: lineAt(first.index),
    message: `${listed(aside)} ${is} kept`,
    hint: isKept ? hintFor.keep : hintFor.quarantine,
    count: aside.length,
  })
}
