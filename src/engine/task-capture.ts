import { join } from 'node:path'
import { fileVersion } from '../core/dataset.ts'
import type { Oid } from '../core/git-objects.ts'
import { headOf } from '../core/memory.ts'
import { readStable } from '../storage/read-stable.ts'
import { Blobs, sha256, writeStaged } from './staged-file.ts'
import type { CaptureResult, CaptureTask, Captured, TaskEnv } from './task-types.ts'

/** Reads files whole and stable, hashes and deflates those that are not known yet, and copies them where a copy is wanted. */
export const capture = ({ fs, dataset }: TaskEnv, task: CaptureTask): CaptureResult => {
  const blobs = new Blobs()
  const gone: string[] = []
  const done: (Omit<Captured, 'oid'> & { place: number | null })[] = []
  for (const { path, known } of task.files) {
    const read = readStable(fs, join(task.root, path), path)
    if (read === undefined) {
      gone.push(path)
      continue
    }
    const { bytes, stat } = read
    const hash = sha256(bytes)
    const same = hash === known
    if (task.copyTo !== null) writeStaged(fs, join(task.copyTo, path), bytes, stat.mode)
    const version = dataset === null ? null : fileVersion(dataset, path, headOf(bytes))
    done.push({ path, size: bytes.byteLength, sha256: hash, stat, version, same, place: same ? null : blobs.add(bytes) })
  }
  const { pack, oid } = blobs.encode()
  const files = done.map(({ place, ...rest }) => ({ ...rest, oid: place === null ? ('' as Oid) : oid(place) }))
  return { type: 'capture', files, gone, pack }
}
