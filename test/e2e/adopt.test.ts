import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { day, migrated, sample, sandbox } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { contents, fingerprint, json, put } from '../support/tree.ts'

const DATE = '2025-12-14'
const DAY = `data/${DATE}.json`
const HOURLY = `aggregated/${DATE}-hourly.json`

/** As the old build writes a record: shape C, the whole file read and written back. */
const oldBuildAppends = (box: Sandbox, ms: number, path = DAY): void => {
  const records = existsSync(join(box.data, path)) ? json(box.data, path) : []
  put(box.data, path, [...records, { ts: 1765733139432 + ms, id: 'fd6a02b', ms, st: 0, err: null }])
}

/** As the new build writes one into the active directory. */
const newBuildAppends = (box: Sandbox, ms: number): void => {
  const file = json(box.active(), DAY)
  file.results.push({ ts: 1765733139432 + ms, endpoint_id: 'fd6a02b', latency_ms: ms, st: 0 })
  box.edit(DAY, file)
}

const latencies = (box: Sandbox, ...of: number[]): number[] => {
  const found = day(box.active(), DATE).results.map((r) => r.latency_ms)
  return of.map((ms) => found.filter((f) => f === ms).length)
}
const tests = (box: Sandbox, path = HOURLY): number =>
  json(box.active(), path).aggregates.reduce((n: number, row: { testCount: number }) => n + row.testCount, 0)
const findings = (box: Sandbox): string[] =>
  box.doc('status').findings.flatMap((f: { code: string; file: string }) => (f.code === 'ORIGINAL_CHANGED' ? [f.file] : []))

describe('what an old build wrote to the original directory after the migration', () => {
  it('is reported by start, and by status and plan after it, with the command to run', () => {
    const box = migrated()
    oldBuildAppends(box, 90001)
    const ran = box.run(['start'])
    expect(ran.stdout).toContain(DAY)
    expect(ran.stdout).toContain('adopt')
    expect(findings(box)).toEqual([DAY])
    expect(box.run(['plan']).stdout).toContain('adopt')
  })

  it('is not reported where nothing was written', () => {
    const box = migrated()
    box.ok('start')
    put(box.data, DAY, readFileSync(join(box.data, DAY)))
    box.ok('start')
    expect(findings(box)).toEqual([])
    expect(box.doc('adopt')).toMatchObject({ jobId: null, files: [] })
  })
})

describe('adopt', () => {
  it('takes a day over that only the old build changed: through the chain, aggregates included, as a job of its own', () => {
    const box = migrated()
    const before = { tests: tests(box), records: day(box.active(), DATE).results.length }
    oldBuildAppends(box, 90001)
    const { jobId, files } = box.doc('adopt')
    expect(files).toEqual([DAY])
    expect(latencies(box, 90001)).toEqual([1])
    expect(day(box.active(), DATE).results).toHaveLength(before.records + 1)
    expect(tests(box)).toBe(before.tests + 1)
    expect(box.doc('status').lastJob).toMatchObject({ id: jobId, kind: 'adopt', status: 'completed' })
    expect(box.doc('verify').valid).toBe(true)
  })

  it('does not write to the original', () => {
    const box = migrated()
    oldBuildAppends(box, 90001)
    const before = fingerprint(box.data)
    box.ok('adopt')
    expect(fingerprint(box.data)).toEqual(before)
  })

  it('gives what a migration of the grown directory would have given', () => {
    const box = migrated()
    oldBuildAppends(box, 90001)
    box.ok('adopt')
    const whole = migrated(new Map(Object.keys(contents(box.data)).map((path) => [path, readFileSync(join(box.data, path))])))
    expect(contents(box.active())).toEqual(contents(whole.active()))
  })

  it('joins a day that both builds wrote: every record once', () => {
    const box = migrated()
    const before = { tests: tests(box), records: day(box.active(), DATE).results.length }
    oldBuildAppends(box, 90001)
    newBuildAppends(box, 80001)
    box.ok('adopt')
    expect(latencies(box, 90001, 80001)).toEqual([1, 1])
    expect(day(box.active(), DATE).results).toHaveLength(before.records + 2)
    expect(tests(box)).toBe(before.tests + 2)
  })

  it('joins again and again, twice over the same day', () => {
    const box = migrated()
    for (const i of [1, 2, 3]) {
      oldBuildAppends(box, 90000 + i)
      newBuildAppends(box, 80000 + i)
      box.ok('adopt')
    }
    expect(latencies(box, 90001, 90002, 90003, 80001, 80002, 80003)).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('takes a new day over, with its aggregates', () => {
    const box = migrated()
    oldBuildAppends(box, 90001, 'data/2025-12-15.json')
    box.ok('adopt')
    expect(day(box.active(), '2025-12-15').results).toHaveLength(1)
    expect(tests(box, 'aggregated/2025-12-15-hourly.json')).toBe(1)
  })

  it('keeps our config.json where both changed it, and says ADOPT_CONFLICT in its log; theirs is in the history', () => {
    const box = migrated()
    const theirs = json(box.data, 'config.json')
    theirs.settings.data_retention_days = 365
    put(box.data, 'config.json', theirs)
    const ours = json(box.active(), 'config.json')
    ours.retention.days = 7
    box.edit('config.json', ours)
    const ran = box.run(['adopt'])
    expect(ran.stdout + ran.stderr).toContain('ADOPT_CONFLICT')
    expect(json(box.active(), 'config.json').retention.days).toBe(7)
    expect(box.git('log', '--all', '-p', '--format=', '-S', '365')).toContain('"data_retention_days": 365')
  })

  it('takes their config.json over where only they changed it', () => {
    const box = migrated()
    const theirs = json(box.data, 'config.json')
    theirs.settings.data_retention_days = 365
    put(box.data, 'config.json', theirs)
    box.ok('adopt')
    expect(json(box.active(), 'config.json').retention.days).toBe(365)
  })

  it('keeps the good records of a day that another build emptied when it appended to it', () => {
    const box = migrated()
    const good = day(box.active(), DATE).results
    const emptied = good.map(() => ({ ts: 0, id: '', ms: 0, st: 0, err: null }))
    put(box.data, DAY, [...emptied, { ts: 1765733139432, id: 'fd6a02b', ms: 90009, st: 0, err: null }])
    const aggregated = tests(box)
    box.ok('adopt')
    const now = day(box.active(), DATE).results
    expect(now.slice(0, good.length)).toEqual(good)
    expect(latencies(box, 90009)).toEqual([1])
    expect(tests(box)).toBe(aggregated + 1)
  })

  it('a second time has nothing new', () => {
    const box = migrated()
    oldBuildAppends(box, 90001)
    box.ok('adopt')
    const id = box.snapshot()
    expect(box.ok('adopt')).toContain('nothing new')
    box.ok('start')
    expect(findings(box)).toEqual([])
    expect(box.snapshot()).toBe(id)
  })

  it('does not remove what the old build removed', () => {
    const box = migrated()
    rmSync(join(box.data, DAY))
    oldBuildAppends(box, 90001, 'data/2025-12-15.json')
    box.ok('adopt')
    expect(existsSync(join(box.active(), DAY))).toBe(true)
  })

  it('keeps a torn day of the old build out of ours, and says so', () => {
    const box = migrated()
    const ours = contents(box.active())[DAY]
    put(box.data, DAY, '[{"ts": 17')
    const ran = box.run(['adopt'])
    expect(ran.stdout + ran.stderr).toContain(DAY)
    expect(day(box.active(), DATE).results.length).toBeGreaterThan(1)
    expect(contents(box.active())[DAY]).toBe(ours)
  })

  it('is undone by rollback, and returned to by redo', () => {
    const box = migrated()
    const before = { id: box.snapshot(), files: contents(box.active()) }
    oldBuildAppends(box, 90001)
    box.ok('adopt')
    const after = contents(box.active())
    box.ok('rollback')
    expect(box.snapshot()).toBe(before.id)
    expect(contents(box.active())).toEqual(before.files)
    box.ok('redo')
    expect(contents(box.active())).toEqual(after)
  })

  it('before the migration: the old build goes on, and what it wrote comes in at 1.0.0', () => {
    const box = migrated(sample(1))
    box.ok('rollback')
    oldBuildAppends(box, 90001)
    box.ok('adopt')
    expect(box.current().schemaVersion).toBe('1.0.0')
    box.ok('migrate')
    expect(latencies(box, 90001)).toEqual([1])
  })

  it('has nothing to say where the original is gone', () => {
    const box = migrated()
    rmSync(box.data, { recursive: true })
    expect(box.doc('adopt')).toMatchObject({ jobId: null })
    expect(box.run(['start']).code).toBe(0)
    expect(box.run(['verify']).code).toBe(0)
  })

  it('knows no original in a fresh store', () => {
    const box = sandbox({})
    box.ok('init')
    expect(box.doc('adopt')).toMatchObject({ jobId: null })
  })
})
