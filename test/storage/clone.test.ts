import { readFileSync, statfsSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cloneFile } from '../../src/storage/clone.ts'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { temporary } from '../contract/temporary.ts'
import { LOOPS, REFLINKS, ext4, xfs } from '../support/mounts.ts'

const MB = 1024 ** 2

const aged = (path: string, bytes: Uint8Array | string): string => {
  writeFileSync(path, bytes)
  const past = new Date(Date.now() - 60_000)
  utimesSync(path, past, past)
  return path
}

const statOf = (path: string) => {
  const stat = nodeFsPort.lstat(path)
  if (stat === undefined) throw new Error(`no ${path}`)
  return { size: stat.size, mtimeMs: stat.mtimeMs, ctimeMs: stat.ctimeMs, ino: stat.ino, mode: stat.mode & 0o777, links: stat.nlink }
}

const usedOn = (dir: string): number => {
  const { blocks, bfree, bsize } = statfsSync(dir)
  return (blocks - bfree) * bsize
}

test.skipIf(!REFLINKS)('on XFS a clone takes no room, and a write to either leaves the other as it was', () => {
  const dir = xfs(400)
  const from = aged(join(dir, 'a'), Buffer.alloc(20 * MB, 'x'))
  nodeFsPort.fsync(nodeFsPort.open(from, 'r'))
  const before = usedOn(dir)
  expect(cloneFile(nodeFsPort, from, join(dir, 'b'), statOf(from))).toBe(true)
  expect(usedOn(dir) - before).toBeLessThan(MB)
  writeFileSync(from, 'new')
  expect(readFileSync(join(dir, 'b')).equals(Buffer.alloc(20 * MB, 'x'))).toBe(true)
})

test.skipIf(!LOOPS)('a file system without shared blocks says no, and leaves nothing behind', () => {
  const dir = ext4(20)
  const from = aged(join(dir, 'a'), 'one')
  expect(cloneFile(nodeFsPort, from, join(dir, 'b'), statOf(from))).toBe(false)
  expect(nodeFsPort.lstat(join(dir, 'b'))).toBeUndefined()
})

/** As on a file system that can, without one. */
const copying: FsPort = {
  ...nodeFsPort,
  copyFile: (from, to) => {
    nodeFsPort.copyFile(from, to)
  },
}

test('a file that was written to since it was read is not cloned', () => {
  const dir = temporary()
  const from = aged(join(dir, 'a'), 'one')
  const stat = statOf(from)
  expect(cloneFile(copying, from, join(dir, 'b'), stat)).toBe(true)
  aged(from, 'two')
  expect(cloneFile(copying, from, join(dir, 'c'), stat)).toBe(false)
  expect(nodeFsPort.lstat(join(dir, 'c'))).toBeUndefined()
})

test('a file that is written to while it is cloned is not taken', () => {
  const dir = temporary()
  const from = aged(join(dir, 'a'), 'one')
  const meanwhile: FsPort = {
    ...nodeFsPort,
    copyFile: (path, to) => {
      writeFileSync(path, 'two')
      nodeFsPort.copyFile(path, to)
    },
  }
  expect(cloneFile(meanwhile, from, join(dir, 'b'), statOf(from))).toBe(false)
  expect(nodeFsPort.lstat(join(dir, 'b'))).toBeUndefined()
})

test('a file that was written in the instant in which it was read is not cloned: its time would not tell of one more write', () => {
  const dir = temporary()
  writeFileSync(join(dir, 'a'), 'one')
  expect(cloneFile(copying, join(dir, 'a'), join(dir, 'b'), statOf(join(dir, 'a')))).toBe(false)
})

test('what is there already is not replaced', () => {
  const dir = temporary()
  const from = aged(join(dir, 'a'), 'one')
  writeFileSync(join(dir, 'b'), 'mine')
  expect(cloneFile(nodeFsPort, from, join(dir, 'b'), statOf(from))).toBe(false)
  expect(readFileSync(join(dir, 'b'), 'utf8')).toBe('mine')
})
