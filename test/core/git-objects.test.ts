import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Oid, TreeEntry } from '../../src/core/git-objects.ts'
import { blobOid, decodeCommit, decodeTree, encodeCommit, encodeTree, isOid, objectOid } from '../../src/core/git-objects.ts'
import { emptyRepository, writePack } from '../contract/packs.ts'
import { failure, git, gitBytes, temporary } from '../contract/temporary.ts'

const EMPTY = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391' as Oid
const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904' as Oid

const stock = (): string => {
  const repo = temporary()
  git(repo, ['init', '-q', '--bare'])
  git(repo, ['hash-object', '-w', '--stdin'], '')
  git(repo, ['mktree'], '')
  return repo
}

describe('ids are those of git', () => {
  test('of blobs and trees', () => {
    expect(blobOid(Buffer.alloc(0))).toBe(EMPTY)
    expect(objectOid('tree', encodeTree([]))).toBe(EMPTY_TREE)
    const bytes = Buffer.from('a\0b\r\n\xff', 'latin1')
    expect(blobOid(bytes)).toBe(git(stock(), ['hash-object', '--stdin'], bytes))
  })

  test.each([EMPTY, '0'.repeat(40)])('%s is an id', (text) => expect(isOid(text)).toBe(true))
  test.each(['', 'e69d', EMPTY.toUpperCase(), `${EMPTY}\n`, ` ${EMPTY}`, '0'.repeat(64)])('%j is none', (text) =>
    expect(isOid(text)).toBe(false),
  )
})

describe('trees', () => {
  const file = (name: string): TreeEntry => ({ mode: '100644', name, oid: EMPTY })
  const folder = (name: string): TreeEntry => ({ mode: '40000', name, oid: EMPTY_TREE })

  /** What stock git makes of the same entries, given in any order. */
  const byGit = (repo: string, entries: readonly TreeEntry[]): string =>
    git(
      repo,
      ['mktree', '-z'],
      entries.map((e) => `${e.mode.padStart(6, '0')} ${e.mode === '40000' ? 'tree' : 'blob'} ${e.oid}\t${e.name}\0`).join(''),
    )

  test('are ordered as git mktree orders them: names as bytes, folders as if they ended in a slash', () => {
    const repo = stock()
    const entries = [
      folder('a'),
      file('a.b'),
      file('a-b'),
      file('a0'),
      file('ab'),
      folder('b'),
      file('b!'),
      file('b0'),
      file('B'),
      { ...file('run'), mode: '100755' as const },
      file('é'),
      file('e\u0301'),
      file('\uffee'),
      file('😀'),
      file('z'),
      file('%2Egit'),
    ] // prettier-ignore
    const tree = encodeTree([...entries].reverse())
    expect(objectOid('tree', tree)).toBe(byGit(repo, entries))
    expect(decodeTree(tree).map((e) => e.name)).toEqual(
      git(repo, ['-c', 'core.quotePath=false', 'ls-tree', '-z', '--name-only', byGit(repo, entries)])
        .split('\0')
        .filter((name) => name !== ''),
    )
  })

  test('of any names are ordered as git orders them', () => {
    const repo = stock()
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '.', '-', '0', ' ', '~', 'é', '\uffee', '😀'), minLength: 1, maxLength: 3 })
    const entries = fc.uniqueArray(fc.tuple(name, fc.boolean()), { selector: ([n]) => n, minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(
        entries.filter((all) => all.every(([n]) => n !== '.' && n !== '..')),
        (all) => {
          const rows = all.map(([n, isFolder]) => (isFolder ? folder(n) : file(n)))
          const tree = encodeTree(rows)
          expect(objectOid('tree', tree)).toBe(byGit(repo, rows))
          expect(new Set(decodeTree(tree).map((e) => e.name))).toEqual(new Set(all.map(([n]) => n)))
        },
      ),
      { numRuns: 60 },
    )
  })

  test.each([
    ['a link', '120000'],
    ['a submodule', '160000'],
    ['a group-writable file', '100664'],
    ['a folder with a leading zero', '040000'],
  ])('with %s are refused', (_name, mode) => {
    const bytes = Buffer.concat([Buffer.from(`${mode} name\0`), Buffer.alloc(20)])
    expect(failure(() => decodeTree(bytes))).toMatchObject({ code: 'CORRUPT', message: expect.stringContaining(mode) })
  })

  test('that are cut anywhere but between entries, or have a name that is not UTF-8, are refused', () => {
    const whole = Buffer.from(encodeTree([file('a'), folder('bb')]))
    for (let length = 1; length < whole.length; length++)
      if (length !== 29) expect(failure(() => decodeTree(whole.subarray(0, length))).code).toBe('CORRUPT')
    expect(failure(() => decodeTree(Buffer.concat([Buffer.from('100644 \xff\0', 'latin1'), Buffer.alloc(20)]))).code).toBe('CORRUPT')
  })

  test('keep every byte of a name, a byte order mark too', () => {
    expect(decodeTree(encodeTree([file('\ufeffa')])).map((e) => e.name)).toEqual(['\ufeffa'])
  })
})

describe('commits', () => {
  const who = { name: 'Strata', email: 'strata@localhost', timestamp: 1_700_000_000, timezone: '+0000' }

  test('are what git cat-file shows, parents in order', () => {
    const { repo, packs } = emptyRepository()
    const first = encodeCommit({ tree: EMPTY_TREE, parents: [], author: who, committer: who, message: 'First\n\nKey: value\n' })
    const second = { ...decodeCommit(first), message: 'Zweiter: ü\n', author: { ...who, timestamp: 1, timezone: '-0330' } }
    const others = [encodeCommit(second)]
    const merge = encodeCommit({
      ...second,
      parents: [objectOid('commit', first), objectOid('commit', others[0] ?? first)],
      message: 'm\n',
    })
    writePack(packs, [
      ['tree', encodeTree([])],
      ['commit', first],
      ['commit', others[0] ?? first],
      ['commit', merge],
    ])
    const oid = objectOid('commit', merge)
    expect(gitBytes(repo, ['cat-file', 'commit', oid]).equals(Buffer.from(merge))).toBe(true)
    expect(git(repo, ['log', '-1', '--format=%T %P|%an <%ae> %ad|%cn|%s', '--date=raw', oid])).toBe(
      `${EMPTY_TREE} ${objectOid('commit', first)} ${objectOid('commit', others[0] ?? first)}|Strata <strata@localhost> 1 -0330|Strata|m`,
    )
    expect(git(repo, ['log', '-1', '--format=%(trailers:key=Key,valueonly)', objectOid('commit', first)])).toBe('value')
    git(repo, ['fsck', '--strict', '--full'])
  })

  test('are read back as they were written', () => {
    const text = fc.string({ unit: 'grapheme' }).map((s) => s.replaceAll('\0', ''))
    fc.assert(
      fc.property(fc.array(fc.constantFrom(EMPTY, EMPTY_TREE), { maxLength: 3 }), fc.nat(), text, (parents, timestamp, message) => {
        const commit = { tree: EMPTY_TREE, parents, author: { ...who, timestamp }, committer: who, message }
        expect(decodeCommit(encodeCommit(commit))).toEqual(commit)
      }),
    )
  })

  test('of stock git are read: other people, time zones, signatures and encodings', () => {
    const repo = stock()
    const oid = git(repo, ['commit-tree', EMPTY_TREE, '-m', 'subject', '-m', 'tree 0000\nparent x'])
    expect(decodeCommit(gitBytes(repo, ['cat-file', 'commit', oid]))).toMatchObject({
      tree: EMPTY_TREE,
      author: { name: 'A', email: 'a@b', timestamp: 1_700_000_000, timezone: '+0100' },
      committer: { name: 'C', timezone: '-0330' },
      message: 'subject\n\ntree 0000\nparent x\n',
    })
    const signed = `tree ${EMPTY_TREE}\nauthor  <x@y> -5 +0000\ncommitter C D <c@d> 7 +1400\nencoding UTF-8\ngpgsig -----BEGIN\n tree bad\n parent bad\n -----END\n\nmessage`
    expect(decodeCommit(Buffer.from(signed))).toMatchObject({
      tree: EMPTY_TREE,
      parents: [],
      author: { name: '', timestamp: -5 },
      message: 'message',
    })
  })

  test.each([
    ['no tree', 'author A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nx'],
    ['a tree that is no id', 'tree x\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nx'],
    ['a parent that is no id', `tree ${EMPTY_TREE}\nparent ../x\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nx`],
    ['nobody', `tree ${EMPTY_TREE}\n\nx`],
    ['nothing', ''],
  ])('with %s are CORRUPT', (_name, text) => {
    expect(failure(() => decodeCommit(Buffer.from(text))).code).toBe('CORRUPT')
  })
})
