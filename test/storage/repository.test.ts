import { randomBytes } from 'node:crypto'
import { readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Oid } from '../../src/core/git-objects.ts'
import type { Manifest } from '../../src/core/manifest.ts'
import { manifestDigest } from '../../src/core/manifest.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { commitMessage } from '../../src/core/slice.ts'
import { logCommits } from '../../src/storage/history.ts'
import type { EncodedBatch } from '../../src/storage/pack-write.ts'
import { encodeEntries, releasePacks } from '../../src/storage/pack-write.ts'
import { writePackedRefs } from '../../src/storage/refs.ts'
import { Repository, createRepository } from '../../src/storage/repository.ts'
import { HOSTILE_NAMES, contents, fileEntry, sorted } from '../contract/datasets.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import { emptyRepository } from '../contract/packs.ts'
import { failure, git, gitBytes, temporary } from '../contract/temporary.ts'

const manifestOf = (...names: readonly string[]): Manifest =>
  sorted({
    files: names.map((name) => fileEntry(`d/${name}`, `content of ${name}`)),
    directories: [
      { path: 'd', mode: 0o755 },
      { path: 'empty', mode: 0o700 },
    ],
  })

const batchOf = (manifest: Manifest) =>
  encodeEntries(manifest.files.map((f) => ({ type: 'blob' as const, bytes: contents.get(f.oid) ?? Buffer.alloc(0) })))

/** One snapshot in one transaction. */
const snapshot = (repository: Repository, manifest: Manifest, parents: readonly Oid[] = []): { commit: Oid; manifest: string } => {
  const transaction = repository.begin()
  transaction.addBatch(batchOf(manifest))
  const stored = transaction.addSnapshot(manifest, (digest) => ({
    message: commitMessage('Captured', { 'Strata-Seq': 3, 'Manifest-Sha256': digest }),
    parents,
    timestamp: 1_700_000_000,
  }))
  transaction.finish()
  return stored
}

describe('an empty repository', () => {
  test('is one that stock git accepts, and never collects by itself', () => {
    const { repo } = emptyRepository()
    git(repo, ['fsck', '--strict', '--full'])
    expect(git(repo, ['rev-parse', '--is-bare-repository'])).toBe('true')
    expect([git(repo, ['config', 'gc.auto']), git(repo, ['config', 'gc.pruneExpire'])]).toEqual(['0', 'never'])
    expect(git(repo, ['rev-parse', '--show-object-format'])).toBe('sha1')
  })

  test('that is half made is completed, and a whole one left alone', () => {
    const { repo } = emptyRepository()
    const before = statSync(join(repo, 'config')).ino
    rmSync(join(repo, 'HEAD'))
    rmSync(join(repo, 'refs'), { recursive: true })
    createRepository(nodeFsPort, repo)
    git(repo, ['fsck', '--strict'])
    expect(statSync(join(repo, 'config')).ino).toBe(before)
  })

  test('can be made again whatever call failed in the middle', () => {
    for (let n = 1; n < 200; n++) {
      const repo = join(temporary(), 'repo.git')
      let seen = 0
      const { fs } = faultyFs(nodeFsPort, ({ call }) =>
        ['open', 'write', 'fsync', 'rename', 'mkdir'].includes(call) && ++seen === n ? { code: 'EIO' } : undefined,
      )
      let failed = false
      try {
        createRepository(fs, repo)
      } catch {
        failed = true
      }
      createRepository(nodeFsPort, repo)
      if (n % 5 === 1) git(repo, ['fsck', '--strict'])
      if (!failed) return
    }
    throw new Error('it never succeeded')
  })
})

describe('a transaction', () => {
  test('makes one pack, which stock git reads and finds sound', () => {
    const { repo, packs } = emptyRepository()
    const repository = new Repository(nodeFsPort, repo)
    const manifest = manifestOf(...HOSTILE_NAMES)
    const { commit, manifest: digest } = snapshot(repository, manifest)
    expect(readdirSync(packs).filter((name) => name.endsWith('.pack'))).toHaveLength(1)
    writePackedRefs(nodeFsPort, repo, new Map([['refs/heads/s', commit]]))
    expect(git(repo, ['fsck', '--strict', '--full', '--no-dangling'])).toBe('')
    expect(digest).toBe(manifestDigest(manifest))
    expect(git(repo, ['log', '-1', '--format=%s|%(trailers:key=Manifest-Sha256,valueonly)', 's'])).toContain(`Captured|${digest}`)
    expect(repository.manifest(commit)).toEqual(manifest)
    for (const { path, oid } of manifest.files) expect(Buffer.from(repository.blob(oid)).toString()).toBe(`content of ${path.slice(2)}`)
    repository.close()
  })

  test('writes nothing that the repository has already', () => {
    const { repo, packs } = emptyRepository()
    const repository = new Repository(nodeFsPort, repo)
    const first = snapshot(repository, manifestOf('a', 'b'))
    const before = readdirSync(packs)
    expect(snapshot(repository, manifestOf('a', 'b'))).toEqual(first)
    expect(readdirSync(packs)).toEqual(before)
    snapshot(repository, manifestOf('a', 'b', 'c'), [first.commit])
    const added = readdirSync(packs).filter((name) => name.endsWith('.idx') && !before.includes(name))
    const counts = added.map((name) => git(repo, ['show-index'], readFileSync(join(packs, name))).split('\n').length)
    // One blob; a commit, three trees of files, two of the manifest, and a bucket of rows.
    expect(counts).toEqual([8])
    repository.close()
  })

  test('puts many bytes of blobs into packs of their own', () => {
    const { repo, packs } = emptyRepository()
    const repository = new Repository(nodeFsPort, repo)
    const some = (n: number): EncodedBatch =>
      encodeEntries(Array.from({ length: 5 }, () => ({ type: 'blob' as const, bytes: randomBytes(n) })))
    const transaction = repository.begin()
    transaction.addBatch(some(1000))
    transaction.addBatch(some(300_000))
    transaction.addBatch(some(1000))
    const { commit } = transaction.addSnapshot(manifestOf('a'), () => ({ message: 'x', parents: [], timestamp: 1 }))
    transaction.addBatch(batchOf(manifestOf('a')))
    transaction.finish()
    const kinds = readdirSync(packs)
      .filter((name) => name.endsWith('.idx'))
      .map((name) => git(repo, ['verify-pack', '-v', join('objects/pack', name)]).match(/ (?:blob|tree|commit) /g))
      .map((found) => [...new Set(found)].sort().join(''))
    expect(kinds.sort()).toEqual([' blob ', ' blob  commit  tree '])
    expect(git(repo, ['fsck', '--strict', '--full', '--no-dangling', commit])).toBe('')
    repository.close()
  })

  test('that is aborted leaves nothing, and what was there stays', () => {
    const { repo, packs } = emptyRepository()
    const repository = new Repository(nodeFsPort, repo)
    const kept = snapshot(repository, manifestOf('a'))
    const before = readdirSync(packs)
    const transaction = repository.begin()
    transaction.addBatch(batchOf(manifestOf('b')))
    transaction.addObject('blob', Buffer.from('x'))
    transaction.abort()
    expect(readdirSync(packs)).toEqual(before)
    expect(repository.manifest(kept.commit)).toEqual(manifestOf('a'))
    repository.close()
  })

  test('that fails while it is finished names nothing that is not there', () => {
    const { repo, packs } = emptyRepository()
    for (let n = 1; n < 30; n++) {
      let seen = 0
      const { fs } = faultyFs(nodeFsPort, ({ call }) =>
        ['write', 'fsync', 'rename'].includes(call) && ++seen === n ? { code: 'EIO' } : undefined,
      )
      const repository = new Repository(fs, repo)
      const transaction = repository.begin()
      try {
        transaction.addBatch(batchOf(manifestOf(`n${n}`)))
        transaction.addSnapshot(manifestOf(`n${n}`), () => ({ message: 'x\n', parents: [], timestamp: n }))
        transaction.finish()
        n = 30
      } catch {
        transaction.abort()
      }
      repository.close()
      expect(readdirSync(packs).filter((name) => name.includes('tmp_'))).toEqual([])
      git(repo, ['fsck', '--strict', '--connectivity-only'])
    }
  })

  test('carries journal slices in folders of at most 256, each commit on the one before', () => {
    const { repo } = emptyRepository()
    const repository = new Repository(nodeFsPort, repo)
    let previous: Oid | null = null
    const ends = [5, 255, 256, 300, 65_536, 70_000]
    for (const upTo of ends) {
      const transaction = repository.begin()
      previous = transaction.addSlice(previous, `lines up to ${upTo}\n`, upTo, 1_700_000_000)
      transaction.finish()
    }
    writePackedRefs(nodeFsPort, repo, new Map([['refs/heads/strata/journal', previous ?? ('' as Oid)]]))
    git(repo, ['fsck', '--strict', '--full'])
    const names = git(repo, ['ls-tree', '-r', '--name-only', 'strata/journal']).split('\n')
    expect(names).toEqual(
      ends.map(
        (n) =>
          `${n.toString(16).padStart(8, '0').slice(0, 4)}/${n.toString(16).padStart(8, '0').slice(4, 6)}/${String(n).padStart(10, '0')}.jsonl`,
      ),
    )
    expect(gitBytes(repo, ['cat-file', 'blob', `strata/journal:${names.at(-1)}`]).toString()).toBe('lines up to 70000\n')
    expect(git(repo, ['rev-list', '--count', 'strata/journal'])).toBe('6')
    repository.close()
  })
})

describe('reading', () => {
  test('an object that is missing is CORRUPT, with its id', () => {
    const { repo } = emptyRepository()
    const oid = '1'.repeat(40) as Oid
    expect(failure(() => new Repository(nodeFsPort, repo).read(oid))).toMatchObject({ code: 'CORRUPT', data: { oid } })
  })

  test('the log gives commits of ours with their trailers, newest first, and of stock git', async () => {
    const { repo } = emptyRepository()
    const repository = new Repository(nodeFsPort, repo)
    const first = snapshot(repository, manifestOf('a'))
    const second = snapshot(repository, manifestOf('a', 'b'), [first.commit])
    writePackedRefs(nodeFsPort, repo, new Map([['refs/heads/s', second.commit]]))
    const foreign = git(repo, ['commit-tree', `${second.commit}^{tree}`, '-p', second.commit, '-m', 'by hand'])
    const before = git(repo, ['count-objects', '-v'])
    const log = await logCommits(nodeFsPort, repo, foreign)
    expect(log.map((c) => [c.oid, c.subject, c.parents])).toEqual([
      [foreign, 'by hand', [second.commit]],
      [second.commit, 'Captured', [first.commit]],
      [first.commit, 'Captured', []],
    ])
    expect(log[1]).toMatchObject({ trailers: { 'Strata-Seq': '3', 'Manifest-Sha256': second.manifest }, at: '2023-11-14T22:13:20.000Z' })
    expect(await logCommits(nodeFsPort, repo, foreign, 1)).toHaveLength(1)
    // It reads only.
    expect(git(repo, ['count-objects', '-v'])).toBe(before)
    repository.close()
  })

  test('goes on after stock git has collected everything into one pack', () => {
    const { repo, packs } = emptyRepository()
    const repository = new Repository(nodeFsPort, repo)
    const first = snapshot(repository, manifestOf('a', 'b'))
    const second = snapshot(repository, manifestOf('a', 'b', 'c'), [first.commit])
    writePackedRefs(nodeFsPort, repo, new Map([['refs/heads/s', second.commit]]))
    releasePacks(nodeFsPort, packs)
    git(repo, ['gc', '-q', '--prune=now', '--aggressive'])
    expect(readdirSync(packs).filter((name) => name.endsWith('.pack'))).toHaveLength(1)
    expect(repository.manifest(first.commit)).toEqual(manifestOf('a', 'b'))
    expect(repository.manifest(second.commit)).toEqual(manifestOf('a', 'b', 'c'))
    snapshot(repository, manifestOf('d'), [second.commit])
    git(repo, ['fsck', '--strict'])
    repository.close()
  })
})
