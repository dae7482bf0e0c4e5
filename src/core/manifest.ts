import { createHash } from 'node:crypto'
import { StrataError } from './errors.ts'
import type { Oid, TreeRow } from './git-objects.ts'
import { treeRow } from './git-objects.ts'
import { compareBytes, treeName } from './names.ts'

/** One file of a snapshot. `mode` is the permission bits; `oid` its git blob. */
export type FileEntry = { readonly path: string; readonly size: number; readonly sha256: string; readonly mode: number; readonly oid: Oid }
/** A directory of a snapshot, listed so that empty ones come back. */
export type DirectoryEntry = { readonly path: string; readonly mode: number }
export type Manifest = { readonly files: readonly FileEntry[]; readonly directories: readonly DirectoryEntry[] }

/** A call into the hash costs as much as hashing a few rows. */
const ROWS_AT_ONCE = 1024
// eslint-disable-next-line no-control-regex -- every character that is one byte
const IS_ASCII = /^[\u0000-\u007f]*$/
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const ROW_ESCAPE = /[%\u0000-\u001f\u007f]/g

const escapeRow = (name: string): string =>
  name.replace(ROW_ESCAPE, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
const unescapeRow = (text: string): string =>
  text.replace(/%([0-9A-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))

/** UTF-8, each byte a character: such text becomes bytes at once, where to encode it takes longer than to hash it. */
const byteText = (text: string): string => (IS_ASCII.test(text) ? text : Buffer.from(text).toString('latin1'))

const octal = (mode: number): string => mode.toString(8).padStart(4, '0')
const fileRow = (f: FileEntry, name: string): string => byteText(`f ${octal(f.mode)} ${f.size} ${f.sha256} ${escapeRow(name)}\n`)
export const directoryRow = (d: DirectoryEntry, name: string): string => byteText(`d ${octal(d.mode)} ${escapeRow(name)}\n`)

/** What manifests and trees say of a file. It is wanted again at the next commit, of which most files are those of the one before. */
export type FileText = {
  readonly folder: string
  readonly name: string
  readonly tree: TreeRow
  /** Its row under its name, and under its whole path. */
  readonly row: string
  readonly pathRow: string
  /** The hash of its name puts its row into a bucket, where there are several. */
  key: string | undefined
}
const texts = new WeakMap<FileEntry, FileText>()

export const textOf = (f: FileEntry): FileText => {
  const known = texts.get(f)
  if (known !== undefined) return known
  const end = f.path.lastIndexOf('/')
  const name = f.path.slice(end + 1)
  const made = {
    folder: f.path.slice(0, Math.max(0, end)),
    name,
    tree: treeRow((f.mode & 0o100) === 0 ? '100644' : '100755', treeName(name), f.oid),
    row: fileRow(f, name),
    pathRow: fileRow(f, f.path),
    key: undefined,
  }
  texts.set(f, made)
  return made
}

export const sameDirectories = (a: readonly DirectoryEntry[], b: readonly DirectoryEntry[]): boolean =>
  a.length === b.length && a.every((d, i) => d.path === b[i]?.path && d.mode === b[i].mode)

export const manifestOf = (entries: Iterable<FileEntry>, directories: Manifest['directories']): Manifest => ({
  files: [...entries].sort((a, b) => compareBytes(a.path, b.path)),
  directories,
})

/** A row of a manifest under a whole path. */
type PathRow = { readonly path: string; readonly row: string }

/** All rows of a manifest, sorted by path bytes. */
export const pathRows = (m: Manifest): PathRow[] =>
  [
    ...m.files.map((f): PathRow => ({ path: f.path, row: textOf(f).pathRow })),
    ...m.directories.map((d): PathRow => ({ path: d.path, row: directoryRow(d, d.path) })),
  ].sort((a, b) => compareBytes(a.path, b.path))

/** SHA-256 over these rows. */
export const digestOf = (rows: readonly PathRow[]): string => {
  const sum = createHash('sha256')
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE)
    sum.update(
      rows
        .slice(at, at + ROWS_AT_ONCE)
        .map(({ row }) => row)
        .join(''),
      'latin1',
    )
  return sum.digest('hex')
}

/** SHA-256 over the rows of all files and directories with their whole paths, sorted by path bytes: the snapshot's identity. */
export const manifestDigest = (m: Manifest): string => digestOf(pathRows(m))

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
