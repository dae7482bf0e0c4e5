import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What `entry` loads before it runs: package names and built-ins, by static imports and `require` alone, each with the file that names it. */
const loadedAtStart = async (entry: string): Promise<Map<string, string>> => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    write: false,
    metafile: true,
    treeShaking: false,
    logLevel: 'silent',
  })
  const packages = new Map<string, string>()
  const seen = new Set<string>()
  const queue = [entry]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    for (const { path, kind, external } of metafile.inputs[file]?.imports ?? []) {
      if (kind !== 'import-statement' && kind !== 'require-call') continue
      if (external) packages.set(path, file)
      else queue.push(path)
    }
  }
  return packages
}

// `semver/functions/compare.js` is small; the full entry, and range parsing, are not.
const heavy = /^(zod|isomorphic-git|chokidar|nanoid|diff|uuid|@msgpack)(\/|$)|^semver($|\/(index|preload|ranges|classes\/range))/

describe('the start-up path', () => {
  // Until there is a command line there is nothing to look at; from then on a missing build is a failure.
  test.runIf(existsSync(join(root, 'src/cli/main.ts')))('loads no heavy package before it needs one', async () => {
    expect(existsSync(join(root, 'dist/cli.cjs')), 'dist/cli.cjs is missing: run `node build.mjs`').toBe(true)
    for (const entry of ['dist/cli.cjs', 'dist/open.js']) {
      const packages = await loadedAtStart(entry)
      const found = [...packages].filter(([name]) => heavy.test(name)).map(([name, file]) => `${name}, imported by ${file}`)
      expect(found).toEqual([])
    }
  })

  test('the reader of built files sees static imports through chunks, and leaves dynamic ones out', async () => {
    const packages = await loadedAtStart('test/architecture/fixtures/entry.js')
    expect([...packages.keys()].sort()).toEqual(['node:fs', 'semver/functions/compare.js', 'zod'])
    expect([...packages.keys()].filter((name) => heavy.test(name))).toEqual(['zod'])
    expect([...(await loadedAtStart('test/architecture/fixtures/entry.cjs')).keys()]).toEqual(['zod'])
  })
})
