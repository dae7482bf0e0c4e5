import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'

/** Debian's Chromium; nothing is downloaded. */

const CHROMIUM = spawnSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).stdout.trim()

/** What a name of a test says where there is no browser. CI has one: `.ci/run` installs it, and STRATA_BROWSER makes it an error to have none. */
export const MISSING = CHROMIUM === '' && process.env.STRATA_BROWSER === undefined ? ' (skipped: no chromium)' : ''

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  })

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

type Audit = { violations: { id: string; impact: string | null; nodes: { html: string; failureSummary: string }[] }[] }

/** What axe-core finds serious or critical, in words. */
export const serious = async (page: Page): Promise<string[]> => {
  // Through the debugger, which the page's own policy says nothing about.
  await page.evaluate(AXE)
  const { violations } = await page.evaluate<Audit>('axe.run(document, { resultTypes: ["violations"] })')
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map((n) => `${n.html} ${n.failureSummary}`).join(' | ')}`)
}
