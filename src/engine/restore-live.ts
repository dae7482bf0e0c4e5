import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import { immutablePaths } from '../core/dataset.ts'
import { StrataError, messageOf } from '../core/errors.ts'
import type { FileEntry } from '../core/manifest.ts'
import type { Converted } from '../core/memory.ts'
import { fileFrom, sourceOf } from '../core/memory.ts'
import { kindOf } from '../core/schema.ts'
import type { State } from '../core/state.ts'
import { activeSnapshot } from '../core/state.ts'
import { Transformer } from '../core/transform.ts'
import { encodeEntries } from '../storage/pack-write.ts'
import { batches } from './batches.ts'
import { inTime } from './bounded.ts'
import type { Checkpointed } from './checkpoint.ts'
import { checkpoint } from './checkpoint.ts'
import type { JobOptions, JobSpec, JobWork } from './job-spec.ts'
import { throwIfCancelled } from './job-spec.ts'
import { runJob } from './job.ts'
import { preflight } from './preflight.ts'
import type { RestoreSource } from './restore-source.ts'
import { restoreSource } from './restore-source.ts'
import type { Session } from './session.ts'
import { writeStaged } from './staged-file.ts'
import type { Made } from './task-types.ts'

/**
 * Files of a snapshot into the live data. The active directory is left as it is, like in a migration: a copy of it with the restored
 * files takes its place, so that a rollback goes back.
 */

/** `jobId`: null where the active data holds the very same already. */
export type RestoredLive = {
  readonly jobId: string | null
  readonly snapshot: string
  readonly commit: string
  readonly files: readonly string[]
}

/** A file that is to be put in, in the form of the active schema. */
type Wanted = { readonly path: string; readonly mode: number; readonly bytes: Uint8Array }

const positionOf = ({ context }: Session, version: string): number => versionIndex(context.dataset.chain, version)

/** The bytes of the wanted files at the active snapshot's schema, each with what is derived from it. */
class Wishes {
  readonly #session: Session
  readonly #source: RestoreSource
  readonly #now: Checkpointed
  readonly #asked: ReadonlySet<string>

  constructor(session: Session, source: RestoreSource, now: Checkpointed) {
    this.#session = session
    this.#source = source
    this.#now = now
    this.#asked = new Set(source.files.map((f) => f.path))
  }

  get #isOther(): boolean {
    return this.#source.snapshot.schemaVersion !== this.#now.snapshot.schemaVersion
  }

  /** The file as it is to be, and where. */
  take(file: FileEntry): Converted {
    return this.#isOther ? this.#converted(file.path) : { path: file.path, bytes: this.#session.repository.blob(file.oid, file.size) }
  }

  /** What is made from a file goes with it, unless it is restored itself. */
  derived(path: string, bytes: Uint8Array): { path: string; bytes: Uint8Array }[] {
    const { context, repository } = this.#session
    const { dataset } = context
    const position = positionOf(this.#session, this.#now.snapshot.schemaVersion)
    const kinds = dataset.chain.schemas[position]?.kinds ?? {}
    if (kinds[kindOf(kinds, path) ?? '']?.record === undefined) return []
    const read = (p: string): Uint8Array => {
      const entry = this.#now.files.get(p)
      if (entry === undefined) throw new StrataError('ABSENT', `there is no ${p}`, { data: { file: p } })
      return repository.blob(entry.oid, entry.size)
    }
    const transformer = new Transformer(dataset, sourceOf(dataset, [...this.#now.files.keys()], read, position))
    const made = this.#timed(transformer, path, bytes.byteLength, () => transformer.rederive(path, position, bytes))
    return made.flatMap((f) => (f.bytes === null || this.#asked.has(f.path) ? [] : [{ path: f.path, bytes: f.bytes }]))
  }

  #converted(path: string): Converted {
    const { context, repository } = this.#session
    const files = new Map(repository.manifest(this.#source.commit).files.map((f) => [f.path, f]))
    const read = (p: string): Uint8Array => {
      const entry = files.get(p)
      if (entry === undefined) throw new StrataError('ABSENT', `${this.#source.snapshot.id} has no file ${p}`, { data: { file: p } })
      return repository.blob(entry.oid, entry.size)
    }
    const source = sourceOf(context.dataset, [...files.keys()], read, positionOf(this.#session, this.#source.snapshot.schemaVersion))
    const there = { position: positionOf(this.#session, this.#now.snapshot.schemaVersion), paths: this.#now.files.keys() }
    const transformer = new Transformer(context.dataset, source, {}, there)
    const version = this.#now.snapshot.schemaVersion
    return this.#timed(transformer, path, files.get(path)?.size ?? 0, () => fileFrom(transformer, context.dataset, source, path, version))
  }

  #timed<T>(transformer: Transformer, path: string, size: number, work: () => T): T {
    return inTime({ path, size }, this.#session.context.dataset.secondsPerFile, () => transformer.place, work)
  }
}

/** The directory of the job's only target. */
const stagedAt = ({ staging, targets }: JobWork): string => {
  const [target] = targets
  if (target === undefined) throw new StrataError('ABSENT', 'the job has no target')
  return staging.directory(target)
}

const put = (work: JobWork, wanted: Wanted): Made => {
  const { path, mode, bytes } = wanted
  const pack = encodeEntries([{ type: 'blob', bytes }])
  work.transaction.addBatch(pack)
  const oid = pack.table[0]?.oid
  if (oid === undefined) throw new StrataError('ABSENT', 'a blob was not encoded')
  writeStaged(work.session.context.fs, join(stagedAt(work), path), bytes, mode)
  return { path, size: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex'), oid, mode, same: false }
}

/** Every file of the active directory that nothing restored stands for. */
const copyRest = async (work: JobWork, now: Checkpointed): Promise<void> => {
  const { session, staging, pool, progress } = work
  const produced = staging.produced()
  const rest = [...now.files.values()].filter((f) => !produced.has(f.path))
  const immutable = immutablePaths(session.context.dataset, [...now.files.keys()])
  const [root, copyTo] = [session.context.paths.snapshot(now.snapshot.id), stagedAt(work)]
  const tasks = (function* () {
    for (const batch of batches(rest))
      yield {
        type: 'capture' as const,
        root,
        copyTo,
        base: null,
        files: batch.map(({ path, size, sha256 }) => ({ path, size, known: sha256, isImmutable: immutable.has(path) })),
      }
  })()
  await pool.each(tasks, ({ files, gone, links }) => {
    staging.links.add(links)
    throwIfCancelled(work.signal)
    const changed = [...gone, ...files.flatMap((f) => (f.same ? [] : [f.path]))]
    if (changed.length > 0)
      throw new StrataError('UNSTABLE', `${changed[0] ?? ''} changed while it was copied`, { data: { files: changed } })
    for (const { path } of files) {
      const entry = now.files.get(path)
      if (entry !== undefined) staging.put(path, [{ ...entry, same: true }], [])
    }
    progress.advance(files.length, 0, 0, files.at(-1)?.path ?? null)
  })
}

/** Returns the paths that were put in. */
const restoreAll = (work: JobWork, source: RestoreSource, now: Checkpointed): Set<string> => {
  const paths = new Set<string>()
  const wishes = new Wishes(work.session, source, now)
  for (const file of source.files) {
    throwIfCancelled(work.signal)
    const { path, bytes } = wishes.take(file)
    const made = put(work, { path, mode: file.mode, bytes })
    paths.add(path)
    const derived = wishes.derived(path, bytes).map((f) => put(work, { ...f, mode: now.files.get(f.path)?.mode ?? file.mode }))
    work.staging.put(path, [made, ...derived], [])
    work.progress.advance(1, file.size, 0, path)
  }
  return paths
}

const foldersFor = (source: RestoreSource, now: Checkpointed) => {
  const known = new Map([...source.directories, ...now.directories].map((d) => [d.path, d]))
  return { files: new Map(), directories: [...known.values()].sort((a, b) => (a.path < b.path ? -1 : 1)) }
}

const holdOf = ({ hold }: State): JobSpec['hold'] => (hold === null ? null : { reason: hold.reason, newest: hold.newest })

const specFor = (session: Session, source: RestoreSource, before: Checkpointed): JobSpec => {
  const position = positionOf(session, before.snapshot.schemaVersion)
  let restored: ReadonlySet<string> = new Set()
  return {
    kind: 'restore',
    reason: 'restore',
    hold: holdOf(session.state),
    from: before.snapshot,
    base: position,
    positions: [position],
    toVersion: before.snapshot.schemaVersion,
    before,
    fill: async (work) => {
      work.staging.begin(foldersFor(source, before))
      restored = restoreAll(work, source, before)
      await copyRest(work, before)
    },
    catchUp: async (work, changed, now) => {
      // What is restored counts, whatever the application wrote there meanwhile: that is in the history.
      for (const path of changed) if (!restored.has(path)) work.staging.drop(path)
      if (changed.some((path) => restored.has(path))) restored = restoreAll(work, source, now)
      await copyRest(work, now)
    },
  }
}

/** A whole snapshot of another schema is what a rollback or a migration is for. */
const refuseOther = (source: RestoreSource, version: string): void => {
  if (source.path !== null || source.snapshot.schemaVersion === version) return
  throw new StrataError(
    'BAD_ARGUMENT',
    `${source.snapshot.id} is of schema ${source.snapshot.schemaVersion}, the active data of ${version}`,
    {
      data: { snapshot: source.snapshot.id, version },
      hint: `Go back to it: strata rollback. Take single files or folders: strata restore ${source.snapshot.id}:PATH --live. Or look at it elsewhere: --to DIR.`,
    },
  )
}

const refuseUnknown = (session: Session, versions: readonly string[]): void => {
  const { chain } = session.context.dataset
  const unknown = versions.find((version) => versionIndex(chain, version) < 0)
  if (unknown === undefined) return
  throw new StrataError('NEWER_SCHEMA', `schema version ${unknown} is not known to this chain`, {
    data: { version: unknown, known: chain.schemas.map((s) => s.version) },
    hint: 'Use the version of the application that knows it, or restore elsewhere: --to DIR.',
  })
}

const ATTEMPTS = 3

/**
 * Puts a file, a folder or a whole snapshot, as committed, into the active data. What the application has written is committed first.
 * Files that the snapshot doesn't have stay. Throws ABSENT, BAD_ARGUMENT, UNSTABLE, NO_SPACE, and what a migration throws.
 */
export const restoreLive = async (session: Session, name: string, options: JobOptions): Promise<RestoredLive> => {
  const { context, repository } = session
  const active = activeSnapshot(session.state)
  if (active === undefined)
    throw new StrataError('NO_STORE', 'the store holds no snapshot yet', { hint: 'Capture one with: strata init --from DIR' })
  const source = restoreSource(context, session.state, repository, name)
  refuseOther(source, active.schemaVersion)
  refuseUnknown(session, [active.schemaVersion, source.snapshot.schemaVersion])
  options.progress.phase('backup')
  let before = await checkpoint(session, active.id, 'before restoring')
  const files = source.files.map((f) => f.path)
  const done = { snapshot: source.snapshot.id, commit: source.commit, files }
  if (source.files.every((f) => isThere(before.files.get(f.path), f))) return { jobId: null, ...done }
  const bytes = [...before.files.values()].reduce((sum, f) => sum + f.size, 0)
  preflight(context, bytes, before.files.size, 1)
  options.progress.totals(before.files.size, bytes, [{ version: active.schemaVersion, description: `Restore from ${source.snapshot.id}` }])
  for (let attempt = 1; ; attempt++) {
    try {
      const jobId = await runJob(session, specFor(session, source, before), options)
      options.progress.phase('done')
      return { jobId, ...done }
    } catch (error) {
      if (!(error instanceof StrataError && error.code === 'UNSTABLE') || attempt >= ATTEMPTS) throw error
      context.log('warning', `attempt ${attempt}: ${messageOf(error)}; starting over`)
      before = await checkpoint(session, active.id, 'written while restoring')
    }
  }
}

const isThere = (now: FileEntry | undefined, wanted: FileEntry): boolean => now?.sha256 === wanted.sha256 && now.mode === wanted.mode
