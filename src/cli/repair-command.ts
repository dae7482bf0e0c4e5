import { printable } from '../index.ts'
import { agreed } from './agree.ts'
import { paint } from './output.ts'
import type { Run } from './run.ts'
import { print } from './run.ts'

const MOST = 40

const list = (lines: readonly string[]): string[] => [
  ...lines.slice(0, MOST).map((line) => `  ${printable(line)}`),
  ...(lines.length > MOST ? [`  … and ${lines.length - MOST} more (all of them with --json)`] : []),
]

const lostText = (lost: readonly string[]): string[] =>
  lost.length === 0 ? [] : [paint('red', 'No copy is left of:'), ...list(lost), 'Damaged bytes are kept in quarantine/.']

/** Says what it would change; changes it once someone has agreed. */
export const repair = async (run: Run): Promise<number> => {
  const plan = await run.app.repair({ dryRun: true })
  const isWhole = plan.actions.length === 0 && plan.lost.length === 0
  const planned = isWhole ? ['Nothing to repair.'] : ['This would be done:', ...list(plan.actions), ...lostText(plan.lost)]
  if (plan.actions.length === 0 || !(await agreed(run, planned))) {
    print(run, plan, plan.actions.length === 0 ? planned : [...planned, 'Do it with: strata repair --yes'])
    return isWhole ? 0 : 2
  }
  const done = await run.app.repair()
  print(run, done, [paint('green', 'Repaired:'), ...list(done.actions), ...lostText(done.lost)])
  return done.lost.length === 0 ? 0 : 2
}
