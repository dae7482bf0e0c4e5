import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MB, configOnly, putLarge, usedOn } from '../support/large.ts'
import { LOOPS, REFLINKS, ext4, xfs } from '../support/mounts.ts'
import { sandboxAt } from '../support/sandbox.ts'
import { bytesBelow } from '../support/tree.ts'

/** The bounds of copy-on-write.test.ts, with 1 GB of data. Takes about 3 GB of room. */
const DAYS = 1100
const DISK = 4096

const disks: readonly [name: string, isThere: boolean, make: (megabytes: number) => string][] = [
  ['XFS, whose files can share blocks', REFLINKS, xfs],
  ['ext4, where they are declared immutable', LOOPS, ext4],
]

for (const [name, isThere, make] of disks)
  test.skipIf(!isThere)(
    `a migration of config.json alone in 1 GB adds less than 1 MB on ${name}, and to the repository`,
    { timeout: 900_000 },
    () => {
      const disk = make(DISK)
      const box = sandboxAt(disk, configOnly("immutable: ['data/**'],"))
      putLarge(box.data, DAYS)
      expect(bytesBelow(box.data)).toBeGreaterThan(1e9)
      const run = (...args: string[]): number => box.run(args, { timeout: 600_000, judge: false }).code
      expect(run('init', '--from', box.data)).toBe(0)
      const before = { disk: usedOn(disk), repository: bytesBelow(join(box.store, 'repo.git')) }
      expect(run('migrate')).toBe(0)
      expect(usedOn(disk) - before.disk).toBeLessThan(MB)
      expect(bytesBelow(join(box.store, 'repo.git')) - before.repository).toBeLessThan(MB)
    },
  )
