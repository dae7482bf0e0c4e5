import * as nodeFs from 'node:fs'
import type { FsPort, Stats } from '../../src/storage/fs.ts'

/** File systems with a mistake, and processes with a sudden end. */

const textOf = (buffer: Uint8Array, offset: number, length: number): string =>
  Buffer.from(buffer.buffer, buffer.byteOffset + offset, length).toString('latin1')

/** Calls `then` once, right after the first write that holds an event of this type. */
export const afterLine = (fs: FsPort, type: string, then: () => void): FsPort => {
  let isDone = false
  return {
    ...fs,
    write: (fd, buffer, offset, length, position) => {
      const written = fs.write(fd, buffer, offset, length, position)
      if (!isDone && textOf(buffer, offset, length).includes(`"type":"${type}"`)) {
        isDone = true
        then()
      }
      return written
    },
  }
}

export type Changing = 'open' | 'write' | 'fsync' | 'fdatasync' | 'rename' | 'link' | 'unlink' | 'mkdir' | 'rmdir' | 'truncate' | 'copyFile'

const dying = new Error('killed')
export const isKilled = (error: unknown): boolean =>
  error instanceof Error && (error === dying || error.message.includes(dying.message) || isKilled(error.cause))

/** A number: that changing call. A text: the write of a journal line with an event of that type. */
export type KillPoint = number | string

const isAt = (point: KillPoint): ((call: Changing, text: () => string) => boolean) => {
  let calls = 0
  if (typeof point === 'number') return () => ++calls === point
  return (call, text) => call === 'write' && text().includes(`"type":"${point}"`)
}

/** The process is killed after the `n`-th folder that it makes. */
export const killedAfterFolder = (fs: FsPort, n: number): Killed => {
  let made = 0
  return killedWhen(fs, (call) => call === 'mkdir' && ++made === n)
}

/** The process is killed after it has noted results, and before anything is sealed. */
export const killedAfterNote = (fs: FsPort): Killed => killedWhen(fs, (call, text) => call === 'write' && text().includes('"steps":[['))

export const killedAfter = (fs: FsPort, point: KillPoint): Killed => killedWhen(fs, isAt(point))

const none = (): string => ''
type Killed = { readonly port: FsPort; readonly wasKilled: () => boolean }

/** The process is killed after the changing call that `when` picks: not one call of it happens after that. */
const killedWhen = (fs: FsPort, when: (call: Changing, text: () => string) => boolean): Killed => {
  let isDead = false
  const alive = <A extends unknown[], T>(act: (...args: A) => T): ((...args: A) => T) => {
    return (...args) => {
      if (isDead) throw dying
      return act(...args)
    }
  }
  const die = (): never => {
    isDead = true
    throw dying
  }
  const last = <A extends unknown[], T>(call: Changing, act: (...args: A) => T): ((...args: A) => T) =>
    alive((...args: A) => {
      const result = act(...args)
      return when(call, none) ? die() : result
    })
  return {
    wasKilled: () => isDead,
    // The handles go with the process: `close` stays.
    port: {
      ...fs,
      read: alive((fd, buffer, offset, length, position) => fs.read(fd, buffer, offset, length, position)),
      lstat: alive((path) => fs.lstat(path)),
      readdir: alive((path) => fs.readdir(path)),
      open: alive((path, flags, mode) => {
        const fd = fs.open(path, flags, mode)
        if (!when('open', none)) return fd
        fs.close(fd)
        return die()
      }),
      write: alive((fd, buffer, offset, length, position) => {
        const written = fs.write(fd, buffer, offset, length, position)
        return when('write', () => textOf(buffer, offset, length)) ? die() : written
      }),
      fsync: last('fsync', (fd) => fs.fsync(fd)),
      fdatasync: last('fdatasync', (fd) => fs.fdatasync(fd)),
      fsyncLater: async (fd) => {
        if (isDead) throw dying
        await fs.fsyncLater(fd)
      },
      rename: last('rename', (from, to) => fs.rename(from, to)),
      link: last('link', (from, to) => fs.link(from, to)),
      unlink: last('unlink', (path) => fs.unlink(path)),
      mkdir: last('mkdir', (path, mode) => fs.mkdir(path, mode)),
      rmdir: last('rmdir', (path) => fs.rmdir(path)),
      truncate: last('truncate', (path, length) => fs.truncate(path, length)),
      copyFile: last('copyFile', (from, to, how) => fs.copyFile(from, to, how)),
    },
  }
}

const isDirectoryHandle = (fs: FsPort, fd: number): boolean => fs.fstat(fd).isDirectory()

const without =
  (skip: (fs: FsPort, fd: number) => boolean) =>
  (fs: FsPort): FsPort => ({
    ...fs,
    fsync: (fd) => {
      if (!skip(fs, fd)) fs.fsync(fd)
    },
    fdatasync: (fd) => {
      if (!skip(fs, fd)) fs.fdatasync(fd)
    },
    fsyncLater: async (fd) => {
      if (!skip(fs, fd)) await fs.fsyncLater(fd)
    },
  })

const inPlace = (fs: FsPort): FsPort => ({
  ...fs,
  rename: (from, to) => {
    if (!to.endsWith('CURRENT')) {
      fs.rename(from, to)
      return
    }
    const bytes = nodeFs.readFileSync(from)
    fs.unlink(from)
    const fd = fs.open(to, 'w', 0o644)
    fs.write(fd, bytes, 0, bytes.length, null)
    fs.fsync(fd)
    fs.close(fd)
  },
})

/** A pack gets its name only when its index has got one, and the folder was flushed. */
const indexBeforePack = (fs: FsPort): FsPort => {
  const held: (() => void)[] = []
  const names = new Map<string, string>()
  let isNamed = false
  return {
    ...fs,
    // The writer looks for its pack once more; the mistake would not show itself there.
    lstat: (path) => fs.lstat(names.get(path) ?? path),
    rename: (from, to) => {
      if (to.endsWith('.pack')) {
        names.set(to, from)
        held.push(() => {
          names.delete(to)
          fs.rename(from, to)
        })
      } else fs.rename(from, to)
      if (to.endsWith('.idx')) isNamed = true
    },
    fsync: (fd) => {
      fs.fsync(fd)
      if (!isNamed || !isDirectoryHandle(fs, fd)) return
      isNamed = false
      for (const act of held.splice(0)) act()
      fs.fsync(fd)
    },
  }
}

/** The line of the switch reaches the journal only when CURRENT says it already. */
const journalAfterPointer = (fs: FsPort): FsPort => {
  const held: (() => void)[] = []
  let holding: number | null = null
  return {
    ...fs,
    write: (fd, buffer, offset, length, position) => {
      if (!textOf(buffer, offset, length).includes('"type":"SnapshotActivated"')) return fs.write(fd, buffer, offset, length, position)
      const bytes = Buffer.from(buffer.subarray(offset, offset + length))
      holding = fd
      held.push(() => fs.write(fd, bytes, 0, bytes.length, position))
      return length
    },
    fdatasync: (fd) => {
      if (fd === holding) held.push(() => fs.fdatasync(fd))
      else fs.fdatasync(fd)
    },
    rename: (from, to) => {
      fs.rename(from, to)
      if (!to.endsWith('CURRENT')) return
      holding = null
      for (const act of held.splice(0)) act()
    },
  }
}

/** From the moment a snapshot is sealed, the active directory looks as it did before: the last scan sees nothing. */
const noRescan = (fs: FsPort): FsPort => {
  const stats = new Map<string, Stats | undefined>()
  const names = new Map<string, Buffer[]>()
  let isBlind = false
  const remembered = <T>(known: Map<string, T>, path: string, look: () => T): T => {
    const before = known.get(path)
    if (isBlind && before !== undefined && path.includes('/snapshots/')) return before
    const now = look()
    known.set(path, now)
    return now
  }
  return afterLine(
    {
      ...fs,
      lstat: (path) => remembered(stats, path, () => fs.lstat(path)),
      readdirRaw: (path) => remembered(names, path, () => fs.readdirRaw(path)),
    },
    'SnapshotSealed',
    () => {
      isBlind = true
    },
  )
}

type Planted = {
  readonly name: string
  readonly scenario: string
  readonly plant: (fs: FsPort) => FsPort
}

/** Mistakes that a change could bring in: each must be seen, or the sweeps prove nothing. */
export const PLANTED: readonly Planted[] = [
  { name: 'no file is flushed', scenario: 'migrate', plant: without((fs, fd) => !isDirectoryHandle(fs, fd)) },
  { name: 'no directory is flushed', scenario: 'migrate', plant: without(isDirectoryHandle) },
  {
    name: 'staged files are not flushed before the commit point',
    scenario: 'migrate',
    plant: (fs) => ({ ...fs, fsyncLater: () => Promise.resolve() }),
  },
  { name: 'the pointer is written in place', scenario: 'rollback', plant: inPlace },
  { name: 'the journal is not flushed', scenario: 'rollback', plant: (fs) => ({ ...fs, fdatasync: () => undefined }) },
  { name: 'the index of a pack gets its name before the pack', scenario: 'checkpoint', plant: indexBeforePack },
  { name: 'the journal is written after the pointer', scenario: 'rollback', plant: journalAfterPointer },
  { name: 'there is no last look before the switch', scenario: 'migrate while the application writes', plant: noRescan },
]
