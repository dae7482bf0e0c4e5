// A migration through the library: `workers` 0 keeps everything on one thread.
//   node migrate.mjs STORE TO [WORKERS]
import { fileURLToPath } from 'node:url'
import { App } from '../../../dist/index.js'

const [store, to, workers] = process.argv.slice(2)
const migrations = fileURLToPath(new URL('../../../dist/netmonitor.js', import.meta.url))
const app = await App.open({ store, migrations, mayBlock: true, ...(workers === undefined ? {} : { workers: Number(workers) }) })
const job = await app.waitForJob((await app.startMigration({ to })).id)
if (job.status !== 'completed') throw new Error(job.error)
