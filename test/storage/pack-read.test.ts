import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Oid } from '../../src/core/git-objects.ts'
import { blobOid, encodeTree } from '../../src/core/git-objects.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import type { IndexedEntry } from '../../src/storage/pack-index.ts'
import { PackIndex, encodeIndex } from '../../src/storage/pack-index.ts'
import { applyDelta } from '../../src/storage/pack-entry.ts'
import { PackStore } from '../../src/storage/pack-read.ts'
import { verifyPack } from '../../src/storage/pack-verify.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import { emptyRepository, noise, verifyResult, writePack } from '../contract/packs.ts'
import { failure, git, gitBytes, temporary } from '../contract/temporary.ts'

const packed = (packs: string): string[] => readdirSync(packs).filter((name) => name.endsWith('.pack'))

/** A repository by stock git: 30 versions of a file that drifts, so that repacking makes chains of deltas. */
const stockRepository = (): { repo: string; packs: string; oids: Map<Oid, Buffer> } => {
  const repo = temporary()
  git(repo, ['init', '-q', '--bare'])
  const lines =
    noise(60_000)
      .toString('hex')
      .match(/.{120}/g) ?? []
  const oids = new Map<Oid, Buffer>()
  let parent: string[] = []
  for (let i = 0; i < 30; i++) {
    const bytes = Buffer.from(lines.map((line, n) => (n < i * 20 ? line.toUpperCase() : line)).join('\n'))
    const oid = git(repo, ['hash-object', '-w', '--stdin'], bytes) as Oid
    oids.set(oid, bytes)
    const tree = git(repo, ['mktree'], `100644 blob ${oid}\tdata.txt\n`)
    parent = ['-p', git(repo, ['commit-tree', tree, ...parent, '-m', `Version ${i}`])]
  }
  git(repo, ['update-ref', 'refs/heads/main', parent[1] ?? ''])
  return { repo, packs: join(repo, 'objects', 'pack'), oids }
}

const readsAll = (store: PackStore, oids: ReadonlyMap<Oid, Buffer>): boolean =>
  [...oids].every(([oid, bytes]) => store.has(oid) && store.read(oid)?.type === 'blob' && store.read(oid)?.bytes.equals(bytes) === true)

describe('objects that stock git wrote are read', () => {
  test('loose', () => {
    const { packs, oids } = stockRepository()
    const store = new PackStore(nodeFsPort, packs)
    expect(readsAll(store, oids)).toBe(true)
    expect(store.read('0'.repeat(40) as Oid)).toBeUndefined()
    expect(store.has('0'.repeat(40) as Oid)).toBe(false)
  })

  test.each([
    ['offset deltas', []],
    ['reference deltas', ['-c', 'repack.useDeltaBaseOffset=false']],
  ])('packed with deep chains of %s, and verified', (_name, options) => {
    const { repo, packs, oids } = stockRepository()
    git(repo, [...options, 'repack', '-adfq', '--depth=50', '--window=50'])
    const [pack = ''] = packed(packs)
    expect(git(repo, ['verify-pack', '-v', join(packs, pack)])).toMatch(/chain length = (?!1:)\d+/)
    const store = new PackStore(nodeFsPort, packs)
    expect(readsAll(store, oids)).toBe(true)
    store.close()
    const { seen, findings } = verifyResult(join(packs, pack))
    expect(findings).toEqual([])
    for (const [oid, bytes] of oids) expect(seen.get(oid)).toBe(createHash('sha256').update(bytes).digest('hex'))
    expect(seen.size).toBe(90)
  })

  test.each([
    ['before anything was read', false],
    ['after something was read', true],
  ])('by a store that was open while git gc packed loose objects and dropped packs, %s', (_name, readFirst) => {
    const { repo, packs, oids } = stockRepository()
    git(repo, ['repack', '-dq'])
    const late = Buffer.from('written later')
    const oid = git(repo, ['hash-object', '-w', '--stdin'], late) as Oid
    git(repo, ['update-ref', 'refs/tags/late', oid])
    const store = new PackStore(nodeFsPort, packs)
    expect(store.has([...oids.keys()][0] ?? oid)).toBe(true)
    if (readFirst) expect(readsAll(store, oids)).toBe(true)
    git(repo, ['gc', '-q', '--prune=now'])
    expect(readsAll(store, oids)).toBe(true)
    expect(store.read(oid)?.bytes.toString()).toBe('written later')
    store.close()
  })

  test('commits, trees and annotated tags', () => {
    const { repo, packs } = stockRepository()
    git(repo, ['tag', '-a', 'v1', '-m', 'tag', 'main'])
    git(repo, ['repack', '-adq'])
    const store = new PackStore(nodeFsPort, packs)
    for (const [name, type] of [
      ['main', 'commit'],
      ['main^{tree}', 'tree'],
      ['v1', 'tag'],
    ] as const) {
      const oid = git(repo, ['rev-parse', name]) as Oid
      expect(store.read(oid)).toEqual({ type, bytes: gitBytes(repo, ['cat-file', type, oid]) })
    }
    store.close()
  })
})

describe('pack indexes', () => {
  const idOf = (n: number): Oid => createHash('sha1').update(String(n)).digest('hex') as Oid

  test('64-bit offsets are written as git writes them, and found again', () => {
    const offsets = [12, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1024 ** 4 + 5]
    const entries: IndexedEntry[] = offsets.map((offset, i) => ({ oid: idOf(i), crc32: i, offset }))
    const bytes = encodeIndex(entries, Buffer.alloc(20, 7))
    const index = new PackIndex(bytes, 'x.idx')
    expect(index.checkSum()).toBe(true)
    expect(entries.map((e) => index.find(e.oid))).toEqual(offsets)
    expect([...index.entries()].sort((a, b) => a.offset - b.offset)).toEqual(entries)
    const shown = git(temporary(), ['show-index'], bytes).split('\n')
    expect(
      shown
        .map((row) => row.split(' ')[0])
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual(offsets)
  })

  test('an index whose 64-bit offset is no offset is CORRUPT, not a wrong place', () => {
    const [entry] = [{ oid: idOf(1), crc32: 0, offset: 0x80000000 }]
    const bytes = encodeIndex([entry], Buffer.alloc(20))
    bytes.writeBigUInt64BE(1n << 62n, bytes.length - 48)
    expect(failure(() => new PackIndex(bytes, 'x.idx').find(entry.oid)).code).toBe('CORRUPT')
  })

  test('a pack beyond 2 GiB (sparse) is read through its 64-bit offset', () => {
    const { packs } = emptyRepository()
    const { name } = writePack(packs, [['blob', Buffer.from('far away')]])
    const pack = readFileSync(join(packs, `${name}.pack`))
    const far = 3 * 1024 ** 3
    const fd = nodeFsPort.open(join(packs, 'pack-far.pack'), 'wx')
    nodeFsPort.write(fd, pack, 12, pack.length - 12, far)
    nodeFsPort.close(fd)
    const oid = blobOid(Buffer.from('far away'))
    writeFileSync(join(packs, 'pack-far.idx'), encodeIndex([{ oid, crc32: 0, offset: far }], Buffer.alloc(20)))
    rmSync(join(packs, `${name}.idx`))
    const store = new PackStore(nodeFsPort, packs)
    expect(store.read(oid)?.bytes.toString()).toBe('far away')
    store.close()
  })
})

describe('damage', () => {
  /** A pack of a blob, a tree and a large-window blob: small enough to damage at every byte. */
  const small = () => {
    const { packs } = emptyRepository()
    const contents = [Buffer.from('one'), Buffer.from('two '.repeat(40)), noise(60)]
    const tree = encodeTree(contents.map((bytes, i) => ({ mode: '100644' as const, name: `f${i}`, oid: blobOid(bytes) })))
    const { name } = writePack(packs, [...contents.map((bytes) => ['blob', bytes] as const), ['tree', tree]])
    for (const ext of ['pack', 'idx']) chmodSync(join(packs, `${name}.${ext}`), 0o600)
    return { packs, contents, path: join(packs, name) }
  }

  /** Never other bytes: the right ones, an error of ours, or "there is none". */
  const neverWrong = (packs: string, contents: readonly Buffer[]): void => {
    const store = new PackStore(nodeFsPort, packs)
    for (const bytes of contents) {
      let read: Buffer | undefined
      try {
        read = store.read(blobOid(bytes))?.bytes
      } catch (error) {
        expect(error).toMatchObject({ name: 'StrataError', code: 'CORRUPT' })
      }
      if (read !== undefined && !read.equals(bytes)) throw new Error('wrong bytes')
    }
    store.close()
  }

  test.each(['pack', 'idx'])('every flipped byte of the .%s is found by verifyPack, and never read as other bytes', (ext) => {
    const { packs, contents, path } = small()
    const good = readFileSync(`${path}.${ext}`)
    const missed: number[] = []
    for (let at = 0; at < good.length; at++) {
      for (const mask of at % 7 === 0 ? [0x01, 0x80, 0xff] : [0x40]) {
        const bad = Buffer.from(good)
        bad[at] = (bad[at] ?? 0) ^ mask
        writeFileSync(`${path}.${ext}`, bad)
        if (verifyResult(`${path}.pack`).findings.length === 0) missed.push(at)
        neverWrong(packs, contents)
      }
    }
    expect(missed).toEqual([])
  })

  test.each(['pack', 'idx'])('every truncation of the .%s is found by verifyPack, and never read as other bytes', (ext) => {
    const { packs, contents, path } = small()
    const good = readFileSync(`${path}.${ext}`)
    const missed: number[] = []
    for (let length = 0; length < good.length; length++) {
      writeFileSync(`${path}.${ext}`, good.subarray(0, length))
      if (verifyResult(`${path}.pack`).findings.length === 0) missed.push(length)
      neverWrong(packs, contents)
    }
    expect(missed).toEqual([])
  })

  test('bytes added to a pack or an index are found', () => {
    for (const ext of ['pack', 'idx']) {
      const { path } = small()
      writeFileSync(`${path}.${ext}`, Buffer.concat([readFileSync(`${path}.${ext}`), Buffer.alloc(8)]))
      expect(verifyResult(`${path}.pack`).findings).not.toEqual([])
    }
  })

  test('a missing pack or index is found', () => {
    for (const ext of ['pack', 'idx']) {
      const { path } = small()
      rmSync(`${path}.${ext}`)
      expect(verifyResult(`${path}.pack`).findings).not.toEqual([])
    }
  })

  test('a finding names the object, and the rest of the pack is still looked at', () => {
    const { contents, path } = small()
    const bad = readFileSync(`${path}.pack`)
    bad[14] = (bad[14] ?? 0) ^ 0xff
    writeFileSync(`${path}.pack`, bad)
    const { seen, findings } = verifyResult(`${path}.pack`)
    expect(findings.map((f) => f.oid)).toContain(blobOid(contents[0] ?? Buffer.alloc(0)))
    expect(seen.size).toBe(3)
  })

  test('a copy of an object in another pack does not hide that this one is wrong', () => {
    const { packs } = emptyRepository()
    const bytes = Buffer.from('{"kept":1}')
    const oid = blobOid(bytes)
    writePack(packs, [['blob', bytes]])
    // A pack whose checksums all fit, but whose entry is another object.
    const lie = Buffer.from('{"kept":2}')
    const entry = Buffer.concat([Buffer.from([(3 << 4) | lie.length]), deflateSync(lie)])
    const { pack, checksum } = sealPack([entry])
    writeFileSync(join(packs, 'pack-lie.pack'), pack)
    writeFileSync(join(packs, 'pack-lie.idx'), encodeIndex([{ oid, crc32: crc32(entry), offset: 12 }], checksum))
    expect(verifyResult(join(packs, 'pack-lie.pack')).findings).toEqual([expect.objectContaining({ oid })])
  })

  test('one broken index does not make the objects of other packs unreadable', () => {
    const { packs } = emptyRepository()
    const first = writePack(packs, [['blob', Buffer.from('a')]])
    writePack(packs, [['blob', Buffer.from('b')]])
    chmodSync(join(packs, `${first.name}.idx`), 0o600)
    writeFileSync(join(packs, `${first.name}.idx`), 'rotten')
    const store = new PackStore(nodeFsPort, packs)
    expect(store.read(blobOid(Buffer.from('b')))?.bytes.toString()).toBe('b')
    // What cannot be found may be in there: that is damage, not absence.
    expect(failure(() => store.read(blobOid(Buffer.from('a')))).code).toBe('CORRUPT')
    store.close()
  })
})

/** A pack of raw entries, with a right header and checksum. */
const sealPack = (entries: readonly Buffer[]): { pack: Buffer; checksum: Buffer } => {
  const header = Buffer.from('PACK\0\0\0\u0002\0\0\0\0', 'latin1')
  header.writeUInt32BE(entries.length, 8)
  const body = Buffer.concat([header, ...entries])
  const checksum = createHash('sha1').update(body).digest()
  return { pack: Buffer.concat([body, checksum]), checksum }
}

const varint = (value: number): number[] => (value < 128 ? [value] : [(value % 128) | 0x80, ...varint(Math.floor(value / 128))])

describe('bombs and loops are refused', () => {
  /** A store whose one pack has these entries under made-up ids. */
  const crafted = (entries: readonly Buffer[]): { store: PackStore; ids: Oid[] } => {
    const { packs } = emptyRepository()
    const ids = entries.map((_, i) => String(i + 1).padStart(40, '0') as Oid)
    const { pack, checksum } = sealPack(entries)
    let offset = 12
    const rows = entries.map((entry, i) => {
      const row = { oid: ids[i] ?? ('' as Oid), crc32: 0, offset }
      offset += entry.length
      return row
    })
    writeFileSync(join(packs, 'pack-x.pack'), pack)
    writeFileSync(join(packs, 'pack-x.idx'), encodeIndex(rows, checksum))
    return { store: new PackStore(nodeFsPort, packs), ids }
  }
  const header = (type: number, size: number): Buffer =>
    Buffer.from(size < 16 ? [(type << 4) | size] : [(type << 4) | (size % 16) | 0x80, ...varint(Math.floor(size / 16))])
  const refused = (entries: readonly Buffer[]): void => {
    const { store, ids } = crafted(entries)
    for (const oid of ids) expect(failure(() => store.read(oid)).code).toBe('CORRUPT')
    store.close()
  }

  test('data that inflates to more than its header says', () => {
    refused([Buffer.concat([header(3, 10), deflateSync(Buffer.alloc(50_000_000))])])
  })

  test('data that inflates to less than its header says', () => {
    refused([Buffer.concat([header(3, 4_000_000_000), deflateSync(Buffer.alloc(5))])])
  })

  test('a size beyond 4 GiB, and one that never ends', () => {
    refused([Buffer.concat([header(3, 2 ** 40), deflateSync(Buffer.alloc(5))]), Buffer.alloc(64, 0xff)])
  })

  test('types that do not exist', () => {
    refused([0, 5].map((type) => Buffer.concat([header(type, 5), deflateSync(Buffer.alloc(5))])))
  })

  test('a delta that declares 2^50 bytes, or more than its copies give', () => {
    for (const size of [2 ** 50, 2 ** 33, 1_000_000]) {
      const delta = Buffer.from([...varint(4), ...varint(size), 0x90, 4])
      refused(
        [Buffer.concat([header(7, delta.length), Buffer.from('0'.repeat(39) + '2', 'hex'), deflateSync(delta)]), Buffer.from([0])].slice(
          0,
          2,
        ),
      )
    }
  })

  test('a delta of itself, two that are each other’s base, and a base before the pack', () => {
    const delta = deflateSync(Buffer.from([4, 4, 0x90, 4]))
    const onto = (oid: string): Buffer => Buffer.concat([header(7, 4), Buffer.from(oid.padStart(40, '0'), 'hex'), delta])
    refused([onto('1'), onto('3'), onto('2')])
    refused([Buffer.concat([header(6, 4), Buffer.from([0]), delta]), Buffer.concat([header(6, 4), Buffer.from([0xff, 0x7f]), delta])])
  })

  test('a loose object that inflates to more than it declares', () => {
    const { repo, packs } = emptyRepository()
    const oid = 'ab'.padEnd(40, '0') as Oid
    mkdirSync(join(repo, 'objects', 'ab'))
    const put = (bytes: Buffer): void => writeFileSync(join(repo, 'objects', 'ab', '0'.repeat(38)), bytes)
    const store = new PackStore(nodeFsPort, packs)
    const before = process.memoryUsage().rss
    put(deflateSync(Buffer.concat([Buffer.from('blob 5\0'), Buffer.alloc(300_000_000)])))
    expect(failure(() => store.read(oid)).code).toBe('CORRUPT')
    expect(process.memoryUsage().rss - before).toBeLessThan(400_000_000)
    for (const text of ['', 'garbage', 'blob', 'blob 5', 'blob x\0abcde', 'blob 6\0abcde', 'glob 5\0abcde']) {
      put(deflateSync(Buffer.from(text)))
      expect(failure(() => store.read(oid)).code).toBe('CORRUPT')
    }
    put(Buffer.alloc(0))
    expect(failure(() => store.read(oid)).code).toBe('CORRUPT')
  })
})

describe('applyDelta', () => {
  const base = Buffer.from('0123456789')
  const delta = (...bytes: number[]): Buffer => Buffer.from([10, ...bytes])

  test.each([
    ['an insert', delta(3, 3, 0x61, 0x62, 0x63), 'abc'],
    ['a copy', delta(4, 0x91, 2, 4), '2345'],
    ['a copy from the beginning', delta(2, 0x90, 2), '01'],
    ['both', delta(5, 0x91, 8, 2, 3, 0x78, 0x79, 0x7a), '89xyz'],
    ['nothing', delta(0), ''],
  ])('%s', (_name, bytes, wanted) => {
    expect(applyDelta(base, bytes).toString()).toBe(wanted)
  })

  test('a copy of size 0 means 65,536', () => {
    const large = noise(70_000)
    const bytes = Buffer.from([...varint(70_000), ...varint(65_536), 0x81, 3])
    expect(applyDelta(large, bytes).equals(large.subarray(3, 65_539))).toBe(true)
  })

  test.each([
    ['of another base', Buffer.from([9, 1, 0x90, 1])],
    ['with the reserved instruction', delta(1, 0)],
    ['that copies past the end', delta(4, 0x91, 8, 4)],
    ['that inserts more than it has', delta(4, 4, 0x61)],
    ['that makes too much', delta(1, 0x90, 2)],
    ['that makes too little', delta(3, 0x90, 2)],
    ['that is cut', Buffer.from([10])],
    ['of no bytes', Buffer.alloc(0)],
  ])('a delta %s is CORRUPT', (_name, bytes) => {
    expect(failure(() => applyDelta(base, bytes)).code).toBe('CORRUPT')
  })
})

test('many packs need few file handles', () => {
  const { packs } = emptyRepository()
  const contents = Array.from({ length: 40 }, (_, i) => Buffer.from(`pack ${i}`))
  for (const bytes of contents) writePack(packs, [['blob', bytes]])
  const store = new PackStore(nodeFsPort, packs)
  const open = (): number => readdirSync('/proc/self/fd').length
  const before = open()
  for (const bytes of [...contents, ...contents]) expect(store.read(blobOid(bytes))?.bytes.equals(bytes)).toBe(true)
  expect(open() - before).toBeLessThanOrEqual(8)
  store.close()
  expect(open()).toBe(before)
})

test('an index without a pack, and files that are neither, are passed over', () => {
  const { packs } = emptyRepository()
  const { name } = writePack(packs, [['blob', Buffer.from('a')]])
  copyFileSync(join(packs, `${name}.idx`), join(packs, 'pack-orphan.idx'))
  writeFileSync(join(packs, 'tmp_idx_x'), '')
  writeFileSync(join(packs, `${name}.keep`), '')
  const store = new PackStore(nodeFsPort, packs)
  expect(store.read(blobOid(Buffer.from('a')))?.bytes.toString()).toBe('a')
  store.close()
})

test('verifying every pack of a directory with one store reads each index once, not once a pack', () => {
  const { packs } = emptyRepository()
  for (let i = 0; i < 10; i++) writePack(packs, [['blob', Buffer.from(`pack ${i}`)]])
  const { fs, ops } = faultyFs(nodeFsPort)
  const store = new PackStore(fs, packs)
  const found: unknown[] = []
  for (const name of packed(packs)) verifyPack(fs, join(packs, name), { onObject: () => undefined, onFinding: (f) => found.push(f) }, store)
  expect(found).toEqual([])
  expect(ops.filter(({ call, path }) => call === 'open' && path.endsWith('.idx'))).toHaveLength(10)
  store.close()
})
