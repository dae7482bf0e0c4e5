import { expect, it } from 'vitest'
import { report } from '../nightly/figures.ts'
import { leftovers, migratedStore, misplaced, reader, unexpected, writer } from './two-writers.ts'

const COMMANDS = Number(process.env.STRATA_COMMANDS ?? 2000)

it(`two processes give ${COMMANDS} commands each, and no acknowledged event is lost`, async () => {
  const made = await migratedStore()
  const stop = reader(made.dir)
  const began = performance.now()
  const orders = { commands: COMMANDS, waitMs: 600_000 }
  const both = await Promise.all([writer(made.dir, 'a', { ...orders, seed: 1 }), writer(made.dir, 'b', { ...orders, seed: 2 })])
  const seconds = Math.round((performance.now() - began) / 1000)
  const seen = await stop()
  const acknowledged = both.flatMap((worked) => worked.acknowledged)
  const lost = await misplaced(made, acknowledged)
  report('two-processes', {
    'commands acknowledged': both.reduce((sum, { commands }) => sum + commands, 0),
    'events acknowledged': acknowledged.length,
    'events lost or doubled': lost.length,
    'reads meanwhile': seen.reads,
    'ms the longest status': seen.longest.status,
    'ms the longest history': seen.longest.history,
    'seconds of writing': seconds,
  })
  expect(both.flatMap((worked) => unexpected(worked))).toEqual([])
  expect(seen.wrong).toEqual([])
  expect(lost).toEqual([])
  expect(await leftovers(made)).toEqual([])
})
