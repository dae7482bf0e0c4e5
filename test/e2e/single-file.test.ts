import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT, captured, sample } from '../support/sandbox.ts'
import { toyModule } from '../support/toy.ts'
import { contents, putAll } from '../support/tree.ts'

/** The program for people without Node's packages, or without Node: built, put where nothing else is, and used. */

const dir = mkdtempSync(join(tmpdir(), 'strata-single-'))
// A folder of its own: nothing that the file might want by mistake is in any folder above it.
const alone = join(dir, 'program')

beforeAll(() => {
  mkdirSync(alone)
  execFileSync(process.execPath, ['build.mjs', '--single', '--executable'], { cwd: ROOT })
  cpSync(join(ROOT, 'dist/strata.mjs'), join(alone, 'strata.mjs'))
  cpSync(join(ROOT, 'dist/executable/strata'), join(alone, 'strata'))
}, 120_000)

afterAll(() => {
  rmSync(dir, { recursive: true, force: true })
  rmSync(join(ROOT, 'dist/executable'), { recursive: true, force: true })
})

const PROGRAMS = {
  'the single file': [process.execPath, join(alone, 'strata.mjs')],
  'the single executable': [join(alone, 'strata')],
} as const

describe.each(Object.entries(PROGRAMS))('%s', (name, [program, ...before]) => {
  const place = join(dir, name)
  const strata = (...args: string[]): string =>
    // No PATH and no HOME: it needs nothing from outside.
    execFileSync(program, [...before, '--store', join(place, 'store'), ...args], {
      encoding: 'utf8',
      env: {},
      stdio: ['ignore', 'pipe', 'pipe'],
    })

  test('does the main job: capture, migrate, verify, roll back, redo; its files are those of the package', () => {
    const box = captured(sample(7))
    box.ok('migrate')
    putAll(join(place, 'data'), sample(7))
    strata('init', '--from', join(place, 'data'))
    strata('migrate')
    expect(contents(strata('path').trim())).toEqual(contents(box.active()))
    expect(JSON.parse(strata('verify', '--json'))).toMatchObject({ valid: true })
    strata('rollback')
    expect(contents(strata('path').trim())).toEqual(contents(join(place, 'data')))
    strata('redo')
    expect(strata('history')).toContain('redo')
    expect(strata('status')).toContain('up to date')
    expect(strata('--version').trim()).toBe((JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version)
  })

  test('migrates a chain that is not its own, in its workers', () => {
    const own = join(dir, `${name} own`)
    mkdirSync(join(own, 'data/days'), { recursive: true })
    const module = toyModule({
      setup: "import { isMainThread } from 'node:worker_threads'",
      record: '(r) => ({ ...r, worked: isMainThread ? "here" : "worker" })',
    })
    writeFileSync(join(own, 'data/settings.json'), '{"items": []}')
    // More than what is done on the main thread, which takes no file as large as these either.
    const records = JSON.stringify(Array.from({ length: 25_000 }, (_, n) => ({ n, pad: 'x'.repeat(80) })))
    for (let day = 0; day < 4; day++) writeFileSync(join(own, `data/days/${day}.json`), records)
    const words = ['--migrations', module, '--store', join(own, 'store')]
    const run = (...args: string[]): string =>
      execFileSync(program, [...before, ...words, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    run('init', '--from', join(own, 'data'))
    run('migrate')
    const day = readFileSync(join(run('path').trim(), 'days/1.json'), 'utf8')
    expect(new Set(Array.from(day.matchAll(/"worked": ?"(\w+)"/g), ([, where]) => where))).toEqual(new Set(['worker']))
  })
})
