// One of several writers on a store: a random mix of commands. What it was told has happened goes into a log, line by line:
// the events of every line of the journal that an acknowledged command wrote, and the code of every refusal.
//   node two-worker.mjs '{"store","log","name","seed","commands","seconds","waitMs"}'
import * as fs from 'node:fs'
import { basename, join } from 'node:path'
import { App, createContext, loadDataset, nodeFsPort, openSession, recover } from '../../dist/internal.js'

const { store, log, name, seed, commands, seconds, waitMs } = JSON.parse(process.argv[2])
const logFd = fs.openSync(log, 'a')
const note = (entry) => fs.writeSync(logFd, `${JSON.stringify(entry)}\n`)

let state = seed
const below = (n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * n)
}

/** Every line that is appended to the journal: an append is one write, and returns only when it is acknowledged. */
let appended = []
const segments = new Set()
const port = {
  ...nodeFsPort,
  open: (path, flags, mode) => {
    const fd = nodeFsPort.open(path, flags, mode)
    if (/^\d{8}\.jsonl$/.test(basename(path)) && (flags === 'a' || flags === 'ax')) segments.add(fd)
    return fd
  },
  close: (fd) => {
    segments.delete(fd)
    nodeFsPort.close(fd)
  },
  write: (fd, buffer, offset, length, position) => {
    if (segments.has(fd)) appended.push(Buffer.from(buffer.subarray(offset, offset + length)).toString('utf8'))
    return nodeFsPort.write(fd, buffer, offset, length, position)
  },
}

const dataset = await loadDataset(join(import.meta.dirname, '../../dist/netmonitor.js'))
const context = { ...createContext({ store, dataset, app: name, waitMs, workers: 0 }), fs: port }
const app = new App(context)
const activeDirectory = () => join(store, JSON.parse(fs.readFileSync(join(store, 'CURRENT'), 'utf8')).directory)

/** By write and rename, from a folder that the dataset ignores: no one sees half a file. */
const edit = () => {
  const dir = activeDirectory()
  const path = join(dir, 'config.json')
  const text = fs.readFileSync(path, 'utf8').replace(/Google [A-Za-z0-9]+/, `Google ${name}${below(1_000_000)}`)
  fs.mkdirSync(join(dir, 'logs'), { recursive: true })
  fs.writeFileSync(join(dir, 'logs', name), text)
  fs.renameSync(join(dir, 'logs', name), path)
}

const small = async () => {
  const session = await openSession(context)
  try {
    recover(session)
    session.commit({ type: 'note', event: { type: 'Recovered', data: { actions: [`${name} was here`] } } })
  } finally {
    await session.close()
  }
}

const step = () => {
  const dice = below(100)
  if (dice < 40) return small()
  if (dice < 65) {
    edit()
    return app.checkpoint(`by ${name}`)
  }
  if (dice < 83) return app.rollbackMigration(['', '2.2.0', '2.0.0', '1.2.0'][below(4)], { exact: true })
  return app.redo({ exact: true })
}

const eventsOf = (lines) => lines.flatMap((line) => JSON.parse(line).events.map(({ seq, id, type }) => ({ seq, id, type })))

const end = performance.now() + (seconds ?? 1e6) * 1000
for (let i = 0; i < commands && performance.now() < end; i++) {
  appended = []
  try {
    await step()
    note({ acknowledged: eventsOf(appended) })
  } catch (error) {
    // The last append may be the one that was refused; whatever came before it had returned.
    note({ acknowledged: eventsOf(appended.slice(0, -1)), refused: error.code ?? error.name, message: error.stack })
  }
}
note({ ended: true })
