import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string }

export default defineConfig({
  define: { STRATA_VERSION: JSON.stringify(version), STRATA_BUILD: JSON.stringify('test'), STRATA_PAGE: '{}' },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    // The end-to-end tests wait for processes; vitest alone would take one worker on two cores.
    maxWorkers: 2,
    // Ten times what the longest takes by itself: other work on the machine is no failure.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A value from the environment must not change what is tested.
    unstubEnvs: true,
    restoreMocks: true,
    coverage: { provider: 'v8', include: ['src/**/*.ts', 'migrations/**/*.ts'], exclude: ['**/*.d.ts', 'src/internal.ts'] },
  },
})
