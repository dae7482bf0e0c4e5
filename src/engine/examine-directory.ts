import { createHash } from 'node:crypto'
import type { Issue } from '../core/issues.ts'
import { issue } from '../core/issues.ts'
import type { FileEntry, Manifest } from '../core/manifest.ts'
import type { Snapshot, State } from '../core/state.ts'
import { activeSnapshot } from '../core/state.ts'
import type { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'
import type { Looked } from './directory.ts'
import { look } from './directory.ts'
import type { Found, Part } from './found.ts'
import { damaged, told } from './found.ts'
import { Pool } from './pool.ts'
import { throughOtherNames } from './shared.ts'
import { checkDirectory } from './verify-directory.ts'

const inPart = ({ path }: FileEntry, part: Part | null): boolean =>
  part === null || createHash('sha256').update(path).digest().readUInt32BE(0) % part.of === part.part

const edited = (snapshot: Snapshot, isActive: boolean, path: string): Issue =>
  issue({
    severity: 'warning',
    code: 'EDITED',
    file: path,
    snapshot: snapshot.id,
    message: 'was changed since the last checkpoint',
    hint: isActive ? 'Keep it with: strata checkpoint' : 'It is committed when this snapshot becomes active.',
  })

/** A write moves a file's time: one that has lost its end while its time stood still was not edited. */
const isCut = ({ index, changes }: Looked, path: string): boolean => {
  const [known, now] = [index?.entries.get(path)?.stat, changes.scanned.files.get(path)]
  return known?.mtimeMs === now?.mtimeMs && known?.size !== now?.size
}

/** Without an index, a file that is younger than the last commit was edited; one that is older, and differs, is damaged. */
const isEdited = (looked: Looked, committedMs: number): ((path: string) => boolean) => {
  const { index, changes } = looked
  const changed = new Set([...changes.changed, ...changes.removed])
  if (index !== undefined) return (path) => changed.has(path) && !isCut(looked, path)
  return (path) => (changes.scanned.files.get(path)?.mtimeMs ?? 0) >= committedMs
}

const WRITTEN_THROUGH = 'was written to through another directory that shares the file (a hard link)'
const PUT_BACK = { hint: 'It is put back from the repository before this snapshot is used, or with: strata repair' }

const damagedFile = ({ id }: Snapshot, path: string, why: string, more: Partial<Issue> = {}): Found =>
  damaged(path, why, { kind: 'file', snapshot: id, path }, { snapshot: id, ...more })

const examineOne = async (
  context: Context,
  repository: Repository,
  snapshot: Snapshot,
  isActive: boolean,
  part: Part | null,
  pool: Pool,
): Promise<{ found: Found[]; files: number }> => {
  const root = context.paths.snapshot(snapshot.id)
  if (context.fs.lstat(root) === undefined) {
    const missing = damaged(`snapshots/${snapshot.id}`, 'the active directory is missing', { kind: 'directory', snapshot: snapshot.id })
    return { found: isActive ? [missing] : [], files: 0 }
  }
  const { files, directories }: Manifest = repository.manifest(snapshot.commit)
  const looked = look(context, snapshot)
  const wasEdited = isEdited(looked, repository.commit(snapshot.commit).committer.timestamp * 1000)
  const wanted = files.filter((f) => inPart(f, part))
  const { wrong, files: count } = await checkDirectory(pool, root, wanted)
  const isShared = throughOtherNames(
    context,
    looked,
    files.map(({ path }) => path),
  )
  const found = wrong.map(({ path, why }) => {
    if (!wasEdited(path)) return damagedFile(snapshot, path, why)
    return isActive || !isShared(path) ? told(edited(snapshot, isActive, path)) : damagedFile(snapshot, path, WRITTEN_THROUGH, PUT_BACK)
  })
  const folders = new Set(looked.changes.scanned.directories.map((d) => d.path))
  const gone = directories.filter(({ path }) => !folders.has(path)).map(({ path }) => told(edited(snapshot, isActive, path)))
  return { found: [...found, ...gone], files: count }
}

/** Workers that read and compare, for so many bytes; whoever has it closes it. */
export const readingPool = ({ fs, paths, dataset, module, workers, mayBlock }: Context, bytes: number): Pool =>
  new Pool({ fs, packs: paths.packs, dataset, module, bytes, isPlain: true, workers, mayBlock })

/** Every byte of the active directory, against the manifest of its last commit. */
export const examineActive = async (context: Context, repository: Repository, state: State): Promise<{ found: Found[]; files: number }> => {
  const active = activeSnapshot(state)
  if (active === undefined) return { found: [], files: 0 }
  const pool = readingPool(context, active.bytes)
  try {
    return await examineOne(context, repository, active, true, null, pool)
  } finally {
    await pool.close()
  }
}

/** Every byte of every directory that is there, against the manifest of its last commit. */
export const examineDirectories = async (
  context: Context,
  repository: Repository,
  state: State,
  part: Part | null,
  pool: Pool,
): Promise<{ found: Found[]; files: number }> => {
  const found: Found[] = []
  let files = 0
  for (const snapshot of Object.values(state.snapshots)) {
    const isActive = snapshot.id === state.active
    try {
      const one = await examineOne(context, repository, snapshot, isActive, part, pool)
      found.push(...one.found)
      files += one.files
    } catch (error) {
      // Its commit or manifest cannot be read: that is told of the repository.
      found.push(damaged(`snapshots/${snapshot.id}`, error instanceof Error ? error.message : String(error), null))
    }
    if (isActive) found.push(...snapshot.findings.map((f) => told({ ...f, snapshot: snapshot.id })))
  }
  return { found, files }
}
