import { createHash } from 'node:crypto'
import { crc32, deflateSync } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { isStrataError } from '../../src/core/errors.ts'
import type { Oid } from '../../src/core/git-objects.ts'
import { decodeCommit, decodeTree, encodeCommit, encodeTree, objectOid } from '../../src/core/git-objects.ts'
import type { TreeEntry } from '../../src/core/git-objects.ts'
import { readManifest } from '../../src/core/read-manifest.ts'
import { treesOf } from '../../src/core/snapshot-trees.ts'
import { applyDelta, inflateEntry } from '../../src/storage/pack-entry.ts'
import { encodeIndex } from '../../src/storage/pack-index.ts'
import { PackStore } from '../../src/storage/pack-read.ts'
import { readIndex } from '../../src/storage/index-file.ts'
import { fileEntry } from '../contract/datasets.ts'
import { oid } from '../contract/stories.ts'
import { memoryFs } from './memory-fs.ts'

/** What the fuzzer has found, each with the promise that it broke. */

const codeOf = (run: () => unknown): string => {
  try {
    run()
    return 'a result'
  } catch (error) {
    return isStrataError(error) ? error.code : String(error)
  }
}

const commit = (author: string): Buffer => Buffer.from(`tree ${'1'.repeat(40)}\nauthor ${author}\ncommitter A <a@b> 1 +0000\n\nm`)

describe('a commit', () => {
  test('whose author is a line full of brackets is refused in time that grows with its length, not the square of it', () => {
    const began = process.cpuUsage()
    expect(codeOf(() => decodeCommit(commit(' <'.repeat(100_000))))).toBe('CORRUPT')
    expect(process.cpuUsage(began).user).toBeLessThan(2_000_000)
  })

  test('of any time is read, written and read as the same', () => {
    for (const time of ['0', '-0', '-1', '007', '999999999999999']) {
      const read = decodeCommit(commit(`A <a@b> ${time} +0000`))
      expect(decodeCommit(encodeCommit(read))).toEqual(read)
    }
    expect(codeOf(() => decodeCommit(commit(`A <a@b> ${'9'.repeat(400)} +0000`)))).toBe('CORRUPT')
  })
})

const varint = (value: number): number[] => (value < 128 ? [value] : [128 | (value % 128), ...varint(Math.floor(value / 128))])

describe('a size that is declared', () => {
  test('in a delta is not allocated before its instructions are found to fill it', () => {
    const [alloc, unsafe] = [vi.spyOn(Buffer, 'alloc'), vi.spyOn(Buffer, 'allocUnsafe')]
    try {
      for (const declared of [64 * 1024 ** 2, 2 ** 31, 2 ** 32 - 1, 2 ** 32])
        expect(codeOf(() => applyDelta(Buffer.from('base'), Buffer.from([4, ...varint(declared), ...Array(3000).fill(1)])))).toBe('CORRUPT')
      expect(Math.max(0, ...[...alloc.mock.calls, ...unsafe.mock.calls].map(([size]) => size))).toBeLessThan(1_000_000)
    } finally {
      alloc.mockRestore()
      unsafe.mockRestore()
    }
  })

  test('in a pack of more than 4 GiB is refused as damage, not as a buffer that cannot be', () => {
    const fs = memoryFs(new Map([['p', Buffer.alloc(0)]]))
    expect(codeOf(() => inflateEntry(fs, fs.open('p', 0), 'p', { size: 2 ** 32, start: 12 }, 2 ** 34))).toBe('CORRUPT')
  })
})

test('deltas that are each other’s bases are refused at the first turn', () => {
  const [one, two] = [objectOid('blob', Buffer.from('1')), objectOid('blob', Buffer.from('2'))]
  const delta = deflateSync(Buffer.from([1, 1, 1, 65]))
  const entry = (base: Oid): Buffer => Buffer.concat([Buffer.from([0x74]), Buffer.from(base, 'hex'), delta])
  const body = Buffer.concat([Buffer.from('PACK\0\0\0\u0002\0\0\0\u0002'), entry(two), entry(one)])
  const sum = createHash('sha1').update(body).digest()
  const idx = encodeIndex(
    [
      { oid: one, crc32: crc32(entry(two)), offset: 12 },
      { oid: two, crc32: crc32(entry(one)), offset: 12 + entry(two).length },
    ],
    sum,
  )
  const fs = memoryFs(
    new Map([
      ['p/pack-1.pack', Buffer.concat([body, sum])],
      ['p/pack-1.idx', idx],
    ]),
  ) // prettier-ignore
  const read = vi.spyOn(fs, 'read')
  expect(codeOf(() => new PackStore(fs, 'p').read(one))).toBe('CORRUPT')
  expect(read.mock.calls.length).toBeLessThan(50)
})

describe('a manifest', () => {
  const stored = new Map<Oid, Uint8Array>()
  const put = (entries: readonly TreeEntry[]): Oid => {
    const bytes = encodeTree(entries)
    stored.set(objectOid('tree', bytes), bytes)
    return objectOid('tree', bytes)
  }
  const empty = objectOid('blob', Buffer.alloc(0))
  stored.set(empty, Buffer.alloc(0))
  const root = treesOf({ files: [fileEntry('a', 'a')], directories: [] }).write((object) => stored.set(object.oid, object.bytes))
  const read = (id: Oid): Uint8Array => stored.get(id) ?? Buffer.alloc(0)
  const readFrom = (id: Oid): string => codeOf(() => readManifest({ tree: (tree) => decodeTree(read(tree)), blob: read }, id))
  const entriesOf = (name: string): TreeEntry[] =>
    decodeTree(read(decodeTree(read(root)).find((entry) => entry.name === name)?.oid ?? root))
  /** The snapshot with one of its two trees changed. */
  const forged = (name: string, entries: readonly TreeEntry[]): string =>
    readFrom(put(decodeTree(read(root)).map((entry) => (entry.name === name ? { ...entry, oid: put(entries) } : entry))))

  test('and its files are read when nothing is forged', () => {
    expect(readFrom(root)).toBe('a result')
    expect(forged('manifest', entriesOf('manifest'))).toBe('a result')
  })

  test('with two entries of one name is refused: each reader might believe another', () => {
    expect(forged('files', [...entriesOf('files'), { mode: '100644', name: 'a', oid: oid(9) }])).toBe('CORRUPT')
    expect(forged('manifest', [...entriesOf('manifest'), { mode: '100644', name: 'rows', oid: empty }])).toBe('CORRUPT')
  })

  test('with entries that stand for no row is refused: they would cost time without a bound', () => {
    expect(forged('manifest', [...entriesOf('manifest'), { mode: '100644', name: 'rows-a', oid: empty }])).toBe('CORRUPT')
    expect(forged('manifest', [...entriesOf('manifest'), { mode: '100644', name: 'rowsa', oid: empty }])).toBe('CORRUPT')
    expect(forged('manifest', [...entriesOf('manifest'), { mode: '100644', name: 'other', oid: empty }])).toBe('CORRUPT')
  })
})

describe('an index with a right checksum', () => {
  /** Columns: counts, then size, times, inode, mode and links of one file and the mode of one folder, its id and hash, and both names. */
  const columns = (changed: { counts?: [number, number]; time?: number; mode?: number; names?: string; hashes?: number }): Buffer =>
    Buffer.concat([
      Buffer.from(new Float64Array([...(changed.counts ?? [1, 1]), 3, changed.time ?? 17.5, 17.5, 77, 420, 1, changed.mode ?? 493]).buffer),
      Buffer.alloc(changed.hashes ?? 52, 0xaa),
      Buffer.from(changed.names ?? 'a\0b\0'),
    ])
  const index = (body: Buffer, readMs = '1700000000000'): unknown => {
    const sum = createHash('sha256')
      .update(`${oid(1)} ${readMs}\n`)
      .update(body)
      .digest('hex')
    return readIndex(
      memoryFs(new Map([['i', Buffer.concat([Buffer.from(`strata-index 3 ${oid(1)} ${readMs} ${sum}\n`), body])]])),
      'i',
      oid(1),
    )
  }

  test('is believed if its columns are columns', () => {
    expect(index(columns({}))).toMatchObject({ directories: [{ path: 'b', mode: 493 }] })
  })

  test('is none if an id, a number or a name is missing, there is one too many, or a path leads out', () => {
    for (const forged of [
      { hashes: 51 },
      { hashes: 0, names: '' },
      { time: Number.POSITIVE_INFINITY },
      { mode: Number.NaN },
      { names: '../b\0b\0' },
      { names: 'a\0/b\0' },
      { names: 'a\0b' },
      { names: 'a\0b\0c\0' },
      { counts: [2, 1] },
      { counts: [-1, 7] },
      { counts: [1e9, 1] },
      { counts: [0.5, 1.5] },
    ] as const)
      expect(index(columns(forged as Parameters<typeof columns>[0]))).toBeUndefined()
    expect(index(Buffer.alloc(15))).toBeUndefined()
    expect(index(columns({}), 'soon')).toBeUndefined()
  })
})
