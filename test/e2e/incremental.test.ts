import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { temporary } from '../contract/temporary.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { captured, migrated, sandbox } from '../support/sandbox.ts'
import { toyModule } from '../support/toy.ts'
import { contents } from '../support/tree.ts'

/** Only what changed is worked out again; the result is what a run that remembers nothing gives. */

const days = (count: number): Record<string, unknown> => ({
  'settings.json': { items: ['a'] },
  ...Object.fromEntries(Array.from({ length: count }, (_, i) => [`days/${i}.json`, [{ n: i }, { n: i + 1 }]])),
})

const lastJob = (box: Sandbox): { filesTransformed: number; filesRemembered: number; status: string } => box.doc('status').lastJob

/** What another store makes of the same files. */
const elsewhere = (box: Sandbox, module: string, to?: string): Record<string, string> => {
  const other = sandbox({}, module)
  other.ok('init', '--from', box.active())
  other.ok('migrate', ...(to === undefined ? [] : ['--to', to]))
  return contents(other.active())
}

const READS = '(r, ctx) => ({ ...r, first: ctx.read("settings").items[0] })'

describe('a second run', () => {
  it('after one of 1,000 files changed transforms one file', { timeout: 120_000 }, () => {
    const module = toyModule({ newest: '2.0.0' })
    const box = captured(days(999), module)
    box.ok('migrate')
    expect(lastJob(box)).toMatchObject({ filesTransformed: 1000, filesRemembered: 0 })
    box.ok('rollback')
    box.edit('days/7.json', [{ n: 70 }])
    const wanted = elsewhere(box, module)
    expect(box.ok('migrate')).toContain('1 file transformed, 999 remembered')
    expect(lastJob(box)).toMatchObject({ filesTransformed: 1, filesRemembered: 999, status: 'completed' })
    expect(contents(box.active())).toEqual(wanted)
    expect(box.doc('verify').issues).toEqual([])
  })

  it('redoes what depends on settings.json when that was edited between the two', () => {
    const module = toyModule({ record: READS, newest: '2.0.0' })
    const box = captured({ ...days(5), 'other.txt': 'x' }, module)
    box.ok('migrate')
    box.ok('rollback')
    box.edit('settings.json', { items: ['b'] })
    const wanted = elsewhere(box, module)
    box.ok('migrate')
    // other.txt is of no kind, and has read nothing.
    expect(lastJob(box)).toMatchObject({ filesTransformed: 6, filesRemembered: 1 })
    expect(readFileSync(join(box.active(), 'days/0.json'), 'utf8')).toContain('"first": "b"')
    expect(contents(box.active())).toEqual(wanted)
  })

  it('knows NetMonitor`s files, those derived from them, and what was said of them', () => {
    const box = migrated()
    const before = box.doc('status').findings
    box.ok('rollback')
    const day = readdirSync(join(box.active(), 'data')).sort()[0] ?? ''
    const text = readFileSync(join(box.active(), 'data', day), 'utf8')
    writeFileSync(join(box.active(), 'data', day), text.replace(/\n\]$/, '\n]\n'))
    const wanted = contents(box.active())
    const ran = box.run(['migrate'])
    expect(lastJob(box)).toMatchObject({ filesTransformed: 1, filesRemembered: Object.keys(wanted).length - 1 })
    expect(box.doc('status').findings).toEqual(before)
    // Warnings of files that were not transformed are told again.
    expect(`${ran.stdout}${ran.stderr}`).toContain('ORPHANED_ENDPOINT')
    expect(box.doc('verify').issues).toEqual([])
  })

  it('up to a version, and one that goes on from there, remember theirs', () => {
    const module = toyModule()
    const box = captured(days(5), module)
    box.ok('migrate', '--to', '2.0.0')
    expect(box.current().schemaVersion).toBe('2.0.0')
    box.ok('rollback')
    box.edit('days/1.json', [{ n: 9 }])
    const wanted = elsewhere(box, module)
    box.ok('migrate', '--to', '2.0.0')
    expect(lastJob(box)).toMatchObject({ filesTransformed: 1, filesRemembered: 5 })
    box.ok('migrate')
    expect(box.current().schemaVersion).toBe('3.0.0')
    expect(contents(box.active())).toEqual(wanted)
  })
})

describe('migration code that has changed', () => {
  /** Another module of the graph, three imports away. */
  const withHelper = (): { module: string; change: (text: string) => void } => {
    const module = toyModule({
      setup: "import { label } from './one.mjs'",
      record: '(r) => ({ ...r, label: label() })',
      newest: '2.0.0',
    })
    const dir = join(module, '..')
    mkdirSync(join(dir, 'lib'))
    writeFileSync(join(dir, 'one.mjs'), "export { label } from './lib/two.mjs'\n")
    writeFileSync(join(dir, 'lib/two.mjs'), "import table from './table.mjs'\nexport const label = () => table.label\n")
    const change = (label: string): void => {
      writeFileSync(join(dir, 'lib/table.mjs'), `export default { label: '${label}' }\n`)
    }
    change('old')
    return { module, change }
  }

  it('in any module that it loads, never uses old results again', () => {
    const { module, change } = withHelper()
    const box = captured(days(4), module)
    box.ok('migrate')
    box.ok('rollback')
    box.edit('days/1.json', [{ n: 9 }])
    change('new')
    box.ok('migrate')
    expect(lastJob(box)).toMatchObject({ filesTransformed: 5, filesRemembered: 0 })
    for (const name of readdirSync(join(box.active(), 'days')))
      expect(readFileSync(join(box.active(), 'days', name), 'utf8')).not.toContain('old')

    // As it was: what it made is known.
    box.ok('rollback')
    box.edit('days/1.json', [{ n: 10 }])
    box.ok('migrate')
    expect(lastJob(box)).toMatchObject({ filesTransformed: 1, filesRemembered: 4 })
  })

  it('that may read what nobody sees is not remembered at all, and a migration says so', () => {
    const dir = temporary()
    writeFileSync(join(dir, 'label.txt'), 'x')
    const module = toyModule({
      setup: `const label = () => readFileSync(${JSON.stringify(join(dir, 'label.txt'))}, 'utf8')`,
      record: '(r) => ({ ...r, label: label() })',
      newest: '2.0.0',
    })
    const box = captured(days(3), module)
    const ran = box.run(['migrate'])
    expect(ran.stderr).toContain('results are not remembered')
    box.ok('rollback')
    box.edit('days/1.json', [{ n: 9 }])
    writeFileSync(join(dir, 'label.txt'), 'y')
    box.ok('migrate')
    expect(lastJob(box)).toMatchObject({ filesTransformed: 4, filesRemembered: 0 })
    expect(readFileSync(join(box.active(), 'days/2.json'), 'utf8')).toContain('"label": "y"')
  })
})

describe('a run that was killed half-way', () => {
  const notes = (box: Sandbox): number => {
    const dir = join(box.store, 'memo')
    const name = existsSync(dir) ? readdirSync(dir).find((n) => n.endsWith('.part')) : undefined
    return name === undefined ? 0 : readFileSync(join(dir, name), 'latin1').split('\n').length
  }

  it('continues where it was', async () => {
    const module = toyModule({ newest: '2.0.0' })
    const large = Array.from({ length: 4000 }, (_, i) => ({ n: i }))
    const box = captured(
      { 'settings.json': { items: [] }, ...Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`days/${i}.json`, large])) },
      module,
    )
    box.allowLeftovers()
    const wanted = elsewhere(box, module)
    const child = box.background('migrate', '-q')
    const end = new Promise((resolve) => {
      child.once('exit', resolve)
    })
    while (child.exitCode === null && notes(box) < 40) await sleep(1)
    expect(child.exitCode).toBe(null)
    child.kill('SIGKILL')
    await end
    expect(box.ok('migrate')).toContain('remembered')
    const { filesTransformed, filesRemembered } = lastJob(box)
    expect(filesRemembered).toBeGreaterThanOrEqual(30)
    expect(filesTransformed + filesRemembered).toBe(151)
    expect(contents(box.active())).toEqual(wanted)
    expect(readdirSync(join(box.store, 'memo'))).toHaveLength(1)
    expect(box.doc('verify').issues).toEqual([])
  })
})

describe('a memo that is not what was written', () => {
  const logOf = (box: Sandbox): string => {
    const dir = join(box.store, 'memo')
    return join(dir, readdirSync(dir).find((name) => !name.endsWith('.part') && name !== 'left') ?? '')
  }
  /** Up, down, and one edit. */
  const edited = (module: string): Sandbox => {
    const box = captured(days(6), module)
    box.ok('migrate')
    box.ok('rollback')
    box.edit('days/1.json', [{ n: 9 }])
    return box
  }

  it('leads to no other result, whatever has become of it, and verify tells of it', () => {
    const module = toyModule()
    const damage: [string, (bytes: Buffer) => Buffer][] = [
      ['a bit', (b) => Buffer.concat([b.subarray(0, 500), Buffer.from([(b[500] ?? 0) ^ 4]), b.subarray(501)])],
      ['its half', (b) => b.subarray(0, b.length >> 1)],
      ['nothing', () => Buffer.alloc(0)],
      ['lines twice', (b) => Buffer.concat([b, b])],
      ['a line without end', (b) => Buffer.concat([b, Buffer.alloc(3_000_000, 'x')])],
    ]
    const box = edited(module)
    const wanted = elsewhere(box, module)
    for (const [what, change] of damage) {
      const path = logOf(box)
      writeFileSync(path, change(readFileSync(path)))
      expect([what, box.doc('verify').issues]).toMatchObject([what, [{ code: 'EDITED' }, { code: 'CACHE_DAMAGED', severity: 'warning' }]])
      box.ok('migrate')
      expect([what, contents(box.active())]).toEqual([what, wanted])
      expect([what, box.doc('verify').issues]).toEqual([what, []])
      box.ok('rollback')
      // Something new each time, so that going up again is not a switch.
      box.edit('days/1.json', [{ n: 10 }])
      box.ok('checkpoint')
      box.edit('days/1.json', [{ n: 9 }])
    }
  })

  it('of another store is used only as far as it is true here', () => {
    const module = toyModule()
    const [box, other] = [edited(module), captured({ ...days(6), 'days/2.json': [{ n: 77 }] }, module)]
    other.ok('migrate')
    const wanted = elsewhere(box, module)
    rmSync(join(box.store, 'memo'), { recursive: true })
    renameSync(join(other.store, 'memo'), join(box.store, 'memo'))
    box.ok('migrate')
    expect(lastJob(box)).toMatchObject({ filesTransformed: 7 })
    expect(contents(box.active())).toEqual(wanted)
  })

  it('with paths that lead out of the store reads and writes nothing there', () => {
    const module = toyModule({ newest: '2.0.0' })
    const box = edited(module)
    const outside = join(box.dir, 'outside.json')
    writeFileSync(outside, 'untouched')
    const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32)
    const path = logOf(box)
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    const forged = lines.map((line) => {
      const body = line.slice(33).replaceAll('"path":"days/2.json","size"', '"path":"../../../outside.json","size"')
      return `${digest(body)} ${body}\n`
    })
    expect(forged.join('')).toContain('outside')
    writeFileSync(path, forged.join(''))
    box.ok('migrate')
    expect(lastJob(box)).toMatchObject({ filesTransformed: 2, filesRemembered: 5 })
    expect(readFileSync(outside, 'utf8')).toBe('untouched')
  })
})
