import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { captured, day, migrated, upgraded } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { contents, fingerprint, json } from '../support/tree.ts'

const DAY = 'data/2025-12-14.json'

/** The application appends a record, as it does: reads all, writes all back in place. */
const append = (box: Sandbox, ms: number): void => {
  const file = json(box.active(), DAY)
  file.results.push({ ts: 1765733139432, endpoint_id: 'fd6a02b', latency_ms: ms, st: 0 })
  box.edit(DAY, file)
}

describe('rollback', () => {
  it('undoes the last job, all its steps: the original bytes of everything are back', () => {
    const box = migrated()
    box.ok('rollback')
    expect(box.current().schemaVersion).toBe('1.0.0')
    expect(contents(box.active())).toEqual(contents(box.data))
  })

  it('switches a pointer and touches neither directory', () => {
    const box = upgraded()
    const before = fingerprint(join(box.store, 'snapshots'))
    box.ok('rollback')
    expect(fingerprint(join(box.store, 'snapshots'))).toEqual(before)
  })

  it('to a version goes to the state before that step', () => {
    const box = upgraded()
    box.ok('rollback', '2.0.0')
    expect(box.current().schemaVersion).toBe('1.2.0')
    box.ok('rollback', '1.1.0')
    expect(contents(box.active())).toEqual(contents(box.data))
  })

  it('to a job goes to what was active before it', () => {
    const box = captured()
    const first = box.doc('migrate', '--to', '1.1.0').job.id
    box.ok('migrate')
    box.ok('rollback', first)
    expect(box.current().schemaVersion).toBe('1.0.0')
  })

  it('undoes one job at a time', () => {
    const box = captured()
    box.ok('migrate', '--to', '1.1.0')
    box.ok('migrate')
    box.ok('rollback')
    expect(box.current().schemaVersion).toBe('1.1.0')
    box.ok('rollback')
    expect(box.current().schemaVersion).toBe('1.0.0')
    expect(box.refused('rollback').code).toBe('NOTHING_TO_ROLL_BACK')
  })

  it('with an unknown name lists the ones there are, and changes nothing', () => {
    const box = upgraded()
    const id = box.snapshot()
    const error = box.refused('rollback', '7.7.7')
    expect(error.code).toBe('ABSENT')
    expect(error.hint).toContain('2.2.0, 2.1.0, 2.0.0, 1.2.0, 1.1.0')
    expect(box.snapshot()).toBe(id)
  })

  it('--dry-run says from where to where, and writes nothing at all, edits or not', () => {
    const box = upgraded()
    append(box, 1)
    const before = fingerprint(box.store)
    const ran = box.run(['rollback', '--dry-run'])
    expect(ran.code).toBe(0)
    for (const word of [box.snapshot(), '1.0.0', DAY, 'taken along']) expect(ran.stdout).toContain(word)
    expect(box.doc('rollback', '--dry-run').pending).toEqual([DAY])
    expect(fingerprint(box.store)).toEqual(before)
  })
})

describe('rollback over data written since', () => {
  it('is the switch of a pointer where a file was only touched', () => {
    const box = upgraded()
    box.edit(DAY, readFileSync(join(box.active(), DAY)))
    expect(box.doc('rollback').carried).toEqual([])
    expect(box.current().schemaVersion).toBe('1.0.0')
  })

  it('--exact goes back all the same; the edits stay in the history, and redo returns to them', () => {
    const box = upgraded()
    append(box, 4711)
    const edited = contents(box.active())
    const { written } = box.doc('rollback', '--exact')
    expect(written.map((w: { path: string }) => w.path)).toEqual([DAY])
    expect(contents(box.active())).toEqual(contents(box.data))
    expect(box.ok('show', `2.2.0:${DAY}`)).toContain('4711')
    box.ok('redo')
    expect(contents(box.active())).toEqual(edited)
  })

  it('--exact keeps files that were added since', () => {
    const box = upgraded()
    const day2 = json(box.active(), DAY)
    box.edit('data/2025-12-15.json', { ...day2, date: '2025-12-15' })
    box.ok('rollback', '--exact')
    box.ok('redo')
    expect(contents(box.active())).toHaveProperty(['data/2025-12-15.json'])
  })
})

describe('redo', () => {
  it('refuses without a rollback before it', () => {
    expect(upgraded().refused('redo')).toMatchObject({ code: 'NOTHING_TO_REDO' })
  })

  it('--dry-run writes nothing at all', () => {
    const box = upgraded()
    box.ok('rollback')
    const before = fingerprint(box.store)
    expect(box.ok('redo', '--dry-run')).toContain('2.2.0')
    expect(fingerprint(box.store)).toEqual(before)
  })

  it('returns through as many rollbacks as there were', () => {
    const box = upgraded()
    const top = box.snapshot()
    box.ok('rollback', '2.1.0')
    box.ok('rollback', '1.2.0')
    box.ok('redo')
    expect(box.current().schemaVersion).toBe('2.0.0')
    box.ok('redo')
    expect(box.snapshot()).toBe(top)
    expect(box.refused('redo').code).toBe('NOTHING_TO_REDO')
  })

  it('--exact takes nothing along of what was written after the rollback, and keeps it in the history', () => {
    const box = upgraded()
    const up = contents(box.active())
    box.ok('rollback')
    box.edit(DAY, '[]')
    box.ok('redo', '--exact')
    expect(contents(box.active())).toEqual(up)
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(box.ok('show', `1.0.0:${DAY}`)).toBe('[]')
  })
})

describe('the hold', () => {
  it('is set by a rollback; status says since when and why; CURRENT has it for other programs', () => {
    const box = upgraded()
    box.ok('rollback')
    const status = box.doc('status')
    expect(status).toMatchObject({ state: 'held', holdReason: expect.stringContaining('rolled back from 2.2.0 to 1.0.0') })
    expect(Number.isNaN(Date.parse(status.heldSince))).toBe(false)
    const said = box.run(['status']).stdout
    for (const words of ['on hold', 'rolled back', 'redo', 'migrate']) expect(said).toContain(words)
    expect(box.current().hold).toEqual({ since: status.heldSince, reason: status.holdReason })
  })

  it('keeps the next start from migrating', () => {
    const box = upgraded()
    box.ok('rollback')
    for (let i = 0; i < 2; i++) {
      const ran = box.run(['start'])
      expect(ran.code).toBe(0)
      expect(ran.stdout).toContain('on hold')
    }
    expect(box.current().schemaVersion).toBe('1.0.0')
  })

  it('is lifted by redo', () => {
    const box = upgraded()
    box.ok('rollback')
    box.ok('redo')
    expect(box.doc('status')).toMatchObject({ state: 'up-to-date', heldSince: null })
    expect(box.current().hold).toBeNull()
  })

  it('is lifted by an explicit migrate, also where nothing else is left to do', () => {
    const box = upgraded()
    box.ok('rollback')
    box.ok('migrate', '--to', '1.0.0')
    expect(box.doc('status')).toMatchObject({ state: 'pending', heldSince: null })
    box.ok('start')
    expect(box.current().schemaVersion).toBe('2.2.0')
  })
})

describe('up, down, up', () => {
  it('ends where up ended, byte for byte, in the same snapshot', () => {
    const box = migrated()
    const up = { id: box.snapshot(), files: fingerprint(box.active()) }
    box.ok('rollback')
    box.ok('migrate')
    expect(box.snapshot()).toBe(up.id)
    expect(fingerprint(box.active())).toEqual(up.files)
  })

  it('after an edit below, the records of both are there, and verify is content', () => {
    const box = upgraded()
    box.ok('rollback')
    const records = json(box.active(), DAY) as unknown[]
    box.edit(DAY, [...records, { ts: 1765733139432, id: 'fd6a02b', ms: 7, st: 0, err: null }])
    box.ok('migrate')
    expect(day(box.active(), '2025-12-14').results).toHaveLength(records.length + 1)
    box.ok('verify')
  })

  it('ten times over, every directory has the bytes it had at first', () => {
    const box = upgraded()
    const [up, down] = [contents(box.active()), contents(box.data)]
    for (let i = 0; i < 5; i++) {
      box.ok('rollback')
      expect(contents(box.active())).toEqual(down)
      box.ok(i % 2 === 0 ? 'redo' : 'migrate')
      expect(contents(box.active())).toEqual(up)
    }
    expect(box.doc('verify').valid).toBe(true)
  })
})

describe('checkpoint', () => {
  it('commits what the application wrote, with the reason, and stock git shows it', () => {
    const box = upgraded()
    append(box, 4711)
    expect(box.ok('checkpoint', '-m', 'before the trip')).toContain(DAY)
    expect(box.git('log', '-1', '--format=%s', box.snapshot())).toContain('before the trip')
    expect(box.git('diff', `${box.snapshot()}~`, box.snapshot(), '--', 'files')).toContain('+      "latency_ms": 4711')
  })

  it('a second time has nothing to commit', () => {
    const box = upgraded()
    append(box, 1)
    box.ok('checkpoint')
    const head = box.git('rev-parse', box.snapshot())
    expect(box.doc('checkpoint').changed).toEqual([])
    expect(box.git('rev-parse', box.snapshot())).toBe(head)
  })
})
