import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { nodeFsPort } from '../../src/storage/fs.ts'
import type { Index } from '../../src/storage/scan.ts'
import { readIndex, writeIndex } from '../../src/storage/index-file.ts'
import { changesSince, scanDirectory } from '../../src/storage/scan.ts'
import { HOSTILE_NAMES, fileEntry } from '../contract/datasets.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import { asNobody } from '../contract/process.ts'
import { oid } from '../contract/stories.ts'
import { failure, temporary } from '../contract/temporary.ts'

const none = (): boolean => false
const scan = (dir: string) => scanDirectory(nodeFsPort, dir, none)

const put = (dir: string, path: string, text = 'x'): void => {
  mkdirSync(join(dir, path, '..'), { recursive: true })
  writeFileSync(join(dir, path), text)
}

describe('a scan', () => {
  test('lists every file and directory, empty ones too, with what stat says, sorted by bytes', () => {
    const dir = temporary()
    put(dir, 'b/two', 'xx')
    put(dir, 'a-')
    mkdirSync(join(dir, 'b/empty'), { mode: 0o711 })
    mkdirSync(join(dir, 'é'))
    const { files, directories } = scan(dir)
    expect([...files.keys()].sort()).toEqual(['a-', 'b/two'])
    const { size, mtimeMs, ctimeMs, ino, mode, nlink: links } = statSync(join(dir, 'b/two'))
    expect(files.get('b/two')).toEqual({ size, mtimeMs, ctimeMs, ino, links, mode: mode & 0o777 })
    expect(files.get('b/two')?.size).toBe(2)
    expect(directories.map((d) => d.path)).toEqual(['b', 'b/empty', 'é'])
    expect(directories.find((d) => d.path === 'b/empty')?.mode).toBe(0o711)
  })

  test('finds every hostile name: none is skipped, none becomes another', () => {
    const dir = temporary()
    for (const name of HOSTILE_NAMES) put(dir, name, name)
    const { files } = scan(dir)
    expect(new Set(files.keys())).toEqual(new Set(HOSTILE_NAMES))
    for (const name of HOSTILE_NAMES) expect(files.get(name)?.size).toBe(Buffer.byteLength(name))
  })

  test('leaves out what is ignored, without looking at it', () => {
    const dir = temporary()
    put(dir, 'kept')
    put(dir, 'logs/today')
    put(dir, 'x.tmp')
    symlinkSync('kept', join(dir, 'link.tmp'))
    const { files, directories } = scanDirectory(nodeFsPort, dir, (path) => path === 'logs/' || path.endsWith('.tmp'))
    expect([...files.keys()]).toEqual(['kept'])
    expect(directories).toEqual([])
  })

  test('refuses links, FIFOs, sockets and names that are not UTF-8, all of them in one list, and waits for none', async () => {
    const dir = temporary()
    put(dir, 'fine')
    put(dir, 'outside/secret')
    symlinkSync('/etc', join(dir, 'link'))
    symlinkSync('.', join(dir, 'outside/loop'))
    execFileSync('mkfifo', [join(dir, 'pipe')])
    execFileSync('sh', ['-c', `cd '${dir}' && : > "$(printf 'bad\\377')" && mkdir "$(printf 'dir\\376')"`])
    const server = createServer()
    await new Promise<void>((resolve) => {
      server.listen(join(dir, 'sock'), resolve)
    })
    const error = failure(() => scan(dir))
    expect(error.code).toMatch(/SPECIAL_FILE|UNSUPPORTED_NAME/)
    expect([...(error.data.paths as string[])].sort()).toEqual(['badÿ', 'dirþ', 'link', 'outside/loop', 'pipe', 'sock'])
    for (const why of ['a symbolic link', 'a FIFO', 'a socket', 'not UTF-8']) expect(error.message).toContain(why)
    server.close()
    await once(server, 'close')
  })

  test('refuses a directory that may not be listed, or not be entered: a backup is never partial', () => {
    for (const mode of [0o000, 0o644]) {
      const dir = temporary()
      put(dir, 'closed/a')
      put(dir, 'open/b')
      chmodSync(join(dir, 'closed'), mode)
      const error = asNobody(() => failure(() => scan(dir)))
      chmodSync(join(dir, 'closed'), 0o755)
      expect(error).toMatchObject({ code: 'UNREADABLE', data: { paths: [expect.stringMatching(/^closed/)] } })
    }
  })

  test('of a directory that is not there is UNREADABLE', () => {
    expect(failure(() => scan(join(temporary(), 'none'))).code).toBe('UNREADABLE')
  })

  test('goes on when a file or directory vanishes under it', () => {
    const dir = temporary()
    put(dir, 'd/a')
    put(dir, 'e/b')
    const { fs } = faultyFs(nodeFsPort, (op) => {
      if (op.call === 'readdir' && op.path.endsWith('/d')) rmSync(join(dir, 'd'), { recursive: true })
      if (op.call === 'lstat' && op.path.endsWith('/b')) rmSync(join(dir, 'e/b'))
      return undefined
    })
    expect([...scanDirectory(fs, dir, none).files.keys()]).toEqual([])
  })
})

/** The index of a directory as if every file had just been read, `ago` milliseconds back. */
const indexOf = (dir: string, ago = 0): Index => {
  const scanned = scan(dir)
  const entries = new Map(
    [...scanned.files].map(([path, stat]) => [path, { ...fileEntry(path, readFileSync(join(dir, path), 'utf8'), stat.mode), stat }]),
  )
  return { entries, directories: scanned.directories, commit: oid(5), readMs: Date.now() - ago }
}

const old = (dir: string, ...paths: string[]): void => {
  for (const path of paths) utimesSync(join(dir, path), 1_700_000_000, 1_700_000_000.5)
}

describe('changesSince', () => {
  const settled = (): string => {
    const dir = temporary()
    for (const path of ['a', 'b', 'd/c']) put(dir, path, 'same')
    old(dir, 'a', 'b', 'd/c')
    return dir
  }

  test('finds nothing when nothing changed', () => {
    const dir = settled()
    expect(changesSince(indexOf(dir), scan(dir))).toMatchObject({ changed: [], removed: [], directoriesChanged: false })
  })

  test('finds new, changed and removed files and directories', () => {
    const dir = settled()
    const index = indexOf(dir)
    put(dir, 'a', 'other')
    put(dir, 'new')
    rmSync(join(dir, 'b'))
    chmodSync(join(dir, 'd/c'), 0o600)
    const { changed, removed, directoriesChanged } = changesSince(index, scan(dir))
    expect([[...changed].sort(), removed, directoriesChanged]).toEqual([['a', 'd/c', 'new'], ['b'], false])
    mkdirSync(join(dir, 'empty'))
    expect(changesSince(index, scan(dir)).directoriesChanged).toBe(true)
    rmSync(join(dir, 'empty'), { recursive: true })
    chmodSync(join(dir, 'd'), 0o700)
    expect(changesSince(index, scan(dir)).directoriesChanged).toBe(true)
  })

  test('finds an edit of the same size whose modification time was put back: by its change time', () => {
    const dir = settled()
    const index = indexOf(dir)
    const before = statSync(join(dir, 'a'))
    put(dir, 'a', 'emas')
    old(dir, 'a')
    const after = statSync(join(dir, 'a'))
    expect([after.size, after.mtimeMs, after.ino]).toEqual([before.size, before.mtimeMs, before.ino])
    expect(changesSince(index, scan(dir)).changed).toEqual(['a'])
  })

  test('does not believe an entry that was written in the instant in which it was read', () => {
    const dir = settled()
    put(dir, 'a', 'now')
    expect(changesSince(indexOf(dir), scan(dir)).changed).toEqual(['a'])
    const now = Date.now()
    // Whole seconds, as a FAT file system keeps them: its tick is two seconds.
    utimesSync(join(dir, 'b'), 1, Math.floor(now / 1000) - 1)
    expect(changesSince({ ...indexOf(dir), readMs: now }, scan(dir)).changed).toContain('b')
    utimesSync(join(dir, 'b'), 1, Math.floor(now / 1000) - 5)
    utimesSync(join(dir, 'a'), 1, now / 1000 - 5)
    expect(changesSince({ ...indexOf(dir), readMs: now }, scan(dir)).changed).toEqual([])
  })

  test('finds everything when there is no index', () => {
    const dir = settled()
    expect([...changesSince(undefined, scan(dir)).changed].sort()).toEqual(['a', 'b', 'd/c'])
  })
})

describe('the index cache', () => {
  const written = (): { path: string; index: Index } => {
    const dir = temporary()
    for (const name of HOSTILE_NAMES.slice(0, 40)) put(dir, `data/${name}`, name)
    mkdirSync(join(dir, 'empty " dir'))
    const index = indexOf(dir)
    const path = join(temporary(), 'index')
    writeIndex(nodeFsPort, path, index)
    return { path, index }
  }

  const plain = (index: Index | undefined): Index | undefined => index && { ...index, entries: new Map(index.entries) }

  test('reads back what was written, hostile names and fractions of milliseconds included', () => {
    const { path, index } = written()
    expect(plain(readIndex(nodeFsPort, path, index.commit))).toEqual(index)
    const empty: Index = { entries: new Map(), directories: [], commit: oid(5), readMs: 1.5 }
    writeIndex(nodeFsPort, path, empty)
    expect(plain(readIndex(nodeFsPort, path, oid(5)))).toEqual(empty)
  })

  test('is undefined when there is none, or when it is of another commit', () => {
    const { path } = written()
    expect(readIndex(nodeFsPort, `${path}-none`, oid(5))).toBeUndefined()
    expect(readIndex(nodeFsPort, path, oid(6))).toBeUndefined()
  })

  test('is undefined when any byte of it is damaged, or when it is cut', () => {
    const dir = temporary()
    put(dir, 'a')
    put(dir, 'd/b')
    const path = join(temporary(), 'index')
    writeIndex(nodeFsPort, path, indexOf(dir))
    const good = readFileSync(path)
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] ?? 0) ^ (1 << (at % 7))
      writeFileSync(path, bad)
      expect(readIndex(nodeFsPort, path, oid(5))).toBeUndefined()
      writeFileSync(path, good.subarray(0, at))
      expect(readIndex(nodeFsPort, path, oid(5))).toBeUndefined()
    }
    writeFileSync(path, Buffer.concat([good, Buffer.from('\n')]))
    expect(readIndex(nodeFsPort, path, oid(5))).toBeUndefined()
  })
})
