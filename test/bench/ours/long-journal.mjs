// Appends events to a store's journal until it has so many. Nothing is flushed: this is data for a measurement.
//   node long-journal.mjs STORE EVENTS
import { join } from 'node:path'
import { createContext, loadDataset, nodeFsPort, openSession } from '../../../dist/internal.js'

const [store, events] = process.argv.slice(2)
const dataset = await loadDataset(join(import.meta.dirname, '../../../dist/netmonitor.js'))
const nothing = () => undefined
const fs = { ...nodeFsPort, fsync: nothing, fdatasync: nothing, fsyncLater: () => Promise.resolve() }
const session = await openSession({ ...createContext({ store, dataset }), fs })
try {
  while (session.state.seq < Number(events)) session.commit({ type: 'note', event: { type: 'Recovered', data: { actions: ['bench'] } } })
} finally {
  await session.close()
}
