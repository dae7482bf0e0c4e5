import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
const { forbidden } = createRequire(import.meta.url)(join(root, '.dependency-cruiser.cjs')) as {
  forbidden: { name: string; severity: string }[]
}

type Tree = Record<string, string>

/** A product in miniature: every import that the layers allow. */
const sound: Tree = {
  'package.json': JSON.stringify({
    type: 'module',
    dependencies: { zod: '1', semver: '1', nanoid: '1', diff: '1', 'isomorphic-git': '1', surplus: '1' },
    devDependencies: { linter: '1' },
  }),
  ...Object.fromEntries(
    ['zod', 'semver', 'nanoid', 'diff', 'isomorphic-git', 'surplus', 'linter'].flatMap((name) => [
      [`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' })],
      [`node_modules/${name}/index.js`, 'exports.x = 1'],
    ]),
  ),
  'src/core/errors.ts':
    "import { createHash } from 'node:crypto'\nimport { z } from 'zod'\nimport semver from 'semver'\nexport const x = [createHash, z, semver]",
  'src/storage/fs.ts':
    "import fs from 'node:fs'\nimport git from 'isomorphic-git'\nimport { x } from '../core/errors.ts'\nexport const y = [fs, git, x]",
  'src/engine/open.ts':
    "import { join } from 'node:path'\nimport { setTimeout } from 'node:timers/promises'\nimport { nanoid } from 'nanoid'\nimport { y } from '../storage/fs.ts'\nexport const open = [join, setTimeout, nanoid, y]",
  'src/index.ts': "export * from './engine/open.ts'\nexport * from './core/errors.ts'",
  'src/light.ts': "export * from './engine/open.ts'",
  'src/internal.ts': "export * from './storage/fs.ts'\nexport * from './cli/main.ts'",
  'src/server/index.ts': "import http from 'node:http'\nimport { open } from '../index.ts'\nexport const serve = [http, open]",
  'src/cli/main.ts':
    "import { parseArgs } from 'node:util'\nimport { open } from '../light.ts'\nexport const main = [parseArgs, open, await import('../index.ts'), await import('../server/index.ts')]",
  'migrations/index.ts': "import { z } from 'zod'\nimport { open } from '../src/index.ts'\nexport default [z, open]",
  'test/open.test.ts': "import '../src/internal.ts'\nimport '../src/core/errors.ts'\nimport 'node:fs'\nimport 'linter'",
}

/** For every rule, files that break it, and what they say. All are planted in one tree, so each has a name of its own. */
const planted: Record<string, Tree> = {
  'no-circular': {
    'src/core/cycle-a.ts': "import { b } from './cycle-b.ts'\nexport const a = b",
    'src/core/cycle-b.ts': "import { a } from './cycle-a.ts'\nexport const b = () => a",
    'src/core/type-cycle-a.ts': "import type { B } from './type-cycle-b.ts'\nexport type A = B",
    'src/core/type-cycle-b.ts': "import type { A } from './type-cycle-a.ts'\nexport type B = A[]",
  },
  'not-unresolvable': { 'src/core/unresolvable.ts': "import './gone.ts'" },
  'no-dev-packages': { 'src/storage/dev-package.ts': "import 'linter'" },
  'core-is-pure': {
    'src/core/to-storage.ts': "import '../storage/fs.ts'",
    'src/core/to-storage-type.ts': "import type { y } from '../storage/fs.ts'\nexport type Y = typeof y",
    'src/core/to-os.ts': "import 'node:os'",
    'src/core/to-nanoid.ts': "import 'nanoid'",
  },
  'storage-imports': { 'src/storage/to-engine.ts': "import '../engine/open.ts'", 'src/storage/to-surplus.ts': "import 'surplus'" },
  'engine-imports': {
    'src/engine/to-cli.ts': "import '../cli/main.ts'",
    'src/engine/to-child-process.ts': "import 'node:child_process'",
    'src/engine/to-surplus.ts': "import 'surplus'",
  },
  'cli-imports': {
    'src/cli/to-core.ts': "import '../core/errors.ts'",
    'src/cli/to-engine-later.ts': "export const a = await import('../engine/open.ts')",
  },
  'page-imports': { 'src/server/page/to-server.ts': "import '../index.ts'" },
  'server-imports': { 'src/server/to-engine.ts': "import '../engine/open.ts'", 'src/server/to-cli.ts': "import '../cli/main.ts'" },
  'barrels-stay-below': { 'src/light.ts': "import './server/index.ts'" },
  'internal-is-for-tests': {
    'src/engine/to-internal.ts': "import '../internal.ts'",
    'migrations/to-internal.ts': "import '../src/internal.ts'",
  },
  'migrations-imports': { 'migrations/to-core.ts': "import '../src/core/errors.ts'", 'migrations/to-semver.ts': "import 'semver'" },
  'src-without-migrations': { 'src/index.ts': "import '../migrations/index.ts'" },
  'no-test-in-product': {
    'src/core/to-test.ts': "import '../../test/open.test.ts'",
    'migrations/to-test.ts': "import '../test/open.test.ts'",
  },
  'fs-only-in-storage': { 'src/engine/to-fs.ts': "import 'node:fs/promises'", 'migrations/to-fs.ts': "import 'fs'" },
  'git-only-in-storage': { 'src/engine/to-git.ts': "import 'isomorphic-git'" },
}

/** Cruises `tree`, with our rules, in a folder of its own. */
const cruise = (tree: Tree): { status: number | null; output: string } => {
  const folder = mkdtempSync(join(tmpdir(), 'strata-layers-'))
  try {
    for (const name of ['.dependency-cruiser.cjs', 'tsconfig.json']) copyFileSync(join(root, name), join(folder, name))
    for (const [path, text] of Object.entries(tree)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), `${text}\n`)
    }
    const run = spawnSync(process.execPath, [cruiser, '--output-type', 'err', 'src', 'migrations', 'test'], {
      cwd: folder,
      encoding: 'utf8',
    })
    return { status: run.status, output: run.stdout + run.stderr }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('the layers', () => {
  test('a tree with every allowed import passes, and is seen', () => {
    const { status, output } = cruise(sound)
    expect(output).toMatch(/no dependency violations found \(\d\d modules, \d\d dependencies cruised\)/)
    expect(status).toBe(0)
  })

  test('every rule has a planted violation and is an error', () => {
    expect(Object.keys(planted).sort()).toEqual(forbidden.map((rule) => rule.name).sort())
    expect(forbidden.filter((rule) => rule.severity !== 'error')).toEqual([])
  })

  describe('with a violation of every rule', () => {
    const run = { status: null as number | null, output: '' }
    beforeAll(() => {
      Object.assign(run, cruise(Object.assign({}, sound, ...Object.values(planted)) as Tree))
    })

    test('the check fails', () => {
      expect(run.status).toBeGreaterThan(0)
    })

    const cases = Object.entries(planted).flatMap(([rule, tree]) => Object.keys(tree).map((file) => [rule, file] as const))
    test.each(cases)('%s names %s', (rule, file) => {
      // A cycle is reported from one of its files.
      const from = rule === 'no-circular' ? file.replace(/-[ab]\.ts$/, '-') : `${file} →`
      expect(run.output).toContain(`error ${rule}: ${from}`)
    })
  })
})
