import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { captured, sample, sandbox } from '../support/sandbox.ts'
import { contents, fingerprint, json, put, putAll } from '../support/tree.ts'

describe('init --from', () => {
  it('captures every byte and makes it the active directory', () => {
    const box = sandbox()
    const said = box.ok('init', '--from', box.data)
    expect(contents(box.active())).toEqual(contents(box.data))
    expect(box.current().schemaVersion).toBe('1.0.0')
    expect(said).toContain(box.active())
  })

  it('never touches the original: bytes, times and listing stay through capture, migration and rollback', () => {
    const box = sandbox()
    const before = fingerprint(box.data)
    box.ok('init', '--from', box.data)
    box.ok('migrate')
    box.ok('rollback')
    box.ok('start')
    expect(fingerprint(box.data)).toEqual(before)
  })

  it('commits the bytes to a repository that stock git reads', () => {
    const box = captured()
    expect(box.git('ls-tree', '-r', '--name-only', box.snapshot(), 'files/').trim().split('\n')).toEqual(
      Object.keys(contents(box.data)).map((path) => `files/${path}`),
    )
    const day = 'data/2025-12-14.json'
    expect(box.git('show', `${box.snapshot()}:files/${day}`)).toBe(box.ok('show', `@:${day}`))
  })

  it('keeps names and folders that git or a shell would trip over', () => {
    const files = { ...Object.fromEntries(sample(1)), '.gitignore': '*', 'a b/é\n.txt': 'x', '.git/config': 'mine', 'back\\slash': 'y' }
    const box = sandbox(files)
    mkdirSync(join(box.data, 'empty/folder'), { recursive: true })
    box.ok('init', '--from', box.data)
    box.ok('migrate')
    expect(Object.keys(contents(box.active()))).toEqual(expect.arrayContaining(['.gitignore', 'a b/é\n.txt', '.git/config', 'back\\slash']))
    expect(readdirSync(join(box.active(), 'empty'))).toEqual(['folder'])
  })

  it('leaves logs/ and a store/ in the data directory out', () => {
    const box = captured({ ...Object.fromEntries(sample(1)), 'logs/today.log': 'x', 'store/CURRENT': 'y' })
    expect(Object.keys(contents(box.active()))).toEqual(['config.json', 'data/2025-12-14.json'])
  })

  it('refuses a second time, and changes nothing', () => {
    const box = captured()
    const before = fingerprint(box.store)
    expect(box.refused('init', '--from', box.data).code).toBe('EXISTS')
    expect(fingerprint(box.store)).toEqual(before)
  })

  it('refuses a directory that is missing, is a file, or holds no data of NetMonitor, naming it; no store is left', () => {
    const box = sandbox()
    put(box.dir, 'other/readme.txt', 'hello')
    for (const name of ['missing', 'data/config.json', 'other']) {
      const error = box.refused('init', '--from', join(box.dir, name))
      expect(error).toMatchObject({ code: 'NO_DATA' })
      expect(error.message).toContain(join(box.dir, name))
      expect(error.hint).not.toBe('')
    }
    expect(box.doc('status').state).toBe('no-store')
  })
})

describe('init without --from', () => {
  const inHome = 'home/.config/NetMonitor'

  it('takes the only place that holds data', () => {
    const box = sandbox()
    putAll(join(box.dir, inHome), sample(1))
    box.ok('init')
    expect(contents(box.active())).toEqual(contents(join(box.dir, inHome)))
  })

  it('finds data beside the program, too', () => {
    const box = sandbox()
    const ran = box.run(['init'], { cwd: box.data })
    expect(ran.code).toBe(0)
    expect(contents(box.active())).toEqual(contents(box.data))
  })

  it('asks when two places hold data: the list says what each holds, and neither is taken', () => {
    const box = sandbox()
    putAll(join(box.dir, inHome), sample(3))
    const ran = box.run(['init', '--json'], { cwd: box.data })
    expect(ran.code).toBe(1)
    const { error } = JSON.parse(ran.stdout)
    expect(error.code).toBe('AMBIGUOUS')
    expect(error.data.candidates).toMatchObject([
      { path: join(box.dir, inHome), version: '1.0.0', files: 4 },
      { path: box.data, version: '1.0.0', files: 3 },
    ])
    expect(error.data.candidates[0].newest).toMatch(/^\d{4}-\d\d-\d\dT/)
    expect(error.hint).toContain('--from')
    expect(box.doc('status').state).toBe('no-store')
  })

  it('starts a fresh store at the newest version where there is no data anywhere', () => {
    const box = sandbox({})
    box.ok('init')
    expect(box.current()).toMatchObject({ schemaVersion: '2.2.0' })
    const config = json(box.active(), 'config.json')
    expect(config.header).toMatchObject({ schemaVersion: '2.2.0', createdWith: 'Strata', migrations: [] })
    expect(box.run(['status']).code).toBe(0)
    expect(box.run(['plan']).code).toBe(0)
  })

  it('finds nothing to roll back in a fresh store', () => {
    const box = sandbox({})
    box.ok('init')
    const error = box.refused('rollback')
    expect(error.code).toBe('NOTHING_TO_ROLL_BACK')
    expect(error.hint).not.toBe('')
  })
})

describe('start, the main job in one command', () => {
  it('makes the store from the directory, migrates, verifies and says what to do next; a second time it is one line', () => {
    const box = sandbox()
    const first = box.start('--from', box.data)
    expect(first.code).toBe(0)
    for (const words of ['verified', box.active(), '2.2.0', 'rollback']) expect(first.stdout).toContain(words)
    const second = box.start('--from', box.data)
    expect(second).toMatchObject({ code: 0, stdout: `up to date at 2.2.0: ${box.active()}\n`, stderr: '' })
  })

  it('without --from makes 30 days of sample data, once', () => {
    const box = sandbox({})
    const first = box.start()
    expect(first.stderr).toContain('30 days of sample data')
    expect(Object.keys(contents(join(box.store, 'sample')))).toHaveLength(31)
    expect(box.start().stdout.trim().split('\n')).toHaveLength(1)
  })

  it.each(['missing', 'empty'])('--from a directory that is %s is refused: no fresh store takes its place', (name) => {
    const box = sandbox({})
    mkdirSync(join(box.dir, 'empty'))
    const ran = box.start('--from', join(box.dir, name))
    expect(ran.code).toBe(1)
    expect(ran.stderr).toContain('NO_DATA')
    expect(box.doc('status').state).toBe('no-store')
  })

  it('--from another directory than the store was made from is refused, naming both', () => {
    const box = sandbox()
    box.start('--from', box.data)
    const ran = box.start('--from', box.dir)
    expect(ran.code).toBe(1)
    for (const words of ['EXISTS', box.data, '--store']) expect(ran.stderr).toContain(words)
  })
})
