import { join } from 'node:path'
import { StrataError, hasCode, messageOf } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { Issue } from '../core/issues.ts'
import { collapse, issue, issueOf } from '../core/issues.ts'
import type { Manifest } from '../core/manifest.ts'
import { encodePointer } from '../core/pointer.ts'
import type { Snapshot, State } from '../core/state.ts'
import { activeSnapshot, pointerOf, refsOf } from '../core/state.ts'
import { readText } from '../storage/files.ts'
import { readLines } from '../storage/journal.ts'
import type { PackVisitor } from '../storage/pack-read.ts'
import { PackStore, verifyPack } from '../storage/pack-read.ts'
import { readHead, readLooseRefs, readPackedRefs } from '../storage/refs.ts'
import { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'
import { look } from './directory.ts'
import { Pool } from './pool.ts'
import { refuseLostLine } from './lost-line.ts'
import { readState, readView } from './read.ts'
import { checkDirectory } from './verify-directory.ts'

/** T022's ValidationReport. `errorsFound` and `warningsFound` sum the counts of the issues. */
export type ValidationReport = { valid: boolean; filesChecked: number; errorsFound: number; warningsFound: number; issues: Issue[] }

const KEEP = 'Keep the store as it is: undamaged copies may be below snapshots/ and in the repository (strata show SNAPSHOT:PATH).'
const REWRITE = 'The next command that writes puts it right from the journal, for example: strata checkpoint'

const checkJournal = (context: Context, repository: Repository): Issue[] => {
  try {
    for (const _ of readLines(context.fs, context.paths.journal)) continue
    refuseLostLine(context, repository, readView(context))
    return []
  } catch (error) {
    return [issueOf(error)]
  }
}

const wrong = (file: string, message: string, hint = KEEP): Issue => issue({ code: 'CORRUPT', file, message, hint })

const checkProjections = ({ fs, paths }: Context, state: State): Issue[] => {
  const issues: Issue[] = []
  const pointer = pointerOf(state)
  if (pointer !== undefined && readText(fs, paths.current) !== encodePointer(pointer))
    issues.push(wrong('CURRENT', 'is not what the journal says', REWRITE))
  const packed = readPackedRefs(fs, paths.repository)
  const loose = readLooseRefs(fs, paths.repository)
  for (const [name, oid] of refsOf(state)) {
    const found = loose.get(name) ?? packed.get(name)
    if (found !== oid) issues.push(wrong('repo.git/packed-refs', `${name} is ${found ?? 'missing'}; the journal says ${oid}`, REWRITE))
  }
  if (readHead(fs, paths.repository) !== `refs/heads/${state.active ?? 'none'}`)
    issues.push(wrong('repo.git/HEAD', 'does not name the active snapshot', REWRITE))
  return issues
}

/** Reads every object of every pack; returns the SHA-256 of each blob. */
const checkPacks = ({ fs, paths }: Context): { issues: Issue[]; blobs: Map<Oid, string>; checked: number } => {
  const issues: Issue[] = []
  const blobs = new Map<Oid, string>()
  let checked = 0
  // Shared, so that each index is read once and not once a pack.
  const store = new PackStore(fs, paths.packs)
  for (const name of fs
    .readdir(paths.packs)
    .filter((n) => n.endsWith('.pack'))
    .sort()) {
    const visitor: PackVisitor = {
      onObject: ({ oid, sha256 }) => {
        checked += 1
        if (sha256 !== undefined) blobs.set(oid, sha256)
      },
      onFinding: (finding) =>
        issues.push(wrong(`repo.git/objects/pack/${name}`, `${finding.oid === null ? '' : `object ${finding.oid}: `}${finding.message}`)),
    }
    verifyPack(fs, join(paths.packs, name), visitor, store)
  }
  store.close()
  return { issues, blobs, checked }
}

const compareManifest = (manifest: Manifest, blobs: ReadonlyMap<Oid, string>, commit: Oid): Issue[] =>
  manifest.files.flatMap((f) => {
    const found = blobs.get(f.oid)
    if (found === f.sha256) return []
    return [
      wrong(
        f.path,
        found === undefined
          ? `its object ${f.oid} is missing from the repository (commit ${commit})`
          : `its object ${f.oid} is not what the manifest of commit ${commit} says`,
      ),
    ]
  })

/** Every commit that a snapshot's branch leads to, each manifest against the bytes of its objects. */
const checkHistory = (repository: Repository, state: State, blobs: ReadonlyMap<Oid, string>): Issue[] => {
  const issues: Issue[] = []
  const seen = new Set<string>()
  const queue = Object.values(state.snapshots).map((s) => s.commit)
  for (let commit = queue.pop(); commit !== undefined; commit = queue.pop()) {
    if (seen.has(commit)) continue
    seen.add(commit)
    try {
      const { tree, parents } = repository.commit(commit)
      queue.push(...parents)
      if (seen.has(tree)) continue
      seen.add(tree)
      issues.push(...compareManifest(repository.manifest(commit), blobs, commit))
    } catch (error) {
      issues.push(issueOf(error, { code: 'CORRUPT', file: `repo.git (commit ${commit})`, hint: KEEP }))
    }
  }
  return issues
}

type Checked = { issues: Issue[]; files: number }

/** A file edited since the last checkpoint is not damage; one whose stat says it was not edited, but whose bytes differ, is. */
const checkActive = async (context: Context, repository: Repository, active: Snapshot): Promise<Checked> => {
  const root = context.paths.snapshot(active.id)
  if (context.fs.lstat(root) === undefined)
    return { issues: [wrong(`snapshots/${active.id}`, 'the active directory is missing')], files: 0 }
  const { files } = repository.manifest(active.commit)
  const { index, changes } = look(context, active)
  const edited = new Set(index === undefined ? [] : changes.changed)
  const removed = new Set(changes.removed)
  const pool = new Pool({ fs: context.fs, dataset: context.dataset, module: context.module, bytes: active.bytes, workers: context.workers })
  try {
    const result = await checkDirectory(pool, root, files)
    const issues = result.wrong.map(({ path, why }) =>
      edited.has(path) || removed.has(path)
        ? issue({
            severity: 'warning',
            code: 'EDITED',
            file: path,
            snapshot: active.id,
            message: 'was changed since the last checkpoint',
            hint: 'Keep it with: strata checkpoint',
          })
        : issue({ code: 'CORRUPT', file: path, snapshot: active.id, message: why, hint: KEEP }),
    )
    return { issues: [...issues, ...active.findings.map((f) => ({ ...f, snapshot: active.id }))], files: result.files }
  } finally {
    await pool.close()
  }
}

const report = (issues: readonly Issue[], filesChecked: number): ValidationReport => {
  const all = collapse(issues)
  const sum = (severity: Issue['severity']): number => all.filter((i) => i.severity === severity).reduce((n, i) => n + i.count, 0)
  return { valid: sum('error') === 0, filesChecked, errorsFound: sum('error'), warningsFound: sum('warning'), issues: all }
}

const stateOrIssue = (context: Context): State | Issue => {
  try {
    return readState(context)
  } catch (error) {
    if (hasCode(error, 'NO_STORE')) throw error
    return issueOf(error)
  }
}

/**
 * Reads every byte of the active directory and the repository, compares SHA-256 with the manifests and git ids with the
 * objects, and checks the journal's chain. Changes nothing, takes no lock. Throws NO_STORE.
 */
export const verifyStore = async (context: Context): Promise<ValidationReport> => {
  const state = stateOrIssue(context)
  if ('severity' in state) return report([state], 0)
  const repository = new Repository(context.fs, context.paths.repository)
  try {
    const packs = checkPacks(context)
    const active = activeSnapshot(state)
    if (active === undefined) throw new StrataError('NO_STORE', messageOf('the store holds no snapshot'))
    const directory = await checkActive(context, repository, active).catch(
      (error: unknown): Checked => ({ issues: [issueOf(error, { code: 'CORRUPT', hint: KEEP })], files: 0 }),
    )
    const issues = [
      ...checkJournal(context, repository),
      ...checkProjections(context, state),
      ...packs.issues,
      ...checkHistory(repository, state, packs.blobs),
      ...directory.issues,
      ...state.originalFindings,
    ]
    return report(issues, directory.files + packs.checked)
  } finally {
    repository.close()
  }
}
