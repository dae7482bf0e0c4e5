import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a part of the nightly run counted: states, points, inputs, seconds … */
export type Figures = Readonly<Record<string, number | string>>

/** Hands a part's figures to `npm run nightly`, which prints them all as one table. */
export const report = (part: string, figures: Figures): void => {
  const dir = process.env.STRATA_FIGURES
  if (dir === undefined) return
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, `${part}.json`), JSON.stringify(figures))
}
