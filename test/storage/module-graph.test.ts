import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { moduleGraph } from '../../src/storage/module-graph.ts'
import { temporary } from '../contract/temporary.ts'

/* Whoever misses a change of the code uses results again that no longer hold. */

/** `dist/` is the library's own folder; what it loads is known by its build. */
const project = (files: Readonly<Record<string, string>>) => {
  const root = temporary()
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  for (const [path, text] of Object.entries(files)) put(path, text)
  const look = (loadedMs = Date.now() + 10_000) => moduleGraph(join(root, 'main.mjs'), join(root, 'dist'), loadedMs)
  const hash = (): string => {
    const graph = look()
    return 'hash' in graph ? graph.hash : graph.unknown
  }
  return { root, put, look, hash, text: (path: string) => readFileSync(join(root, path), 'utf8') }
}

const PROJECT = {
  'main.mjs': [
    "import z from 'zod'",
    "import { a } from './a.mjs'",
    "export * from './b.mjs'",
    "import './side.mjs'",
    "import library from './dist/index.js'",
    "const late = await import('./late.mjs')",
    "import { createHash } from 'node:crypto'",
  ].join('\n'),
  'a.mjs': "import data from './data.json' with { type: 'json' }\nexport const a = data",
  'b.mjs': "import {\n  deep,\n} from './lib/deep.mjs'\nexport const b = deep",
  'lib/deep.mjs': 'export const deep = 1',
  'side.mjs': 'export {}',
  'late.mjs': 'export const late = 1',
  'data.json': '{"n": 1}',
  'dist/index.js': "import 'node:fs'",
  'node_modules/zod/package.json': '{"name":"zod","version":"1.0.0","dependencies":{"inner":"1"}}',
  'node_modules/zod/index.js': 'module.exports = require(process.env.X)',
  'node_modules/zod/lib/part.js': '1',
  'node_modules/zod/README.md': 'words',
  'node_modules/inner/package.json': '{"name":"inner","version":"1.0.0"}',
  'node_modules/inner/index.js': '1',
}

describe('the identity of code', () => {
  test('is the same for the same code, wherever it lies in time', () => {
    const { hash, put } = project(PROJECT)
    const before = hash()
    expect(before).toMatch(/^[0-9a-f]{64}$/)
    put('unrelated.mjs', '1')
    put('node_modules/zod/README.md', 'other words')
    expect(hash()).toBe(before)
  })

  const parts = ['main.mjs', 'a.mjs', 'b.mjs', 'lib/deep.mjs', 'side.mjs', 'late.mjs', 'data.json']
  test.each([...parts, 'node_modules/zod/package.json'])('is another when %s changes', (path) => {
    const { hash, put, text } = project(PROJECT)
    const before = hash()
    put(path, `${text(path)}\n`)
    expect(hash()).not.toBe(before)
  })

  test.each(['node_modules/zod/index.js', 'node_modules/zod/lib/part.js', 'node_modules/inner/index.js'])(
    'is another when %s of an installed package changes in size or time',
    (path) => {
      const { hash, put, root, text } = project(PROJECT)
      const before = hash()
      utimesSync(join(root, path), 1, 1)
      const later = hash()
      expect(later).not.toBe(before)
      put(path, `${text(path)} `)
      utimesSync(join(root, path), 1, 1)
      expect(hash()).not.toBe(later)
    },
  )

  test('follows links to the file behind them', () => {
    const { hash, put, root } = project({ 'main.mjs': "import './link.mjs'", 'real/file.mjs': 'export {}' })
    symlinkSync(join(root, 'real/file.mjs'), join(root, 'link.mjs'))
    const before = hash()
    put('real/file.mjs', 'export { }')
    expect(hash()).not.toBe(before)
  })
})

describe('code whose identity cannot be told has none', () => {
  const UNKNOWN: [string, string, string][] = [
    ['reads files', "import { readFileSync } from 'node:fs'", 'node:fs'],
    ['reads files by the old name', "import fs from 'fs/promises'", 'fs/promises'],
    ['asks the machine', "import os from 'node:os'", 'node:os'],
    ['opens connections', "import http from 'http'", 'http'],
    ['loads what it works out', 'const name = 1; await import(`./$' + '{name}.mjs`)', 'nobody sees'],
    ['loads what a variable names', 'await import(path)', 'nobody sees'],
    ['requires what a variable names', 'require(path)', 'nobody sees'],
    ['makes a require of its own', 'const r = createRequire(here)', 'nobody sees'],
    ['looks at the environment', 'export const x = process.env.X', 'nobody sees'],
    ['hands the process on', 'export const x = f(process)', 'nobody sees'],
    ['fetches', "export const x = await fetch('http://x')", 'nobody sees'],
    ['loads a package that is not there', "import 'absent'", 'node_modules'],
    ['loads a file that is not there', "import './absent.mjs'", 'no file'],
  ]
  test.each(UNKNOWN)('%s', (_, source, why) => {
    expect(project({ 'main.mjs': source }).look()).toEqual({ unknown: expect.stringContaining(why) })
  })

  test('a file that was touched after the program began may not be what was loaded', () => {
    expect(project(PROJECT).look(Date.now() - 60_000)).toEqual({ unknown: expect.stringContaining('has changed since') })
  })
})
