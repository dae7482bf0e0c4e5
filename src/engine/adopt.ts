import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import { StrataError } from '../core/errors.ts'
import { issue } from '../core/issues.ts'
import type { FileEntry, Manifest } from '../core/manifest.ts'
import { memorySource } from '../core/memory.ts'
import type { Written } from '../core/merge.ts'
import { keepsRecords, mergeRecords } from '../core/merge.ts'
import { Paths } from '../core/paths.ts'
import type { Kind } from '../core/schema.ts'
import { kindOf } from '../core/schema.ts'
import { versionIn } from '../core/start.ts'
import type { Snapshot } from '../core/state.ts'
import { activeSnapshot, lineage } from '../core/state.ts'
import { Transformer } from '../core/transform.ts'
import { readFile } from '../storage/files.ts'
import type { EncodedBatch } from '../storage/pack-write.ts'
import { encodeEntries } from '../storage/pack-write.ts'
import { captureDirectory } from './capture.ts'
import { inTime } from './bounded.ts'
import { survey } from './survey.ts'
import type { Checkpointed } from './checkpoint.ts'
import { checkpoint } from './checkpoint.ts'
import { scan } from './directory.ts'
import { differences } from './directory.ts'
import type { JobOptions, JobSpec, JobWork } from './job-spec.ts'
import { workersOf } from './job-spec.ts'
import { runJob } from './job.ts'
import { preflight } from './preflight.ts'
import { compareOriginal, writeOriginalIndex } from './original.ts'
import type { Session } from './session.ts'
import type { Made } from './task-types.ts'
import { writeStaged } from './staged-file.ts'

/**
 * Takes over what an old build has written into the original directory since it was captured. What it wrote is captured as it
 * is, goes through the chain, and joins the active data: a file that only they changed is theirs; records written on both
 * sides are all kept; of any other file changed on both sides ours stays, and theirs stays in the history.
 */

type Sides = {
  readonly active: Checkpointed
  readonly base: ReadonlyMap<string, FileEntry>
  readonly position: number
  /** Where a file of the original directory is in the active one. */
  readonly there: (path: string) => string
  /** The original directory when it was last captured, and now. */
  readonly written: { readonly before: ReadonlyMap<string, FileEntry>; readonly now: ReadonlyMap<string, FileEntry> }
}
type Unwritten = Omit<Sides, 'written' | 'there'>

const byPath = ({ files }: Manifest): Map<string, FileEntry> => new Map(files.map((f) => [f.path, f]))

/** What the chain made of the original when it was captured: the first snapshot of this schema on the way to the active one. */
const baseFiles = (session: Session, active: Snapshot): Map<string, FileEntry> => {
  const first =
    lineage(session.state)
      .filter((s) => s.schemaVersion === active.schemaVersion)
      .at(-1) ?? active
  return byPath(session.repository.manifest(first.sealed))
}

const put = (work: JobWork, path: string, bytes: Uint8Array, mode: number): Made => {
  const { context } = work.session
  const target = work.targets[0]
  const pack = encodeEntries([{ type: 'blob', bytes }])
  work.transaction.addBatch(pack)
  const oid = pack.table[0]?.oid
  if (target === undefined || oid === undefined) throw new StrataError('ABSENT', 'the job has no target')
  writeStaged(context.fs, join(work.staging.directory(target), path), bytes, mode)
  return { path, size: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex'), oid, mode, same: false }
}

/** A file as the old build wrote it, before and now; undefined where the two are not of one kind. */
const writtenOf = ({ session }: JobWork, { written }: Sides, path: string): Written | undefined => {
  const { dataset } = session.context
  const read = (entry: FileEntry | undefined): Uint8Array | null => (entry === undefined ? null : session.repository.blob(entry.oid))
  const kindIn = (bytes: Uint8Array): Kind | undefined => {
    const version = versionIn(dataset, path, bytes) ?? dataset.chain.first.version
    const kinds = dataset.chain.schemas[versionIndex(dataset.chain, version)]?.kinds ?? {}
    return kinds[kindOf(kinds, path) ?? '']
  }
  const [base, theirs] = [read(written.before.get(path)), read(written.now.get(path))]
  const kind = theirs === null ? undefined : kindIn(theirs)
  return theirs === null || kind?.record === undefined || (base !== null && kindIn(base) !== kind)
    ? undefined
    : { kind, path, base, theirs }
}

/** Ours stays; the job's log says so, and keeps it in the journal. */
const conflict = (work: JobWork, sides: Sides, path: string, why: string): void => {
  const message = `${why}; the active one is kept, the other is in the history`
  const step = sides.active.snapshot.schemaVersion
  work.staging.drop(path)
  work.staging.note(
    issue({ severity: 'warning', code: 'ADOPT_CONFLICT', file: path, message, step, hint: 'Compare the two with: strata show' }),
  )
}

/** Both sides wrote: all records are kept, and what is derived from them is derived again. */
const merge = (work: JobWork, sides: Sides, source: string, ours: FileEntry): void => {
  const { path } = ours
  const { context, repository } = work.session
  const { dataset, fs } = context
  const kinds = dataset.chain.schemas[sides.position]?.kinds ?? {}
  const kind = kinds[kindOf(kinds, path) ?? '']
  const target = work.targets[0]
  if (kind?.record === undefined || target === undefined) {
    conflict(work, sides, source, 'was changed on both sides')
    return
  }
  const theirs = readFile(fs, join(work.staging.directory(target), path)) ?? new Uint8Array()
  const base = sides.base.get(path)
  const { bytes, added } = mergeRecords(
    dataset,
    kind,
    path,
    { ours: repository.blob(ours.oid), theirs, base: base === undefined ? null : repository.blob(base.oid) },
    writtenOf(work, sides, source),
  )
  const others = new Map(
    [...sides.active.files.values()]
      .filter((f) => f.path !== path && kinds[kindOf(kinds, f.path) ?? '']?.record === undefined)
      .map((f) => [f.path, repository.blob(f.oid)]),
  )
  const transformer = new Transformer(dataset, memorySource(dataset, others, sides.position))
  const derived = inTime(
    { path, size: bytes.byteLength },
    dataset.secondsPerFile,
    () => transformer.place,
    () => transformer.rederive(path, sides.position, bytes),
  )
  const outputs = [put(work, path, bytes, ours.mode), ...derived.map((f) => put(work, f.path, f.bytes ?? new Uint8Array(), ours.mode))]
  work.staging.put(source, outputs, [])
  context.log('info', `${added} records taken over`, { file: path })
}

const resolve = (work: JobWork, sides: Sides, path: string): void => {
  const ours = sides.active.files.get(sides.there(path))
  if (ours === undefined) return
  if (work.staging.result(path)?.damaged === true) {
    // What cannot be read there is no reason to give up what can be read here.
    conflict(work, sides, path, 'cannot be read in the original directory')
    return
  }
  const written = writtenOf(work, sides, path)
  // A newer build that appended to a day of shape A emptied the records that were there: those are kept as ours.
  const keeps = written === undefined || keepsRecords(work.session.context.dataset, written)
  if (keeps && ours.sha256 === sides.base.get(ours.path)?.sha256) return
  merge(work, sides, path, ours)
}

const capturedBefore = ({ state, repository }: Session, id: string): Manifest => {
  const captured = state.snapshots[id]
  return captured === undefined ? { files: [], directories: [] } : repository.manifest(captured.sealed)
}

const adoptSpec = (
  session: Session,
  before: Checkpointed,
  original: { path: string; snapshot: string },
  files: readonly string[],
): JobSpec => {
  const { context } = session
  const position = versionIndex(context.dataset.chain, before.snapshot.schemaVersion)
  const from = survey(context.fs, context.dataset, original.path)
  const version = from.version ?? context.dataset.chain.first.version
  const id = `${version}-${context.id()}`
  const unwritten: Unwritten = { active: before, base: baseFiles(session, before.snapshot), position }
  const source = { path: original.path, snapshot: id }
  return {
    kind: 'adopt',
    reason: 'adopt',
    from: before.snapshot,
    base: position,
    positions: [position],
    toVersion: before.snapshot.schemaVersion,
    before,
    announced: [id],
    adopted: { files: [...files], source },
    fill: async (work) => {
      const manifest = await captureDirectory(session, work.pool, from, {
        id,
        version,
        subject: `Capture ${version}: written to the original directory`,
        source: null,
      })
      const known = capturedBefore(session, original.snapshot)
      const changed = differences(known, manifest).flatMap((d) => (d.change === 'removed' ? [] : [d.path]))
      const now = byPath(manifest)
      const oldest = Math.max(0, versionIndex(context.dataset.chain, version))
      const paths = new Paths(context.dataset, [...now.keys()], oldest, { position, paths: before.files.keys() })
      const there = (path: string): string => paths.between(path, oldest, position)
      const sides: Sides = { ...unwritten, there, written: { before: byPath(known), now } }
      work.staging.begin({ files: new Map(), directories: before.directories })
      const theirs = {
        root: context.paths.snapshot(id),
        files: sides.written.now,
        scanned: scan(context, context.paths.snapshot(id)),
        there: [...before.files.keys()],
      }
      const held: EncodedBatch[] = []
      await work.staging.transform(theirs, changed, workersOf(work, { addBatch: (batch) => held.push(batch) }))
      for (const path of changed) resolve(work, sides, path)
      // What a merge has replaced never becomes an object.
      const wanted = work.staging.objects()
      for (const batch of held) work.transaction.addBatch({ ...batch, table: batch.table.filter((row) => wanted.has(row.oid)) })
      const produced = work.staging.produced()
      const ours = { root: context.paths.snapshot(before.snapshot.id), files: before.files, scanned: theirs.scanned }
      await work.staging.transform(
        ours,
        [...before.files.keys()].filter((path) => !produced.has(path)),
        workersOf(work),
      )
    },
  }
}

export type Adopted = { readonly jobId: string | null; readonly files: readonly string[] }

/** Throws NO_STORE, BAD_CHAIN, and what a migration throws; nothing is switched then. */
export const adopt = async (session: Session, options: JobOptions): Promise<Adopted> => {
  const { context, state, repository } = session
  const active = activeSnapshot(state)
  if (active === undefined)
    throw new StrataError('NO_STORE', 'the store holds no snapshot yet', { hint: 'Capture one with: strata init --from DIR' })
  const { original } = state
  const files = compareOriginal(context, state, repository).map((c) => c.path)
  if (original === null || files.length === 0) return { jobId: null, files: [] }
  options.progress.phase('backup')
  const before = await checkpoint(session, active.id, 'before adopting')
  const bytes = [...before.files.values()].reduce((sum, f) => sum + f.size, 0)
  preflight(context, bytes, before.files.size, 2)
  options.progress.totals(before.files.size, bytes, [{ version: active.schemaVersion, description: 'Data of the original directory' }])
  const spec = adoptSpec(session, before, original, files)
  const jobId = await runJob(session, spec, options)
  if (spec.adopted !== undefined) writeOriginalIndex(session, spec.adopted.source, scan(context, original.path))
  options.progress.phase('done')
  return { jobId, files }
}
