import { StrataError } from './errors.ts'
import type { Oid } from './git-objects.ts'
import type { FileEntry, DirectoryEntry, Manifest } from './manifest.ts'
import { parseRows } from './manifest.ts'
import { compareBytes, componentName, treeName } from './names.ts'

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

const bucketRows = (name: string, bytes: Uint8Array): ReturnType<typeof parseRows> => {
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
