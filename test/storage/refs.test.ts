import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Oid } from '../../src/core/git-objects.ts'
import { objectOid } from '../../src/core/git-objects.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { encodePackedRefs, readHead, readLooseRefs, readPackedRefs, writeHead, writePackedRefs } from '../../src/storage/refs.ts'
import { emptyRepository, writePack } from '../contract/packs.ts'
import { failure, git } from '../contract/temporary.ts'

const EMPTY_TREE = objectOid('tree', Buffer.alloc(0))

/** A repository with two commits to name. */
const withCommits = (): { repo: string; one: Oid; two: Oid } => {
  const { repo, packs } = emptyRepository()
  writePack(packs, [['tree', Buffer.alloc(0)]])
  const one = git(repo, ['commit-tree', EMPTY_TREE, '-m', 'one']) as Oid
  const two = git(repo, ['commit-tree', EMPTY_TREE, '-p', one, '-m', 'two']) as Oid
  return { repo, one, two }
}

describe('packed-refs', () => {
  test('that we write are what stock git shows, sorted by bytes, and read back', () => {
    const { repo, one, two } = withCommits()
    const refs = new Map([
      ['refs/heads/2.1.0-v1stgxr8', two],
      ['refs/heads/strata/journal', one],
      ['refs/heads/10', one],
      ['refs/heads/é', two],
      ['refs/tags/x', one],
    ])
    writePackedRefs(nodeFsPort, repo, refs)
    expect(git(repo, ['show-ref']).split('\n')).toEqual(
      [...refs].map(([name, oid]) => `${oid} ${name}`).sort((a, b) => Buffer.compare(Buffer.from(a.slice(41)), Buffer.from(b.slice(41)))),
    )
    expect(readPackedRefs(nodeFsPort, repo)).toEqual(new Map([...refs].sort()))
    expect(git(repo, ['rev-parse', 'refs/heads/2.1.0-v1stgxr8'])).toBe(two)
    git(repo, ['fsck', '--strict'])
    // Stock git can go on from there.
    git(repo, ['update-ref', '-d', 'refs/tags/x'])
    git(repo, ['pack-refs', '--all'])
    refs.delete('refs/tags/x')
    expect(readPackedRefs(nodeFsPort, repo)).toEqual(new Map([...refs].sort()))
  })

  test('of stock git are read, peeled tags included', () => {
    const { repo, one } = withCommits()
    git(repo, ['update-ref', 'refs/heads/a', one])
    git(repo, ['tag', '-a', 'v1', '-m', 'x', one])
    git(repo, ['pack-refs', '--all'])
    expect(readFileSync(join(repo, 'packed-refs'), 'utf8')).toContain(`^${one}`)
    expect([...readPackedRefs(nodeFsPort, repo).keys()]).toEqual(['refs/heads/a', 'refs/tags/v1'])
    expect(readLooseRefs(nodeFsPort, repo)).toEqual(new Map())
  })

  test('that are not there are none; none at all is a valid file', () => {
    const { repo } = withCommits()
    expect(readPackedRefs(nodeFsPort, repo)).toEqual(new Map())
    writePackedRefs(nodeFsPort, repo, new Map())
    expect(readFileSync(join(repo, 'packed-refs'), 'utf8')).toBe(encodePackedRefs(new Map()))
    git(repo, ['fsck', '--strict'])
  })

  test.each(['garbage', '1234 refs/heads/a', `${'0'.repeat(40)} heads/a`, `${'0'.repeat(40)} refs/heads/a b`, '\0\0\0'])(
    'with the line %j are CORRUPT',
    (line) => {
      const { repo, one } = withCommits()
      writePackedRefs(nodeFsPort, repo, new Map([['refs/heads/a', one]]))
      appendFileSync(join(repo, 'packed-refs'), `${line}\n`)
      expect(failure(() => readPackedRefs(nodeFsPort, repo)).code).toBe('CORRUPT')
    },
  )

  test('are replaced whole: a lock that someone else holds stops us, and stays theirs', () => {
    const { repo, one, two } = withCommits()
    writePackedRefs(nodeFsPort, repo, new Map([['refs/heads/a', one]]))
    const lock = join(repo, 'packed-refs.lock')
    writeFileSync(lock, 'of git')
    expect(failure(() => writePackedRefs(nodeFsPort, repo, new Map([['refs/heads/a', two]]))).code).toBe('LOCKED')
    expect(readFileSync(lock, 'utf8')).toBe('of git')
    expect(readPackedRefs(nodeFsPort, repo).get('refs/heads/a')).toBe(one)
  })
})

describe('loose refs', () => {
  test('that stock git wrote override the packed ones, as git sees it', () => {
    const { repo, one, two } = withCommits()
    writePackedRefs(nodeFsPort, repo, new Map([['refs/heads/a', one]]))
    git(repo, ['update-ref', 'refs/heads/a', two])
    git(repo, ['update-ref', 'refs/heads/deep/er/b', one])
    expect(readPackedRefs(nodeFsPort, repo).get('refs/heads/a')).toBe(one)
    expect(readLooseRefs(nodeFsPort, repo)).toEqual(
      new Map([
        ['refs/heads/a', two],
        ['refs/heads/deep/er/b', one],
      ]),
    )
    expect(git(repo, ['rev-parse', 'refs/heads/a'])).toBe(two)
  })

  test('are no refs: half-written ones, symbolic ones, locks and empty folders', () => {
    const { repo, one } = withCommits()
    mkdirSync(join(repo, 'refs/heads/empty'))
    writeFileSync(join(repo, 'refs/heads/torn'), one.slice(0, 20))
    writeFileSync(join(repo, 'refs/heads/zero'), '')
    writeFileSync(join(repo, 'refs/heads/link'), 'ref: refs/heads/a\n')
    writeFileSync(join(repo, 'refs/heads/a.lock'), `${one}\n`)
    writeFileSync(join(repo, 'refs/heads/whole'), `${one}\n`)
    expect(readLooseRefs(nodeFsPort, repo)).toEqual(new Map([['refs/heads/whole', one]]))
  })

  test('of a repository without a refs folder are none', () => {
    const { repo } = withCommits()
    expect(readLooseRefs(nodeFsPort, join(repo, 'nowhere'))).toEqual(new Map())
  })
})

describe('HEAD', () => {
  test('is written as git reads it', () => {
    const { repo, one } = withCommits()
    writePackedRefs(nodeFsPort, repo, new Map([['refs/heads/s-1', one]]))
    writeHead(nodeFsPort, repo, 'refs/heads/s-1')
    expect(git(repo, ['symbolic-ref', 'HEAD'])).toBe('refs/heads/s-1')
    expect(git(repo, ['rev-parse', 'HEAD'])).toBe(one)
    expect(readHead(nodeFsPort, repo)).toBe('refs/heads/s-1')
  })

  test('that is detached, damaged or missing names nothing', () => {
    const { repo, one } = withCommits()
    for (const text of [`${one}\n`, '', 'ref: ', 'ref: ../../etc/passwd\n']) {
      chmodSync(join(repo, 'HEAD'), 0o600)
      writeFileSync(join(repo, 'HEAD'), text)
      expect(readHead(nodeFsPort, repo)).toBeUndefined()
    }
    expect(readHead(nodeFsPort, join(repo, 'nowhere'))).toBeUndefined()
    expect(existsSync(join(repo, 'HEAD.lock'))).toBe(false)
  })
})
