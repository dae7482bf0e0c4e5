import { defineConfig, mergeConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

/** The long runs: `npm run nightly [part …]`. They are named `*.nightly.ts`, so that `npm test` passes them over. */
const nightly = mergeConfig(
  base,
  defineConfig({ test: { testTimeout: 3 * 60 * 60_000, hookTimeout: 600_000, reporters: ['default'], fileParallelism: false } }),
)

export default { ...nightly, test: { ...nightly.test, include: ['test/**/*.nightly.ts'] } }
