import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/** The examples of README.md and CONTRIBUTING.md, run as they stand; the command table, held against the program. */

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const CONTRIBUTING = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8')
const scratch = mkdtempSync(join(tmpdir(), 'strata-documents-'))

const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(scratch, path)), { recursive: true })
  writeFileSync(join(scratch, path), text)
}

/** Runs Node in the scratch directory; fails loudly. */
const node = (...args: string[]): string => {
  const run = spawnSync(process.execPath, args, { cwd: scratch, encoding: 'utf8' })
  if (run.status !== 0) throw new Error(`node ${args.join(' ')}: exit ${run.status}\n${run.stdout}${run.stderr}`)
  return run.stdout
}

const codeBlock = (document: string): string => /```js\n([\s\S]*?)```/.exec(document)?.[1] ?? ''

beforeAll(() => {
  // An application that has installed Strata: packages are found by their names.
  mkdirSync(join(scratch, 'node_modules'))
  symlinkSync(ROOT, join(scratch, 'node_modules/strata-store'), 'junction')
  symlinkSync(join(ROOT, 'node_modules/zod'), join(scratch, 'node_modules/zod'), 'junction')
})
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
})

test('the library in ten lines runs, and does what its comments say', () => {
  const code = codeBlock(README)
  expect(code.trim().split('\n').length).toBeLessThanOrEqual(11)
  put('NetMonitor/config.json', JSON.stringify({ regions: {}, settings: { test_interval_minutes: 5 } }))
  put('NetMonitor/data/2025-12-08.json', '[]')
  put('library.mjs', code)
  const [started = '', valid] = node('library.mjs').trim().split('\n')
  expect(started.startsWith('true ')).toBe(true)
  expect(existsSync(join(started.slice(5), 'config.json'))).toBe(true)
  expect(valid).toBe('true')
})

test('the main process of an Electron application runs as it stands: upgrades with progress, and rolls back when the window asks', () => {
  const code = README.slice(README.indexOf('### Electron'))
  put('electron/main.mjs', codeBlock(code))
  put('electron/migrations.mjs', codeBlock(CONTRIBUTING))
  put('electron/user/data/notes/today.json', '[{"text":"write","minutes":2}]')
  // Stands for Electron: what the example calls, and what a user then does.
  put(
    'node_modules/electron/index.js',
    `const said = []
export const app = { getPath: () => ${JSON.stringify(join(scratch, 'electron/user'))}, whenReady: async () => undefined }
export class BrowserWindow {
  webContents = { send: (channel, value) => said.push([channel, value.phase ?? value]) }
  loadFile = async () => {
    await handlers.get('rollback')()
    console.log(JSON.stringify(said))
  }
}
const handlers = new Map()
export const ipcMain = { handle: (name, run) => handlers.set(name, run) }`,
  )
  put('node_modules/electron/package.json', '{"name":"electron","type":"module","main":"index.js"}')
  const said = JSON.parse(node('electron/main.mjs')) as [string, string][]
  expect(said.filter(([channel]) => channel === 'migration').map(([, phase]) => phase)).toContain('migrating')
  const [, directory = ''] = said.find(([channel]) => channel === 'data') ?? []
  expect(JSON.parse(readFileSync(join(directory, 'notes/today.json'), 'utf8'))).toMatchObject({ schemaVersion: '2.0.0' })
  const store = join(scratch, 'electron/user/store')
  expect((JSON.parse(readFileSync(join(store, 'CURRENT'), 'utf8')) as { schemaVersion: string }).schemaVersion).toBe('1.0.0')
})

describe('the migrations of another application', () => {
  const cli = (...args: string[]): string =>
    node(join(ROOT, 'dist/cli.cjs'), '-q', '--store', 'notes', '--migrations', 'notes.mjs', ...args)
  const original = '[\n  {"text": "write", "minutes": 2},\n  {"text": "rest", "minutes": 1.5, "mood": 1.0}\n]'

  beforeAll(() => {
    put('notes.mjs', codeBlock(CONTRIBUTING))
    put('data/settings.json', '{"font":"serif"}')
    put('data/notes/today.json', original)
    cli('init', '--from', 'data')
    cli('migrate')
  })

  test('go forward: records, a derived file, and a file that stays as it is', () => {
    const expected = [
      { text: 'write', seconds: 120 },
      { text: 'rest', mood: 1, seconds: 90 },
    ]
    const text = cli('show', '@:notes/today.json')
    expect(JSON.parse(text)).toEqual({ schemaVersion: '2.0.0', notes: expected })
    expect(text).toContain('"mood": 1.0')
    expect(JSON.parse(cli('show', '@:totals/today.json'))).toEqual({ seconds: 210 })
    expect(cli('show', '@:settings.json')).toBe('{"font":"serif"}')
  })

  test('and back to the original bytes', () => {
    cli('rollback')
    expect(readFileSync(join(cli('path').trim(), 'notes/today.json'), 'utf8')).toBe(original)
  })
})

describe('README.md', () => {
  const help = (...args: string[]): string => node(join(ROOT, 'dist/cli.cjs'), ...args, '--help')
  const rows = [...README.matchAll(/^\| `([a-z]+)([^`]*)` \|(.*)\|(.*)\|$/gm)]

  test('lists every command, with every option', () => {
    const commands = [...help().matchAll(/^ {2}([a-z]+)( .*)? {2}/gm)].map(([, name]) => name)
    expect(rows.map(([, name]) => name)).toEqual(commands)
    const global = new Set([...help().matchAll(/--([a-z-]+)/g)].map(([, option]) => option))
    for (const [, name = '', , , options = ''] of rows) {
      const known = [...help(name).matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(([, option]) => option)
      const told = [...options.matchAll(/--([a-z-]+)/g)].map(([, option]) => option)
      expect(told, name).toEqual(known.filter((option) => !global.has(option)))
    }
    for (const option of global) expect(README).toContain(`--${option ?? ''}`)
  })

  test('and the other documents link only to what is there', () => {
    for (const name of [
      'README.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      'REFERENCE.md',
      'API.md',
      'store/README.md',
      'test/README.md',
      'test/example-netmonitor-go/README.md',
    ]) {
      const text = readFileSync(join(ROOT, name), 'utf8')
      for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g))
        if (!target.startsWith('https:')) expect(existsSync(join(ROOT, dirname(name), target)), `${name}: ${target}`).toBe(true)
    }
  })
})

test('CONTRIBUTING.md names files that are there', () => {
  const page = CONTRIBUTING.slice(0, CONTRIBUTING.indexOf('## Checks'))
  for (const [, path = ''] of page.matchAll(/`((?:core|storage|engine|cli)\/[\w/-]+\.ts)`/g))
    expect(existsSync(join(ROOT, 'src', path)), path).toBe(true)
  expect(readdirSync(join(ROOT, 'migrations'))).toEqual(expect.arrayContaining(['schemas.ts', 'header.ts', 'initial.ts', 'index.ts']))
})
