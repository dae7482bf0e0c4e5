import type { FsPort } from './fs.ts'
import { MOST_AT_ONCE, READ_FLAGS } from './fs.ts'

/** Fills `buffer` from `position` on; returns how many bytes there were. */
export const readFully = (fs: FsPort, fd: number, buffer: Uint8Array, position: number): number => {
  let done = 0
  while (done < buffer.byteLength) {
    const got = fs.read(fd, buffer, done, Math.min(buffer.byteLength - done, MOST_AT_ONCE), position + done)
    if (got === 0) break
    done += got
  }
  return done
}

/** The whole file, or undefined when there is none. */
export const readFile = (fs: FsPort, path: string): Buffer | undefined => {
  if (fs.lstat(path) === undefined) return undefined
  const fd = fs.open(path, READ_FLAGS)
  try {
    const buffer = Buffer.allocUnsafe(fs.fstat(fd).size)
    return buffer.subarray(0, readFully(fs, fd, buffer, 0))
  } finally {
    fs.close(fd)
  }
}

export const readText = (fs: FsPort, path: string): string | undefined => readFile(fs, path)?.toString('utf8')
