import { statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { EarlyFlush } from '../../src/storage/early-flush.ts'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { fileStat, TICK_MS } from '../../src/storage/scan.ts'
import { flushStaged } from '../../src/engine/staged-directory.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import { temporary } from '../contract/temporary.ts'

const OLD = new Date(Date.now() - 60_000)

/** Files that were written a while ago, and a port that says which of them were flushed. */
const many = (port: FsPort = nodeFsPort) => {
  const dir = temporary()
  const paths = Array.from({ length: 20 }, (_, i) => join(dir, String(i)))
  for (const path of paths) {
    writeFileSync(path, 'x')
    utimesSync(path, OLD, OLD)
  }
  const flushed: string[] = []
  const names = new Map<number, string>()
  const fs: FsPort = {
    ...port,
    open(path, flags, mode) {
      const fd = port.open(path, flags, mode)
      names.set(fd, path)
      return fd
    },
    async fsyncLater(fd) {
      await port.fsyncLater(fd)
      flushed.push(names.get(fd) ?? '')
    },
  }
  return { dir, paths, flushed, fs }
}

const scan = (dir: string, paths: readonly string[]) => ({
  files: new Map(paths.map((path) => [path.slice(dir.length + 1), fileStat(statSync(path))])),
  directories: [],
})

/** What was added before has begun once more is added after a tick. */
const begun = async (early: EarlyFlush, paths: readonly string[]): Promise<void> => {
  early.add(paths)
  await sleep(TICK_MS + 5)
  early.add([])
  await sleep(50)
}

describe('files are flushed while others are written', () => {
  test('once: the end flushes only what was not, and every file', async () => {
    const { dir, paths, flushed, fs } = many()
    const early = new EarlyFlush(fs)
    await begun(early, paths.slice(0, 15))
    await early.settle()
    expect(new Set(flushed)).toEqual(new Set(paths.slice(0, 15)))
    await flushStaged({ fs }, dir, scan(dir, paths), early)
    expect([...flushed].sort()).toEqual([...paths].sort())
  })

  test('one that is written again after its flush is flushed again, also where it has the same size and time', async () => {
    const { dir, paths, flushed, fs } = many()
    const early = new EarlyFlush(fs)
    await begun(early, paths)
    const [first = ''] = paths
    writeFileSync(first, 'y')
    utimesSync(first, OLD, OLD)
    await flushStaged({ fs }, dir, scan(dir, paths), early)
    expect(flushed.filter((path) => path === first)).toHaveLength(2)
  })

  test('one that was written just before its flush is flushed again: what followed might not show', async () => {
    const { dir, paths, flushed, fs } = many()
    const early = new EarlyFlush(fs)
    const [first = ''] = paths
    early.add([first])
    await sleep(TICK_MS + 5)
    writeFileSync(first, 'y')
    early.add([])
    await flushStaged({ fs }, dir, scan(dir, paths), early)
    expect(flushed.filter((path) => path === first)).toHaveLength(2)
  })

  test('a flush that fails is DURABILITY at the end, whatever a second one would say', async () => {
    const { dir, paths, fs } = many(
      faultyFs(nodeFsPort, (op) => (op.call === 'fsyncLater' && op.path.endsWith('/3') ? { code: 'EIO' } : undefined)).fs,
    )
    const early = new EarlyFlush(fs)
    await begun(early, paths)
    await expect(flushStaged({ fs: nodeFsPort }, dir, scan(dir, paths), early)).rejects.toMatchObject({ code: 'DURABILITY' })
  })

  test('one that has gone meanwhile is nobody’s trouble', async () => {
    const { dir, paths, fs } = many()
    const early = new EarlyFlush(fs)
    await begun(early, [join(dir, 'gone'), ...paths])
    await expect(early.settle()).resolves.toBeUndefined()
  })
})
