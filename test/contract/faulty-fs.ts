import type { FsPort } from '../../src/storage/fs.ts'

/** One call of an FsPort, as a crash simulator needs it. `path` is resolved from the handle where the call has none. */
export type Op = {
  readonly call: keyof FsPort
  readonly path: string
  readonly to?: string
  readonly flags?: string | number
  /** A copy: the caller may reuse its buffer. */
  readonly bytes?: Buffer
  readonly position?: number | null
}

/** What happens to a call: an errno instead of it, or a read or write of at most so many bytes. */
export type Verdict = { readonly code: string } | { readonly most: number } | undefined

const systemError = (code: string, { call, path }: Op): Error => Object.assign(new Error(`${code}: injected, ${call} '${path}'`), { code })

/** A port that records every call in `ops` and lets `judge` make it fail. */
export const faultyFs = (inner: FsPort, judge: (op: Op) => Verdict = () => undefined): { fs: FsPort; ops: Op[] } => {
  const ops: Op[] = []
  const paths = new Map<number, string>()
  const pass = (op: Op): number => {
    ops.push(op)
    const verdict = judge(op)
    if (verdict !== undefined && 'code' in verdict) throw systemError(verdict.code, op)
    return verdict?.most ?? Number.POSITIVE_INFINITY
  }
  const at = (fd: number): string => paths.get(fd) ?? `fd ${fd}`
  const onHandle =
    <T>(call: 'fsync' | 'fdatasync' | 'fsyncLater' | 'fstat', run: (fd: number) => T) =>
    (fd: number): T => {
      pass({ call, path: at(fd) })
      return run(fd)
    }
  const onPath =
    <A extends unknown[], T>(call: keyof FsPort, run: (path: string, ...rest: A) => T) =>
    (path: string, ...rest: A): T => {
      pass({ call, path })
      return run(path, ...rest)
    }
  const onTwo =
    (call: 'rename' | 'link', run: (from: string, to: string) => void) =>
    (path: string, to: string): void => {
      pass({ call, path, to })
      run(path, to)
    }
  const fs: FsPort = {
    open(path, flags, mode) {
      pass({ call: 'open', path, flags })
      const fd = inner.open(path, flags, mode)
      paths.set(fd, path)
      return fd
    },
    close(fd) {
      // A handle is given back whatever happens: a leak would be the wrapper's fault.
      const path = at(fd)
      paths.delete(fd)
      inner.close(fd)
      pass({ call: 'close', path })
    },
    read(fd, buffer, offset, length, position) {
      const most = pass({ call: 'read', path: at(fd), position })
      return inner.read(fd, buffer, offset, Math.min(length, most), position)
    },
    write(fd, buffer, offset, length, position) {
      const most = pass({ call: 'write', path: at(fd), bytes: Buffer.from(buffer.subarray(offset, offset + length)), position })
      return most === 0 ? 0 : inner.write(fd, buffer, offset, Math.min(length, most), position)
    },
    fsync: onHandle('fsync', (fd) => inner.fsync(fd)),
    fdatasync: onHandle('fdatasync', (fd) => inner.fdatasync(fd)),
    fsyncLater: async (fd) => onHandle('fsyncLater', (handle) => inner.fsyncLater(handle))(fd),
    fstat: onHandle('fstat', (fd) => inner.fstat(fd)),
    lstat: onPath('lstat', (path) => inner.lstat(path)),
    rename: onTwo('rename', (from, to) => inner.rename(from, to)),
    link: onTwo('link', (from, to) => {
      inner.link(from, to)
    }),
    unlink: onPath('unlink', (path) => inner.unlink(path)),
    mkdir: onPath('mkdir', (path: string, mode?: number) => inner.mkdir(path, mode)),
    rmdir: onPath('rmdir', (path) => inner.rmdir(path)),
    readdir: onPath('readdir', (path) => inner.readdir(path)),
    readdirRaw: onPath('readdirRaw', (path) => inner.readdirRaw(path)),
    readlink: onPath('readlink', (path) => inner.readlink(path)),
    realpath: onPath('realpath', (path) => inner.realpath(path)),
    truncate: onPath('truncate', (path: string, length: number) => inner.truncate(path, length)),
    chmod: onPath('chmod', (path: string, mode: number) => inner.chmod(path, mode)),
    utimes: onPath('utimes', (path: string, atimeMs: number, mtimeMs: number) => inner.utimes(path, atimeMs, mtimeMs)),
    copyFile: (from, to, how) => {
      pass({ call: 'copyFile', path: from, to })
      inner.copyFile(from, to, how)
    },
    access: onPath('access', (path: string, how: 'read' | 'change') => inner.access(path, how)),
    statfs: onPath('statfs', (path) => inner.statfs(path)),
  }
  return { fs, ops }
}
