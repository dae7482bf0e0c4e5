import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { application, library } from '../support/library.ts'
import { migrated, ROOT, sandbox } from '../support/sandbox.ts'
import { contents, json, put } from '../support/tree.ts'

/* Another application than NetMonitor, complete, through the library and through strata --migrations DIR. */

const DIR = join(ROOT, 'test/example-settings/migrations')
const GOLDEN = join(DIR, 'golden/1.1.0/before')

const SETTINGS = readFileSync(join(GOLDEN, 'settings.json'), 'utf8')
const FIRST = readFileSync(join(GOLDEN, 'documents/first.json'), 'utf8')
const DATA = {
  'settings.json': SETTINGS,
  'documents/first.json': FIRST,
  'documents/second.json': '{"title":"Second","body":"","edited":"2024-02-29T12:00:00Z"}',
  'documents/torn.json': '{"title":"Torn","bo',
  'notes.txt': 'of no kind',
  'Cache/x': 'ignored',
}

describe('strata --migrations DIR', () => {
  it('takes settings and documents through five versions; what nobody touches keeps its bytes', () => {
    const box = migrated(DATA, DIR)
    const root = box.active()
    expect(box.current()).toMatchObject({ schemaVersion: '3.0.0', readableBy: ['3.0.0'] })
    const text = readFileSync(join(root, 'settings.json'), 'utf8')
    expect(JSON.parse(text)).toEqual({
      version: '3.0.0',
      color: 'teal',
      fontSize: 14,
      window: { x: 10, y: 20, width: 800, height: 600 },
      recent: ['documents/first.json'],
      plugins: { '80': 'plain', '443': 'secure' },
      theme: 'light',
    })
    expect(text).toContain('"y": 20.0')
    expect(text.indexOf('"443"')).toBeLessThan(text.indexOf('"80"'))
    expect(json(root, 'documents/first.json')).toMatchObject({ version: '2.1.0', edited: 1704157445678, tags: [], mood: 1 })
    expect(json(root, 'documents/first.json').id).toMatch(/^[0-9a-f-]{36}$/)
    expect(json(root, 'previews/first.json')).toEqual({ title: 'First', words: 3 })
    expect(json(root, 'previews/second.json').words).toBe(0)
    expect(contents(root)['documents/torn.json']).toBe(contents(box.data)['documents/torn.json'])
    expect(box.doc('status').findings.map((f: { code: string; file: string }) => [f.code, f.file])).toEqual(
      expect.arrayContaining([
        ['QUARANTINED', 'documents/torn.json'],
        ['UNKNOWN_FILE', 'notes.txt'],
      ]),
    )
  })

  it('gives the same ids every time it runs', () => {
    const ids = [0, 1].map(() => json(migrated(DATA, DIR).active(), 'documents/first.json').id)
    expect(ids[0]).toBe(ids[1])
  })

  it('goes back to the original bytes, one version at a time or all at once', () => {
    const box = migrated(DATA, DIR)
    box.ok('rollback')
    const { 'Cache/x': _, ...kept } = contents(box.data)
    expect(contents(box.active())).toEqual(kept)
    box.ok('redo')
    box.ok('rollback', '2.0.0')
    expect(box.current().schemaVersion).toBe('1.1.0')
    expect(box.current().readableBy).toEqual(['1.0.0', '1.1.0'])
  })

  it('shows old and new formats of any file', () => {
    const box = migrated(DATA, DIR)
    expect(JSON.parse(box.ok('show', '@:settings.json', '--as', '1.0.0'))).toMatchObject({
      colour: 'teal',
      fontSize: '14px',
      x: 10,
      telemetry: false,
    })
    expect(JSON.parse(box.ok('show', '1.0.0:documents/first.json', '--as', '3.0.0'))).toEqual(json(box.active(), 'documents/first.json'))
    expect(JSON.parse(box.ok('show', '@:documents/first.json', '--as', '2.0.0')).edited).toBe('2024-01-02T01:04:05.678Z')
  })

  it('a mended document, and one from an old backup, go through the chain alone', () => {
    const box = migrated(DATA, DIR)
    box.edit('documents/torn.json', { title: 'Mended', body: 'one two', edited: '2024-01-01T00:00:00Z' })
    box.edit('documents/backup.json', FIRST)
    box.ok('checkpoint')
    expect(box.doc('plan').plan).toMatchObject({ kind: 'mend', files: ['documents/backup.json', 'documents/torn.json'] })
    box.ok('migrate')
    expect(json(box.active(), 'previews/torn.json')).toEqual({ title: 'Mended', words: 2 })
    expect(json(box.active(), 'documents/backup.json').version).toBe('2.1.0')
    expect(box.doc('verify').valid).toBe(true)
  })

  it('lints clean, and documents itself', () => {
    const box = sandbox({}, DIR)
    expect(box.ok('lint')).toContain('4 migrations: nothing found')
    const page = box.ok('docs')
    for (const version of ['1.0.0', '1.1.0', '2.0.0', '2.1.0', '3.0.0']) expect(page).toContain(`\n## ${version}\n`)
    expect(page).toContain('Applications from 1.0.0 on can read it.')
    const { versions } = box.doc('docs')
    expect(versions[4].kinds.map((k: { name: string; change: string }) => [k.name, k.change])).toEqual([
      ['settings', 'changed'],
      ['documents', 'same'],
      ['previews', 'new'],
    ])
    expect(versions[0].kinds[0].schema).toMatchObject({
      type: 'object',
      properties: { fontSize: { type: 'string' } },
      required: expect.arrayContaining(['colour']),
    })
  })

  it('a folder without an index is named', () => {
    const box = sandbox({})
    expect(box.refused('--migrations', box.data, 'plan')).toMatchObject({
      code: 'BAD_CHAIN',
      message: expect.stringContaining('index.mjs'),
    })
  })
})

describe('the library', () => {
  it('starts, migrates and reads, as the application would', async () => {
    const { app, store, data } = await application(DATA, DIR)
    await app.init({ from: data })
    const started = await app.start({ migrate: true, reads: ['3.0.0'] })
    expect(started).toMatchObject({ error: null, readable: true })
    put(started.directory, 'documents/new.json', { version: '2.1.0', id: 'x', title: 'New', body: '', edited: 1, tags: [] })
    const old = JSON.parse(Buffer.from(await app.read('documents/new.json', { as: '1.0.0' })).toString())
    expect(old).toEqual({ title: 'New', body: '', edited: '1970-01-01T00:00:00.001Z' })
    await app.rollbackMigration('', { exact: true })
    expect(json(store, 'CURRENT').schemaVersion).toBe('1.0.0')
  })

  it('workers load the folder, too', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [
        `documents/${i}.json`,
        JSON.stringify({ title: `${i}`, body: 'word '.repeat(20_000), edited: '2024-01-01T00:00:00Z' }),
      ]),
    )
    const { app, data } = await application({ 'settings.json': SETTINGS, ...many }, DIR)
    await app.init({ from: data })
    const job = await app.waitForJob((await app.startMigration()).id)
    expect(job).toMatchObject({ status: 'completed', totalFiles: 61 })
    const { directory } = await app.checkMigrationsNeeded()
    expect(json(directory, 'previews/59.json')).toEqual({ title: '59', words: 20_000 })
  }, 120_000)

  it('the whole chain in memory conserves what it says', async () => {
    const dataset = await library.loadDataset(DIR)
    const files = new Map([['documents/first.json', new TextEncoder().encode(FIRST)]])
    expect(library.migrateFiles(dataset, files, '1.0.0', '3.0.0').issues).toEqual([])
  })
})
