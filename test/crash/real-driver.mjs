// An application at work until its power is cut: edits files in the active directory and gives commands, in a random mix. What is
// about to happen and what was acknowledged goes, flushed, into a log on another disk.
//   node real-driver.mjs '{"store","data","log","seed","flushes"}'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { App } from '../../dist/index.js'

const { store, data, log, seed, flushes } = JSON.parse(process.argv[2])
const logFd = fs.openSync(log, 'a')
const note = (entry) => {
  fs.writeSync(logFd, `${JSON.stringify({ ms: Date.now(), ...entry })}\n`)
  fs.fsyncSync(logFd)
}

let state = seed
const random = () => {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
const below = (n) => Math.floor(random() * n)
const one = (list) => list[below(list.length)]

/* ---- what is on the disk, read without any code of the store ---- */

const blobId = (bytes) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
const filesOf = (dir) =>
  Object.fromEntries(
    fs
      .readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
      .map((path) => [relative(dir, path), blobId(fs.readFileSync(path))])
      .sort(),
  )
const current = () => JSON.parse(fs.readFileSync(join(store, 'CURRENT'), 'utf8'))
const commitOf = (snapshot) =>
  fs
    .readFileSync(join(store, 'repo.git/packed-refs'), 'utf8')
    .split('\n')
    .find((row) => row.endsWith(` refs/heads/${snapshot}`))
    ?.slice(0, 40)
const lastLine = () => {
  const names = fs.readdirSync(join(store, 'journal')).filter((name) => name.endsWith('.jsonl'))
  const texts = names.sort().map((name) => fs.readFileSync(join(store, 'journal', name), 'utf8'))
  const text = texts.findLast((t) => t.endsWith('\n'))
  const { hash, events } = JSON.parse(text.trimEnd().split('\n').at(-1))
  return { hash, seq: events.at(-1).seq }
}

/* ---- the application's edits ---- */

const flushFile = (path) => {
  const fd = fs.openSync(path, 'r')
  fs.fsyncSync(fd)
  fs.closeSync(fd)
}

const WAYS = {
  rewrite: (path, bytes) => {
    fs.writeFileSync(path, bytes)
    return () => flushFile(path)
  },
  rename: (path, bytes) => {
    fs.writeFileSync(`${path}.tmp`, bytes)
    return (isFlushed) => {
      if (isFlushed) flushFile(`${path}.tmp`)
      fs.renameSync(`${path}.tmp`, path)
      if (isFlushed) flushFile(dirname(path))
    }
  },
  /** The same length in the same blocks: only the times of the file say that it changed. */
  inPlace: (path, bytes) => {
    const fd = fs.openSync(path, 'r+')
    fs.writeSync(fd, bytes, 0, bytes.length, 0)
    fs.closeSync(fd)
    return () => flushFile(path)
  },
}

const write = (dir, path, bytes, way, isFlushed) => {
  const entry = { snapshot: current().snapshot, path, oid: blobId(bytes), way, flushed: isFlushed }
  note({ t: 'editing', ...entry })
  const finish = WAYS[way](join(dir, path), bytes)
  if (isFlushed || way === 'rename') finish(isFlushed)
  note({ t: 'edited', ...entry })
}

/** A newer time and another measurement, in whatever version the day is. */
const appended = (text) => {
  const doc = JSON.parse(text)
  const list = Array.isArray(doc) ? doc : doc.results
  list.push({ ...list.at(-1), ms: below(1000) })
  if (list.length > 40) list.splice(0, 20)
  return Buffer.from(JSON.stringify(doc, null, 2))
}
const scratched = (text) => Buffer.from(text.replace(/("(?:ms|latency_ms)": )\d/g, (_, name) => `${name}${1 + below(9)}`))

const edit = () => {
  const dir = join(store, current().directory)
  const isFlushed = flushes && random() < 0.5
  if (random() < 0.25) {
    const text = fs.readFileSync(join(dir, 'config.json'), 'utf8')
    const next = text.replace(/Google [A-Za-z0-9]+/, `Google ${below(1_000_000)}`)
    write(dir, 'config.json', Buffer.from(next), one(['rewrite', 'rename']), isFlushed)
    return
  }
  const path = `data/${one(fs.readdirSync(join(dir, 'data')).filter((name) => /^[0-9-]+\.json$/.test(name)))}`
  const text = fs.readFileSync(join(dir, path), 'utf8')
  const way = one(['rewrite', 'rename', 'inPlace'])
  write(dir, path, way === 'inPlace' ? scratched(text) : appended(text), way, isFlushed)
}

/** What an application does after a power cut: files of its own that were torn get a content again. */
const mend = () => {
  const dir = join(store, current().directory)
  for (const path of Object.keys(filesOf(dir))) {
    if (path.endsWith('.tmp')) {
      note({ t: 'editing', snapshot: current().snapshot, path })
      // Mending a file before it may have used the name up.
      fs.rmSync(join(dir, path), { force: true })
      continue
    }
    try {
      JSON.parse(fs.readFileSync(join(dir, path), 'utf8'))
    } catch {
      const whole = fs
        .readdirSync(join(store, 'snapshots'))
        .filter((id) => id.split('-')[0] === current().schemaVersion)
        .map((id) => join(store, 'snapshots', id, path))
        .concat(join(data, path))
        .flatMap((from) => (fs.existsSync(from) ? [fs.readFileSync(from)] : []))
        .find((bytes) => {
          try {
            return JSON.parse(bytes.toString()) !== undefined
          } catch {
            return false
          }
        })
      write(dir, path, whole, 'rename', true)
    }
  }
}

/* ---- commands ---- */

const REFUSALS = ['DATA_WRITTEN_SINCE', 'NOTHING_TO_REDO', 'NOTHING_TO_ROLL_BACK', 'EXISTS']

/** One command: announced, run, acknowledged with what is active now and every file in it. */
const command = async (kind, to, run) => {
  note({ t: 'begin', kind, to })
  let refused
  try {
    await run()
  } catch (error) {
    if (!REFUSALS.includes(error.code)) {
      note({ t: 'error', kind, code: error.code ?? error.name, message: error.message })
      process.exit(3)
    }
    refused = error.code
  }
  const { snapshot, directory, schemaVersion } = current()
  const whole = refused === undefined ? { commit: commitOf(snapshot), files: filesOf(join(store, directory)) } : {}
  note({ t: 'ack', kind, refused, snapshot, schemaVersion, ...lastLine(), ...whole })
  // A directory that was left long ago may have lost what was not flushed there.
  if (kind !== 'init') mend()
}

const app = await App.open({ store, migrations: join(import.meta.dirname, '../../dist/netmonitor.js'), app: 'driver', workers: 0 })
const versions = app.dataset.chain.schemas.map(({ version }) => version)

const migrate = async (to) => {
  const job = await app.startMigration({ to })
  const { status, error } = job.id === '' ? job : await app.waitForJob(job.id)
  if (status === 'failed') throw new Error(error)
}

const step = async () => {
  const dice = random()
  if (dice < 0.5) edit()
  else if (dice < 0.54) await command('prune', null, () => app.prune({ directories: 0 }))
  else if (dice < 0.58) await command('gc', null, () => app.gc())
  else if (dice < 0.72) await command('checkpoint', null, () => app.checkpoint('power'))
  else if (dice < 0.86) {
    const next = versions[versions.indexOf(current().schemaVersion) + 1]
    if (next !== undefined) await command('migrate', next, () => migrate(next))
  } else if (dice < 0.94) await command('rollback', null, () => app.rollbackMigration('', { exact: true }))
  else await command('redo', null, () => app.redo({ exact: true }))
}

try {
  if (!fs.existsSync(join(store, 'CURRENT'))) await command('init', versions[0], () => app.init({ from: data }))
  const snapshots = fs.readdirSync(join(store, 'snapshots'))
  note({ t: 'base', snapshots: Object.fromEntries(snapshots.map((id) => [id, filesOf(join(store, 'snapshots', id))])) })
  mend()
  for (;;) await step()
} catch (error) {
  note({ t: 'error', kind: 'application', code: error.code ?? error.name, message: error.message })
  process.exit(3)
}
