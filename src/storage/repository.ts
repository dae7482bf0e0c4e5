import { basename, join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import { decodeCommit, decodeTree, encodeCommit, objectOid } from '../core/git-objects.ts'
import type { Manifest } from '../core/manifest.ts'
import { manifestDigest } from '../core/manifest.ts'
import { readManifest } from '../core/read-manifest.ts'
import { SnapshotTrees, treesOf } from '../core/snapshot-trees.ts'
import { AUTHOR, sliceMessage, sliceTree } from '../core/slice.ts'
import { discard, fsyncDirectory, makeDirectory, replaceFile } from './durable.ts'
import type { FsPort } from './fs.ts'
import { READ_FLAGS } from './fs.ts'
import { PackStore } from './pack-read.ts'
import type { EncodedBatch, PackEntry, Spilled } from './pack-write.ts'
import { readShallow } from './shallow.ts'
import { PACK_BYTES, PackWriter, packEntry } from './pack-write.ts'

const CONFIG = `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
[gc]
\tauto = 0
\tpruneExpire = never
[maintenance]
\tauto = false
`
/** No attribute of the dataset's own may change bytes on a checkout by stock git (hazard 48). */
const ATTRIBUTES = '* -text -filter -ident -working-tree-encoding\n'

/** The files of a repository that have one right content, which stock git may only add to. */
export const FIXED_FILES: Readonly<Record<string, string>> = { config: CONFIG, 'info/attributes': ATTRIBUTES }

const FOLDERS = ['objects/pack', 'objects/info', 'refs/heads', 'refs/tags', 'info']

/** Whether a repository has all that `createRepository` makes. */
export const isCreated = (fs: FsPort, path: string): boolean =>
  [...FOLDERS, ...Object.keys(FIXED_FILES), 'HEAD'].every((name) => fs.lstat(join(path, name)) !== undefined)

/** Makes an empty bare repository, or completes a half-made one. */
export const createRepository = (fs: FsPort, path: string): void => {
  for (const dir of FOLDERS) makeDirectory(fs, join(path, dir))
  const files = { ...FIXED_FILES, HEAD: 'ref: refs/heads/none\n' }
  for (const [name, text] of Object.entries(files))
    if (fs.lstat(join(path, name)) === undefined) replaceFile(fs, join(path, name), Buffer.from(text))
  fsyncDirectory(fs, path)
}

export type CommitInfo = { readonly message: string; readonly parents: readonly Oid[]; readonly timestamp: number }
export type StoredCommit = { readonly commit: Oid; readonly manifest: string }

/** So many bytes of blobs are worth packs of their own, which are not rewritten where a tree is left out; each pack costs four flushes. */
const MANY_BLOBS = 1024 * 1024

/** All objects of one transaction, durable when `finish` returns: in one pack, and packs of blobs where there are many. */
export class Transaction {
  readonly #repository: Repository
  readonly #fs: FsPort
  #blobs: PackWriter | null = null
  #meta: PackWriter | null = null
  /** Blobs that are not many yet. */
  #few: PackEntry[] = []
  #fewBytes = 0
  readonly #open: () => PackWriter
  readonly #fresh = new Map<Oid, Uint8Array>()
  readonly #finished: string[] = []
  #held = 0
  #isHurried = false

  constructor(repository: Repository, fs: FsPort, open: () => PackWriter) {
    this.#repository = repository
    this.#fs = fs
    this.#open = open
  }

  /** Adds blobs that a worker has encoded; those that the repository has already are left out. */
  addBatch(batch: EncodedBatch): void {
    const bytes = new Uint8Array(batch.buffer)
    for (const { oid, crc32, offset, length, size } of batch.table)
      this.#addBlob({ oid, crc32, size, data: bytes.subarray(offset, offset + length) })
    for (const large of batch.spilled ?? []) this.#takeSpilled(large)
  }

  #addBlob(entry: PackEntry): void {
    if (this.#repository.packs.has(entry.oid)) return
    if (this.#blobs !== null) {
      this.#packOfBlobs().add(entry)
      return
    }
    this.#few.push(entry)
    this.#fewBytes += entry.data.byteLength
    if (this.#fewBytes > MANY_BLOBS) this.#packOfBlobs()
  }

  #packOfBlobs(): PackWriter {
    if ((this.#blobs?.bytes ?? 0) > PACK_BYTES) this.#blobs = this.#close(this.#blobs)
    return (this.#blobs ??= this.#pourInto(this.#open()))
  }

  #pourInto(pack: PackWriter): PackWriter {
    for (const entry of this.#few) pack.add(entry)
    this.#few = []
    this.#fewBytes = 0
    return pack
  }

  #takeSpilled({ path, oid, crc32, length }: Spilled): void {
    const fd = this.#fs.open(path, READ_FLAGS)
    try {
      if (!this.#repository.packs.has(oid)) this.#packOfBlobs().copy({ oid, crc32, offset: 0 }, length, { fd, name: basename(path) })
    } finally {
      this.#fs.close(fd)
      discard(this.#fs, path)
    }
  }

  /** From here on someone waits for its end: what is added is stored without deflating it, as packs may. */
  hurry(): void {
    this.#isHurried = true
  }

  /** How many bytes of objects it holds in memory. */
  get held(): number {
    return this.#held
  }

  addObject(type: ObjectType, bytes: Uint8Array): Oid {
    return this.#add(type, bytes, objectOid(type, bytes))
  }

  #add(type: ObjectType, bytes: Uint8Array, oid: Oid): Oid {
    this.#fresh.set(oid, bytes)
    this.#held += bytes.byteLength
    if (this.#repository.packs.has(oid)) return oid
    this.#meta ??= this.#open()
    this.#meta.add(packEntry(type, bytes, oid, this.#isHurried ? 0 : 1))
    return oid
  }

  /** The trees and manifest of a snapshot, and its commit. */
  addSnapshot(snapshot: Manifest | SnapshotTrees, info: (digest: string) => CommitInfo): StoredCommit {
    const trees = snapshot instanceof SnapshotTrees ? snapshot : treesOf(snapshot)
    const tree = this.addTrees(trees)
    const digest = trees.digest()
    const { message, parents, timestamp } = info(digest)
    return { commit: this.addCommit(tree, { parents, message, timestamp }), manifest: digest }
  }

  /** The trees and manifest of a snapshot that may be committed later; those that changed since they were added last. */
  addTrees(trees: SnapshotTrees): Oid {
    return trees.write(({ type, bytes, oid }) => this.#add(type, bytes, oid))
  }

  /** A commit of a tree that is there. */
  addCommit(tree: Oid, { parents, message, timestamp }: CommitInfo): Oid {
    const who = { ...AUTHOR, timestamp, timezone: '+0000' }
    return this.addObject('commit', encodeCommit({ tree, parents: [...parents], author: who, committer: who, message }))
  }

  /** Carries journal lines into the branch strata/journal: one immutable file a transaction, in folders of at most 256. */
  addSlice(previous: Oid | null, text: string, upTo: number, timestamp: number): Oid {
    const root = previous === null ? undefined : decodeCommit(this.#read(previous)).tree
    const tree = sliceTree(
      root,
      text,
      upTo,
      (oid) => this.#read(oid),
      (type, bytes) => this.addObject(type, bytes),
    )
    return this.addCommit(tree, { parents: previous === null ? [] : [previous], message: sliceMessage(upTo), timestamp })
  }

  /** Makes durable what was added so far; more may follow. */
  flush(): void {
    this.#blobs = this.#close(this.#blobs)
    if (this.#few.length > 0) this.#meta = this.#pourInto(this.#meta ?? this.#open())
    this.#meta = this.#close(this.#meta)
    this.#repository.packs.refresh()
  }

  /** Makes everything durable; a ref may name it from now on. Blobs first: no tree names what is not there. */
  finish(): void {
    this.flush()
  }

  abort(): void {
    this.#blobs?.abort()
    this.#meta?.abort()
    this.#repository.dropOrphans(this.#finished)
  }

  #close(pack: PackWriter | null): null {
    const made = pack?.finish()
    if (made) this.#finished.push(made.name)
    return null
  }

  #read(oid: Oid): Uint8Array {
    return this.#fresh.get(oid) ?? this.#repository.read(oid).bytes
  }
}

/** The git repository of a store: objects in packs of ours, read back with every hash checked. */
export class Repository {
  readonly packs: PackStore
  readonly #fs: FsPort
  readonly #path: string
  #shallow: ReadonlySet<Oid> | undefined

  constructor(fs: FsPort, path: string) {
    this.#fs = fs
    this.#path = path
    this.packs = new PackStore(fs, join(path, 'objects', 'pack'))
  }

  begin(): Transaction {
    return new Transaction(this, this.#fs, () => new PackWriter(this.#fs, join(this.#path, 'objects', 'pack')))
  }

  /** Indexes whose packs another writer has swept up while they were being finished. */
  dropOrphans(names: readonly string[]): void {
    const dir = join(this.#path, 'objects', 'pack')
    for (const name of names) if (this.#fs.lstat(join(dir, `${name}.pack`)) === undefined) discard(this.#fs, join(dir, `${name}.idx`))
  }

  /** Throws CORRUPT when the object is missing or its bytes are not what its name says. */
  read(oid: Oid, most?: number): { type: string; bytes: Uint8Array } {
    const found = this.packs.read(oid, most)
    if (found === undefined)
      throw new StrataError('CORRUPT', `object ${oid} is missing from the repository`, {
        data: { oid },
        hint: 'See what else is damaged: strata verify. Other snapshots are copies of their own below snapshots/.',
      })
    return found
  }

  /** Whether an object is there and what its id says. */
  isReadable(oid: Oid): boolean {
    try {
      return this.packs.read(oid) !== undefined
    } catch {
      return false
    }
  }

  /** A file's content; `most` is the size that its manifest says. */
  blob(oid: Oid, most?: number): Uint8Array {
    return this.read(oid, most).bytes
  }

  /** A commit; one that the history was cut at has no parents. */
  commit(oid: Oid): ReturnType<typeof decodeCommit> {
    this.#shallow ??= readShallow(this.#fs, this.#path)
    const commit = decodeCommit(this.read(oid).bytes)
    return this.#shallow.has(oid) ? { ...commit, parents: [] } : commit
  }

  tree(oid: Oid): ReturnType<typeof decodeTree> {
    return decodeTree(this.read(oid).bytes)
  }

  /** The manifest of a snapshot commit. */
  manifest(commit: Oid): Manifest {
    return readManifest({ tree: (oid) => this.tree(oid), blob: (oid) => this.blob(oid) }, this.commit(commit).tree)
  }

  /** The manifest's digest of a snapshot's root tree; undefined for any other object. */
  digestOf(oid: Oid): string | undefined {
    const { type, bytes } = this.read(oid)
    if (type !== 'tree' || !decodeTree(bytes).some((e) => e.name === 'manifest')) return undefined
    return manifestDigest(readManifest({ tree: (tree) => this.tree(tree), blob: (blob) => this.blob(blob) }, oid))
  }

  close(): void {
    this.packs.close()
  }
}
