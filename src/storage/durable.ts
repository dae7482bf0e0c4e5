import { randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { StrataError, messageOf, systemCode } from '../core/errors.ts'
import type { FsPort } from './fs.ts'
import { MOST_AT_ONCE, READ_FLAGS } from './fs.ts'
import { readFile } from './files.ts'

/** The one module that decides in which order bytes reach the disk (design: hazards 1 to 8). */

const FSYNCS_IN_FLIGHT = 16
const NAP = new Int32Array(new SharedArrayBuffer(4))

/** Blocks this thread: only for a few retries of a call that another program disturbs. */
const nap = (ms: number): void => {
  Atomics.wait(NAP, 0, 0, ms)
}

export const writeAll = (fs: FsPort, fd: number, bytes: Uint8Array, position: number | null = null): void => {
  let done = 0
  while (done < bytes.byteLength) {
    const at = position === null ? null : position + done
    const written = fs.write(fd, bytes, done, Math.min(bytes.byteLength - done, MOST_AT_ONCE), at)
    // A write of 0 bytes without an error would loop for ever: some file systems say "full" this way.
    if (written === 0) throw new StrataError('NO_SPACE', 'the disk took no more bytes', { hint: 'Free some space and try again.' })
    done += written
  }
}

export const durability = (path: string, cause: unknown): StrataError =>
  new StrataError('DURABILITY', `the disk did not confirm that ${path} is written: ${messageOf(cause)}`, {
    data: { path },
    hint: 'Check the disk, then open the store again; nothing that was confirmed before is affected.',
    cause,
  })

/** A failed fsync is final: the kernel may already have dropped the pages (hazard 5). */
export const fsyncFile = (fs: FsPort, fd: number, path: string): void => {
  try {
    fs.fsync(fd)
  } catch (error) {
    throw durability(path, error)
  }
}

/** Some systems cannot flush a directory (Windows, some network mounts): only those refusals are tolerated. */
const directoryFsyncUnsupported = (error: unknown): boolean =>
  ['EINVAL', 'ENOTSUP', 'EISDIR'].includes(systemCode(error)) ||
  (process.platform === 'win32' && ['EPERM', 'EACCES'].includes(systemCode(error)))

export const fsyncDirectory = (fs: FsPort, path: string): void => {
  let fd: number | undefined
  try {
    fd = fs.open(path, 'r')
    fs.fsync(fd)
  } catch (error) {
    if (!directoryFsyncUnsupported(error)) throw durability(path, error)
  } finally {
    if (fd !== undefined) fs.close(fd)
  }
}

/** Rename, waiting up to 60 s for whoever holds the target open on Windows (hazard 15). */
export const rename = (fs: FsPort, from: string, to: string): void => {
  for (let waited = 0, pause = 10; ; waited += pause, pause = Math.min(pause * 2, 1000)) {
    try {
      fs.rename(from, to)
      return
    } catch (error) {
      const disturbed = process.platform === 'win32' && ['EPERM', 'EBUSY', 'EACCES'].includes(systemCode(error))
      if (!disturbed || waited > 60_000) throw error
      nap(pause)
    }
  }
}

/** A directory above the store may be one that we may pass through and not open: it was not made by us either. */
const closedToUs = (error: unknown): boolean => error instanceof StrataError && ['EACCES', 'EPERM'].includes(systemCode(error.cause))

/**
 * Creates `path` and the missing directories above it; each new name is made durable in its parent. So is the name of one that
 * is there: a process that was killed may have made it and not have come to the flush.
 */
export const makeDirectory = (fs: FsPort, path: string, mode = 0o700): void => {
  const parent = dirname(path)
  if (fs.lstat(path) !== undefined) {
    try {
      fsyncDirectory(fs, parent)
    } catch (error) {
      if (!closedToUs(error)) throw error
    }
    return
  }
  if (parent !== path) makeDirectory(fs, parent, mode)
  try {
    fs.mkdir(path, mode)
  } catch (error) {
    // Another process was faster.
    if (systemCode(error) !== 'EEXIST') throw error
  }
  fsyncDirectory(fs, parent)
}

const writeNew = (fs: FsPort, path: string, bytes: Uint8Array, mode: number): void => {
  const fd = fs.open(path, 'wx', mode)
  try {
    writeAll(fs, fd, bytes)
    const { size } = fs.fstat(fd)
    if (size !== bytes.byteLength) throw new StrataError('NO_SPACE', `${path} holds ${size} of ${bytes.byteLength} bytes after writing`)
    fsyncFile(fs, fd, path)
  } finally {
    fs.close(fd)
  }
}

/** Removes a temporary file after a failure, whose error is what counts. */
export const discard = (fs: FsPort, path: string): void => {
  try {
    fs.unlink(path)
  } catch {
    // It was never created, or recovery will find it.
  }
}

const isTaken = (error: unknown): boolean => systemCode(error) === 'EEXIST'

const lockedByGit = (path: string): StrataError =>
  new StrataError('LOCKED', `${path} is there: git is writing to the repository`, {
    data: { file: path },
    hint: 'Try again when it has finished. If no git command is running, remove that file.',
  })

/** What a killed `replaceFile` leaves beside its file. The name is random: two writers never meet in it. */
export const isTemporary = (name: string): boolean => /\.[0-9a-f]{8}\.lock$/.test(name)

/** Replaces `path` in one step: a reader sees the old bytes or the new ones, also after a power cut. */
export const replaceFile = (fs: FsPort, path: string, bytes: Uint8Array, options: { mode?: number; temporary?: string } = {}): void => {
  const temporary = options.temporary ?? `${path}.${randomBytes(4).toString('hex')}.lock`
  try {
    writeNew(fs, temporary, bytes, options.mode ?? 0o600)
    rename(fs, temporary, path)
  } catch (error) {
    discard(fs, temporary)
    throw error
  }
  fsyncDirectory(fs, dirname(path))
}

const OWN = '.strata-'
const lockName = (path: string): string => `${path}.lock`

/** No second name: the file system knows none, the file has as many as it can have (65,000 on ext4), or the kernel protects it (fs.protected_hardlinks). */
export const linkUnsupported = (error: unknown): boolean =>
  ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'].includes(systemCode(error))

const takeGitLock = (fs: FsPort, own: string, lock: string, bytes: Uint8Array): void => {
  try {
    fs.link(own, lock)
  } catch (error) {
    // What is about to be written stands there already, whole: a writer of ours was killed.
    if (isTaken(error)) {
      if (readFile(fs, lock)?.equals(bytes) !== true) throw lockedByGit(lock)
    } else if (linkUnsupported(error)) writeNew(fs, lock, bytes, 0o600)
    else throw error
  }
}

const isSameFile = (fs: FsPort, a: string, b: string): boolean => {
  const [one, other] = [fs.lstat(a), fs.lstat(b)]
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev
}

/** What a killed `replaceShared` left: its own file, and the lock if it is another name of that file. Git's own lock is none of it. */
export const ownLocks = (fs: FsPort, path: string): string[] => {
  const dir = dirname(path)
  const own = (fs.lstat(dir) === undefined ? [] : fs.readdir(dir))
    .filter((name) => name.startsWith(basename(path) + OWN))
    .map((name) => join(dir, name))
  return [...(own.some((name) => isSameFile(fs, name, lockName(path))) ? [lockName(path)] : []), ...own]
}

/** Whether git is writing the file, or was killed while it did. */
export const isLockedByGit = (fs: FsPort, path: string): boolean =>
  fs.lstat(lockName(path)) !== undefined && !ownLocks(fs, path).includes(lockName(path))

/** Replaces a file that stock git writes too, in one step and under git's own lock. Throws LOCKED while git holds it. */
export const replaceShared = (fs: FsPort, path: string, bytes: Uint8Array): void => {
  // A name for this writer alone: another that the store's lock does not reach must not take it for its own.
  const own = `${path}${OWN}${randomBytes(6).toString('hex')}`
  try {
    writeNew(fs, own, bytes, 0o600)
    takeGitLock(fs, own, lockName(path), bytes)
    rename(fs, lockName(path), path)
  } catch (error) {
    try {
      if (isSameFile(fs, own, lockName(path))) discard(fs, lockName(path))
    } finally {
      discard(fs, own)
    }
    throw error
  }
  discard(fs, own)
  fsyncDirectory(fs, dirname(path))
}

export const openToFlush = (fs: FsPort, path: string): number =>
  // Windows flushes only through a handle that may write; elsewhere a read-only file must not be in the way.
  fs.open(path, process.platform === 'win32' ? 'r+' : READ_FLAGS)

const openUnlessGone = (fs: FsPort, path: string, mayBeGone: boolean): number | undefined => {
  try {
    return openToFlush(fs, path)
  } catch (error) {
    if (mayBeGone && systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

const flushOne = async (fs: FsPort, path: string, mayBeGone: boolean): Promise<void> => {
  const fd = openUnlessGone(fs, path, mayBeGone)
  if (fd === undefined) return
  try {
    await fs.fsyncLater(fd)
  } catch (error) {
    throw durability(path, error)
  } finally {
    fs.close(fd)
  }
}

/**
 * Flushes many written files, 16 at a time (measured: three times as fast as one by one). `mayBeGone`: they are the application's,
 * which may remove one at any time.
 */
export const flushFiles = async (fs: FsPort, paths: readonly string[], mayBeGone = false): Promise<void> => {
  const left = [...paths].reverse()
  let running = FSYNCS_IN_FLIGHT
  const lane = async (): Promise<void> => {
    for (let path = left.pop(); path !== undefined; path = left.pop())
      try {
        await flushOne(fs, path, mayBeGone)
      } catch (error) {
        // Too many files are open: fewer lanes do it, too, as long as there is one.
        if (!['EMFILE', 'ENFILE'].includes(systemCode(error)) || running === 1) throw error
        left.push(path)
        running -= 1
        return
      }
  }
  const lanes = await Promise.allSettled(Array.from({ length: FSYNCS_IN_FLIGHT }, lane))
  for (const result of lanes) if (result.status === 'rejected') throw result.reason
}

/** Where the lock does not reach, the process that is being swept up after may yet write; without its folder it soon cannot. */
const REMOVALS = 20

/** Removes a directory tree that Strata made, or what another process leaves of it meanwhile. Never follows links. */
export const removeTree = (fs: FsPort, path: string): void => {
  for (let round = 1; ; round++)
    try {
      removeOnce(fs, path)
      return
    } catch (error) {
      const code = systemCode(error)
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(code) || round === REMOVALS) throw error
    }
}

const removeOnce = (fs: FsPort, path: string): void => {
  const found = fs.lstat(path)
  if (found === undefined) return
  if (!found.isDirectory()) {
    fs.unlink(path)
    return
  }
  for (const name of fs.readdir(path)) removeOnce(fs, join(path, name))
  fs.rmdir(path)
}
