import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  flushFiles,
  fsyncDirectory,
  isTemporary,
  makeDirectory,
  ownLocks,
  removeTree,
  replaceFile,
  replaceShared,
  writeAll,
} from '../../src/storage/durable.ts'
import { readFile, readFully, readText } from '../../src/storage/files.ts'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import type { Op, Verdict } from '../contract/faulty-fs.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import { failure, failureLater, temporary } from '../contract/temporary.ts'

const faulty = (judge: (op: Op) => Verdict): FsPort => faultyFs(nodeFsPort, judge).fs
const OLD = Buffer.from('old')
const NEW = Buffer.from('new and longer')

const withOld = (): { dir: string; path: string } => {
  const dir = temporary()
  writeFileSync(join(dir, 'f'), OLD)
  return { dir, path: join(dir, 'f') }
}

describe('replaceFile', () => {
  test('writes beside the file, flushes, renames, then flushes the directory; the result is private', () => {
    const { dir, path } = withOld()
    const { fs, ops } = faultyFs(nodeFsPort)
    replaceFile(fs, path, NEW)
    expect(ops.map(({ call, path: at }) => `${call} ${at.slice(dir.length).replace(/\.[0-9a-f]{8}\.lock$/, '.lock')}`)).toEqual([
      'open /f.lock',
      'write /f.lock',
      'fstat /f.lock',
      'fsync /f.lock',
      'close /f.lock',
      'rename /f.lock',
      'open ',
      'fsync ',
      'close ',
    ]) // prettier-ignore
    expect(readFileSync(path).equals(NEW)).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test.each([
    ['open', 'EACCES', undefined],
    ['write', 'ENOSPC', undefined],
    ['write', 'EIO', undefined],
    ['fstat', 'EIO', undefined],
    ['fsync', 'EIO', 'DURABILITY'],
    ['rename', 'EXDEV', undefined],
  ] as const)('a %s that fails with %s leaves the old file, and no other', (call, code, ours) => {
    const { dir, path } = withOld()
    const fs = faulty((op) => (op.call === call && op.path.endsWith('.lock') ? { code } : undefined))
    expect(() => replaceFile(fs, path, NEW)).toThrow(expect.objectContaining({ code: ours ?? code }))
    expect(readFileSync(path).equals(OLD)).toBe(true)
    expect(readdirSync(dir)).toEqual(['f'])
  })

  test('a disk that is full without an error is NO_SPACE; the old file stays', () => {
    const { dir, path } = withOld()
    const fs = faulty((op) => (op.call === 'write' ? { most: 0 } : undefined))
    expect(failure(() => replaceFile(fs, path, NEW)).code).toBe('NO_SPACE')
    expect(readFileSync(path).equals(OLD)).toBe(true)
    expect(readdirSync(dir)).toEqual(['f'])
  })

  test('a file that turns out too short is NO_SPACE', () => {
    const { path } = withOld()
    const fs: FsPort = { ...nodeFsPort, write: (_fd, _buffer, _offset, length) => length }
    expect(failure(() => replaceFile(fs, path, NEW)).code).toBe('NO_SPACE')
    expect(readFileSync(path).equals(OLD)).toBe(true)
  })

  test('a directory that cannot be flushed is DURABILITY, unless its file system has no such flush', () => {
    for (const code of ['EIO', 'ENOSPC', 'EACCES']) {
      const { dir, path } = withOld()
      const fs = faulty((op) => (op.call === 'fsync' && op.path === dir ? { code } : undefined))
      expect(failure(() => replaceFile(fs, path, NEW))).toMatchObject({ code: 'DURABILITY', data: { path: dir } })
    }
    for (const code of ['EINVAL', 'ENOTSUP']) {
      const { dir, path } = withOld()
      replaceFile(
        faulty((op) => (op.call === 'fsync' && op.path === dir ? { code } : undefined)),
        path,
        NEW,
      )
      expect(readFileSync(path).equals(NEW)).toBe(true)
    }
  })

  test('is not in the way of another that was killed, or is at it', () => {
    const { dir, path } = withOld()
    writeFileSync(`${path}.01234567.lock`, 'torn')
    replaceFile(nodeFsPort, path, NEW)
    expect(readFileSync(path).equals(NEW)).toBe(true)
    expect(readdirSync(dir).filter(isTemporary)).toEqual(['f.01234567.lock'])
  })

  test('a file that stock git writes too is replaced under its lock: ours is known after a kill, that of git is never touched', () => {
    const { dir, path } = withOld()
    replaceShared(nodeFsPort, path, NEW)
    expect(readFileSync(path).equals(NEW)).toBe(true)
    // Killed between taking the lock and renaming it.
    writeFileSync(`${path}.strata-0123`, OLD)
    linkSync(`${path}.strata-0123`, `${path}.lock`)
    writeFileSync(`${path}.strata-4567`, 'torn')
    expect(ownLocks(nodeFsPort, path).sort()).toEqual([`${path}.lock`, `${path}.strata-0123`, `${path}.strata-4567`])
    for (const left of ownLocks(nodeFsPort, path)) unlinkSync(left)
    // Git has it.
    writeFileSync(`${path}.lock`, 'of git')
    expect(ownLocks(nodeFsPort, path)).toEqual([])
    expect(failure(() => replaceShared(nodeFsPort, path, OLD)).code).toBe('LOCKED')
    expect(readFileSync(`${path}.lock`, 'utf8')).toBe('of git')
    expect(readFileSync(path).equals(NEW)).toBe(true)
    expect(readdirSync(dir)).toEqual(['f', 'f.lock'])
    // A lock that holds, whole, what is to be written was ours.
    writeFileSync(`${path}.lock`, OLD)
    replaceShared(nodeFsPort, path, OLD)
    expect(readFileSync(path).equals(OLD)).toBe(true)
    expect(readdirSync(dir)).toEqual(['f'])
  })

  test('without second names for files, the lock is a file of its own', () => {
    const { dir, path } = withOld()
    replaceShared(
      faulty((op) => (op.call === 'link' ? { code: 'EPERM' } : undefined)),
      path,
      NEW,
    )
    expect(readFileSync(path).equals(NEW)).toBe(true)
    expect(readdirSync(dir)).toEqual(['f'])
  })

  test('replaces a link, not what it leads to', () => {
    const { dir, path } = withOld()
    symlinkSync('f', join(dir, 'link'))
    replaceFile(nodeFsPort, join(dir, 'link'), NEW)
    expect(readFileSync(path).equals(OLD)).toBe(true)
    expect(statSync(join(dir, 'link')).isFile()).toBe(true)
  })

  test('takes the mode and the temporary name it is given', () => {
    const { dir, path } = withOld()
    const { fs, ops } = faultyFs(nodeFsPort)
    replaceFile(fs, path, NEW, { mode: 0o644, temporary: join(dir, 'tmp') })
    expect(ops[0]).toMatchObject({ call: 'open', path: join(dir, 'tmp'), flags: 'wx' })
    expect(statSync(path).mode & 0o777).toBe(0o644)
  })

  test('leaves no handle open, whatever fails', () => {
    const before = readdirSync('/proc/self/fd').length
    for (const call of ['write', 'fstat', 'fsync', 'rename', 'close'] as const) {
      const { path } = withOld()
      expect(() =>
        replaceFile(
          faulty((op) => (op.call === call ? { code: 'EIO' } : undefined)),
          path,
          NEW,
        ),
      ).toThrow()
    }
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })
})

describe('writes and reads', () => {
  test('short ones are completed, at a position and without one', () => {
    const { path } = withOld()
    const fs = faulty(({ call }) => (call === 'write' || call === 'read' ? { most: 3 } : undefined))
    const fd = fs.open(path, 'r+')
    writeAll(fs, fd, NEW)
    writeAll(fs, fd, Buffer.from('NEW AND'), 0)
    fs.close(fd)
    expect(readText(fs, path)).toBe('NEW AND longer')
  })

  test('a file is read whole; none is undefined; one that shrinks gives what was there', () => {
    const { dir, path } = withOld()
    expect(readFile(nodeFsPort, path)?.equals(OLD)).toBe(true)
    expect(readFile(nodeFsPort, join(dir, 'none'))).toBeUndefined()
    const shrunk: FsPort = { ...nodeFsPort, fstat: (fd) => Object.assign(nodeFsPort.fstat(fd), { size: 100 }) }
    expect(readText(shrunk, path)).toBe('old')
  })

  test('beyond 2 GiB go in several calls: Node refuses more in one', () => {
    // Nothing is touched, so the pages are never there.
    const large = Buffer.alloc(2 ** 31 + 10)
    const lengths: number[] = []
    const count = (_fd: number, _buffer: Uint8Array, _offset: number, length: number): number => {
      lengths.push(length)
      return length
    }
    const fs: FsPort = { ...nodeFsPort, read: count, write: count }
    expect(readFully(fs, 3, large, 0)).toBe(large.length)
    writeAll(fs, 3, large)
    expect(Math.max(...lengths)).toBeLessThan(2 ** 31)
    expect(lengths.reduce((a, b) => a + b)).toBe(large.length * 2)
  })
})

describe('makeDirectory', () => {
  test('makes what is missing, private, each name flushed in its parent before the next is made', () => {
    const dir = temporary()
    const { fs, ops } = faultyFs(nodeFsPort)
    makeDirectory(fs, join(dir, 'a/b/c'))
    const made = ops.flatMap(({ call, path }) => (call === 'mkdir' || call === 'fsync' ? [`${call} ${path.slice(dir.length)}`] : []))
    // What is there may have been made by a process that was killed before it flushed the name.
    expect(made[0]).toMatch(/^fsync /)
    expect(made.slice(1)).toEqual(['mkdir /a', 'fsync ', 'mkdir /a/b', 'fsync /a', 'mkdir /a/b/c', 'fsync /a/b']) // prettier-ignore
    expect(statSync(join(dir, 'a/b')).mode & 0o777).toBe(0o700)
    makeDirectory(fs, join(dir, 'a/b/c'))
  })

  test('flushes the name of one that is there: whoever made it may have been killed before the flush', () => {
    const dir = temporary()
    mkdirSync(join(dir, 'a'))
    const { fs, ops } = faultyFs(nodeFsPort)
    makeDirectory(fs, join(dir, 'a'))
    expect(ops.filter(({ call }) => call === 'fsync').map(({ path }) => path)).toEqual([dir])
  })

  test('does not need to open a parent that it did not make anything in', () => {
    const dir = temporary()
    mkdirSync(join(dir, 'a'))
    const closed = (op: Op): Verdict => (op.call === 'open' && op.path === dir ? { code: 'EACCES' } : undefined)
    makeDirectory(faulty(closed), join(dir, 'a'))
    expect(failure(() => makeDirectory(faulty(closed), join(dir, 'b'))).code).toBe('DURABILITY')
  })

  test('does not mind another process that makes it at the same time', () => {
    const dir = temporary()
    const fs = faulty((op) => {
      if (op.call === 'mkdir' && !existsSync(op.path)) mkdirSync(op.path)
      return undefined
    })
    makeDirectory(fs, join(dir, 'a'))
    expect(statSync(join(dir, 'a')).isDirectory()).toBe(true)
  })
})

describe('flushFiles', () => {
  const many = (): string[] => {
    const dir = temporary()
    return Array.from({ length: 60 }, (_, i) => {
      writeFileSync(join(dir, String(i)), 'x')
      return join(dir, String(i))
    })
  }

  test('flushes every file, at most 16 at a time, also one that may not be written', async () => {
    const paths = many()
    chmodSync(paths[0] ?? '', 0o400)
    let [now, most] = [0, 0]
    const flushed: number[] = []
    const fs: FsPort = {
      ...nodeFsPort,
      async fsyncLater(fd) {
        most = Math.max(most, ++now)
        await nodeFsPort.fsyncLater(fd)
        flushed.push(fd)
        now -= 1
      },
    }
    await flushFiles(fs, paths)
    expect(flushed).toHaveLength(60)
    expect(most).toBe(16)
  })

  test('one that fails is DURABILITY with its name, and no handle stays open', async () => {
    const paths = many()
    const before = readdirSync('/proc/self/fd').length
    const fs = faulty((op) => (op.call === 'fsyncLater' && op.path === paths[30] ? { code: 'EIO' } : undefined))
    expect(await failureLater(() => flushFiles(fs, paths))).toMatchObject({ code: 'DURABILITY', data: { path: paths[30] } })
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })

  test('nothing to flush is fine', () => expect(flushFiles(nodeFsPort, [])).resolves.toBeUndefined())
})

test('removeTree removes a tree and never follows a link', () => {
  const dir = temporary()
  mkdirSync(join(dir, 'tree/deep'), { recursive: true })
  mkdirSync(join(dir, 'kept'))
  writeFileSync(join(dir, 'kept/file'), 'x')
  writeFileSync(join(dir, 'tree/deep/a'), 'x')
  symlinkSync('../kept', join(dir, 'tree/link'))
  removeTree(nodeFsPort, join(dir, 'tree'))
  removeTree(nodeFsPort, join(dir, 'tree'))
  expect(readdirSync(dir)).toEqual(['kept'])
  expect(readFileSync(join(dir, 'kept/file'), 'utf8')).toBe('x')
})

test('a directory that is not there cannot be flushed', () => {
  expect(failure(() => fsyncDirectory(nodeFsPort, join(temporary(), 'none'))).code).toBe('DURABILITY')
})
