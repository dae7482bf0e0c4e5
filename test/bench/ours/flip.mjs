// How long a switch takes from the journal line that is its commit point until CURRENT is durable: the median of some, in milliseconds.
//   node flip.mjs STORE
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { App, nodeFsPort } from '../../../dist/internal.js'

const [store] = process.argv.slice(2)
let [began, ended] = [0, 0]
const fs = {
  ...nodeFsPort,
  write: (fd, buffer, offset, length, position) => {
    const text = Buffer.from(buffer.buffer, buffer.byteOffset + offset, Math.min(length, 4096)).toString('latin1')
    if (text.includes('"type":"SnapshotActivated"')) began = performance.now()
    return nodeFsPort.write(fd, buffer, offset, length, position)
  },
  rename: (from, to) => {
    nodeFsPort.rename(from, to)
    if (basename(to) === 'CURRENT') ended = Infinity
  },
  fsync: (fd) => {
    nodeFsPort.fsync(fd)
    if (ended === Infinity) ended = performance.now()
  },
}
const app = await App.open({ store, migrations: fileURLToPath(new URL('../../../dist/netmonitor.js', import.meta.url)), fs })
const times = []
for (let i = 0; i < 10; i++) {
  await (i % 2 === 0 ? app.rollbackMigration() : app.redo())
  times.push(ended - began)
}
times.sort((a, b) => a - b)
console.log(times[5])
