import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { temporary } from '../contract/temporary.ts'
import { ROOT } from '../support/sandbox.ts'

/* "Write your first migration" in CONTRIBUTING.md, followed to the letter: its files are written, its commands run, in their order. */

type Block = { kind: string; file: string; body: string }

const guide = (): Block[] => {
  const page = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8')
  const section = page.slice(page.indexOf('## Write your first migration'), page.indexOf('## Add a migration for NetMonitor'))
  return [...section.matchAll(/```(\w+) ?(\S*)\n([\s\S]*?)```/g)].map(([, kind = '', file = '', body = '']) => ({ kind, file, body }))
}

/** A project that has installed what step 1 says. */
const project = (): string => {
  const dir = temporary()
  mkdirSync(join(dir, 'node_modules'))
  symlinkSync(ROOT, join(dir, 'node_modules/strata-store'), 'junction')
  for (const name of ['zod', 'vitest']) symlinkSync(join(ROOT, 'node_modules', name), join(dir, 'node_modules', name), 'junction')
  return dir
}

const PROGRAMS: Readonly<Record<string, string>> = { strata: 'dist/cli.cjs', vitest: 'node_modules/vitest/vitest.mjs' }

const run = (dir: string, line: string): string => {
  const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '')
  const [npx, program = '', ...args] = words
  expect(npx, line).toBe('npx')
  const env = { PATH: process.env.PATH ?? '', HOME: dir, NO_COLOR: '1' }
  const ran = spawnSync(process.execPath, [join(ROOT, PROGRAMS[program] ?? ''), ...args], { cwd: dir, encoding: 'utf8', env })
  expect(`${line}: ${ran.status} ${ran.status === 0 ? '' : `${ran.stdout}${ran.stderr}`}`).toBe(`${line}: 0 `)
  return ran.stdout
}

test('works as it stands: every command succeeds and prints what the guide says', () => {
  const dir = project()
  const blocks = guide()
  let said = ''
  let commands = 0
  for (const { kind, file, body } of blocks) {
    if (kind === 'js' || kind === 'json') {
      mkdirSync(dirname(join(dir, file)), { recursive: true })
      // Step 3 opens a file that step 2 has made; what the first steps write is not there yet.
      if (/\d/.test(file)) expect(existsSync(join(dir, file)), file).toBe(true)
      writeFileSync(join(dir, file), body.trimEnd())
    } else if (kind === 'sh') {
      const lines = body.trim().split('\n')
      said = lines.map((line) => run(dir, line)).join('\n')
      commands += lines.length
    } else if (kind === 'text') for (const line of body.trim().split('\n')) expect(said).toContain(line.trim())
    else throw new Error(`the guide has a block of ${kind}`)
  }
  expect(commands).toBeGreaterThan(7)
  expect(blocks.filter((b) => b.kind === 'text').length).toBeGreaterThan(2)
  // And it ended where it began: the data is as the application wrote it, byte for byte.
  const active = run(dir, 'npx strata path').trim()
  expect(readFileSync(join(active, 'settings.json'), 'utf8')).toBe(readFileSync(join(dir, 'data/settings.json'), 'utf8'))
  expect(readdirSync(join(dir, 'migrations/golden/2.0.0'))).toEqual(['before', 'sample.json'])
}, 120_000)
