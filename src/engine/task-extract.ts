import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { FileEntry } from '../core/manifest.ts'
import { checkPath } from '../core/names.ts'
import { discard, writeAll } from '../storage/durable.ts'
import type { FsPort } from '../storage/fs.ts'
import { LARGE } from '../storage/large-entry.ts'
import { inflatePieces } from '../storage/large-object.ts'
import { PackStore } from '../storage/pack-read.ts'
import { sha256 } from './staged-file.ts'
import type { ExtractResult, ExtractTask, TaskEnv } from './task-types.ts'

/** The packs of the last task: their indexes are read once for all batches. */
let kept: { packs: string; fs: FsPort; store: PackStore } | undefined

/** Gives the handles back; in a worker they go with it. */
export const closeExtracted = (): void => {
  kept?.store.close()
  kept = undefined
}

const storeFor = (fs: FsPort, packs: string): PackStore => {
  if (kept?.packs === packs && kept.fs === fs) return kept.store
  closeExtracted()
  kept = { packs, fs, store: new PackStore(fs, packs) }
  return kept.store
}

const notAsListed = (file: FileEntry, why: string): StrataError =>
  new StrataError('CORRUPT', `${file.path} in the repository ${why}`, {
    data: { file: file.path, oid: file.oid },
    hint: 'See what else is damaged, and what heals it: strata verify, strata repair',
  })

/** A file's bytes, which are what its manifest says. Throws CORRUPT. */
const storedBytes = (packs: PackStore, file: FileEntry): Uint8Array => {
  const found = packs.read(file.oid, file.size)
  if (found !== undefined && sha256(found.bytes) === file.sha256) return found.bytes
  throw notAsListed(file, found === undefined ? 'is missing' : 'is not what its manifest says')
}

/** The process's umask takes group and other write bits off a new file. */
const setMode = (fs: FsPort, path: string, mode: number): void => {
  if ((mode & 0o022) !== 0) fs.chmod(path, mode)
}

const extractWhole = (fs: FsPort, store: PackStore, file: FileEntry, path: string): void => {
  const bytes = storedBytes(store, file)
  const fd = fs.open(path, 'wx', file.mode)
  try {
    writeAll(fs, fd, bytes)
  } finally {
    fs.close(fd)
  }
}

/** Writes a large file piece by piece; false where it has to be read whole. */
const extractLarge = async (fs: FsPort, store: PackStore, file: FileEntry, path: string): Promise<boolean> => {
  const found = store.large(file.oid, LARGE)
  if (found === undefined) return false
  const fd = fs.open(path, 'wx', file.mode)
  const hash = createHash('sha256')
  try {
    for await (const piece of inflatePieces(fs, found.fd, found.name, file.oid, found.object)) {
      hash.update(piece)
      writeAll(fs, fd, piece)
    }
    if (hash.digest('hex') !== file.sha256) throw notAsListed(file, 'is not what its manifest says')
    return true
  } catch (error) {
    discard(fs, path)
    throw error
  } finally {
    fs.close(fd)
    fs.close(found.fd)
  }
}

/** Writes files from the repository into folders that are there; none of the files may be. */
export const extract = async ({ fs }: TaskEnv, task: ExtractTask): Promise<ExtractResult> => {
  const store = storeFor(fs, task.packs)
  for (const file of task.files) {
    checkPath(file.path)
    const path = join(task.to, file.path)
    if (file.size < LARGE || !(await extractLarge(fs, store, file, path))) extractWhole(fs, store, file, path)
    setMode(fs, path, file.mode)
  }
  return { type: 'extract', files: task.files.length, bytes: task.files.reduce((sum, f) => sum + f.size, 0) }
}
