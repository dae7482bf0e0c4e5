import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { StrataError, messageOf } from '../core/errors.ts'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import { isOid } from '../core/git-objects.ts'
import type { Manifest } from '../core/manifest.ts'
import type { State } from '../core/state.ts'
import { readText } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import { PackStore } from '../storage/pack-read.ts'
import type { PackFinding, PackVisitor } from '../storage/pack-verify.ts'
import { MOST_FINDINGS, tooManyFindings, verifyFrame } from '../storage/pack-verify.ts'
import type { Repository } from '../storage/repository.ts'
import { FIXED_FILES } from '../storage/repository.ts'
import { batches } from './batches.ts'
import type { Context } from './context.ts'
import type { Found, Heal, Part } from './found.ts'
import { damaged, stale } from './found.ts'
import type { Pool } from './pool.ts'
import type { ObjectsTask } from './task-types.ts'

/** What reading every object found: the type of each, and the SHA-256 of the blobs. */
export type Objects = { readonly found: Found[]; readonly types: Map<Oid, ObjectType>; readonly blobs: Map<Oid, string> }

const inPart = (oid: Oid, part: Part | null): boolean => part === null || Number.parseInt(oid.slice(0, 8), 16) % part.of === part.part

const visitorFor = (objects: Objects, file: string, heal: Heal): PackVisitor => ({
  onObject: ({ oid, type, sha256 }) => {
    objects.types.set(oid, type)
    if (sha256 !== undefined) objects.blobs.set(oid, sha256)
  },
  onFinding: ({ oid, message }) => objects.found.push(damaged(file, `${oid === null ? '' : `object ${oid}: `}${message}`, heal)),
})

/** A sample reads the objects of its part, not the checksums over whole packs. */
const sampleObjects = (fs: FsPort, path: string, name: string, visitor: PackVisitor, store: PackStore, part: Part): void => {
  for (const oid of store.listed(name)) {
    if (!inPart(oid, part)) continue
    try {
      const read = store.readFrom(name, oid)
      if (read === undefined) visitor.onFinding({ oid, message: 'cannot be found' })
      else {
        const sha256 = read.type === 'blob' ? createHash('sha256').update(read.bytes).digest('hex') : undefined
        visitor.onObject({ oid, type: read.type, sha256 })
      }
    } catch (error) {
      visitor.onFinding({ oid, message: messageOf(error) })
    }
  }
  if (fs.lstat(path.replace(/\.pack$/, '.idx')) === undefined) visitor.onFinding({ oid: null, message: 'has no index' })
}

const namesIn = ({ fs, paths }: Context): string[] => (fs.lstat(paths.packs) === undefined ? [] : fs.readdir(paths.packs).sort())

/** Reads every object of a pack, many at a time. */
const verifyObjects = async (fs: FsPort, path: string, visitor: PackVisitor, pool: Pool): Promise<void> => {
  let found = 0
  const tell = (finding: PackFinding): void => {
    found += 1
    visitor.onFinding(finding)
  }
  const places = verifyFrame(fs, path, (message) => {
    tell({ oid: null, message })
  })
  const sized = places.map((place) => ({ place, size: place.end - place.offset }))
  const tasks = (function* (): Generator<ObjectsTask> {
    for (const batch of batches(sized)) {
      if (found > MOST_FINDINGS) return
      yield { type: 'objects', path, entries: batch.map(({ place }) => place) }
    }
  })()
  await pool.each(tasks, ({ objects, findings }) => {
    for (const object of objects) visitor.onObject(object)
    for (const finding of findings) tell(finding)
  })
  if (found > MOST_FINDINGS) visitor.onFinding(tooManyFindings)
}

type Reading = { readonly context: Context; readonly objects: Objects; readonly part: Part | null; readonly pool: Pool }

const examinePack = async ({ context, objects, part, pool }: Reading, name: string, store: PackStore): Promise<void> => {
  const { fs, paths } = context
  const path = join(paths.packs, name)
  if (fs.lstat(path.replace(/\.pack$/, '.idx')) === undefined) {
    // What is missing because of it is told of the commits that need it. Git itself may be writing one at this moment.
    objects.found.push(stale(`repo.git/objects/pack/${name}`, 'has no index', { kind: 'pack', name }))
    return
  }
  const visitor = visitorFor(objects, `repo.git/objects/pack/${name}`, { kind: 'pack', name })
  if (part === null) await verifyObjects(fs, path, visitor, pool)
  else sampleObjects(fs, path, name, visitor, store, part)
}

/** Packs may be rewritten meanwhile, by us or by git: what has gone is not damaged, and what is new is read as well. */
const examinePacks = async (reading: Reading): Promise<void> => {
  const { context, objects } = reading
  const { fs, paths } = context
  // Shared, so that each index is read once and not once a pack.
  const store = new PackStore(fs, paths.packs)
  const seen = new Set<string>()
  const next = (): string[] => namesIn(context).filter((name) => name.endsWith('.pack') && !seen.has(name))
  try {
    for (let names = next(); names.length > 0; names = next()) {
      store.refresh()
      for (const name of names) {
        seen.add(name)
        const before = objects.found.length
        await examinePack(reading, name, store)
        const isGone =
          fs.lstat(join(paths.packs, name)) === undefined && fs.lstat(join(paths.packs, name.replace(/\.pack$/, '.idx'))) === undefined
        if (isGone) objects.found.length = before
      }
    }
  } finally {
    store.close()
  }
  const names = namesIn(context)
  for (const idx of names.filter((n) => n.endsWith('.idx'))) {
    const name = idx.replace(/\.idx$/, '.pack')
    if (!names.includes(name))
      objects.found.push(stale(`repo.git/objects/pack/${name}`, 'is missing, but its index is there', { kind: 'pack', name }))
  }
}

/** Objects that stock git wrote as files of their own. */
const examineLoose = ({ fs, paths }: Context, repository: Repository, objects: Objects, part: Part | null): void => {
  const root = join(paths.repository, 'objects')
  const folders = fs.lstat(root) === undefined ? [] : fs.readdir(root).filter((name) => /^[0-9a-f]{2}$/.test(name))
  for (const folder of folders)
    for (const name of fs.readdir(join(root, folder))) {
      const oid = folder + name
      if (!isOid(oid) || !inPart(oid, part)) continue
      const path = `repo.git/objects/${folder}/${name}`
      try {
        const read = repository.packs.readLoose(oid)
        if (read === undefined) continue
        objects.types.set(oid, read.type)
        if (read.type === 'blob') objects.blobs.set(oid, createHash('sha256').update(read.bytes).digest('hex'))
      } catch (error) {
        objects.found.push(damaged(path, `object ${oid}: ${messageOf(error)}`, { kind: 'loose', path }))
      }
    }
}

/** Reads every object of the repository, or of one part of it. */
export const examineObjects = async (context: Context, repository: Repository, part: Part | null, pool: Pool): Promise<Objects> => {
  const objects: Objects = { found: [], types: new Map(), blobs: new Map() }
  await examinePacks({ context, objects, part, pool })
  examineLoose(context, repository, objects, part)
  return objects
}

const compareManifest = (manifest: Manifest, objects: Objects, commit: Oid, part: Part | null): Found[] =>
  manifest.files.flatMap((f) => {
    const sha256 = objects.blobs.get(f.oid)
    if (sha256 === f.sha256 || !inPart(f.oid, part)) return []
    const message =
      sha256 === undefined
        ? `its object ${f.oid} is missing from the repository (commit ${commit})`
        : `its object ${f.oid} is not what the manifest of commit ${commit} says`
    return [damaged(f.path, message, { kind: 'object', oid: f.oid })]
  })

const oidIn = (error: unknown): Oid | null =>
  error instanceof StrataError && typeof error.data.oid === 'string' && isOid(error.data.oid) ? error.data.oid : null

const unreadable = (error: unknown, what: string): Found => {
  const oid = oidIn(error)
  return damaged(`repo.git (${what})`, messageOf(error), oid === null ? null : { kind: 'object', oid })
}

/** Every commit that a snapshot's branch leads to, each manifest against the bytes of its objects; and the journal's branch. */
export const examineHistory = (repository: Repository, state: State, objects: Objects, part: Part | null): Found[] => {
  const found: Found[] = []
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
      found.push(...compareManifest(repository.manifest(commit), objects, commit, part))
    } catch (error) {
      found.push(unreadable(error, `commit ${commit}`))
    }
  }
  return [...found, ...examineSlices(repository, state)]
}

const examineSlices = (repository: Repository, state: State): Found[] => {
  const seen = new Set<Oid>()
  const walk = (tree: Oid): void => {
    if (seen.has(tree)) return
    seen.add(tree)
    for (const entry of repository.tree(tree))
      if (entry.mode === '40000') walk(entry.oid)
      else if (!seen.has(entry.oid)) {
        seen.add(entry.oid)
        repository.blob(entry.oid)
      }
  }
  try {
    for (let at = state.journal ?? undefined; at !== undefined; ) {
      const { tree, parents } = repository.commit(at)
      walk(tree)
      at = parents[0]
    }
    return []
  } catch (error) {
    return [unreadable(error, 'strata/journal')]
  }
}

/** Files of the repository with one right content; stock git may have added to its configuration. */
export const examineFixed = ({ fs, paths }: Context): Found[] =>
  Object.entries(FIXED_FILES).flatMap(([name, text]) => {
    const now = readText(fs, join(paths.repository, name))
    if (now === text || (name === 'config' && now?.startsWith(text) === true)) return []
    return [damaged(`repo.git/${name}`, now === undefined ? 'is missing' : 'is not what Strata wrote', { kind: 'fixed', path: name })]
  })
