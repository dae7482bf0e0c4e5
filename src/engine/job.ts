import { StrataError, hasCode, messageOf } from '../core/errors.ts'
import type { Issue } from '../core/issues.ts'
import { issueOf } from '../core/issues.ts'
import type { FileEntry } from '../core/manifest.ts'
import { discard, removeTree } from '../storage/durable.ts'
import { flushStaged, letRest, publish } from './staged-directory.ts'
import type { Checkpointed } from './checkpoint.ts'
import { checkpoint } from './checkpoint.ts'
import type { Context } from './context.ts'
import { isQuiet, look, remember, scan } from './directory.ts'
import type { JobOptions, JobSpec, JobWork } from './job-spec.ts'
import { Pool } from './pool.ts'
import { recordSeal, sealTargets } from './seal.ts'
import type { Session } from './session.ts'
import type { StageTarget, StagedStep } from './stage.ts'
import { Staging } from './stage.ts'
import { verifySnapshot } from './verify-directory.ts'

const CATCH_UP_ROUNDS = 5

export const throwIfCancelled = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted === true)
    throw new StrataError('CANCELLED', 'CANCELLED: stopped on request; the active snapshot is as it was', {
      hint: 'Start again at any time.',
    })
}

const late = (files: readonly string[]): StrataError =>
  new StrataError('UNSTABLE', `the application keeps writing: ${files.slice(0, 5).join(', ')}`, {
    data: { files },
    hint: 'Close the application, then migrate again.',
  })

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
    context.log('info', `${step.changed} files changed, ${step.created} created, ${step.removed} removed`, { step: version })
    logIssues(context, step.issues, version)
  })
}

/** Rounds of taking in what the application wrote meanwhile, until a scan finds nothing new. */
const settle = async (work: JobWork, spec: JobSpec, first: Checkpointed): Promise<Checkpointed> => {
  let now = first
  for (let round = 0; round < CATCH_UP_ROUNDS; round++) {
    throwIfCancelled(work.signal)
    const next = await checkpoint(work.session, spec.from.id, 'written while migrating')
    if (next.changed.length === 0) return now
    if (spec.catchUp === undefined) throw late(next.changed)
    work.session.context.log('info', `${next.changed.length} files were written meanwhile and are taken in`)
    now = next
    await spec.catchUp(work, next.changed, next)
  }
  throw late([])
}

const stageAll = (work: JobWork, before: ReadonlyMap<string, FileEntry>): StagedStep[] => {
  let previous = before
  return work.targets.map((_, i) => {
    const step = work.staging.step(i, previous)
    previous = step.files
    return step
  })
}

/** From filled staging directories to the switch: durable, sealed, verified, rescanned, activated. */
const finish = async (work: JobWork, spec: JobSpec): Promise<void> => {
  const { session, staging, targets, pool, progress } = work
  const { context } = session
  const now = await settle(work, spec, spec.before)
  const staged = stageAll(work, spec.onto?.files ?? now.files)
  for (const target of targets) {
    const scanned = scan(context, staging.directory(target))
    await flushStaged(context, staging.directory(target), scanned)
    await letRest(scanned, context.now)
  }
  const made = sealTargets(work, spec, now, staged)
  for (const { snapshot } of made.sealed) publish(context, snapshot)
  // Before the fact is told: a process that ends here leaves no snapshot without its index.
  for (const { snapshot, stored, staged: step, readMs } of made.sealed)
    remember(context, snapshot, stored.commit, step.files, scan(context, context.paths.snapshot(snapshot)), readMs)
  recordSeal(work, spec, now, made)
  logSteps(context, staged, targets)
  progress.phase('verifying')
  const proofs = []
  for (const { snapshot, staged: step } of made.sealed) {
    throwIfCancelled(work.signal)
    const sealed = session.state.snapshots[snapshot]
    if (sealed !== undefined) proofs.push(await verifySnapshot(context, pool, sealed, step.files.values()))
  }
  progress.phase('activating')
  await rescan(work, spec)
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
    },
  )
  session.project()
}

/** The last look before the commit point at the directory that is left: what came in since is committed, and the job starts over. */
const rescan = async ({ session }: JobWork, spec: JobSpec): Promise<void> => {
  const active = session.state.snapshots[spec.from.id]
  if (active === undefined || isQuiet(look(session.context, active))) return
  const { changed } = await checkpoint(session, spec.from.id, 'written while migrating')
  if (changed.length > 0) throw late(changed)
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

/** Removes them, their indexes first: what finds the directory finds what else was made for it. */
export const sweepAnnounced = (session: Session): void => {
  const { fs, paths } = session.context
  for (const id of unsealed(session.state)) discard(fs, paths.index(id))
  for (const dir of announcedDirectories(session)) removeTree(fs, dir)
}

const recordFailure = (session: Session, staging: Staging, jobId: string, error: unknown): void => {
  // A journal that failed may yet hold the line: what stands for something is for the next start to tell.
  if (hasCode(error, 'DURABILITY', 'CONFLICT')) return
  staging.sweep()
  sweepAnnounced(session)
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
  const staging = new Staging(context, spec.base, targets)
  const bytes = [...spec.before.files.values()].reduce((sum, f) => sum + f.size, 0)
  const { fs, dataset, module, workers } = context
  const pool = new Pool({ fs, dataset, module, bytes, workers, signal: options.signal })
  const transaction = session.repository.begin()
  const work: JobWork = { session, staging, pool, transaction, progress: options.progress, signal: options.signal, jobId, targets }
  try {
    options.progress.phase('migrating')
    await spec.fill(work)
    await finish(work, spec)
    return jobId
  } catch (cause) {
    const error = session.explain(cause)
    transaction.abort()
    recordFailure(session, staging, jobId, error)
    throw error
  } finally {
    await pool.close()
  }
}
