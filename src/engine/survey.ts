import { join } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import type { Dataset } from '../core/dataset.ts'
import { effectiveIndex, isIgnored } from '../core/dataset.ts'
import { systemCode } from '../core/errors.ts'
import type { Issue } from '../core/issues.ts'
import { issue } from '../core/issues.ts'
import { isMendable, recordFindings } from '../core/mend-records.ts'
import { HEAD_BYTES, isCoded, versionIn } from '../core/start.ts'
import { kindOf } from '../core/schema.ts'
import { readFile, readFully } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import { READ_FLAGS } from '../storage/fs.ts'
import type { Scanned } from '../storage/scan.ts'
import { requireReadable, scanDirectory } from '../storage/scan.ts'

const NOTHING = new Uint8Array()

/** The beginning of one file at a time. */
const head = Buffer.alloc(HEAD_BYTES)

const readHead = (fs: FsPort, path: string): Uint8Array => {
  let fd: number
  try {
    fd = fs.open(path, READ_FLAGS)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return NOTHING
    throw error
  }
  try {
    return head.subarray(0, readFully(fs, fd, head, 0))
  } finally {
    fs.close(fd)
  }
}

/** The schema version of a file on disk. */
const versionOf = (fs: FsPort, dataset: Dataset, file: string, path: string): string | null =>
  versionIn(dataset, path, isCoded(dataset, path) ? (readFile(fs, file) ?? NOTHING) : readHead(fs, file))

/** What a directory holds, before anything is captured. */
export type Survey = {
  readonly path: string
  readonly version: string | null
  readonly files: number
  readonly bytes: number
  readonly newestMs: number
  readonly scanned: Scanned
}

/** Scans a directory and finds its schema version: the highest that any of its files has. */
export const survey = (fs: FsPort, dataset: Dataset, dir: string): Survey => {
  const scanned = scanDirectory(fs, dir, (path) => isIgnored(dataset, path))
  requireReadable(fs, dir, scanned.files.keys())
  const kinds = dataset.chain.schemas.map((s) => s.kinds)
  let [version, bytes, newestMs, foreign]: [number, number, number, string | null] = [-1, 0, 0, null]
  for (const [path, stat] of scanned.files) {
    bytes += stat.size
    newestMs = Math.max(newestMs, stat.mtimeMs)
    if (!kinds.some((k) => kindOf(k, path) !== undefined)) continue
    const found = versionOf(fs, dataset, join(dir, path), path)
    const index = found === null ? -1 : versionIndex(dataset.chain, found)
    if (found !== null && index < 0) foreign = found
    version = Math.max(version, index)
  }
  return {
    path: dir,
    version: foreign ?? dataset.chain.schemas[version]?.version ?? null,
    files: scanned.files.size,
    bytes,
    newestMs,
    scanned,
  }
}

export type FoundFile = {
  readonly path: string
  readonly version: string | null
  readonly damage: Issue | null
  readonly records: readonly Issue[]
}

/** What is to be said of a file of a snapshot at `base`. */
export const fileFindings = (dataset: Dataset, base: number, { path, version, damage, records }: FoundFile): Issue[] =>
  // What is damaged cannot go through the chain before it is mended.
  damage === null ? [...wholeFindings(dataset, base, path, version), ...records] : [damage]

/** The same of a file as it is on the disk, but for damage. */
export const findingsOnDisk = (fs: FsPort, dataset: Dataset, base: number, dir: string, path: string): Issue[] => {
  const file = join(dir, path)
  const version = versionOf(fs, dataset, file, path)
  const bytes = isMendable(dataset, path, base) ? readFile(fs, file) : undefined
  const records = bytes === undefined ? [] : readable(() => recordFindings(dataset, base, path, version, bytes))
  return fileFindings(dataset, base, { path, version, damage: null, records })
}

/** What cannot be read says nothing of its records. */
const readable = (find: () => Issue[]): Issue[] => {
  try {
    return find()
  } catch {
    return []
  }
}

/** Files that the schema of their snapshot does not describe: behind it (they go through the chain alone), or of no kind. */
const wholeFindings = (dataset: Dataset, base: number, path: string, version: string | null): Issue[] => {
  const kinds = dataset.chain.schemas[base]?.kinds ?? {}
  if (kindOf(kinds, path) === undefined)
    return [
      issue({
        severity: 'warning',
        code: 'UNKNOWN_FILE',
        file: path,
        message: 'is of no kind that this schema knows; it is kept as it is',
        hint: 'Nothing to do, unless it should not be there.',
      }),
    ]
  const at = version === null ? base : effectiveIndex(dataset.chain, path, version, base)
  if (at < 0 || at >= base) return []
  return [
    issue({
      severity: 'warning',
      code: 'LEGACY_FILE',
      file: path,
      message: `is still of schema ${version ?? ''}`,
      hint: 'Run: strata migrate. The file goes through the chain alone.',
    }),
  ]
}
