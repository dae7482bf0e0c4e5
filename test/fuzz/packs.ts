import { createHash } from 'node:crypto'
import { crc32, deflateSync } from 'node:zlib'
import { StrataError } from '../../src/core/errors.ts'
import type { ObjectType, Oid } from '../../src/core/git-objects.ts'
import { decodeCommit, decodeTree, objectOid } from '../../src/core/git-objects.ts'
import { applyDelta } from '../../src/storage/pack-entry.ts'
import { encodeIndex } from '../../src/storage/pack-index.ts'
import { PackStore } from '../../src/storage/pack-read.ts'
import { verifyPack } from '../../src/storage/pack-verify.ts'
import { salvagePack } from '../../src/storage/pack-salvage.ts'
import type { Target } from './fuzz.ts'
import { memoryFs } from './memory-fs.ts'
import type { Random } from './mutate.ts'
import { mutate, pick } from './mutate.ts'

/** Packs with every checksum right, so that what is inside them is read: objects, deltas, and sizes that are lies. */

const MB = 1024 * 1024

const varint = (value: number): Buffer => {
  const bytes: number[] = []
  let left = value
  do {
    bytes.push((left % 128) + (left >= 128 ? 128 : 0))
    left = Math.floor(left / 128)
  } while (left > 0)
  return Buffer.from(bytes)
}

/** Type and size of an entry, as gitformat-pack has them. */
const header = (type: number, size: number): Buffer => {
  const more = size >= 16
  const first = Buffer.from([(type << 4) | (size % 16) | (more ? 0x80 : 0)])
  return more ? Buffer.concat([first, varint(Math.floor(size / 16))]) : first
}

const distance = (value: number): Buffer => {
  const bytes = [value % 128]
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) bytes.unshift(128 | (--left % 128))
  return Buffer.from(bytes)
}

export type Entry = {
  readonly type: ObjectType | 'ofs' | 'ref'
  readonly bytes: Buffer
  readonly declared?: number
  readonly base?: number
}

const NUMBERS = { commit: 1, tree: 2, blob: 3, tag: 4, ofs: 6, ref: 7 } as const

const encodeEntry = (entry: Entry, offset: number, offsets: readonly number[], oids: readonly Oid[]): Buffer => {
  const base = entry.base ?? 0
  const link = { ofs: () => distance(offset - (offsets[base] ?? 12)), ref: () => Buffer.from(oids[base] ?? '0'.repeat(40), 'hex') }
  const to = entry.type === 'ofs' || entry.type === 'ref' ? link[entry.type]() : Buffer.alloc(0)
  return Buffer.concat([header(NUMBERS[entry.type], entry.declared ?? entry.bytes.length), to, deflateSync(entry.bytes)])
}

/** A pack of these entries and its index. The ids of deltas are made up, but for those that a reader can work out. */
const packOf = (entries: readonly Entry[]): { pack: Buffer; idx: Buffer; oids: Oid[] } => {
  const start = Buffer.from('PACK\0\0\0\u0002\0\0\0\0')
  start.writeUInt32BE(entries.length, 8)
  const [parts, offsets, oids, rows]: [Buffer[], number[], Oid[], { oid: Oid; crc32: number; offset: number }[]] = [[start], [], [], []]
  let offset = start.length
  for (const [i, entry] of entries.entries()) {
    const oid =
      entry.type === 'ofs' || entry.type === 'ref' ? objectOid('blob', Buffer.from(`delta ${i}`)) : objectOid(entry.type, entry.bytes)
    oids.push(oid)
    const bytes = encodeEntry(entry, offset, offsets, oids)
    rows.push({ oid, crc32: crc32(bytes), offset })
    offsets.push(offset)
    parts.push(bytes)
    offset += bytes.length
  }
  const body = Buffer.concat(parts)
  const sum = createHash('sha1').update(body).digest()
  return { pack: Buffer.concat([body, sum]), idx: encodeIndex(rows, sum), oids }
}

/** Everything that reads packs. Damage may be told in any way that promises it: a StrataError, a finding, fewer objects. */
const readEverything = (pack: Buffer, idx: Buffer, oids: readonly Oid[]): void => {
  const fs = memoryFs(
    new Map([
      ['p/pack-1.pack', pack],
      ['p/pack-1.idx', idx],
    ]),
  ) // prettier-ignore
  verifyPack(fs, 'p/pack-1.pack', { onObject: () => undefined, onFinding: () => undefined })
  for (const _ of salvagePack(fs, 'p/pack-1.pack'));
  for (const _ of salvagePack(memoryFs(new Map([['p/pack-1.pack', pack]])), 'p/pack-1.pack'));
  const store = new PackStore(fs, 'p')
  for (const oid of oids) {
    try {
      const found = store.read(oid)
      if (found?.type === 'tree') decodeTree(found.bytes)
      if (found?.type === 'commit') decodeCommit(found.bytes)
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
    }
  }
}

const OBJECTS: readonly Entry[] = [
  { type: 'blob', bytes: Buffer.from('hello, world\n') },
  { type: 'blob', bytes: Buffer.alloc(4000, 'a') },
  { type: 'tree', bytes: Buffer.concat([Buffer.from('100644 a\0'), Buffer.alloc(20, 1), Buffer.from('40000 b\0'), Buffer.alloc(20, 2)]) },
  {
    type: 'commit',
    bytes: Buffer.from(`tree ${'1'.repeat(40)}\nauthor A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\nm\n`),
  },
  { type: 'tag', bytes: Buffer.from(`object ${'1'.repeat(40)}\ntype commit\ntag t\n`) },
]
const HELLO = Buffer.from('hello, world\n')
const DELTAS = [
  // Copy five bytes, insert two.
  Buffer.from([13, 7, 0x90, 5, 2, 0x68, 0x69]),
  Buffer.concat([varint(13), varint(26), Buffer.from([0x90, 13, 0x90, 13])]),
  Buffer.concat([varint(13), varint(13), Buffer.from([0xff, 0, 0, 0, 0, 13, 0, 0])]),
]
const SIZES = [0, 1, 15, 16, 127, 128, 64 * MB, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 35, Number.MAX_SAFE_INTEGER]

/** A delta whose declared sizes may be lies, big ones. */
const deltaFrom = (random: Random): Buffer => {
  const delta = mutate(random, DELTAS)
  if (random() < 0.6) return delta
  return Buffer.concat([varint(13), varint(pick(random, SIZES)), delta.subarray(2)])
}

const entryFrom = (random: Random): Entry => {
  const declared = random() < 0.1 ? { declared: pick(random, SIZES) } : {}
  if (random() < 0.4) return { type: pick(random, ['ofs', 'ref']), bytes: deltaFrom(random), base: Math.floor(random() * 6), ...declared }
  const { type, bytes } = pick(random, OBJECTS)
  return { type, bytes: random() < 0.6 ? mutate(random, [bytes]) : bytes, ...declared }
}

/** One input: how long the index is, the index, the pack. */
const packed = (random: Random): Buffer => {
  const { pack, idx } = packOf([
    { type: 'blob', bytes: HELLO },
    ...Array.from({ length: 1 + Math.floor(random() * 6) }, () => entryFrom(random)),
  ])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(idx.length)
  return Buffer.concat([length, idx, pack])
}

const idsIn = (idx: Buffer): Oid[] =>
  // Twenty bytes in hex are what an Oid is.
  Array.from({ length: idx.readUInt32BE(1028) }, (_, i) => idx.toString('hex', 1032 + i * 20, 1052 + i * 20) as Oid)

export const packTargets: readonly Target[] = [
  {
    name: 'pack with right checksums',
    input: packed,
    run: (bytes) => {
      // Shrinking may have left too little.
      if (bytes.length < 1100) return
      const cut = 4 + bytes.readUInt32BE(0)
      const idx = bytes.subarray(4, cut)
      if (idx.length >= 1100 && idx.readUInt32BE(1028) < 100) readEverything(bytes.subarray(cut), idx, idsIn(idx))
    },
  },
  {
    name: 'delta',
    input: deltaFrom,
    run: (bytes) => {
      applyDelta(HELLO, bytes)
    },
  },
]
