import { createHash } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { messageOf } from '../core/errors.ts'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import { readFile, readFully } from './files.ts'
import type { FsPort } from './fs.ts'
import { READ_FLAGS } from './fs.ts'
import { LARGE } from './large-entry.ts'
import type { LargeObject } from './large-object.ts'
import { inflatePieces } from './large-object.ts'
import { decodeEntryHeader, inflate, readEntryHeader } from './pack-entry.ts'
import type { IndexedEntry } from './pack-index.ts'
import { PackIndex } from './pack-index.ts'
import type { ObjectContent } from './pack-read.ts'
import { CHECKSUM, PackStore, checkId } from './pack-read.ts'

/** Reads packs whole, to see that every byte of them is what was written. */

export type PackFinding = { readonly oid: Oid | null; readonly message: string }
export type PackVisitor = {
  /** `sha256` for blobs: what the manifest says of the file. */
  onObject(object: { oid: Oid; type: ObjectType; sha256: string | undefined }): void
  onFinding(finding: PackFinding): void
}

const CHUNK = 1024 * 1024

const checksumOf = (fs: FsPort, fd: number, end: number): Buffer => {
  const hash = createHash('sha1')
  const buffer = Buffer.allocUnsafe(CHUNK)
  for (let at = 0; at < end; ) {
    const got = readFully(fs, fd, buffer.subarray(0, Math.min(CHUNK, end - at)), at)
    if (got === 0) break
    hash.update(buffer.subarray(0, got))
    at += got
  }
  return hash.digest()
}

const crcOf = (fs: FsPort, fd: number, start: number, end: number): number => {
  let crc = 0
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(1, end - start)))
  for (let at = start; at < end; ) {
    const got = readFully(fs, fd, buffer.subarray(0, Math.min(buffer.length, end - at)), at)
    if (got === 0) break
    crc = crc32(buffer.subarray(0, got), crc)
    at += got
  }
  return crc
}

/** An object that cannot be inflated holds its memory until the loop ends: a pack full of them must not take it all. */
export const MOST_FINDINGS = 1000

export const tooManyFindings: PackFinding = { oid: null, message: `more than ${MOST_FINDINGS} objects are damaged; the rest was not read` }

/** An entry of a pack, and where it ends. */
export type PackPlace = IndexedEntry & { readonly end: number }

/** What is wrong with a pack and its index as wholes is told; returns its entries, in the order in which they stand there. */
export const verifyFrame = (fs: FsPort, path: string, say: (message: string) => void): PackPlace[] => {
  const idx = readFile(fs, path.replace(/\.pack$/, '.idx'))
  if (idx === undefined) {
    say('has no index')
    return []
  }
  let fd: number | undefined
  try {
    const index = new PackIndex(idx, `${basename(path)} (index)`)
    if (!index.checkSum()) say('its index is damaged')
    fd = fs.open(path, READ_FLAGS)
    const end = fs.fstat(fd).size - CHECKSUM
    checkFrame(fs, fd, end, index, say)
    const entries = [...index.entries()].sort((a, b) => a.offset - b.offset)
    return entries.map((entry, i) => ({ ...entry, end: entries[i + 1]?.offset ?? end }))
  } catch (error) {
    say(messageOf(error))
    return []
  } finally {
    if (fd !== undefined) fs.close(fd)
  }
}

/** So much of a pack is read at once, for its CRC and for what it holds; what is larger is read twice. */
const MOST_AT_A_TIME = 8 * 1024 * 1024
let raw: Buffer | undefined

/** An entry read once: its CRC is compared, and what it holds is returned; undefined for a delta, which leads elsewhere, and for a large one. */
const readOnce = (fs: FsPort, fd: number, name: string, { oid, crc32: wanted, offset, end }: PackPlace, visitor: PackVisitor) => {
  const room = (raw ??= Buffer.allocUnsafe(MOST_AT_A_TIME))
  const bytes = room.subarray(0, readFully(fs, fd, room.subarray(0, end - offset), offset))
  if (crc32(bytes) !== wanted) visitor.onFinding({ oid, message: DAMAGED })
  const entry = decodeEntryHeader(bytes, bytes.length, name, offset)
  if (entry.kind === 'ofs-delta' || entry.kind === 'ref-delta' || entry.size >= LARGE) return undefined
  return checkId(oid, { type: entry.kind, bytes: inflate(bytes.subarray(entry.start - offset), name, entry).bytes }, name)
}

const DAMAGED = 'is damaged in the pack (CRC-32)'

/** The entry as an object by itself, where it is a large one. */
const largeAt = (fs: FsPort, fd: number, name: string, { offset, end }: PackPlace): LargeObject | undefined => {
  const { kind, size, start } = readEntryHeader(fs, fd, name, offset)
  return size < LARGE || kind === 'ofs-delta' || kind === 'ref-delta' ? undefined : { type: kind, size, start, end }
}

/** Looks at the entries that are too large for memory, piece by piece; returns the others. */
export const verifyLarge = async (
  fs: FsPort,
  path: string,
  entries: readonly PackPlace[],
  visitor: PackVisitor,
): Promise<readonly PackPlace[]> => {
  const name = basename(path)
  const rest: PackPlace[] = []
  const fd = fs.open(path, READ_FLAGS)
  try {
    for (const place of entries) {
      const large = orUndefined(() => largeAt(fs, fd, name, place))
      if (large === undefined) rest.push(place)
      else await visitLarge(fs, fd, name, place, large, visitor)
    }
  } finally {
    fs.close(fd)
  }
  return rest
}

const orUndefined = <T>(read: () => T): T | undefined => {
  try {
    return read()
  } catch {
    // Whoever reads the rest says what is wrong with it.
    return undefined
  }
}

const visitLarge = async (
  fs: FsPort,
  fd: number,
  name: string,
  place: PackPlace,
  large: LargeObject,
  visitor: PackVisitor,
): Promise<void> => {
  const { oid } = place
  if (crcOf(fs, fd, place.offset, place.end) !== place.crc32) visitor.onFinding({ oid, message: DAMAGED })
  const hash = createHash('sha256')
  try {
    for await (const piece of inflatePieces(fs, fd, name, oid, large)) hash.update(piece)
    visitor.onObject({ oid, type: large.type, sha256: large.type === 'blob' ? hash.digest('hex') : undefined })
  } catch (error) {
    visitor.onFinding({ oid, message: messageOf(error) })
  }
}

/**
 * Reads entries of a pack: the CRC and id of every object, SHA-256 of every blob. Goes on after a finding. Memory is bounded by the
 * largest object. `store`: of the same directory, for deltas.
 */
export const verifyEntries = (fs: FsPort, path: string, entries: readonly PackPlace[], visitor: PackVisitor, store: PackStore): void => {
  const name = basename(path)
  const fd = fs.open(path, READ_FLAGS)
  let found = 0
  const counting: PackVisitor = {
    onObject: (object) => {
      visitor.onObject(object)
    },
    onFinding: (finding) => {
      found += 1
      visitor.onFinding(finding)
    },
  }
  try {
    for (const place of entries) {
      const isSmall = place.end - place.offset <= MOST_AT_A_TIME
      if (!isSmall && crcOf(fs, fd, place.offset, place.end) !== place.crc32) counting.onFinding({ oid: place.oid, message: DAMAGED })
      visitObject(
        place.oid,
        counting,
        () => (isSmall ? readOnce(fs, fd, name, place, counting) : undefined) ?? store.readFrom(name, place.oid),
      )
      if (found <= MOST_FINDINGS) continue
      visitor.onFinding(tooManyFindings)
      break
    }
  } finally {
    fs.close(fd)
  }
}

/** `verifyFrame` and `verifyEntries` of a whole pack, up to a bound of findings. `shared`: a store of the same directory. */
export const verifyPack = (fs: FsPort, path: string, visitor: PackVisitor, shared?: PackStore): void => {
  const say = (message: string): void => {
    visitor.onFinding({ oid: null, message })
  }
  const entries = verifyFrame(fs, path, say)
  const store = shared ?? new PackStore(fs, dirname(path))
  try {
    if (entries.length > 0) verifyEntries(fs, path, entries, visitor, store)
  } catch (error) {
    say(messageOf(error))
  } finally {
    if (shared === undefined) store.close()
  }
}

const checkFrame = (fs: FsPort, fd: number, end: number, index: PackIndex, say: (message: string) => void): void => {
  const header = Buffer.alloc(12)
  readFully(fs, fd, header, 0)
  if (header.toString('latin1', 0, 4) !== 'PACK' || header.readUInt32BE(4) !== 2) say('is not a pack of version 2')
  if (header.readUInt32BE(8) !== index.count) say(`holds ${header.readUInt32BE(8)} objects, its index lists ${index.count}`)
  const trailer = Buffer.alloc(CHECKSUM)
  readFully(fs, fd, trailer, Math.max(0, end))
  if (!checksumOf(fs, fd, end).equals(trailer)) say('its checksum does not fit its content')
  if (!trailer.equals(index.packChecksum)) say('its index belongs to another pack')
}

const visitObject = (oid: Oid, visitor: PackVisitor, read: () => ObjectContent | undefined): void => {
  try {
    const found = read()
    if (found === undefined) visitor.onFinding({ oid, message: 'cannot be found' })
    else
      visitor.onObject({
        oid,
        type: found.type,
        sha256: found.type === 'blob' ? createHash('sha256').update(found.bytes).digest('hex') : undefined,
      })
  } catch (error) {
    visitor.onFinding({ oid, message: messageOf(error) })
  }
}
