// An application that has written a line to a file of its active data and commits that, so many times, in one process.
//   node checkpoints.mjs STORE PATH COUNT
import { appendFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { App } from '../../dist/index.js'

const [store, path, count] = process.argv.slice(2)
const app = await App.open({ store, migrations: fileURLToPath(new URL('../../dist/netmonitor.js', import.meta.url)), workers: 0 })
const { directory } = await app.checkMigrationsNeeded()
for (let n = 0; n < Number(count); n++) {
  const file = join(directory, path)
  appendFileSync(file, '\n')
  // Not written a moment ago: nothing has to wait for it.
  const past = Date.now() / 1000 - 60
  utimesSync(file, past, past)
  await app.checkpoint(`number ${n}`)
}
