import { hash } from 'node:crypto'
import type { Oid, TreeRow } from './git-objects.ts'
import { blobOid, joinTree, objectOid, sortedRows, treeRow } from './git-objects.ts'
import type { DirectoryEntry, FileEntry, FileText, Manifest } from './manifest.ts'
import { digestOf, directoryRow, manifestOf, pathRows, sameDirectories, textOf } from './manifest.ts'
import { compareBytes, treeName } from './names.ts'

export type GitObject = { readonly type: 'blob' | 'tree'; readonly oid: Oid; readonly bytes: Uint8Array }
type Sink = (object: GitObject) => void

const BUCKET_ROWS = 256
const DIGITS = '0123456789abcdef'

/** `name` sorts a row; its `key`, the hash of the name, puts it into a bucket, so that one new file changes one of them. */
type NamedRow = Pick<FileText, 'name' | 'row' | 'key'>
type Bucket = { readonly prefix: string; readonly rows: NamedRow[]; made: TreeRow | undefined }

/** What is made of a folder is undefined until it is made, and again when something in it has changed. */
type Folder = {
  readonly files: FileText[]
  readonly folders: Map<string, Folder>
  readonly modes: Map<string, DirectoryEntry>
  /** Whether a tree has a file of it under an escaped name. */
  isRenamed: boolean
  buckets: Bucket[] | undefined
  filesTree: Oid | null | undefined
  manifestTree: Oid | undefined
}

const folder = (): Folder => ({
  files: [],
  folders: new Map(),
  modes: new Map(),
  isRenamed: false,
  buckets: undefined,
  filesTree: undefined,
  manifestTree: undefined,
})

const descend = (root: Folder, names: readonly string[]): Folder => {
  let at = root
  for (const name of names) {
    let next = at.folders.get(name)
    if (next === undefined) {
      next = folder()
      at.folders.set(name, next)
    }
    at = next
  }
  return at
}

const namesOf = (path: string): string[] => (path === '' ? [] : path.split('/'))

const asFolders = (m: Manifest): Folder => {
  const root = folder()
  for (const d of m.directories) {
    const names = namesOf(d.path)
    descend(root, names)
    descend(root, names.slice(0, -1)).modes.set(names.at(-1) ?? '', d)
  }
  // Files of one folder follow each other.
  let path = ''
  let at = root
  for (const f of m.files) {
    const text = textOf(f)
    if (text.folder !== path) {
      path = text.folder
      at = descend(root, namesOf(path))
    }
    at.files.push(text)
    at.isRenamed ||= text.tree.key !== text.name
  }
  return root
}

const putTree = (rows: readonly TreeRow[], sink: Sink): Oid => {
  const bytes = joinTree(rows)
  const oid = objectOid('tree', bytes)
  sink({ type: 'tree', oid, bytes })
  return oid
}

/** The dataset itself as a git tree. Git has no empty directories: those live in the manifest alone. */
const filesTree = (at: Folder, sink: Sink): Oid | null => {
  if (at.filesTree !== undefined) return at.filesTree
  const folders: TreeRow[] = []
  for (const [name, child] of at.folders) {
    const oid = filesTree(child, sink)
    if (oid !== null) folders.push(treeRow('40000', treeName(name), oid))
  }
  const files = at.files.map((text) => text.tree)
  // Files are sorted as they are, unless one has another name in a tree.
  const rows = folders.length === 0 && !at.isRenamed ? files : sortedRows([...files, ...folders])
  at.filesTree = rows.length === 0 ? null : putTree(rows, sink)
  return at.filesTree
}

const keyOf = (row: NamedRow): string => (row.key ??= hash('sha256', row.name))

const namedRows = (at: Folder): NamedRow[] => {
  const rows: NamedRow[] = [...at.files]
  for (const name of at.folders.keys())
    rows.push({ name, row: directoryRow(at.modes.get(name) ?? { path: name, mode: 0o755 }, name), key: undefined })
  return rows.sort((a, b) => compareBytes(a.name, b.name))
}

/** Splits by the next digit of what each row is named by. */
const bucketsOf = (prefix: string, rows: NamedRow[]): Bucket[] => {
  if (rows.length <= BUCKET_ROWS) return [{ prefix, rows, made: undefined }]
  const split = Array.from(DIGITS, (): NamedRow[] => [])
  for (const row of rows) split[Number.parseInt(keyOf(row)[prefix.length] ?? '0', 16)]?.push(row)
  return split.flatMap((part, digit) => (part.length === 0 ? [] : bucketsOf(prefix + (DIGITS[digit] ?? ''), part)))
}

const putBucket = ({ prefix, rows }: Bucket, sink: Sink): TreeRow => {
  const bytes = Buffer.from(rows.map(({ row }) => row).join(''), 'latin1')
  const oid = blobOid(bytes)
  sink({ type: 'blob', oid, bytes })
  return treeRow('100644', prefix === '' ? 'rows' : `rows-${prefix}`, oid)
}

const manifestTree = (at: Folder, sink: Sink): Oid => {
  if (at.manifestTree !== undefined) return at.manifestTree
  at.buckets ??= bucketsOf('', namedRows(at))
  const entries = at.buckets.map((bucket) => (bucket.made ??= putBucket(bucket, sink)))
  for (const [name, child] of at.folders) entries.push(treeRow('40000', `in-${treeName(name)}`, manifestTree(child, sink)))
  at.manifestTree = putTree(sortedRows(entries), sink)
  return at.manifestTree
}

/** Puts something in place of what has the same name, in a list sorted by names; false where that is not in its place. */
const replace = <T>(list: T[], one: T, nameOf: (one: T) => string): boolean => {
  const name = nameOf(one)
  let [low, high] = [0, list.length - 1]
  while (low < high) {
    const middle = (low + high) >>> 1
    const there = list[middle]
    if (there !== undefined && compareBytes(nameOf(there), name) < 0) low = middle + 1
    else high = middle
  }
  const there = list[low]
  if (there === undefined || nameOf(there) !== name) return false
  list[low] = one
  return true
}

const byName = ({ name }: NamedRow): string => name

type Files = ReadonlyMap<string, FileEntry>

/** The trees of a snapshot, which can be made again for what it has become: where only contents changed, of those alone. */
export class SnapshotTrees {
  #directories: readonly DirectoryEntry[]
  readonly #files: Map<string, FileEntry>
  #root: Folder
  #rows: ReturnType<typeof pathRows>
  #digest: string | undefined

  constructor(files: Files, directories: readonly DirectoryEntry[]) {
    this.#directories = directories
    // What was given may go on.
    this.#files = new Map(files)
    this.#root = folder()
    this.#rows = []
    this.#build()
  }

  /** Goes on to what the snapshot is now; `paths` are those of all files that may have become others, or come, or gone. */
  update(
    files: Files,
    directories: readonly DirectoryEntry[],
    paths: Iterable<string> = new Set([...this.#files.keys(), ...files.keys()]),
  ): void {
    const edits = [...paths].map((path) => ({ path, was: this.#files.get(path), is: files.get(path) })).filter(({ was, is }) => was !== is)
    const isSameFolders = sameDirectories(this.#directories, directories)
    if (edits.length === 0 && isSameFolders) return
    for (const { path, is } of edits)
      if (is === undefined) this.#files.delete(path)
      else this.#files.set(path, is)
    if (files.size !== this.#files.size) throw new Error('files have come or gone that were not named')
    this.#digest = undefined
    this.#directories = directories
    const isPut = isSameFolders && edits.every(({ was, is }) => was !== undefined && is !== undefined && this.#put(is))
    if (!isPut) this.#build()
  }

  /**
   * The root tree of a snapshot commit: `files/` (the dataset) and `manifest/`; every object but the file blobs goes to `sink`, unless
   * it was there at the last time.
   */
  write(sink: Sink): Oid {
    const files = filesTree(this.#root, sink)
    const rows = [treeRow('40000', 'manifest', manifestTree(this.#root, sink))]
    if (files !== null) rows.unshift(treeRow('40000', 'files', files))
    return putTree(rows, sink)
  }

  /** `manifestDigest` of the snapshot. */
  digest(): string {
    return (this.#digest ??= digestOf(this.#rows))
  }

  #build(): void {
    const manifest = manifestOf(this.#files.values(), this.#directories)
    this.#root = asFolders(manifest)
    this.#rows = pathRows(manifest)
  }

  /** Takes a file in place of the one of its name; false where that was not found. */
  #put(file: FileEntry): boolean {
    const text = textOf(file)
    let at = this.#root
    for (const name of [...namesOf(text.folder), undefined]) {
      at.filesTree = undefined
      at.manifestTree = undefined
      if (name !== undefined) at = descend(at, [name])
    }
    const bucket = at.buckets?.find(({ prefix }) => prefix === '' || keyOf(text).startsWith(prefix))
    if (bucket !== undefined) bucket.made = undefined
    const isInRows = replace(this.#rows, { path: file.path, row: text.pathRow }, ({ path }) => path)
    const isInBucket = bucket === undefined ? at.buckets === undefined : replace(bucket.rows, text, byName)
    return isInRows && isInBucket && replace(at.files, text, byName)
  }
}

export const treesOf = ({ files, directories }: Manifest): SnapshotTrees =>
  new SnapshotTrees(new Map(files.map((f) => [f.path, f])), directories)
