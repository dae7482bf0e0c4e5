import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { copyOf, made, sample } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { contents } from '../support/tree.ts'

/** What should never have been captured is gone from every object, directory and cache; everything else stays what it was. */

const SECRET = 'token: 5f0c-a-secret-that-nobody-should-have-kept'
const files = (): Map<string, Uint8Array> => new Map([...sample(2), ['notes/secret.txt', Buffer.from(SECRET)]])

const age = (path: string): void => {
  const past = Date.now() / 1000 - 60
  utimesSync(path, past, past)
}
const write = (box: Sandbox, path: string, text: string): void => {
  appendFileSync(join(box.active(), path), text)
  age(join(box.active(), path))
}

/** Captured with the secret, changed, migrated, and changed again. */
const leaked = (): Sandbox =>
  copyOf('leaked', (dir) => {
    const box = made(dir, files(), undefined)
    write(box, 'notes/secret.txt', ' and more')
    box.ok('checkpoint')
    box.ok('migrate')
    write(box, 'notes/secret.txt', ' and more again')
    write(box, 'config.json', '\n')
    box.ok('checkpoint')
    rmSync(box.data, { recursive: true })
    return box
  })

/** Every object of the repository, unpacked by stock git, and every file of the store. */
const holding = (box: Sandbox, text: string): string[] => {
  const objects = execFileSync('git', ['-C', join(box.store, 'repo.git'), 'cat-file', '--batch', '--batch-all-objects'], {
    maxBuffer: 1 << 28,
  })
  const inFiles = Object.keys(contents(box.store)).filter((path) => readFileSync(join(box.store, path)).includes(text))
  return [...(objects.includes(text) ? ['an object'] : []), ...inFiles]
}

const withoutSecret = (tree: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(tree).filter(([path]) => !path.includes('secret.txt')))
const directories = ({ store }: Sandbox): string[] => readdirSync(join(store, 'snapshots')).sort()

const isSound = (box: Sandbox): void => {
  box.judge()
  expect(box.doc('verify')).toMatchObject({ valid: true, errorsFound: 0 })
}

describe('forget', () => {
  test('says what it would write anew and what it cannot reach, and does nothing without consent', () => {
    const box = leaked()
    const before = contents(box.store)
    const said = box.ok('forget', 'notes/secret.txt')
    expect(said).toContain('in the history of 6 snapshots, in 6 directories')
    expect(said).toContain('--yes')
    expect(box.doc('forget', 'notes/secret.txt', '--dry-run')).toMatchObject({ applied: false, path: 'notes/secret.txt', commits: 8 })
    expect(contents(box.store)).toEqual(before)
  })

  test('leaves no byte of the file in any object, directory or cache, and everything else as it was', () => {
    const box = leaked()
    expect(holding(box, SECRET).length).toBeGreaterThan(4)
    const active = box.snapshot()
    const was = new Map(directories(box).map((id) => [id, withoutSecret(contents(box.directoryOf(id)))]))
    const count = box.git('rev-list', '--count', 'HEAD')
    expect(box.doc('forget', 'notes/secret.txt', '--yes')).toMatchObject({ applied: true, commits: 8 })
    expect(holding(box, SECRET)).toEqual([])
    expect(box.snapshot()).toBe(active)
    for (const [id, tree] of was) expect(contents(box.directoryOf(id))).toEqual(tree)
    expect(box.git('rev-list', '--count', 'HEAD')).toBe(count)
    isSound(box)
  })

  test('leaves every way back and forward open, with what was written since', () => {
    const box = leaked()
    box.ok('forget', 'notes/secret.txt', '--yes')
    write(box, 'config.json', '\n')
    box.ok('rollback')
    expect(box.current().schemaVersion).toBe('1.0.0')
    isSound(box)
    box.ok('redo')
    expect(box.current().schemaVersion).toBe('2.2.0')
    box.ok('rollback', '1.2.0')
    box.ok('migrate')
    expect(holding(box, SECRET)).toEqual([])
    isSound(box)
  })

  test('knows what was edited before from damage, and reads no file again for it', () => {
    const box = leaked()
    write(box, 'data/2025-12-14.json', '\n')
    box.ok('forget', 'notes/secret.txt', '--yes')
    isSound(box)
    expect(box.doc('checkpoint')).toMatchObject({ changed: [] })
  })

  test('takes a folder with all that is in it', () => {
    const box = leaked()
    box.ok('forget', 'notes', '--yes')
    for (const id of directories(box)) expect(existsSync(join(box.directoryOf(id), 'notes'))).toBe(false)
    expect(holding(box, SECRET)).toEqual([])
    isSound(box)
  })

  test('takes what only the history has, also where data was carried from one snapshot to another', () => {
    const box = leaked()
    write(box, 'config.json', '\n')
    box.ok('rollback')
    rmSync(join(box.active(), 'notes/secret.txt'))
    box.ok('checkpoint')
    box.ok('redo')
    box.ok('forget', 'notes/secret.txt', '--yes')
    expect(holding(box, SECRET)).toEqual([])
    isSound(box)
    box.ok('rollback')
    isSound(box)
  })

  test('works where the history was cut, and with pins', () => {
    const box = leaked()
    box.ok('pin', '1.2.0')
    box.ok('prune', '--directories', '0', '--days', '0', '--yes')
    box.ok('forget', 'notes/secret.txt', '--yes')
    expect(holding(box, SECRET)).toEqual([])
    isSound(box)
    box.ok('unpin', '1.2.0')
    isSound(box)
  })

  test('says where else it is: a remote, a tag of a developer, the original, another name', () => {
    const box = made(join(leaked().dir, 'other'), new Map([...files(), ['notes/copy.txt', Buffer.from(SECRET)]]), undefined)
    box.git('remote', 'add', 'backup', 'ssh://elsewhere.invalid/repo.git')
    box.git('tag', 'mine', 'HEAD')
    const { unreached } = box.doc('forget', 'notes/secret.txt', '--yes')
    const text = unreached.join('\n')
    expect(text).toContain('remote backup')
    expect(text).toContain('refs/tags/mine')
    expect(text).toContain(join(box.data, 'notes/secret.txt'))
    expect(text).toContain('notes/copy.txt has the same content')
    expect(holding(box, SECRET)).toContain('an object')
    box.git('update-ref', '-d', 'refs/tags/mine')
    box.git('remote', 'remove', 'backup')
    box.ok('forget', 'notes/copy.txt', '--yes')
    expect(holding(box, SECRET)).toEqual([])
  })

  test('does not follow a link that someone has put in the way', () => {
    const box = leaked()
    const outside = join(box.dir, 'outside')
    mkdirSync(outside)
    writeFileSync(join(outside, 'secret.txt'), 'not ours')
    const notes = join(box.directoryOf(directories(box)[0] ?? ''), 'notes')
    rmSync(notes, { recursive: true })
    symlinkSync(outside, notes)
    box.run(['forget', 'notes/secret.txt', '--yes'])
    expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe('not ours')
  })

  test('a journal that was lost afterwards is made again without it', () => {
    const box = leaked()
    box.ok('forget', 'notes/secret.txt', '--yes')
    const active = box.snapshot()
    box.allowLeftovers()
    rmSync(join(box.store, 'journal'), { recursive: true })
    box.run(['repair', '--yes'])
    expect(box.snapshot()).toBe(active)
    expect(box.doc('verify')).toMatchObject({ valid: true, errorsFound: 0 })
    expect(holding(box, SECRET)).toEqual([])
    box.ok('rollback')
  })

  test('what is not there is ABSENT, what is no path a BAD_ARGUMENT; nothing happens', () => {
    const box = leaked()
    const before = contents(box.store)
    expect(box.refused('forget', 'notes/other.txt', '--yes')).toMatchObject({ code: 'ABSENT' })
    for (const path of ['../secret', '/etc/passwd', '', '.', 'notes//secret.txt'])
      expect(box.refused('forget', path, '--yes')).toMatchObject({ code: 'BAD_ARGUMENT' })
    expect(contents(box.store)).toEqual(before)
  })
})
