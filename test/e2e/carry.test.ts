import { existsSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Sandbox } from '../support/sandbox.ts'
import { copyOf, day, made, sample } from '../support/sandbox.ts'
import { toyMigrated, toyModule } from '../support/toy.ts'
import { contents, fingerprint, json, put } from '../support/tree.ts'

const DAY = 'data/2025-12-14.json'
const TS = 1765733139432

type Values = Record<string, unknown>

const text = (root: string, path: string): string => readFileSync(join(root, path), 'utf8')
const record = (ms: number, more: Values = {}): Values => ({
  ts: TS + ms,
  endpoint_id: 'fd6a02b',
  latency_ms: ms,
  st: 0,
  ...more,
})
/** The same before 2.2.0. */
const older = (ms: number): Values => ({ ts: TS + ms, endpoint_id: 'fd6a02b', latency_ms: ms, status: 'success' })
const raw = (ms: number, more: Values = {}): Values => ({ ts: TS + ms, id: 'fd6a02b', ms, st: 0, err: null, ...more })

/** Two days, the second as the application's present build writes it; migrated to the newest version. */
const days = Array.from({ length: 40 }, (_, i) => raw(i - 1000))
const content = (): Map<string, Uint8Array> => new Map([...sample(2), [DAY, Buffer.from(JSON.stringify(days, null, 2))]])
const upgraded = (): Sandbox => copyOf('upgraded', (dir) => made(dir, content(), undefined, ['migrate']))

/** The application appends records, as it does: reads all, writes all back in place. */
const append = (box: Sandbox, ...records: Values[]): void => {
  const file = json(box.active(), DAY)
  file.results.push(...records)
  box.edit(DAY, file)
}
const appendRaw = (box: Sandbox, ...records: Values[]): void => {
  box.edit(DAY, [...json(box.active(), DAY), ...records])
}
/** The text of a bare array with records behind it, written as Go does. */
const with_ = (original: string, ...records: Values[]): string =>
  `${original.slice(0, -2)}${records.map((r) => `,\n${JSON.stringify(r, null, 2).replace(/^/gm, '  ')}`).join('')}\n]`

describe('a rollback takes along what was written since', () => {
  it('records of a day come back in the old format, once, behind the original bytes', () => {
    const box = upgraded()
    const first = box.doc('show', '@-').snapshot.id
    const original = text(box.data, DAY)
    append(box, record(1), record(2, { st: 1, error: 'no <route>' }))
    const done = box.doc('rollback')
    expect(done.carried).toEqual([{ path: DAY, change: 'changed', result: 'carried', added: 2, removed: 0, clashes: 0 }])
    expect(box.current().schemaVersion).toBe('1.0.0')
    const escaped = with_(original, raw(1), raw(2, { st: 2, err: 'no <route>' }))
      .replace('<', '\\u003c')
      .replace('>', '\\u003e')
    expect(text(box.active(), DAY)).toBe(escaped)
    const others = (root: string): Values => ({ ...contents(root), [DAY]: '' })
    expect(others(box.active())).toEqual(others(box.data))
    // In a directory of its own: the one from before the migration is as it was.
    expect(box.snapshot()).not.toBe(first)
    expect(contents(box.directoryOf(first))).toEqual(contents(box.data))
    expect(box.doc('verify').valid).toBe(true)
  })

  it('records of a day of another shape come back in the shape of their file', () => {
    const box = upgraded()
    const path = 'data/2025-12-13.json'
    const [first] = json(box.data, path)
    const file = json(box.active(), path)
    box.edit(path, { ...file, results: [...file.results, { ...file.results[0], latency_ms: 4711 }] })
    box.ok('rollback')
    expect(json(box.active(), path)).toHaveLength(Number(json(box.data, path).length) + 1)
    expect(Object.keys(json(box.active(), path).at(-1)).sort()).toEqual(Object.keys(first).sort())
    expect(text(box.active(), path).startsWith(text(box.data, path).slice(0, -2))).toBe(true)
  })

  it('says so, and the journal and stock git tell of it', () => {
    const box = upgraded()
    append(box, record(1))
    const left = box.snapshot()
    const ran = box.ok('rollback')
    for (const words of ['came along', DAY, '1 record added', 'on hold']) expect(ran).toContain(words)
    expect(box.ok('history')).toMatch(/active: 1\.0\.0-\w+ \(rollback\), with 1 file written since \(1 record\)/)
    expect(box.git('log', '-1', '--format=%s%n%b', box.snapshot())).toContain(`Carry into 1.0.0: data written in 2.2.0`)
    expect(box.git('log', '-1', '--format=%(trailers:key=Carries)', box.snapshot())).toContain(left)
  })

  it('a configuration comes back member by member; what nobody changed keeps its spelling', () => {
    const box = upgraded()
    const config = json(box.active(), 'config.json')
    config.monitoring.intervalSeconds = 17
    config.endpoints[0].name = 'Renamed'
    config.endpoints.push({ ...config.endpoints[0], id: '1234567', name: 'New one', address: '192.0.2.1' })
    box.edit('config.json', config)
    const before = json(box.data, 'config.json')
    box.ok('rollback')
    const after = json(box.active(), 'config.json')
    const [region = ''] = Object.keys(before.regions)
    expect(after.settings).toEqual({ ...before.settings, test_interval_seconds: 17 })
    expect(after.regions[region].endpoints[0]).toEqual({ ...before.regions[region].endpoints[0], name: 'Renamed' })
    expect(after.regions[region].endpoints.slice(1, -1)).toEqual(before.regions[region].endpoints.slice(1))
    expect(after.regions[region].endpoints.at(-1)).toMatchObject({ name: 'New one', address: '192.0.2.1' })
    expect(Object.keys(after.regions[region].endpoints.at(-1))).not.toContain('tags')
  })

  it('new days, files of no kind, and removals come along; what the steps had made does not', () => {
    const box = upgraded()
    const other = readdirSync(join(box.active(), 'data')).find((name) => `data/${name}` !== DAY) ?? ''
    box.edit('data/2025-12-15.json', { ...day(box.active(), '2025-12-14'), date: '2025-12-15', results: [record(5)] })
    box.edit('notes.txt', 'hello')
    rmSync(join(box.active(), 'data', other))
    const done = box.doc('rollback')
    expect(done.carried.map((f: Values) => [f.path, f.result])).toEqual(
      expect.arrayContaining([
        ['data/2025-12-15.json', 'carried'],
        ['notes.txt', 'carried'],
        [`data/${other}`, 'removed'],
      ]),
    )
    const { [`data/${other}`]: _, ...kept } = contents(box.data)
    const { 'data/2025-12-15.json': fresh, 'notes.txt': notes, ...rest } = contents(box.active())
    expect(rest).toEqual(kept)
    expect([fresh, notes]).not.toContain(undefined)
    expect(json(box.active(), 'data/2025-12-15.json')).toEqual([raw(5)])
  })

  it('also through one step only, and then through the next', () => {
    const box = upgraded()
    append(box, record(1))
    box.ok('rollback', '2.1.0')
    expect(box.current().schemaVersion).toBe('2.0.0')
    expect(day(box.active(), '2025-12-14').results.at(-1)).toEqual(older(1))
    append(box, older(2))
    box.ok('rollback', '1.2.0')
    expect(box.current().schemaVersion).toBe('1.1.0')
    expect(day(box.active(), '2025-12-14').results.slice(-2)).toMatchObject([{ latency_ms: 1 }, { latency_ms: 2 }])
    box.ok('rollback')
    expect(text(box.active(), DAY)).toBe(with_(text(box.data, DAY), raw(1), raw(2)))
    expect(box.refused('rollback').code).toBe('NOTHING_TO_ROLL_BACK')
    expect(box.doc('verify').valid).toBe(true)
  })

  it('with nothing written it is the switch of a pointer, also the second time', () => {
    const box = upgraded()
    append(box, record(1))
    box.ok('rollback')
    const down = box.snapshot()
    box.ok('redo')
    const before = fingerprint(join(box.store, 'snapshots'))
    box.ok('rollback')
    expect(box.snapshot()).toBe(down)
    expect(fingerprint(join(box.store, 'snapshots'))).toEqual(before)
  })

  it('--dry-run says file by file what would come along, and writes nothing at all', () => {
    const box = upgraded()
    append(box, record(1), record(2))
    box.edit('notes.txt', 'hello')
    const before = fingerprint(box.store)
    const said = box.ok('rollback', '--dry-run')
    for (const words of [DAY, '2 records added', 'notes.txt', 'taken along']) expect(said).toContain(words)
    const planned = box.doc('rollback', '--dry-run')
    expect(fingerprint(box.store)).toEqual(before)
    expect(planned.inTheWay).toEqual([])
    expect(box.doc('rollback').carried).toEqual(planned.carried)
  })

  it('a day that cannot be read takes the place of nothing; a new one comes along as it is', () => {
    const box = upgraded()
    box.edit(DAY, '{"header":')
    box.edit('data/2025-12-15.json', '{"hea')
    const past = Date.now() / 1000 - 60
    for (const path of [DAY, 'data/2025-12-15.json']) utimesSync(join(box.active(), path), past, past)
    const left = box.snapshot()
    const done = box.doc('rollback')
    expect(done.carried).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ path: DAY, result: 'unreadable', clashes: 0 }),
        expect.objectContaining({ path: 'data/2025-12-15.json', result: 'carried' }),
      ]),
    )
    expect(text(box.active(), DAY)).toBe(text(box.data, DAY))
    expect(text(box.active(), 'data/2025-12-15.json')).toBe('{"hea')
    expect(box.ok('show', `${left}:${DAY}`)).toBe('{"header":')
  })
})

describe('what no step leads back', () => {
  const withoutWayBack = (): Sandbox => {
    const path = toyModule()
    writeFileSync(path, readFileSync(path, 'utf8').replace('rollback: ({ header, ...rest }) => rest', ''))
    return toyMigrated(path)
  }

  it('is refused with the list of files; nothing is switched; --exact goes back all the same', () => {
    const box = withoutWayBack()
    const id = box.snapshot()
    const settings = json(box.active(), 'settings.json')
    box.edit('settings.json', { ...settings, items: ['a', 'b', 'c'] })
    const { code, data, hint } = box.refused('rollback')
    expect(code).toBe('DATA_WRITTEN_SINCE')
    expect(data.files).toEqual([{ path: 'settings.json', change: 'changed', why: expect.stringContaining('2.0.0') }])
    expect(hint).toContain('--exact')
    expect(box.snapshot()).toBe(id)
    expect(box.doc('rollback', '--dry-run').inTheWay).toEqual(data.files)
    box.ok('rollback', '--exact')
    expect(box.current().schemaVersion).toBe('1.0.0')
    box.ok('redo')
    expect(json(box.active(), 'settings.json').items).toEqual(['a', 'b', 'c'])
  })

  it('a step that throws on the way back is named with the file, and nothing is switched', () => {
    const path = toyModule()
    writeFileSync(path, readFileSync(path, 'utf8').replace('({ header, ...rest }) => rest', "() => { throw new Error('a mistake') }"))
    const box = toyMigrated(path)
    const id = box.snapshot()
    box.edit('settings.json', { ...json(box.active(), 'settings.json'), items: ['c', 'a', 'b'] })
    box.allowLeftovers()
    const { code, data } = box.refused('rollback')
    expect(code).toBe('DATA_WRITTEN_SINCE')
    expect(data.files).toEqual([{ path: 'settings.json', change: 'changed', why: expect.stringContaining('a mistake') }])
    expect(box.snapshot()).toBe(id)
    expect(readdirSync(join(box.store, 'staging'))).toEqual([])
  })
})

describe('redo takes along what was written after the rollback', () => {
  it('records go forward, and what is derived from them is made again', () => {
    const box = upgraded()
    const rows = Number(json(box.active(), 'aggregated/2025-12-14-daily.json').aggregates.length)
    append(box, record(1))
    box.ok('rollback')
    appendRaw(box, raw(2), raw(3, { id: 'aaaaaaa' }))
    const top = contents(box.directoryOf(box.doc('show', '2.2.0').snapshot.id))
    const done = box.doc('redo')
    expect(done.carried).toEqual([{ path: DAY, change: 'changed', result: 'carried', added: 2, removed: 0, clashes: 0 }])
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(day(box.active(), '2025-12-14').results.slice(-3)).toEqual([record(1), record(2), record(3, { endpoint_id: 'aaaaaaa' })])
    const daily = json(box.active(), 'aggregated/2025-12-14-daily.json').aggregates
    expect(daily).toHaveLength(rows + 1)
    const own = ['aggregated/2025-12-14-daily.json', 'aggregated/2025-12-14-hourly.json', DAY, 'index.json']
    const rest = (all: Values): Values => Object.fromEntries(Object.entries(all).filter(([path]) => !own.includes(path)))
    expect(rest(contents(box.active()))).toEqual(rest(top))
    expect(box.doc('status').state).toBe('up-to-date')
    expect(box.doc('verify').valid).toBe(true)
  })

  it('what only the newer version can hold is still there', () => {
    const box = upgraded()
    const config = json(box.active(), 'config.json')
    config.endpoints[0].tags = ['mine']
    box.edit('config.json', config)
    box.ok('rollback')
    const old = json(box.active(), 'config.json')
    old.settings.test_interval_seconds = 99
    box.edit('config.json', old)
    box.ok('redo')
    expect(json(box.active(), 'config.json')).toMatchObject({ monitoring: { intervalSeconds: 99 } })
    expect(json(box.active(), 'config.json').endpoints[0].tags).toEqual(['mine'])
  })

  it('after an exact rollback, what both sides wrote is there', () => {
    const box = upgraded()
    append(box, record(1))
    box.ok('rollback', '--exact')
    expect(text(box.active(), DAY)).toBe(text(box.data, DAY))
    appendRaw(box, raw(2))
    box.ok('redo')
    expect(day(box.active(), '2025-12-14').results.slice(-2)).toEqual([record(1), record(2)])
    box.ok('rollback')
    expect(json(box.active(), DAY).slice(-2)).toEqual([raw(1), raw(2)])
  })

  it('removed days are removed with what was derived from them', () => {
    const box = upgraded()
    box.ok('rollback')
    rmSync(join(box.active(), DAY))
    box.ok('redo')
    expect(Object.keys(contents(box.active())).filter((path) => path.includes('2025-12-14'))).toEqual([])
  })

  it('five times down and up with a record at each end, each is there once', () => {
    const box = upgraded()
    const expected: number[] = []
    for (let i = 0; i < 5; i++) {
      append(box, record(2 * i + 1))
      box.ok('rollback')
      appendRaw(box, raw(2 * i + 2))
      box.ok('redo')
      expected.push(2 * i + 1, 2 * i + 2)
    }
    const own = day(box.active(), '2025-12-14').results.slice(json(box.data, DAY).length)
    expect(own.map((r) => r.latency_ms)).toEqual(expected)
    box.ok('rollback')
    expect(text(box.active(), DAY)).toBe(with_(text(box.data, DAY), ...expected.map((n) => raw(n))))
    expect(box.doc('verify').valid).toBe(true)
  })
})

describe('rollbacks one after another', () => {
  it('what was written at the far end comes along with each redo, to the newest version', () => {
    const box = upgraded()
    box.ok('rollback', '2.1.0')
    box.ok('rollback')
    expect(box.current().schemaVersion).toBe('1.0.0')
    appendRaw(box, raw(7))
    const latencies = (): unknown[] => day(box.active(), '2025-12-14').results.map((r) => r.latency_ms)
    for (const version of ['2.0.0', '2.2.0']) {
      box.ok('redo')
      expect(box.current().schemaVersion).toBe(version)
      expect(latencies().filter((ms) => ms === 7)).toEqual([7])
    }
    expect(box.doc('verify')).toMatchObject({ valid: true, errorsFound: 0 })
  })
})

describe('files that were written on both sides', () => {
  /** The application held the old directory open through the switch. */
  const late = (box: Sandbox, path: string, value: unknown): void => {
    put(box.directoryOf(box.doc('show', '@-').snapshot.id), path, value)
  }

  it('records of both are there, once', () => {
    const box = upgraded()
    append(box, record(1))
    late(box, DAY, [...json(box.data, DAY), raw(9)])
    box.ok('rollback')
    expect(text(box.active(), DAY)).toBe(with_(text(box.data, DAY), raw(9), raw(1)))
    box.ok('redo')
    expect(
      day(box.active(), '2025-12-14')
        .results.slice(-2)
        .map((r) => r.latency_ms),
    ).toEqual([9, 1])
    expect(box.doc('verify').valid).toBe(true)
  })

  it('members of a document of both are there; of the same member the newer is, and the other is told and kept', () => {
    const box = upgraded()
    const old = json(box.data, 'config.json')
    late(box, 'config.json', { ...old, settings: { ...old.settings, data_retention_days: 7, test_interval_seconds: 5 } })
    const config = json(box.active(), 'config.json')
    box.edit('config.json', { ...config, monitoring: { intervalSeconds: 6 }, notifications: { enabled: !config.notifications.enabled } })
    const future = Date.now() / 1000 + 5
    utimesSync(join(box.active(), 'config.json'), future, future)
    const [left, target] = [box.snapshot(), box.doc('show', '@-').snapshot.id]
    const ran = box.run(['rollback'])
    expect(ran.stderr).toContain('CARRY_CONFLICT')
    const { settings } = json(box.active(), 'config.json')
    expect(settings).toMatchObject({
      data_retention_days: 7,
      test_interval_seconds: 6,
      notifications_enabled: !config.notifications.enabled,
    })
    expect(JSON.parse(box.ok('show', `${target}:config.json`)).settings.test_interval_seconds).toBe(5)
    expect(JSON.parse(box.ok('show', `${left}:config.json`)).monitoring.intervalSeconds).toBe(6)
  })

  it('a file of no kind is the newer one', () => {
    const box = upgraded()
    box.edit('notes.txt', 'new side')
    late(box, 'notes.txt', 'old side')
    const future = Date.now() / 1000 + 5
    utimesSync(join(box.active(), 'notes.txt'), future, future)
    box.ok('rollback')
    expect(text(box.active(), 'notes.txt')).toBe('new side')
  })
})

describe('over several jobs', () => {
  it('what was written between them comes along, too', () => {
    const box = copyOf('captured', (dir) => made(dir, content(), undefined))
    box.ok('migrate', '--to', '1.2.0')
    append(box, older(1))
    box.ok('migrate')
    append(box, record(2))
    box.ok('rollback', '1.2.0')
    expect(box.current().schemaVersion).toBe('1.1.0')
    box.ok('rollback')
    expect(text(box.active(), DAY)).toBe(with_(text(box.data, DAY), raw(1), raw(2)))
  })

  it('what was brought up by a redo is not brought down a second time', () => {
    const box = upgraded()
    box.ok('rollback')
    appendRaw(box, raw(1))
    box.ok('redo')
    box.ok('rollback', '2.0.0')
    box.ok('rollback')
    expect(text(box.active(), DAY)).toBe(with_(text(box.data, DAY), raw(1)))
  })
})

describe('what an application writes into the directory after the switch', () => {
  const before = (box: Sandbox): string => box.directoryOf(box.doc('show', '@-').snapshot.id)

  it.each([['start'], ['checkpoint'], ['migrate']])('is carried over by the next %s', (command) => {
    const box = upgraded()
    const top = box.snapshot()
    put(before(box), DAY, [...json(box.data, DAY), raw(7)])
    box.ok(command)
    expect(box.snapshot()).not.toBe(top)
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(day(box.active(), '2025-12-14').results.at(-1)).toEqual(record(7))
    expect(box.ok('history')).toContain('(carry), with 1 file')
    const again = box.snapshot()
    box.ok(command)
    expect(box.snapshot()).toBe(again)
    box.ok('rollback')
    expect(text(box.active(), DAY)).toBe(with_(text(box.data, DAY), raw(7)))
    expect(box.doc('verify').valid).toBe(true)
  })

  it('after a rollback, too; redo then returns to what is there', () => {
    const box = upgraded()
    const left = box.active()
    box.ok('rollback')
    const file = json(left, DAY)
    put(left, DAY, { ...file, results: [...file.results, record(7)] })
    box.ok('checkpoint')
    expect(json(box.active(), DAY).at(-1)).toEqual(raw(7))
    expect(box.current().hold).not.toBeNull()
    box.ok('redo')
    expect(box.active()).toBe(left)
    expect(day(left, '2025-12-14').results.filter((r) => r.latency_ms === 7)).toHaveLength(1)
  })

  it('again and again, by an application that does not look at CURRENT, waits for its next start', () => {
    const box = upgraded()
    const old = before(box)
    put(old, DAY, [...json(box.data, DAY), raw(7)])
    box.ok('checkpoint')
    const once = box.snapshot()
    put(old, DAY, [...json(box.data, DAY), raw(7), raw(8)])
    expect(box.run(['checkpoint']).stderr).toContain('next start')
    expect(box.snapshot()).toBe(once)
    box.ok('start')
    expect(day(box.active(), '2025-12-14').results.slice(-2)).toEqual([record(7), record(8)])
  })
})

describe('where a carry cannot be', () => {
  it('a missing directory of the target is made from the repository first', () => {
    const box = upgraded()
    rmSync(box.directoryOf(box.doc('show', '@-').snapshot.id), { recursive: true })
    append(box, record(1))
    box.ok('rollback')
    expect(text(box.active(), DAY)).toBe(with_(text(box.data, DAY), raw(1)))
  })

  it('the index of the new directory knows every file: the next checkpoint reads none and commits nothing', () => {
    const box = upgraded()
    append(box, record(1))
    box.ok('rollback')
    expect(existsSync(join(box.store, 'index', box.snapshot()))).toBe(true)
    expect(box.doc('checkpoint').changed).toEqual([])
  })
})
