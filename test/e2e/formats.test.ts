import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { decode } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import { migrateFiles } from '../../src/index.ts'
import { ROOT, captured, sandbox } from '../support/sandbox.ts'
import { contents } from '../support/tree.ts'

/** Files that move, change their format, are indexed and merged: the engine, worker or not, makes what the functions say. */

const MODULE = join(ROOT, 'test/support/notebook.mjs')
const note = (t: number, text: string) => ({ t, text })
const DATA = {
  'settings.json': '{"title": "Mine", "font": 1.0}',
  'notes/2024-01-01.json': [note(1, 'a b'), note(2, 'c')],
  'notes/2024-06-30.json': [note(3, 'd e f')],
  'notes/2025-01-01.json': [note(4, 'g')],
  'notes/2025-01-02.json': 'not JSON',
  'picture.png': 'PNG',
}
const textOf = (dir: string, path: string): string => readFileSync(join(dir, path), 'utf8')
const jsonOf = (dir: string, path: string): unknown => JSON.parse(textOf(dir, path))

describe('files that move and change their format', () => {
  it('are what each version says, in every snapshot on the way', () => {
    const box = captured(DATA, MODULE)
    box.ok('migrate', '--to', '2.0.0')
    const two = box.active()
    expect(Object.keys(contents(two)).sort()).toEqual([
      'config.json',
      'index.json',
      'journal/2024-01-01.ndjson',
      'journal/2024-06-30.ndjson',
      'journal/2025-01-01.ndjson',
      'notes/2025-01-02.json',
      'picture.png',
      'words/2024-01-01.json',
      'words/2024-06-30.json',
      'words/2025-01-01.json',
    ])
    expect(textOf(two, 'config.json')).toBe('{"title": "Mine", "font": 1.0}')
    expect(textOf(two, 'journal/2024-01-01.ndjson')).toBe('{"t":1,"text":"a b"}\n{"t":2,"text":"c"}\n')
    expect(jsonOf(two, 'index.json')).toEqual({
      title: 'Mine',
      days: [
        { path: 'journal/2024-01-01.ndjson', notes: 2, size: 40 },
        { path: 'journal/2024-06-30.ndjson', notes: 1, size: 23 },
        { path: 'journal/2025-01-01.ndjson', notes: 1, size: 19 },
      ],
    })
    box.ok('migrate')
    const four = box.active()
    expect(Object.keys(contents(four)).sort()).toEqual([
      'config.json',
      'index.json',
      'journal/2025-01-01.ndjson',
      'notes/2025-01-02.json',
      'picture.png',
      'words/2024-01-01.json',
      'words/2024-06-30.json',
      'words/2025-01-01.json',
      'years/2024.msgpack.br',
    ])
    expect(decode(brotliDecompressSync(readFileSync(join(four, 'years/2024.msgpack.br'))))).toEqual({
      year: '2024',
      by: expect.stringMatching(/^[0-9a-f-]{36}$/),
      notes: [
        { t: 1, body: 'a b' },
        { t: 2, body: 'c' },
        { t: 3, body: 'd e f' },
      ],
    })
    expect(jsonOf(four, 'config.json')).toEqual({ title: 'Mine', font: 1, notes: 4, merged: ['2024'] })
    expect(textOf(four, 'config.json')).toContain('"font": 1.0')
    expect(jsonOf(four, 'words/2024-06-30.json')).toEqual({ words: 3, share: 1 })
    expect(
      box
        .doc('verify')
        .issues.map((i: { code: string; file: string; count: number }) => [i.code, i.file, i.count])
        .sort(),
    ).toEqual([
      ['QUARANTINED', 'notes/2025-01-02.json', 1],
      ['UNKNOWN_FILE', 'picture.png', 1],
    ])
  })

  it('are the same in one go, in memory, and where results are remembered', async () => {
    const step = captured(DATA, MODULE)
    for (const version of ['2.0.0', '3.0.0', '4.0.0']) step.ok('migrate', '--to', version)
    const once = captured(DATA, MODULE)
    once.ok('migrate')
    expect(contents(once.active())).toEqual(contents(step.active()))
    const { default: notebook } = (await import(MODULE)) as { default: Parameters<typeof migrateFiles>[0] }
    const files = new Map(
      Object.entries(DATA).map(([path, value]) => [
        path,
        new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value, null, 2)),
      ]),
    )
    const { steps } = migrateFiles(notebook, files, '1.0.0', '4.0.0')
    const made = Object.fromEntries([...(steps.at(-1) ?? [])].map(([path, bytes]) => [path, Buffer.from(bytes).toString('latin1')]))
    const there = Object.fromEntries(
      Object.keys(contents(once.active())).map((path) => [path, readFileSync(join(once.active(), path), 'latin1')]),
    )
    expect(made).toEqual(there)

    once.ok('rollback')
    once.edit('notes/2024-06-30.json', [note(3, 'd e f g')])
    const other = sandbox({}, MODULE)
    other.ok('init', '--from', once.active())
    other.ok('migrate')
    expect(once.ok('migrate')).toContain('remembered')
    expect(contents(once.active())).toEqual(contents(other.active()))
    expect(jsonOf(once.active(), 'words/2024-06-30.json')).toEqual({ words: 4, share: 4 / 3 })
  })

  it('a new file is in the index of the next migration, though every other result is remembered', () => {
    const box = captured(DATA, MODULE)
    box.ok('migrate', '--to', '2.0.0')
    box.ok('rollback')
    box.edit('notes/2025-02-01.json', [note(5, 'h')])
    box.ok('migrate', '--to', '2.0.0')
    expect(jsonOf(box.active(), 'index.json')).toMatchObject({ days: [{}, {}, {}, { path: 'journal/2025-02-01.ndjson', notes: 1 }] })
  })
})

describe('what is written after a move', () => {
  it('goes back to where the file was, once', () => {
    const box = captured(DATA, MODULE)
    box.ok('migrate', '--to', '2.0.0')
    const day = join(box.active(), 'journal/2024-01-01.ndjson')
    writeFileSync(day, `${readFileSync(day, 'utf8')}{"t":9,"text":"later"}\n`)
    box.edit('journal/2025-03-01.ndjson', '{"t":10,"text":"new"}\n')
    box.edit('config.json', '{"title": "Yours", "font": 1.0}')
    expect(box.ok('rollback')).toContain('came along')
    const back = box.active()
    expect(jsonOf(back, 'notes/2024-01-01.json')).toEqual([...DATA['notes/2024-01-01.json'], note(9, 'later')])
    expect(jsonOf(back, 'notes/2025-03-01.json')).toEqual([note(10, 'new')])
    expect(textOf(back, 'settings.json')).toBe('{"title": "Yours", "font": 1.0}')
    expect(Object.keys(contents(back)).filter((path) => /journal|words|index|config/.test(path))).toEqual([])
    box.edit('notes/2024-06-30.json', [...DATA['notes/2024-06-30.json'], note(11, 'and back')])
    rmSync(join(back, 'notes/2025-01-01.json'))
    box.ok('redo')
    const again = box.active()
    expect(textOf(again, 'journal/2024-06-30.ndjson')).toBe('{"t":3,"text":"d e f"}\n{"t":11,"text":"and back"}\n')
    expect(jsonOf(again, 'words/2024-06-30.json')).toEqual({ words: 5 })
    expect(Object.keys(contents(again)).filter((path) => path.includes('2025-01-01'))).toEqual([])
    expect(jsonOf(again, 'index.json')).toMatchObject({
      days: [
        { path: 'journal/2024-01-01.ndjson', notes: 3 },
        { path: 'journal/2024-06-30.ndjson', notes: 2 },
        { path: 'journal/2025-03-01.ndjson', notes: 1 },
      ],
    })
    expect(box.doc('verify').errorsFound).toBe(0)
  })

  it('goes back through steps that have seen the whole dataset', () => {
    const box = captured(DATA, MODULE)
    box.ok('migrate')
    const day = join(box.active(), 'journal/2025-01-01.ndjson')
    writeFileSync(day, `${readFileSync(day, 'utf8')}{"t":9,"body":"later"}\n`)
    box.ok('rollback')
    expect(jsonOf(box.active(), 'notes/2025-01-01.json')).toEqual([note(4, 'g'), note(9, 'later')])
  })
})

describe('a file at another version', () => {
  it('is in the format of that version', () => {
    const box = captured(DATA, MODULE)
    box.ok('migrate', '--to', '3.0.0')
    expect(JSON.parse(box.ok('show', '@:journal/2024-06-30.ndjson', '--as', '1.0.0'))).toEqual([note(3, 'd e f')])
    expect(box.ok('show', '1.0.0:notes/2024-06-30.json', '--as', '3.0.0')).toBe('{"t":3,"body":"d e f"}\n')
  })

  it('restored into the live data, goes where it belongs', () => {
    const box = captured(DATA, MODULE)
    box.ok('migrate', '--to', '2.0.0')
    box.edit('journal/2024-06-30.ndjson', '{"t":99,"text":"spoilt"}\n')
    box.ok('restore', '1.0.0:notes/2024-06-30.json', '--live')
    expect(textOf(box.active(), 'journal/2024-06-30.ndjson')).toBe('{"t":3,"text":"d e f"}\n')
    expect(jsonOf(box.active(), 'index.json')).toMatchObject({ days: [{}, { notes: 1, size: 23 }, {}] })
    expect(Object.keys(contents(box.active())).filter((path) => path.startsWith('notes/'))).toEqual(['notes/2025-01-02.json'])
  })
})

describe('is refused:', () => {
  it('a new file where the user has one of that name', () => {
    const box = captured({ ...DATA, 'index.json': '{"mine": true}' }, MODULE)
    const ran = box.run(['migrate'])
    expect(ran.code).toBe(1)
    expect(ran.stdout).toContain('the migration makes index.json, but the dataset has a file of that name already')
    expect(box.current().schemaVersion).toBe('1.0.0')
    expect(jsonOf(box.active(), 'index.json')).toEqual({ mine: true })
  })

  it('a move to where the user has a file', () => {
    const box = captured({ ...DATA, 'journal/2024-01-01.ndjson': '{"t":0,"text":"mine"}\n' }, MODULE)
    const ran = box.run(['migrate'])
    expect(ran.code).toBe(1)
    expect(ran.stdout).toContain('the migration makes journal/2024-01-01.ndjson from')
    expect(box.current().schemaVersion).toBe('1.0.0')
  })
})
