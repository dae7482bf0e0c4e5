import { nodeFsPort } from '../../src/storage/fs.ts'
import type { FsPort, Stats } from '../../src/storage/fs.ts'

/** The members that the readers look at. */
const stats = (members: Partial<Stats>): Stats => Object.assign(Object.create(null) as Stats, members)

const absent = (path: string): Error => Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })

/** Files in memory, to be read only. */
export const memoryFs = (files: ReadonlyMap<string, Buffer>): FsPort => {
  const open = new Map<number, Buffer>()
  let next = 1000
  const under = (dir: string): string[] => [
    ...new Set([...files.keys()].flatMap((path) => (path.startsWith(`${dir}/`) ? [path.slice(dir.length + 1).split('/')[0] ?? ''] : []))),
  ]
  const statOf = (path: string): Stats | undefined => {
    const bytes = files.get(path)
    const isDirectory = bytes === undefined && under(path).length > 0
    if (bytes === undefined && !isDirectory) return undefined
    return stats({ size: bytes?.length ?? 0, isFile: () => !isDirectory, isDirectory: () => isDirectory, isSymbolicLink: () => false })
  }
  return {
    ...nodeFsPort,
    open: (path) => {
      const bytes = files.get(path)
      if (bytes === undefined) throw absent(path)
      open.set(++next, bytes)
      return next
    },
    close: (fd) => {
      open.delete(fd)
    },
    read: (fd, buffer, offset, length, position) => {
      const bytes = open.get(fd)?.subarray(position ?? 0, (position ?? 0) + length) ?? Buffer.alloc(0)
      Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).set(bytes, offset)
      return bytes.length
    },
    fstat: (fd) => stats({ size: open.get(fd)?.length ?? 0, isFile: () => true }),
    lstat: statOf,
    readdir: under,
    readdirRaw: (dir) => under(dir).map((name) => Buffer.from(name)),
  }
}
