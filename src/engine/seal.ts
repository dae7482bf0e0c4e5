import { readableBy } from '../core/chain.ts'
import { StrataError } from '../core/errors.ts'
import type { Carries, EventData, Slice } from '../core/events.ts'
import type { Issue } from '../core/issues.ts'
import type { DirectoryEntry, FileEntry } from '../core/manifest.ts'
import type { StoredCommit } from '../storage/repository.ts'
import type { Scanned } from '../storage/scan.ts'
import { compareBytes } from '../core/names.ts'
import { SnapshotTrees } from '../core/snapshot-trees.ts'
import { commitMessage } from '../core/slice.ts'
import type { Checkpointed } from './checkpoint.ts'
import type { Context } from './context.ts'
import type { JobSpec, JobWork } from './job-spec.ts'
import type { StageTarget, StagedStep } from './stage.ts'

type Files = ReadonlyMap<string, FileEntry>

/** Trees of a target that were made before, and which of its files may have become others since. */
export type Grown = { readonly trees: SnapshotTrees; readonly touched: ReadonlySet<string> }

/** One target, committed. */
export type Sealed = {
  readonly snapshot: string
  readonly stored: StoredCommit
  readonly staged: StagedStep
  readonly readMs: number
  /** A carry's result without what had been written to its target besides; `stored` is then a checkpoint of it. */
  readonly alone: { readonly stored: StoredCommit; readonly files: ReadonlyMap<string, FileEntry> } | null
}

/** Commits of all targets in one transaction; a migrated snapshot's parent is the commit it was made from. */
export const sealTargets = (
  work: JobWork,
  spec: JobSpec,
  now: Checkpointed,
  staged: readonly StagedStep[],
  scanned: readonly Scanned[],
  prepared?: readonly Grown[],
): { sealed: Sealed[]; slice: Slice } => {
  const { session, targets, transaction, jobId } = work
  const { dataset } = session.context
  const readMs = session.context.now().getTime()
  const onlyCarried = spec.onto?.alone(work) ?? null
  const { result: sealed, slice } = session.seal(transaction, (t) => {
    let parent = spec.onto?.origin ?? now.snapshot.commit
    return targets.map((target, i): Sealed => {
      const step = staged[i]
      const schema = dataset.chain.schemas[target.position]
      if (step === undefined || schema === undefined) throw new StrataError('ABSENT', `step ${i} was not staged`)
      const directories = scanned[i]?.directories ?? []
      const foldersOf = (files: Files): readonly DirectoryEntry[] =>
        spec.onto === undefined ? directories : withParents(directories, files)
      const common = { 'Strata-Snapshot': target.snapshot, 'Strata-Seq': session.state.seq + 1, 'Schema-Version': schema.version }
      const carries: Record<string, string> = spec.onto === undefined ? {} : { Carries: `${now.snapshot.id} ${now.snapshot.commit}` }
      const commit = (files: Files, subject: string, own: Readonly<Record<string, string>>): StoredCommit => {
        const made = t.addSnapshot(grown(prepared?.[i], files, foldersOf(files)), (digest) => ({
          message: commitMessage(subject, { ...common, ...own, 'Manifest-Sha256': digest }),
          parents: [parent],
          timestamp: session.seconds,
        }))
        parent = made.commit
        return made
      }
      const own = { Migration: schema.version, Job: jobId, ...carries }
      const subject = subjectOf(spec, target, dataset.chain)
      if (onlyCarried === null)
        return { snapshot: target.snapshot, stored: commit(step.files, subject, own), staged: step, readMs, alone: null }
      const alone = { stored: commit(onlyCarried, subject, own), files: onlyCarried }
      const stored = commit(step.files, `Checkpoint ${schema.version}: ${ALSO_WRITTEN}`, {})
      return { snapshot: target.snapshot, stored, staged: step, readMs, alone }
    })
  })
  return { sealed, slice }
}

/** Trees that were made before are gone on with. */
const grown = (before: Grown | undefined, files: Files, directories: readonly DirectoryEntry[]): SnapshotTrees => {
  if (before === undefined) return new SnapshotTrees(files, directories)
  before.trees.update(files, directories, before.touched)
  return before.trees
}

/** The folders of a directory, and those that files of the same snapshot had at another time. */
const withParents = (directories: readonly DirectoryEntry[], files: Files): DirectoryEntry[] => {
  const known = new Map(directories.map((d) => [d.path, d]))
  for (const path of files.keys())
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const folder = path.slice(0, end)
      if (known.has(folder)) break
      known.set(folder, { path: folder, mode: 0o755 })
    }
  return [...known.values()].sort((a, b) => compareBytes(a.path, b.path))
}

const ALSO_WRITTEN = 'written to the target of the carry itself'

const subjectOf = (spec: JobSpec, target: StageTarget, chain: Context['dataset']['chain']): string => {
  const version = chain.schemas[target.position]?.version ?? ''
  if (spec.kind === 'carry') return `Carry into ${version}: data written in ${spec.from.schemaVersion}`
  if (spec.kind === 'mend') return `Mend ${version}: files of an older schema`
  if (spec.kind === 'restore') return `Restore into ${version}: files of another snapshot`
  if (spec.kind === 'adopt') return `Adopt into ${version}: data written to the original directory`
  const m = chain.migrations[target.position - 1]
  return `Migrate ${m?.from.version ?? ''} to ${version}: ${m?.description ?? ''}`
}

/** What could not be read, or was set aside, by its path after all these steps. Records are found again by each pass over their file. */
const quarantinedAt = (staged: readonly StagedStep[]): Map<string, Issue> => {
  const found = new Map<string, Issue>()
  for (const { issues, moved } of staged) {
    for (const one of issues) if (one.code === 'QUARANTINED' && one.file !== null) found.set(one.file, one)
    for (const [from, to] of moved) {
      const one = found.get(from)
      if (one !== undefined && found.delete(from)) found.set(to, { ...one, file: to })
    }
  }
  return found
}

/** Findings that go on with the new snapshot: what could not be read, and what was known of files that are still there. */
const findingsOf = (staged: readonly StagedStep[], index: number, now: Checkpointed, mended: boolean): Issue[] => {
  const files = staged[index]?.files
  const quarantined = quarantinedAt(staged.slice(0, index + 1))
  const isAsItWas = (path: string): boolean => files?.get(path)?.sha256 === now.files.get(path)?.sha256
  const kept = now.snapshot.findings.filter(
    ({ file, code }) =>
      file !== null &&
      files?.has(file) === true &&
      !quarantined.has(file) &&
      (code === 'UNKNOWN_FILE' || ((mended || isAsItWas(file)) && (code === 'QUARANTINED' || code === 'DAMAGED_FILE'))),
  )
  return [...kept, ...quarantined.values()]
}

const carriesOf = ({ onto }: JobSpec, { snapshot }: Checkpointed): { carries?: Carries } =>
  onto === undefined ? {} : { carries: { snapshot: snapshot.id, commit: snapshot.commit } }

const bytesOf = (files: ReadonlyMap<string, FileEntry>): number => [...files.values()].reduce((sum, f) => sum + f.size, 0)

const contentFacts = ({ commit, manifest }: StoredCommit, files: ReadonlyMap<string, FileEntry>, bytes: number) => ({
  commit,
  manifest,
  files: files.size,
  bytes,
})

const sharedBytes = (files: ReadonlyMap<string, FileEntry>, before: ReadonlyMap<string, FileEntry>): number =>
  [...files.values()].reduce((sum, f) => (before.get(f.path)?.sha256 === f.sha256 ? sum + f.size : sum), 0)

const alsoWritten = (
  snapshot: string,
  stored: StoredCommit,
  { files, bytes }: StagedStep,
  before: ReadonlyMap<string, FileEntry>,
): Omit<EventData['CheckpointTaken'], 'findings' | 'slice'> => {
  const paths = new Set([...files.keys(), ...before.keys()])
  const changed = [...paths].filter((path) => files.get(path)?.sha256 !== before.get(path)?.sha256).length
  return { snapshot, changed, reason: ALSO_WRITTEN, ...contentFacts(stored, files, bytes) }
}

/** What a step of the job found and did. */
const completedFacts = (work: JobWork, spec: JobSpec, step: StagedStep, target: StageTarget): EventData['StepCompleted'] => {
  const { chain } = work.session.context.dataset
  const own = chain.migrations[target.position - 1]?.description ?? ''
  return {
    version: chain.schemas[target.position]?.version ?? '',
    description: spec.onto === undefined ? own : subjectOf(spec, target, chain),
    changed: step.changed,
    created: step.created,
    removed: step.removed,
    records: work.staging.records,
    issues: [...step.issues],
    ...work.staging.work,
  }
}

/** The fact that the targets are there, in one line of the journal. */
export const recordSeal = (work: JobWork, spec: JobSpec, now: Checkpointed, made: { sealed: Sealed[]; slice: Slice }): void => {
  const { session, targets, jobId } = work
  const { chain } = session.context.dataset
  const staged = made.sealed.map((s) => s.staged)
  const { onto } = spec
  let [from, fromCommit] = onto === undefined ? [now.snapshot.id, now.snapshot.commit] : [onto.snapshot.id, onto.origin]
  const carries = carriesOf(spec, now)
  const before = (i: number): ReadonlyMap<string, FileEntry> => staged[i - 1]?.files ?? onto?.files ?? now.files
  const steps = made.sealed.map(({ snapshot, stored, staged: step, alone }, i) => {
    const position = targets[i]?.position ?? 0
    const version = chain.schemas[position]?.version ?? ''
    const files = alone?.files ?? step.files
    const findings = onto === undefined ? findingsOf(staged, i, now, spec.kind !== 'migration') : onto.findings()
    const slice = i === made.sealed.length - 1 ? made.slice : null
    const event = {
      completed: completedFacts(work, spec, step, { position, snapshot }),
      sealed: {
        snapshot,
        schemaVersion: version,
        ...contentFacts(alone?.stored ?? stored, files, alone === null ? step.bytes : bytesOf(files)),
        from,
        fromCommit,
        ...carries,
        shared: alone === null ? step.shared : sharedBytes(files, before(i)),
        readableBy: readableBy(chain, position),
        findings,
        slice: alone === null ? slice : null,
      },
      then: alone === null ? undefined : { ...alsoWritten(snapshot, stored, step, alone.files), findings, slice: made.slice },
    }
    from = snapshot
    fromCommit = stored.commit
    return event
  })
  session.commit({ type: 'seal', jobId, steps })
}
