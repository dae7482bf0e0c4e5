import { join } from 'node:path'
import type { Dataset } from '../core/dataset.ts'
import { effectiveIndex } from '../core/dataset.ts'
import { parseDocument } from '../core/document.ts'
import { messageOf } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import { issueOf, withoutPlace } from '../core/issues.ts'
import { recordFindings } from '../core/mend-records.ts'
import { kindOf } from '../core/schema.ts'
import { versionIn } from '../core/start.ts'
import { readStable } from '../storage/read-stable.ts'
import { Blobs, sha256, writeStaged } from './staged-file.ts'
import type { CaptureResult, CaptureTask, Captured, TaskEnv } from './task-types.ts'

type Judged = Pick<Captured, 'damage' | 'records'>
const SOUND: Judged = { damage: null, records: [] }

const judge = (dataset: Dataset, base: number, path: string, version: string | null, bytes: Uint8Array): Judged => {
  const at = version === null ? base : Math.max(0, effectiveIndex(dataset.chain, path, version, base))
  const kinds = dataset.chain.schemas[at]?.kinds ?? {}
  const kind = kinds[kindOf(kinds, path) ?? '']
  if (kind === undefined || kind.damaged === 'keep') return SOUND
  try {
    if (kind.badRecords === 'quarantine') return { damage: null, records: recordFindings(dataset, base, path, version, bytes) }
    parseDocument(kind, path, bytes, dataset.layout)
    return SOUND
  } catch (error) {
    const damage = issueOf(error, {
      severity: 'warning',
      code: 'DAMAGED_FILE',
      file: path,
      message: `cannot be read: ${withoutPlace(messageOf(error))}`,
      hint: 'Its bytes are kept. Mend it, or take an earlier version: strata history PATH, strata show SNAPSHOT:PATH',
    })
    return { damage, records: [] }
  }
}

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
    if (task.copyTo !== null) writeStaged(fs, join(task.copyTo, path), bytes, stat.mode, { path: join(task.root, path), stat })
    const version = dataset === null ? null : versionIn(dataset, path, bytes)
    const judged = dataset === null || task.base === null || same ? SOUND : judge(dataset, task.base, path, version, bytes)
    done.push({ path, size: bytes.byteLength, sha256: hash, stat, version, same, ...judged, place: same ? null : blobs.add(bytes) })
  }
  const { pack, oid } = blobs.encode()
  const files = done.map(({ place, ...rest }) => ({ ...rest, oid: place === null ? ('' as Oid) : oid(place) }))
  return { type: 'capture', files, gone, pack }
}
