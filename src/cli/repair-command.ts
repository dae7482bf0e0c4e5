import { createInterface } from 'node:readline/promises'
import { printable } from '../index.ts'
import { err, paint } from './output.ts'
import type { Run } from './run.ts'
import { print } from './run.ts'

const MOST = 40

const list = (lines: readonly string[]): string[] => [
  ...lines.slice(0, MOST).map((line) => `  ${printable(line)}`),
  ...(lines.length > MOST ? [`  … and ${lines.length - MOST} more (all of them with --json)`] : []),
]

const lostText = (lost: readonly string[]): string[] =>
  lost.length === 0 ? [] : [paint('red', 'No copy is left of:'), ...list(lost), 'Damaged bytes are kept in quarantine/.']

const confirmed = async (): Promise<boolean> => {
  const input = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await input.question('Do this? [y/N] ').finally(() => {
    input.close()
  })
  return /^y(es)?$/i.test(answer.trim())
}

/** Whether to do what was planned: told so, or asked at a terminal. */
const agreed = async ({ parsed: { flags }, json }: Run, planned: readonly string[]): Promise<boolean> => {
  if (flags['dry-run'] === true) return false
  if (flags.yes === true) return true
  if (!process.stdin.isTTY || json) return false
  for (const line of planned) err(line)
  return confirmed()
}

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
