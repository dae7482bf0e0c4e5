import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { leftovers, migratedStore, misplaced, unexpected, writer } from './two-writers.ts'

/** The lock is a socket: two containers on one folder never meet in it. What keeps them apart then is the journal's fence alone. */

const ALONE = ['unshare', '-n']
const missing = ((): string | undefined => {
  if (process.platform !== 'linux') return 'network namespaces need Linux'
  return spawnSync('unshare', ['-n', 'true']).status === 0 ? undefined : 'unshare -n is refused: it needs root and util-linux'
})()

describe(`two writers in network namespaces of their own${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  it.skipIf(missing !== undefined)('lose no acknowledged event; the loser is told of the conflict', { timeout: 180_000 }, async () => {
    const made = await migratedStore()
    const orders = { commands: 150, waitMs: 0, seconds: 15 }
    const both = await Promise.all([
      writer(made.dir, 'a', { ...orders, seed: 1 }, ALONE),
      writer(made.dir, 'b', { ...orders, seed: 2 }, ALONE),
    ])
    // Without one the fence would not have been tested.
    expect(both.reduce((sum, { refused }) => sum + (refused.CONFLICT ?? 0), 0)).toBeGreaterThan(0)
    const acknowledged = both.flatMap((worked) => worked.acknowledged)
    expect({
      misplaced: await misplaced(made, acknowledged),
      leftovers: await leftovers(made),
      unexpected: both.flatMap((worked) => unexpected(worked, 'CONFLICT', 'LOCKED')),
    }).toEqual({ misplaced: [], leftovers: [], unexpected: [] })
  })
})
