import { join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { FileEntry } from '../core/manifest.ts'
import { checkPath } from '../core/names.ts'
import { writeAll } from '../storage/durable.ts'
import type { FsPort } from '../storage/fs.ts'
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

/** A file's bytes, which are what its manifest says. Throws CORRUPT. */
const storedBytes = (packs: PackStore, file: FileEntry): Uint8Array => {
  const found = packs.read(file.oid, file.size)
  if (found !== undefined && sha256(found.bytes) === file.sha256) return found.bytes
  throw new StrataError(
    'CORRUPT',
    `${file.path} in the repository ${found === undefined ? 'is missing' : 'is not what its manifest says'}`,
    {
      data: { file: file.path, oid: file.oid },
      hint: 'See what else is damaged, and what heals it: strata verify, strata repair',
    },
  )
}

/** Writes files from the repository into folders that are there; none of the files may be. */
export const extract = ({ fs }: TaskEnv, task: ExtractTask): ExtractResult => {
  const store = storeFor(fs, task.packs)
  for (const file of task.files) {
    checkPath(file.path)
    const bytes = storedBytes(store, file)
    const path = join(task.to, file.path)
    const fd = fs.open(path, 'wx', file.mode)
    try {
      writeAll(fs, fd, bytes)
    } finally {
      fs.close(fd)
    }
    // The process's umask takes group and other write bits off a new file.
    if ((file.mode & 0o022) !== 0) fs.chmod(path, file.mode)
  }
  return { type: 'extract', files: task.files.length, bytes: task.files.reduce((sum, f) => sum + f.size, 0) }
}
