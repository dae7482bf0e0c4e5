import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporary } from '../contract/temporary.ts'
import { library, NETMONITOR } from '../support/library.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { ROOT, sandboxAt } from '../support/sandbox.ts'
import { toyModule } from '../support/toy.ts'
import { contents } from '../support/tree.ts'

/* strata new and strata lint, as the author of another application meets them. */

/** A project of its own with the example's migrations. */
const project = (): Sandbox & { readonly migrations: string } => {
  const dir = temporary()
  const migrations = join(dir, 'migrations')
  cpSync(join(ROOT, 'test/example-settings/migrations'), migrations, { recursive: true })
  mkdirSync(join(dir, 'node_modules'))
  symlinkSync(ROOT, join(dir, 'node_modules/strata-store'), 'junction')
  for (const name of ['zod', 'vitest']) symlinkSync(join(ROOT, 'node_modules', name), join(dir, 'node_modules', name), 'junction')
  return { ...sandboxAt(dir, migrations), migrations }
}
const edit = (path: string, from: string, to: string): void => {
  const text = readFileSync(path, 'utf8')
  expect(text).toContain(from)
  writeFileSync(path, text.replace(from, to))
}
const codes = (box: Sandbox): string[] => box.doc('lint').findings.map((f: { code: string }) => f.code)

describe('strata new', () => {
  it('writes migration, test and golden sample: what the last migration makes of its own', () => {
    const box = project()
    const said = box.ok('new', 'Add région "colours" & more')
    const made = ['3.1.0-add-re-gion-colours-more.mjs', '3.1.0-add-re-gion-colours-more.test.mjs']
    for (const name of made) expect(said).toContain(`migrations/${name}`)
    expect(Object.keys(contents(join(box.migrations, 'golden/3.1.0')))).toEqual([
      'before/documents/first.json',
      'before/previews/first.json',
      'before/settings.json',
    ])
    const text = readFileSync(join(box.migrations, made[0] ?? ''), 'utf8')
    expect(text).toContain("import { v3 } from './schemas.mjs'")
    expect(text).toContain(`description: 'Add région "colours" & more'`)
    expect(text).toMatch(/createdAt: '20\d\d-\d\d-\d\dT00:00:00Z'/)
  })

  it('what it writes works at once: in the chain, in lint, and for the next one', () => {
    const box = project()
    const { version, next } = box.doc('new', "Don't panic", '--to', '4.0.0')
    expect(version).toBe('4.0.0')
    expect(next[0]).toContain('.add(donTPanic)')
    edit(join(box.migrations, 'index.mjs'), 'import { v1 }', "import { donTPanic } from './4.0.0-don-t-panic.mjs'\nimport { v1 }")
    edit(join(box.migrations, 'index.mjs'), '.add(makePreviews)', '.add(makePreviews).add(donTPanic)')
    expect(codes(box)).toEqual(['NOT_RECORDED'])
    box.ok('lint', '--record')
    expect(codes(box)).toEqual([])
    box.ok('new', 'And on')
    expect(readFileSync(join(box.migrations, '4.1.0-and-on.mjs'), 'utf8')).toContain("import { v4_0 } from './4.0.0-don-t-panic.mjs'")
  })

  it('overwrites nothing, and refuses what is no version or title', () => {
    const box = project()
    box.ok('new', 'Twice')
    const before = contents(box.migrations)
    expect(box.refused('new', 'Twice').code).toBe('EXISTS')
    expect(box.refused('new', 'Back', '--to', '2.5.0').code).toBe('BAD_ARGUMENT')
    expect(box.refused('new', '!!!').code).toBe('BAD_ARGUMENT')
    expect(box.refused('new', 'Other', '--to', 'soon').code).toBe('BAD_ARGUMENT')
    expect(box.refused('new', 'Other', '--to', '9.0.0', '--from', join(box.dir, 'nowhere')).code).toBe('NO_DATA')
    expect(contents(box.migrations)).toEqual(before)
  })

  it('says where the schema belongs when no file exports it', () => {
    const box = sandboxAt(temporary(), toyModule())
    expect(box.refused('new', 'Anything')).toMatchObject({ code: 'ABSENT', hint: expect.stringContaining('export const') })
  })

  it('writes into this project’s own layout, in TypeScript', async () => {
    const sources = join(temporary(), 'migrations')
    cpSync(join(ROOT, 'migrations'), sources, { recursive: true })
    const newest = (await library.loadDataset(NETMONITOR)).chain.schemas.at(-1)?.version
    const made = await library.newMigration(NETMONITOR, 'Add region colours', { to: '9.0.0', ownSources: sources })
    const text = readFileSync(join(sources, '9.0.0-add-region-colours.ts'), 'utf8')
    expect(text).toContain("from '../src/index.ts'")
    expect(text).toContain("from './schemas.ts'")
    expect(newest).toBeDefined()
    const test = readFileSync(join(sources, '../test/migrations/9.0.0-add-region-colours.test.ts'), 'utf8')
    expect(test).toContain("import { addRegionColours } from '../../migrations/9.0.0-add-region-colours.ts'")
    expect(made.files.some((f) => f.endsWith('golden/9.0.0/before/config.json'))).toBe(true)
    expect(existsSync(join(sources, 'golden/9.0.0/sample.json'))).toBe(false)
  })
})

describe('strata lint', () => {
  it('exits with 2 and says what and where: a step that asks the clock', () => {
    const box = project()
    edit(join(box.migrations, '3.0.0-make-previews.mjs'), 'words: words(doc.body)', 'words: words(doc.body), made: Date.now()')
    const ran = box.run(['lint'])
    expect(ran.code).toBe(2)
    expect(ran.stdout).toContain('3.0.0')
    expect(ran.stdout).toContain('IMPURE: the migration asks the clock')
    expect(codes(box)).toEqual(expect.arrayContaining(['IMPURE', 'BEHAVIOUR_CHANGED']))
  })

  it('notices a released migration that was changed, and a sample that was edited', () => {
    const box = project()
    edit(join(box.migrations, '1.1.0-add-a-theme.mjs'), "'light'", "'dark'")
    expect(box.doc('lint').findings).toMatchObject([{ code: 'BEHAVIOUR_CHANGED', step: '1.1.0', file: 'settings.json' }])
    const other = project()
    edit(join(other.migrations, 'golden/2.1.0/before/documents/first.json'), 'Hello', 'Goodbye')
    expect(other.doc('lint', '--record').findings).toMatchObject([{ code: 'SAMPLE_EDITED', step: '2.1.0', file: 'documents/first.json' }])
  })

  it('a refactoring that changes no result is no finding', () => {
    const box = project()
    edit(
      join(box.migrations, '3.0.0-make-previews.mjs'),
      "body.split(/\\s+/).filter((word) => word !== '').length",
      '(body.match(/\\S+/g) ?? []).length',
    )
    expect(codes(box)).toEqual([])
  })

  it.each([
    ['a gap', '.add(addATheme)', '', 'BAD_CHAIN', /starts at 1\.1\.0, but the chain is at 1\.0\.0/],
    ['a version twice', '.add(addATheme)', '.add(addATheme).add(addATheme)', 'DUPLICATE_VERSION', /1\.1\.0 is in the chain twice/],
  ])('%s is a finding, too', (_, from, to, code, message) => {
    const box = project()
    edit(join(box.migrations, 'index.mjs'), from, to)
    const [first] = box.doc('lint').findings
    expect(first).toMatchObject({ code })
    expect(
      box
        .doc('lint')
        .findings.map((f: { message: string }) => f.message)
        .join('\n'),
    ).toMatch(message)
    expect(box.run(['lint']).code).toBe(2)
    expect(box.refused('plan').code).toBe(code)
  })

  it('without samples says so for every migration', () => {
    const box = project()
    expect(box.doc('lint', '--samples', join(box.dir, 'nowhere')).findings.map((f: { code: string }) => f.code)).toEqual(
      Array(4).fill('NO_SAMPLE'),
    )
    expect(readdirSync(box.dir)).not.toContain('nowhere')
  })
})
