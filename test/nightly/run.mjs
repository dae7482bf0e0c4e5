#!/usr/bin/env node
// `npm run nightly [part …]`: the long runs. A part is the name of a `*.nightly.ts` file; without one, all of them, one after another.
// Prints what each part counted as a table; test/README.md keeps the figures of the last run.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const all = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.nightly.ts'))
  .sort()
const nameOf = (path) => basename(path, '.nightly.ts')
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !all.some((path) => nameOf(path) === name))
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}. The parts are: ${all.map(nameOf).join(', ')}`)
  process.exit(2)
}
const parts = wanted.length === 0 ? all : all.filter((path) => wanted.includes(nameOf(path)))
const figures = mkdtempSync(join(tmpdir(), 'strata-nightly-'))
const rows = parts.map((path) => {
  const began = Date.now()
  const { status } = spawnSync(
    process.execPath,
    [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--config', 'test/nightly/vitest.config.ts', `test/${path}`],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, STRATA_FIGURES: figures } },
  )
  let counted = {}
  try {
    counted = JSON.parse(readFileSync(join(figures, `${nameOf(path)}.json`), 'utf8'))
  } catch {
    // It failed before it had counted anything.
  }
  const text = Object.entries(counted).map(
    ([name, value]) => `${typeof value === 'number' ? value.toLocaleString('en-US') : value} ${name}`,
  )
  return {
    ok: status === 0,
    line: `| ${nameOf(path)} | ${status === 0 ? 'passed' : 'FAILED'} | ${text.join(', ')} | ${Math.round((Date.now() - began) / 1000)} s |`,
  }
})
rmSync(figures, { recursive: true, force: true })
console.log(['', '| part | result | counted | time |', '|---|---|---|---|', ...rows.map(({ line }) => line)].join('\n'))
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1
