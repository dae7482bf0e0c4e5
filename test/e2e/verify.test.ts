import {
  appendFileSync,
  chmodSync,
  closeSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Oid } from '../../src/core/git-objects.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { readIndex, writeIndex } from '../../src/storage/index-file.ts'
import { migrated, upgraded } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { fingerprint, json } from '../support/tree.ts'

const DAY = 'data/2025-12-14.json'

/** What a failing disk does: one bit, and the times stay. */
const flip = (path: string, at: number): void => {
  chmodSync(path, 0o644)
  const { atime, mtime } = statSync(path)
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, at)
  writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at)
  closeSync(file)
  utimesSync(path, atime, mtime)
}

/** A bit that flips by itself: what the store remembers of the file's times fits it. */
const rot = (box: Sandbox, snapshot: string, path: string): void => {
  const file = join(box.directoryOf(snapshot), path)
  flip(file, 500)
  const { mtimeMs, ctimeMs } = statSync(file)
  const at = join(box.store, 'index', snapshot)
  const [, , commit = ''] = readFileSync(at, 'latin1').split(' ', 3)
  const index = readIndex(nodeFsPort, at, commit as Oid)
  const entry = index?.entries.get(path)
  if (index === undefined || entry === undefined) throw new Error(`${path} is not in the index`)
  const entries = new Map(index.entries).set(path, { ...entry, stat: { ...entry.stat, mtimeMs, ctimeMs } })
  writeIndex(nodeFsPort, at, { ...index, entries })
}

const packs = (box: Sandbox): string[] =>
  readdirSync(join(box.store, 'repo.git/objects/pack'))
    .filter((name) => name.endsWith('.pack'))
    .map((name) => join(box.store, 'repo.git/objects/pack', name))
    .sort((a, b) => statSync(b).size - statSync(a).size)

/** Verify must find something in `where`, exit 2, and change nothing. */
const finds = (box: Sandbox, where: string | RegExp): void => {
  const before = fingerprint(box.store)
  const ran = box.run(['verify', '--json'], { judge: false })
  const report = JSON.parse(ran.stdout)
  expect(ran.code).toBe(2)
  expect(report.valid).toBe(false)
  expect(report.errorsFound).toBeGreaterThan(0)
  expect(report.issues.some((i: { file: string | null; message: string }) => `${i.file ?? ''} ${i.message}`.match(where))).toBe(true)
  for (const issue of report.issues) expect(issue.hint).not.toBe('')
  expect(fingerprint(box.store)).toEqual(before)
}

describe('verify', () => {
  it('is exit 0 over a sound store, after each kind of command', () => {
    const box = migrated()
    for (const command of [['rollback'], ['redo'], ['checkpoint'], ['rollback', '2.0.0'], ['migrate']]) {
      box.ok(...command)
      expect(box.doc('verify')).toMatchObject({ valid: true, errorsFound: 0, warningsFound: 0, issues: [] })
    }
  })

  it('is a ValidationReport', () => {
    const report = upgraded().doc('verify')
    expect(report).toEqual({ valid: true, filesChecked: expect.any(Number), errorsFound: 0, warningsFound: 0, issues: [] })
    expect(report.filesChecked).toBeGreaterThan(7)
  })

  it('finds a flipped bit in the active directory', () => {
    const box = migrated()
    rot(box, box.snapshot(), DAY)
    finds(box, DAY)
  })

  it.each([0, 20, 100, 1000])('finds a flipped bit in a pack, at %d', (at) => {
    const box = upgraded()
    flip(packs(box)[0] ?? '', at)
    finds(box, /pack/)
  })

  it('finds a flipped bit at the end of a pack', () => {
    const box = upgraded()
    const [pack = ''] = packs(box)
    flip(pack, statSync(pack).size - 1)
    finds(box, /pack/)
  })

  it('finds a flipped bit in every pack there is', () => {
    for (let i = 0; i < packs(upgraded()).length; i++) {
      const box = upgraded()
      const pack = packs(box)[i] ?? ''
      flip(pack, Math.floor(statSync(pack).size / 2))
      finds(box, /pack/)
    }
  })

  it('--active reads the active directory alone', () => {
    const box = migrated()
    const all = box.doc('verify').filesChecked
    expect(box.doc('verify', '--active')).toMatchObject({ valid: true, errorsFound: 0 })
    expect(box.doc('verify', '--active').filesChecked).toBeLessThan(all / 4)
    const [first = ''] = readdirSync(join(box.store, 'snapshots')).filter((id) => id.startsWith('1.0.0-'))
    rot(box, first, DAY)
    expect(box.doc('verify', '--active')).toMatchObject({ valid: true, errorsFound: 0 })
    rot(box, box.snapshot(), DAY)
    const damaged = box.run(['verify', '--active', '--json'])
    expect(damaged.code).toBe(2)
    expect(JSON.parse(damaged.stdout)).toMatchObject({ valid: false, errorsFound: 1 })
    expect(JSON.parse(damaged.stdout).issues).toContainEqual(expect.objectContaining({ file: DAY, severity: 'error' }))
    expect(box.refused('verify', '--active', '--sample', '1/30')).toMatchObject({ code: 'BAD_ARGUMENT' })
  })

  it('finds a flipped bit in a pack index', () => {
    const box = upgraded()
    flip((packs(box)[0] ?? '').replace(/pack$/, 'idx'), 1100)
    finds(box, /idx|pack|object/)
  })

  it('finds a flipped bit in the journal', () => {
    const box = upgraded()
    flip(join(box.store, 'journal/00000001.jsonl'), 300)
    finds(box, /journal|line|event/i)
  })

  it('finds a journal that lost its last lines', () => {
    const box = upgraded()
    const path = join(box.store, 'journal/00000001.jsonl')
    writeFileSync(path, `${readFileSync(path, 'utf8').trimEnd().split('\n').slice(0, -1).join('\n')}\n`)
    finds(box, /./)
  })

  it('finds a CURRENT that names another snapshot, or is no JSON', () => {
    for (const text of [
      (box: Sandbox) => JSON.stringify({ ...json(box.store, 'CURRENT'), snapshot: 'x', directory: 'snapshots/x' }),
      () => '{"format": 1',
      () => '',
    ]) {
      const box = upgraded()
      writeFileSync(join(box.store, 'CURRENT'), text(box))
      finds(box, 'CURRENT')
    }
  })

  it('finds a missing file, a missing directory, a missing pack and a missing index', () => {
    const remove = (path: (box: Sandbox) => string): Sandbox => {
      const box = migrated()
      rmSync(path(box), { recursive: true })
      return box
    }
    finds(
      remove((box) => box.active()),
      /missing/,
    )
    finds(
      remove((box) => packs(box)[0] ?? ''),
      /./,
    )
    finds(
      remove((box) => (packs(box)[0] ?? '').replace(/pack$/, 'idx')),
      /./,
    )
  })

  it('reports a file that the application removed or edited as a warning, not as damage', () => {
    const box = migrated()
    rmSync(join(box.active(), 'aggregated/2025-12-14-daily.json'))
    appendFileSync(join(box.active(), DAY), '\n')
    const report = box.doc('verify')
    expect(report).toMatchObject({ valid: true, errorsFound: 0, warningsFound: 2 })
    expect(report.issues.map((i: { file: string }) => i.file).sort()).toEqual(['aggregated/2025-12-14-daily.json', DAY])
  })

  it('finds a branch that someone moved', () => {
    const box = upgraded()
    const path = join(box.store, 'repo.git/packed-refs')
    const [first = '', second = ''] = box.git('log', '--format=%H', box.snapshot()).split('\n')
    writeFileSync(path, readFileSync(path, 'utf8').replace(first, second))
    finds(box, /refs/)
  })
})

describe('after damage', () => {
  it('status and path answer from the journal when CURRENT is gone, and the next command puts it right', () => {
    const box = upgraded()
    const before = readFileSync(join(box.store, 'CURRENT'))
    const active = box.active()
    rmSync(join(box.store, 'CURRENT'))
    expect(box.run(['status']).code).toBe(0)
    expect(box.run(['path']).stdout.trim()).toBe(active)
    box.run(['checkpoint'])
    expect(readFileSync(join(box.store, 'CURRENT'))).toEqual(before)
  })

  it('a damaged journal is never written to', () => {
    const box = upgraded()
    flip(join(box.store, 'journal/00000001.jsonl'), 300)
    const before = fingerprint(box.store)
    for (const command of ['migrate', 'checkpoint', 'rollback', 'status']) {
      const ran = box.run([command, '--json'])
      expect(ran.code).toBe(1)
      expect(JSON.parse(ran.stdout).error.code).toBe('JOURNAL_CORRUPT')
    }
    expect(fingerprint(box.store)).toEqual(before)
  })

  it('a bit that flipped in a directory that is not active is found once rollback has made it so', () => {
    const box = migrated()
    rot(box, box.doc('show', '@-').snapshot.id, DAY)
    box.ok('rollback')
    finds(box, DAY)
    expect(box.ok('show', `@:${DAY}`)).toBe(readFileSync(join(box.data, DAY), 'utf8'))
  })

  it('a missing target directory is made again from the repository, byte for byte', () => {
    const box = migrated()
    const target = box.doc('show', '@-').snapshot.id
    rmSync(box.directoryOf(target), { recursive: true })
    box.ok('rollback')
    expect(box.snapshot()).toBe(target)
    expect(readFileSync(join(box.active(), DAY))).toEqual(readFileSync(join(box.data, DAY)))
  })
})
