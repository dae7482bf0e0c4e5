import type { Issue, MigrationStatus } from '../light.ts'
import { printable } from '../light.ts'
import { paint, plural, size } from './output.ts'

/** One finding: where, what, how often, and what to do. */
export const findingText = (f: Issue): string => {
  const at = [
    f.file === null ? '' : printable(f.file),
    f.line === null ? '' : `line ${f.line}${f.column === null ? '' : `, column ${f.column}`}`,
    f.record === null || f.line !== null ? '' : `record ${f.record}`,
  ]
    .filter((part) => part !== '')
    .join(', ')
  const mark = paint(f.severity === 'error' ? 'red' : 'yellow', f.severity)
  const times = f.count > 1 ? ` (${f.count} times)` : ''
  return `  ${mark} ${f.code}${at === '' ? '' : ` ${at}`}: ${printable(f.message)}${times}${f.hint === '' ? '' : `\n          ${paint('dim', printable(f.hint))}`}`
}

const MOST = 20

export const findingsText = (findings: readonly Issue[]): string[] => [
  ...findings.slice(0, MOST).map(findingText),
  ...(findings.length > MOST ? [`  … and ${findings.length - MOST} more (all of them with --json)`] : []),
]

const headline = (s: MigrationStatus, app: string): string => {
  switch (s.state) {
    case 'no-store':
      return `no ${app} data here yet`
    case 'up-to-date':
      return paint('green', `up to date at ${s.currentVersion}`)
    case 'held':
      return paint('yellow', `at ${s.currentVersion}; automatic migration to ${s.targetVersion} is on hold`)
    case 'newer':
      return paint('red', `at ${s.currentVersion}, newer than this ${app} knows (${s.targetVersion})`)
    case 'failed-repeatedly':
      return paint('red', `at ${s.currentVersion}; the migration to ${s.targetVersion} failed three times, automatic retry is off`)
    case 'running':
      return `at ${s.currentVersion}; a migration to ${s.targetVersion} is running or was interrupted`
    case 'pending':
      return paint('yellow', `at ${s.currentVersion}; ${s.targetVersion} is waiting`)
  }
}

const nextStep = (s: MigrationStatus): string => {
  switch (s.state) {
    case 'no-store':
      return 'Create a store: strata init --from DIR'
    case 'held':
      return 'Return to the newer data: strata redo, or upgrade anew: strata migrate'
    case 'newer':
      return 'Start a newer version, or: strata rollback VERSION --exact'
    case 'pending':
    case 'failed-repeatedly':
      return 'See what it does: strata plan. Do it: strata migrate'
    case 'running':
      return 'Follow it in the application, or run any command: an interrupted one is cleaned up first'
    case 'up-to-date':
      return 'See what happened: strata history. Check every byte: strata verify'
  }
}

const MOST_SIZES = 5

/** What each snapshot takes, the newest first, and what it has in common with the one it was made of. */
const sizesText = ({ sizes, repositoryBytes }: MigrationStatus): string[] => {
  const there = sizes.filter((s) => s.hasDirectory)
  const rows = there.slice(0, MOST_SIZES).map((s) => {
    const common = s.shared === 0 ? '' : `, ${s.shared === s.bytes ? 'all' : size(s.shared)} of it as in the one before`
    return `${s.snapshot.padEnd(15)} ${size(s.bytes)}${common}`
  })
  const rest = there.length - rows.length
  const restBytes = there.slice(MOST_SIZES).reduce((sum, s) => sum + s.bytes, 0)
  const lines = [
    ...rows,
    ...(rest > 0 ? [`and ${plural(rest, 'directory', 'directories')} more, ${size(restBytes)}`] : []),
    `${'repository'.padEnd(15)} ${size(repositoryBytes)}, the history of ${plural(sizes.length, 'snapshot')}`,
  ]
  return lines.map((line, i) => `  ${(i === 0 ? 'sizes' : '').padEnd(10)} ${line}`)
}

export const statusText = (s: MigrationStatus, root: string, app: string): string => {
  if (s.state === 'no-store') return [`${root}: ${headline(s, app)}`, nextStep(s)].join('\n')
  const lines = [`${app}: ${headline(s, app)}`, `  active     ${s.directory}`, `  data       ${plural(s.files, 'file')}, ${size(s.bytes)}`]
  if (s.heldSince !== null) lines.push(`  on hold    since ${s.heldSince}: ${s.holdReason ?? ''}`)
  for (const p of s.pending) lines.push(`  pending    ${p.version}  ${p.description}`)
  if (s.pending.length > 0) lines.push(`  space      ${size(s.spaceNeeded)} needed, ${size(s.spaceFree)} free`)
  if (s.lastJob?.status === 'failed') lines.push(`  ${paint('red', 'last job')}   ${s.lastJob.id} failed: ${printable(s.lastJob.error)}`)
  return [...lines, ...sizesText(s), ...findingsText(s.findings), nextStep(s)].join('\n')
}
