import * as nodeFs from 'node:fs'
import type { Stats } from 'node:fs'
import { promisify } from 'node:util'

export type { Stats }

/**
 * Every byte Strata reads or writes goes through this port, so that a recorder can replay all disk
 * states a power cut may leave. Calls are synchronous (two to five times faster than promises on small files),
 * except `fsyncLater`, which lets many flushes be under way at once.
 */
export type FsPort = {
  open(path: string, flags: string | number, mode?: number): number
  close(fd: number): void
  /** May return fewer bytes than asked for. */
  read(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number
  /** May write fewer bytes than asked for: use `writeAll`. */
  write(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number
  fsync(fd: number): void
  fdatasync(fd: number): void
  fsyncLater(fd: number): Promise<void>
  fstat(fd: number): Stats
  /** undefined when there is nothing at `path`. */
  lstat(path: string): Stats | undefined
  rename(from: string, to: string): void
  /** A second name for a file; fails if `to` exists. */
  link(from: string, to: string): void
  unlink(path: string): void
  mkdir(path: string, mode?: number): void
  rmdir(path: string): void
  readdir(path: string): string[]
  /** Names as bytes: a name that is not UTF-8 must be seen, not skipped. */
  readdirRaw(path: string): Buffer[]
  readlink(path: string): string
  realpath(path: string): string
  truncate(path: string, length: number): void
  chmod(path: string, mode: number): void
  utimes(path: string, atimeMs: number, mtimeMs: number): void
  /** Copies content, sharing blocks where the file system can; with `clone` it fails where it cannot. Fails if `to` exists. */
  copyFile(from: string, to: string, how?: 'clone'): void
  /** Throws unless the user may read there, or make and remove names in the folder; looks only. */
  access(path: string, how: 'read' | 'change'): void
  /** `type`: the number that the kernel knows the file system by, as in statfs(2). */
  statfs(path: string): { freeBytes: number; freeInodes: number; type: number }
}

/** A process has so many files open at most, and its other threads are done with theirs soon. The main thread has to answer meanwhile. */
// Asked for when it is wanted: loading the module costs more than anything else of `strata path`.
const openAttempts = (): number => (process.getBuiltinModule('node:worker_threads').isMainThread ? 4 : 400)
const OPEN_PAUSE_MS = 5

const isTooManyOpen = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE')

/** For the calls that open a file: waits for those that are open to be closed. */
const patiently = <A extends unknown[], T>(call: (...args: A) => T): ((...args: A) => T) => {
  return (...args) => {
    for (let attempt = 1; ; attempt++)
      try {
        return call(...args)
      } catch (error) {
        if (!isTooManyOpen(error) || attempt === openAttempts()) throw error
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, OPEN_PAUSE_MS)
      }
  }
}

const MAY_BE_ABSENT = { throwIfNoEntry: false } as const
const OPEN_FILES = /^Max open files +(\d+)/m

/** How many files this process may have open, where the system tells; else it is taken to be many. */
const openFilesAllowed = (): number => {
  try {
    return Number(OPEN_FILES.exec(nodeFs.readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity)
  } catch {
    return Infinity
  }
}

let scarce: boolean | undefined
/** Whether handles that are held for convenience would be missing elsewhere. */
export const areHandlesScarce = (): boolean => (scarce ??= openFilesAllowed() < 128)

const fsyncAsync = promisify(nodeFs.fsync)

export const nodeFsPort: FsPort = {
  open: patiently((path: string, flags: string | number, mode?: number) => nodeFs.openSync(path, flags, mode)),
  close: nodeFs.closeSync,
  read: nodeFs.readSync,
  write: nodeFs.writeSync,
  fsync: nodeFs.fsyncSync,
  fdatasync: nodeFs.fdatasyncSync,
  fsyncLater: fsyncAsync,
  fstat: (fd) => nodeFs.fstatSync(fd),
  lstat: (path) => nodeFs.lstatSync(path, MAY_BE_ABSENT),
  rename: nodeFs.renameSync,
  link: nodeFs.linkSync,
  unlink: nodeFs.unlinkSync,
  mkdir: (path, mode) => {
    nodeFs.mkdirSync(path, { mode: mode ?? 0o700 })
  },
  rmdir: (path) => {
    nodeFs.rmdirSync(path)
  },
  readdir: patiently((path: string) => nodeFs.readdirSync(path)),
  readdirRaw: patiently((path: string) => nodeFs.readdirSync(path, { encoding: 'buffer' })),
  readlink: (path) => nodeFs.readlinkSync(path),
  realpath: (path) => nodeFs.realpathSync(path),
  truncate: nodeFs.truncateSync,
  chmod: nodeFs.chmodSync,
  utimes: (path, atimeMs, mtimeMs) => {
    nodeFs.utimesSync(path, atimeMs / 1000, mtimeMs / 1000)
  },
  copyFile: patiently((from: string, to: string, how?: 'clone') => {
    const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = nodeFs.constants
    nodeFs.copyFileSync(from, to, COPYFILE_EXCL | (how === 'clone' ? COPYFILE_FICLONE_FORCE : COPYFILE_FICLONE))
  }),
  access: (path, how) => {
    nodeFs.accessSync(path, how === 'read' ? nodeFs.constants.R_OK : nodeFs.constants.W_OK | nodeFs.constants.X_OK)
  },
  statfs: (path) => {
    const { bavail, bsize, ffree, type } = nodeFs.statfsSync(path)
    return { freeBytes: bavail * bsize, freeInodes: ffree, type }
  },
}
// Windows has neither flag, whatever the types say.
const flag = (name: string): number => Object.entries(nodeFs.constants).find(([key]) => key === name)?.[1] ?? 0

/** Never follow a link, never block on a FIFO (hazard 42). */
export const READ_FLAGS = flag('O_RDONLY') | flag('O_NOFOLLOW') | flag('O_NONBLOCK')

/** Node refuses to read or write 2 GiB in one call. */
export const MOST_AT_ONCE = 1024 ** 3
