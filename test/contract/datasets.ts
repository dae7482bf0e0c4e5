import { createHash } from 'node:crypto'
import fc from 'fast-check'
import type { Oid } from '../../src/core/git-objects.ts'
import { blobOid } from '../../src/core/git-objects.ts'
import type { DirectoryEntry, FileEntry, Manifest } from '../../src/core/manifest.ts'
import { compareBytes } from '../../src/core/names.ts'

/** Names that a Linux directory may hold and that git, HFS+, NTFS or a careless encoder treats in a way of its own. */
export const HOSTILE_NAMES: readonly string[] = [
  '.git',
  '.GIT',
  '.Git ',
  '.git.',
  '.git::$INDEX_ALLOCATION',
  '.git\\x',
  '.gitattributes',
  '.gitmodules',
  '.gitignore',
  '.g\u200cit',
  '.gi\u206at',
  '\ufeff.git',
  '\ufeffbom',
  'a\ufeff',
  'git~1',
  'GIT~2',
  'git~1.',
  'gitmod~1',
  'GITMOD~4',
  'gi7eba~1',
  'gi7d29~9',
  'GITATT~1',
  'gi250a~1',
  '~1000000',
  'gi7eb~10',
  'maba30~1',
  'a\\b',
  '\\',
  '%',
  '%41',
  '%2E',
  '%%',
  'a%41',
  'rows',
  'rows-0',
  'in-a',
  'files',
  'manifest',
  '\u0001',
  '\t',
  'a\nb',
  'a\rb',
  'a\u2028b',
  'a\u2029',
  '\u0085',
  '\u007f',
  ' ',
  ' x',
  'x ',
  'x.',
  '...',
  '..a',
  '-',
  '--help',
  'CON',
  'nul.txt',
  'C:',
  'x:y',
  'é',
  'e\u0301',
  '😀',
  '\uffee',
  '\ue000',
  '\ufffd',
  '\u{10ffff}',
  '__proto__',
  'constructor',
  'a'.repeat(255),
  '"',
  "'",
  '*',
] // prettier-ignore

const isComponent = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name) && !/\p{Surrogate}/u.test(name) && Buffer.byteLength(name) <= 255

export const anyComponent = fc
  .oneof(
    { weight: 2, arbitrary: fc.constantFrom(...HOSTILE_NAMES) },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }) },
    {
      weight: 3,
      arbitrary: fc.string({
        unit: fc.constantFrom('a', 'b', '.', 'g', 'i', 't', '~', '1', '%', '\\', '\u200c', '-', 'é', '\n', '\u2028'),
        minLength: 1,
        maxLength: 6,
      }),
    },
  )
  .filter(isComponent)

/** What is in the files that fileEntry has described, by blob id. */
export const contents = new Map<Oid, Buffer>()

export const fileEntry = (path: string, content: string, mode = 0o644): FileEntry => {
  const bytes = Buffer.from(content)
  const oid = blobOid(bytes)
  contents.set(oid, bytes)
  return { path, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), mode, oid }
}

export const sorted = ({ files, directories }: Manifest): Manifest => {
  const byPath = (a: { path: string }, b: { path: string }): number => compareBytes(a.path, b.path)
  return { files: [...files].sort(byPath), directories: [...directories].sort(byPath) }
}

type Node = { file: string; mode: number } | { folder: [string, Node][]; mode: number }

const node: fc.Memo<Node> = fc.memo((depth) => {
  const file = fc.record({ file: fc.string({ maxLength: 4 }), mode: fc.constantFrom(0o644, 0o600, 0o755, 0o400, 0) })
  return depth <= 1 ? file : fc.oneof({ weight: 3, arbitrary: file }, { weight: 1, arbitrary: folderOf(depth - 1) })
})
const folderOf = (depth: number): fc.Arbitrary<Extract<Node, { folder: unknown }>> =>
  fc.record({
    folder: fc.uniqueArray(fc.tuple(anyComponent, node(depth)), { selector: ([name]) => name, maxLength: 6 }),
    mode: fc.constantFrom(0o755, 0o700, 0o1777 & 0o777),
  })

const flatten = (at: Extract<Node, { folder: unknown }>, prefix: string, files: FileEntry[], directories: DirectoryEntry[]): void => {
  for (const [name, child] of at.folder) {
    const path = prefix + name
    if ('file' in child) files.push(fileEntry(path, child.file, child.mode))
    else {
      directories.push({ path, mode: child.mode })
      flatten(child, `${path}/`, files, directories)
    }
  }
}

/** Any dataset: a few levels, hostile names, empty directories, all kinds of modes. In the order it was generated. */
export const anyManifest: fc.Arbitrary<Manifest> = folderOf(3).map((root) => {
  const files: FileEntry[] = []
  const directories: DirectoryEntry[] = []
  flatten(root, '', files, directories)
  return { files, directories }
})
