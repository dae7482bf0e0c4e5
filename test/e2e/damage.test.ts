import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { captured, day, migrated, sample } from '../support/sandbox.ts'
import { contents, json, put } from '../support/tree.ts'

const BAD = 'data/2025-12-13.json'
const GOOD = 'data/2025-12-14.json'
const HOURLY = 'aggregated/2025-12-13-hourly.json'
const TORN = '[\n  {"ts": 1765600000000, "id": "fd6a02b", "ms": 1, "st": 0, "err": null},\n  {"ts": 17656'

const files = Object.fromEntries(sample(2))
const damaged = (text: string | Uint8Array = TORN) => ({ ...files, [BAD]: text })
type Found = { code: string; file: string; line: number; column: number; message: string; hint: string }
const about = (issues: Found[]): Found[] => issues.filter((i) => i.file === BAD)

describe('one damaged daily file', () => {
  it('does not block the upgrade: it stays byte for byte, everything else arrives', () => {
    const box = migrated(damaged())
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(readFileSync(join(box.active(), BAD), 'utf8')).toBe(TORN)
    expect(day(box.active(), '2025-12-14').results.length).toBeGreaterThan(0)
    expect(existsSync(join(box.active(), 'aggregated/2025-12-14-hourly.json'))).toBe(true)
    expect(existsSync(join(box.active(), HOURLY))).toBe(false)
  })

  it('is reported with file, line and column by migrate, status and verify, with what to do', () => {
    const box = captured(damaged())
    const said = box.ok('migrate')
    const reports: Found[][] = [about(box.doc('status').findings), about(box.doc('verify').issues)]
    for (const found of reports) {
      expect(found).toMatchObject([{ line: 3, file: BAD }])
      expect(found[0]?.column).toBeGreaterThan(3)
      expect(found[0]?.hint).not.toBe('')
    }
    for (const text of [said, box.run(['status']).stdout, box.run(['verify']).stdout]) {
      expect(text).toContain(BAD)
      expect(text).toContain('line 3, column')
    }
    expect(box.run(['verify']).code).toBe(2)
  })

  it.each<[string, string | Uint8Array]>([
    ['empty', ''],
    ['of NUL bytes, as after a power cut', new Uint8Array(512)],
    ['not UTF-8', new Uint8Array([0x5b, 0xff, 0xfe, 0x5d])],
    ['an object', '{}'],
    ['null', 'null'],
    ['an array of strings', '["a"]'],
  ])('that is %s is kept as it is', (_, text) => {
    const box = migrated(damaged(text))
    expect(contents(box.active())[BAD]).toBe(contents(box.data)[BAD])
    expect(about(box.doc('status').findings)).toHaveLength(1)
    expect(box.current().schemaVersion).toBe('2.2.0')
  })

  it('asking again while it is still damaged changes nothing and goes on saying so', () => {
    const box = migrated(damaged())
    const id = box.snapshot()
    expect(box.run(['migrate']).code).toBe(0)
    expect(box.snapshot()).toBe(id)
    expect(about(box.doc('status').findings)).toHaveLength(1)
  })

  it('once mended, status and plan say that it waits, and migrate takes it through alone; its aggregates appear', () => {
    const box = migrated(damaged())
    const others = contents(box.active())
    box.edit(BAD, files[BAD])
    expect(box.doc('plan').plan).toMatchObject({ kind: 'mend', files: [BAD] })
    expect(box.run(['plan']).code).toBe(2)
    box.ok('checkpoint')
    expect(box.doc('status')).toMatchObject({ needed: true, state: 'pending' })
    box.ok('migrate')
    const whole = migrated(files)
    expect(contents(box.active())).toEqual(contents(whole.active()))
    expect(contents(box.active())).toMatchObject(
      Object.fromEntries(Object.entries(others).filter(([path]) => path !== BAD && path !== 'index.json')),
    )
    expect(box.run(['status']).code).toBe(0)
    expect(box.doc('status').findings).toEqual([])
    expect(box.run(['verify']).code).toBe(0)
  })

  it('once mended, start takes it through, too', () => {
    const box = migrated(damaged())
    box.edit(BAD, files[BAD])
    box.ok('start')
    expect(json(box.active(), BAD).header.schemaVersion).toBe('2.2.0')
  })

  it('comes back in its original bytes by rollback', () => {
    const box = migrated(damaged())
    box.ok('rollback')
    expect(contents(box.active())).toEqual(contents(box.data))
  })

  it('mended, migrated and rolled back is the mended file', () => {
    const box = migrated(damaged())
    box.edit(BAD, files[BAD])
    box.ok('migrate')
    box.ok('rollback')
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(existsSync(join(box.active(), HOURLY))).toBe(false)
  })

  it('that the application damages later is seen at the next checkpoint', () => {
    const box = migrated()
    box.edit(GOOD, '{"header": {"formatVersion": "1", "schemaVersion": "1.2.0"}, "results": [')
    box.ok('checkpoint')
    expect(box.ok('show', `@:${GOOD}`)).toContain('"results": [')
    expect(box.doc('verify').issues.filter((i: Found) => i.file === GOOD)).not.toEqual([])
  })
})

describe('a damaged config.json', () => {
  it('fails the job with line and column; nothing is switched; mended, the next attempt works', () => {
    const box = captured({ ...files, 'config.json': '{\n  "regions": {},\n  oops' })
    const id = box.snapshot()
    const ran = box.run(['migrate'])
    expect(ran.code).toBe(1)
    expect(ran.stdout).toMatch(/config\.json.*line 3, column 3/s)
    expect(box.snapshot()).toBe(id)
    put(box.active(), 'config.json', files['config.json'])
    box.ok('migrate')
    expect(box.current().schemaVersion).toBe('2.2.0')
  })
})
