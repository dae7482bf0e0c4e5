import { readableBy } from '../core/chain.ts'
import { StrataError } from '../core/errors.ts'
import type { Slice } from '../core/events.ts'
import type { Issue } from '../core/issues.ts'
import type { StoredCommit } from '../storage/repository.ts'
import { commitMessage } from '../core/slice.ts'
import type { Checkpointed } from './checkpoint.ts'
import type { Context } from './context.ts'
import { manifestOf, scan } from './directory.ts'
import type { JobSpec, JobWork } from './job-spec.ts'
import type { StageTarget, StagedStep } from './stage.ts'

/** One target, committed. */
export type Sealed = { readonly snapshot: string; readonly stored: StoredCommit; readonly staged: StagedStep; readonly readMs: number }

/** Commits of all targets in one transaction; a migrated snapshot's parent is the commit it was made from. */
export const sealTargets = (
  work: JobWork,
  spec: JobSpec,
  now: Checkpointed,
  staged: readonly StagedStep[],
): { sealed: Sealed[]; slice: Slice } => {
  const { session, staging, targets, transaction, jobId } = work
  const { dataset } = session.context
  const readMs = session.context.now().getTime()
  const { result: sealed, slice } = session.seal(transaction, (t) => {
    let parent = now.snapshot.commit
    return targets.map((target, i): Sealed => {
      const step = staged[i]
      const schema = dataset.chain.schemas[target.position]
      if (step === undefined || schema === undefined) throw new StrataError('ABSENT', `step ${i} was not staged`)
      const stored = t.addSnapshot(
        manifestOf(step.files.values(), scan(session.context, staging.directory(target)).directories),
        (digest) => ({
          message: commitMessage(subjectOf(spec, target, dataset.chain), {
            'Strata-Snapshot': target.snapshot,
            'Strata-Seq': session.state.seq + 1,
            'Schema-Version': schema.version,
            Migration: schema.version,
            Job: jobId,
            'Manifest-Sha256': digest,
          }),
          parents: [parent],
          timestamp: session.seconds,
        }),
      )
      parent = stored.commit
      return { snapshot: target.snapshot, stored, staged: step, readMs }
    })
  })
  return { sealed, slice }
}

const subjectOf = (spec: JobSpec, target: StageTarget, chain: Context['dataset']['chain']): string => {
  const version = chain.schemas[target.position]?.version ?? ''
  if (spec.kind === 'mend') return `Mend ${version}: files of an older schema`
  if (spec.kind === 'adopt') return `Adopt into ${version}: data written to the original directory`
  const m = chain.migrations[target.position - 1]
  return `Migrate ${m?.from.version ?? ''} to ${version}: ${m?.description ?? ''}`
}

/** Findings that go on with the new snapshot: what could not be read, and what was known of files that are still there. */
const findingsOf = (staged: readonly StagedStep[], index: number, now: Checkpointed, mended: boolean): Issue[] => {
  const files = staged[index]?.files
  const quarantined = staged.slice(0, index + 1).flatMap((s) => s.issues.filter((i) => i.code === 'QUARANTINED'))
  const again = new Set(quarantined.map((i) => i.file))
  const kept = now.snapshot.findings.filter(
    (f) =>
      f.file !== null &&
      files?.has(f.file) === true &&
      !again.has(f.file) &&
      (f.code === 'UNKNOWN_FILE' || (mended && (f.code === 'QUARANTINED' || f.code === 'DAMAGED_FILE'))),
  )
  return [...kept, ...quarantined]
}

/** The fact that the targets are there, in one line of the journal. */
export const recordSeal = (work: JobWork, spec: JobSpec, now: Checkpointed, made: { sealed: Sealed[]; slice: Slice }): void => {
  const { session, targets, staging, jobId } = work
  const { chain } = session.context.dataset
  const staged = made.sealed.map((s) => s.staged)
  let [from, fromCommit] = [now.snapshot.id, now.snapshot.commit]
  const steps = made.sealed.map(({ snapshot, stored, staged: step }, i) => {
    const position = targets[i]?.position ?? 0
    const version = chain.schemas[position]?.version ?? ''
    const files = [...step.files.values()]
    const event = {
      completed: {
        version,
        description: chain.migrations[position - 1]?.description ?? '',
        changed: step.changed,
        created: step.created,
        removed: step.removed,
        records: staging.records,
        issues: step.issues,
      },
      sealed: {
        snapshot,
        schemaVersion: version,
        commit: stored.commit,
        from,
        fromCommit,
        files: files.length,
        bytes: files.reduce((sum, f) => sum + f.size, 0),
        manifest: stored.manifest,
        readableBy: readableBy(chain, position),
        findings: findingsOf(staged, i, now, spec.kind !== 'migration'),
        slice: i === made.sealed.length - 1 ? made.slice : null,
      },
    }
    from = snapshot
    fromCommit = stored.commit
    return event
  })
  session.commit({ type: 'seal', jobId, steps })
}
