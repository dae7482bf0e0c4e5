import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GitObject, Line, State } from './second-reader.ts'
import {
  FormatError,
  commitOf,
  currentOf,
  digestOf,
  directoryOf,
  entryName,
  expectedRefs,
  fold,
  goodLine,
  manifestOf,
  readJournal,
  readObjects,
  rootTreeId,
  slicedLines,
} from './second-reader.ts'

/** store/README.md, held against stores that dist/cli.cjs makes: by the reader beside this file, which knows nothing else. */

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SPECIFICATION = readFileSync(join(ROOT, 'store/README.md'), 'utf8')
const scratch = mkdtempSync(join(tmpdir(), 'strata-format-'))
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const strata = (store: string, ...args: string[]): string => {
  const run = spawnSync(process.execPath, [join(ROOT, 'dist/cli.cjs'), '--store', store, '--quiet', ...args], { encoding: 'utf8' })
  if (run.status !== 0) throw new Error(`strata ${args.join(' ')}: exit ${run.status}\n${run.stdout}${run.stderr}`)
  return run.stdout
}

/** Warnings about files of no kind are findings too (exit 2): only damage counts here. */
const isValid = (store: string): boolean => {
  const { stdout } = spawnSync(process.execPath, [join(ROOT, 'dist/cli.cjs'), '--store', store, 'verify', '--json'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  return (JSON.parse(stdout) as { valid: boolean }).valid
}

const CONFIG = {
  regions: {
    Default: {
      endpoints: [{ name: 'Google DNS', type: 'ICMP', address: '8.8.8.8', timeout: 1000 }],
      thresholds: { latency_ms: 200, availability_percent: 99 },
    },
  },
  settings: { test_interval_minutes: 5, data_retention_days: 90, notifications_enabled: true },
}
const day = (date: string): string =>
  JSON.stringify(
    Array.from({ length: 5 }, (_, i) => ({
      timestamp: `${date}T17:32:0${i}.4320309-05:00`,
      endpoint_id: 'Default-Google DNS',
      latency_ms: 140 + i,
      status: 'success',
    })),
    null,
    2,
  )

/** Names that git, Windows or a terminal would take for something else; a file system that has none of them is not asked to. */
const STRANGE =
  process.platform === 'win32'
    ? []
    : [
        '.gitattributes',
        'a\\b',
        'a:b',
        'tab\there',
        'git~1',
        'gi7eba~1',
        '~1000000',
        '.g\u200cit',
        '%41',
        '50% off.txt',
        'ü:ß',
        'a\u2028b',
        '\ufeffbom',
      ]
const MANY = 300

const put = (root: string, path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

const makeData = (root: string): void => {
  put(root, 'config.json', JSON.stringify(CONFIG, null, 2))
  for (const date of ['2025-12-08', '2025-12-09']) put(root, `data/${date}.json`, day(date))
  for (const name of STRANGE) put(root, `strange/${name}`, `this is ${name}`)
  put(root, 'strange/.git/config', 'not a repository')
  for (let i = 0; i < MANY; i++) put(root, `many/${i}.txt`, String(i))
  put(root, 'tool.sh', '#!/bin/sh\n')
  execFileSync('chmod', ['755', join(root, 'tool.sh')])
  mkdirSync(join(root, 'empty/inside'), { recursive: true })
}

type Read = { lines: Line[]; state: State; objects: Map<string, GitObject> }
const read = (store: string): Read => {
  const lines = readJournal(store)
  return { lines, state: fold(lines), objects: readObjects(store) }
}

/** Everything that the specification says of a store, asked of this one. */
const check = (store: string): Read => {
  const found = read(store)
  const { lines, state, objects } = found
  expect(readFileSync(join(store, 'CURRENT'), 'utf8')).toBe(currentOf(state))
  expect(readFileSync(join(store, 'repo.git/packed-refs'), 'utf8')).toBe(expectedRefs(state))
  const cut = existsSync(join(store, 'repo.git/shallow')) ? readFileSync(join(store, 'repo.git/shallow'), 'utf8') : ''
  expect(cut).toBe(
    state.cut
      .map((oid) => `${oid}\n`)
      .sort()
      .join(''),
  )
  expect(readFileSync(join(store, 'repo.git/HEAD'), 'utf8')).toBe(`ref: refs/heads/${state.active ?? 'none'}\n`)
  expect(readdirSync(join(store, 'staging'))).toEqual([])
  for (const snapshot of state.snapshots.values()) {
    const head = manifestOf(objects, commitOf(objects, snapshot.commit).tree)
    expect(digestOf(head)).toBe(snapshot.manifest)
    expect(head.files.length).toBe(snapshot.files)
    expect(head.files.reduce((sum, f) => sum + f.size, 0)).toBe(snapshot.bytes)
    const isMadeAnew = lines.some(({ events }) => events.some((e) => e.type === 'Forgotten'))
    const from = isMadeAnew && !objects.has(snapshot.fromCommit ?? '') ? null : snapshot.fromCommit
    expect(commitOf(objects, snapshot.sealed).parents).toEqual(from === null ? [] : [from])
    for (let at = snapshot.commit; ; at = commitOf(objects, at).parents[0] ?? '') {
      const { tree, author, trailers, parents } = commitOf(objects, at)
      const manifest = manifestOf(objects, tree)
      expect(rootTreeId(manifest)).toBe(tree)
      expect(author).toMatch(/^Strata <strata@localhost> \d+ \+0000$/)
      expect(trailers['Manifest-Sha256']).toBe(digestOf(manifest))
      expect(trailers['Strata-Snapshot']).toBe(snapshot.id)
      expect(trailers['Schema-Version']).toBe(snapshot.schemaVersion)
      if (at === snapshot.sealed || state.cut.includes(at) || (isMadeAnew && parents.length === 0)) break
    }
  }
  const active = state.snapshots.get(state.active ?? '')
  if (active === undefined) throw new Error('nothing is active')
  const onDisk = directoryOf(join(store, 'snapshots', active.id))
  expect(digestOf(onDisk)).toBe(active.manifest)
  expect(rootTreeId(onDisk)).toBe(commitOf(objects, active.commit).tree)
  const text = lines.map((line) => `${line.text}\n`).join('')
  const carried = slicedLines(objects, state.journal ?? '')
  expect(text.startsWith(carried)).toBe(true)
  expect(goodLine(carried.trimEnd().split('\n').at(-1) ?? '')?.events.at(-1)?.seq).toBe(state.sliced)
  execFileSync('git', ['-C', join(store, 'repo.git'), 'fsck', '--strict'], { stdio: 'pipe' })
  return found
}

describe('a reader written from the specification alone agrees with Strata', () => {
  const store = join(scratch, 'store')
  const edit = (text: string): void => {
    writeFileSync(join(strata(store, 'path').trim(), 'data/notes.txt'), text)
  }

  beforeAll(() => {
    makeData(join(scratch, 'original'))
    strata(store, 'init', '--from', join(scratch, 'original'))
  })

  test('after init', () => {
    const { state } = check(store)
    expect(state.snapshots.get(state.active ?? '')?.schemaVersion).toBe('1.0.0')
    expect(digestOf(directoryOf(join(scratch, 'original')))).toBe(state.snapshots.get(state.active ?? '')?.manifest)
  })

  test('after migrate', () => {
    strata(store, 'migrate')
    const { state } = check(store)
    expect([...state.snapshots.values()].map((s) => s.schemaVersion)).toEqual(['1.0.0', '1.1.0', '1.2.0', '2.0.0', '2.1.0', '2.2.0'])
    expect(state.running).toBeNull()
  })

  test('after rollback: on hold, with something to redo', () => {
    strata(store, 'rollback')
    const { state } = check(store)
    expect(state.snapshots.get(state.active ?? '')?.schemaVersion).toBe('1.0.0')
    expect(state.hold?.newest).toBe('2.2.0')
    expect(state.undone.length).toBe(1)
  })

  test('after redo: the hold has ended', () => {
    strata(store, 'redo')
    const { state } = check(store)
    expect(state.hold).toBeNull()
    expect(state.undone).toEqual([])
  })

  test('after checkpoints', () => {
    edit('one')
    strata(store, 'checkpoint', '-m', 'the first')
    edit('two')
    strata(store, 'checkpoint')
    const { state, objects } = check(store)
    const active = state.snapshots.get(state.active ?? '')
    expect(commitOf(objects, active?.commit ?? '').subject).toBe('Checkpoint 2.2.0: requested')
    expect(active?.commit).not.toBe(active?.sealed)
  })

  test('after an exact rollback to the middle, with edits', () => {
    edit('three')
    strata(store, 'rollback', '2.0.0', '--exact')
    const { state } = check(store)
    expect(state.snapshots.get(state.active ?? '')?.schemaVersion).toBe('1.2.0')
    strata(store, 'redo')
    check(store)
  })

  test('after a rollback and a redo that took along what was written, on both sides', () => {
    edit('carried')
    const left = fold(readJournal(store)).active ?? ''
    const [target = ''] = [...fold(readJournal(store)).snapshots.values()].filter((s) => s.schemaVersion === '1.2.0').map((s) => s.id)
    writeFileSync(join(store, 'snapshots', target, 'data/late.txt'), 'written to the directory that had been left')
    strata(store, 'rollback', '2.0.0')
    const down = check(store)
    const carried = down.state.snapshots.get(down.state.active ?? '')
    expect(carried).toMatchObject({ from: target, schemaVersion: '1.2.0', carries: { snapshot: left } })
    const names = (commit: string): string[] => manifestOf(down.objects, commitOf(down.objects, commit).tree).files.map((f) => f.path)
    expect(names(carried?.sealed ?? '')).not.toContain('data/late.txt')
    expect(names(carried?.commit ?? '')).toContain('data/late.txt')
    expect(commitOf(down.objects, carried?.sealed ?? '').trailers.Carries).toBe(`${left} ${carried?.carries?.commit ?? ''}`)
    strata(store, 'redo')
    const up = check(store).state
    expect(up.snapshots.get(up.active ?? '')).toMatchObject({ from: left, carries: { snapshot: carried?.id } })
    expect(readFileSync(join(store, 'snapshots', up.active ?? '', 'data/late.txt'), 'utf8')).toContain('left')
  })

  test('after a torn write: its bytes are passed over, and the next segment opens', () => {
    const before = fold(readJournal(store))
    appendFileSync(join(store, 'journal/00000001.jsonl'), '{"v":1,"epoch":99,"at":"20')
    expect(fold(readJournal(store))).toEqual(before)
    edit('four')
    strata(store, 'checkpoint')
    check(store)
    expect(readdirSync(join(store, 'journal')).filter((name) => name.endsWith('.jsonl'))).toEqual(['00000001.jsonl', '00000002.jsonl'])
  })

  test('of CURRENT: a lost one is rebuilt from the journal', () => {
    const before = readFileSync(join(store, 'CURRENT'), 'utf8')
    rmSync(join(store, 'CURRENT'))
    expect(currentOf(fold(readJournal(store)))).toBe(before)
    strata(store, 'checkpoint')
    check(store)
  })

  test('index/ is a cache: everything goes on without it', () => {
    rmSync(join(store, 'index'), { recursive: true })
    expect(isValid(store)).toBe(true)
    edit('five')
    strata(store, 'checkpoint')
    check(store)
  })

  test('Strata goes on with what a second writer has appended', () => {
    const { lines, state } = read(store)
    const previous = lines.at(-1)
    if (previous === undefined) throw new Error('no lines')
    const epoch = previous.epoch + 10
    writeFileSync(join(store, `journal/epoch-${epoch}`), '')
    const append = (segment: string, prev: string, seq: number, type: string, data: unknown): string => {
      const actor = { app: 'second', appVersion: '1', host: 'here', pid: 1 }
      const events = [{ seq, id: `second0${seq % 10}`, type, data }]
      const body = JSON.stringify({ v: 1, epoch, at: '2026-01-02T03:04:05.678Z', actor, events, prev }).slice(0, -1)
      appendFileSync(join(store, 'journal', segment), `${body},"hash":"${sha256(body)}"}\n`)
      return sha256(body)
    }
    const opened = append('00000003.jsonl', previous.hash, state.seq + 1, 'SegmentOpened', { reducer: 0, state: null })
    append('00000003.jsonl', opened, state.seq + 2, 'SomethingNew', { anything: 1 })
    expect(isValid(store)).toBe(true)
    edit('six')
    strata(store, 'checkpoint')
    const after = check(store)
    expect(after.lines.at(-1)?.epoch).toBeGreaterThan(epoch)
  })

  test('after taking over what was written to the original directory: a job of its own', () => {
    put(join(scratch, 'original'), 'data/2025-12-10.json', day('2025-12-10'))
    strata(store, 'adopt')
    const { state, lines } = check(store)
    const last = lines.at(-1)?.events.at(-1)
    expect(last?.data.reason).toBe('adopt')
    expect(last?.jobId).toMatch(/^job-[0-9a-z]{8}$/)
    expect(state.announced.filter((id) => !state.snapshots.has(id))).toEqual([])
  })

  test('a line that a higher epoch overruled does not count, on either side of a segment boundary', () => {
    const copy = join(scratch, 'overruled')
    cpSync(store, copy, { recursive: true })
    const { lines, state } = read(copy)
    const previous = lines.at(-1)
    if (previous === undefined) throw new Error('no lines')
    const lineOf = (epoch: number, type: string, data: unknown): string => {
      const actor = { app: 'second', appVersion: '1', host: 'here', pid: 1 }
      const events = [{ seq: state.seq + 1, id: 'overrule', type, data }]
      const body = JSON.stringify({ v: 1, epoch, at: '2026-01-02T03:04:05.678Z', actor, events, prev: previous.hash }).slice(0, -1)
      return `${body},"hash":"${sha256(body)}"}\n`
    }
    appendFileSync(join(copy, 'journal/00000003.jsonl'), lineOf(previous.epoch + 1, 'Late', {}))
    writeFileSync(join(copy, 'journal/00000004.jsonl'), lineOf(previous.epoch + 2, 'SegmentOpened', { reducer: 0, state: null }))
    const after = readJournal(copy)
    expect(after.length).toBe(lines.length + 1)
    expect(isValid(copy)).toBe(true)
    expect(strata(copy, 'history', '--all')).not.toContain('Late')
  })

  test('after pins, pruning, and packs that were rewritten', () => {
    strata(store, 'pin', '1.2.0', '-m', 'kept')
    strata(store, 'pin', '2.0.0')
    strata(store, 'unpin', '2.0.0')
    expect([...check(store).state.pins.keys()].map((id) => id.slice(0, 5))).toEqual(['1.2.0'])
    strata(store, 'prune', '--directories', '0', '--days', '0', '--yes')
    const { state } = check(store)
    expect(state.cut.length).toBeGreaterThan(0)
    strata(store, 'gc')
    expect(check(store).objects.size).toBeGreaterThan(0)
  })

  test('after a file was forgotten', () => {
    strata(store, 'forget', 'config.json', '--yes')
    const { state } = check(store)
    for (const { id } of state.snapshots.values()) expect(existsSync(join(store, 'snapshots', id, 'config.json'))).toBe(false)
  })

  test('and refuses what was changed by a single letter', () => {
    const file = join(store, 'journal/00000001.jsonl')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('"reason":"migration"', '"reason":"Migration"'))
    expect(() => readJournal(store)).toThrow(FormatError)
    writeFileSync(file, text)
    check(store)
  })
})

describe('the examples in the specification are right', () => {
  test('the worked example of a line', () => {
    const text = SPECIFICATION.split('\n').find((row) => row.startsWith('{"v":1,')) ?? ''
    const line = goodLine(text)
    expect(line?.prev).toBe(sha256('0123456789abcdef'))
    expect(text.slice(0, 443)).toBe(`${text.split(',"hash"')[0] ?? ''},"hash"`)
    expect(sha256(text.slice(0, 436))).toBe(line?.hash)
  })

  test('the table of names', () => {
    const section = SPECIFICATION.slice(SPECIFICATION.indexOf('| name | entry |'), SPECIFICATION.indexOf('### 7.3'))
    const rows = [...section.matchAll(/^\| `(.+)` \| `(.+)` \|$/gm)]
    expect(rows.length).toBe(14)
    for (const [, name = '', entry] of rows) expect(entryName(name)).toBe(entry)
  })

  test('the example of a snapshot', () => {
    const section = SPECIFICATION.slice(SPECIFICATION.indexOf('### 7.4'), SPECIFICATION.indexOf('### 7.5'))
    const files = [...section.matchAll(/^f (\d+) (\d+) (\w+) (.+)$/gm)].map(([, mode = '', size, hash = '', path = '']) => ({
      path: path.replace('%25', '%'),
      mode: Number.parseInt(mode, 8),
      size: Number(size),
      sha256: hash,
      oid: '',
    }))
    const folders = [...section.matchAll(/^d (\d+) (.+)$/gm)].map(([, mode = '', path = '']) => ({ path, mode: Number.parseInt(mode, 8) }))
    const blobs = new Map([...section.matchAll(/^\d{6} blob (\w+)\tfiles\/(.+)$/gm)].map(([, oid = '', path = '']) => [path, oid]))
    const manifest = { files: files.map((f) => ({ ...f, oid: blobs.get(f.path.replace('.git', '%2Egit')) ?? '' })), folders }
    expect(files.length + folders.length).toBe(5)
    expect(section).toContain(`Their SHA-256 is \`${digestOf(manifest)}\``)
    expect(section).toContain(`whose id is \`${rootTreeId(manifest)}\``)
  })
})
