import { fuzz } from './fuzz.ts'
import type { Fuzzed } from './fuzz.ts'
import { TARGETS } from './targets.ts'

/** A process of the nightly run: fuzzes one parser after another for its parent, within little memory. */

export type FuzzWork = { readonly target: number; readonly count: number; readonly seed: number }
export type FuzzDone = Fuzzed & { readonly peakMb: number }

process.on('message', ({ target, count, seed }: FuzzWork) => {
  const chosen = TARGETS[target]
  if (chosen === undefined) throw new Error(`there is no parser ${target}`)
  fuzz(chosen, count, seed).then(
    (done) => process.send?.({ ...done, peakMb: Math.round(process.resourceUsage().maxRSS / 1024) } satisfies FuzzDone),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
