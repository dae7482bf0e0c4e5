// How long an application that writes 100 records a second has to wait for the switch of an online migration. Prints the milliseconds.
//   node pause.mjs STORE [VERSION]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { App } from '../../../dist/index.js'

const [store, to] = process.argv.slice(2)
const path = (name) => fileURLToPath(new URL(name, import.meta.url))
const host = spawn(process.execPath, [path('../../support/netmonitor-host.mjs'), store, '1000000', '100000', '10'], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
process.on('exit', () => host.kill('SIGKILL'))
const lines = createInterface({ input: host.stdout })[Symbol.asyncIterator]()
const said = async (word) => {
  while (!(await lines.next()).value.includes(word));
}
await said('started')
const app = await App.open({ store, migrations: path('../../../dist/netmonitor.js') })
const pause = async () => {
  host.kill('SIGUSR2')
  await said('paused')
  return () => host.kill('SIGUSR2')
}
const job = await app.waitForJob((await app.startMigration({ online: { pause }, ...(to === undefined ? {} : { to }) })).id)
if (job.status !== 'completed') throw new Error(job.error)
host.kill('SIGTERM')
await once(host, 'exit')
console.log(job.pausedMs)
