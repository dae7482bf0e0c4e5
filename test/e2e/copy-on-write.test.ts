import { statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { temporary } from '../contract/temporary.ts'
import { REFLINKS, xfs } from '../support/mounts.ts'
import { ROOT, sandboxAt } from '../support/sandbox.ts'
import { bytesBelow, putAll } from '../support/tree.ts'

const MB = 1024 ** 2
/** The dataset of the issue has 1 GB; what a migration adds does not depend on it. */
const DAYS = 14

const url = (path: string): string => pathToFileURL(join(ROOT, path)).href

/** A step that changes `config.json` alone. */
const configOnly = (): string => {
  const path = join(temporary(), 'migrations.mjs')
  writeFileSync(
    path,
    `import { z } from '${url('node_modules/zod/index.js')}'
import { chain, dataset, file, migration, schema } from '${url('dist/index.js')}'
const days = file('data/*.json', z.unknown())
const v1 = schema('1.0.0', { config: file('config.json', z.looseObject({})), days })
const v2 = schema('2.0.0', { config: file('config.json', z.looseObject({ schemaVersion: z.string() })), days })
export default dataset({
  name: 'Large',
  detect: ({ path }) => (path === 'config.json' ? '1.0.0' : null),
  chain: chain(v1).add(migration(v1, v2, {
    description: 'a version', createdAt: '2026-01-01T00:00:00Z', changes: [],
    files: { config: { file: { migrate: (doc) => ({ schemaVersion: '2.0.0', ...doc }), rollback: ({ schemaVersion, ...rest }) => rest } } },
  })),
})
`,
  )
  return path
}

/** Numbers that deflate cannot shrink much, another million in each file. */
const dayOf = (n: number): string => {
  let seed = n + 1
  const next = (): number => (seed = (seed * 48271) % 2147483647)
  return `[${Array.from({ length: MB / 12 }, next).join(',')}]`
}

const content = (): Record<string, string> => ({
  'config.json': '{"name": "x"}',
  ...Object.fromEntries(Array.from({ length: DAYS }, (_, n) => [`data/${n}.json`, dayOf(n)])),
})

const usedOn = (dir: string): number => {
  const { blocks, bfree, bsize } = statfsSync(dir)
  return (blocks - bfree) * bsize
}

test.skipIf(!REFLINKS)('a migration of config.json alone adds less than 1 MB on a file system whose files can share blocks', () => {
  const disk = xfs(600)
  const box = sandboxAt(disk, configOnly())
  putAll(box.data, content())
  box.ok('init', '--from', box.data)
  const before = { disk: usedOn(disk), repository: bytesBelow(join(box.store, 'repo.git')) }
  box.ok('migrate')
  expect(bytesBelow(box.active())).toBeGreaterThan(10 * MB)
  expect(usedOn(disk) - before.disk).toBeLessThan(MB)
  expect(bytesBelow(join(box.store, 'repo.git')) - before.repository).toBeLessThan(MB)
  expect(box.run(['verify']).code).toBe(0)
})

test('a migration of config.json alone adds less than 1 MB to the repository anywhere', () => {
  const box = sandboxAt(temporary(), configOnly())
  putAll(box.data, content())
  box.ok('init', '--from', box.data)
  const before = bytesBelow(join(box.store, 'repo.git'))
  box.ok('migrate')
  expect(bytesBelow(join(box.store, 'repo.git')) - before).toBeLessThan(MB)
})
