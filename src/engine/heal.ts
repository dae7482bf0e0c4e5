import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import type { FileEntry } from '../core/manifest.ts'
import type { State } from '../core/state.ts'
import { refsOf } from '../core/state.ts'
import { fsyncDirectory, makeDirectory, replaceFile } from '../storage/durable.ts'
import { readFile } from '../storage/files.ts'
import type { Piece } from '../storage/journal-salvage.ts'
import { PackWriter, packEntry } from '../storage/pack-write.ts'
import { salvagePack } from '../storage/pack-salvage.ts'
import type { Quarantine } from '../storage/quarantine.ts'
import type { Repository } from '../storage/repository.ts'
import { FIXED_FILES } from '../storage/repository.ts'
import { keepReserve } from '../storage/reserve.ts'
import { checkpoint } from './checkpoint.ts'
import type { Context } from './context.ts'
import type { Found, Heal } from './found.ts'
import type { Healed, ReadObject } from './heal-objects.ts'
import { healCommits, missingFrom, readSources, remakeSlices } from './heal-objects.ts'
import { materialise } from './materialise.ts'
import type { Session } from './session.ts'
import { rewrite, storedBytes } from './shared.ts'

/** What a repair does to each kind of damage. With `dryRun`, each only says so. */
export type Work = { readonly context: Context; readonly quarantine: Quarantine; readonly actions: string[]; readonly dryRun: boolean }

const healsOf = <K extends Heal['kind']>(found: readonly Found[], kind: K): Extract<Heal, { kind: K }>[] => {
  const seen = new Map<string, Extract<Heal, { kind: K }>>()
  for (const { heal } of found) if (heal?.kind === kind) seen.set(JSON.stringify(heal), heal as Extract<Heal, { kind: K }>)
  return [...seen.values()]
}

/** What is whole in damaged packs: everything but files with its bytes, so that a dry run can go on from it. */
type Saved = ReadonlyMap<Oid, Healed | null>

/** Copies what is whole in damaged packs into a new one, then sets them aside. */
export const healPacks = async (work: Work, found: readonly Found[]): Promise<Saved> => {
  const { context, actions, dryRun } = work
  const { fs, paths } = context
  const names = healsOf(found, 'pack').map(({ name }) => name)
  const saved = new Map<Oid, Healed | null>()
  const writer = dryRun || names.length === 0 ? null : new PackWriter(fs, paths.packs)
  try {
    for (const name of names) {
      let [seen, whole] = [0, 0]
      for (const object of salvagePack(fs, join(paths.packs, name))) {
        // What failed to inflate lets its memory go when the loop pauses.
        if (++seen % 256 === 0) await setImmediate()
        if (object === null) continue
        whole += 1
        saved.set(object.oid, dryRun && object.type !== 'blob' ? object : null)
        writer?.add(packEntry(object.type, object.bytes))
      }
      actions.push(`copy what is whole in ${name} (${whole} objects) into a new pack, and set it aside`)
    }
    setAside(work, names, writer?.finish()?.name, found)
  } catch (error) {
    writer?.abort()
    throw error
  }
  return saved
}

const setAside = (work: Work, packs: readonly string[], made: string | undefined, found: readonly Found[]): void => {
  const { context, quarantine, actions, dryRun } = work
  const { root, paths } = context
  const loose = healsOf(found, 'loose').map(({ path }) => path)
  for (const path of loose) actions.push(`set the damaged ${path} aside`)
  if (dryRun) return
  for (const path of loose) quarantine.move(join(root, path), path.replaceAll('/', '-'))
  for (const name of packs) {
    // The new pack may be the old one over again, whose index alone was damaged.
    if (made === name.replace(/\.pack$/, '')) continue
    quarantine.move(join(paths.packs, name.replace(/\.pack$/, '.idx')))
    quarantine.move(join(paths.packs, name))
  }
}

type Known = {
  readonly state: State
  readonly lines: readonly Piece[]
  readonly types: ReadonlyMap<Oid, ObjectType>
  readonly saved: Saved
}
type Remade = { readonly made: Map<Oid, Healed>; readonly files: Map<Oid, string>; readonly missing: ReadonlySet<Oid> }

/** What of the lost objects can be made again, round after round: a commit that is back leads to more. */
const remake = (context: Context, repository: Repository, { state, lines, types, saved }: Known): Remade => {
  const made = new Map<Oid, Healed>()
  const files = new Map<Oid, string>()
  const read: ReadObject = (oid) => made.get(oid) ?? saved.get(oid) ?? attempt(() => repository.read(oid))
  const search = (): Set<Oid> =>
    missingFrom(
      refsOf(state).values(),
      new Set(state.cut),
      read,
      (oid) => types.has(oid) || saved.has(oid) || made.has(oid) || files.has(oid),
    )
  let missing = search()
  if (missing.size === 0) return { made, files, missing }
  const sources = readSources(context, state)
  const slices = remakeSlices(lines)
  const said = lines.map((l) => l.line)
  const roots = new Map([...rootsIn(repository, types), ...sources.roots])
  for (let before = -1; missing.size > 0 && before !== made.size + files.size; missing = search()) {
    before = made.size + files.size
    const commits = healCommits(context, state, said, missing, roots)
    for (const object of [...sources.made.values(), ...commits, ...slices]) if (missing.has(object.oid)) made.set(object.oid, object)
    for (const oid of missing) {
      const path = sources.files.get(oid)
      if (path !== undefined) files.set(oid, path)
    }
  }
  return { made, files, missing }
}

/** Puts what can be made again into a pack. Returns what stays lost. */
export const healObjects = (work: Work, repository: Repository, known: Known): Oid[] => {
  const { context, actions, dryRun } = work
  const { fs, paths } = context
  const { made, files, missing } = remake(context, repository, known)
  if (made.size + files.size === 0) return [...missing]
  actions.push(`make what the repository has lost again (objects: ${made.size + files.size}, from files of the directories: ${files.size})`)
  if (dryRun) return [...missing]
  const writer = new PackWriter(fs, paths.packs)
  try {
    for (const path of files.values()) writer.add(packEntry('blob', readFile(fs, path) ?? Buffer.alloc(0)))
    for (const { type, bytes } of made.values()) writer.add(packEntry(type, bytes))
    writer.finish()
  } catch (error) {
    writer.abort()
    throw error
  }
  repository.packs.refresh()
  return [...missing]
}

const attempt = <T>(run: () => T): T | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}

/** The root trees in the repository, by the digest of their manifests: for commits that are lost while their trees are not. */
const rootsIn = (repository: Repository, types: ReadonlyMap<Oid, ObjectType>): Map<string, Oid> => {
  const roots = new Map<string, Oid>()
  for (const [oid, type] of types) {
    if (type !== 'tree') continue
    const digest = attempt(() => repository.digestOf(oid))
    if (digest !== undefined) roots.set(digest, oid)
  }
  return roots
}

type Stored = { readonly file: FileEntry; readonly bytes: Uint8Array }
type DamagedFile = Extract<Heal, { kind: 'file' }>

/** Files as the repository has them; each manifest is read once. */
const storedFiles = (state: State, repository: Repository): ((file: DamagedFile) => Stored | undefined) => {
  const manifests = new Map<string, ReadonlyMap<string, FileEntry>>()
  const manifestOf = (snapshot: string): ReadonlyMap<string, FileEntry> => {
    const commit = state.snapshots[snapshot]?.commit
    const files = commit === undefined ? undefined : attempt(() => repository.manifest(commit).files)
    return new Map(files?.map((f) => [f.path, f]))
  }
  return ({ snapshot, path }) => {
    const manifest = manifests.get(snapshot) ?? manifestOf(snapshot)
    manifests.set(snapshot, manifest)
    const file = manifest.get(path)
    const bytes = file === undefined ? undefined : storedBytes(repository, file)
    return file === undefined || bytes === undefined ? undefined : { file, bytes }
  }
}

const healFile = ({ context, quarantine, actions }: Work, file: DamagedFile, stored: Stored | undefined): void => {
  const path = join(context.paths.snapshot(file.snapshot), file.path)
  quarantine.copy(path, join(file.snapshot, file.path))
  if (stored === undefined) return
  makeDirectory(context.fs, dirname(path), 0o755)
  rewrite(context, file.snapshot, stored.file, stored.bytes)
  actions.push(`write ${file.path} of ${file.snapshot} again from the repository`)
}

export const tellFiles = (work: Work, state: State, repository: Repository, found: readonly Found[]): void => {
  const storedOf = storedFiles(state, repository)
  for (const file of healsOf(found, 'file'))
    if (storedOf(file) !== undefined) work.actions.push(`write ${file.path} of ${file.snapshot} again from the repository`)
  for (const { snapshot } of healsOf(found, 'directory')) work.actions.push(`write the directory of ${snapshot} again from the repository`)
}

export const healDirectories = async (work: Work, session: Session, found: readonly Found[]): Promise<void> => {
  const { context, actions } = work
  for (const { snapshot: id } of healsOf(found, 'directory')) {
    const snapshot = session.state.snapshots[id]
    if (snapshot === undefined) continue
    await materialise(session, snapshot)
    actions.push(`write the directory of ${id} again from the repository`)
  }
  const files = healsOf(found, 'file')
  const storedOf = storedFiles(session.state, session.repository)
  for (const file of files) healFile(work, file, storedOf(file))
  // What has been written or accepted is looked at anew: the index of such a directory says nothing any more.
  for (const id of new Set(files.map((f) => f.snapshot))) {
    if (context.fs.lstat(context.paths.index(id)) !== undefined) context.fs.unlink(context.paths.index(id))
    await checkpoint(session, id, 'repaired')
  }
}

/** A snapshot whose last commit the repository has lost for good is committed anew, as its directory is now. */
export const recommit = async (work: Work, session: Session): Promise<void> => {
  for (const { id, commit } of Object.values(session.state.snapshots)) {
    if (work.context.fs.lstat(work.context.paths.snapshot(id)) === undefined) continue
    if (attempt(() => session.repository.manifest(commit)) !== undefined) continue
    await checkpoint(session, id, 'repaired', { afresh: true })
    work.actions.push(`commit the directory of ${id} anew: the repository has lost what it held`)
  }
}

export const healSmall = (work: Work, found: readonly Found[]): void => {
  const { context, actions, dryRun } = work
  const { fs, root, paths } = context
  for (const { path } of healsOf(found, 'fixed')) {
    actions.push(`write repo.git/${path} again`)
    if (!dryRun) replaceFile(fs, join(paths.repository, path), Buffer.from(FIXED_FILES[path] ?? ''))
  }
  for (const { path } of healsOf(found, 'cache')) {
    // The session that repairs has claimed an epoch above every other, and its first line drops them.
    if (path.startsWith('journal/')) continue
    actions.push(path === 'reserve' ? 'hold back room for a rollback on a full disk again' : `make ${path} anew`)
    if (dryRun) continue
    if (path === 'reserve') keepReserve(fs, paths.reserve)
    else if (fs.lstat(join(root, path)) !== undefined) {
      fs.unlink(join(root, path))
      fsyncDirectory(fs, dirname(join(root, path)))
    }
  }
  if (healsOf(found, 'projections').length > 0) actions.push('write CURRENT, HEAD and the branches again from the journal')
}
