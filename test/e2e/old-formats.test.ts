import { describe, expect, it } from 'vitest'
import { application, library, NETMONITOR, refusal } from '../support/library.ts'
import { captured, upgraded } from '../support/sandbox.ts'
import { TOY, toyMigrated, toyModule } from '../support/toy.ts'
import { contents, fingerprint, json, put } from '../support/tree.ts'

/* Any file of any snapshot in the form of any version of its schema, in memory. */

const DAY = 'data/2025-12-14.json'

describe('strata show SNAPSHOT:PATH --as VERSION', () => {
  it('goes forward and back, for every version there is, and writes nothing', async () => {
    const box = upgraded()
    const before = fingerprint(box.store)
    const app = await library.App.open({ store: box.store, migrations: NETMONITOR })
    const versions = ['1.0.0', '1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0']
    const of = (bytes: Uint8Array): object => JSON.parse(Buffer.from(bytes).toString())
    const size = (doc: object): unknown => (Array.isArray(doc) ? doc.length : Object.keys(doc))
    for (const path of ['config.json', DAY])
      for (const from of versions)
        for (const to of versions) {
          const [made, known] = [of(await app.read(path, { as: to, of: from })), of(await app.readFile(to, path))]
          if (from <= to) expect(made, `${path} from ${from} as ${to}`).toEqual(known)
          // The way back is what the rollback functions make: of a day, records in one of its shapes.
          else expect(size(made), `${path} from ${from} as ${to}`).toEqual(size(known))
        }
    expect(JSON.parse(box.ok('show', `1.0.0:${DAY}`, '--as', '2.2.0'))).toEqual(of(await app.readFile('2.2.0', DAY)))
    expect(fingerprint(box.store)).toEqual(before)
  })

  it('gives the very bytes where no step in between changes the file', () => {
    const box = upgraded()
    expect(box.ok('show', `1.2.0:${DAY}`, '--as', '2.1.0')).toBe(box.ok('show', `1.2.0:${DAY}`))
    expect(box.ok('show', '1.0.0:config.json', '--as', '1.0.0')).toBe(box.ok('show', '1.0.0:config.json'))
  })

  it('says what it cannot give', () => {
    const box = upgraded()
    expect(box.refused('show', '@:config.json', '--as', '7.0.0').code).toBe('NEWER_SCHEMA')
    expect(box.refused('show', '@:no.json', '--as', '1.0.0')).toMatchObject({ code: 'ABSENT', data: { file: 'no.json' } })
    expect(box.refused('show', '@', '--as', '1.0.0')).toMatchObject({ code: 'BAD_ARGUMENT', hint: expect.stringContaining('config.json') })
    const derived = 'aggregated/2025-12-14-daily.json'
    expect(box.refused('show', `@:${derived}`, '--as', '2.0.0')).toMatchObject({
      code: 'ABSENT',
      data: { file: derived, version: '2.0.0' },
    })
  })

  it('a step without a way back is named', () => {
    const box = captured(TOY, toyModule())
    box.ok('migrate')
    expect(json(box.active(), 'settings.json').header).toBeDefined()
    expect(JSON.parse(box.ok('show', '@:settings.json', '--as', '1.0.0'))).toEqual({ items: ['a', 'b'], big: 9007199254740993 })
    expect(box.ok('show', '@:settings.json', '--as', '1.0.0')).toContain('9007199254740993.0')
  })
})

describe('app.read', () => {
  const migrated = async (module = toyModule(), content = TOY) => {
    const place = await application(content, module)
    await place.app.init({ from: place.data })
    const job = await place.app.startMigration()
    expect(await place.app.waitForJob(job.id)).toMatchObject({ status: 'completed' })
    const directory = (await place.app.checkMigrationsNeeded()).directory
    return {
      ...place,
      directory,
      read: async (path: string, how: { as: string; of?: string }) => JSON.parse(Buffer.from(await place.app.read(path, how)).toString()),
    }
  }

  it('gives the active file as it stands, edits that no checkpoint has seen included', async () => {
    const { read, directory, store } = await migrated()
    put(directory, 'days/1.json', JSON.stringify({ header: { schemaVersion: '2.0.0' }, list: [{ n: 7 }] }))
    const before = fingerprint(store)
    expect(await read('days/1.json', { as: '1.0.0' })).toEqual([{ n: 7 }])
    expect(await read('days/1.json', { as: '1.0.0', of: '@' })).toEqual([{ n: 1 }, { n: 2 }])
    expect(await read('days/1.json', { as: '2.0.0', of: '1.0.0' })).toMatchObject({ list: [{ n: 1 }, { n: 2 }] })
    expect(fingerprint(store)).toEqual(before)
  })

  it('ends a migration function that never ends, and the application goes on', async () => {
    const endless = toyModule({ record: '(r) => { for (;;); }', more: 'secondsPerFile: 0.2,' })
    const { app, data } = await application(TOY, endless)
    await app.init({ from: data })
    const read = app.read('days/1.json', { as: '2.0.0' })
    expect(await refusal(read)).toMatchObject({ code: 'MIGRATION_TIMEOUT', data: { file: 'days/1.json', record: 0, step: '2.0.0' } })
    expect(JSON.parse(Buffer.from(await app.read('settings.json', { as: '2.0.0' })).toString())).toMatchObject({ items: ['a', 'b'] })
  })

  it('refuses what is not there', async () => {
    const { app } = await migrated()
    expect(await refusal(app.read('nope.json', { as: '1.0.0' }))).toMatchObject({ code: 'ABSENT', data: { file: 'nope.json' } })
    expect(await refusal(app.read('sums/1.json', { as: '2.0.0' }))).toMatchObject({ code: 'ABSENT' })
    expect(await refusal(app.read('settings.json', { as: '9.0.0' }))).toMatchObject({ code: 'NEWER_SCHEMA' })
  })
})

describe('an old file in an up-to-date dataset', () => {
  it('is found, can be read in any version, and is taken through the chain alone', () => {
    const box = toyMigrated()
    box.edit('days/9.json', [{ n: 5 }])
    expect(JSON.parse(box.ok('checkpoint', '--json')).changed).toEqual(['days/9.json'])
    expect(box.doc('status').findings).toMatchObject([{ code: 'LEGACY_FILE', file: 'days/9.json' }])
    expect(JSON.parse(box.ok('show', '@:days/9.json', '--as', '3.0.0'))).toMatchObject({ list: [{ n: 5 }] })
    expect(JSON.parse(box.ok('show', '@:days/9.json', '--as', '1.0.0'))).toEqual([{ n: 5 }])
    const others = contents(box.active())
    const plan = box.doc('plan')
    expect(plan.plan).toMatchObject({ kind: 'mend', files: ['days/9.json'] })
    box.ok('migrate')
    expect(json(box.active(), 'days/9.json')).toEqual({ header: { schemaVersion: '2.0.0' }, list: [{ n: 5 }] })
    expect(json(box.active(), 'sums/9.json').sum).toBe(5)
    const after = contents(box.active())
    for (const path of Object.keys(others).filter((p) => p !== 'days/9.json')) expect(after[path]).toBe(others[path])
    expect(box.doc('status').findings).toEqual([])
  })
})

describe('versions', () => {
  it('prereleases migrate, are named, and go back', () => {
    const box = captured(TOY, toyModule({ second: '2.0.0-beta.1' }))
    box.ok('migrate', '--to', '2.0.0-beta.1')
    expect(box.current()).toMatchObject({ schemaVersion: '2.0.0-beta.1', readableBy: ['2.0.0-beta.1'] })
    expect(box.snapshot()).toMatch(/^2\.0\.0-beta\.1-[0-9a-z]{8}$/)
    expect(json(box.active(), 'days/1.json').header.schemaVersion).toBe('2.0.0-beta.1')
    expect(box.doc('status')).toMatchObject({ currentVersion: '2.0.0-beta.1', targetVersion: '3.0.0', needed: true })
    expect(JSON.parse(box.ok('show', '2.0.0-beta.1:days/1.json', '--as', '1.0.0'))).toEqual([{ n: 1 }, { n: 2 }])
    box.ok('migrate')
    expect(box.ok('diff', '2.0.0-beta.1', '3.0.0')).toContain('2 added')
    box.ok('rollback', '2.0.0-beta.1')
    expect(contents(box.active())).toEqual(contents(box.data))
  })

  it('readableFrom: the pointer names the applications that can still read, and start tells them so', async () => {
    const { app, store, data, open } = await application()
    await app.init({ from: data })
    await app.waitForJob((await app.startMigration({ to: '2.1.0' })).id)
    expect(json(store, 'CURRENT')).toMatchObject({ schemaVersion: '2.1.0', readableBy: ['2.0.0', '2.1.0'] })
    for (const [reads, readable] of [
      [['2.0.0'], true],
      [['1.2.0'], false],
    ] as const)
      expect((await (await open()).start({ reads: [...reads], migrate: false })).readable).toBe(readable)
  })
})
