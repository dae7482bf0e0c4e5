import type { VerifiedSnapshot } from '../core/decide.ts'
import { StrataError, hasCode, messageOf } from '../core/errors.ts'
import type { Issue } from '../core/issues.ts'
import { issueOf } from '../core/issues.ts'
import type { FileEntry } from '../core/manifest.ts'
import { plural } from '../core/plural.ts'
import { discard, removeTree } from '../storage/durable.ts'
import type { Scanned } from '../storage/scan.ts'
import { scanStaged } from './links.ts'
import { flushStaged, letRest, publish } from './staged-directory.ts'
import type { Checkpointed } from './checkpoint.ts'
import { checkpoint } from './checkpoint.ts'
import type { Context } from './context.ts'
import { isQuiet, look, remember } from './directory.ts'
import type { JobOptions, JobSpec, JobWork, OnlineOptions } from './job-spec.ts'
import { stillWriting, throwIfCancelled, workersOf } from './job-spec.ts'
import type { Renewed } from './online.ts'
import { catchLast, catchUp, flushAgain, pause, prepare, stageAgain } from './online.ts'
import type { Run } from './memo.ts'
import { dropLeftovers, hasMemo, keepLeftover, openMemos } from './memo.ts'
import { poolFor } from './pool.ts'
import { regather } from './regather.ts'
import type { Sealed } from './seal.ts'
import { recordSeal, sealTargets } from './seal.ts'
import type { Session } from './session.ts'
import type { StageTarget, StagedStep } from './stage.ts'
import { Staging, passTargets } from './stage.ts'
import { verifySnapshot } from './verify-directory.ts'

const CATCH_UP_ROUNDS = 5

/** Alike warnings of many files are one line: what it is, how often, in how many files. */
const logIssues = (context: Context, issues: readonly Issue[], step: string): void => {
  const groups = new Map<string, Issue[]>()
  for (const found of issues) {
    const key = `${found.code} ${found.message}`
    groups.set(key, [...(groups.get(key) ?? []), found])
  }
  for (const [text, group] of groups) {
    const [first] = group
    const times = group.reduce((n, i) => n + i.count, 0)
    const often = group.length > 1 ? ` (${times} times in ${group.length} files)` : times > 1 ? ` (${times} times)` : ''
    const file = group.length === 1 ? (first?.file ?? '') : ''
    context.log(first?.severity ?? 'warning', `${text.replace(' ', ': ')}${often}`, { step, file })
  }
}

const logSteps = (context: Context, staged: readonly StagedStep[], targets: readonly StageTarget[]): void => {
  staged.forEach((step, i) => {
    const version = context.dataset.chain.schemas[targets[i]?.position ?? 0]?.version ?? ''
    context.log(
      'info',
      `${step.changed} ${step.changed === 1 ? 'file' : 'files'} changed, ${step.created} created, ${step.removed} removed`,
      { step: version },
    )
    logIssues(context, step.issues, version)
  })
}

/** Rounds of taking in what the application wrote meanwhile, until a scan finds nothing new. */
const settle = async (work: JobWork, spec: JobSpec, first: Checkpointed): Promise<Checkpointed> => {
  let now = first
  for (let round = 0; round < CATCH_UP_ROUNDS; round++) {
    throwIfCancelled(work.signal)
    work.staging.links.tell(work.session.context, work.session.state)
    const next = await checkpoint(work.session, spec.from.id, 'written while migrating')
    if (next.changed.length === 0) return now
    if (spec.catchUp === undefined) throw stillWriting(next.changed)
    work.session.context.log('info', `${plural(next.changed.length, 'file was', 'files were')} written meanwhile and taken in`)
    now = next
    await spec.catchUp(work, next.changed, next, false)
  }
  throw stillWriting([])
}

const stageAll = async (work: JobWork, spec: JobSpec, before: ReadonlyMap<string, FileEntry>): Promise<StagedStep[]> => {
  if (spec.kind === 'migration') await work.staging.assemble(workersOf(work))
  else await regather(work, before)
  let previous = before
  return work.targets.map((_, i) => {
    const step = work.staging.step(i, previous)
    previous = step.files
    return step
  })
}

/** From filled staging directories to the switch: durable, sealed, verified, rescanned, activated. */
const finish = async (work: JobWork, spec: JobSpec): Promise<void> => {
  if (work.online !== undefined && spec.catchUp !== undefined) return finishOnline(work, spec, work.online)
  const { session, staging, targets } = work
  const { context } = session
  const now = await settle(work, spec, spec.before)
  const staged = await stageAll(work, spec, spec.onto?.files ?? now.files)
  const scanned: Scanned[] = []
  for (const [i, target] of targets.entries()) {
    const seen = scanStaged(context, staging.directory(target))
    const written = staging.links.writtenIn(seen)
    if (written.length > 0) throw stillWriting(written)
    const isVouched = staging.links.vouchedIn(seen, staged[i]?.files ?? new Map())
    await flushStaged(context, staging.directory(target), seen, staging.early, isVouched)
    await letRest(seen, context.now)
    scanned.push(seen)
  }
  const rest = await sealAndSwitch(work, spec, { now, staged, scanned })
  rest()
}

/** The same while the application works: it waits only for what it wrote last. */
const finishOnline = async (work: JobWork, spec: JobSpec, online: OnlineOptions): Promise<void> => {
  const first = await catchUp(work, spec)
  const prepared = await prepare(work, await stageAll(work, spec, first.files))
  const pausing = await pause(work, spec, online)
  // What need not be done while the application waits.
  const rests: (() => void)[] = []
  work.transaction.hurry()
  try {
    const last = await catchLast(work, spec, online, rests)
    const staged = await stageAgain(work, prepared, first.files, last)
    const renewed = await flushAgain(work, staged, prepared)
    const scanned = renewed.map((r) => r.scanned)
    rests.push(await sealAndSwitch(work, spec, { now: last.now, staged, scanned, online: { renewed, elapsedMs: pausing.elapsedMs } }))
  } finally {
    await pausing.resume()
  }
  for (const rest of rests) rest()
}

type Ready = {
  readonly now: Checkpointed
  readonly staged: readonly StagedStep[]
  /** What the files of the new directories were when they were flushed: before an application could write to one. */
  readonly scanned: readonly Scanned[]
  readonly online?: { readonly renewed: readonly Renewed[]; readonly elapsedMs: () => number }
}

/** The new directories, each byte of which was compared with what was sealed. */
const verifyAll = async (work: JobWork, sealed: readonly Sealed[], { scanned, online }: Ready): Promise<VerifiedSnapshot[]> => {
  const { session, pool, staging } = work
  const proofs = []
  for (const [i, { snapshot, staged }] of sealed.entries()) {
    throwIfCancelled(work.signal)
    const found = session.state.snapshots[snapshot]
    if (found === undefined) continue
    const changed = online?.renewed[i]?.changed
    const isVouched = staging.links.vouchedIn(scanned[i], staged.files)
    const rest =
      changed === undefined
        ? [...staged.files.values()].filter(({ path }) => !isVouched(path))
        : [...changed].flatMap((path) => staged.files.get(path) ?? [])
    const compared = { files: staged.files.size - rest.length, bytes: staged.bytes - rest.reduce((sum, f) => sum + f.size, 0) }
    proofs.push(await verifySnapshot(session.context, pool, found, rest, compared))
  }
  return proofs
}

/** Remembers what the files of the new directories are. */
const indexAll = ({ session: { context } }: JobWork, sealed: readonly Sealed[], scanned: readonly Scanned[]): void => {
  for (const [i, { snapshot, stored, staged, readMs }] of sealed.entries()) {
    const seen = scanned[i]
    if (seen !== undefined) remember(context, snapshot, stored.commit, staged.files, seen, readMs)
  }
}

/** Returns what is left to do when the application may go on. */
const sealAndSwitch = async (work: JobWork, spec: JobSpec, ready: Ready): Promise<() => void> => {
  const { session, progress, targets } = work
  const { context } = session
  const { now, staged, scanned, online } = ready
  const made = sealTargets(work, spec, now, staged, scanned, online?.renewed)
  publish(context, ...made.sealed.map((s) => s.snapshot))
  // Before the fact is told: a process that ends here leaves no snapshot without its index. An application that waits does not wait for it.
  if (online === undefined) indexAll(work, made.sealed, scanned)
  recordSeal(work, spec, now, made)
  progress.phase('verifying')
  const proofs = await verifyAll(work, made.sealed, ready)
  progress.phase('activating')
  // What is written from here on is found in the directory that was left, and carried over.
  if (online === undefined) await rescan(work, spec)
  const proof = proofs.at(-1)
  if (proof === undefined) throw new StrataError('ABSENT', 'the job made no snapshot')
  session.commit(
    { type: 'verify', proofs },
    {
      type: 'activate',
      proof,
      reason: spec.reason,
      jobId: work.jobId,
      hold: spec.hold ?? null,
      ...(spec.carried === undefined ? {} : { carried: spec.carried() }),
      ...(spec.adopted === undefined ? {} : { adopted: spec.adopted }),
      ...(online === undefined ? {} : { pausedMs: online.elapsedMs() }),
    },
  )
  if (online === undefined) session.project()
  else session.projectCurrent()
  const pausedMs = online?.elapsedMs()
  return () => {
    logSteps(context, staged, targets)
    if (online === undefined) return
    context.log('info', `the application waited ${pausedMs ?? 0} ms for the switch`)
    session.project()
    indexAll(work, made.sealed, scanned)
  }
}

/** The last look before the commit point at the directory that is left: what came in since is committed, and the job starts over. */
const rescan = async ({ session }: JobWork, spec: JobSpec): Promise<void> => {
  const active = session.state.snapshots[spec.from.id]
  if (active === undefined || isQuiet(look(session.context, active))) return
  const { changed } = await checkpoint(session, spec.from.id, 'written while migrating')
  if (changed.length > 0) throw stillWriting(changed)
}

const announce = (session: Session, spec: JobSpec, jobId: string, targets: readonly StageTarget[]): void => {
  const { chain } = session.context.dataset
  session.commit({
    type: 'start',
    jobId,
    data: {
      kind: spec.kind,
      from: spec.from.id,
      fromCommit: spec.from.commit,
      fromVersion: spec.from.schemaVersion,
      toVersion: spec.toVersion,
      steps: targets.map((t) => ({ version: chain.schemas[t.position]?.version ?? '', snapshot: t.snapshot })),
      announced: [...targets.map((t) => t.snapshot), ...(spec.announced ?? [])],
      files: spec.before.files.size,
    },
  })
}

/** Directories that were announced and never sealed stand for nothing. */
export const announcedDirectories = ({ context, state }: Session): string[] =>
  unsealed(state)
    .flatMap((id) => [context.paths.staged(id), context.paths.snapshot(id)])
    .filter((dir) => context.fs.lstat(dir) !== undefined)

const unsealed = (state: Session['state']): string[] => state.announced.filter((id) => state.snapshots[id] === undefined)

/**
 * Takes them away, their indexes first: what finds the directory finds what else was made for it. Where the job has noted what it
 * made, the next one may go on with it.
 */
export const sweepAnnounced = (session: Session): void => {
  const { fs, paths } = session.context
  const { running } = session.state
  for (const id of unsealed(session.state)) discard(fs, paths.index(id))
  const isKept = running !== null && hasMemo(session.context, running)
  for (const dir of announcedDirectories(session)) {
    if (!isKept || !keepLeftover(session.context, dir)) removeTree(fs, dir)
  }
}

const recordFailure = (session: Session, staging: Staging, jobId: string, error: unknown): void => {
  // A journal that failed may yet hold the line: what stands for something is for the next start to tell.
  if (hasCode(error, 'DURABILITY')) return
  // The journal is another's by now: what else there is may be its to name.
  if (hasCode(error, 'CONFLICT')) {
    staging.sweep()
    return
  }
  sweepAnnounced(session)
  if (hasCode(error, 'NO_SPACE')) dropLeftovers(session.context)
  if (session.state.running !== jobId) return
  const found = issueOf(error)
  session.commit({
    type: 'fail',
    jobId,
    data: { code: found.code, message: messageOf(error), file: found.file, record: found.record, step: found.step },
  })
  // What the job had recorded before it failed, such as an adopted capture, keeps its ref.
  session.project()
  session.context.log('error', messageOf(error), { file: found.file ?? '', step: found.step ?? '' })
}

/** What each pass of the job goes through. */
const runsOf = ({ dataset }: Context, { base }: JobSpec, targets: readonly StageTarget[], jobId: string): Run[] => {
  let at = base
  return passTargets(dataset, base, targets).map((own) => {
    const run = { base: at, targets: own, jobId }
    at = own.at(-1)?.position ?? at
    return run
  })
}

/** Runs one job to its end. On any failure the active snapshot, its directory and the original data are as they were. */
export const runJob = async (session: Session, spec: JobSpec, options: JobOptions): Promise<string> => {
  const { context } = session
  const jobId = options.jobId ?? `job-${context.id()}`
  const targets = spec.positions.map((position) => ({
    position,
    snapshot: `${context.dataset.chain.schemas[position]?.version ?? ''}-${context.id()}`,
  }))
  announce(session, spec, jobId, targets)
  options.progress.started(jobId)
  // Only a migration takes every file through steps.
  const memos = spec.kind === 'migration' ? openMemos(session, runsOf(context, spec, targets, jobId)) : []
  const staging = new Staging(context, spec.base, targets, memos)
  const bytes = [...spec.before.files.values()].reduce((sum, f) => sum + f.size, 0)
  const pool = poolFor(context, bytes, options.signal)
  const transaction = session.repository.begin()
  const work: JobWork = {
    session,
    staging,
    pool,
    transaction,
    progress: options.progress,
    signal: options.signal,
    jobId,
    targets,
    online: options.online,
    trees: { last: undefined },
  }
  try {
    options.progress.phase('migrating')
    await spec.fill(work)
    await finish(work, spec)
    for (const memo of memos) memo.finish()
    dropLeftovers(context)
    return jobId
  } catch (cause) {
    const error = session.explain(cause)
    transaction.abort()
    // Before the sweep: nobody writes into what is being swept up, or has its files open.
    await pool.close()
    await staging.early.settle().catch(() => undefined)
    for (const memo of memos) memo.close()
    recordFailure(session, staging, jobId, error)
    throw error
  } finally {
    await pool.close()
  }
}
