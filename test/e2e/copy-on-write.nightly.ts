import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MB, configOnly, putLarge, usedOn } from '../support/large.ts'
import { LOOPS, REFLINKS, ext4, xfs } from '../support/mounts.ts'
import { sandboxAt } from '../support/sandbox.ts'
import { bytesBelow } from '../support/tree.ts'

/**
 * The bounds of copy-on-write.test.ts, with 1 GB of data. Takes about 3 GB of room. Each file of a directory takes an inode there, of 512
 * bytes on XFS, and about as much again in the index, what is remembered, and the trees: so a thousand files take the megabyte by themselves.
 */
const DAYS = 256
const MEGABYTES = 4
const DISK = 6144

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
      putLarge(box.data, DAYS, MEGABYTES)
      expect(bytesBelow(box.data)).toBeGreaterThan(1e9)
      const run = (...args: string[]): string => {
        const { code, stderr } = box.run(args, { timeout: 600_000, judge: false })
        return code === 0 ? 'done' : stderr
      }
      expect(run('init', '--from', box.data)).toBe('done')
      const before = { disk: usedOn(disk), repository: bytesBelow(join(box.store, 'repo.git')) }
      expect(run('migrate')).toBe('done')
      expect(usedOn(disk) - before.disk).toBeLessThan(MB)
      expect(bytesBelow(join(box.store, 'repo.git')) - before.repository).toBeLessThan(MB)
    },
  )
