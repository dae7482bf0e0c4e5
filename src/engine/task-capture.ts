import { join } from 'node:path'
import type { Dataset } from '../core/dataset.ts'
import { effectiveIndex } from '../core/dataset.ts'
import { parseDocument } from '../core/document.ts'
import { messageOf } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import { issueOf, withoutPlace } from '../core/issues.ts'
import type { Pieces } from '../core/json/index.ts'
import { checkRecords, isStreamed } from '../core/large-work.ts'
import { recordFindings } from '../core/mend-records.ts'
import { kindOf } from '../core/schema.ts'
import { isCoded, versionIn } from '../core/start.ts'
import { readFile } from '../storage/files.ts'
import { LARGE } from '../storage/large-entry.ts'
import type { Link } from '../storage/link.ts'
import { piecesOf } from '../storage/read-large.ts'
import { readStable } from '../storage/read-stable.ts'
import { captureLarge, copyLarge, hashLarge } from './large-file.ts'
import { Blobs, sha256, writeStaged } from './staged-file.ts'
import type { CaptureFile, CaptureResult, CaptureTask, Captured, KeptLink, TaskEnv } from './task-types.ts'

type Content = { readonly bytes: () => Uint8Array; readonly pieces: Pieces }
type Judged = Pick<Captured, 'damage' | 'records'>
const SOUND: Judged = { damage: null, records: [] }

const judge = (dataset: Dataset, base: number, path: string, version: string | null, content: Content): Judged => {
  const at = version === null ? base : Math.max(0, effectiveIndex(dataset.chain, path, version, base))
  const kinds = dataset.chain.schemas[at]?.kinds ?? {}
  const kind = kinds[kindOf(kinds, path) ?? '']
  if (kind === undefined || kind.damaged === 'keep') return SOUND
  try {
    if (kind.badRecords === 'quarantine') return { damage: null, records: recordFindings(dataset, base, path, version, content.bytes()) }
    if (isStreamed(kind, path)) checkRecords(kind, content.pieces, dataset.layout)
    else parseDocument(kind, path, content.bytes(), dataset.layout)
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

/** Of a file that is as it was committed, who asked knows it. */
const KNOWN = '' as Oid

type Done = Omit<Captured, 'version' | 'damage' | 'records'>

type ReadOne = (Done & Content & { readonly link?: Link | undefined }) | undefined

/** Reads a large file piece by piece. One that is known is copied only. */
const readLargeOne = ({ fs, packs }: TaskEnv, from: string, to: string | null, file: CaptureFile, blobs: Blobs): ReadOne => {
  const { path, known, isImmutable = false } = file
  const content: Content = { bytes: () => readFile(fs, from) ?? new Uint8Array(), pieces: () => piecesOf(fs, from) }
  const before = known === null ? undefined : hashLarge(fs, from, path)
  if (before?.sha256 === known) {
    const { stat, sha256: hash } = before
    const link = to === null ? undefined : copyLarge(fs, { path: from, stat, isImmutable }, to, stat.mode)
    return { path, size: stat.size, sha256: hash, stat, same: true, oid: KNOWN, link, ...content }
  }
  const read = captureLarge(fs, packs, from, path, to)
  if (read === undefined) return undefined
  const { stat, sha256: hash, spilled } = read
  blobs.addLarge(spilled)
  return { path, size: stat.size, sha256: hash, stat, same: false, oid: spilled.oid, ...content }
}

/** Reads one file; undefined when it is gone. */
const readOne = (env: TaskEnv, task: CaptureTask, file: CaptureFile, blobs: Blobs): ReadOne => {
  const { path, size, known, isImmutable = false } = file
  const [from, to] = [join(task.root, path), task.copyTo === null ? null : join(task.copyTo, path)]
  if (size >= LARGE) return readLargeOne(env, from, to, file, blobs)
  const read = readStable(env.fs, from, path)
  if (read === undefined) return undefined
  const { bytes, stat } = read
  const hash = sha256(bytes)
  const same = hash === known
  // Only what is as it was committed: something else is in the middle of being edited.
  const own = { path: from, stat, isImmutable: isImmutable && same }
  const link = to === null ? undefined : writeStaged(env.fs, to, bytes, stat.mode, own)
  const oid = same ? KNOWN : blobs.add(bytes)
  return { path, size: bytes.byteLength, sha256: hash, stat, same, oid, link, bytes: () => bytes, pieces: () => [bytes] }
}

const versionAt = (dataset: Dataset, path: string, { bytes, pieces }: Content): string | null => {
  if (isCoded(dataset, path)) return versionIn(dataset, path, bytes())
  const [first = new Uint8Array()] = pieces()
  return versionIn(dataset, path, first)
}

/** Reads files whole and stable, hashes and deflates those that are not known yet, and copies them where a copy is wanted. */
export const capture = (env: TaskEnv, task: CaptureTask): CaptureResult => {
  const { dataset } = env
  const blobs = new Blobs()
  const gone: string[] = []
  const links: KeptLink[] = []
  const files: Captured[] = []
  for (const file of task.files) {
    const one = readOne(env, task, file, blobs)
    if (one === undefined) {
      gone.push(file.path)
      continue
    }
    const { bytes, pieces, link, ...rest } = one
    if (link !== undefined) links.push({ ...link, sha256: one.sha256 })
    const version = dataset === null ? null : versionAt(dataset, file.path, one)
    const judged = dataset === null || task.base === null || one.same ? SOUND : judge(dataset, task.base, file.path, version, one)
    files.push({ ...rest, version, ...judged })
  }
  return { type: 'capture', files, gone, links, pack: blobs.pack }
}
