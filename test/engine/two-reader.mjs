// Reads a store all the time while others write to it, until it is told to end. Says what it saw that no reader may see.
//   node two-reader.mjs '{"store","log"}'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { setImmediate as immediately } from 'node:timers/promises'
import { App } from '../../dist/index.js'

const { store, log } = JSON.parse(process.argv[2])
const app = await App.open({ store, migrations: join(import.meta.dirname, '../../dist/netmonitor.js'), app: 'reader', workers: 0 })
const wrong = []
const longest = { status: 0, history: 0 }
let [reads, seen] = [0, []]
const told = { toEnd: false }
process.stdin.once('data', () => (told.toEnd = true))

const timed = async (what, read) => {
  const began = performance.now()
  const answer = await read()
  longest[what] = Math.max(longest[what], Math.round(performance.now() - began))
  return answer
}

const look = async () => {
  const { directory } = JSON.parse(fs.readFileSync(join(store, 'CURRENT'), 'utf8'))
  JSON.parse(fs.readFileSync(join(store, directory, 'config.json'), 'utf8'))
  const status = await timed('status', () => app.checkMigrationsNeeded())
  if (!fs.existsSync(status.directory)) wrong.push(`status names ${status.directory}, which is not there`)
  if (status.state === 'running' || status.state === 'no-store') wrong.push(`status says ${status.state}`)
  const ids = (await timed('history', () => app.history())).map(({ seq, id }) => `${seq} ${id}`)
  const parted = seen.findIndex((id, i) => ids[i] !== id)
  if (parted >= 0) wrong.push(`history had ${seen[parted]} and then ${ids[parted] ?? 'nothing'}`)
  seen = ids
  if (new Set(ids).size !== ids.length) wrong.push('history names an event twice')
  reads++
}

while (!told.toEnd) {
  try {
    await look()
  } catch (error) {
    wrong.push(error.stack)
  }
  await immediately()
}
fs.writeFileSync(log, JSON.stringify({ wrong: wrong.slice(0, 20), longest, reads }))
process.exit(0)
