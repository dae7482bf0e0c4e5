import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { compareBytes, treeName } from '../../src/core/names.ts'
import { HOSTILE_NAMES } from '../contract/datasets.ts'
import { gitBytes, temporary } from '../contract/temporary.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { AS_NOBODY, ROOT, sandboxAt } from '../support/sandbox.ts'
import { TOY, toyModule } from '../support/toy.ts'
import { fingerprint, put, putAll } from '../support/tree.ts'

/** What a Linux directory may hold that is hard to keep: through the real command line, into git, back out of it, and nowhere else. */

const isRoot = process.getuid?.() === 0

/** A dataset with what is put beside its own files. */
const holding = (fill: (data: string) => void, content: Readonly<Record<string, string>> = TOY): Sandbox => {
  const box = sandboxAt(temporary(), toyModule())
  putAll(box.data, content)
  fill(box.data)
  return box
}

/** Everything below `root`, by path: type, mode and content. Names are read as bytes, so that none is mistaken for another. */
const everything = (root: string, at = ''): Record<string, string> =>
  Object.assign(
    {},
    ...readdirSync(Buffer.from(join(root, at)), { encoding: 'buffer' }).map((raw): Record<string, string> => {
      const path = at === '' ? raw.toString() : `${at}/${raw.toString()}`
      const stat = lstatSync(join(root, path))
      const mode = (stat.mode & 0o777).toString(8)
      if (stat.isDirectory()) return { [`${path}/`]: mode, ...everything(root, path) }
      return {
        [path]: `${mode} ${createHash('sha256')
          .update(readFileSync(join(root, path)))
          .digest('hex')}`,
      }
    }),
  ) as Record<string, string>

/** The entry of a path in a snapshot's tree. */
const entryOf = (path: string): string => path.split('/').map(treeName).join('/')

/** Stock git's own view of the files of a snapshot: what it lists, and the bytes that it gives out. */
const inGit = (box: Sandbox, snapshot: string): Map<string, string> => {
  const repo = join(box.store, 'repo.git')
  const rows = gitBytes(repo, ['ls-tree', '-r', '-z', snapshot, 'files/'])
    .toString()
    .split('\0')
    .filter((row) => row !== '')
  return new Map(
    rows.map((row) => {
      const [, , oid = ''] = row.split(/[ \t]/)
      return [
        row.slice(row.indexOf('\t') + 1 + 'files/'.length),
        createHash('sha256')
          .update(gitBytes(repo, ['cat-file', 'blob', oid]))
          .digest('hex'),
      ]
    }),
  )
}

/** `git archive`, unpacked by tar: what someone without Strata gets. */
const archived = (box: Sandbox, snapshot: string): Record<string, string> => {
  const dir = temporary()
  execFileSync('tar', ['-x', '-C', dir], { input: gitBytes(join(box.store, 'repo.git'), ['archive', `${snapshot}:files`]) })
  return everything(dir)
}

const filesOf = (all: Readonly<Record<string, string>>): [string, string][] => Object.entries(all).filter(([path]) => !path.endsWith('/'))
const hashOf = (value: string): string => value.slice(value.indexOf(' ') + 1)

/** Through every command, and twice rebuilt from the repository; `unchanged` are the paths that no migration touches. */
const survives = (box: Sandbox, archive = true): void => {
  const original = everything(box.data)
  const untouched = fingerprint(box.data)
  box.ok('init', '--from', box.data)
  const first = box.snapshot()
  expect(everything(box.active())).toEqual(original)
  const wanted = filesOf(original).map(([path, value]) => [entryOf(path), hashOf(value)] as const)
  expect(inGit(box, first)).toEqual(new Map([...wanted].sort(([a], [b]) => compareBytes(a, b))))
  if (archive)
    expect(
      filesOf(archived(box, first))
        .map(([path, value]) => [path, hashOf(value)])
        .sort(),
    ).toEqual([...wanted].sort())
  put(box.active(), 'added.txt', 'by the application')
  box.ok('checkpoint')
  box.ok('migrate')
  const top = box.snapshot()
  const migrated = everything(box.active())
  for (const [path, value] of Object.entries(original))
    if (!/^(?:settings\.json|days\/)/.test(path)) expect([path, migrated[path]]).toEqual([path, value])
  box.ok('rollback')
  expect(everything(box.active())).toEqual({ ...original, 'added.txt': expect.any(String) })
  box.ok('redo')
  box.ok('rollback')
  // The directory of the newest snapshot is made again from the repository alone.
  rmSync(box.directoryOf(top), { recursive: true })
  rmSync(join(box.store, 'index', top), { force: true })
  box.ok('redo')
  expect(everything(box.active())).toEqual(migrated)
  rmSync(box.directoryOf(first), { recursive: true })
  box.ok('rollback')
  expect(everything(box.active())).toEqual({ ...original, 'added.txt': expect.any(String) })
  const listed = (box.doc('show', '@').files as { path: string }[]).map((f) => f.path)
  expect(listed.sort()).toEqual([...filesOf(original).map(([path]) => path), 'added.txt'].sort())
  expect(box.doc('verify').valid).toBe(true)
  expect(fingerprint(box.data)).toEqual(untouched)
  expect(readdirSync(box.dir).sort()).toEqual(['data', 'store'])
}

const old = (...path: string[]): void => {
  utimesSync(join(...path), 1_700_000_000, 1_700_000_000)
}

describe('what can be captured comes back, byte for byte, through every command and out of stock git', () => {
  it('names: of git, of Windows, with control characters, quotes and dashes, in two Unicode forms, of 255 bytes; as files and as folders', () => {
    const box = holding((data) => {
      for (const name of HOSTILE_NAMES) {
        put(data, join('files here', name), name)
        put(data, join('folders', name, name), name)
      }
      for (const name of [
        'ü'.repeat(127),
        'e\u0301'.repeat(85),
        '-rf',
        '$(touch x)',
        '`x`',
        '%00',
        'a\u007fb',
        "it's",
        'tab\there',
        'trailing. . ',
      ])
        put(data, join('more', name), name)
    })
    survives(box)
    for (const name of ['-rf', '%41', 'a\nb', '.git', 'git~1', 'x:y', '\\', '"', '\u007f']) {
      const path = name === '-rf' ? `more/${name}` : `files here/${name}`
      expect(box.ok('show', `@:${path}`)).toBe(name)
      expect(box.doc('history', path).length).toBeGreaterThan(0)
    }
    // What is printed for people moves no cursor and ends no line.
    expect(box.ok('show', '@')).not.toContain('\u007f')
  }, 120_000)

  it('a path of more than 1,000 characters and 50 levels', () => {
    const deep = Array.from({ length: 60 }, (_, i) => `level ${i} ${'x'.repeat(14)}`).join('/')
    expect(deep.length).toBeGreaterThan(1000)
    // The tar format of git archive has no trouble with it either.
    survives(holding((data) => put(data, `${deep}/file`, 'deep')))
  }, 60_000)

  it('modes, of files and folders, and folders with nothing in them', () => {
    survives(
      holding((data) => {
        for (const mode of [0o600, 0o755, 0o444, 0o777, 0o644, 0o711]) {
          put(data, `modes/${mode.toString(8)}`, `${mode}`)
          chmodSync(join(data, `modes/${mode.toString(8)}`), mode)
          mkdirSync(join(data, `folders/${mode.toString(8)}`), { recursive: true })
        }
        mkdirSync(join(data, 'empty/in/empty'), { recursive: true })
        chmodSync(join(data, 'empty/in'), 0o700)
        chmodSync(join(data, 'folders/777'), 0o777)
      }),
    )
  }, 60_000)

  it('a file that nobody may read, as root', ({ skip }) => {
    if (!isRoot) skip('only root can read such a file')
    survives(
      holding((data) => {
        put(data, 'closed', 'secret')
        chmodSync(join(data, 'closed'), 0)
      }),
    )
  }, 60_000)

  it("contents: empty, with a byte order mark, CRLF, no final newline, binary; and the user's own git settings", () => {
    const box = holding((data) => {
      const contents: Record<string, string | Uint8Array> = {
        empty: '',
        'bom.txt': '\ufefftext',
        'crlf.txt': 'a\r\nb\r\n',
        'mixed.txt': 'a\r\nb\nc\r',
        'no-newline': 'x',
        nul: new Uint8Array(1000),
        bytes: Uint8Array.from({ length: 512 }, (_, i) => i % 256),
        'ident.txt': '$Id$\n',
        '.gitattributes': '* text=auto eol=crlf ident filter=evil working-tree-encoding=UTF-16 export-ignore export-subst\n',
        '.gitignore': '*\n',
        '.gitmodules': '[submodule "x"]\n\tpath = days\n\turl = ../../evil\n',
        'sub/.gitattributes': '* -export-ignore text\n',
        'sub/crlf.txt': 'a\r\n$Format:%H$\r\n',
      }
      for (const [path, text] of Object.entries(contents)) put(data, path, text)
    })
    survives(box)
  }, 60_000)

  it('a JSON file keeps its byte order mark, CRLF and missing newline through a migration and back', () => {
    const days = { 'days/1.json': '\ufeff[{"n": 1},\r\n {"n": 2}]', 'days/2.json': '[{"n": 3}]\r\n\r\n', 'days/3.json': '[]' }
    const box = holding(() => undefined, { ...TOY, ...days })
    survives(box)
    box.ok('redo')
    const up = readFileSync(join(box.active(), 'days/1.json'), 'utf8')
    expect(up.startsWith('\ufeff')).toBe(true)
    expect(up).toContain('\r\n')
    expect(readFileSync(join(box.active(), 'days/2.json'), 'utf8').endsWith('\r\n\r\n')).toBe(true)
  }, 60_000)

  it('no restore writes through a link that lies where the directory is to be made', () => {
    const box = holding(() => undefined)
    const victim = join(temporary(), 'victim')
    putAll(victim, { 'settings.json': 'not yours' })
    box.ok('init', '--from', box.data)
    box.ok('migrate')
    const first = readdirSync(join(box.store, 'snapshots')).find((name) => name.startsWith('1.0.0')) ?? ''
    rmSync(box.directoryOf(first), { recursive: true })
    symlinkSync(victim, box.directoryOf(first))
    const before = fingerprint(victim)
    expect(box.refused('rollback').code).toBe('UNTRUSTED')
    expect(fingerprint(victim)).toEqual(before)
  })
})

describe('what cannot be captured stops init: all of it is listed, and there is no store', () => {
  const refuses = (box: Sandbox, codes: readonly string[], paths: readonly string[]): void => {
    const before = readdirSync(box.data).sort()
    const error = box.refused('init', '--from', box.data)
    expect(codes).toContain(error.code)
    expect([...(error.data.paths as string[])].sort()).toEqual([...paths].sort())
    for (const path of paths) expect(error.message).toContain(path)
    expect(error.hint).not.toBe('')
    expect(box.doc('status').state).toBe('no-store')
    const left = existsSync(box.store) ? Object.keys(everything(box.store)) : []
    expect(left.filter((path) => /^(?:snapshots|staging|repo\.git\/objects\/pack)\/./.test(path))).toEqual([])
    expect(readdirSync(box.data).sort()).toEqual(before)
  }

  const ODD = ['dangling', 'device', 'link-out', 'loop', 'pipe', 'socket', 'sub/loop-dir', 'self']

  /** One of each kind that is neither a file nor a folder. */
  const odd = async (data: string, at = ''): Promise<string[]> => {
    const dir = join(data, at)
    mkdirSync(join(dir, 'sub'), { recursive: true })
    symlinkSync('/etc/passwd', join(dir, 'link-out'))
    symlinkSync('nowhere', join(dir, 'dangling'))
    symlinkSync('loop', join(dir, 'loop'))
    symlinkSync('.', join(dir, 'self'))
    symlinkSync('..', join(dir, 'sub/loop-dir'))
    execFileSync('mkfifo', [join(dir, 'pipe')])
    const isNode = spawnSync('mknod', [join(dir, 'device'), 'c', '1', '3']).status === 0
    const server = createServer()
    server.listen(join(dir, 'socket'))
    await once(server, 'listening')
    onTestFinished(async () => {
      server.close()
      await once(server, 'close')
    })
    return ODD.filter((name) => isNode || name !== 'device').map((name) => join(at, name))
  }

  it('FIFOs, sockets, devices, links that lead out, in circles or nowhere; none is opened or followed', async () => {
    const box = holding(() => undefined)
    refuses(box, ['SPECIAL_FILE'], await odd(box.data))
  })

  it('but the dataset may ignore them: then they are left out, and nothing else is', async () => {
    const box = holding(() => undefined)
    await odd(box.data, 'logs')
    put(box.data, 'kept.txt', 'x')
    box.ok('init', '--from', box.data)
    expect(
      Object.keys(everything(box.active()))
        .filter((path) => !path.startsWith('days'))
        .sort(),
    ).toEqual(['kept.txt', 'settings.json'])
    box.ok('migrate')
    box.ok('rollback')
  })

  it('names that are not UTF-8: files and folders, beside a link', () => {
    const box = holding((data) => {
      for (const name of [
        [0x62, 0xff],
        [0xc3, 0x28],
        [0xed, 0xa0, 0x80],
      ])
        writeFileSync(Buffer.concat([Buffer.from(`${data}/`), Buffer.from(name)]), 'x')
      mkdirSync(Buffer.concat([Buffer.from(`${data}/`), Buffer.from([0x64, 0xfe])]))
      symlinkSync('settings.json', join(data, 'link'))
    })
    refuses(
      box,
      ['UNSUPPORTED_NAME', 'SPECIAL_FILE'],
      [
        [0x62, 0xff],
        [0xc3, 0x28],
        [0xed, 0xa0, 0x80],
        [0x64, 0xfe],
      ]
        .map((name) => Buffer.from(name).toString('latin1'))
        .concat('link'),
    )
  })

  it('files and folders that the user may not read, and no file of the others is kept', ({ skip }) => {
    if (!isRoot) skip('another user is needed, and only root may become one')
    const box = holding((data) => {
      put(data, 'closed.txt', 'x')
      put(data, 'closed too.txt', 'x')
      put(data, 'folder/file', 'x')
      for (const path of ['closed.txt', 'closed too.txt', 'folder']) chmodSync(join(data, path), 0)
    })
    const own = temporary()
    chmodSync(own, 0o777)
    const run = (...args: string[]) =>
      spawnSync(
        AS_NOBODY[0],
        [
          ...AS_NOBODY.slice(1),
          process.execPath,
          join(ROOT, 'dist/cli.cjs'),
          '--store',
          join(own, 'store'),
          '--migrations',
          toyModule(),
          ...args,
        ],
        { encoding: 'utf8', cwd: '/', env: { PATH: process.env.PATH ?? '' } },
      ) // prettier-ignore
    const ran = run('init', '--from', box.data, '--json')
    expect(ran.status).toBe(1)
    expect(JSON.parse(ran.stdout).error).toMatchObject({ code: 'UNREADABLE' })
    expect(ran.stderr).toContain('folder')
    expect(JSON.parse(run('status', '--json').stdout).state).toBe('no-store')
    const left = existsSync(join(own, 'store')) ? Object.keys(everything(join(own, 'store'))) : []
    expect(left.filter((path) => /^snapshots\/./.test(path))).toEqual([])
    chmodSync(join(box.data, 'folder'), 0o755)
    const again = run('init', '--from', box.data, '--json')
    expect([again.status, JSON.parse(again.stdout).error.data.paths]).toEqual([1, expect.arrayContaining(['closed.txt', 'closed too.txt'])])
    for (const path of ['closed.txt', 'closed too.txt']) chmodSync(join(box.data, path), 0o644)
    expect(run('init', '--from', box.data).status).toBe(0)
  })

  it('a checkpoint is never partial either: what appears later stops it, and the active directory stays as it is', async () => {
    const box = holding(() => undefined)
    box.ok('init', '--from', box.data)
    const paths = await odd(box.active())
    put(box.active(), 'days/1.json', '[{"n": 7}]')
    const journal = box.journal()
    const error = box.refused('checkpoint')
    expect([...(error.data.paths as string[])].sort()).toEqual([...paths].sort())
    expect(box.refused('migrate').code).toBe('SPECIAL_FILE')
    expect(box.journal()).toBe(journal)
  })
})

describe('JSON that no step can take is kept as it is, and told', () => {
  const WHOLE = '[{"n": 3}]'
  const isKept = (box: Sandbox): boolean =>
    readFileSync(join(box.active(), 'days/1.json')).equals(readFileSync(join(box.data, 'days/1.json')))

  it.each<[string, string | Uint8Array]>([
    ['invalid UTF-8', Buffer.concat([Buffer.from('[{"n": 1, "t": "'), Buffer.from([0xc3, 0x28]), Buffer.from('"}]')])],
    ['a name twice', '[{"n": 1, "n": 2}]'],
    ['a depth of 100,000', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['a depth of 100,000 in members', `[${'{"n":'.repeat(100_000)}1${'}'.repeat(100_000)}]`],
    ['a depth of 100,000 that never closes', '['.repeat(100_000)],
    ['UTF-16', Buffer.from('\ufeff[{"n": 1}]', 'utf16le')],
    ['NaN', '[{"n": NaN}]'],
    ['a number of a million digits', `[{"n": "${'9'.repeat(1_000_000)}x`],
  ])('%s', (_, text) => {
    const box = holding((data) => put(data, 'days/1.json', text), { ...TOY, 'days/2.json': WHOLE })
    old(box.data, 'days/1.json')
    box.ok('init', '--from', box.data)
    box.ok('migrate')
    expect(isKept(box)).toBe(true)
    expect(box.doc('status').findings).toMatchObject([{ code: 'QUARANTINED', file: 'days/1.json' }])
    expect(existsSync(join(box.active(), 'sums/2.json'))).toBe(true)
    box.ok('rollback')
    expect(isKept(box)).toBe(true)
  })

  it('a sparse JSON file of 600 MB, more than a string can hold: handled, or refused with its name; never a crash', () => {
    const box = holding((data) => {
      put(data, 'days/1.json', '[{"n": 1}')
      truncateSync(join(data, 'days/1.json'), 600e6)
      old(data, 'days/1.json')
    })
    const ran = box.run(['init', '--from', box.data, '--json'], { judge: false })
    expect(ran.stderr).not.toContain('unexpected')
    expect(ran.code).toBe(0)
    const migrated = box.run(['migrate', '--json'], { judge: false })
    expect(migrated.stderr).not.toContain('unexpected')
    expect(migrated.stdout + migrated.stderr).toContain('days/1.json')
    expect(lstatSync(join(box.active(), 'days/1.json')).size).toBe(600e6)
  }, 180_000)
})
