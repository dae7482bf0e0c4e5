import * as nodeFs from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { SCENARIOS, makeOriginal } from './scenarios.ts'

const dir = mkdtempSync(join(tmpdir(), 'strata-modes-'))
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

/** Notes, in order, which paths got their permission bits and which were flushed. */
const noting = (notes: string[]): FsPort => {
  const paths = new Map<number, string>()
  const flushed = (fd: number): void => {
    const path = paths.get(fd)
    if (path !== undefined) notes.push(`flush ${path}`)
  }
  return {
    ...nodeFsPort,
    open: (path, flags, mode) => {
      const fd = nodeFsPort.open(path, flags, mode)
      paths.set(fd, path)
      return fd
    },
    chmod: (path, mode) => {
      nodeFsPort.chmod(path, mode)
      notes.push(`chmod ${path}`)
    },
    fsync: (fd) => {
      nodeFsPort.fsync(fd)
      flushed(fd)
    },
    fsyncLater: async (fd) => {
      await nodeFsPort.fsyncLater(fd)
      flushed(fd)
    },
  }
}

test('permission bits are given before the file or folder is flushed, so that a power cut takes none of them', async () => {
  const place = { store: join(dir, 'store'), original: join(dir, 'data') }
  makeOriginal(place.original)
  nodeFs.chmodSync(join(place.original, 'config.json'), 0o666)
  nodeFs.chmodSync(join(place.original, 'data'), 0o777)
  const notes: string[] = []
  for (const name of ['init', 'migrate']) await SCENARIOS.find((scenario) => scenario.name === name)?.run(place, noting(notes))

  const given = notes.flatMap((note, at) => (note.startsWith('chmod ') ? [{ path: note.slice('chmod '.length), at }] : []))
  const where = given.map(({ path }) => relative(place.store, path).replace(/^staging\/[^/]+\//, ''))
  expect(where).toEqual(expect.arrayContaining(['config.json', 'data']))
  expect(given.filter(({ path, at }) => notes.lastIndexOf(`flush ${path}`) < at)).toEqual([])
})
