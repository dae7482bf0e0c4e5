import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporary } from '../contract/temporary.ts'
import { MB, configOnly, putLarge, usedOn } from '../support/large.ts'
import { LOOPS, REFLINKS, ext4, xfs } from '../support/mounts.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { sandboxAt } from '../support/sandbox.ts'
import { bytesBelow } from '../support/tree.ts'

/** The dataset of copy-on-write.nightly.ts has 1 GB; what a migration adds does not depend on it. */
const DAYS = 14
const IMMUTABLE = "immutable: ['data/**'],"

/** What a migration adds, in bytes. */
const added = (dir: string, more?: string): { box: Sandbox; disk: number; repository: number } => {
  const box = sandboxAt(dir, configOnly(more))
  putLarge(box.data, DAYS)
  box.ok('init', '--from', box.data)
  const before = { disk: usedOn(dir), repository: bytesBelow(join(box.store, 'repo.git')) }
  box.ok('migrate')
  expect(bytesBelow(box.active())).toBeGreaterThan(10 * MB)
  const after = { disk: usedOn(dir), repository: bytesBelow(join(box.store, 'repo.git')) }
  expect(box.run(['verify']).code).toBe(0)
  return { box, disk: after.disk - before.disk, repository: after.repository - before.repository }
}

const namesOf = (box: Sandbox): number => statSync(join(box.active(), 'data/1.json')).nlink

test.skipIf(!REFLINKS)('a migration of config.json alone adds less than 1 MB on a file system whose files can share blocks', () => {
  const { disk, repository } = added(xfs(600))
  expect(disk).toBeLessThan(MB)
  expect(repository).toBeLessThan(MB)
})

test.skipIf(!REFLINKS)('there every file is one of its own, also an immutable one', () => {
  const { box, disk } = added(xfs(600), IMMUTABLE)
  expect(disk).toBeLessThan(MB)
  expect(namesOf(box)).toBe(1)
})

test.skipIf(!LOOPS)('elsewhere it adds less than 1 MB, too, where the other files are declared immutable', () => {
  const { box, disk } = added(ext4(200), IMMUTABLE)
  expect(disk).toBeLessThan(MB)
  expect(namesOf(box)).toBe(2)
})

test('a migration of config.json alone adds less than 1 MB to the repository anywhere', () => {
  const { box, repository } = added(temporary())
  expect(repository).toBeLessThan(MB)
  expect(namesOf(box)).toBe(1)
})
