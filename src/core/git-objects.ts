import { createHash } from 'node:crypto'
import { StrataError } from './errors.ts'
import { compareBytes } from './names.ts'

/** The id of a git object: 40 hex digits, SHA-1 over its header and content. */
export type Oid = string & { readonly __oid: unique symbol }
export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag'
export type TreeMode = '100644' | '100755' | '40000'
export type TreeEntry = { readonly mode: TreeMode; readonly name: string; readonly oid: Oid }
export type Person = { readonly name: string; readonly email: string; readonly timestamp: number; readonly timezone: string }
export type Commit = {
  readonly tree: Oid
  readonly parents: readonly Oid[]
  readonly author: Person
  readonly committer: Person
  readonly message: string
}

export const isOid = (text: string): text is Oid => /^[0-9a-f]{40}$/.test(text)

const corrupt = (message: string): StrataError => new StrataError('CORRUPT', message, { hint: 'Run: strata verify' })

/** The 40 hex digits at `offset` of raw object ids. */
export const oidAt = (bytes: Uint8Array, offset: number): Oid =>
  Buffer.from(bytes.buffer, bytes.byteOffset + offset, 20).toString('hex') as Oid

export const objectOid = (type: ObjectType, bytes: Uint8Array): Oid =>
  // A SHA-1 in hex is what an Oid is.
  createHash('sha1').update(`${type} ${bytes.byteLength}\0`).update(bytes).digest('hex') as Oid

export const blobOid = (bytes: Uint8Array): Oid => objectOid('blob', bytes)

/** An entry as it stands in a tree, each byte a character. Git compares names as bytes, and a folder as if its name ended in a slash. */
export type TreeRow = { readonly key: string; readonly bytes: string }

export const treeRow = (mode: TreeMode, name: string, oid: Oid): TreeRow => ({
  key: mode === '40000' ? `${name}/` : name,
  bytes: Buffer.from(`${mode} ${name}\0`).toString('latin1') + Buffer.from(oid, 'hex').toString('latin1'),
})

/** A tree object of rows that are in git's order. */
export const joinTree = (rows: readonly TreeRow[]): Uint8Array => Buffer.from(rows.map(({ bytes }) => bytes).join(''), 'latin1')

export const sortedRows = (rows: readonly TreeRow[]): TreeRow[] => [...rows].sort((a, b) => compareBytes(a.key, b.key))

/** A tree object: entries in git's order. */
export const encodeTree = (entries: readonly TreeEntry[]): Uint8Array =>
  joinTree(sortedRows(entries.map(({ mode, name, oid }) => treeRow(mode, name, oid))))

const MODES: readonly string[] = ['100644', '100755', '40000']
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const decodeEntry = (bytes: Uint8Array, start: number): { entry: TreeEntry; next: number } => {
  const space = bytes.indexOf(0x20, start)
  const end = bytes.indexOf(0, space)
  if (space < 0 || end < 0 || end + 21 > bytes.length) throw corrupt('a tree object ends in the middle of an entry')
  const mode = Buffer.from(bytes.subarray(start, space)).toString('latin1')
  // Links and submodules are never written here, and would lead out of the store.
  if (!MODES.includes(mode)) throw corrupt(`a tree object has an entry of mode ${mode}`)
  const name = utf8.decode(bytes.subarray(space + 1, end))
  return { entry: { mode: mode as TreeMode, name, oid: oidAt(bytes, end + 1) }, next: end + 21 }
}

/** Throws CORRUPT for anything but regular files and folders. */
export const decodeTree = (bytes: Uint8Array): TreeEntry[] => {
  const entries: TreeEntry[] = []
  try {
    for (let at = 0; at < bytes.length; ) {
      const { entry, next } = decodeEntry(bytes, at)
      entries.push(entry)
      at = next
    }
  } catch (error) {
    throw error instanceof StrataError ? error : corrupt('a tree object has a name that is not UTF-8')
  }
  return entries
}

const personLine = (p: Person): string => `${p.name} <${p.email}> ${p.timestamp} ${p.timezone}`

export const encodeCommit = (c: Commit): Uint8Array =>
  Buffer.from(
    [
      `tree ${c.tree}`,
      ...c.parents.map((p) => `parent ${p}`),
      `author ${personLine(c.author)}`,
      `committer ${personLine(c.committer)}`,
      '',
      c.message,
    ].join('\n'),
  )

// Neither part may hold what ends it: else a line full of `<` takes time by its square. Git allows no `<` in a name either.
const PERSON = /^([^<>]*) <([^<>]*)> (-?\d{1,15}) ([+-]\d{4})$/

const parsePerson = (text: string): Person => {
  const [, name, email, timestamp, timezone] = PERSON.exec(text) ?? []
  if (name === undefined || email === undefined || timezone === undefined) throw corrupt('a commit names nobody')
  // Plus zero: `-0` is written as `0`.
  return { name, email, timestamp: Number(timestamp) + 0, timezone }
}

/** Throws CORRUPT. Headers of stock git that Strata does not write (gpgsig, encoding) are passed over. */
export const decodeCommit = (bytes: Uint8Array): Commit => {
  const text = Buffer.from(bytes).toString('utf8')
  const end = text.indexOf('\n\n')
  const headers = (end < 0 ? text : text.slice(0, end)).split('\n').map((line): [string, string] => {
    const space = line.indexOf(' ')
    return [line.slice(0, space), line.slice(space + 1)]
  })
  const all = (key: string): string[] => headers.flatMap(([k, value]) => (k === key ? [value] : []))
  const [tree = ''] = all('tree')
  const parents = all('parent')
  if (!isOid(tree) || !parents.every(isOid)) throw corrupt('a commit names no tree, or a parent that is no id')
  return {
    tree,
    parents,
    author: parsePerson(all('author')[0] ?? ''),
    committer: parsePerson(all('committer')[0] ?? ''),
    message: end < 0 ? '' : text.slice(end + 2),
  }
}
