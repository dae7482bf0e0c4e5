import { createHash, hash } from 'node:crypto'
import { StrataError } from './errors.ts'
import type { Oid } from './git-objects.ts'
import { blobOid, encodeTree, objectOid } from './git-objects.ts'
import { compareBytes, componentName, treeName } from './names.ts'

/** One file of a snapshot. `mode` is the permission bits; `oid` its git blob. */
export type FileEntry = { readonly path: string; readonly size: number; readonly sha256: string; readonly mode: number; readonly oid: Oid }
/** A directory of a snapshot, listed so that empty ones come back. */
export type DirectoryEntry = { readonly path: string; readonly mode: number }
export type Manifest = { readonly files: readonly FileEntry[]; readonly directories: readonly DirectoryEntry[] }

export type GitObject = { readonly type: 'blob' | 'tree'; readonly oid: Oid; readonly bytes: Uint8Array }
type TreeRow = { mode: '100644' | '100755' | '40000'; name: string; oid: Oid }

const BUCKET_ROWS = 256
/** A call into the hash costs as much as hashing a few rows. */
const ROWS_AT_ONCE = 1024
const encoder = new TextEncoder()
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const ROW_ESCAPE = /[%\u0000-\u001f\u007f]/g

const escapeRow = (name: string): string =>
  name.replace(ROW_ESCAPE, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
const unescapeRow = (text: string): string =>
  text.replace(/%([0-9A-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))

const octal = (mode: number): string => mode.toString(8).padStart(4, '0')
const fileRow = (f: FileEntry, name: string): string => `f ${octal(f.mode)} ${f.size} ${f.sha256} ${escapeRow(name)}\n`
const directoryRow = (d: DirectoryEntry, name: string): string => `d ${octal(d.mode)} ${escapeRow(name)}\n`

/** What manifests and trees say of a file. It is wanted again at the next commit, of which most files are those of the one before. */
type FileText = {
  readonly folder: string
  readonly name: string
  readonly treeName: string
  /** Its row under its name, and under its whole path. */
  readonly row: string
  readonly pathRow: string
  /** The hash of its name puts its row into a bucket, where there are several. */
  key: string | undefined
}
const texts = new WeakMap<FileEntry, FileText>()

const textOf = (f: FileEntry): FileText => {
  const known = texts.get(f)
  if (known !== undefined) return known
  const end = f.path.lastIndexOf('/')
  const name = f.path.slice(end + 1)
  const made = {
    folder: f.path.slice(0, Math.max(0, end)),
    name,
    treeName: treeName(name),
    row: fileRow(f, name),
    pathRow: fileRow(f, f.path),
    key: undefined,
  }
  texts.set(f, made)
  return made
}

/** SHA-256 over the rows of all files and directories with their whole paths, sorted by path bytes: the snapshot's identity. */
export const manifestDigest = (m: Manifest): string => {
  const rows = [
    ...m.files.map((f) => [f.path, textOf(f).pathRow] as const),
    ...m.directories.map((d) => [d.path, directoryRow(d, d.path)] as const),
  ]
  rows.sort(([a], [b]) => compareBytes(a, b))
  const sum = createHash('sha256')
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE)
    sum.update(
      rows
        .slice(at, at + ROWS_AT_ONCE)
        .map(([, row]) => row)
        .join(''),
    )
  return sum.digest('hex')
}

type Folder = { files: FileEntry[]; folders: Map<string, Folder>; modes: Map<string, DirectoryEntry> }
const folder = (): Folder => ({ files: [], folders: new Map(), modes: new Map() })

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

const asFolders = (m: Manifest): Folder => {
  const root = folder()
  for (const d of m.directories) {
    const names = d.path.split('/')
    descend(root, names)
    descend(root, names.slice(0, -1)).modes.set(names.at(-1) ?? '', d)
  }
  // Files of one folder follow each other.
  let [path, at] = ['', root]
  for (const f of m.files) {
    const { folder: own } = textOf(f)
    if (own !== path) [path, at] = [own, own === '' ? root : descend(root, own.split('/'))]
    at.files.push(f)
  }
  return root
}

type Sink = (object: GitObject) => void

const putTree = (rows: readonly TreeRow[], sink: Sink): Oid => {
  const bytes = encodeTree(rows.map((row) => ({ ...row })))
  const oid = objectOid('tree', bytes)
  sink({ type: 'tree', oid, bytes })
  return oid
}

/** The dataset itself as a git tree. Git has no empty directories: those live in the manifest alone. */
const filesTree = (at: Folder, sink: Sink): Oid | null => {
  const rows: TreeRow[] = at.files.map((f) => ({
    mode: (f.mode & 0o100) === 0 ? '100644' : '100755',
    name: textOf(f).treeName,
    oid: f.oid,
  }))
  for (const [name, child] of at.folders) {
    const oid = filesTree(child, sink)
    if (oid !== null) rows.push({ mode: '40000', name: treeName(name), oid })
  }
  return rows.length === 0 ? null : putTree(rows, sink)
}

/** `name` sorts a row; its `key`, the hash of the name, puts it into a bucket, so that one new file changes one of them. */
type NamedRow = { readonly name: string; readonly row: string; readonly key: () => string }

const keyOf = (text: FileText): string => (text.key ??= hash('sha256', text.name))

const namedRows = (at: Folder): NamedRow[] => {
  const rows = at.files.map((f): NamedRow => {
    const text = textOf(f)
    return { name: text.name, row: text.row, key: () => keyOf(text) }
  })
  for (const name of at.folders.keys())
    rows.push({ name, row: directoryRow(at.modes.get(name) ?? { path: name, mode: 0o755 }, name), key: () => hash('sha256', name) })
  return rows.sort((a, b) => compareBytes(a.name, b.name))
}

const putBucket = (prefix: string, rows: readonly NamedRow[], sink: Sink): TreeRow => {
  const bytes = encoder.encode(rows.map(({ row }) => row).join(''))
  const oid = blobOid(bytes)
  sink({ type: 'blob', oid, bytes })
  return { mode: '100644', name: prefix === '' ? 'rows' : `rows-${prefix}`, oid }
}

/** Splits by the next digit of what each row is named by. */
const buckets = (prefix: string, rows: readonly NamedRow[], sink: Sink): TreeRow[] => {
  if (rows.length <= BUCKET_ROWS) return [putBucket(prefix, rows, sink)]
  const split = new Map<string, NamedRow[]>()
  for (const row of rows) {
    const digit = row.key()[prefix.length] ?? ''
    const part = split.get(digit)
    if (part === undefined) split.set(digit, [row])
    else part.push(row)
  }
  return [...split].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([digit, part]) => buckets(prefix + digit, part, sink))
}

const manifestTree = (at: Folder, sink: Sink): Oid => {
  const entries = buckets('', namedRows(at), sink)
  for (const [name, child] of at.folders) entries.push({ mode: '40000', name: `in-${treeName(name)}`, oid: manifestTree(child, sink) })
  return putTree(entries, sink)
}

/** The root tree of a snapshot commit: `files/` (the dataset) and `manifest/`; every object but the file blobs goes to `sink`. */
export const snapshotTree = (m: Manifest, sink: Sink): Oid => {
  const root = asFolders(m)
  const files = filesTree(root, sink)
  const rows: TreeRow[] = [{ mode: '40000', name: 'manifest', oid: manifestTree(root, sink) }]
  if (files !== null) rows.push({ mode: '40000', name: 'files', oid: files })
  return putTree(rows, sink)
}

type Row = { type: 'f'; name: string; mode: number; size: number; sha256: string } | { type: 'd'; name: string; mode: number }

// Nine permission bits: whoever forges a store gets no setuid file made.
const FILE_ROW = /^f (0[0-7]{3}) (0|[1-9]\d{0,15}) ([0-9a-f]{64}) (.+)$/s
const DIRECTORY_ROW = /^d (0[0-7]{3}) (.+)$/s

const parseRow = (line: string): Row => {
  const f = FILE_ROW.exec(line)
  if (f?.[4] !== undefined)
    return { type: 'f', mode: Number.parseInt(f[1] ?? '', 8), size: Number(f[2]), sha256: f[3] ?? '', name: unescapeRow(f[4]) }
  const d = DIRECTORY_ROW.exec(line)
  if (d?.[2] !== undefined) return { type: 'd', mode: Number.parseInt(d[1] ?? '', 8), name: unescapeRow(d[2]) }
  throw new StrataError('CORRUPT', 'a manifest row is not one that Strata writes')
}

/** The rows of one bucket. Throws CORRUPT. */
export const parseRows = (text: string): Row[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n').map(parseRow))

export type TreeEntry = { readonly mode: string; readonly name: string; readonly oid: Oid }
type ReadObject = { tree(oid: Oid): readonly TreeEntry[]; blob(oid: Oid): Uint8Array }

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const decode = (bytes: Uint8Array): string => {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new StrataError('CORRUPT', 'the rows of a manifest are not UTF-8')
  }
}

/** A few small trees can stand for any number of files, and for any depth: far more than a disk holds is a bomb. */
const MOST_ROWS = 1_000_000
const MOST_DEPTH = 1000

const tooMany = (what: string): StrataError =>
  new StrataError('CORRUPT', `a manifest ${what}: no dataset has as many`, { hint: 'This commit was not written by Strata.' })

const MANIFEST_ENTRY = /^(?:rows(?:-[0-9a-f]+)?$|in-)/

/**
 * The entries of a folder by name. Of two with one name, each reader may believe another; and entries that stand for
 * nothing are how a few kilobytes keep a reader busy for hours.
 */
const byName = (entries: readonly TreeEntry[], nameOf: (entry: TreeEntry) => string, prefix: string): Map<string, Oid> => {
  const named = new Map(entries.map((entry) => [nameOf(entry), entry.oid]))
  if (named.size === entries.length) return named
  throw new StrataError('CORRUPT', `a tree has two entries of one name in ${prefix === '' ? 'the dataset' : prefix}`, {
    data: { file: prefix },
  })
}

const manifestName = ({ name }: TreeEntry): string => {
  if (MANIFEST_ENTRY.test(name)) return name
  throw new StrataError('CORRUPT', `a manifest has an entry ${JSON.stringify(name.slice(0, 80))}`)
}

const bucketRows = (name: string, bytes: Uint8Array): Row[] => {
  const rows = parseRows(decode(bytes))
  if (rows.length > 0 || name === 'rows') return rows
  throw new StrataError('CORRUPT', `a manifest has an empty bucket ${JSON.stringify(name)}`)
}

/** Reads a manifest back from its trees; `files` is the tree of the dataset, where the blob ids are. Throws CORRUPT. */
export const readManifest = (read: ReadObject, root: Oid): Manifest => {
  const files: FileEntry[] = []
  const directories: DirectoryEntry[] = []
  const find = (rows: readonly TreeEntry[], name: string): Oid | undefined => rows.find((row) => row.name === name)?.oid
  const walk = (prefix: string, manifest: Oid, tree: Oid | undefined, depth: number): void => {
    if (depth > MOST_DEPTH) throw tooMany(`is nested more than ${MOST_DEPTH} folders deep`)
    const here = byName(read.tree(manifest), manifestName, prefix)
    const blobs = byName(tree === undefined ? [] : read.tree(tree), (entry) => componentName(entry.name), prefix)
    const folders = [...here.keys()].filter((name) => name.startsWith('in-')).length
    let listed = 0
    for (const [bucket, oid] of here) {
      if (bucket.startsWith('in-')) continue
      for (const row of bucketRows(bucket, read.blob(oid))) {
        // Throws for a name that would lead out of its directory.
        componentName(treeName(row.name))
        if (files.length + directories.length > MOST_ROWS) throw tooMany(`lists more than ${MOST_ROWS} files`)
        const path = prefix + row.name
        if (row.type === 'f') {
          const oid = blobs.get(row.name)
          if (oid === undefined) throw new StrataError('CORRUPT', `the manifest lists ${path}, the tree does not`, { data: { file: path } })
          files.push({ path, size: row.size, sha256: row.sha256, mode: row.mode, oid })
        } else {
          directories.push({ path, mode: row.mode })
          const child = here.get(`in-${treeName(row.name)}`)
          if (child === undefined)
            throw new StrataError('CORRUPT', `the manifest has no rows for the directory ${path}`, { data: { file: path } })
          walk(`${path}/`, child, blobs.get(row.name), depth + 1)
          listed += 1
        }
        blobs.delete(row.name)
      }
    }
    if (folders !== listed)
      throw new StrataError('CORRUPT', `the directories of ${prefix === '' ? 'the dataset' : prefix} are not those with rows`, {
        data: { file: prefix },
      })
    for (const name of blobs.keys())
      throw new StrataError('CORRUPT', `the tree holds ${prefix}${name}, the manifest does not`, { data: { file: prefix + name } })
  }
  const top = read.tree(root)
  const manifest = find(top, 'manifest')
  if (manifest === undefined) throw new StrataError('CORRUPT', 'the snapshot has no manifest')
  walk('', manifest, find(top, 'files'), 0)
  const byPath = (a: { path: string }, b: { path: string }): number => compareBytes(a.path, b.path)
  return { files: files.sort(byPath), directories: directories.sort(byPath) }
}
