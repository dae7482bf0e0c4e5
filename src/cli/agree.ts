import { createInterface } from 'node:readline/promises'
import { err } from './output.ts'
import type { Run } from './run.ts'

const confirmed = async (): Promise<boolean> => {
  const input = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await input.question('Do this? [y/N] ').finally(() => {
    input.close()
  })
  return /^y(es)?$/i.test(answer.trim())
}

/** Whether to do what was planned: told so, or asked at a terminal. */
export const agreed = async ({ parsed: { flags }, json }: Run, planned: readonly string[]): Promise<boolean> => {
  if (flags['dry-run'] === true) return false
  if (flags.yes === true) return true
  if (!process.stdin.isTTY || json) return false
  for (const line of planned) err(line)
  return confirmed()
}
