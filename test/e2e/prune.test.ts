import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ROOT, captured, upgraded } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { contents } from '../support/tree.ts'

/** Keeping the disk small: directories go, old history is cut, packs are merged; stock git judges the repository after every command. */

const packs = ({ store }: Sandbox): string[] =>
  readdirSync(join(store, 'repo.git/objects/pack'))
    .filter((name) => name.endsWith('.pack'))
    .sort()
const packBytes = (box: Sandbox): number =>
  packs(box).reduce((sum, name) => sum + statSync(join(box.store, 'repo.git/objects/pack', name)).size, 0)
const directories = ({ store }: Sandbox): string[] =>
  readdirSync(join(store, 'snapshots'))
    .map((name) => name.replace(/-.*/, ''))
    .sort()
const commits = (box: Sandbox): number => Number(box.git('rev-list', '--count', 'HEAD'))

const age = (path: string): void => {
  const past = Date.now() / 1000 - 60
  utimesSync(path, past, past)
}

/** The application writes, and what it wrote is committed; so many times. */
const work = (box: Sandbox, times: number): void => {
  execFileSync(process.execPath, [join(ROOT, 'test/support/checkpoints.mjs'), box.store, 'config.json', String(times)])
  box.judge()
}

const verifyPacks = (box: Sandbox): void => {
  for (const name of packs(box)) {
    box.git('verify-pack', join('objects/pack', name))
    box.git('index-pack', '--strict', '--verify', join('objects/pack', name))
  }
}

describe('status', () => {
  test('says how large each snapshot is, what it has in common with the one before, and what the history takes', () => {
    const box = upgraded()
    const { sizes, repositoryBytes } = box.doc('status')
    expect(repositoryBytes).toBe(packBytes(box))
    expect(sizes.map((s: { schemaVersion: string }) => s.schemaVersion)).toEqual(['2.2.0', '2.1.0', '2.0.0', '1.2.0', '1.1.0', '1.0.0'])
    sizes.forEach((s: { snapshot: string; bytes: number; shared: number; hasDirectory: boolean }, i: number) => {
      const files = readdirSync(box.directoryOf(s.snapshot), { recursive: true, encoding: 'utf8' }).filter((path) => path.includes('.'))
      const before = sizes[i + 1]?.snapshot
      const bytesOf = (path: string): Buffer => readFileSync(join(box.directoryOf(s.snapshot), path))
      const isShared = (path: string): boolean =>
        before !== undefined &&
        existsSync(join(box.directoryOf(before), path)) &&
        readFileSync(join(box.directoryOf(before), path)).equals(bytesOf(path))
      const sum = (paths: readonly string[]): number => paths.reduce((bytes, path) => bytes + bytesOf(path).length, 0)
      expect(s).toMatchObject({ bytes: sum(files), shared: sum(files.filter(isShared)), hasDirectory: true })
    })
    expect(sizes.some((s: { shared: number }) => s.shared > 0)).toBe(true)
    expect(box.ok('status')).toMatch(/sizes +2\.2\.0-\S+ +[\d.]+ KB/)
    box.ok('prune', '--directories', '0', '--yes')
    expect(box.doc('status').sizes.filter((s: { hasDirectory: boolean }) => s.hasDirectory)).toHaveLength(2)
    expect(box.ok('status')).toContain('the history of 6 snapshots')
  })
})

describe('prune', () => {
  test('says what would go and why, and does nothing without consent', () => {
    const box = upgraded()
    const before = contents(box.store)
    const said = box.ok('prune', '--directories', '0')
    expect(said).toContain('To be removed: 4 directories')
    expect(said).toContain('before the last job')
    expect(said).toContain('strata prune --yes')
    expect(box.doc('prune', '--directories', '0', '--dry-run')).toMatchObject({ applied: false, cut: 0 })
    expect(contents(box.store)).toEqual(before)
  })

  test('removes directories that nobody needs; everything in them can still be had', () => {
    const box = upgraded()
    const evicted = box
      .doc('prune', '--directories', '0', '--dry-run')
      .decisions.filter((d: { directory: string }) => d.directory === 'remove')
    const was = new Map(evicted.map((d: { snapshot: string }) => [d.snapshot, contents(box.directoryOf(d.snapshot))]))
    box.ok('prune', '--directories', '0', '--yes')
    expect(directories(box)).toEqual(['1.0.0', '2.2.0'])
    expect(box.doc('verify')).toMatchObject({ valid: true, errorsFound: 0 })
    for (const [snapshot, files] of was as Map<string, Map<string, Buffer>>) {
      box.ok('restore', snapshot, '--to', join(box.dir, snapshot))
      expect(contents(join(box.dir, snapshot))).toEqual(files)
    }
  })

  test('commits first what was edited in a directory that goes', () => {
    const box = upgraded()
    const [edited = ''] = readdirSync(join(box.store, 'snapshots')).filter((name) => name.startsWith('1.1.0-'))
    const path = join(box.directoryOf(edited), 'config.json')
    writeFileSync(path, readFileSync(path, 'utf8').replace('Google DNS', 'edited late'))
    age(path)
    box.ok('prune', '--directories', '0', '--yes')
    expect(existsSync(path)).toBe(false)
    expect(box.ok('show', `${edited}:config.json`)).toContain('edited late')
  })

  test('cuts the history to a bound of bytes, which gc then makes true', () => {
    const box = captured()
    // What is cut off dangles until it is collected.
    box.allowLeftovers()
    for (let n = 0; n < 12; n++) {
      const path = join(box.active(), 'notes.txt')
      // What does not deflate, and has nothing in common with the one before.
      writeFileSync(path, randomBytes(100_000))
      age(path)
      box.ok('checkpoint', '-m', `number ${n}`)
    }
    box.ok('gc')
    expect(packBytes(box)).toBeGreaterThan(1_200_000)
    // Commits have the second they were made in: the bound is met to the second.
    expect(box.doc('prune', '--history-megabytes', '1', '--dry-run')).toMatchObject({ applied: false, cut: 1 })
    box.ok('prune', '--history-megabytes', '1', '--yes')
    box.ok('gc')
    expect(packBytes(box)).toBeLessThan(1_100_000)
    expect(box.doc('prune', '--history-megabytes', '1', '--dry-run')).toMatchObject({ cut: 0 })
    expect(box.doc('verify')).toMatchObject({ valid: true, errorsFound: 0 })
  })

  test('a rollback to a version whose directory has gone makes it again', () => {
    const box = upgraded()
    const [middle = ''] = readdirSync(join(box.store, 'snapshots')).filter((name) => name.startsWith('1.1.0-'))
    const was = contents(box.directoryOf(middle))
    box.ok('prune', '--directories', '0', '--yes')
    box.ok('rollback', '1.2.0')
    expect(box.current().schemaVersion).toBe('1.1.0')
    expect(contents(box.active())).toEqual(was)
    box.ok('redo')
    expect(box.current().schemaVersion).toBe('2.2.0')
  })

  test('a second time there is nothing to remove', () => {
    const box = upgraded()
    box.ok('prune', '--directories', '0', '--yes')
    const journal = box.journal()
    expect(box.ok('prune', '--directories', '0', '--yes')).toContain('Nothing to remove')
    expect(box.journal()).toBe(journal)
  })

  test('a policy that would remove everything keeps what is active and the way back', () => {
    const box = upgraded()
    box.allowLeftovers()
    box.ok('prune', '--directories', '0', '--max-megabytes', '0', '--days', '0', '--yes')
    expect(directories(box)).toEqual(['1.0.0', '2.2.0'])
    box.ok('rollback')
    expect(box.current().schemaVersion).toBe('1.0.0')
    box.ok('redo')
  })

  test.each([
    ['--directories', '-1'],
    ['--directories', 'two'],
    ['--days', '1.5'],
    ['--max-megabytes', ''],
  ])('%s %j is refused', (option, value) => {
    const box = upgraded()
    expect(box.refused('prune', `${option}=${value}`).code).toBe('BAD_ARGUMENT')
  })
})

describe('pin', () => {
  test('keeps a snapshot with its directory and a ref of its own, until it is unpinned', () => {
    const box = upgraded()
    box.allowLeftovers()
    const { snapshot, commit } = box.doc('pin', '1.1.0', '-m', 'the audit')
    expect(box.git('for-each-ref', '--format=%(objectname) %(refname)', 'refs/pins')).toBe(`${commit} refs/pins/${snapshot}\n`)
    box.ok('prune', '--directories', '0', '--days', '0', '--yes')
    expect(directories(box)).toEqual(['1.0.0', '1.1.0', '2.2.0'])
    box.ok('unpin', '1.1.0')
    expect(box.git('for-each-ref', 'refs/pins')).toBe('')
    box.ok('prune', '--directories', '0', '--days', '0', '--yes')
    expect(directories(box)).toEqual(['1.0.0', '2.2.0'])
    expect(box.doc('verify').valid).toBe(true)
  })

  test('of something that does not exist, or is not pinned, is ABSENT', () => {
    const box = upgraded()
    expect(box.refused('pin', '9.9.9').code).toBe('ABSENT')
    expect(box.refused('unpin', '1.1.0').code).toBe('ABSENT')
  })
})

describe('history', () => {
  test('is cut at its oldest end; the rest reads as before, for Strata and for stock git', () => {
    const box = upgraded()
    box.allowLeftovers()
    work(box, 3)
    const files = contents(box.active())
    const [before, size] = [commits(box), packBytes(box)]
    box.ok('prune', '--days', '0', '--directories', '0', '--yes')
    expect(commits(box)).toBeLessThan(before)
    box.ok('gc')
    expect(packBytes(box)).toBeLessThan(size)
    expect(contents(box.active())).toEqual(files)
    expect(box.doc('verify')).toMatchObject({ valid: true, errorsFound: 0, warningsFound: 0 })
    work(box, 1)
    box.ok('rollback')
    expect(box.current().schemaVersion).toBe('1.0.0')
    box.ok('redo')
    expect(box.doc('verify').valid).toBe(true)
  })

  test('of snapshots that are on no way back goes with them', () => {
    const box = captured()
    box.allowLeftovers()
    for (const version of ['1.1.0', '2.0.0', '2.1.0', '2.2.0']) box.ok('migrate', '--to', version)
    const size = packBytes(box)
    expect(box.ok('prune', '--days', '0', '--directories', '0', '--yes')).toMatch(/history: [1-9]\d* snapshots/)
    box.ok('gc')
    expect(packBytes(box)).toBeLessThan(size)
    expect(box.refused('show', '1.0.0:config.json').code).toBe('ABSENT')
    expect(box.doc('verify').valid).toBe(true)
    box.ok('rollback')
    expect(box.current().schemaVersion).toBe('2.1.0')
  })

  test('without its file `shallow` the next command writes it again', () => {
    const box = upgraded()
    box.allowLeftovers()
    work(box, 2)
    box.ok('prune', '--days', '0', '--directories', '0', '--yes')
    box.ok('gc')
    const cut = readFileSync(join(box.store, 'repo.git/shallow'), 'utf8')
    writeFileSync(join(box.store, 'repo.git/shallow'), '')
    expect(box.run(['checkpoint'], { judge: false }).code).toBe(0)
    expect(readFileSync(join(box.store, 'repo.git/shallow'), 'utf8')).toBe(cut)
    box.judge()
  })
})

describe('repair after pruning', () => {
  const prunedBox = (): Sandbox => {
    const box = captured()
    box.allowLeftovers()
    for (const version of ['1.1.0', '2.0.0', '2.1.0', '2.2.0']) box.ok('migrate', '--to', version)
    work(box, 2)
    box.ok('pin', '2.2.0')
    box.ok('prune', '--days', '0', '--directories', '0', '--yes')
    box.ok('gc')
    return box
  }

  test('finds nothing to mend', () => {
    expect(prunedBox().ok('repair', '--dry-run')).toContain('Nothing to repair')
  })

  test('heals a damaged object from its directory, and misses nothing that was cut off', () => {
    const box = prunedBox()
    const dir = join(box.store, 'repo.git/objects/pack')
    for (const name of packs(box)) {
      const { mode } = statSync(join(dir, name))
      const bytes = readFileSync(join(dir, name))
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff
      chmodSync(join(dir, name), 0o600)
      writeFileSync(join(dir, name), bytes)
      chmodSync(join(dir, name), mode)
    }
    const said = box.run(['repair', '--yes', '--json'], { judge: false })
    expect(JSON.parse(said.stdout).lost.filter((line: string) => line.includes('commit'))).toEqual([])
    box.judge()
  })

  test('a journal that is lost is told again, with the end of the history', () => {
    const box = prunedBox()
    const files = contents(box.active())
    const cut = readFileSync(join(box.store, 'repo.git/shallow'), 'utf8')
    rmSync(join(box.store, 'journal'), { recursive: true })
    box.run(['repair', '--yes'], { judge: false })
    box.judge()
    expect(box.doc('verify').valid).toBe(true)
    expect(contents(box.active())).toEqual(files)
    expect(readFileSync(join(box.store, 'repo.git/shallow'), 'utf8')).toBe(cut)
    box.ok('checkpoint')
  })
})

describe('packs', () => {
  test('are merged once they are many; no commit is lost, and stock git finds each pack sound', { timeout: 120_000 }, () => {
    const box = upgraded()
    const before = commits(box)
    work(box, 40)
    expect(packs(box).length).toBeLessThanOrEqual(33)
    expect(commits(box)).toBe(before + 40)
    verifyPacks(box)
    expect(box.doc('verify')).toMatchObject({ valid: true, errorsFound: 0 })
  })

  test('with deltas that stock git has made are rewritten whole', () => {
    const box = upgraded()
    work(box, 3)
    box.git('gc', '--quiet')
    expect(box.git('count-objects', '-v')).toContain('packs: 1')
    const commit = box.git('rev-parse', 'HEAD').trim()
    box.allowLeftovers()
    box.ok('prune', '--days', '0', '--directories', '0', '--yes')
    box.ok('gc')
    verifyPacks(box)
    expect(box.git('rev-parse', 'HEAD').trim()).toBe(commit)
    expect(box.doc('verify').valid).toBe(true)
  })
})

describe('gc', () => {
  test('says beforehand how much room it needs, and then what it has freed; a second run has nothing to do', () => {
    const box = upgraded()
    box.allowLeftovers()
    box.ok('prune', '--days', '0', '--directories', '0', '--yes')
    const told = box.doc('gc', '--dry-run')
    expect(told.applied).toBe(false)
    const before = packBytes(box)
    const done = box.doc('gc')
    expect(done).toMatchObject({ applied: true, dropped: told.dropped, bytesBefore: before, bytesAfter: packBytes(box) })
    expect(Math.abs(done.bytesAfter - told.bytesAfter)).toBeLessThan(2000)
    expect(box.doc('gc')).toMatchObject({ dropped: 0 })
    verifyPacks(box)
  })

  test('keeps older versions of a growing file as what they differ in; a second run changes nothing', { timeout: 120_000 }, () => {
    const box = upgraded()
    const path = join(box.active(), 'data/2025-12-14.json')
    const versions: Buffer[] = []
    const text = readFileSync(path, 'utf8').replace(/\n {2}\]\n\}$/, '')
    // What does not deflate away: as a day of measurements that differ.
    let random = 1
    const rows = Array.from({ length: 1500 }, (_, i) => {
      random = (random * 16_807) % 2_147_483_647
      return `,\n    {"ts":${1765700000000 + i * 60_000},"endpoint_id":"${random.toString(16).padStart(8, '0')}","latency_ms":${random % 997},"status":"success"}`
    })
    for (let n = 1; n <= 15; n++) {
      writeFileSync(path, `${text}${rows.slice(0, n * 100).join('')}\n  ]\n}`)
      age(path)
      versions.push(readFileSync(path))
      box.ok('checkpoint', '-m', `version ${n}`)
    }
    const commitIds = box.git('log', '--format=%H', '-15', 'HEAD').trim().split('\n').reverse()
    const before = packBytes(box)
    const done = box.doc('gc')
    expect(done.dropped).toBe(0)
    expect(packBytes(box)).toBeLessThan(before / 3)
    verifyPacks(box)
    versions.forEach((bytes, i) => {
      expect(box.git('cat-file', 'blob', `${commitIds[i] ?? ''}:files/data/2025-12-14.json`)).toBe(bytes.toString('utf8'))
      box.ok('restore', `${commitIds[i] ?? ''}:data/2025-12-14.json`, '--to', join(box.dir, String(i)))
      expect(readdirSync(join(box.dir, String(i)))).toEqual(['2025-12-14.json'])
      expect(readFileSync(join(box.dir, String(i), '2025-12-14.json')).equals(bytes)).toBe(true)
    })
    expect(box.doc('verify')).toMatchObject({ valid: true, errorsFound: 0 })
    const kept = packs(box)
    const journal = box.journal()
    box.ok('gc')
    expect(packs(box)).toEqual(kept)
    expect(box.journal()).toBe(journal)
    // What comes later is told apart from its own newest, and the deltas that are there stay as they are.
    writeFileSync(path, `${text}${rows.join('')},\n    {"ts":1765799999000,"endpoint_id":"later"}\n  ]\n}`)
    age(path)
    box.ok('checkpoint')
    box.ok('gc')
    verifyPacks(box)
    box.allowLeftovers()
    box.ok('prune', '--days', '0', '--directories', '0', '--yes')
    box.ok('gc')
    verifyPacks(box)
    expect(box.doc('verify').valid).toBe(true)
  })

  test('keeps what a branch, a tag or a loose ref of a developer leads to', () => {
    const box = upgraded()
    box.allowLeftovers()
    const first = box.git('rev-list', '--max-parents=0', 'HEAD').trim()
    box.git('-c', 'user.name=A', '-c', 'user.email=a@example.org', 'tag', '-a', '-m', 'kept', 'mine', first)
    box.ok('prune', '--days', '0', '--directories', '0', '--yes')
    box.ok('gc')
    expect(box.git('cat-file', '-t', first).trim()).toBe('commit')
    box.git('rev-list', '--objects', 'mine')
  })

  test('removes nothing while an object is missing or damaged', () => {
    const box = upgraded()
    box.allowLeftovers()
    box.ok('prune', '--days', '0', '--directories', '0', '--yes')
    const dir = join(box.store, 'repo.git/objects/pack')
    const before = packs(box)
    for (const pack of before) {
      const bytes = readFileSync(join(dir, pack))
      for (let at = 40; at < bytes.length - 40; at += 50) bytes[at] = (bytes[at] ?? 0) ^ 0xff
      writeFileSync(join(dir, pack), bytes, { mode: statSync(join(dir, pack)).mode, flag: 'r+' })
    }
    const ran = box.run(['gc', '--json'], { judge: false })
    expect(JSON.parse(ran.stdout).error.code).toBe('CORRUPT')
    expect(packs(box)).toEqual(before)
  })
})
