import { mkdirSync, statfsSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { temporary } from '../contract/temporary.ts'
import { ROOT } from './sandbox.ts'

/** A dataset of many large days, and a migration that changes `config.json` alone. */

export const MB = 1024 ** 2

const url = (path: string): string => pathToFileURL(join(ROOT, path)).href

/** A step that changes `config.json` alone. `more`: members of the dataset. */
export const configOnly = (more = ''): string => {
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
  ${more}
})
`,
  )
  return path
}

/** Numbers that deflate cannot shrink much, about so many megabytes, others in each file. */
const dayOf = (n: number, megabytes: number): string => {
  let seed = n + 1
  const next = (): number => (seed = (seed * 48271) % 2147483647)
  return `[${Array.from({ length: (megabytes * MB) / 11 }, next).join(',')}]`
}

/** So many files of yesterday's data. */
export const putLarge = (root: string, days: number, megabytes = 1): void => {
  mkdirSync(join(root, 'data'), { recursive: true })
  const yesterday = Date.now() / 1000 - 86_400
  const put = (path: string, text: string): void => {
    writeFileSync(join(root, path), text)
    utimesSync(join(root, path), yesterday, yesterday)
  }
  put('config.json', '{"name": "x"}')
  for (let n = 0; n < days; n++) put(`data/${n}.json`, dayOf(n, megabytes))
}

export const usedOn = (dir: string): number => {
  const { blocks, bfree, bsize } = statfsSync(dir)
  return (blocks - bfree) * bsize
}
