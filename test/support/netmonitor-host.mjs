// NetMonitor as a process of its own: `node netmonitor-host.mjs STORE COUNT FROM EVERY_MS`. It reads CURRENT at its start, then every few milliseconds reads
// the day of a record, adds one, and writes the whole file back in place, as its Go code does. One line on stdout: what it wrote.
// On SIGUSR2 it stops writing and says `paused`; on the next one it opens what CURRENT names then and goes on. On SIGTERM it ends.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const [store = '', count = '0', from = '100000', every = '5'] = process.argv.slice(2)
const current = () => {
  const { directory, schemaVersion } = JSON.parse(readFileSync(join(store, 'CURRENT'), 'utf8'))
  return { root: join(store, directory), version: schemaVersion }
}
// The last version that changed the days.
const headed = (version) => (version === '1.1.0' || version === '2.2.0' ? version : '1.2.0')
const header = (version) => ({
  formatVersion: '1',
  schemaVersion: headed(version),
  createdWith: 'NetMonitor',
  migrations: [{ version: headed(version), description: 'written by the application' }],
})
const recordOf = (version, ts, ms) => {
  if (version === '1.0.0') return { ts, id: 'fd6a02b', ms, st: 0, err: null }
  if (version === '2.2.0') return { ts, endpoint_id: 'fd6a02b', latency_ms: ms, st: 0 }
  const rest = { endpoint_id: 'fd6a02b', latency_ms: ms, status: 'success' }
  return version === '1.1.0' ? { timestamp: new Date(ts).toISOString(), ...rest } : { ts, ...rest }
}
const DAY = '2026-01-03'
const append = ({ root, version }, n) => {
  const path = join(root, `data/${DAY}.json`)
  let day
  try {
    day = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    day = version === '1.0.0' ? [] : { header: header(version), date: DAY, results: [] }
  }
  ;(Array.isArray(day) ? day : day.results).push(recordOf(version, Date.UTC(2026, 0, 3) + n, n))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, JSON.stringify(day, null, 2))
}

let [place, paused] = [current(), false]
const over = new AbortController()
process.on('SIGUSR2', () => {
  paused = !paused
  if (!paused) place = current()
  process.stdout.write(paused ? 'paused\n' : 'resumed\n')
})
process.on('SIGTERM', () => {
  over.abort()
})
process.stdout.write('started\n')
let n = Number(from)
for (const end = n + Number(count); n < end && !over.signal.aborted; ) {
  if (!paused) append(place, n++)
  await sleep(Number(every))
}
process.stdout.write(`wrote ${n - Number(from)}\n`)
