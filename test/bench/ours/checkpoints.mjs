// So many checkpoints of a small dataset, each of one more record, with the packs merged as they accumulate.
//   node checkpoints.mjs STORE DATA COUNT
import { appendFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { App } from '../../../dist/index.js'

const [store, data, count] = process.argv.slice(2)
const app = await App.open({ store, migrations: fileURLToPath(new URL('../../../dist/netmonitor.js', import.meta.url)), workers: 0 })
await app.init({ from: data })
const { directory } = await app.checkMigrationsNeeded()
const path = join(directory, 'notes.txt')
for (let n = 0; n < Number(count); n++) {
  appendFileSync(path, `record ${n}\n`)
  const past = Date.now() / 1000 - 60
  utimesSync(path, past, past)
  await app.checkpoint(`number ${n}`)
}
