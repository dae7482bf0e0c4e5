import { describe, expect, test } from 'vitest'
import netmonitor, { sampleFiles } from '../../migrations/index.ts'
import type { Files } from '../../src/index.ts'
import { MigrationManager } from '../../src/index.ts'
import { fixture } from '../migrations/support.ts'
import { DATA, filesOf, json, text, toy } from './toy.ts'

/* T022: the interface Migration and the MigrationManager, over whole datasets in memory. */

const content = (files: Files | undefined) => Object.fromEntries([...(files ?? [])].sort().map(([path, bytes]) => [path, json(bytes)]))
const migrationOf = (manager: MigrationManager, version: string) => {
  const found = manager.migrations.find((m) => m.version() === version)
  if (found === undefined) throw new Error(`there is no ${version}`)
  return found
}

describe("T022's MigrationManager", () => {
  test('lists the migrations, oldest first, with version and description', () => {
    const { migrations } = new MigrationManager(netmonitor, '1.0.0')
    expect(migrations.map((m) => [m.version(), m.description()])).toEqual([
      ['1.1.0', 'Add endpoint metadata fields'],
      ['1.2.0', 'Change timestamp format'],
      ['2.0.0', 'Restructure configuration format'],
      ['2.1.0', 'Add aggregation data'],
      ['2.2.0', 'Compact history'],
    ])
  })

  test('tells version, time, description and changes of each', () => {
    for (const m of new MigrationManager(netmonitor, '1.0.0').migrations) {
      const { version, createdAt, description, changes, ...more } = m.schemaVersion()
      expect([version, description, more]).toEqual([m.version(), m.description(), {}])
      expect(Number.isNaN(Date.parse(createdAt))).toBe(false)
      expect(changes.length).toBeGreaterThan(0)
    }
  })

  test('has pending what is newer than the data', () => {
    const pending = (version: string) => new MigrationManager(netmonitor, version).pending().map((m) => m.version())
    expect(pending('1.0.0')).toEqual(['1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0'])
    expect(pending('2.0.0')).toEqual(['2.1.0', '2.2.0'])
    expect(pending('2.2.0')).toEqual([])
  })

  test('knows where the data stands, and always makes backups', () => {
    expect(new MigrationManager(netmonitor, '1.2.0')).toMatchObject({ currentVersion: '1.2.0', backupEnabled: true })
  })

  test('refuses a version that it does not know', () => {
    expect(() => new MigrationManager(netmonitor, '3.0.0')).toThrow(expect.objectContaining({ code: 'NEWER_SCHEMA' }))
  })

  test('takes data to the newest version, the same way as one step after the other', () => {
    const manager = new MigrationManager(netmonitor, '1.0.0')
    const { data, issues } = manager.migrate(fixture())
    const stepped = manager.pending().reduce<Files>((files, m) => m.migrate(files), fixture())
    expect([...data].sort()).toEqual([...stepped].sort())
    expect(issues).toEqual([])
  })

  test('leaves data that is at the newest version as it is', () => {
    const { data } = new MigrationManager(netmonitor, '1.0.0').migrate(fixture())
    expect(new MigrationManager(netmonitor, '2.2.0').migrate(data)).toEqual({ data, issues: [] })
  })
})

describe("T022's Migration", () => {
  const samples: [string, Files][] = [
    ['the original of the first release', fixture()],
    ['made-up days of every shape', new Map(sampleFiles({ days: 6, endDate: '2025-11-05', seed: 3 }))],
  ]

  test.each(samples)('validates after migrate, and again after rollback, on %s', (_, files) => {
    let data = files
    const before: Files[] = []
    for (const m of new MigrationManager(netmonitor, '1.0.0').migrations) {
      before.push(data)
      data = m.migrate(data)
      m.validate(data)
    }
    for (const m of [...new MigrationManager(netmonitor, '1.0.0').migrations].reverse()) {
      data = m.rollback(data)
      expect([...data.keys()].sort()).toEqual([...(before.pop()?.keys() ?? [])].sort())
    }
  })

  test('rollback gives the files of the version before, the derived ones gone', () => {
    const manager = new MigrationManager(toy(), '1.0.0')
    const [second, third] = [migrationOf(manager, '2.0.0'), migrationOf(manager, '3.0.0')]
    const at2 = second.migrate(filesOf(DATA))
    const at3 = third.migrate(at2)
    expect([...at3.keys()].sort()).toEqual(['days/1.json', 'settings.json', 'sums/1.json'])
    expect([...third.rollback(at3)].sort()).toEqual([...at2].sort())
    expect(content(second.rollback(at2))).toEqual(DATA)
  })

  test('rollback leaves the bytes of what the step did not change', () => {
    const at2 = migrationOf(new MigrationManager(toy(), '1.0.0'), '2.0.0').migrate(filesOf({ ...DATA, 'notes.txt': 'hello' }))
    expect(text(at2.get('notes.txt'))).toBe('hello')
    expect(text(migrationOf(new MigrationManager(toy(), '2.0.0'), '2.0.0').rollback(at2).get('notes.txt'))).toBe('hello')
  })

  test('rollback keeps the bytes of a file that migrate had to quarantine', () => {
    const second = migrationOf(new MigrationManager(toy(), '1.0.0'), '2.0.0')
    const torn = filesOf({ ...DATA, 'days/2.json': '[{"n":' })
    const there = second.rollback(second.migrate(torn))
    expect(text(there.get('days/2.json'))).toBe('[{"n":')
    expect(json(there.get('days/1.json'))).toEqual(DATA['days/1.json'])
  })

  test('rollback of a file that stops a job when it is damaged is refused', () => {
    const second = migrationOf(new MigrationManager(toy(), '1.0.0'), '2.0.0')
    expect(() => second.rollback(filesOf({ 'settings.json': '{' }))).toThrow(expect.objectContaining({ code: 'JSON_SYNTAX' }))
  })

  test('validate says what is not as the schema says, and where', () => {
    const second = migrationOf(new MigrationManager(toy(), '1.0.0'), '2.0.0')
    const wrong = filesOf({ 'days/1.json': { header: { schemaVersion: '2.0.0' }, list: [{ n: 1 }, { n: 'x' }] } })
    expect(() => {
      second.validate(wrong)
    }).toThrow(expect.objectContaining({ code: 'INVALID_RESULT', data: expect.objectContaining({ file: 'days/1.json', record: 1 }) }))
  })

  test("validate runs the migration's own checks too", () => {
    const manager = new MigrationManager(toy({ validate: ({ n }) => (n === 2 ? 'n is two' : undefined) }), '1.0.0')
    const day = filesOf({ 'days/1.json': { header: { schemaVersion: '2.0.0' }, list: [{ n: 1 }, { n: 2 }] } })
    expect(() => {
      migrationOf(manager, '2.0.0').validate(day)
    }).toThrow(expect.objectContaining({ code: 'INVALID_RESULT', data: expect.objectContaining({ file: 'days/1.json', record: 1 }) }))
  })

  test("validate of NetMonitor's 1.1.0 finds a date that is not the file's", () => {
    const m = migrationOf(new MigrationManager(netmonitor, '1.0.0'), '1.1.0')
    const data = m.migrate(fixture())
    const day = data.get('data/2025-12-08.json')
    const moved = new Map(data).set('data/2025-12-09.json', day ?? new Uint8Array())
    expect(() => {
      m.validate(moved)
    }).toThrow(/date/)
  })
})
