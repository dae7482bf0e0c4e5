import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, statfsSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { limitsOf, tooLong, unportable } from '../../src/core/portable.ts'
import { temporary } from '../contract/temporary.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { AS_NOBODY, ROOT, sandboxAt } from '../support/sandbox.ts'
import { TOY, toyCaptured, toyMigrated, toyModule } from '../support/toy.ts'
import { fingerprint, put, putAll } from '../support/tree.ts'

type Found = { level: string; code: string; message: string; hint: string; file: string | null; count: number }

const preflightOf = (box: Sandbox, ...args: string[]): Found[] => box.doc('plan', ...args).preflight
const codes = (found: readonly Found[], level?: string): string[] =>
  found.flatMap((f) => (level === undefined || f.level === level ? [f.code] : []))

/** A captured store with further files in its active directory, as the application left them an hour ago. */
const withFiles = (files: Readonly<Record<string, string>>): Sandbox => {
  const box = toyCaptured(toyModule())
  const anHourAgo = Date.now() / 1000 - 3600
  for (const [path, text] of Object.entries(files)) {
    put(box.active(), path, text)
    utimesSync(join(box.active(), path), anHourAgo, anHourAgo)
  }
  return box
}

/** A store that was captured from the directory beside it: in a copied one the original lies where it was made. */
const owned = (): Sandbox => {
  const box = sandboxAt(temporary(), toyModule())
  putAll(box.data, TOY)
  box.ok('init', '--from', box.data)
  return box
}

const isRoot = process.getuid?.() === 0

/** A file system of its own; undefined where it can't be mounted. */
const tmpfs = (options: string): string | undefined => {
  const dir = temporary()
  if (!isRoot || spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir]).status !== 0) return undefined
  onTestFinished(() => {
    execFileSync('umount', ['-l', dir])
  })
  return dir
}

/** The toy store moved to a small disk; what is needed is more than what it offers. */
const onSmallDisk = (skip: (why: string) => never, options: string, files: Readonly<Record<string, string>> = {}): Sandbox => {
  const disk = tmpfs(options) ?? skip('a small disk is a tmpfs, which only root may mount')
  const made = toyCaptured(toyModule())
  cpSync(made.dir, disk, { recursive: true, preserveTimestamps: true })
  const box = sandboxAt(disk, toyModule())
  rmSync(join(box.store, 'reserve'), { force: true })
  for (const [path, text] of Object.entries(files)) put(box.active(), path, text)
  return box
}

describe('a plan', () => {
  it('with nothing in its way says how much space it needs and how much there is, and nothing else', () => {
    const found = preflightOf(toyCaptured(toyModule()))
    expect(found).toEqual([
      {
        level: 'info',
        code: 'SPACE',
        message: expect.stringMatching(/^\d+ bytes are needed, and \d+ to spare; \d+ are free$/),
        hint: '',
        file: null,
        count: 1,
      },
    ])
  })

  it('that has nothing to do needs no space', () => {
    expect(preflightOf(toyMigrated())).toEqual([])
  })

  it('asks for 1.6 times the data for each step, and three per cent to spare', () => {
    const box = withFiles({ 'more.txt': 'x'.repeat(100_000) })
    const bytes = Object.values(TOY).reduce((sum, text) => sum + text.length, 100_000)
    const needed = Math.ceil(bytes * 2 * 1.6)
    expect(preflightOf(box)[0]?.message).toContain(`${needed} bytes are needed, and ${Math.ceil(needed * 0.03)} to spare`)
    expect(preflightOf(box, '--to', '2.0.0')[0]?.message).toContain(`${Math.ceil(bytes * 1.6)} bytes`)
  })

  it('writes nothing, whatever it finds, and neither does a dry run', () => {
    const box = withFiles({ 'CON.txt': 'x', 'days/1.json': '[{"n": 7}]' })
    const before = fingerprint(box.store)
    for (const args of [['plan'], ['plan', '--json'], ['migrate', '--dry-run'], ['migrate', '--dry-run', '--json']]) box.run(args)
    expect(fingerprint(box.store)).toEqual(before)
  })

  it('is for people, too: blockers first, then decisions, then the rest, with what to do', () => {
    const box = owned()
    put(box.active(), 'aux.txt', 'x')
    put(box.data, 'days/9.json', '[{"n": 9}]')
    const { stdout, code } = box.run(['plan'])
    expect(code).toBe(2)
    const at = ['decision ORIGINAL_CHANGED', 'strata adopt', 'info     SPACE', 'info     NAME_RESERVED'].map((words) =>
      stdout.indexOf(words),
    )
    expect(at).not.toContain(-1)
    expect(at).toEqual([...at].sort((a, b) => a - b))
  })

  it('shows no control characters of a name', () => {
    expect(withFiles({ 'a\u001b[31m.txt ': 'x' }).run(['plan']).stdout).not.toContain('\u001b[31m')
  })
})

describe('names that another system would not take', () => {
  it('are told, with the first of them and their number, and migrate goes on', () => {
    const box = withFiles({ CON: '1', 'x/nul.txt': '2', 'dot.': '3', 'a:b': '4', README: '5', readme: '6', é: '7', 'e\u0301': '8' })
    expect(preflightOf(box).slice(1)).toMatchObject([
      { level: 'info', code: 'NAME_RESERVED', count: 2 },
      { level: 'info', code: 'NAME_TRAILING', file: 'dot.', count: 1 },
      { level: 'info', code: 'NAME_CHARACTERS', file: 'a:b', count: 1 },
      { level: 'info', code: 'NAMES_COLLIDE', count: 2 },
    ])
    box.ok('migrate')
    expect(readdirSync(box.active())).toEqual(expect.arrayContaining(['CON', 'dot.', 'a:b', 'README', 'readme', 'é', 'e\u0301']))
  })

  it.each(['con', 'Aux.json', 'a/prn', 'NUL.tar.gz', 'COM1', 'lpt9.x', 'com\u00b9', 'CONIN$'])('%j is reserved', (path) => {
    expect(unportable([path])).toEqual([{ code: 'NAME_RESERVED', paths: [path] }])
  })

  it.each(['console', 'auxiliary', 'com', 'com10', 'a.con', 'nul_', 'lptx'])('%j is not', (path) => {
    expect(unportable([path])).toEqual([])
  })

  it('folders collide once for all that is in them', () => {
    expect(unportable(['Data/a', 'data/a', 'data/b', 'Data/c'])).toEqual([{ code: 'NAMES_COLLIDE', paths: ['data', 'data/a'] }])
    expect(unportable(['STRASSE', 'straße'])).toMatchObject([{ code: 'NAMES_COLLIDE' }])
    expect(unportable(['a/x', 'b/X'])).toEqual([])
  })

  it('a path or name is too long by its bytes, not its characters', () => {
    const limits = { path: 20, name: 8 }
    expect(tooLong('/root', ['123456/789012', '123456/7890123', '123456/7890123456789'], { ...limits, path: 20 })).toEqual({
      paths: ['123456/7890123456789'],
      names: ['123456/7890123456789'],
    })
    expect(tooLong('/', ['éééé', 'ééééé'], limits)).toEqual({ paths: [], names: ['ééééé'] })
    expect([limitsOf('linux').path, limitsOf('darwin').path]).toEqual([4095, 1023])
  })

  it('a path that would become too long for the system is a blocker: nothing is begun', () => {
    // The second version has a longer name than the first.
    const module = join(temporary(), 'longer.mjs')
    writeFileSync(module, readFileSync(toyModule(), 'utf8').replaceAll("'2.0.0'", "'2.0.10'"))
    const box = sandboxAt(toyCaptured(module).dir, module)
    const room = 4095 - Buffer.byteLength(box.active()) - 1 - '/f'.length
    const names = Array.from({ length: Math.floor(room / 200) }, () => 'd'.repeat(199))
    const rest = room - names.length * 200
    makeDeep(box.active(), [...names, 'e'.repeat(rest)].join('/'))
    expect(preflightOf(box)).toContainEqual(expect.objectContaining({ level: 'blocker', code: 'PATH_TOO_LONG', count: 1 }))
    expect(codes(preflightOf(box, '--to', '1.0.0'))).not.toContain('PATH_TOO_LONG')
    const before = readdirSync(join(box.store, 'snapshots'))
    expect(box.refused('migrate')).toMatchObject({ code: 'UNSUPPORTED_NAME', hint: expect.stringContaining('Nothing was changed') })
    expect(readdirSync(join(box.store, 'snapshots'))).toEqual(before)
  })
})

/** A file at the end of a path that no single call would take. */
const makeDeep = (root: string, dir: string): void => {
  execFileSync('sh', ['-c', `cd "$0" && for d in $(echo "$1" | tr / ' '); do mkdir "$d" && cd "$d" || exit 1; done; echo x > f`, root, dir])
}

describe('decisions that a plan leaves to people', () => {
  it('a hold after a rollback: since when, why, and how it ends', () => {
    const box = toyMigrated()
    box.ok('rollback')
    put(box.active(), 'days/1.json', '[{"n": 7}]')
    expect(preflightOf(box)).toContainEqual(
      expect.objectContaining({
        level: 'decision',
        code: 'ON_HOLD',
        message: expect.stringContaining('rolled back from 3.0.0 to 1.0.0'),
        hint: expect.stringContaining('redo'),
      }),
    )
    box.ok('migrate')
    expect(codes(preflightOf(box))).not.toContain('ON_HOLD')
  })

  it('an original directory that has been written to, until it is adopted', () => {
    const own = owned()
    expect(codes(preflightOf(own), 'decision')).toEqual([])
    put(own.data, 'days/1.json', '[{"n": 1},\n {"n": 2}, {"n": 4}]')
    put(own.data, 'days/3.json', '[]')
    expect(preflightOf(own)).toContainEqual(
      expect.objectContaining({
        level: 'decision',
        code: 'ORIGINAL_CHANGED',
        count: 2,
        file: 'days/1.json',
        hint: expect.stringContaining('adopt'),
      }),
    )
    own.ok('adopt')
    expect(codes(preflightOf(own))).not.toContain('ORIGINAL_CHANGED')
  })

  it('three failed attempts in a row, not two', () => {
    const box = toyCaptured(toyModule({ record: '() => { throw new Error("boom") }' }))
    for (const wanted of [[], [], ['FAILED_REPEATEDLY']]) {
      box.run(['migrate'])
      expect(codes(preflightOf(box), 'decision')).toEqual(wanted)
    }
    expect(preflightOf(box)).toContainEqual(expect.objectContaining({ code: 'FAILED_REPEATEDLY', count: 3 }))
  })

  it('damaged files that are left out, each once', () => {
    const box = toyMigrated()
    put(box.active(), 'days/2.json', '{"header": {"schemaVersion": "2.0.0"}, "list": [')
    box.ok('checkpoint')
    expect(preflightOf(box)).toContainEqual(
      expect.objectContaining({ level: 'decision', code: 'DAMAGED_FILES', file: 'days/2.json', count: 1 }),
    )
  })

  it('an application that has written within the last two seconds, and no longer when it has been quiet', () => {
    const box = toyCaptured(toyModule())
    put(box.active(), 'days/1.json', '[{"n": 7}]')
    expect(preflightOf(box)).toContainEqual(
      expect.objectContaining({ level: 'decision', code: 'APPLICATION_WRITING', file: 'days/1.json' }),
    )
    const before = Date.now() / 1000 - 3
    utimesSync(join(box.active(), 'days/1.json'), before, before)
    expect(codes(preflightOf(box), 'decision')).toEqual([])
  })

  it('what Strata itself has just written is no application', () => {
    const box = toyCaptured(toyModule())
    box.ok('migrate', '--to', '2.0.0')
    expect(codes(preflightOf(box), 'decision')).toEqual([])
  })
})

describe('a blocker is told by plan, and migrate refuses because of it before anything is changed', () => {
  const refusesBeforeAnything = (box: Sandbox, code: string, error: string): void => {
    const found = preflightOf(box).filter((f) => f.level === 'blocker')
    expect(codes(found)).toContain(code)
    for (const f of found) expect(f.hint).not.toBe('')
    const before = [box.snapshot(), readdirSync(join(box.store, 'snapshots')), readdirSync(join(box.store, 'staging'))]
    expect(box.refused('migrate').code).toBe(error)
    expect([box.snapshot(), readdirSync(join(box.store, 'snapshots')), readdirSync(join(box.store, 'staging'))]).toEqual(before)
    expect(box.doc('history').some((e: { type: string }) => e.type === 'MigrationStarted')).toBe(false)
  }

  it('too few bytes', ({ skip }) => {
    const box = onSmallDisk(skip, 'size=4m', { 'days/9.json': `[${'{"n": 1},'.repeat(150_000)}{"n": 2}]` })
    refusesBeforeAnything(box, 'NO_SPACE', 'NO_SPACE')
  })

  it('too few inodes', ({ skip }) => {
    const files = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`more/${i}.txt`, 'x']))
    const box = onSmallDisk(skip, 'size=20m,nr_inodes=3000', files)
    mkdirSync(join(box.dir, 'filled'))
    for (let left = statfsSync(box.dir).ffree; left > 60; left--) writeFileSync(join(box.dir, 'filled', `${left}`), '')
    refusesBeforeAnything(box, 'NO_INODES', 'NO_SPACE')
  })

  it('a disk that is mounted read-only', ({ skip }) => {
    const box = onSmallDisk(skip, 'size=20m')
    execFileSync('mount', ['-o', 'remount,ro', box.dir])
    const found = preflightOf(box).filter((f) => f.level === 'blocker')
    expect(found[0]).toMatchObject({ code: 'NOT_WRITABLE', message: expect.stringContaining('read-only'), file: box.store })
    expect(box.refused('migrate').code).toBe('READ_ONLY')
  })

  it('folders that the user may not write: looked at, not tried', ({ skip }) => {
    if (!isRoot) skip('another user is needed, and only root may become one')
    const box = owned()
    chmodSync(box.dir, 0o755)
    for (const path of readdirSync(box.store, { recursive: true, encoding: 'utf8' })
      .map((name) => join(box.store, name))
      .concat(box.store))
      chmodSync(path, statSync(path).isDirectory() ? 0o755 : 0o644)
    const module = toyModule()
    const cli = join(ROOT, 'dist/cli.cjs')
    const before = fingerprint(box.store)
    const run = (...args: string[]) =>
      spawnSync(AS_NOBODY[0], [...AS_NOBODY.slice(1), process.execPath, cli, '--store', box.store, '--migrations', module, ...args], {
        encoding: 'utf8',
        cwd: '/',
        env: { PATH: process.env.PATH ?? '' },
      }) // prettier-ignore
    const planned = run('plan', '--json')
    expect(planned.stderr).toBe('')
    const found: Found[] = JSON.parse(planned.stdout).preflight
    expect(found.filter((f) => f.level === 'blocker').map((f) => f.file)).toEqual(
      ['', '/journal', '/snapshots', '/staging', '/index', '/repo.git', '/repo.git/objects/pack'].map((name) => box.store + name),
    )
    expect(found).toContainEqual(expect.objectContaining({ code: 'NOT_WRITABLE', message: expect.stringContaining('EACCES') }))
    expect(JSON.parse(run('migrate', '--json').stdout).error.code).toMatch(/READ_ONLY|UNTRUSTED/)
    expect(fingerprint(box.store)).toEqual(before)
  })
})

it('a file that has grown since it was committed counts with its present size', () => {
  const box = toyCaptured(toyModule())
  const [small] = preflightOf(box)
  writeFileSync(join(box.active(), 'days/2.json'), `[${'{"n": 1},'.repeat(1000)}{"n": 2}]`)
  const [large] = preflightOf(box)
  const needed = (f: Found | undefined): number => Number.parseInt(f?.message ?? '', 10)
  expect(needed(large)).toBeGreaterThan(needed(small) + 20_000)
})
