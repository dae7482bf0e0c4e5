import { chmodSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { forgetTimes } from '../crash/rot.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { upgraded } from '../support/sandbox.ts'
import { contents } from '../support/tree.ts'

const rot = (path: string, change: (bytes: Buffer) => Buffer): void => {
  const { mode, atime, mtime } = statSync(path)
  chmodSync(path, 0o600)
  writeFileSync(path, change(readFileSync(path)))
  chmodSync(path, mode & 0o777)
  utimesSync(path, atime, mtime)
}

const flip = (bytes: Buffer): Buffer => {
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 4
  return bytes
}

/** A store as an application has it after a while. The copy's indexes know the stats of its files. */
const used = (): Sandbox => {
  const box = upgraded()
  box.edit('config.json', { ...(JSON.parse(readFileSync(join(box.active(), 'config.json'), 'utf8')) as object), note: 'mine' })
  box.ok('checkpoint')
  forgetTimes(box.store)
  expect(box.doc('verify').issues).toEqual([])
  return box
}

const packsOf = (box: Sandbox): string[] => readdirSync(join(box.store, 'repo.git/objects/pack')).filter((name) => name.endsWith('.pack'))
const setAside = (box: Sandbox): string[] => {
  const dir = join(box.store, 'quarantine')
  return existsSync(dir) ? readdirSync(dir, { recursive: true, encoding: 'utf8' }) : []
}

describe('repair', () => {
  test('says what it would change and changes nothing; with --yes it heals, and keeps the damaged bytes', () => {
    const box = used()
    const path = join(box.active(), 'config.json')
    const right = readFileSync(path)
    rot(path, flip)
    forgetTimes(box.store)
    const wrong = readFileSync(path)
    const before = contents(box.store)
    for (const args of [['repair'], ['repair', '--dry-run'], ['repair', '--json']]) {
      const ran = box.run(args)
      expect(ran.code).toBe(2)
      expect(ran.stdout).toContain('write config.json of')
    }
    expect(contents(box.store)).toEqual(before)
    expect(box.run(['repair', '--yes']).code).toBe(0)
    expect(readFileSync(path).equals(right)).toBe(true)
    const kept = setAside(box).find((name) => name.endsWith('config.json')) ?? ''
    expect(readFileSync(join(box.store, 'quarantine', kept)).equals(wrong)).toBe(true)
    expect(box.doc('verify').issues).toEqual([])
    expect(box.ok('repair')).toBe('Nothing to repair.\n')
    expect(box.ok('history')).toContain('repaired: 1 thing healed')
  })

  test('a store without a valid CURRENT, HEAD and packed-refs rights itself with the next command that writes', () => {
    const box = used()
    const [active, current] = [box.snapshot(), readFileSync(join(box.store, 'CURRENT'))]
    const branches = box.git('for-each-ref')
    writeFileSync(join(box.store, 'CURRENT'), '{"format":1')
    writeFileSync(join(box.store, 'repo.git/HEAD'), 'nonsense')
    rot(join(box.store, 'repo.git/packed-refs'), () => Buffer.from('garbage\n'))
    expect(box.run(['path'], { judge: false }).stdout.trim()).toBe(join(box.store, 'snapshots', active))
    box.ok('checkpoint')
    expect(readFileSync(join(box.store, 'CURRENT')).equals(current)).toBe(true)
    expect(box.git('for-each-ref')).toBe(branches)
    expect(box.git('symbolic-ref', 'HEAD').trim()).toBe(`refs/heads/${active}`)
    expect(box.ok('history')).toContain('recovered: ')
    expect(box.doc('verify').issues).toEqual([])
  })

  test('a lost pack is made again from the directories: git has every file of every snapshot that has one', () => {
    const box = used()
    const files = new Map(readdirSync(join(box.store, 'snapshots')).map((id) => [id, contents(box.directoryOf(id))]))
    for (const pack of packsOf(box)) {
      const path = join(box.store, 'repo.git/objects/pack', pack)
      const before = readFileSync(path)
      rmSync(path)
      // The configuration as the migration made it was edited since: only the lost pack had it.
      const { lost } = JSON.parse(box.run(['repair', '--yes', '--json'], { judge: false }).stdout) as { lost: string[] }
      for (const one of lost) expect(one).toMatch(/^object [0-9a-f]{40} of the repository$/)
      for (const [id, content] of files) {
        expect(contents(box.directoryOf(id))).toEqual(content)
        for (const name of box.git('ls-tree', '-r', '--name-only', `${id}:files`).trim().split('\n'))
          expect(box.git('show', `${id}:files/${name}`)).toBe(readFileSync(join(box.directoryOf(id), name), 'utf8'))
      }
      writeFileSync(path, before, { mode: 0o400 })
    }
  })

  test('a lost journal is written again: the same snapshot is active, no event number is given twice', () => {
    const box = used()
    box.ok('rollback', '--exact')
    box.ok('redo')
    const last = Math.max(...(box.doc('history', '--all') as { seq: number }[]).map((e) => e.seq))
    const [active, branches] = [box.current(), box.git('for-each-ref')]
    rmSync(join(box.store, 'journal'), { recursive: true })
    const refused = box.refused('checkpoint')
    expect(['JOURNAL_CORRUPT', 'NO_STORE']).toContain(refused.code)
    box.run(['repair', '--yes'])
    expect(box.current()).toMatchObject({
      snapshot: active.snapshot,
      directory: active.directory,
      readableBy: active.readableBy,
      hold: null,
    })
    expect(box.git('for-each-ref', 'refs/heads')).toContain(active.snapshot)
    expect(box.git('for-each-ref').split('\n').length).toBe(branches.split('\n').length)
    const events = box.doc('history', '--all') as { seq: number; type: string }[]
    expect(Math.max(...events.map((e) => e.seq))).toBeGreaterThan(last)
    expect(new Set(events.map((e) => e.seq)).size).toBe(events.length)
    expect(box.doc('verify').issues).toEqual([])
    box.ok('rollback', '--exact')
    expect(box.current().schemaVersion).toBe('1.0.0')
  })

  test('a line in the middle that no slice has: the events behind it are told again with their numbers', () => {
    const box = used()
    box.ok('rollback', '--exact')
    box.ok('redo')
    const events = box.doc('history', '--all') as { seq: number; id: string; type: string }[]
    const path = join(box.store, 'journal/00000001.jsonl')
    const lines = readFileSync(path, 'utf8').split('\n')
    // The line of the rollback; the redo is behind it.
    lines[lines.length - 3] = (lines[lines.length - 3] ?? '').replace('"rollback"', '"rollbacc"')
    rot(path, () => Buffer.from(lines.join('\n')))
    const active = box.snapshot()
    expect(box.refused('checkpoint').code).toBe('JOURNAL_CORRUPT')
    expect(box.ok('path').trim()).toBe(box.directoryOf(active))
    box.run(['repair', '--yes'])
    expect(box.snapshot()).toBe(active)
    const after = box.doc('history', '--all') as { seq: number; id: string; type: string }[]
    const redo = events.find((e) => e.seq === Math.max(...events.map((x) => x.seq)))
    expect(after.find((e) => e.seq === redo?.seq)).toMatchObject({ id: redo?.id, type: redo?.type })
    expect(box.doc('verify').issues).toEqual([])
  })

  test('what no copy heals is named, its bytes are kept, and the store goes on', () => {
    const box = used()
    const path = join(box.active(), 'config.json')
    rot(path, flip)
    for (const pack of packsOf(box)) rmSync(join(box.store, 'repo.git/objects/pack', pack))
    forgetTimes(box.store)
    const wrong = readFileSync(path)
    const done = JSON.parse(box.run(['repair', '--yes', '--json'], { judge: false }).stdout) as { lost: string[] }
    expect(done.lost).not.toEqual([])
    expect(readFileSync(path).equals(wrong)).toBe(true)
    box.run(['checkpoint'], { judge: false })
    expect(box.run(['status'], { judge: false }).code).toBe(0)
    expect(box.git('show', `${box.snapshot()}:files/config.json`)).toBe(wrong.toString())
  })

  test('a missing active directory is written again from the repository', () => {
    const box = used()
    const content = contents(box.active())
    rmSync(box.active(), { recursive: true })
    expect(box.doc('verify').valid).toBe(false)
    expect(box.run(['repair', '--yes']).code).toBe(0)
    expect(contents(box.active())).toEqual(content)
    expect(box.doc('verify').issues).toEqual([])
  })

  test('without a store, and where nothing is left, it says so and writes nothing', () => {
    const box = used()
    const empty = join(box.dir, 'elsewhere')
    const ran = box.run(['--store', empty, 'repair', '--yes'])
    expect(ran.stderr).toContain('there is no store')
    expect(existsSync(empty)).toBe(false)
    rmSync(join(box.store, 'journal'), { recursive: true })
    rmSync(join(box.store, 'CURRENT'))
    renameSync(join(box.store, 'repo.git'), join(box.dir, 'gone'))
    const refused = box.refused('repair', '--yes')
    expect(refused.message).toMatch(/no store|nothing is left/)
    expect(readdirSync(join(box.store, 'snapshots')).length).toBeGreaterThan(0)
  })
})

describe('verify --sample', () => {
  test('reads another part each time, so that as many runs as parts find any damage; the journal remembers', () => {
    const box = used()
    const parts = 4
    const path = join(box.active(), 'data', readdirSync(join(box.active(), 'data'))[0] ?? '')
    rot(path, flip)
    forgetTimes(box.store)
    const reports = Array.from(
      { length: parts },
      () => box.doc('verify', '--sample', `1/${parts}`) as { valid: boolean; filesChecked: number; sample: { part: number } },
    )
    expect(reports.map((r) => r.sample.part)).toEqual([0, 1, 2, 3])
    expect(reports.filter((r) => !r.valid)).toHaveLength(1)
    const whole = box.doc('verify').filesChecked as number
    expect(reports.reduce((sum, r) => sum + r.filesChecked, 0)).toBe(whole)
    const events = (box.doc('history', '--all') as { type: string }[]).map((e) => e.type)
    expect(events.filter((type) => type === 'IntegrityChecked')).toHaveLength(parts)
    expect(events.filter((type) => type === 'CorruptionFound')).toHaveLength(1)
    for (const bad of ['1/0', '2/3', 'x', '1/99999999']) expect(box.refused('verify', '--sample', bad).code).toBe('BAD_ARGUMENT')
  })
})
