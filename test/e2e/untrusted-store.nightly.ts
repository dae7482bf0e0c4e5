import { afterAll } from 'vitest'
import { report } from '../nightly/figures.ts'

process.env.STRATA_ALL_TRAPS = 'yes'
await import('./untrusted-store.test.ts')

afterAll(() => {
  report('untrusted-store', { traps: 160 })
})
