import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FsPort } from '../../src/storage/fs.ts'
import { READ_FLAGS } from '../../src/storage/fs.ts'
import { temporary } from './temporary.ts'

const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? ''
  }
  return ''
}

const put = (fs: FsPort, path: string, text: string): void => {
  const fd = fs.open(path, 'wx', 0o640)
  fs.write(fd, Buffer.from(text), 0, Buffer.byteLength(text), null)
  fs.close(fd)
}

const take = (fs: FsPort, path: string): string => {
  const fd = fs.open(path, READ_FLAGS)
  const buffer = Buffer.alloc(fs.fstat(fd).size)
  fs.read(fd, buffer, 0, buffer.length, 0)
  fs.close(fd)
  return buffer.toString()
}

/** What every FsPort promises to the storage layer. */
export const fsPortContract = (name: string, make: () => FsPort): void => {
  describe(`${name} keeps the contract of FsPort`, () => {
    const setUp = (): { fs: FsPort; at: (path: string) => string } => {
      const dir = temporary()
      return { fs: make(), at: (path) => join(dir, path) }
    }

    test('a file opened wx is new, has the mode asked for, and is never opened twice', () => {
      const { fs, at } = setUp()
      put(fs, at('a'), 'one')
      expect((fs.lstat(at('a'))?.mode ?? 0) & 0o777).toBe(0o640)
      expect(codeOf(() => fs.open(at('a'), 'wx'))).toBe('EEXIST')
      expect(take(fs, at('a'))).toBe('one')
    })

    test('a file opened a is appended to, whatever was written before', () => {
      const { fs, at } = setUp()
      put(fs, at('a'), 'one')
      const [first, second] = [fs.open(at('a'), 'a'), fs.open(at('a'), 'a')]
      fs.write(first, Buffer.from('xtwo'), 1, 3, null)
      fs.write(second, Buffer.from('three'), 0, 5, null)
      fs.close(first)
      fs.close(second)
      expect(take(fs, at('a'))).toBe('onetwothree')
    })

    test('reads and writes at a position leave the rest as it is; a read past the end gets nothing', () => {
      const { fs, at } = setUp()
      put(fs, at('a'), 'abcdef')
      const fd = fs.open(at('a'), 'r+')
      expect(fs.write(fd, Buffer.from('XY'), 0, 2, 2)).toBe(2)
      const buffer = Buffer.alloc(4, '.')
      expect(fs.read(fd, buffer, 1, 3, 3)).toBe(3)
      expect(buffer.toString()).toBe('.Yef')
      expect(fs.read(fd, buffer, 0, 4, 6)).toBe(0)
      expect(fs.fstat(fd).size).toBe(6)
      fs.close(fd)
    })

    test('flushes of files and directories return', async () => {
      const { fs, at } = setUp()
      put(fs, at('a'), 'x')
      for (const path of ['a', '.']) {
        const fd = fs.open(at(path), 'r')
        fs.fsync(fd)
        fs.fdatasync(fd)
        await expect(fs.fsyncLater(fd)).resolves.toBeUndefined()
        fs.close(fd)
      }
    })

    test('nothing there is undefined for lstat and ENOENT for everything else', () => {
      const { fs, at } = setUp()
      expect(fs.lstat(at('no'))).toBeUndefined()
      const calls = [
        () => fs.open(at('no'), 'r'),
        () => fs.unlink(at('no')),
        () => fs.rmdir(at('no')),
        () => fs.readdir(at('no')),
        () => fs.readdirRaw(at('no')),
        () => fs.readlink(at('no')),
        () => fs.realpath(at('no')),
        () => fs.rename(at('no'), at('b')),
        () => fs.copyFile(at('no'), at('b')),
        () => fs.link(at('no'), at('b')),
        () => fs.truncate(at('no'), 0),
        () => fs.chmod(at('no'), 0o600),
        () => fs.utimes(at('no'), 0, 0),
      ]
      expect(calls.map(codeOf)).toEqual(calls.map(() => 'ENOENT'))
    })

    test('rename replaces its target in one step', () => {
      const { fs, at } = setUp()
      put(fs, at('a'), 'new')
      put(fs, at('b'), 'old')
      fs.rename(at('a'), at('b'))
      expect(take(fs, at('b'))).toBe('new')
      expect(fs.lstat(at('a'))).toBeUndefined()
    })

    test('copyFile copies bytes and never overwrites', () => {
      const { fs, at } = setUp()
      put(fs, at('a'), 'one')
      fs.copyFile(at('a'), at('b'))
      expect(take(fs, at('b'))).toBe('one')
      put(fs, at('c'), 'mine')
      expect(codeOf(() => fs.copyFile(at('a'), at('c')))).toBe('EEXIST')
      expect(take(fs, at('c'))).toBe('mine')
    })

    test('link gives a file one more name, never takes one that is there, and the file goes with its last', () => {
      const { fs, at } = setUp()
      put(fs, at('a'), 'one')
      fs.link(at('a'), at('b'))
      expect([fs.lstat(at('b'))?.ino, fs.lstat(at('b'))?.nlink]).toEqual([fs.lstat(at('a'))?.ino, 2])
      put(fs, at('c'), 'mine')
      expect(codeOf(() => fs.link(at('a'), at('c')))).toBe('EEXIST')
      expect(take(fs, at('c'))).toBe('mine')
      fs.unlink(at('a'))
      expect([take(fs, at('b')), fs.lstat(at('b'))?.nlink]).toEqual(['one', 1])
    })

    test('directories are private unless asked otherwise, listed without . and .., and removed only when empty', () => {
      const { fs, at } = setUp()
      fs.mkdir(at('d'))
      expect((fs.lstat(at('d'))?.mode ?? 0) & 0o777).toBe(0o700)
      expect(codeOf(() => fs.mkdir(at('d')))).toBe('EEXIST')
      put(fs, at('d/b'), '')
      put(fs, at('d/a'), '')
      expect(fs.readdir(at('d')).sort()).toEqual(['a', 'b'])
      expect(codeOf(() => fs.rmdir(at('d')))).toBe('ENOTEMPTY')
      fs.unlink(at('d/a'))
      fs.unlink(at('d/b'))
      fs.rmdir(at('d'))
      expect(fs.lstat(at('d'))).toBeUndefined()
    })

    test('names that are not UTF-8 are seen as bytes', () => {
      const { fs, at } = setUp()
      execFileSync('sh', ['-c', `cd '${at('.')}' && : > "$(printf 'x\\377')"`])
      expect(fs.readdirRaw(at('.')).map((name) => name.toString('hex'))).toEqual(['78ff'])
    })

    test('links are seen, read and resolved, and never followed by READ_FLAGS', () => {
      const { fs, at } = setUp()
      put(fs, at('a'), 'one')
      execFileSync('ln', ['-s', 'a', at('link')])
      expect(fs.lstat(at('link'))?.isSymbolicLink()).toBe(true)
      expect(fs.readlink(at('link'))).toBe('a')
      expect(fs.realpath(at('link'))).toBe(fs.realpath(at('a')))
      expect(codeOf(() => fs.open(at('link'), READ_FLAGS))).toBe('ELOOP')
    })

    test('opening a FIFO with READ_FLAGS does not wait for a writer', () => {
      const { fs, at } = setUp()
      execFileSync('mkfifo', [at('pipe')])
      const fd = fs.open(at('pipe'), READ_FLAGS)
      expect(fs.fstat(fd).isFIFO()).toBe(true)
      fs.close(fd)
    })

    test('truncate, chmod and utimes do what they say', () => {
      const { fs, at } = setUp()
      put(fs, at('a'), 'abcdef')
      fs.truncate(at('a'), 3)
      fs.chmod(at('a'), 0o400)
      fs.utimes(at('a'), 1_000_000_500, 1_700_000_000_250)
      const stat = fs.lstat(at('a'))
      expect([stat?.size, (stat?.mode ?? 0) & 0o777, stat?.mtimeMs]).toEqual([3, 0o400, 1_700_000_000_250])
    })

    test('free space is told in bytes and inodes', () => {
      const { fs, at } = setUp()
      const { freeBytes, freeInodes } = fs.statfs(at('.'))
      expect(freeBytes).toBeGreaterThan(1024)
      expect(freeInodes).toBeGreaterThanOrEqual(0)
    })
  })
}
