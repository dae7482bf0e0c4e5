import { basename, dirname } from 'node:path'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import { objectOid } from '../core/git-objects.ts'
import { readFile } from './files.ts'
import type { FsPort } from './fs.ts'
import { READ_FLAGS } from './fs.ts'
import { applyDelta, inflateEntry, readEntryHeader } from './pack-entry.ts'
import { PackIndex } from './pack-index.ts'
import { PackStore } from './pack-read.ts'

/** What is whole in a damaged pack. */

export type SavedObject = { readonly oid: Oid; readonly type: ObjectType; readonly bytes: Buffer }

const FIRST_ENTRY = 12
const CHECKSUM = 20
const DELTA_DEPTH = 4096

type Open = { readonly fs: FsPort; readonly fd: number; readonly name: string; readonly end: number; readonly store: PackStore }

type Found = { readonly type: ObjectType; readonly bytes: Buffer; readonly next: number }

/** The object at an offset; throws where it is damaged. `next` is where the entry after it begins. */
const objectAt = (pack: Open, offset: number, depth = 0): Found => {
  const entry = readEntryHeader(pack.fs, pack.fd, pack.name, offset)
  const { bytes, consumed } = inflateEntry(pack.fs, pack.fd, pack.name, entry, pack.end)
  const next = entry.start + consumed
  if (entry.kind !== 'ofs-delta' && entry.kind !== 'ref-delta') return { type: entry.kind, bytes, next }
  if (depth > DELTA_DEPTH || entry.base === null) throw new Error('a chain of deltas does not end')
  const base = typeof entry.base === 'number' ? objectAt(pack, entry.base, depth + 1) : pack.store.read(entry.base)
  if (base === undefined) throw new Error('the base of a delta is missing')
  return { type: base.type, bytes: applyDelta(base.bytes, bytes), next }
}

const indexOf = (fs: FsPort, path: string): PackIndex | undefined => {
  try {
    return new PackIndex(readFile(fs, path.replace(/\.pack$/, '.idx')) ?? Buffer.alloc(0), basename(path))
  } catch {
    return undefined
  }
}

/** One entry after another from the first on, as far as they are whole: for a pack whose index cannot be trusted. */
function* walk(pack: Open): Generator<SavedObject> {
  for (let offset = FIRST_ENTRY; offset < pack.end; ) {
    let found: Found
    try {
      found = objectAt(pack, offset)
    } catch {
      return
    }
    yield { oid: objectOid(found.type, found.bytes), type: found.type, bytes: found.bytes }
    offset = found.next
  }
}

/** Every entry that the index lists; null for one that is not whole. */
function* listed(pack: Open, index: PackIndex): Generator<SavedObject | null> {
  for (const { oid, offset } of index.entries()) {
    let found: Found | undefined
    try {
      found = objectAt(pack, offset)
    } catch {
      // This one is lost here; another copy may be elsewhere.
    }
    yield found !== undefined && objectOid(found.type, found.bytes) === oid ? { oid, type: found.type, bytes: found.bytes } : null
  }
}

/** Every object of a pack that is whole, one at a time; null for one that is not, so that the caller can pause. Never throws for damage. */
export function* salvagePack(fs: FsPort, path: string): Generator<SavedObject | null> {
  if (fs.lstat(path) === undefined) return
  const index = indexOf(fs, path)
  const fd = fs.open(path, READ_FLAGS)
  const store = new PackStore(fs, dirname(path))
  const pack: Open = { fs, fd, name: basename(path), end: fs.fstat(fd).size - CHECKSUM, store }
  const seen = new Set<Oid>()
  try {
    if (index?.checkSum() !== true)
      for (const object of walk(pack)) {
        seen.add(object.oid)
        yield object
      }
    if (index !== undefined) for (const object of listed(pack, index)) if (object === null || !seen.has(object.oid)) yield object
  } finally {
    store.close()
    fs.close(fd)
  }
}
