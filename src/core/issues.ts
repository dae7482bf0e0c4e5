import { StrataError, messageOf } from './errors.ts'

/** Something found, for people and programs. Alike ones are one issue with a `count`. Members are never absent. */
export type Issue = {
  severity: 'error' | 'warning'
  code: string
  message: string
  hint: string
  /** The dataset path. */
  file: string | null
  /** Index of the (first) record, from 0. */
  record: number | null
  line: number | null
  column: number | null
  snapshot: string | null
  /** The schema version of the step that found it. */
  step: string | null
  count: number
}

export const issue = (of: Partial<Issue> & Pick<Issue, 'code' | 'message'>): Issue => ({
  severity: 'error',
  hint: '',
  file: null,
  record: null,
  line: null,
  column: null,
  snapshot: null,
  step: null,
  count: 1,
  ...of,
})

/** The same for issues that are one but for their count and place. */
export const alike = (i: Issue): string => JSON.stringify([i.severity, i.code, i.message, i.file, i.snapshot, i.step])

/** The same issues, alike ones collapsed into their first with the sum of their counts. */
export const collapse = (issues: Iterable<Issue>): Issue[] => {
  const seen = new Map<string, Issue>()
  for (const found of issues) {
    const key = alike(found)
    const before = seen.get(key)
    seen.set(key, before === undefined ? found : { ...before, count: before.count + found.count })
  }
  return [...seen.values()]
}

const numberIn = (data: Readonly<Record<string, unknown>>, name: string): number | null => {
  const value = data[name]
  return typeof value === 'number' ? value : null
}
const textIn = (data: Readonly<Record<string, unknown>>, name: string): string | null => {
  const value = data[name]
  return typeof value === 'string' ? value : null
}

/** An error as an issue, with the file, record, line and column it carries. */
export const issueOf = (error: unknown, more: Partial<Issue> = {}): Issue => {
  const data = error instanceof StrataError ? error.data : {}
  return issue({
    code: error instanceof StrataError ? error.code : 'MIGRATION_FAILED',
    message: messageOf(error),
    hint: error instanceof StrataError ? error.hint : '',
    file: textIn(data, 'file'),
    record: numberIn(data, 'record'),
    line: numberIn(data, 'line'),
    column: numberIn(data, 'column'),
    step: textIn(data, 'step'),
    ...more,
  })
}

/** A message without the place that the issue's own members tell. */
export const withoutPlace = (message: string): string => message.replace(/ \(line \d+, column \d+\)$/, '')

/** Files of a snapshot that are behind its schema. */
export const legacyFiles = (findings: readonly Issue[]): string[] =>
  findings.flatMap((f) => (f.code === 'LEGACY_FILE' && f.file !== null ? [f.file] : []))
