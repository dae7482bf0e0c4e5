import type { Decision, Forgotten, Pruned } from '../index.ts'
import { printable } from '../index.ts'
import { agreed } from './agree.ts'
import { fit, paint, plural, size, when } from './output.ts'
import type { Run } from './run.ts'
import { count, print, text } from './run.ts'

const MEGABYTE = 1_000_000
const PRUNE = 'strata prune --directories 2 --days 365 --dry-run'

const goes = (d: Decision): boolean => d.directory === 'remove' || d.history === 'remove'
const MARK = { keep: 'keep  ', remove: 'remove', absent: 'none  ' } as const

/** One snapshot a line: what becomes of its directory and of its history, and why. */
const decisionText = (d: Decision): string => {
  const what = `directory ${MARK[d.directory]} history ${d.history.padEnd(6)}`
  const line = `  ${d.snapshot.padEnd(16)} ${size(d.bytes).padStart(8)}  ${when(d.createdAt).padEnd(10)} ${what}  ${d.reasons.join('; ')}`
  return goes(d) ? paint('yellow', fit(line)) : fit(line)
}

const totals = ({ decisions, bytes, cut }: Pruned): string => {
  const directories = decisions.filter((d) => d.directory === 'remove').length
  const gone = decisions.filter((d) => d.history === 'remove').length
  const copies = `${plural(directories, 'directory', 'directories')}, ${size(bytes)}`
  return gone + cut === 0 ? copies : `${copies}; history: ${plural(gone, 'snapshot')}, cut at ${plural(cut, 'commit')}`
}

const removed = (run: Run, done: Pruned): number => {
  const isCut = done.cut > 0 || done.decisions.some((d) => d.history === 'remove')
  print(run, done, [paint('green', `Removed ${totals(done)}`), ...(isCut ? ['Make its space free with: strata gc'] : [])])
  return 0
}

/** Says what goes and why; removes it once someone has agreed. */
export const prune = async (run: Run): Promise<number> => {
  const policy = {
    ...(count(run, 'directories', PRUNE) === undefined ? {} : { directories: count(run, 'directories', PRUNE) }),
    directoryBytes: count(run, 'max-megabytes', PRUNE, MEGABYTE) ?? null,
    days: count(run, 'days', PRUNE) ?? null,
    historyBytes: count(run, 'history-megabytes', PRUNE, MEGABYTE) ?? null,
  }
  const isAgreed = run.parsed.flags.yes === true && run.parsed.flags['dry-run'] !== true
  const plan = await run.app.prune({ ...policy, dryRun: !isAgreed })
  const isNothing = !plan.decisions.some(goes) && plan.cut === 0
  const planned = [...plan.decisions.map(decisionText), isNothing ? 'Nothing to remove.' : `To be removed: ${totals(plan)}`]
  if (isAgreed && !isNothing) return removed(run, plan)
  if (isNothing || !(await agreed(run, planned))) {
    print(run, plan, isNothing || run.parsed.flags['dry-run'] === true ? planned : [...planned, 'Do it with: strata prune --yes'])
    return 0
  }
  return removed(run, await run.app.prune(policy))
}

export const gc = async (run: Run): Promise<number> => {
  const dryRun = run.parsed.flags['dry-run'] === true
  const done = await run.app.gc({ dryRun })
  const change = `${size(done.bytesBefore)} in ${plural(done.packsBefore, 'pack')} to ${size(done.bytesAfter)} in ${plural(done.packsAfter, 'pack')}, ${plural(done.dropped, 'object')} dropped`
  const line = dryRun
    ? `Would rewrite ${change}; needs ${size(done.peak)} for a while`
    : done.bytesBefore === done.bytesAfter && done.dropped === 0
      ? `Nothing to free: ${size(done.bytesAfter)} in ${plural(done.packsAfter, 'pack')}`
      : paint('green', `Rewrote ${change}`)
  print(run, done, [line])
  return 0
}

const forgottenText = ({ path, snapshots, directories, commits, unreached }: Forgotten): string[] => [
  `${printable(path)}: in the history of ${plural(snapshots.length, 'snapshot')}, in ${plural(directories.length, 'directory', 'directories')}; ${plural(commits, 'commit')} to write anew`,
  ...snapshots.map((id) => `  ${id}${directories.includes(id) ? '' : paint('dim', '  only in its history')}`),
  'Not within reach:',
  ...unreached.map((text) => `  ${printable(text)}`),
]

/** Says what is written anew, and where else it is; does it once someone has agreed. */
export const forget = async (run: Run): Promise<number> => {
  const [path = ''] = run.parsed.args
  const plan = await run.app.forget(path, { dryRun: true })
  const planned = forgottenText(plan)
  if (!(await agreed(run, planned))) {
    print(
      run,
      plan,
      run.parsed.flags['dry-run'] === true ? planned : [...planned, 'Nothing brings it back. Do it with: strata forget PATH --yes'],
    )
    return 0
  }
  const done = await run.app.forget(path)
  const where = `${plural(done.snapshots.length, 'snapshot')}, ${plural(done.commits, 'commit')} written anew`
  print(run, done, [
    paint('green', `Forgot ${printable(path)}: ${where}`),
    'Not within reach:',
    ...done.unreached.map((text) => `  ${printable(text)}`),
  ])
  return 0
}

export const pin = async (run: Run): Promise<number> => {
  const [name = ''] = run.parsed.args
  const done = await run.app.pin(name, text(run.parsed.flags.message) ?? '')
  print(run, done, [
    `Pinned ${done.snapshot} at ${done.commit.slice(0, 10)}`,
    `It stays, with its directory, until: strata unpin ${done.snapshot}`,
  ])
  return 0
}

export const unpin = async (run: Run): Promise<number> => {
  const [name = ''] = run.parsed.args
  const done = await run.app.unpin(name)
  print(run, done, [`${done.snapshot} is no longer pinned`])
  return 0
}
