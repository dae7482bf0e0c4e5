import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporary } from '../contract/temporary.ts'
import { captured, day, sample, upgraded } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { contents, fingerprint, json } from '../support/tree.ts'

const FIRST = '2025-12-13'

const first = (box: Sandbox): string => {
  const id = readdirSync(join(box.store, 'snapshots')).find((name) => name.startsWith('1.0.0-'))
  return id ?? ''
}

const commits = (box: Sandbox, path: string): string[] => box.doc('history', path).map((v: { oid: string }) => v.oid)

test('a whole snapshot comes back with its names, modes and empty folders', () => {
  const box = captured({ ...Object.fromEntries(sample(2)), 'data/x/run.sh': '#!/bin/sh\n' })
  const dir = box.active()
  mkdirSync(join(dir, 'logs-old'))
  chmodSync(join(dir, 'data/x/run.sh'), 0o755)
  writeFileSync(join(dir, 'data/.gitattributes'), '* text\n')
  box.ok('checkpoint')
  const to = join(temporary(), 'there/is/no/such')
  const done = box.doc('restore', '@', '--to', to)
  expect(done).toMatchObject({ to, files: Object.keys(contents(dir)).length, replaced: [], movedTo: null })
  expect(contents(to)).toEqual(contents(dir))
  expect(lstatSync(join(to, 'data/x/run.sh')).mode & 0o777).toBe(0o755)
  expect(existsSync(join(to, 'logs-old'))).toBe(true)
})

test('a folder comes without the way to it, a file by its name', () => {
  const box = upgraded()
  const to = temporary()
  box.ok('restore', '1.0.0:data', '--to', join(to, 'days'))
  box.ok('restore', `1.0.0:data/${FIRST}.json`, '--to', join(to, 'one'))
  expect(contents(join(to, 'days'))).toEqual(contents(join(box.directoryOf(first(box)), 'data')))
  expect(readdirSync(join(to, 'one'))).toEqual([`${FIRST}.json`])
})

test('the backup that a job names can be restored, whether its directory is there or not', () => {
  const box = upgraded()
  const { backupPath } = box.doc('status').lastJob
  const before = contents(backupPath)
  const to = temporary()
  box.ok('restore', backupPath, '--to', join(to, 'a'))
  rmSync(backupPath, { recursive: true })
  box.ok('restore', backupPath, '--to', join(to, 'b'))
  box.ok('restore', join(backupPath, 'config.json'), '--to', join(to, 'c'))
  expect([contents(join(to, 'a')), contents(join(to, 'b'))]).toEqual([before, before])
  expect(contents(join(to, 'c'))).toEqual({ 'config.json': before['config.json'] })
})

test('an earlier checkpoint is restored by its id, or the beginning of it', () => {
  const box = upgraded()
  const config = join(box.active(), 'config.json')
  const old = readFileSync(config)
  box.edit('config.json', { ...json(box.active(), 'config.json'), changed: true })
  box.ok('checkpoint')
  const [newest = '', before = ''] = commits(box, 'config.json')
  const to = temporary()
  box.ok('restore', `${before.slice(0, 10)}:config.json`, '--to', join(to, 'old'))
  box.ok('restore', `${newest}:config.json`, '--to', join(to, 'new'))
  expect(readFileSync(join(to, 'old/config.json')).equals(old)).toBe(true)
  expect(json(join(to, 'new'), 'config.json').changed).toBe(true)
  expect(box.refused('restore', 'aaaaaaa', '--to', join(to, 'x')).code).toBe('ABSENT')
})

test('files that are there and differ are in the way; nothing has been touched then', () => {
  const box = upgraded()
  const to = temporary()
  writeFileSync(join(to, 'config.json'), 'mine')
  const before = fingerprint(to)
  const error = box.refused('restore', '@', '--to', to)
  expect(error).toMatchObject({ code: 'EXISTS', data: { files: ['config.json'] } })
  expect(fingerprint(to)).toEqual(before)
})

test('with --replace what is in the way is moved aside and kept; what is equal, and what is none of ours, stays', () => {
  const box = upgraded()
  const to = temporary()
  box.ok('restore', '@', '--to', to)
  const whole = contents(to)
  writeFileSync(join(to, 'config.json'), 'mine')
  writeFileSync(join(to, 'mine.txt'), 'none of yours')
  rmSync(join(to, `data/${FIRST}.json`))
  const { ino } = lstatSync(join(to, 'data/2025-12-14.json'))
  const done = box.doc('restore', '@', '--to', to, '--replace')
  expect(done.replaced).toEqual(['config.json'])
  expect(readFileSync(join(done.movedTo, 'config.json'), 'utf8')).toBe('mine')
  rmSync(done.movedTo, { recursive: true })
  expect(contents(to)).toEqual({ ...whole, 'mine.txt': contents(to)['mine.txt'] })
  expect(lstatSync(join(to, 'data/2025-12-14.json')).ino).toBe(ino)
})

test('no link is followed out of the target', () => {
  const box = upgraded()
  const [to, outside] = [temporary(), temporary()]
  writeFileSync(join(outside, 'secret'), 'outside')
  symlinkSync(outside, join(to, 'data'))
  symlinkSync(join(outside, 'secret'), join(to, 'config.json'))
  const before = fingerprint(outside)
  expect(box.refused('restore', '@', '--to', to).data.files).toEqual(['data', 'config.json'])
  const done = box.doc('restore', '@', '--to', to, '--replace')
  expect(done.replaced).toEqual(['data', 'config.json'])
  expect(fingerprint(outside)).toEqual(before)
  expect(lstatSync(join(to, 'data')).isDirectory()).toBe(true)
  expect(contents(join(to, 'data'))).toEqual(contents(join(box.active(), 'data')))
})

test('the store itself is no target, nor is a file', () => {
  const box = upgraded()
  const file = join(temporary(), 'file')
  writeFileSync(file, '')
  symlinkSync(box.store, join(box.dir, 'link'))
  const before = fingerprint(box.store)
  expect(box.refused('restore', '@', '--to', join(box.store, 'snapshots/x')).code).toBe('BAD_ARGUMENT')
  expect(box.refused('restore', '@', '--to', join(box.dir, 'link/new')).code).toBe('BAD_ARGUMENT')
  expect(box.refused('restore', '@', '--to', file).code).toBe('EXISTS')
  expect(box.refused('restore', '@').code).toBe('BAD_ARGUMENT')
  expect(box.refused('restore', '@:no/such', '--to', join(box.dir, 'x')).code).toBe('ABSENT')
  expect(box.refused('restore', '@:../CURRENT', '--to', join(box.dir, 'x')).code).toBe('UNSUPPORTED_NAME')
  expect(fingerprint(box.store)).toEqual(before)
  expect(existsSync(join(box.dir, 'x'))).toBe(false)
})

test('what cannot be read whole leaves nothing at the target', () => {
  const box = upgraded()
  const packs = join(box.store, 'repo.git/objects/pack')
  for (const name of readdirSync(packs).filter((n) => n.endsWith('.pack'))) {
    const bytes = readFileSync(join(packs, name))
    // Half of it, whichever pack has what.
    bytes.fill(0, bytes.length >> 2, (bytes.length >> 2) * 3)
    chmodSync(join(packs, name), 0o600)
    writeFileSync(join(packs, name), bytes)
  }
  const to = temporary()
  expect(box.run(['restore', '1.0.0', '--to', join(to, 'x')], { judge: false }).code).toBe(1)
  expect(readdirSync(to)).toEqual([])
})

test('into the live data: what was written is committed first, and a rollback returns to it', () => {
  const box = upgraded()
  const wrong = { ...json(box.active(), 'config.json'), broken: true }
  const old = readFileSync(join(box.active(), 'config.json'))
  const left = box.snapshot()
  box.edit('config.json', wrong)
  const done = box.doc('restore', `${commits(box, 'config.json')[0] ?? ''}:config.json`, '--live')
  expect(done.files).toEqual(['config.json'])
  expect(readFileSync(join(box.active(), 'config.json')).equals(old)).toBe(true)
  expect(json(box.directoryOf(left), 'config.json').broken).toBe(true)
  expect(box.git('log', '-1', '--format=%s', `refs/heads/${left}`)).toContain('before restoring')
  expect(box.run(['verify']).code).toBe(0)
  box.ok('rollback')
  expect(box.snapshot()).toBe(left)
  expect(json(box.active(), 'config.json').broken).toBe(true)
})

test('a day of an older schema comes in the form of the active one, with what is made from it', () => {
  const box = upgraded()
  const path = `data/${FIRST}.json`
  const whole = contents(box.active())
  box.edit(path, { ...day(box.active(), FIRST), results: day(box.active(), FIRST).results.slice(0, 2) })
  box.ok('checkpoint')
  box.ok('restore', `1.0.0:${path}`, '--live')
  expect(contents(box.active())).toEqual(whole)
})

test('what the application has written since stays, but for what is restored', () => {
  const box = upgraded()
  const before = day(box.active(), FIRST).results.length
  const [record] = day(box.active(), FIRST).results
  box.edit(`data/${FIRST}.json`, {
    ...day(box.active(), FIRST),
    results: [...day(box.active(), FIRST).results, { ...record, ts: 1765700000000 }],
  })
  box.edit('config.json', { ...json(box.active(), 'config.json'), broken: true })
  box.ok('restore', `${commits(box, 'config.json')[0] ?? ''}:config.json`, '--live')
  expect(day(box.active(), FIRST).results.length).toBe(before + 1)
  expect(json(box.active(), 'config.json').broken).toBeUndefined()
})

test('what is there already is left alone; a whole snapshot of another schema is what a rollback is for', () => {
  const box = upgraded()
  const before = box.current()
  expect(box.doc('restore', '@:config.json', '--live').jobId).toBeNull()
  expect(box.refused('restore', '1.0.0', '--live').code).toBe('BAD_ARGUMENT')
  expect(box.current()).toEqual(before)
})
