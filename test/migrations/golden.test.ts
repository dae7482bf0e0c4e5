import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import netmonitor from '../../migrations/index.ts'
import { testMigration } from '../../src/index.ts'
import { temporary } from '../contract/temporary.ts'
import { library, NETMONITOR } from '../support/library.ts'
import { ROOT } from '../support/sandbox.ts'

/* NetMonitor's own migrations, held against the results that were recorded when they were released. */

const GOLDEN = join(ROOT, 'migrations/golden')

test.each(netmonitor.chain.migrations.map((m) => [m.to.version, m] as const))('%s does what it did when it was released', (version, m) => {
  testMigration(m, join(GOLDEN, version), { layout: 'go' })
})

const copy = (): string => {
  const dir = join(temporary(), 'golden')
  cpSync(GOLDEN, dir, { recursive: true })
  return dir
}
const lint = async (samples: string, record = false) => library.lint(NETMONITOR, { samples, record })
const edit = (path: string, change: (text: string) => string): void => {
  const before = readFileSync(path, 'utf8')
  const after = change(before)
  expect(after).not.toBe(before)
  writeFileSync(path, after)
}

test('strata lint finds nothing, and changes nothing that is recorded', async () => {
  const samples = copy()
  expect(await lint(samples, true)).toEqual({ migrations: netmonitor.chain.migrations.length, findings: [], recorded: [] })
  expect(readFileSync(join(samples, '1.2.0/sample.json'))).toEqual(readFileSync(join(GOLDEN, '1.2.0/sample.json')))
})

test('a golden sample that was edited is noticed, and recording does not cover it up', async () => {
  const samples = copy()
  edit(join(samples, '1.2.0/before/config.json'), (text) => text.replace('99.0', '99'))
  for (const record of [false, true])
    expect(await lint(samples, record)).toMatchObject({
      findings: [{ code: 'SAMPLE_EDITED', step: '1.2.0', file: 'config.json', severity: 'error' }],
      recorded: [],
    })
})

test('so is one that is gone, or new', async () => {
  const samples = copy()
  rmSync(join(samples, '1.2.0/before/data/2025-12-10.json'))
  cpSync(join(samples, '1.2.0/before/data/2025-12-08.json'), join(samples, '1.2.0/before/data/2025-12-07.json'))
  const { findings } = await lint(samples)
  expect(findings.map((f) => [f.code, f.file])).toEqual([
    ['SAMPLE_EDITED', 'data/2025-12-10.json'],
    ['SAMPLE_EDITED', 'data/2025-12-07.json'],
  ])
})

test('white space alone is no edit', async () => {
  const samples = copy()
  edit(join(samples, '1.1.0/before/config.json'), (text) => text.replaceAll('\n', '\r\n'))
  expect((await lint(samples)).findings).toEqual([])
})

test('a migration that behaves otherwise than when it was released is noticed', async () => {
  const samples = copy()
  edit(join(samples, '2.1.0/sample.json'), (text) => text.replace(/("aggregated\/2025-12-08-daily.json": ")../, '$1ff'))
  expect((await lint(samples)).findings).toMatchObject([
    { code: 'BEHAVIOUR_CHANGED', step: '2.1.0', file: 'aggregated/2025-12-08-daily.json', severity: 'error' },
  ])
})

test('a record that is none is CORRUPT', async () => {
  const samples = copy()
  writeFileSync(join(samples, '1.1.0/sample.json'), '{"before":{},"after":[1]}')
  await expect(lint(samples)).rejects.toMatchObject({ code: 'CORRUPT', data: { file: expect.stringContaining('1.1.0') } })
})
