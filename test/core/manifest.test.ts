import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Oid } from '../../src/core/git-objects.ts'
import { blobOid, decodeTree, encodeCommit, encodeTree, objectOid } from '../../src/core/git-objects.ts'
import type { FileEntry, Manifest } from '../../src/core/manifest.ts'
import { manifestDigest, parseRows } from '../../src/core/manifest.ts'
import { readManifest } from '../../src/core/read-manifest.ts'
import type { GitObject } from '../../src/core/snapshot-trees.ts'
import { treesOf } from '../../src/core/snapshot-trees.ts'
import { HOSTILE_NAMES, anyManifest, contents, fileEntry, sorted } from '../contract/datasets.ts'
import { emptyRepository, writePack } from '../contract/packs.ts'
import { failure, git } from '../contract/temporary.ts'

/** A snapshot's objects in memory, and how to read them. */
const stored = (manifest: Manifest) => {
  const objects = new Map<Oid, GitObject>()
  const root = treesOf(manifest).write((object) => objects.set(object.oid, object))
  const bytes = (oid: Oid): Uint8Array => {
    const found = objects.get(oid)
    if (found === undefined) throw new Error(`no object ${oid}`)
    return found.bytes
  }
  return { root, objects, read: { tree: (oid: Oid) => decodeTree(bytes(oid)), blob: bytes } }
}

const reread = (manifest: Manifest): Manifest => {
  const { read, root } = stored(manifest)
  return readManifest(read, root)
}

/** Writes a snapshot with its file blobs and a commit, and lets stock git look at everything. */
const judged = (manifest: Manifest): string => {
  const { repo, packs } = emptyRepository()
  const { root, objects } = stored(manifest)
  const who = { name: 'S', email: 's@l', timestamp: 1, timezone: '+0000' }
  const commit = encodeCommit({ tree: root, parents: [], author: who, committer: who, message: 'x\n' })
  writePack(packs, [
    ...manifest.files.map((f) => ['blob', contents.get(f.oid) ?? Buffer.alloc(0)] as const),
    ...[...objects.values()].map(({ type, bytes }) => [type, bytes] as const),
    ['commit', commit],
  ])
  git(repo, ['update-ref', 'refs/heads/x', objectOid('commit', commit)])
  expect(git(repo, ['fsck', '--strict', '--full', '--no-dangling'])).toBe('')
  return repo
}

const byPath = ({ files }: Manifest): Map<string, FileEntry> => new Map(files.map((f) => [f.path, f]))

/** A manifest after one edit of it. */
const editedManifest = (m: Manifest, at: number, kind: string, round: number): Manifest => {
  const i = at % Math.max(1, m.files.length)
  const file = m.files[i]
  const others = m.files.filter((_, k) => k !== i)
  const withFile = (one: FileEntry | undefined): Manifest => sorted({ ...m, files: one === undefined ? others : [...others, one] })
  if (kind === 'folder')
    return sorted({
      ...m,
      directories: [...m.directories.filter((d) => d.path !== `new-${at}`), { path: `new-${at}`, mode: 0o700 + (round % 8) }],
    })
  if (kind === 'add')
    return sorted({ ...m, files: [...m.files.filter((f) => f.path !== `added-${at}`), fileEntry(`added-${at}`, `new ${round}`)] })
  if (file === undefined || kind === 'remove') return withFile(undefined)
  if (kind === 'mode') return withFile({ ...file, mode: file.mode ^ 0o100 })
  return withFile(fileEntry(file.path, `round ${round} of ${at}`, file.mode))
}

const hostile = (): Manifest => {
  // What git would refuse in a file that it took for one of its own: a bad submodule, a line beyond its limit.
  const bad = `[submodule "../a"]\n\turl = -x\n${'x'.repeat(3000)}\n`
  const files = HOSTILE_NAMES.flatMap((name) => [fileEntry(name, `of ${name}`), fileEntry(`dir/${name}`, bad)])
  const directories = ['dir', 'empty', ...HOSTILE_NAMES.map((name) => `empty/${name}`)]
  return { files, directories: directories.map((path) => ({ path, mode: 0o755 })) }
}

describe('a snapshot tree', () => {
  test('of any dataset reads back as the dataset', () => {
    fc.assert(
      fc.property(anyManifest, (manifest) => {
        expect(reread(manifest)).toEqual(sorted(manifest))
      }),
      { numRuns: 300 },
    )
  })

  test('and digest are equal for equal content, in whatever order it is listed', () => {
    fc.assert(
      fc.property(anyManifest, (manifest) => {
        const turned = { files: [...manifest.files].reverse(), directories: [...manifest.directories].reverse() }
        expect(stored(turned).root).toBe(stored(manifest).root)
        expect(manifestDigest(turned)).toBe(manifestDigest(manifest))
      }),
      { numRuns: 100 },
    )
  })

  test('that is gone on with is what it would be if it were made anew, and names nothing that was not given', () => {
    // Enough files of one folder that its rows are in several buckets.
    const many = Array.from({ length: 700 }, (_, i) => fileEntry(`many/${i}`, `${i}`))
    const edit = fc.record({ at: fc.nat(), kind: fc.constantFrom('edit', 'edit', 'edit', 'mode', 'add', 'remove', 'folder') })
    fc.assert(
      fc.property(anyManifest, fc.boolean(), fc.array(fc.array(edit, { maxLength: 6 }), { maxLength: 5 }), (small, isLarge, rounds) => {
        const directories = isLarge
          ? [...small.directories.filter((d) => d.path !== 'many'), { path: 'many', mode: 0o755 }]
          : small.directories
        let now = sorted({
          files: isLarge ? [...small.files.filter((f) => !/^many(?:$|\/)/.test(f.path)), ...many] : small.files,
          directories,
        })
        const trees = treesOf(now)
        const given = new Set<Oid>()
        const write = (): Oid => trees.write(({ oid }) => given.add(oid))
        write()
        for (const [n, edits] of rounds.entries()) {
          for (const { at, kind } of edits) now = editedManifest(now, at, kind, n)
          trees.update(byPath(now), now.directories)
          const fresh = stored(now)
          expect(write()).toBe(fresh.root)
          expect(trees.digest()).toBe(manifestDigest(now))
          expect([...fresh.objects.keys()].filter((oid) => !given.has(oid))).toEqual([])
        }
      }),
      { numRuns: 150 },
    )
  })

  test('differs when any fact differs: content, mode, name, an empty directory', () => {
    const base: Manifest = { files: [fileEntry('a/b', 'x')], directories: [{ path: 'a', mode: 0o755 }] }
    const [file] = base.files
    const variants: Manifest[] = [
      base,
      { ...base, files: [fileEntry('a/b', 'y')] },
      { ...base, files: [fileEntry('a/b', 'x', 0o600)] },
      { ...base, files: [fileEntry('a/c', 'x')] },
      { ...base, directories: [{ path: 'a', mode: 0o700 }] },
      { ...base, directories: [...base.directories, { path: 'e', mode: 0o755 }] },
      { files: file === undefined ? [] : [file, fileEntry('c', '')], directories: base.directories },
    ]
    expect(new Set(variants.map((m) => stored(m).root)).size).toBe(variants.length)
    expect(new Set(variants.map(manifestDigest)).size).toBe(variants.length)
  })

  test('with every hostile name reads back, and git fsck --strict finds nothing', () => {
    const manifest = hostile()
    expect(reread(manifest)).toEqual(sorted(manifest))
    judged(manifest)
  })

  test('of any dataset is clean for git fsck --strict', () => {
    fc.assert(
      fc.property(anyManifest, (manifest) => {
        judged(manifest)
      }),
      { numRuns: 25 },
    )
  })

  test('of nothing is a manifest alone, and reads back as nothing', () => {
    const nothing: Manifest = { files: [], directories: [] }
    expect(reread(nothing)).toEqual(nothing)
    judged(nothing)
  })

  test('shows the dataset to stock git under files/, executable bits included', () => {
    const manifest: Manifest = {
      files: [fileEntry('run', 'x', 0o755), fileEntry('d/é.json', '{}', 0o600)],
      directories: [{ path: 'd', mode: 0o700 }],
    }
    const repo = judged(manifest)
    expect(git(repo, ['-c', 'core.quotePath=false', 'ls-tree', '-r', 'x:files']).split('\n')).toEqual([
      `100644 blob ${blobOid(Buffer.from('{}'))}\td/é.json`,
      `100755 blob ${blobOid(Buffer.from('x'))}\trun`,
    ])
  })
})

describe('the rows of a directory', () => {
  const many = (count: number): Manifest => ({
    files: Array.from({ length: count }, (_, i) => fileEntry(`d/${i}.json`, '')),
    directories: [{ path: 'd', mode: 0o755 }],
  })
  const bucketsOf = (manifest: Manifest): Map<string, Oid> => {
    const { read, root } = stored(manifest)
    const top = read.tree(root).find((e) => e.name === 'manifest')?.oid ?? ('' as Oid)
    const inner = read.tree(top).find((e) => e.name === 'in-d')?.oid ?? ('' as Oid)
    return new Map(read.tree(inner).map((e) => [e.name, e.oid]))
  }

  test('are one bucket up to 256, and more beyond', () => {
    expect([...bucketsOf(many(256)).keys()]).toEqual(['rows'])
    expect([...bucketsOf(many(257)).keys()].sort()).toEqual(Array.from('0123456789abcdef', (digit) => `rows-${digit}`))
  })

  test.each([300, 5000])(
    'of %i files are in buckets of at most 256 by the hash of the name, and one new file changes one of them',
    (count) => {
      const before = many(count)
      expect(reread(before)).toEqual(sorted(before))
      const { read, root, objects } = stored(before)
      const blobs = [...objects.values()].filter((o) => o.type === 'blob').map((o) => parseRows(Buffer.from(o.bytes).toString()))
      expect(Math.max(...blobs.map((rows) => rows.length))).toBeLessThanOrEqual(256)
      expect(read.tree(root)).toHaveLength(2)
      for (const [name, oid] of bucketsOf(before))
        for (const row of parseRows(Buffer.from(read.blob(oid)).toString()))
          expect(`rows-${createHash('sha256').update(row.name).digest('hex')}`.startsWith(name)).toBe(true)
      const after = { ...before, files: [...before.files, fileEntry('d/new.json', 'x')] }
      const [old, now] = [bucketsOf(before), bucketsOf(after)]
      expect([...now].filter(([name, oid]) => old.get(name) !== oid)).toHaveLength(1)
    },
  )

  test('are as the format says: type, octal mode, size, SHA-256, name with %, controls escaped', () => {
    const { objects } = stored({ files: [fileEntry('a\n%\u007f\u2028', 'x', 0o640)], directories: [{ path: 'é ', mode: 0o700 }] })
    const text = [...objects.values()].filter((o) => o.type === 'blob').map((o) => Buffer.from(o.bytes).toString())
    const sha = createHash('sha256').update('x').digest('hex')
    expect(text).toContain(`f 0640 1 ${sha} a%0A%25%7F\u2028\nd 0700 é \n`)
  })

  test.each([
    'x 0644 a',
    'f 0644 01 ' + '0'.repeat(64) + ' a',
    'f 644 1 ' + '0'.repeat(64) + ' a',
    'f 0644 1 abc a',
    'd 0755 ',
    'd 0799 a',
    '',
    'd 0755 a\r'.slice(0, 6),
  ])('%j is no row: CORRUPT', (row) => {
    expect(failure(() => parseRows(`${row}\n`)).code).toBe('CORRUPT')
  })
})

test('the digest is SHA-256 over the rows with whole paths, sorted by path bytes, as recomputed here', () => {
  fc.assert(
    fc.property(anyManifest, (manifest) => {
      const escape = (path: string): string =>
        Array.from(path, (c) => (c === '%' || c < ' ' || c === '\u007f' ? `%${Buffer.from(c).toString('hex').toUpperCase()}` : c)).join('')
      const rows = [
        ...manifest.files.map(
          (f) => [f.path, `f ${f.mode.toString(8).padStart(4, '0')} ${f.size} ${f.sha256} ${escape(f.path)}\n`] as const,
        ),
        ...manifest.directories.map((d) => [d.path, `d ${d.mode.toString(8).padStart(4, '0')} ${escape(d.path)}\n`] as const),
      ].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      expect(manifestDigest(manifest)).toBe(
        createHash('sha256')
          .update(rows.map(([, row]) => row).join(''))
          .digest('hex'),
      )
    }),
  )
})

describe('a manifest that does not fit its tree is CORRUPT', () => {
  const sha = '0'.repeat(64)
  const blob = blobOid(Buffer.from('x'))
  /** A snapshot whose root has these rows and this files/ tree, made by hand. */
  const crafted = (rows: string, files: readonly string[], children: readonly string[] = []): (() => Manifest) => {
    const objects = new Map<Oid, Uint8Array>()
    const put = (type: 'blob' | 'tree', bytes: Uint8Array): Oid => {
      const oid = objectOid(type, bytes)
      objects.set(oid, bytes)
      return oid
    }
    const empty = put('tree', encodeTree([{ mode: '100644', name: 'rows', oid: put('blob', Buffer.alloc(0)) }]))
    const manifest = put(
      'tree',
      encodeTree([
        { mode: '100644', name: 'rows', oid: put('blob', Buffer.from(rows)) },
        ...children.map((name) => ({ mode: '40000' as const, name, oid: empty })),
      ]),
    )
    const tree = put('tree', encodeTree(files.map((name) => ({ mode: '100644' as const, name, oid: blob }))))
    const root = put(
      'tree',
      encodeTree([
        { mode: '40000', name: 'files', oid: tree },
        { mode: '40000', name: 'manifest', oid: manifest },
      ]),
    )
    const bytes = (oid: Oid): Uint8Array => objects.get(oid) ?? Buffer.alloc(0)
    return () => readManifest({ tree: (oid) => decodeTree(bytes(oid)), blob: bytes }, root)
  }
  const row = (name: string): string => `f 0644 1 ${sha} ${name}\n`

  test('as it stands it is read', () => {
    expect(crafted(row('a') + 'd 0755 d\n', ['a'], ['in-d'])()).toEqual({
      files: [{ path: 'a', size: 1, sha256: sha, mode: 0o644, oid: blob }],
      directories: [{ path: 'd', mode: 0o755 }],
    })
  })

  test.each([
    ['a row for a file that is not in the tree', row('a') + row('b'), ['a'], []],
    ['a file in the tree without a row', row('a'), ['a', 'b'], []],
    ['a row twice', row('a') + row('a'), ['a'], []],
    ['a directory without rows of its own', 'd 0755 d\n', [], []],
    ['a directory twice', 'd 0755 d\nd 0755 d\n', [], ['in-d']],
    ['rows of a directory that has no row', '', [], ['in-d']],
    ['a directory that leads out', 'd 0755 ../out\n', [], ['in-../out']],
    ['a directory called ..', 'd 0755 ..\n', [], ['in-..']],
    ['a name that is not as Strata escapes it', row('%2Egit'), ['.git'], []],
    ['something that is no row', 'rubbish\n', [], []],
  ])('%s', (_name, rows, files, children) => {
    expect(failure(crafted(rows, files, children)).code).toBe('CORRUPT')
  })

  test('no manifest at all', () => {
    const root = encodeTree([])
    expect(failure(() => readManifest({ tree: () => decodeTree(root), blob: () => root }, objectOid('tree', root))).code).toBe('CORRUPT')
  })
})
