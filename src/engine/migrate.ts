import type { FileEntry } from '../core/manifest.ts'
import { hasCode, isStrataError } from '../core/errors.ts'
import type { Plan } from '../core/plan.ts'
import { planMigration } from '../core/plan.ts'
import type { State } from '../core/state.ts'
import type { Checkpointed } from './checkpoint.ts'
import { checkpoint } from './checkpoint.ts'
import type { JobOptions, JobSpec, JobWork } from './job-spec.ts'
import { workersOf } from './job-spec.ts'
import { runJob } from './job.ts'
import { dropLeftovers } from './memo.ts'
import { preflight } from './preflight.ts'
import { carryLate } from './late.ts'
import { silent } from './progress.ts'
import { redo } from './rollback.ts'
import type { Session } from './session.ts'

const ATTEMPTS = 3

export type Migrated = { readonly kind: Plan['kind']; readonly jobId: string | null; readonly state: State }

/** Transforms all files, again and again those that turn out to have changed since they were captured. */
const transformAll = async (
  work: JobWork,
  before: Checkpointed,
  paths: readonly string[],
  how?: { readonly isCommitted?: boolean; readonly there?: readonly string[] },
): Promise<void> => {
  const { session, staging } = work
  const root = session.context.paths.snapshot(before.snapshot.id)
  const source = {
    root,
    files: before.files,
    scanned: { files: new Map(), directories: before.directories },
    ...(how?.there === undefined ? {} : { there: how.there }),
    bytes: how?.isCommitted === true ? (file: FileEntry) => session.repository.blob(file.oid, file.size) : undefined,
  }
  // Stale files are taken by the next catch-up round, which captures them first.
  await staging.transform(source, paths, workersOf(work))
}

const migrationSpec = (plan: Extract<Plan, { kind: 'migration' }>, before: Checkpointed, toVersion: string): JobSpec => ({
  kind: 'migration',
  reason: 'migration',
  from: before.snapshot,
  base: plan.base,
  positions: plan.steps.map((_, i) => plan.base + i + 1),
  toVersion,
  before,
  fill: async (work) => {
    work.staging.begin({ files: new Map(), directories: before.directories })
    await transformAll(work, before, [...before.files.keys()])
  },
  catchUp: async (work, changed, now, isCommitted) => {
    const again = new Set([...changed, ...work.staging.dependents(changed, [...now.files.keys()])])
    for (const path of again) work.staging.drop(path)
    await transformAll(
      work,
      now,
      [...again].filter((path) => now.files.has(path)),
      { isCommitted },
    )
  },
})

/** Files of an older schema go through the chain alone; everything else is taken over as it is. */
const mendSpec = (plan: Extract<Plan, { kind: 'mend' }>, before: Checkpointed): JobSpec => ({
  kind: 'mend',
  reason: 'mend',
  from: before.snapshot,
  base: plan.position,
  positions: [plan.position],
  toVersion: before.snapshot.schemaVersion,
  before,
  fill: async (work) => {
    work.staging.begin({ files: new Map(), directories: before.directories })
    // A file that was put somewhere stays there.
    await transformAll(work, before, plan.files, { there: plan.files })
    const produced = work.staging.produced()
    await transformAll(
      work,
      before,
      [...before.files.keys()].filter((path) => !produced.has(path)),
    )
  },
})

/** A damaged file that is still damaged would be mended again and again: such a job changes nothing. */
const runPlan = async (session: Session, plan: Plan, before: Checkpointed, options: JobOptions): Promise<string | null> => {
  const { context } = session
  const bytes = [...before.files.values()].reduce((sum, f) => sum + f.size, 0)
  if (plan.kind === 'migration') {
    const toVersion = context.dataset.chain.schemas[plan.to]?.version ?? ''
    const check = (): void => {
      preflight(context, bytes, before.files.size, plan.steps.length, [...before.files.keys()])
    }
    try {
      check()
    } catch (error) {
      // What an interrupted run has left takes room that this one needs.
      if (!hasCode(error, 'NO_SPACE') || !dropLeftovers(context)) throw error
      check()
    }
    options.progress.totals(before.files.size, bytes, plan.steps)
    return runJob(session, migrationSpec(plan, before, toVersion), options)
  }
  if (plan.kind === 'mend') {
    preflight(context, bytes, before.files.size, 1, [...before.files.keys()])
    options.progress.totals(before.files.size, bytes, [{ version: before.snapshot.schemaVersion, description: 'Files of an older schema' }])
    return runJob(session, mendSpec(plan, before), options)
  }
  if (plan.kind === 'redo') await redo(session, false, options)
  return null
}

/** Brings the active snapshot to `to` (by default the newest version): checkpoint first, then what the plan says. */
export const migrate = async (session: Session, to: string | undefined, options: JobOptions): Promise<Migrated> => {
  await carryLate(session, { ...options, progress: silent })
  for (let attempt = 1; ; attempt++) {
    options.progress.phase('backup')
    const active = planMigration(session.state, session.context.dataset.chain, to).from
    const before = await checkpoint(session, active.id, 'before migration')
    const plan = planMigration(session.state, session.context.dataset.chain, to)
    try {
      const jobId = await runPlan(session, plan, before, options)
      if (plan.kind === 'none' && session.state.hold !== null) liftHold(session)
      options.progress.phase('done')
      return { kind: plan.kind, jobId, state: session.state }
    } catch (error) {
      if (!isStrataError(error) || error.code !== 'UNSTABLE' || attempt >= ATTEMPTS) throw error
      session.context.log('warning', `attempt ${attempt}: ${error.message}; starting over`)
    }
  }
}

/** An explicit `migrate` ends the hold also where nothing is left to do. */
const liftHold = (session: Session): void => {
  const active = session.state.active
  const snapshot = active === null ? undefined : session.state.snapshots[active]
  if (snapshot === undefined) return
  session.commit({ type: 'note', event: { type: 'HoldLifted', data: { snapshot: snapshot.id } } })
  session.project()
}
