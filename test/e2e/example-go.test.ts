import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOT } from '../support/sandbox.ts'

/** NetMonitor's side, in Go: the example is formatted, vetted and tested by Go's own tools, against the program in one file. */

const EXAMPLE = join(ROOT, 'test/example-netmonitor-go')
const hasGo = spawnSync('go', ['version']).status === 0
// CI installs it, and then having none is an error.
const isNeeded = process.env.STRATA_GO === '1'

const dir = mkdtempSync(join(tmpdir(), 'strata-go-'))
const go = (...args: string[]): { status: number | null; said: string } => {
  const { status, stdout, stderr } = spawnSync('go', args, {
    cwd: EXAMPLE,
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH ?? '',
      HOME: dir,
      GOCACHE: join(dir, 'cache'),
      GOFLAGS: '-mod=mod',
      // No C compiler is needed.
      CGO_ENABLED: '0',
      STRATA_PROGRAM: [process.execPath, join(dir, 'strata.mjs')].join('\n'),
      STRATA_OLD_MIGRATIONS: join(dir, 'old.mjs'),
    },
  })
  return { status, said: `${stdout}${stderr}` }
}

/** A build from before 2.0.0. */
const OLD = `import netmonitor from ${JSON.stringify(pathToFileURL(join(ROOT, 'dist/netmonitor.js')).href)}
import { chain, dataset } from ${JSON.stringify(pathToFileURL(join(ROOT, 'dist/index.js')).href)}
const [first] = netmonitor.chain.schemas
let old = chain(first)
for (const step of netmonitor.chain.migrations.slice(0, 2)) old = old.add(step)
export default dataset({ ...netmonitor, chain: old })
`

beforeAll(() => {
  execFileSync(process.execPath, ['build.mjs', '--single'], { cwd: ROOT })
  cpSync(join(ROOT, 'dist/strata.mjs'), join(dir, 'strata.mjs'))
  writeFileSync(join(dir, 'old.mjs'), OLD)
}, 60_000)

afterAll(() => {
  rmSync(dir, { recursive: true, force: true })
})

test.skipIf(!hasGo && !isNeeded)(
  `the Go example is formatted, vetted, and its tests pass${hasGo ? '' : ' (skipped: there is no go)'}`,
  { timeout: 300_000 },
  () => {
    expect(execFileSync('gofmt', ['-l', '.'], { cwd: EXAMPLE, encoding: 'utf8' })).toBe('')
    expect(go('vet', './...')).toEqual({ status: 0, said: '' })
    const tested = go('test', '-count=1', '-v', './...')
    expect(tested.status === 0 ? '' : tested.said).toBe('')
    expect(tested.said).not.toContain('--- SKIP')
  },
)
