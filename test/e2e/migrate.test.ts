import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { captured, day, migrated, sample } from '../support/sandbox.ts'
import { contents, fingerprint, json } from '../support/tree.ts'

const DAY = 'data/2025-12-14.json'

describe('migrate', () => {
  it('takes 1.0.0 to 2.2.0 in five snapshots, and leaves the snapshot before as it was', () => {
    const box = captured()
    const before = { id: box.snapshot(), files: fingerprint(box.active()) }
    const { job } = box.doc('migrate')
    expect(job).toMatchObject({
      fromVersion: '1.0.0',
      toVersion: '2.2.0',
      status: 'completed',
      filesProcessed: 3,
      totalFiles: 3,
      error: '',
    })
    expect(readdirSync(join(box.store, 'snapshots')).map((id) => id.replace(/-.*/, ''))).toEqual([
      '1.0.0',
      '1.1.0',
      '1.2.0',
      '2.0.0',
      '2.1.0',
      '2.2.0',
    ])
    expect(fingerprint(box.directoryOf(before.id))).toEqual(before.files)
    expect(job.backupPath).toBe(box.directoryOf(before.id))
  })

  it('every record of every day arrives, whichever format holds the day', () => {
    const box = captured(sample(6))
    type Raw = { timestamp?: string; ts?: number; ms?: number | null; latency_ms?: number | null; status?: string; st?: number }
    const facts = ({ timestamp, ts = 0, ms = null, latency_ms = ms, status, st = status === 'success' ? 0 : 1 }: Raw) => ({
      // Shape A, seconds, or milliseconds.
      ts: timestamp === undefined ? ts * (ts < 1e11 ? 1000 : 1) : Date.parse(timestamp),
      latency_ms,
      st: Math.min(st, 1),
    })
    const dates = Object.keys(contents(join(box.data, 'data'))).map((name) => name.slice(0, 10))
    const before = dates.map((date) => (json(box.data, `data/${date}.json`) as Raw[]).map(facts))
    box.ok('migrate')
    expect(dates.map((date) => day(box.active(), date).results.map(facts))).toEqual(before)
    expect(readdirSync(join(box.active(), 'data')).map((name) => name.slice(10))).toEqual([
      ...Array.from({ length: 4 }, () => '.msgpack.gz'),
      ...Array.from({ length: 2 }, () => '.json'),
    ])
  })

  it('a second time has nothing to do and changes nothing', () => {
    const box = migrated()
    const before = fingerprint(box.store)
    const { job } = box.doc('migrate')
    expect(job).toMatchObject({ id: '', status: 'completed' })
    expect(box.ok('migrate')).toContain('2.2.0')
    expect({ ...fingerprint(box.store), 'journal/': '', './': '' }).toEqual({ ...before, 'journal/': '', './': '' })
  })

  it('--dry-run says what would be done, and writes nothing at all', () => {
    const box = captured()
    const before = fingerprint(box.dir)
    const ran = box.run(['migrate', '--dry-run'])
    expect(ran.code).toBe(0)
    expect(ran.stdout).toContain('2.2.0')
    expect(fingerprint(box.dir)).toEqual(before)
  })

  it('--to stops there; the rest follows later and ends in the same bytes as all at once', () => {
    const [half, whole] = [captured(), migrated()]
    half.ok('migrate', '--to', '1.2.0')
    expect(half.current().schemaVersion).toBe('1.2.0')
    expect(json(half.active(), DAY).header.schemaVersion).toBe('1.2.0')
    expect(half.run(['status']).code).toBe(2)
    half.ok('migrate')
    expect(contents(half.active())).toEqual(contents(whole.active()))
  })

  it('takes in what the application wrote before it, as a checkpoint first', () => {
    const box = captured()
    const records = json(box.active(), DAY) as unknown[]
    box.edit(DAY, [...records, { ts: 1765733139432, id: 'fd6a02b', ms: 7, st: 0, err: null }])
    box.ok('migrate')
    expect(day(box.active(), '2025-12-14').results).toHaveLength(records.length + 1)
    const subjects = box.git('log', '--format=%s', box.snapshot()).trim().split('\n')
    expect(subjects.filter((s) => s.startsWith('Checkpoint'))).toHaveLength(1)
  })

  it('the log goes to stderr as it happens, with the step; stdout has the result only', () => {
    const box = captured()
    const ran = box.run(['migrate', '--json'])
    expect(JSON.parse(ran.stdout)).toHaveProperty('job.status', 'completed')
    const lines = ran.stderr
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { log?: { step: string; level: string } }]))
    const steps = lines.flatMap(({ log }) => (log?.level === 'info' ? [log.step] : []))
    expect(steps).toEqual(['1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0'])
    const text = captured().run(['migrate'])
    for (const version of steps) expect(text.stderr).toContain(`${version}: `)
  })

  it('--quiet says nothing on stderr', () => {
    const box = captured()
    expect(box.run(['migrate', '--quiet']).stderr).toBe('')
  })

  it('warnings of the contract come with their code, in migrate, status and history', () => {
    const records = [{ timestamp: '2025-12-14T10:00:00Z', endpoint_id: 'Default-Gone', latency_ms: 1, status: 'success' }]
    const box = captured({ ...Object.fromEntries(sample(1)), [DAY]: records })
    const ran = box.run(['migrate'])
    expect(ran.stderr).toContain('ORPHANED_ENDPOINT')
    expect(box.ok('history', '--job', box.doc('status').lastJob.id)).toContain('ORPHANED_ENDPOINT')
  })

  it('keeps files of no kind byte for byte, and says so', () => {
    const odd = '[1,\n2.50]'
    const box = migrated({ ...Object.fromEntries(sample(1)), 'data/2025-12-10_optimized.json': odd })
    expect(readFileSync(join(box.active(), 'data/2025-12-10_optimized.json'), 'utf8')).toBe(odd)
  })
})

describe('nothing of the data', () => {
  it('is in the journal, on stderr, or in an error', () => {
    const secret = 'hunter2-s3cr3t'
    const files = Object.fromEntries(sample(1))
    const config = JSON.parse(Buffer.from(files['config.json'] ?? '').toString())
    config.settings.password = secret
    config.regions.Default.endpoints[0].description = secret
    const token = { timestamp: '2025-12-14T10:00:00Z', endpoint_id: 'Default-Google DNS', latency_ms: 1, status: 'failure', error: secret }
    const bad = `[{"timestamp":"${secret}","endpoint_id":"x"`
    const box = captured({ 'config.json': config, [DAY]: [token], 'data/2025-12-13.json': bad })
    const said = [box.run(['migrate']), box.run(['status']), box.run(['verify']), box.run(['rollback']), box.run(['history', '--all'])]
    for (const { stdout, stderr } of said) expect(stdout + stderr).not.toContain(secret)
    expect(box.journal()).not.toContain(secret)
    expect(box.git('log', '--format=%B', '--all')).not.toContain(secret)
  })

  it('is in the journal when config.json itself is damaged', () => {
    const secret = 'hunter2-s3cr3t'
    const box = captured({ ...Object.fromEntries(sample(1)), 'config.json': `{"regions": {"${secret}": ${secret}` })
    const ran = box.run(['migrate'])
    expect(ran.code).toBe(1)
    expect(ran.stdout + ran.stderr + box.journal()).not.toContain(secret)
  })
})
