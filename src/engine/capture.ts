import { join } from 'node:path'
import { readableBy, versionIndex } from '../core/chain.ts'
import type { SourceDirectory } from '../core/events.ts'
import type { Issue } from '../core/issues.ts'
import type { FileEntry, Manifest } from '../core/manifest.ts'
import { manifestOf } from '../core/manifest.ts'
import type { StoredCommit, Transaction } from '../storage/repository.ts'
import { commitMessage } from '../core/slice.ts'
import { EarlyFlush } from '../storage/early-flush.ts'
import type { Scanned } from '../storage/scan.ts'
import { batches } from './batches.ts'
import { remember, scan } from './directory.ts'
import type { Pool } from './pool.ts'
import type { Session } from './session.ts'
import { flushStaged, letRest, makeFolders, publish } from './staged-directory.ts'
import type { Survey } from './survey.ts'
import { fileFindings } from './survey.ts'
import type { CaptureResult, CaptureTask } from './task-types.ts'

/** Data at the newest version is parsed as well: no migration will come and find what is damaged. */
const captureTasks = (root: string, copyTo: string, base: number | null, scanned: Scanned): Iterable<CaptureTask> => {
  const files = Array.from(scanned.files, ([path, stat]) => ({ path, size: stat.size, known: null }))
  return (function* () {
    for (const batch of batches(files)) yield { type: 'capture', root, copyTo, base, files: batch }
  })()
}

export type Wanted = {
  readonly id: string
  readonly version: string
  readonly subject: string
  readonly source: SourceDirectory | null
}

type Content = { readonly manifest: Manifest; readonly findings: Issue[] }

/** The commit of a captured snapshot, its index, and the fact that it is there. */
const recordCapture = (
  session: Session,
  transaction: Transaction,
  wanted: Wanted,
  { manifest, findings }: Content,
  index: (stored: StoredCommit) => void,
): void => {
  const { context } = session
  const { chain } = context.dataset
  const { id: snapshot, version: schemaVersion, source } = wanted
  const { result: stored, slice } = session.seal(transaction, (t) =>
    t.addSnapshot(manifest, (digest) => ({
      message: commitMessage(wanted.subject, {
        'Strata-Snapshot': snapshot,
        'Strata-Seq': session.state.seq + 1,
        'Schema-Version': schemaVersion,
        'Manifest-Sha256': digest,
      }),
      parents: [],
      timestamp: session.seconds,
    })),
  )
  publish(context, snapshot)
  index(stored)
  const { commit, manifest: digest } = stored
  const [files, bytes] = [manifest.files.length, manifest.files.reduce((sum, f) => sum + f.size, 0)]
  const readable = readableBy(chain, versionIndex(chain, schemaVersion))
  session.commit({
    type: 'capture',
    data: { snapshot, schemaVersion, commit, files, bytes, manifest: digest, source, readableBy: readable, findings, slice },
  })
}

/**
 * Captures a directory as a new snapshot: a byte-for-byte copy below `snapshots/`, a commit, one event. `from` is only read.
 * Throws UNSTABLE, UNREADABLE, SPECIAL_FILE, UNSUPPORTED_NAME: a backup is never partial.
 */
export const captureDirectory = async (session: Session, pool: Pool, from: Survey, wanted: Wanted): Promise<Manifest> => {
  const { context } = session
  const { paths, dataset } = context
  const staging = paths.staged(wanted.id)
  const base = versionIndex(dataset.chain, wanted.version)
  makeFolders(context, staging, from.scanned)
  const transaction = session.repository.begin()
  const early = new EarlyFlush(context.fs)
  const files = new Map<string, FileEntry>()
  const findings: Issue[] = []
  const take = (result: CaptureResult): void => {
    transaction.addBatch(result.pack)
    for (const f of result.files) {
      files.set(f.path, { path: f.path, size: f.size, sha256: f.sha256, mode: f.stat.mode, oid: f.oid })
      findings.push(...fileFindings(dataset, base, f))
    }
    early.add(result.files.map((f) => join(staging, f.path)))
  }
  try {
    await pool.each(captureTasks(from.path, staging, base === dataset.chain.migrations.length ? base : null, from.scanned), take)
    const staged = scan(context, staging)
    await flushStaged(context, staging, staged, early)
    await letRest(staged, context.now)
    const readMs = context.now().getTime()
    const manifest = manifestOf(files.values(), staged.directories)
    recordCapture(session, transaction, wanted, { manifest, findings }, ({ commit }) => {
      remember(context, wanted.id, commit, files, staged, readMs)
    })
    return manifest
  } catch (error) {
    await early.settle().catch(() => undefined)
    transaction.abort()
    throw error
  }
}
