import { readableBy, versionIndex } from '../core/chain.ts'
import { effectiveIndex, fileVersion, isIgnored } from '../core/dataset.ts'
import type { Dataset } from '../core/dataset.ts'
import { StrataError } from '../core/errors.ts'
import type { SourceDirectory } from '../core/events.ts'
import type { Issue } from '../core/issues.ts'
import { issue } from '../core/issues.ts'
import type { FileEntry, Manifest } from '../core/manifest.ts'
import { headOf } from '../core/memory.ts'
import { kindOf } from '../core/schema.ts'
import { flushFiles, fsyncDirectory, rename } from '../storage/durable.ts'
import { READ_FLAGS } from '../storage/fs.ts'
import type { FsPort } from '../storage/fs.ts'
import { readFully } from '../storage/files.ts'
import type { Scanned } from '../storage/scan.ts'
import { scanDirectory } from '../storage/scan.ts'
import { commitMessage } from '../storage/repository.ts'
import { join } from 'node:path'
import { batches } from './batches.ts'
import type { Context } from './context.ts'
import { manifestOf, remember, scan } from './directory.ts'
import { Pool } from './pool.ts'
import type { Session } from './session.ts'
import type { CaptureResult, CaptureTask } from './tasks.ts'

const HEAD_BYTES = 4096

const readHead = (fs: FsPort, path: string): string => {
  const fd = fs.open(path, READ_FLAGS)
  try {
    const buffer = Buffer.alloc(HEAD_BYTES)
    return headOf(buffer.subarray(0, readFully(fs, fd, buffer, 0)))
  } finally {
    fs.close(fd)
  }
}

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
  const kinds = dataset.chain.schemas.map((s) => s.kinds)
  let [version, bytes, newestMs, foreign]: [number, number, number, string | null] = [-1, 0, 0, null]
  for (const [path, stat] of scanned.files) {
    bytes += stat.size
    newestMs = Math.max(newestMs, stat.mtimeMs)
    if (!kinds.some((k) => kindOf(k, path) !== undefined)) continue
    const found = fileVersion(dataset, path, readHead(fs, join(dir, path)))
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

/** Files that the schema of their snapshot does not describe: behind it (they go through the chain alone), or of no kind. */
export const fileFindings = (dataset: Dataset, base: number, path: string, version: string | null): Issue[] => {
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

/** Makes a directory's staged copy durable: every file, then every folder, deepest first. */
export const flushStaged = async ({ fs }: Pick<Context, 'fs'>, dir: string, scanned: Scanned): Promise<void> => {
  await flushFiles(
    fs,
    [...scanned.files.keys()].map((path) => join(dir, path)),
  )
  for (const { path } of [...scanned.directories].reverse()) fsyncDirectory(fs, join(dir, path))
  fsyncDirectory(fs, dir)
}

/** Moves a durable staged directory to its place. */
export const publish = ({ fs, paths }: Pick<Context, 'fs' | 'paths'>, id: string): void => {
  rename(fs, join(paths.staging, id), paths.snapshot(id))
  fsyncDirectory(fs, paths.snapshots)
  fsyncDirectory(fs, paths.staging)
}

/** Makes the folders of `scanned` below `dir`, parents first, with their modes. */
export const makeFolders = ({ fs }: Pick<Context, 'fs'>, dir: string, scanned: Scanned): void => {
  fs.mkdir(dir, 0o755)
  for (const { path, mode } of scanned.directories) {
    fs.mkdir(join(dir, path), mode | 0o700)
    if ((mode & 0o022) !== 0) fs.chmod(join(dir, path), mode)
  }
}

const bytesOf = (scanned: Scanned): number => [...scanned.files.values()].reduce((sum, f) => sum + f.size, 0)

const captureTasks = (root: string, copyTo: string, scanned: Scanned): Iterable<CaptureTask> => {
  const files = Array.from(scanned.files, ([path, stat]) => ({ path, size: stat.size, known: null }))
  return (function* () {
    for (const batch of batches(files)) yield { type: 'capture', root, copyTo, files: batch }
  })()
}

export type Wanted = {
  readonly id: string
  readonly version: string
  readonly subject: string
  readonly source: SourceDirectory | null
  readonly onProgress?: (files: number, bytes: number) => void
}

/**
 * Captures a directory as a new snapshot: a byte-for-byte copy below `snapshots/`, a commit, one event. `from` is only read.
 * Throws UNSTABLE, UNREADABLE, SPECIAL_FILE, UNSUPPORTED_NAME: a backup is never partial.
 */
export const captureDirectory = async (session: Session, from: Survey, wanted: Wanted): Promise<Manifest> => {
  const { context } = session
  const { fs, paths, dataset } = context
  const staging = join(paths.staging, wanted.id)
  const base = versionIndex(dataset.chain, wanted.version)
  makeFolders(context, staging, from.scanned)
  const pool = new Pool({ fs, dataset, module: context.module, bytes: bytesOf(from.scanned), workers: context.workers })
  const transaction = session.repository.begin()
  const files = new Map<string, FileEntry>()
  const findings: Issue[] = []
  let bytes = 0
  const take = (result: CaptureResult): void => {
    transaction.addBatch(result.pack)
    for (const f of result.files) {
      files.set(f.path, { path: f.path, size: f.size, sha256: f.sha256, mode: f.stat.mode, oid: f.oid })
      findings.push(...fileFindings(dataset, base, f.path, f.version))
      bytes += f.size
    }
    wanted.onProgress?.(files.size, bytes)
  }
  try {
    await pool.each(captureTasks(from.path, staging, from.scanned), take)
    const staged = scan(context, staging)
    await flushStaged(context, staging, staged)
    const readMs = context.now().getTime()
    const manifest = manifestOf(files.values(), staged.directories)
    const { result: stored, slice } = session.seal(transaction, (t) =>
      t.addSnapshot(manifest, (digest) => ({
        message: commitMessage(wanted.subject, {
          'Strata-Snapshot': wanted.id,
          'Strata-Seq': session.state.seq + 1,
          'Schema-Version': wanted.version,
          'Manifest-Sha256': digest,
        }),
        parents: [],
        timestamp: session.seconds,
      })),
    )
    publish(context, wanted.id)
    session.commit({
      type: 'capture',
      data: {
        snapshot: wanted.id,
        schemaVersion: wanted.version,
        commit: stored.commit,
        files: files.size,
        bytes,
        manifest: stored.manifest,
        source: wanted.source,
        readableBy: readableBy(dataset.chain, base),
        findings,
        slice,
      },
    })
    remember(context, wanted.id, stored.commit, files, scan(context, paths.snapshot(wanted.id)), readMs)
    return manifest
  } catch (error) {
    transaction.abort()
    throw error instanceof StrataError
      ? error
      : new StrataError('UNREADABLE', `${from.path} could not be captured: ${String(error)}`, { cause: error, data: { path: from.path } })
  } finally {
    await pool.close()
  }
}
