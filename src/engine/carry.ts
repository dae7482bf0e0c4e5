import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import { contentOf, pathThere } from '../core/carry-file.ts'
import type { CarriedFile, Contents } from '../core/carry-file.ts'
import type { Sync } from '../core/counterpart.ts'
import { immutablePaths } from '../core/dataset.ts'
import { StrataError, hasCode, isStrataError, messageOf } from '../core/errors.ts'
import type { ActivationReason, CarriedCounts, HoldCause } from '../core/events.ts'
import type { Issue } from '../core/issues.ts'
import { issue, withoutPlace } from '../core/issues.ts'
import type { FileEntry } from '../core/manifest.ts'
import type { Snapshot } from '../core/state.ts'
import { encodeEntries } from '../storage/pack-write.ts'
import { batches } from './batches.ts'
import type { CarriedPath, CarrySides, Obstacle } from './carry-sides.ts'
import { carriedFile, carriedPath, newerSide, obstacles, sidesOf } from './carry-sides.ts'
import type { Checkpointed } from './checkpoint.ts'
import { checkpoint } from './checkpoint.ts'
import type { Difference } from './directory.ts'
import type { JobOptions, JobSpec, JobWork } from './job-spec.ts'
import { throwIfCancelled } from './job-spec.ts'
import { runJob } from './job.ts'
import { preflight } from './preflight.ts'
import type { Session } from './session.ts'
import { writeStaged } from './staged-file.ts'
import { findingsOnDisk } from './survey.ts'
import type { Made } from './task-types.ts'

/**
 * Takes what was written in one snapshot along to another: into a new directory, which is a copy of the other one with the
 * edited files carried through the steps between them by the three-way rule. Both directories that there are stay as they are,
 * and until the switch nothing else has changed.
 */

const notCarried = (to: Snapshot, files: readonly Obstacle[], cause?: unknown): StrataError =>
  new StrataError(
    'DATA_WRITTEN_SINCE',
    `${files.length} ${files.length === 1 ? 'file that has been written since cannot be taken along' : 'files that have been written since cannot be taken along'}: ${files
      .slice(0, 10)
      .map((f) => `${f.path} (${f.why})`)
      .join(', ')}${files.length > 10 ? ', …' : ''}`,
    {
      data: { files, target: to.id },
      hint: 'With --exact the switch is made all the same: what was written stays in the history and in its directory, and redo returns to it.',
      cause,
    },
  )

/** What the steps make of one file; what they cannot be given stops the carry with the file's name. */
const carryOne = (session: Pick<Session, 'context'>, sides: CarrySides, contents: Contents, { path, change }: Difference): CarriedFile => {
  const { context } = session
  try {
    return carriedFile(context, sides, contents, path)
  } catch (error) {
    if (!isStrataError(error) || hasCode(error, 'CORRUPT', 'UNSTABLE')) throw error
    throw notCarried(sides.to, [{ path, change, why: withoutPlace(messageOf(error)) }], error)
  }
}

/** Bytes as an object of the job's transaction. */
const stored = ({ transaction }: JobWork, path: string, bytes: Uint8Array, mode: number): Made => {
  const pack = encodeEntries([{ type: 'blob', bytes }])
  transaction.addBatch(pack)
  const oid = pack.table[0]?.oid
  if (oid === undefined) throw new StrataError('ABSENT', 'a blob was not encoded')
  return { path, size: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex'), oid, mode, same: false }
}

/** The files that one carried file stands for, each with its mode. */
const outputsOf = (work: JobWork, sides: CarrySides, path: string, file: Extract<CarriedFile, { what: 'write' }>) => {
  const mode = sides.ourFiles.get(file.path)?.mode ?? sides.theirFiles.get(path)?.mode ?? 0o600
  const all = [{ path: file.path, bytes: file.bytes }, ...file.derived.map((f) => ({ path: f.path, bytes: f.bytes ?? new Uint8Array() }))]
  return all.map(({ path: name, bytes }) => ({ bytes, made: stored(work, name, bytes, mode) }))
}

/** A carry on its way: what has become of each file so far. */
class Carry {
  sides: CarrySides
  readonly results = new Map<string, CarriedPath>()
  readonly #gone = new Map<string, readonly string[]>()
  readonly #work: JobWork

  constructor(work: JobWork, sides: CarrySides) {
    this.#work = work
    this.sides = sides
  }

  get counts(): CarriedCounts {
    const all = [...this.results.values()]
    const sum = (of: 'added' | 'removed' | 'clashes'): number => all.reduce((n, file) => n + file[of], 0)
    return {
      files: all.filter((f) => f.result === 'carried' || f.result === 'removed').length,
      added: sum('added'),
      removed: sum('removed'),
      clashes: sum('clashes'),
    }
  }

  /** Writes what becomes of these files into the staged directory. */
  run(files: readonly Difference[]): void {
    for (const file of files) {
      throwIfCancelled(this.#work.signal)
      this.#one(file)
      this.#work.progress.advance(1, 0, 0, file.path)
    }
  }

  /** Forgets what had become of files that were written once more. */
  forget(paths: readonly string[]): void {
    for (const path of paths) {
      this.#work.staging.drop(path)
      this.results.delete(path)
      this.#gone.delete(path)
    }
  }

  /** Copies every file of the target that nothing else stands for. */
  async cloneRest(): Promise<void> {
    const { session, staging, pool, targets, progress } = this.#work
    const [target] = targets
    if (target === undefined) return
    const produced = staging.produced()
    const gone = new Set([...this.#gone.values()].flat())
    const rest = [...this.sides.ourFiles.values()].filter(({ path }) => !produced.has(path) && !gone.has(path))
    const immutable = immutablePaths(session.context.dataset, [...this.sides.ourFiles.keys()])
    const root = session.context.paths.snapshot(this.sides.to.id)
    const copyTo = staging.directory(target)
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
    await pool.each(tasks, ({ files, gone: missing, links }) => {
      staging.links.add(links)
      throwIfCancelled(this.#work.signal)
      const changed = [...missing, ...files.flatMap((f) => (f.same ? [] : [f.path]))]
      if (changed.length > 0)
        throw new StrataError('UNSTABLE', `${changed[0] ?? ''} changed while it was copied`, { data: { files: changed } })
      for (const { path } of files) {
        const entry = this.sides.ourFiles.get(path)
        if (entry !== undefined) staging.put(path, [{ ...entry, same: true }], [])
      }
      progress.advance(files.length, 0, 0, files.at(-1)?.path ?? null)
    })
  }

  /** Both sides have changed the same: which one it is now, and where the other one is. */
  #tell(path: string, file: CarriedFile): void {
    const { session, staging } = this.#work
    const isOurs = file.what === 'keep' || newerSide(session.context, this.sides, path) === 'ours'
    const message = `was changed on both sides; the newer change is kept, the other is in the history of ${isOurs ? this.sides.from.id : this.sides.to.id}`
    const step = this.sides.to.schemaVersion
    staging.note(
      issue({ severity: 'warning', code: 'CARRY_CONFLICT', file: path, message, step, hint: 'Compare the two with: strata diff A B PATH' }),
    )
  }

  #tellUnreadable(path: string): void {
    const { from, to } = this.sides
    const message = `what was written cannot be read; it stays in the history of ${from.id}`
    const hint = 'Look at it with: strata show SNAPSHOT:PATH'
    this.#work.staging.note(issue({ severity: 'warning', code: 'CARRY_UNREADABLE', file: path, message, step: to.schemaVersion, hint }))
  }

  #one(difference: Difference): void {
    const { session, staging, targets } = this.#work
    const { path } = difference
    const file = carryOne(session, this.sides, this.sides.contents, difference)
    this.results.set(path, carriedPath(difference, file))
    if (file.what === 'keep' && file.isUnreadable) this.#tellUnreadable(path)
    if (carriedPath(difference, file).clashes > 0) this.#tell(path, file)
    if (file.what === 'remove') this.#gone.set(path, [file.path, ...file.derived])
    if (file.what !== 'write') return
    const [target] = targets
    if (target === undefined) return
    const outputs = outputsOf(this.#work, this.sides, path, file)
    for (const { made, bytes } of outputs) writeStaged(session.context.fs, join(staging.directory(target), made.path), bytes, made.mode)
    staging.put(
      path,
      outputs.map(({ made }) => made),
      [],
    )
  }
}

/** The target as it would be, had nobody written to it since the two sides were the same. */
const alone = (work: JobWork, sides: CarrySides): ReadonlyMap<string, FileEntry> | null => {
  const { session } = work
  if (sides.to.commit === sides.sync.origin) return null
  const files = new Map(session.repository.manifest(sides.sync.origin).files.map((f) => [f.path, f]))
  const contents = sides.contents
  const { position, source } = contents.original
  const undisturbed = { ...contents, ours: contentOf(session.context.dataset, position, source) }
  for (const difference of sides.written) {
    const file = carryOne(session, sides, undisturbed, difference)
    if (file.what === 'remove') for (const path of [file.path, ...file.derived]) files.delete(path)
    if (file.what === 'write') for (const { made } of outputsOf(work, sides, difference.path, file)) files.set(made.path, made)
  }
  return files
}

/** Findings of files that stay; those of carried files are made anew. */
const findingsOf = (work: JobWork, carry: Carry): Issue[] => {
  const { fs, dataset, paths } = work.session.context
  const { to, contents } = carry.sides
  const touched = new Set(
    [...carry.results.values()].flatMap((r) => (r.result === 'carried' || r.result === 'removed' ? [pathThere(contents, r.path)] : [])),
  )
  const kept = to.findings.filter((f) => f.file === null || !touched.has(f.file))
  const [target] = work.targets
  if (target === undefined) return kept
  // By the time it is recorded, the directory is in its place.
  const root = paths.snapshot(target.snapshot)
  const fresh = [...touched]
    .filter((path) => fs.lstat(join(root, path)) !== undefined)
    .flatMap((path) => findingsOnDisk(fs, dataset, contents.ours.position, root, path))
  return [...kept, ...fresh]
}

export type CarryReason = { readonly reason: ActivationReason; readonly hold: HoldCause | null }

/** The job that carries, and what it will have carried. */
const carrySpec = (session: Session, sides: CarrySides, before: Checkpointed, { reason, hold }: CarryReason) => {
  const { context } = session
  const position = versionIndex(context.dataset.chain, sides.to.schemaVersion)
  let carry: Carry | undefined
  let working: JobWork | undefined
  const started = (): { carry: Carry; work: JobWork } => {
    if (carry === undefined || working === undefined) throw new StrataError('ABSENT', 'the carry has not begun')
    return { carry, work: working }
  }
  const spec: JobSpec = {
    kind: 'carry',
    reason,
    hold,
    from: before.snapshot,
    base: position,
    positions: [position],
    toVersion: sides.to.schemaVersion,
    before,
    onto: {
      snapshot: sides.to,
      origin: sides.sync.origin,
      files: sides.ourFiles,
      alone: (work) => alone(work, started().carry.sides),
      findings: () => findingsOf(started().work, started().carry),
    },
    carried: () => started().carry.counts,
    fill: async (work) => {
      working = work
      carry = new Carry(work, sides)
      work.staging.begin({ files: new Map(), directories: session.repository.manifest(sides.to.commit).directories })
      carry.run(sides.written)
      await carry.cloneRest()
    },
    catchUp: async (_work, changed, now) => {
      const { carry: running } = started()
      running.sides = sidesOf(session, now.snapshot, sides.to, sides.sync)
      running.forget(changed)
      const again = new Set(changed)
      running.run(running.sides.written.filter(({ path }) => again.has(path)))
      await running.cloneRest()
    },
  }
  return { spec, results: (): CarriedPath[] => [...started().carry.results.values()] }
}

const ATTEMPTS = 3

export type CarryDone = { readonly to: Snapshot; readonly carried: readonly CarriedPath[] }

/**
 * Carries what was written in the active snapshot into a new one in the place of `to`, and switches to it. Throws DATA_WRITTEN_SINCE
 * with the files that cannot be taken along, NO_SPACE, UNSTABLE; nothing is switched then.
 */
export const carry = async (
  session: Session,
  to: Snapshot,
  sync: Sync,
  before: Checkpointed,
  how: CarryReason,
  options: JobOptions,
): Promise<CarryDone> => {
  const { context } = session
  for (let attempt = 1, now = before; ; attempt++) {
    const sides = sidesOf(session, now.snapshot, to, sync)
    const inTheWay = obstacles(context, sides)
    if (inTheWay.length > 0) throw notCarried(to, inTheWay)
    const bytes = Math.max(...[sides.ourFiles, sides.theirFiles].map((files) => [...files.values()].reduce((sum, f) => sum + f.size, 0)))
    preflight(context, bytes, sides.ourFiles.size, 1, [...sides.ourFiles.keys()])
    options.progress.totals(sides.ourFiles.size, bytes, [{ version: to.schemaVersion, description: 'Data written since' }])
    const { spec, results } = carrySpec(session, sides, now, how)
    try {
      await runJob(session, spec, options)
      options.progress.phase('done')
      const made = session.state.snapshots[session.state.active ?? '']
      return { to: made ?? to, carried: results() }
    } catch (error) {
      if (!hasCode(error, 'UNSTABLE') || attempt >= ATTEMPTS) throw error
      context.log('warning', `attempt ${attempt}: ${messageOf(error)}; starting over`)
      now = await checkpoint(session, before.snapshot.id, 'written while carrying')
    }
  }
}
