import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporary } from '../contract/temporary.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { made, sandboxAt } from '../support/sandbox.ts'
import { TOY, toyModule } from '../support/toy.ts'
import { contents, json } from '../support/tree.ts'

/** For as long as this file runs. */
const kept = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'strata-shared-'))
  process.once('exit', () => {
    rmSync(dir, { recursive: true, force: true })
  })
  return dir
}

/** Where files can share their blocks, none is ever shared under two names. */
const hasReflinks = (dir: string): boolean => {
  writeFileSync(join(dir, 'a'), 'a')
  try {
    copyFileSync(join(dir, 'a'), join(dir, 'b'), constants.COPYFILE_FICLONE_FORCE)
    return true
  } catch {
    return false
  }
}
const NEVER = hasReflinks(kept())

const CLOSED = 'days/1.json'
const OPEN = 'days/2.json'

type Shared = { readonly box: Sandbox; readonly left: string; readonly active: string }
let template: { box: Sandbox; module: string } | undefined

const closedModule = (): string => toyModule({ more: "immutable: ['days/1.json', 'sums/1.json']" })
const placesOf = (box: Sandbox): Shared => ({ box, left: box.directoryOf(box.doc('show', '@-').snapshot.id), active: box.active() })

/** 1.0.0 was taken to 2.0.0, which changes the days, and then to 3.0.0, which does not: the closed day is one file in both. */
const shared = (): Shared => {
  if (template === undefined) {
    const dir = kept()
    const module = join(dir, 'migrations.mjs')
    copyFileSync(closedModule(), module)
    template = { box: made(join(dir, 'box'), TOY, module, ['migrate', '--to', '2.0.0'], ['migrate']), module }
  }
  const box = sandboxAt(temporary(), template.module)
  // Links and times as they are.
  expect(spawnSync('cp', ['-a', `${template.box.dir}/.`, box.dir]).status).toBe(0)
  return placesOf(box)
}

/** Not copied: the indexes know the inodes. */
const fresh = (): Shared => placesOf(made(temporary(), TOY, closedModule(), ['migrate', '--to', '2.0.0'], ['migrate']))

const inode = (dir: string, path = CLOSED): number => statSync(join(dir, path)).ino
const read = (dir: string, path = CLOSED): string => readFileSync(join(dir, path), 'utf8')
const recordsOf = (dir: string, path = CLOSED): { n: number }[] => {
  const { list } = json(dir, path) as { list: { n: number }[] }
  return list
}
/** As an application does that opens and truncates. */
const writeInto = (dir: string, text: string): void => {
  writeFileSync(join(dir, CLOSED), text)
}
const withRecord = (text: string, n: number): string => text.replace(/\]\s*\}?\s*$/, (end) => `,{"n": ${n}}${end}`)
const commitsOf = ({ box, left }: Shared): string[] =>
  box
    .git('log', '--format=%s', left.slice(left.lastIndexOf('/') + 1))
    .trim()
    .split('\n')
const repairedIn = (box: Sandbox): string[] => [...box.journal().matchAll(/put \S+ of \S+ back/g)].map(([text]) => text)
const quarantined = ({ store }: Sandbox): string[] => {
  const found = contents(store)
  return Object.keys(found).filter((path) => path.startsWith('quarantine/'))
}

describe.skipIf(NEVER)('an immutable file that no step changes', () => {
  test('is one file in both directories; any other is two, and none is the original', () => {
    const { box, left, active } = shared()
    expect(inode(left)).toBe(inode(active))
    expect(inode(left, OPEN)).not.toBe(inode(active, OPEN))
    expect(statSync(join(box.data, CLOSED)).nlink).toBe(1)
    expect(statSync(join(active, 'sums/1.json')).nlink).toBe(1)
    expect(box.doc('verify').valid).toBe(true)
  })

  test('is not read again by the next command on account of its new name', () => {
    const { box, left } = fresh()
    const index = (): string[] =>
      readdirSync(join(box.store, 'index')).map((name) => `${name} ${statSync(join(box.store, 'index', name)).ino}`)
    const before = index()
    box.ok('checkpoint')
    expect(index()).toEqual(before)
    box.ok('rollback')
    expect(box.active()).toBe(left)
    expect(index()).toEqual(before)
  })

  test('is one file with what a rollback left, when it is migrated again', () => {
    const { box, active } = shared()
    box.ok('rollback')
    box.edit(OPEN, withRecord(read(box.active(), OPEN), 9))
    box.ok('migrate')
    expect(box.active()).not.toBe(active)
    expect(inode(box.active())).toBe(inode(active))
    // Made by the step from it, and immutable as well.
    expect(inode(box.active(), 'sums/1.json')).toBe(inode(active, 'sums/1.json'))
    expect(json(box.active(), 'sums/2.json').sum).toBe(12)
    expect(box.doc('verify').valid).toBe(true)
  })

  test('is one file in what a rollback that takes something along makes, and in what a restore makes', () => {
    const { box, left } = shared()
    box.edit(OPEN, withRecord(read(box.active(), OPEN), 9))
    box.ok('rollback')
    expect(inode(box.active())).toBe(inode(left))
    box.ok('restore', `@-:${OPEN}`, '--live')
    expect(inode(box.active())).toBe(inode(left))
    expect(box.doc('verify').valid).toBe(true)
  })

  test('that is open where it goes gets a file of its own there', () => {
    const box = made(temporary(), { ...TOY, 'days/3.json': '[{"n": 5}]' }, toyModule(), ['migrate', '--to', '2.0.0'])
    // What is closed rests on all paths that there are: where there are sums, nothing is.
    const own = toyModule({ more: "immutable: (all) => all.filter((path) => path < 'days/3' && !all.includes('sums/1.json'))" })
    box.ok('migrate', '--migrations', own)
    expect(statSync(join(box.active(), CLOSED)).nlink).toBe(1)
    expect(box.doc('verify').valid).toBe(true)
  })
})

describe.skipIf(NEVER)('a write in place into the active directory', () => {
  test('is an edit there, and damage in the directory that was left: said, put back, never committed as an edit of its own', () => {
    const all = shared()
    const { box, left, active } = all
    const before = { text: read(left), commits: commitsOf(all) }
    writeInto(active, withRecord(before.text, 70))
    const found = box.doc('verify').issues as { code: string; snapshot: string; file: string; message: string }[]
    expect(found.map(({ code, snapshot, file }) => [code, join(box.store, 'snapshots', snapshot), file]).sort()).toEqual([
      ['CORRUPT', left, CLOSED],
      ['EDITED', active, CLOSED],
    ])
    expect(found.find(({ code }) => code === 'CORRUPT')?.message).toContain('hard link')
    const ran = box.run(['checkpoint'])
    expect(ran.stderr).toContain(CLOSED)
    expect(read(left)).toBe(before.text)
    expect(inode(left)).not.toBe(inode(active))
    expect(commitsOf(all)).toEqual(before.commits)
    expect(recordsOf(active).map(({ n }) => n)).toEqual([1, 2, 70])
    expect(box.ok('show', `@:${CLOSED}`)).toContain('70')
    expect(repairedIn(box)).toHaveLength(1)
    // What was written is in the active directory: it need not be kept twice.
    expect(quarantined(box)).toEqual([])
    expect(box.doc('verify').valid).toBe(true)
  })

  test('comes along with a rollback once, as what it is', () => {
    const { box, left, active } = shared()
    const text = read(left)
    writeInto(active, withRecord(text, 70))
    box.ok('rollback')
    expect(recordsOf(box.active()).map(({ n }) => n)).toEqual([1, 2, 70])
    expect(read(left)).toBe(text)
    box.ok('redo')
    expect(recordsOf(box.active()).map(({ n }) => n)).toEqual([1, 2, 70])
    expect(box.doc('verify').valid).toBe(true)
  })

  test('is not there after an exact rollback, and there again after the redo', () => {
    const all = shared()
    const { box, left, active } = all
    const before = { text: read(left), commits: commitsOf(all) }
    writeInto(active, withRecord(before.text, 70))
    box.ok('rollback', '--exact')
    expect(box.active()).toBe(left)
    expect(read(left)).toBe(before.text)
    expect(commitsOf(all)).toEqual(before.commits)
    box.ok('redo')
    expect(recordsOf(box.active()).map(({ n }) => n)).toEqual([1, 2, 70])
  })

  test('after a rollback is an edit of the older one, and damage in the newer one; redo takes it along once', () => {
    const { box, left, active } = shared()
    const text = read(active)
    box.ok('rollback')
    expect(box.active()).toBe(left)
    writeInto(left, withRecord(read(left), 70))
    box.ok('redo')
    expect(recordsOf(box.active()).map(({ n }) => n)).toEqual([1, 2, 70])
    expect(read(active)).toBe(text)
    expect(box.doc('verify').valid).toBe(true)
  })

  test('is told from an edit of the other directory also when the names have parted since', () => {
    const all = fresh()
    const { box, left, active } = all
    const before = { text: read(left), commits: commitsOf(all) }
    writeInto(active, withRecord(before.text, 70))
    // The application replaces its file a moment later.
    writeFileSync(join(active, 'new'), withRecord(before.text, 71))
    renameSync(join(active, 'new'), join(active, CLOSED))
    expect(statSync(join(left, CLOSED)).nlink).toBe(1)
    box.ok('checkpoint')
    expect(read(left)).toBe(before.text)
    expect(commitsOf(all)).toEqual(before.commits)
    // It is nowhere else any more.
    expect(quarantined(box).map((path) => readFileSync(join(box.store, path), 'utf8'))).toEqual([withRecord(before.text, 70)])
  })

  test('of another mode is put back, too', () => {
    const { box, left, active } = shared()
    const mode = statSync(join(left, CLOSED)).mode & 0o777
    chmodSync(join(active, CLOSED), 0o600)
    box.ok('checkpoint')
    expect([left, active].map((dir) => statSync(join(dir, CLOSED)).mode & 0o777)).toEqual([mode, 0o600])
  })
})

describe.skipIf(NEVER)('an old descriptor into a directory that was left', () => {
  test('writes into the active one, too: an edit there, once, and nothing to carry over', () => {
    const store = made(temporary(), TOY, closedModule(), ['migrate', '--to', '2.0.0'])
    const fd = openSync(join(store.active(), CLOSED), 'r+')
    store.ok('migrate')
    const all = placesOf(store)
    const { box, left, active } = all
    const before = { text: read(left), commits: commitsOf(all) }
    writeSync(fd, withRecord(before.text, 70), 0)
    box.ok('checkpoint')
    expect(box.active()).toBe(active)
    expect(recordsOf(active).map(({ n }) => n)).toEqual([1, 2, 70])
    expect(read(left)).toBe(before.text)
    expect(commitsOf(all)).toEqual(before.commits)
    // What it writes next reaches only the active one.
    writeSync(fd, withRecord(before.text, 75), 0)
    closeSync(fd)
    box.ok('checkpoint')
    expect(recordsOf(active).map(({ n }) => n)).toEqual([1, 2, 75])
    expect(read(left)).toBe(before.text)
    expect(box.doc('verify').valid).toBe(true)
  })

  test('whose file the active one does not have: put back, and what was written is kept in quarantine', () => {
    const { box, left, active } = shared()
    const text = read(active)
    box.ok('rollback', '2.0.0')
    appendFileSync(join(active, CLOSED), '   ')
    expect(read(left)).toBe(`${text}   `)
    box.ok('redo')
    box.ok('rollback')
    for (const dir of [left, active]) expect(read(dir)).toBe(text)
    expect(quarantined(box).map((path) => readFileSync(join(box.store, path), 'utf8'))).toContain(`${text}   `)
    expect(box.doc('verify').valid).toBe(true)
  })

  test('and a file that is replaced there instead is what was written there: carried over', () => {
    const { box, left } = shared()
    writeFileSync(join(left, 'new'), withRecord(read(left), 70))
    renameSync(join(left, 'new'), join(left, CLOSED))
    box.ok('checkpoint')
    expect(recordsOf(box.active()).map(({ n }) => n)).toEqual([1, 2, 70])
    expect(repairedIn(box)).toEqual([])
  })
})

describe.skipIf(NEVER)('a shared file that was written to', () => {
  test('is put back by a repair, and by no dry run', () => {
    const { box, left, active } = shared()
    const text = read(left)
    writeInto(active, withRecord(text, 70))
    expect(box.doc('repair', '--dry-run').actions).toEqual([expect.stringContaining(CLOSED)])
    expect(read(left)).not.toBe(text)
    box.ok('repair', '--yes')
    expect(read(left)).toBe(text)
    expect(recordsOf(active).map(({ n }) => n)).toEqual([1, 2, 70])
    expect(box.doc('verify').valid).toBe(true)
  })

  test('rotten in both, is healed in both', () => {
    const { box, left, active } = shared()
    const [text, stat] = [read(left), statSync(join(left, CLOSED))]
    writeInto(active, text.replace('1', '7'))
    // No write leaves the time as it was.
    spawnSync('touch', ['-d', `@${stat.mtimeMs / 1000}`, join(active, CLOSED)])
    box.ok('repair', '--yes')
    for (const dir of [left, active]) expect(recordsOf(dir)).toHaveLength(2)
    expect(box.doc('verify').valid).toBe(true)
  })

  test('does no harm to what is made from a directory that has it: a result that is remembered is compared', () => {
    const { box, left, active } = shared()
    const text = read(left)
    box.ok('rollback')
    writeInto(active, withRecord(text, 70))
    expect(read(left)).not.toBe(text)
    // The application lives in the older one: there it is an edit, and the newer one made anew has it.
    box.ok('checkpoint')
    box.edit(OPEN, withRecord(read(box.active(), OPEN), 9))
    box.ok('migrate')
    expect(json(box.active(), 'sums/1.json').sum).toBe(73)
    expect(recordsOf(box.active()).map(({ n }) => n)).toEqual([1, 2, 70])
    expect(box.doc('verify').valid).toBe(true)
  })

  test('is still there when one of its directories goes; only what comes free is counted', () => {
    const box = made(temporary(), TOY, closedModule(), ['migrate'])
    const middle = box.directoryOf(box.doc('show', '2.0.0').snapshot.id)
    const text = read(middle)
    expect(inode(middle)).toBe(inode(box.active()))
    writeInto(box.active(), withRecord(text, 70))
    const sizes = readdirSync(middle, { recursive: true, encoding: 'utf8' }).flatMap((path) => {
      const stat = statSync(join(middle, path))
      return stat.isFile() && path !== CLOSED ? [stat.size] : []
    })
    expect(box.doc('prune', '--directories', '0', '--dry-run').bytes).toBe(sizes.reduce((a, b) => a + b, 0))
    box.ok('prune', '--directories', '0', '--yes')
    box.ok('gc')
    expect(existsSync(middle)).toBe(false)
    expect(recordsOf(box.active()).map(({ n }) => n)).toEqual([1, 2, 70])
    expect(box.ok('show', `2.0.0:${CLOSED}`)).toBe(text)
    expect(box.doc('verify').valid).toBe(true)
  })

  test('is forgotten under all its names', () => {
    const { box, left, active } = shared()
    writeInto(active, withRecord(read(left), 70))
    box.ok('forget', CLOSED, '--yes')
    const held = Object.keys(contents(box.store)).filter((path) => path.endsWith(`/${CLOSED}`))
    expect(held).toEqual([])
    expect(statSync(active).isDirectory()).toBe(true)
    expect(box.doc('verify').valid).toBe(true)
  })

  test('comes back from the history as it was committed', () => {
    const { box, left, active } = shared()
    const text = read(left)
    writeInto(active, withRecord(text, 70))
    box.ok('checkpoint')
    box.ok('restore', `@-:${CLOSED}`, '--live')
    expect(recordsOf(box.active()).map(({ n }) => n)).toEqual([1, 2])
    expect(recordsOf(active).map(({ n }) => n)).toEqual([1, 2, 70])
    expect(box.doc('verify').valid).toBe(true)
  })
})

test.skipIf(NEVER)('a file that is written through its other name while a migration runs is an edit, which comes along', () => {
  const where = join(temporary(), 'where')
  writeFileSync(where, '')
  const module = toyModule({
    more: "immutable: ['days/1.json', 'sums/1.json']",
    derived: `(path) => {
      const other = readFileSync('${where}', 'utf8')
      if (path === 'days/2.json' && other !== '') {
        writeFileSync('${where}', '')
        appendFileSync(other, ' ')
      }
      return path.replace('days', 'sums')
    }`,
  })
  const box = made(temporary(), TOY, module, ['migrate', '--to', '2.0.0'])
  const left = box.active()
  writeFileSync(where, join(left, CLOSED))
  // What the file was made into before.
  box.allowLeftovers()
  box.ok('migrate')
  expect(readFileSync(where, 'utf8')).toBe('')
  expect(readFileSync(join(box.active(), CLOSED), 'utf8')).toBe(readFileSync(join(left, CLOSED), 'utf8'))
  expect(box.doc('verify').issues).toEqual([])
})
