import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, inflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { ObjectType } from '../../src/core/git-objects.ts'
import { blobOid } from '../../src/core/git-objects.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { PackStore } from '../../src/storage/pack-read.ts'
import { PackWriter, encodeEntries, packEntry } from '../../src/storage/pack-write.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import { emptyRepository, noise, verifyResult, writePack } from '../contract/packs.ts'
import { failure, git, gitBytes } from '../contract/temporary.ts'

const blobs = (...contents: Uint8Array[]): (readonly [ObjectType, Uint8Array])[] => contents.map((bytes) => ['blob', bytes] as const)

/** Every check that stock git has for a pack. */
const judge = (repo: string, pack: string): string => {
  const path = join(repo, 'objects', 'pack', pack)
  git(repo, ['index-pack', '--strict', '-o', join(repo, 'judged.idx'), `${path}.pack`])
  expect(readFileSync(join(repo, 'judged.idx')).equals(readFileSync(`${path}.idx`))).toBe(true)
  git(repo, ['fsck', '--strict', '--full'])
  return git(repo, ['verify-pack', '-v', `${path}.idx`])
}

describe('stock git accepts what PackWriter writes', () => {
  // Header sizes change at 4, 11, 18 and 25 bits; the deflate window at 4,096 bytes.
  const lengths = [0, 1, 15, 16, 17, 2047, 2048, 4095, 4096, 4097, 65_535, 65_536, 262_143, 262_144, 262_145]

  test.each([
    ['compressible', (length: number) => Buffer.alloc(length, 'ab')],
    ['incompressible', (length: number) => noise(length, length + 7)],
  ])('%s blobs around every boundary of the entry header and the small window', (_name, make) => {
    const { repo, packs } = emptyRepository()
    const contents = lengths.map(make)
    const { name, count } = writePack(packs, blobs(...contents))
    expect(count).toBe(lengths.length)
    const listed = judge(repo, name)
    for (const bytes of contents) {
      expect(listed).toContain(`${blobOid(bytes)} blob   ${bytes.length} `)
      expect(gitBytes(repo, ['cat-file', 'blob', blobOid(bytes)]).equals(bytes)).toBe(true)
    }
  })

  test('5 MB that do not compress, and an empty blob', () => {
    const { repo, packs } = emptyRepository()
    const large = noise(5_000_000)
    const { name } = writePack(packs, blobs(large, Buffer.alloc(0)))
    judge(repo, name)
    expect(gitBytes(repo, ['cat-file', 'blob', blobOid(large)]).equals(large)).toBe(true)
    expect(git(repo, ['cat-file', '-s', 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'])).toBe('0')
    const store = new PackStore(nodeFsPort, packs)
    expect(store.read(blobOid(large))?.bytes.equals(large)).toBe(true)
    store.close()
  })

  test('5,000 tiny blobs, each found again', () => {
    const { repo, packs } = emptyRepository()
    const contents = Array.from({ length: 5000 }, (_, i) => Buffer.from(`{"n":${i}}`))
    const { name } = writePack(packs, blobs(...contents))
    judge(repo, name)
    const store = new PackStore(nodeFsPort, packs)
    expect(contents.every((bytes) => store.read(blobOid(bytes))?.bytes.equals(bytes))).toBe(true)
    store.close()
  })
})

describe('encodeEntries', () => {
  test('hands over the same entries as packEntry, one after the other, with their CRC-32', () => {
    const objects = [noise(10), Buffer.alloc(0), Buffer.alloc(9000, 'x')].map((bytes) => ({ type: 'blob' as const, bytes }))
    const { buffer, table } = encodeEntries(objects)
    let end = 0
    table.forEach((row, i) => {
      const entry = packEntry('blob', objects[i]?.bytes ?? Buffer.alloc(0))
      const data = new Uint8Array(buffer, row.offset, row.length)
      expect(row).toMatchObject({ oid: entry.oid, crc32: crc32(data), size: entry.size, offset: end })
      expect(Buffer.from(data).equals(Buffer.from(entry.data))).toBe(true)
      end += row.length
    })
    expect(buffer.byteLength).toBe(end)
  })

  test('small content is deflated with a 4 KiB window, as its zlib header says', () => {
    const { data } = packEntry('blob', Buffer.alloc(100, 'a'))
    expect((data[2] ?? 0) >> 4).toBe(12 - 8)
    expect(inflateSync(data.subarray(2)).toString()).toBe('a'.repeat(100))
  })
})

describe('a pack', () => {
  test('is named after its own checksum, holds an object once, and is read-only', () => {
    const { packs } = emptyRepository()
    const { name, count, bytes } = writePack(packs, blobs(Buffer.from('a'), Buffer.from('b'), Buffer.from('a')))
    const pack = readFileSync(join(packs, `${name}.pack`))
    expect(count).toBe(2)
    expect(bytes).toBe(pack.length)
    expect(name).toBe(`pack-${pack.subarray(-20).toString('hex')}`)
    expect(createHash('sha1').update(pack.subarray(0, -20)).digest().equals(pack.subarray(-20))).toBe(true)
    for (const ext of ['pack', 'idx']) expect(statSync(join(packs, `${name}.${ext}`)).mode & 0o777).toBe(0o400)
  })

  test('is invisible to readers and to stock git before finish', () => {
    const { repo, packs } = emptyRepository()
    const writer = new PackWriter(nodeFsPort, packs)
    const entry = packEntry('blob', noise(2_000_000))
    writer.add(entry)
    const store = new PackStore(nodeFsPort, packs)
    expect(store.has(entry.oid)).toBe(false)
    expect(readdirSync(packs)).toEqual([expect.stringMatching(/^strata_tmp_pack_/)])
    expect(git(repo, ['count-objects', '-v'])).toContain('in-pack: 0')
    git(repo, ['fsck', '--strict'])
    writer.finish()
    store.refresh()
    expect(store.has(entry.oid)).toBe(true)
    store.close()
  })

  test('leaves nothing when it is aborted, or has nothing in it', () => {
    const { packs } = emptyRepository()
    const writer = new PackWriter(nodeFsPort, packs)
    writer.add(packEntry('blob', noise(2_000_000)))
    writer.abort()
    writer.abort()
    expect(new PackWriter(nodeFsPort, packs).finish()).toBeNull()
    expect(readdirSync(packs)).toEqual([])
  })

  test('that is written twice is the same file, and both writers succeed', () => {
    const { repo, packs } = emptyRepository()
    const one = writePack(packs, blobs(Buffer.from('a')))
    expect(writePack(packs, blobs(Buffer.from('a')))).toEqual(one)
    // With the mark that keeps git away until a branch leads to it.
    expect(readdirSync(packs)).toHaveLength(3)
    judge(repo, one.name)
  })

  test('becomes visible index last, each file flushed before its name and each name before the next', () => {
    const { packs } = emptyRepository()
    const { fs, ops } = faultyFs(nodeFsPort)
    const writer = new PackWriter(fs, packs)
    writer.add(packEntry('blob', Buffer.from('a')))
    writer.finish()
    const kinds = ops.flatMap(({ call, path, to }) => {
      if (call === 'rename') return [`rename ${to?.split('.').at(-1) ?? ''}`]
      if (call !== 'fsync') return []
      return [path === packs ? 'fsync directory' : `fsync ${/tmp_(pack|idx)_/.exec(path)?.[1] ?? ''}`]
    })
    expect(kinds).toEqual(['fsync pack', 'fsync idx', 'rename pack', 'fsync directory', 'rename idx', 'fsync directory'])
  })
})

describe('whatever call fails while a pack is written', () => {
  const content = [Buffer.from('one'), noise(1_500_000)]

  /** Writes a pack through a port whose nth call of `calls` fails; tells whether it finished. */
  const attempt = (packs: string, calls: readonly string[], n: number, code: string): boolean => {
    let seen = 0
    const { fs } = faultyFs(nodeFsPort, ({ call }) => (calls.includes(call) && ++seen === n ? { code } : undefined))
    let writer: PackWriter | undefined
    try {
      writer = new PackWriter(fs, packs)
      for (const bytes of content) writer.add(packEntry('blob', bytes))
      writer.finish()
    } catch {
      writer?.abort()
      return false
    }
    return true
  }

  test.each([
    ['write', 'ENOSPC'],
    ['fsync', 'EIO'],
    ['rename', 'EIO'],
    ['open', 'ENOSPC'],
    ['chmod', 'EPERM'],
  ])('%s: nothing half-made is visible, and no temporary file stays', (call, code) => {
    let failed = 0
    for (let n = 1; n < 20; n++) {
      const { repo, packs } = emptyRepository()
      const done = attempt(packs, [call], n, code)
      git(repo, ['fsck', '--strict', '--full'])
      const names = readdirSync(packs)
      expect(names.filter((name) => name.includes('tmp_'))).toEqual([])
      for (const name of names.filter((found) => found.endsWith('.idx')))
        expect(verifyResult(join(packs, name.replace('.idx', '.pack'))).findings).toEqual([])
      if (done) break
      failed += 1
    }
    expect(failed).toBeGreaterThan(0)
  })

  test('a disk that takes no more bytes is NO_SPACE, a flush that fails is DURABILITY', () => {
    const { packs } = emptyRepository()
    const full = faultyFs(nodeFsPort, ({ call, bytes }) => (call === 'write' && (bytes?.length ?? 0) > 12 ? { most: 0 } : undefined))
    const writer = new PackWriter(full.fs, packs)
    writer.add(packEntry('blob', noise(100)))
    expect(failure(() => writer.finish()).code).toBe('NO_SPACE')
    writer.abort()
    const broken = new PackWriter(faultyFs(nodeFsPort, ({ call }) => (call === 'fsync' ? { code: 'EIO' } : undefined)).fs, packs)
    broken.add(packEntry('blob', noise(100)))
    expect(failure(() => broken.finish()).code).toBe('DURABILITY')
    broken.abort()
    expect(readdirSync(packs)).toEqual([])
  })

  test('short writes are completed', () => {
    const { repo, packs } = emptyRepository()
    const { fs } = faultyFs(nodeFsPort, ({ call }) => (call === 'write' || call === 'read' ? { most: 1000 } : undefined))
    const writer = new PackWriter(fs, packs)
    writer.add(packEntry('blob', noise(50_000)))
    judge(repo, writer.finish()?.name ?? '')
  })
})
