import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { deflateSync } from 'node:zlib'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Line } from '../../src/core/events.ts'
import { encodeLine, genesis } from '../../src/core/events.ts'
import { REDUCER, evolveLine, initialState } from '../../src/core/state.ts'
import { temporary } from '../contract/temporary.ts'
import { report } from '../nightly/figures.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { ROOT } from '../support/sandbox.ts'
import { TOY, toyMigrated, toyModule } from '../support/toy.ts'
import { fingerprint, json, put, putAll } from '../support/tree.ts'

/**
 * A store that somebody else made, with traps in it. Whatever is asked of it: nothing in it is run, nothing outside its folder is
 * written, and the answer comes in bounded time and memory, as a result or as a StrataError.
 */

const MOST_SECONDS = 20
const MOST_MB = 700

/** Every verb of the library in one process, so that a trap costs one start of Node. */
const DRIVER = `
import { readFileSync } from 'node:fs'
const [index, store, migrations, only] = process.argv.slice(2)
const wanted = only === '' ? null : only.split(',')
const { App, isStrataError } = await import(index)
const said = []
const app = await App.open({ store, migrations, app: 'test', appVersion: '1', log: (entry) => said.push(entry) })
const verb = async (name, act) => {
  if (wanted !== null && !wanted.includes(name)) return
  const started = Date.now()
  try {
    said.push({ verb: name, ok: true, value: await act(), ms: Date.now() - started })
  } catch (error) {
    const code = isStrataError(error) ? error.code : 'UNEXPECTED'
    said.push({ verb: name, ok: false, code, message: code === 'UNEXPECTED' ? String(error?.stack) : error.message, hint: error?.hint ?? '' })
  }
}
const look = async (round) => {
  await verb('status' + round, () => app.checkMigrationsNeeded())
  await verb('plan' + round, () => app.plan())
  await verb('history' + round, () => app.history())
  await verb('fileHistory' + round, () => app.fileHistory('settings.json'))
  await verb('show' + round, () => app.show('@'))
  await verb('readFile' + round, async () => Buffer.from(await app.readFile('@-', 'settings.json')).toString())
  await verb('diff' + round, () => app.diff('@-', '@'))
  await verb('preview' + round, () => app.preview('rollback'))
  await verb('verify' + round, () => app.validateDataIntegrity())
}
await look('')
await verb('checkpoint', () => app.checkpoint('mine'))
await verb('rollback', () => app.rollbackMigration('', { exact: true }))
await verb('redo', () => app.redo({ exact: true }))
await verb('rollback again', () => app.rollbackMigration('3.0.0', { exact: true }))
await verb('migrate', async () => {
  const job = await app.startMigration()
  return job.id === '' ? job : app.waitForJob(job.id)
})
await verb('adopt', () => app.adopt())
await look(' at last')
// The peak that getrusage tells is also that of the process this one was forked from.
const [, kilobytes] = /VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
const rss = Number(kilobytes) / 1024
const polluted = Object.keys(Object.prototype).concat('isAdmin' in {} ? ['isAdmin'] : [])
process.stdout.write(JSON.stringify({ said, polluted, rss }), () => process.exit(0))
`

type Said = { verb: string; ok: boolean; code?: string; message?: string; value?: unknown; hint?: string }
type Target = { box: Sandbox; store: string; victim: string; ran: string }

/** What lies outside of the store: beside it, and the place that the traps point to. */
const outside = ({ dir, data, store }: Sandbox): unknown => [
  fingerprint(join(dir, 'victim')),
  fingerprint(data),
  readdirSync(dir).sort(),
  readdirSync(dirname(store)).sort(),
]

const environment = { PATH: process.env.PATH ?? '' }

/** A migrated store with a trap in it. */
const target = (): Target => {
  const box = toyMigrated()
  const victim = join(box.dir, 'victim')
  putAll(victim, { ...TOY, 'precious.txt': 'not yours' })
  return { box, store: box.store, victim, ran: join(box.dir, 'ran') }
}

type How = { mb?: number; seconds?: number; verbs?: readonly string[] }

/** Each trap is a store and a process of its own: every eighth is set in `npm test`, all of them in the nightly run. */
const EVERY = process.env.STRATA_ALL_TRAPS === undefined ? 8 : 1
let traps = 0
afterAll(() => {
  report('untrusted-store', { traps })
})
beforeEach(({ skip }) => {
  traps += 1
  if (traps % EVERY !== 0) skip('set in the nightly run')
})
vi.setConfig({ testTimeout: 120_000 })

/** Springs the trap with everything that can be asked of a store, through the library and the start-up path of the command line. */
const spring = ({ box, store, ran }: Target, more: How = {}): Said[] => {
  const driver = join(temporary(), 'driver.mjs')
  writeFileSync(driver, DRIVER)
  const before = outside(box)
  const seconds = more.seconds ?? MOST_SECONDS
  const index = pathToFileURL(join(ROOT, 'dist/index.js')).href
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [driver, index, store, toyModule(), (more.verbs ?? []).join()], {
    cwd: box.dir,
    env: environment,
    encoding: 'utf8',
    timeout: seconds * 1000,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 28,
  })
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  const { said, polluted, rss } = JSON.parse(stdout) as { said: Said[]; polluted: string[]; rss: number }
  expect(polluted).toEqual([])
  expect(rss).toBeLessThan(more.mb ?? MOST_MB)
  for (const command of [['status'], ['path'], ['status', '--json']]) {
    const got = box.run(command, { judge: false })
    expect([0, 1, 2]).toContain(got.code)
    expect(got.stderr).not.toContain('unexpected')
  }
  expect(outside(box)).toEqual(before)
  expect(existsSync(ran)).toBe(false)
  expect(said.filter((s) => s.code === 'UNEXPECTED')).toEqual([])
  return said
}

const of = (said: readonly Said[], verb: string): Said => {
  const found = said.find((s) => s.verb === verb)
  if (found === undefined) throw new Error(`${verb} was not asked`)
  return found
}

/** The verbs that write: none of them may have got anywhere. */
const WRITING = ['checkpoint', 'rollback', 'redo', 'rollback again', 'migrate', 'adopt']
const refusals = (said: readonly Said[]): (string | undefined)[] => WRITING.map((verb) => of(said, verb).code)
const refuses = (said: readonly Said[], ...codes: string[]): void => {
  for (const code of refusals(said)) expect(codes).toContain(code)
}

/* ---- forging: anyone can make hashes that fit ---- */

const journalFile = (store: string): string => join(store, 'journal/00000001.jsonl')

/** The journal with its text changed, every line's hash and link made anew. */
const forge = (store: string, change: (text: string) => string, more: (lines: Line[]) => void = () => undefined): void => {
  const lines = readFileSync(journalFile(store), 'utf8')
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(change(text)) as Line)
  more(lines)
  let prev = ''
  const texts = lines.map((line, i) => {
    const [first] = line.events
    const { text, hash } = encodeLine({ ...line, prev: i === 0 && first?.type === 'StoreCreated' ? genesis(first.data.storeId) : prev })
    prev = hash
    return `${text}\n`
  })
  writeFileSync(journalFile(store), texts.join(''))
}

const events = (lines: readonly Line[]) => lines.flatMap((line) => line.events)

/** Every `from` in the journal becomes `to`, as JSON has it. */
const renameIn = (store: string, from: string, to: string): void => {
  forge(store, (text) => text.replaceAll(JSON.stringify(from), JSON.stringify(to)))
}

/** A second segment that opens with a state of the forger's own: nothing before it is read any more. */
const forgeState = (store: string, change: (text: string) => string): void => {
  const lines = readFileSync(journalFile(store), 'utf8')
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as Line)
  const last = lines.at(-1)
  if (last === undefined) throw new Error('an empty journal')
  const folded = lines.reduce(evolveLine, initialState)
  const state = JSON.parse(change(JSON.stringify(folded))) as object
  const { text } = encodeLine({
    ...last,
    events: [{ seq: folded.seq + 1, id: 'zzzzzzzz', type: 'SegmentOpened', data: { reducer: REDUCER, state } }],
    prev: last.hash,
  })
  writeFileSync(join(store, 'journal/00000002.jsonl'), `${text}\n`)
}

const snapshotAt = (box: Sandbox, version: string): string => {
  const found = readdirSync(join(box.store, 'snapshots')).find((name) => name.startsWith(`${version}-`))
  if (found === undefined) throw new Error(`no snapshot of ${version}`)
  return found
}

/* ---- objects that no honest writer makes, written by stock git ---- */

type Entry = { mode: string; name: string | Buffer; oid: string }

const gitIn = (store: string, args: string[], input: Uint8Array | string = ''): string =>
  execFileSync('git', ['-c', 'safe.directory=*', '-C', join(store, 'repo.git'), ...args], {
    input,
    env: {
      ...environment,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'A',
      GIT_AUTHOR_EMAIL: 'a@b',
      GIT_COMMITTER_NAME: 'A',
      GIT_COMMITTER_EMAIL: 'a@b',
    },
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
    .toString()
    .trim()

const blob = (store: string, bytes: Uint8Array | string): string => gitIn(store, ['hash-object', '-w', '--stdin'], bytes)

const tree = (store: string, entries: readonly Entry[]): string =>
  gitIn(
    store,
    ['hash-object', '-t', 'tree', '--literally', '-w', '--stdin'],
    Buffer.concat(
      entries.flatMap(({ mode, name, oid }) => [Buffer.from(`${mode} `), Buffer.from(name), Buffer.alloc(1), Buffer.from(oid, 'hex')]),
    ),
  )

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')
const TEXT = 'from the trap\n'
const row = (name: string, size = TEXT.length, hash = sha256(TEXT)): string => `f 0644 ${size} ${hash} ${name}\n`

/**
 * The snapshot before the last step gets a commit with the given `files` and `manifest` trees, in the journal and the refs as
 * well; its directory is gone, so that a rollback has to make it again from them.
 */
const replaceSnapshot = (t: Target, files: string, manifest: string): string => {
  const { box, store } = t
  const id = snapshotAt(box, '2.0.0')
  const old = gitIn(store, ['rev-parse', id])
  const root = tree(store, [
    { mode: '40000', name: 'files', oid: files },
    { mode: '40000', name: 'manifest', oid: manifest },
  ])
  const commit = gitIn(store, ['commit-tree', root, '-m', 'trap'])
  forge(store, (text) => text.replaceAll(old, commit))
  const packed = join(store, 'repo.git/packed-refs')
  writeFileSync(packed, readFileSync(packed, 'utf8').replaceAll(old, commit))
  rmSync(join(store, 'snapshots', id), { recursive: true })
  rmSync(join(store, 'index', id), { force: true })
  return id
}

/** A snapshot whose only file stands in its trees under the given entry, and in its manifest under the given row. */
const oneFile = (t: Target, entry: Omit<Entry, 'oid'> & { oid?: string }, rows: string): string => {
  const { store } = t
  const oid = entry.oid ?? blob(store, TEXT)
  const files = tree(store, [{ mode: entry.mode, name: entry.name, oid }])
  return replaceSnapshot(t, files, tree(store, [{ mode: '100644', name: 'rows', oid: blob(store, rows) }]))
}

/** A folder under the given names in both trees, with one file in it. */
const oneFolder = (t: Target, entry: string, manifestEntry: string, rowName: string): string => {
  const { store } = t
  const files = tree(store, [
    { mode: '40000', name: entry, oid: tree(store, [{ mode: '100644', name: 'precious.txt', oid: blob(store, TEXT) }]) },
  ])
  const inner = tree(store, [{ mode: '100644', name: 'rows', oid: blob(store, row('precious.txt')) }])
  const manifest = tree(store, [
    { mode: '40000', name: manifestEntry, oid: inner },
    { mode: '100644', name: 'rows', oid: blob(store, `d 0755 ${rowName}\n`) },
  ])
  return replaceSnapshot(t, files, manifest)
}

const script = (path: string, ran: string): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `#!/bin/sh\necho "$0" >> '${ran}'\n`)
  chmodSync(path, 0o755)
}

const HOOKS = [
  'applypatch-msg',
  'fsmonitor-watchman',
  'post-checkout',
  'post-commit',
  'post-index-change',
  'post-receive',
  'post-rewrite',
  'post-update',
  'pre-auto-gc',
  'pre-commit',
  'pre-push',
  'pre-receive',
  'proc-receive',
  'push-to-checkout',
  'reference-transaction',
  'update',
] // prettier-ignore

describe('the repository of an untrusted store: nothing in it is run or believed', () => {
  it('a store without a trap answers everything', () => {
    const t = target()
    for (const s of spring(t).filter((one) => 'verb' in one)) expect([s.verb, s.ok, s.message]).toEqual([s.verb, true, undefined])
  })

  it('hooks, and a configuration with fsmonitor, filters, hooksPath, aliases, a pager and an include', () => {
    const t = target()
    const evil = join(t.store, 'repo.git/evil.sh')
    script(evil, t.ran)
    for (const name of HOOKS) script(join(t.store, 'repo.git/hooks', name), t.ran)
    put(t.store, 'repo.git/included', `[core]\n\tfsmonitor = ${evil}\n`)
    writeFileSync(
      join(t.store, 'repo.git/config'),
      `[core]\n\tbare = true\n\trepositoryformatversion = 0\n\tfsmonitor = ${evil}\n\thooksPath = ${join(t.store, 'repo.git/hooks')}\n\tpager = ${evil}\n\tsshCommand = ${evil}\n\teditor = ${evil}\n\tworktree = ${t.victim}\n[filter "evil"]\n\tclean = ${evil}\n\tsmudge = ${evil}\n\trequired = true\n[alias]\n\tlog = !${evil}\n\tfsck = !${evil}\n[include]\n\tpath = ${join(t.store, 'repo.git/included')}\n[gc]\n\tauto = 1\n\tpruneExpire = now\n[credential]\n\thelper = !${evil}\n[uploadpack]\n\tpackObjectsHook = ${evil}\n`,
    )
    put(t.store, 'repo.git/info/attributes', '* filter=evil diff=evil merge=evil\n')
    const said = spring(t)
    for (const verb of WRITING) expect(of(said, verb)).toMatchObject({ ok: true })
  })

  it('alternates: an object that only another repository holds is missing', () => {
    const t = target()
    const other = join(t.box.dir, 'victim/other.git')
    cpSync(join(t.store, 'repo.git'), other, { recursive: true })
    put(t.store, 'repo.git/objects/info/alternates', `${join(other, 'objects')}\n`)
    const packs = join(t.store, 'repo.git/objects/pack')
    for (const name of readdirSync(packs)) rmSync(join(packs, name))
    rmSync(join(t.store, 'snapshots', snapshotAt(t.box, '2.0.0')), { recursive: true })
    const said = spring(t)
    expect(of(said, 'readFile')).toMatchObject({ ok: false })
    expect(of(said, 'verify').value).toMatchObject({ valid: false })
  })

  it('refs/replace, grafts and a shallow file change nothing of what is told', () => {
    const [t, plain] = [target(), target()]
    const id = t.box.snapshot()
    const [head, parent] = [gitIn(t.store, ['rev-parse', id]), gitIn(t.store, ['rev-parse', `${id}~`])]
    const fake = gitIn(t.store, ['commit-tree', `${parent}^{tree}`, '-m', 'FORGED HISTORY'])
    put(t.store, `repo.git/refs/replace/${head}`, `${fake}\n`)
    put(t.store, `repo.git/refs/replace/${parent}`, `${fake}\n`)
    put(t.store, 'repo.git/info/grafts', `${head} ${fake}\n`)
    const seen = (said: Said[]): unknown => ['readFile', 'diff', 'show', 'history', 'fileHistory'].map((verb) => of(said, verb).value)
    const [trapped, honest] = [spring(t), spring(plain)]
    expect(JSON.stringify(seen(trapped)).replaceAll(t.box.dir, '')).toBe(JSON.stringify(seen(honest)).replaceAll(plain.box.dir, ''))
    expect(JSON.stringify(trapped)).not.toContain('FORGED')
  })

  it('a shallow file hides no edit and breaks no command', () => {
    const t = target()
    put(t.store, 'repo.git/shallow', `${gitIn(t.store, ['rev-parse', t.box.snapshot()])}\n`)
    for (const verb of WRITING) expect(of(spring(t), verb)).toMatchObject({ ok: true })
  })

  it('refs that name no object, a symbolic ref that leads to itself, and a HEAD that leads outside', () => {
    const t = target()
    put(t.store, 'repo.git/refs/heads/loop', 'ref: refs/heads/loop\n')
    put(t.store, 'repo.git/refs/heads/ghost', `${'e'.repeat(40)}\n`)
    put(t.store, 'repo.git/HEAD', `ref: refs/../../../victim/precious.txt\n`)
    spring(t)
  })
})

/** A folder of the store is a link to one outside that looks just like it. */
const linked = (t: Target, name: string): void => {
  const away = join(t.victim, 'copy', name)
  cpSync(join(t.store, name), away, { recursive: true })
  rmSync(join(t.store, name), { recursive: true })
  symlinkSync(away, join(t.store, name))
}

describe('links in an untrusted store: nothing is written through them', () => {
  it.each([
    'snapshots',
    'staging',
    'journal',
    'index',
    'repo.git',
    'repo.git/objects',
    'repo.git/objects/pack',
    'repo.git/objects/info',
    'repo.git/refs',
    'repo.git/refs/heads',
    'repo.git/info',
  ])('%s is a link to a folder outside: every command that writes refuses', (name) => {
    const t = target()
    linked(t, name)
    refuses(spring(t), 'UNTRUSTED')
  })

  it.each(['snapshots', 'staging', 'journal', 'index', 'repo.git', 'quarantine'])('%s is a link that leads nowhere', (name) => {
    const t = target()
    rmSync(join(t.store, name), { recursive: true, force: true })
    symlinkSync(join(t.victim, 'nowhere'), join(t.store, name))
    for (const code of refusals(spring(t))) expect(code).not.toBeUndefined()
  })

  it('quarantine is a link to a folder outside', () => {
    const t = target()
    symlinkSync(t.victim, join(t.store, 'quarantine'))
    put(t.store, 'staging/unknown/file', 'x')
    refuses(spring(t), 'UNTRUSTED')
  })

  it.each(['1.0.0', '2.0.0', '3.0.0'])('the directory of the snapshot at %s is a link to one outside', (version) => {
    const t = target()
    linked(t, `snapshots/${snapshotAt(t.box, version)}`)
    refuses(spring(t), 'UNTRUSTED')
  })

  it('a link in place of a file or folder within a snapshot is no part of it', () => {
    for (const name of ['settings.json', 'days']) {
      const t = target()
      const dir = join(t.store, 'snapshots', t.box.snapshot())
      rmSync(join(dir, name), { recursive: true })
      symlinkSync(join(t.victim, name), join(dir, name))
      const said = spring(t)
      expect(of(said, 'checkpoint')).toMatchObject({ ok: false, code: 'SPECIAL_FILE' })
    }
  })

  it.each(['precious.txt', 'nowhere'])('CURRENT, the journal, HEAD, refs, configuration, indexes and the reserve as links to %s', (to) => {
    const names = [
      'CURRENT',
      'CURRENT.lock',
      'reserve',
      'journal/00000001.jsonl',
      'journal/00000002.jsonl',
      'journal/epoch-99',
      'repo.git/HEAD',
      'repo.git/HEAD.lock',
      'repo.git/HEAD.strata',
      'repo.git/packed-refs',
      'repo.git/packed-refs.lock',
      'repo.git/packed-refs.strata',
      'repo.git/config',
      'repo.git/config.lock',
      'repo.git/info/attributes',
      'index/original',
      'index/original.lock',
    ]
    for (const name of names) {
      const t = target()
      rmSync(join(t.store, name), { force: true })
      symlinkSync(join(t.victim, to), join(t.store, name))
      try {
        spring(t)
      } catch (cause) {
        throw new Error(`${name} as a link to ${to}`, { cause })
      }
    }
  })

  it('a journal that is read through a link to a good one elsewhere is not appended to', () => {
    const t = target()
    renameSync(journalFile(t.store), join(t.victim, 'journal.jsonl'))
    symlinkSync(join(t.victim, 'journal.jsonl'), journalFile(t.store))
    for (const code of refusals(spring(t))) expect(code).not.toBeUndefined()
  })

  it('a staged directory of an announced snapshot is a link: the link goes, what it names stays', () => {
    const t = target()
    forge(t.store, (text) => text, announceOnly('4.0.0-aaaaaaaa'))
    symlinkSync(t.victim, join(t.store, 'staging/4.0.0-aaaaaaaa'))
    spring(t)
  })

  it('packs that are links or FIFOs', () => {
    const t = target()
    const packs = join(t.store, 'repo.git/objects/pack')
    for (const name of readdirSync(packs)) {
      renameSync(join(packs, name), join(t.victim, name))
      symlinkSync(join(t.victim, name), join(packs, name))
    }
    spring(t)
    execFileSync('mkfifo', [join(packs, 'pack-1.pack'), join(packs, 'pack-1.idx'), join(t.store, 'journal/00000003.jsonl')])
    spring(t)
  })

  it('CURRENT as a directory or a FIFO', () => {
    for (const make of [(path: string) => mkdirSync(path), (path: string) => execFileSync('mkfifo', [path])]) {
      const t = target()
      rmSync(join(t.store, 'CURRENT'))
      make(join(t.store, 'CURRENT'))
      spring(t)
    }
  })
})

/** The last event announces a snapshot that nobody made. */
const announceOnly =
  (id: string) =>
  (lines: Line[]): void => {
    const last = lines.at(-1)
    const seq = last?.events.at(-1)?.seq ?? 0
    if (last === undefined) throw new Error('an empty journal')
    const started = events(lines).find((e) => e.type === 'MigrationStarted')
    const data = { ...(started?.data as object), announced: [id], steps: [{ version: '4.0.0', snapshot: id }] }
    const event = { seq: seq + 1, id: 'zzzzzzzz', type: 'MigrationStarted', jobId: 'job-zzzzzzzz', data }
    // A forger need not keep to the types.
    lines.push({ ...last, events: [event] as unknown as Line['events'] })
  }

const IDS = [
  '../../victim',
  '../victim',
  '/tmp',
  '.',
  '..',
  '',
  '../snapshots',
  'a/../../../victim',
  '..\\victim',
  '-\0x',
  '__proto__',
  'x'.repeat(5000),
] // prettier-ignore

describe('a journal that was forged, with hashes that fit', () => {
  it.each(IDS)('the id of the active snapshot is %j', (id) => {
    const t = target()
    renameIn(t.store, t.box.snapshot(), id)
    const said = spring(t)
    for (const code of refusals(said)) expect(code).not.toBeUndefined()
    expect(JSON.stringify(said.map((s) => s.value ?? null))).not.toContain('precious')
  })

  it.each(IDS.slice(0, 6))('the id of the snapshot to go back to is %j', (id) => {
    const t = target()
    renameIn(t.store, snapshotAt(t.box, '1.0.0'), id)
    spring(t)
  })

  it.each(IDS)('an announced snapshot is %j: nothing is swept up', (id) => {
    const t = target()
    forge(t.store, (text) => text, announceOnly(id))
    spring(t)
    expect(existsSync(join(t.store, 'snapshots'))).toBe(true)
    expect(existsSync(join(t.store, 'journal'))).toBe(true)
  })

  it.each(IDS)('the state that a segment opens with names the active snapshot %j: refused, or worked out anew', (id) => {
    const t = target()
    forgeState(t.store, (text) => text.replaceAll(JSON.stringify(t.box.snapshot()), JSON.stringify(id)))
    const said = spring(t)
    const { ok, value } = of(said, 'status')
    if (ok) expect(value).toMatchObject({ directory: join(t.store, 'snapshots', t.box.snapshot()) })
    expect(JSON.stringify(said.map((s) => s.value ?? null))).not.toContain('precious')
  })

  it.each(IDS)('the state that a segment opens with has announced %j: nothing is swept up', (id) => {
    const t = target()
    forgeState(t.store, (text) => text.replace('"announced":[]', `"announced":[${JSON.stringify(id)}]`))
    spring(t)
    for (const name of ['snapshots', 'journal', 'repo.git']) expect(existsSync(join(t.store, name))).toBe(true)
  })

  it('a state that is not disturbed is believed', () => {
    const t = target()
    forgeState(t.store, (text) => text)
    for (const s of spring(t).filter((one) => 'verb' in one)) expect([s.verb, s.ok]).toEqual([s.verb, true])
  })

  it.each([
    '{}',
    '{"active":"x","snapshots":{"x":null}}',
    '{"active":"x","snapshots":{"x":{}}}',
    '{"active":5,"snapshots":7,"jobs":"x","announced":"../../victim","undone":1,"seq":"9"}',
    '[]',
  ])('the state that a segment opens with is %s', (state) => {
    const t = target()
    forgeState(t.store, () => state)
    spring(t)
  })

  it.each(['../../victim', '/etc', '', '\0', '.'])('the original directory is %j', (path) => {
    const t = target()
    renameIn(t.store, t.box.data, path)
    spring(t)
  })

  it('the original directory is one of other data: adopt reads it, and leaves it as it is', () => {
    const t = target()
    renameIn(t.store, t.box.data, t.victim)
    spring(t)
  })

  it.each(['../../victim', '/victim', 'a b', 'x\ny', '..'])('the schema version of a snapshot is %j', (version) => {
    const t = target()
    renameIn(t.store, '2.0.0', version)
    spring(t)
  })

  it.each<[string, unknown]>([
    ['null', null],
    ['a text', 'x'],
    ['an empty object', {}],
    ['an array', []],
    ['numbers where texts belong', { snapshot: 7, commit: 7, announced: 7, files: 'x', findings: 7, slice: 7, steps: 7, from: 7, data: 7 }],
  ])('the data of every event but the first is %s', (_, data) => {
    const t = target()
    forge(
      t.store,
      (text) => text,
      (lines) => {
        for (const event of events(lines).slice(2)) Object.assign(event, { data })
      },
    )
    spring(t)
  })

  it.each<[string, (data: Record<string, unknown>) => object]>([
    ['commits are names of refs', (data) => ('commit' in data ? { commit: '../../HEAD' } : {})],
    ['commits are ids of nothing', (data) => ('commit' in data ? { commit: '0'.repeat(40) } : {})],
    ['findings are no list', (data) => ('findings' in data ? { findings: 'x' } : {})],
    ['slices are of nothing', (data) => ('slice' in data ? { slice: { commit: 'x', upTo: -1 } } : {})],
    ['a snapshot was made from itself', (data) => ('from' in data && 'snapshot' in data ? { from: data.snapshot } : {})],
    ['sizes are huge', (data) => ('bytes' in data ? { bytes: 1e300, files: 1e300 } : {})],
  ])('%s', (_, change) => {
    const t = target()
    forge(
      t.store,
      (text) => text,
      (lines) => {
        for (const { data } of events(lines)) Object.assign(data, change({ ...data }))
      },
    )
    spring(t)
  })

  it('names that mean something to JavaScript pollute nothing', () => {
    const t = target()
    renameIn(t.store, snapshotAt(t.box, '2.0.0'), '__proto__')
    forge(t.store, (text) => text.replaceAll('"actor":{', '"actor":{"__proto__":{"isAdmin":true},'))
    spring(t)
  })

  it('a line of 200 MB with the right hash', () => {
    const t = target()
    forge(
      t.store,
      (text) => text,
      (lines) => {
        const [last] = lines.slice(-1)
        if (last !== undefined) Object.assign(last.actor, { app: 'x'.repeat(200e6) })
      },
    )
    spring(t, { mb: 2500, verbs: ['status', 'verify', 'checkpoint'] })
  }, 60_000)

  it('a sparse segment of 3 GB, more than Node reads at once, is refused', () => {
    const t = target()
    put(t.store, 'journal/00000002.jsonl', '')
    truncateSync(join(t.store, 'journal/00000002.jsonl'), 3e9)
    spring(t)
  })
})

describe('a CURRENT that was forged', () => {
  it.each(['snapshots/../..', '../victim', '/etc', 'snapshots', 'snapshots/', 'snapshots/.', 'snapshots/a/b', 'snapshots\\..', ''])(
    'names the directory %j: no command gives it out',
    (directory) => {
      const t = target()
      const current = json(t.store, 'CURRENT')
      put(t.store, 'CURRENT', `${JSON.stringify({ ...current, directory })}\n`)
      const path = t.box.run(['path'], { judge: false })
      expect(path.stdout.trim()).toMatch(/^(?:|.*\/snapshots\/3\.0\.0-[0-9a-z]{8})$/)
      spring(t)
    },
  )

  it('is 100 MB long', () => {
    const t = target()
    const text = readFileSync(join(t.store, 'CURRENT'), 'utf8')
    writeFileSync(join(t.store, 'CURRENT'), text.replace('}', `,"more":"${'x'.repeat(100e6)}"}`))
    spring(t)
  })

  it('is a sparse file of 3 GB', () => {
    const t = target()
    truncateSync(join(t.store, 'CURRENT'), 3e9)
    spring(t)
  })
})

describe('a repository that was forged: a rollback that has to make a directory again writes nothing outside of it', () => {
  it('and makes it where there is nothing wrong with the objects', () => {
    const t = target()
    const id = oneFile(t, { mode: '100644', name: 'settings.json' }, row('settings.json'))
    spring(t)
    expect(readFileSync(join(t.store, 'snapshots', id, 'settings.json'), 'utf8')).toBe(TEXT)
  })

  const nothingMade = (t: Target, id: string, valid = false): void => {
    const said = spring(t)
    expect(of(said, 'rollback again')).toMatchObject({ ok: false })
    expect(existsSync(join(t.store, 'snapshots', id))).toBe(false)
    expect(of(said, 'verify').value).toMatchObject({ valid })
  }

  it.each([
    ['..', '..'],
    ['.', '.'],
    ['../../../victim/precious.txt', '../../../victim/precious.txt'],
    ['/tmp/strata-trap', '/tmp/strata-trap'],
    ['', ''],
    ['%2E%2E', '..'],
    ['%2F', '/'],
    ['%2E%2E%2Fx', '../x'],
    ['.git', '.git'],
    ['.GIT', '.GIT'],
    ['git~1', 'git~1'],
    ['a\\b', 'a\\b'],
    ['%61', 'a'],
    ['%', '%25'],
    ['x%00y', 'x%00y'],
  ])('a file with the entry %j and the row %j', (entry, rowName) => {
    const t = target()
    nothingMade(t, oneFile(t, { mode: '100644', name: entry }, row(rowName)))
    expect(existsSync('/tmp/strata-trap')).toBe(false)
  })

  it.each([
    ['..', 'in-..', '..'],
    ['.', 'in-.', '.'],
    ['../../victim', 'in-../../victim', '../../victim'],
    ['%2E%2E', 'in-%2E%2E', '..'],
    ['.git', 'in-.git', '.git'],
  ])('a folder with the entries %j and %j and the row %j', (entry, manifestEntry, rowName) => {
    const t = target()
    nothingMade(t, oneFolder(t, entry, manifestEntry, rowName))
  })

  it('a link, a submodule, and modes that no file has', () => {
    for (const mode of ['120000', '160000', '100777', '100664', '104755', '060000']) {
      const t = target()
      nothingMade(t, oneFile(t, { mode, name: 'settings.json' }, row('settings.json')))
    }
  })

  it('a name that is not UTF-8, one of 300 bytes, and one path twice', () => {
    const raw = target()
    nothingMade(raw, oneFile(raw, { mode: '100644', name: Buffer.from([0x61, 0xff]) }, row('a')))
    const long = target()
    // Another system may have made it: nothing is wrong with it but that it can't be made here.
    nothingMade(long, oneFile(long, { mode: '100644', name: 'x'.repeat(300) }, row('x'.repeat(300))), true)
    const twice = target()
    nothingMade(twice, oneFile(twice, { mode: '100644', name: 'a' }, row('a') + row('a')))
  })

  it('a file whose rows bear setuid bits, which are not of the format', () => {
    const t = target()
    nothingMade(t, oneFile(t, { mode: '100644', name: 'a' }, row('a').replace('0644', '4755')))
  })

  it('a file and a folder of the same name', () => {
    const t = target()
    const { store } = t
    const file = blob(store, TEXT)
    const files = tree(store, [
      { mode: '100644', name: 'a', oid: file },
      { mode: '40000', name: 'a', oid: tree(store, [{ mode: '100644', name: 'b', oid: file }]) },
    ])
    const inner = tree(store, [{ mode: '100644', name: 'rows', oid: blob(store, row('b')) }])
    const manifest = tree(store, [
      { mode: '40000', name: 'in-a', oid: inner },
      { mode: '100644', name: 'rows', oid: blob(store, `${row('a')}d 0755 a\n`) },
    ])
    nothingMade(t, replaceSnapshot(t, files, manifest))
  })

  it('commits that are no commits, and a commit that is its own ancestor by name only', () => {
    for (const type of ['blob', 'tree', 'tag'] as const) {
      const t = target()
      const old = gitIn(t.store, ['rev-parse', snapshotAt(t.box, '2.0.0')])
      const oid = gitIn(t.store, ['hash-object', '-t', type, '--literally', '-w', '--stdin'], type === 'tree' ? '' : 'nonsense')
      forge(t.store, (text) => text.replaceAll(old, oid))
      spring(t)
    }
  })
})

const looseFile = (store: string, oid: string): string => join(store, 'repo.git/objects', oid.slice(0, 2), oid.slice(2))

/** A loose object with the given header and content, under the id that the content has. */
const loose = (store: string, header: string, content: Buffer, oid: string): void => {
  put(
    store,
    `repo.git/objects/${oid.slice(0, 2)}/${oid.slice(2)}`,
    deflateSync(Buffer.concat([Buffer.from(header), content]), { level: 9 }),
  )
}

describe('bombs in an untrusted store', () => {
  it('a blob that inflates to 1 GB, where the manifest says 14 bytes', () => {
    const t = target()
    const content = Buffer.alloc(1e9)
    const oid = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
    loose(t.store, `blob ${content.length}\0`, content, oid)
    const id = oneFile(t, { mode: '100644', name: 'a', oid }, row('a'))
    spring(t, { verbs: ['rollback again'] })
    expect(existsSync(join(t.store, 'snapshots', id))).toBe(false)
  }, 120_000)

  it('a tree that inflates to 1 GB though its header says 20 bytes', () => {
    const t = target()
    const oid = gitIn(t.store, ['hash-object', '-t', 'tree', '--literally', '-w', '--stdin'], '')
    chmodSync(looseFile(t.store, oid), 0o644)
    loose(t.store, 'tree 20\0', Buffer.alloc(1e9), oid)
    const manifest = tree(t.store, [{ mode: '100644', name: 'rows', oid: blob(t.store, '') }])
    replaceSnapshot(t, oid, manifest)
    spring(t)
  }, 120_000)

  /** Folders of ten names each, all of them the same folder: `depth` objects stand for 10^depth files. */
  const nested = (t: Target, depth: number): string => {
    const { store } = t
    const names = Array.from({ length: 10 }, (_, i) => `d${i}`)
    let files = tree(
      store,
      names.map((name) => ({ mode: '100644', name, oid: blob(store, TEXT) })),
    )
    let manifest = tree(store, [{ mode: '100644', name: 'rows', oid: blob(store, names.map((name) => row(name)).join('')) }])
    const rows = blob(store, names.map((name) => `d 0755 ${name}\n`).join(''))
    for (let i = 1; i < depth; i++) {
      files = tree(
        store,
        names.map((name) => ({ mode: '40000', name, oid: files })),
      )
      manifest = tree(store, [
        ...names.map((name) => ({ mode: '40000', name: `in-${name}`, oid: manifest })),
        { mode: '100644', name: 'rows', oid: rows },
      ])
    }
    return replaceSnapshot(t, files, manifest)
  }

  it('ten nested folders of ten that stand for 10^10 files are refused', () => {
    const t = target()
    nested(t, 10)
    spring(t, { seconds: 60, mb: 2000, verbs: ['rollback again'] })
  }, 120_000)

  it('folders nested 20,000 deep are refused, or handled', () => {
    const t = target()
    const { store } = t
    const at = join(store, 'repo.git/objects')
    // Written here: twenty thousand starts of git would take minutes.
    const write = (type: string, bytes: Buffer): string => {
      const header = `${type} ${bytes.length}\0`
      const oid = createHash('sha1').update(header).update(bytes).digest('hex')
      mkdirSync(join(at, oid.slice(0, 2)), { recursive: true })
      writeFileSync(join(at, oid.slice(0, 2), oid.slice(2)), deflateSync(Buffer.concat([Buffer.from(header), bytes]), { level: 1 }))
      return oid
    }
    const treeOf = (entries: Entry[]): string =>
      write(
        'tree',
        Buffer.concat(
          entries.flatMap(({ mode, name, oid }) => [Buffer.from(`${mode} `), Buffer.from(name), Buffer.alloc(1), Buffer.from(oid, 'hex')]),
        ),
      )
    const rows = blob(store, 'd 0755 d\n')
    let files = treeOf([{ mode: '100644', name: 'd', oid: blob(store, TEXT) }])
    let manifest = treeOf([{ mode: '100644', name: 'rows', oid: blob(store, row('d')) }])
    for (let i = 0; i < 20_000; i++) {
      files = treeOf([{ mode: '40000', name: 'd', oid: files }])
      manifest = treeOf([
        { mode: '40000', name: 'in-d', oid: manifest },
        { mode: '100644', name: 'rows', oid: rows },
      ])
    }
    replaceSnapshot(t, files, manifest)
    spring(t, { verbs: ['rollback again'] })
  }, 120_000)
})
