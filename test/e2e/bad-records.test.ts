import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { decode, encode } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import { ROOT, captured } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { contents, json } from '../support/tree.ts'

/** Single records that are not as their schema says, in a kind with `badRecords: 'quarantine'`. */

const MODULE = join(ROOT, 'test/support/ledger.mjs')
const record = (n: unknown, zone = 'Z') => ({ n, zone })
const DAY = `[
  {"n": 1, "zone": "Z"},
  {"n": "two", "zone": "Z", "x": 1.0},
  {"n": 4, "zone": "Z"},
  {"zone": "Z"}
]
`
const DATA = { 'days/1.json': DAY, 'days/2.json': [record(5)] }
const at = (version: string): Sandbox => {
  const box = captured(DATA, MODULE)
  box.ok('migrate', '--to', version)
  return box
}
type Day = { list: Record<string, unknown>[] }
const day = (box: Sandbox): Day & Record<string, unknown> => json(box.active(), 'days/1.json') as Day
const mend = (box: Sandbox, index: number, to: object, file = 'days/1.json'): void => {
  const doc = json(box.active(), file) as Day
  doc.list[index] = to as Record<string, unknown>
  box.edit(file, doc)
}
const packed = (box: Sandbox): Day => decode(gunzipSync(readFileSync(join(box.active(), 'days/1.msgpack.gz')))) as Day
const findings = (box: Sandbox): object[] => box.doc('status').findings
const BAD = { code: 'QUARANTINED', severity: 'warning', file: 'days/1.json', record: 1, line: 3, count: 2 }

describe('bad records', () => {
  it('do not stop the migration: they stay in their places, the others go through, and are in sums and index alone', () => {
    const box = at('2.0.0')
    expect(day(box)).toEqual({ version: '2', zone: 'Z', list: [{ m: 1 }, { n: 'two', zone: 'Z', x: 1 }, { m: 4 }, { zone: 'Z' }] })
    expect(readFileSync(join(box.active(), 'days/1.json'), 'utf8')).toContain('"x": 1.0')
    expect(json(box.active(), 'sums/1.json')).toEqual({ sum: 5 })
    expect(json(box.active(), 'index.json').days[0]).toEqual({ path: 'days/1.json', count: 2 })
  })

  it('are counted and listed, with file, record and line, by migrate, status and verify', () => {
    const box = captured(DATA, MODULE)
    expect(box.ok('migrate', '--to', '2.0.0')).toContain('records 1 and 3')
    expect(findings(box)).toMatchObject([BAD])
    expect(box.doc('verify').issues).toMatchObject([BAD])
    expect(box.run(['verify']).code).toBe(2)
    expect(box.run(['status']).stdout).toMatch(/days\/1\.json.*records 1 and 3/s)
    // No values of the user's.
    expect(JSON.stringify(findings(box))).not.toContain('two')
  })

  it('are told once whatever the number of steps, under the path that the file has now', () => {
    const box = captured(DATA, MODULE)
    box.ok('migrate')
    expect(findings(box)).toMatchObject([{ code: 'QUARANTINED', file: 'days/1.msgpack.gz', record: 1, count: 2 }])
    expect(findings(box)).toHaveLength(1)
    const other = at('2.0.0')
    other.ok('migrate')
    expect(findings(other)).toHaveLength(1)
    expect(contents(other.active())).toEqual(contents(box.active()))
  })

  it('come back by rollback, to the byte, also when something was written since', () => {
    const box = at('3.0.0')
    box.ok('rollback')
    expect(contents(box.active())).toEqual(contents(box.data))
    box.ok('redo')
    const doc = packed(box)
    writeFileSync(join(box.active(), 'days/1.msgpack.gz'), gzipSync(encode({ ...doc, list: [...doc.list, { k: 9 }] })))
    box.ok('rollback')
    const back = json(box.active(), 'days/1.json') as unknown[]
    expect(back).toEqual([...(JSON.parse(DAY) as unknown[]), record(9)])
    expect(readFileSync(join(box.active(), 'days/1.json'), 'utf8')).toContain('"x": 1.0')
  })

  it('asked again while they are still bad, nothing changes, and it goes on being said', () => {
    const box = at('2.0.0')
    const id = box.snapshot()
    box.ok('migrate', '--to', '2.0.0')
    expect(box.snapshot()).toBe(id)
    box.edit('days/2.json', { ...(json(box.active(), 'days/2.json') as object), mine: true })
    box.ok('checkpoint')
    expect(findings(box)).toMatchObject([BAD])
  })
})

describe('a bad record, once mended', () => {
  it('in the form of its old version waits for migrate, which takes it through alone', () => {
    const box = at('2.0.0')
    const before = contents(box.active())
    mend(box, 1, { n: 2, zone: 'Z', x: 1 })
    expect(box.doc('plan', '--to', '2.0.0').plan).toMatchObject({ kind: 'mend', files: ['days/1.json'] })
    box.ok('checkpoint')
    expect(findings(box)).toMatchObject([
      { code: 'LEGACY_FILE', record: 1, count: 1 },
      { code: 'QUARANTINED', record: 3, count: 1 },
    ])
    expect(box.doc('status')).toMatchObject({ needed: true, state: 'pending' })
    box.ok('migrate', '--to', '2.0.0')
    expect(day(box)).toEqual({ version: '2', zone: 'Z', list: [{ m: 1 }, { x: 1, m: 2 }, { m: 4 }, { zone: 'Z' }] })
    expect(json(box.active(), 'sums/1.json')).toEqual({ sum: 7 })
    expect(json(box.active(), 'index.json').days[0]).toEqual({ path: 'days/1.json', count: 3 })
    expect(contents(box.active())['days/2.json']).toBe(before['days/2.json'])
    expect(findings(box)).toMatchObject([{ code: 'QUARANTINED', record: 3, count: 1 }])
    expect(box.doc('plan', '--to', '2.0.0').plan.kind).toBe('none')
  })

  it('changes what the step makes of the others where it has to', () => {
    const box = at('2.0.0')
    mend(box, 1, record(2, '+01:00'))
    box.ok('migrate', '--to', '2.0.0')
    const zone = 'Z'
    expect(day(box)).toEqual({ version: '2', list: [{ m: 1, zone }, { m: 2, zone: '+01:00' }, { m: 4, zone }, { zone }] })
  })

  it('is warned of as any other, and alone', () => {
    const box = captured({ ...DATA, 'days/1.json': [record(2e6), { n: 'two', zone: 'Z' }, record(4e6), { zone: 'Z' }] }, MODULE)
    const said = (): string => box.run(['migrate', '--to', '2.0.0']).stderr
    expect(said()).toContain('LARGE_SUM: is more than a million (2 times)')
    mend(box, 3, record(3e6))
    expect(said()).toMatch(/LARGE_SUM: is more than a million(?! \()/)
  })

  it('in the form of now is as any other', () => {
    const box = at('2.0.0')
    mend(box, 1, { m: 2 })
    mend(box, 3, { m: 3 })
    expect(box.doc('plan').plan.kind).toBe('migration')
    box.ok('checkpoint')
    expect(findings(box)).toEqual([])
    box.ok('rollback')
    expect(json(box.active(), 'days/1.json')).toEqual([record(1), record(2), record(4), record(3)])
  })

  it('several, of several versions, in a file that has moved to another format', () => {
    const box = at('3.0.0')
    const doc = packed(box)
    doc.list[1] = record(2)
    doc.list[3] = { m: 3 }
    doc.list.push({ k: 8 }, { own: 'bad' })
    writeFileSync(join(box.active(), 'days/1.msgpack.gz'), gzipSync(encode(doc)))
    box.ok('migrate')
    expect(packed(box)).toEqual({ version: '3', zone: 'Z', list: [{ k: 1 }, { k: 2 }, { k: 4 }, { k: 3 }, { k: 8 }, { own: 'bad' }] })
    expect(findings(box)).toMatchObject([{ code: 'QUARANTINED', file: 'days/1.msgpack.gz', record: 5, count: 1 }])
    expect(box.run(['migrate']).code).toBe(0)
    box.ok('rollback', '2.0.0')
    expect(json(box.active(), 'days/1.json')).toEqual([record(1), record(2), record(4), record(3), record(8), { own: 'bad' }])
  })

  it('in a file of more than 8 MB', () => {
    const many: object[] = Array.from({ length: 300_000 }, (_, n) => ({ n, zone: 'Europe/Berlin' }))
    many[5] = { n: 'five', zone: 'Europe/Berlin' }
    many[250_000] = { zone: 'Europe/Berlin' }
    const box = captured({ 'days/1.json': `[\n${many.map((one) => JSON.stringify(one)).join(',\n')}\n]` }, MODULE)
    box.ok('migrate', '--to', '2.0.0')
    expect(findings(box)).toMatchObject([{ code: 'QUARANTINED', file: 'days/1.json', record: 5, line: 7, count: 2 }])
    expect(day(box).list).toHaveLength(300_000)
    expect(day(box).list[250_000]).toEqual(many[250_000])
    mend(box, 5, { n: 5, zone: 'Europe/Berlin' })
    box.ok('migrate', '--to', '2.0.0')
    expect(day(box).list[5]).toEqual({ m: 5 })
    expect(findings(box)).toMatchObject([{ code: 'QUARANTINED', record: 250_000, count: 1 }])
    expect(json(box.active(), 'index.json').days).toEqual([{ path: 'days/1.json', count: 299_999 }])
  })

  it('that was mended before migrate had a turn is carried back by rollback once, in its old form', () => {
    const box = at('2.0.0')
    mend(box, 1, record(2))
    box.ok('rollback')
    expect(json(box.active(), 'days/1.json')).toEqual([record(1), record(2), record(4), { zone: 'Z' }])
  })
})
