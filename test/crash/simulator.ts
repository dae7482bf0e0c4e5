import * as nodeFs from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { FsPort } from '../../src/storage/fs.ts'

/**
 * A recorder of file-system calls. From what it noted, states.ts makes the disk states that a power cut may leave after any
 * of them. The model is strict: a write or a name counts as durable only once its file or its directory was flushed; anything
 * else may be there or not, in any combination, and a write may be there by half.
 */

type DataEffect = { readonly kind: 'data'; readonly ino: number; readonly offset: number; readonly bytes: Buffer }
type SizeEffect = { readonly kind: 'truncate'; readonly ino: number; readonly size: number }
/** `ino` null: the name goes. A rename is two changes of one effect: it happens whole or not at all. */
type NameEffect = {
  readonly kind: 'names'
  readonly dir: number
  readonly changes: readonly { dir: number; name: string; ino: number | null }[]
}
type FlushEffect = { readonly kind: 'flush'; readonly ino: number }
/** Another program replaced a file's content, and saw to it that it is durable. */
type EditEffect = { readonly kind: 'edit'; readonly ino: number; readonly bytes: Buffer }
type AckEffect = { readonly kind: 'ack' }
export type Effect = DataEffect | SizeEffect | NameEffect | FlushEffect | EditEffect | AckEffect

type Handle = { readonly ino: number; position: number; readonly append: boolean }

export const ROOT = 1

const lastOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** Changes folders as a rename, a new name or a removed one does. */
export const applyNames = (folders: ReadonlyMap<number, Map<string, number>>, { changes }: NameEffect): void => {
  for (const { dir, name, ino } of changes) {
    const names = folders.get(dir)
    if (ino === null) names?.delete(name)
    else names?.set(name, ino)
  }
}

/** Records what happens below `root`; everything else passes through. */
export class Recorder {
  readonly effects: Effect[] = []
  readonly fs: FsPort
  /** What there was before the first effect. */
  readonly baseNames = new Map<number, ReadonlyMap<string, number>>()
  readonly baseBytes = new Map<number, Buffer>()
  readonly #root: string
  readonly #folders = new Map<number, Map<string, number>>()
  readonly #sizes = new Map<number, number>()
  readonly #open = new Map<number, Handle>()
  #next = ROOT

  constructor(inner: FsPort, root: string) {
    this.#root = root
    this.#load(root)
    this.fs = this.#wrap(inner)
  }

  /** Every folder there ever was. */
  get folders(): Iterable<number> {
    return this.#folders.keys()
  }

  ack(): void {
    this.effects.push({ kind: 'ack' })
  }

  /** What an application does meanwhile. */
  edit(path: string, bytes: Buffer): void {
    nodeFs.writeFileSync(path, bytes)
    const ino = this.#lookup(path)
    if (ino === undefined) throw new Error(`${path} is not there`)
    this.#sizes.set(ino, bytes.length)
    this.effects.push({ kind: 'edit', ino, bytes })
  }

  #load(path: string, seen = new Map<number, number>()): number {
    const stat = nodeFs.lstatSync(path)
    // Two names of one file are one file here as well.
    const known = stat.isDirectory() ? undefined : seen.get(stat.ino)
    if (known !== undefined) return known
    const ino = this.#next++
    if (!stat.isDirectory()) {
      seen.set(stat.ino, ino)
      const bytes = nodeFs.readFileSync(path)
      this.baseBytes.set(ino, bytes)
      this.#sizes.set(ino, bytes.length)
      return ino
    }
    const names = new Map<string, number>()
    for (const name of nodeFs.readdirSync(path)) names.set(name, this.#load(join(path, name), seen))
    this.baseNames.set(ino, names)
    this.#folders.set(ino, new Map(names))
    return ino
  }

  #isOutside(path: string): boolean {
    return relative(this.#root, path).startsWith('..')
  }

  #lookup(path: string): number | undefined {
    if (this.#isOutside(path)) return undefined
    const rest = relative(this.#root, path)
    let ino: number | undefined = ROOT
    for (const name of rest === '' ? [] : rest.split('/')) ino = ino === undefined ? undefined : this.#folders.get(ino)?.get(name)
    return ino
  }

  #names(effect: NameEffect): void {
    this.effects.push(effect)
    applyNames(this.#folders, effect)
  }

  #name(path: string, ino: number | null): void {
    const dir = this.#lookup(dirname(path))
    if (dir !== undefined) this.#names({ kind: 'names', dir, changes: [{ dir, name: lastOf(path), ino }] })
  }

  #rename(from: string, to: string): void {
    const [ino, fromDir, toDir] = [this.#lookup(from), this.#lookup(dirname(from)), this.#lookup(dirname(to))]
    if (ino === undefined && this.#isOutside(from) && this.#isOutside(to)) return
    if (ino === undefined || fromDir === undefined || toDir === undefined) throw new Error(`${from} to ${to} leads out of the recording`)
    // Renaming one of two names of a file to the other does nothing.
    if (this.#lookup(to) === ino) return
    const changes = [
      { dir: fromDir, name: lastOf(from), ino: null },
      { dir: toDir, name: lastOf(to), ino },
    ]
    this.#names({ kind: 'names', dir: toDir, changes })
  }

  #create(path: string, isFolder: boolean): number {
    const ino = this.#next++
    if (isFolder) this.#folders.set(ino, new Map())
    else this.#sizes.set(ino, 0)
    this.#name(path, ino)
    return ino
  }

  #truncated(ino: number, size: number): void {
    this.#sizes.set(ino, size)
    this.effects.push({ kind: 'truncate', ino, size })
  }

  #opened(fd: number, path: string, flags: string | number): void {
    if (this.#isOutside(path)) return
    const text = typeof flags === 'string' ? flags : 'r'
    let ino = this.#lookup(path)
    if (ino === undefined) ino = this.#create(path, false)
    else if (text.startsWith('w')) this.#truncated(ino, 0)
    this.#open.set(fd, { ino, position: 0, append: text.startsWith('a') })
  }

  #written(fd: number, bytes: Buffer, position: number | null): void {
    const handle = this.#open.get(fd)
    if (handle === undefined) return
    const size = this.#sizes.get(handle.ino) ?? 0
    const offset = handle.append ? size : (position ?? handle.position)
    if (position === null) handle.position = offset + bytes.length
    this.#sizes.set(handle.ino, Math.max(size, offset + bytes.length))
    this.effects.push({ kind: 'data', ino: handle.ino, offset, bytes })
  }

  #flushed(fd: number): void {
    const handle = this.#open.get(fd)
    if (handle !== undefined) this.effects.push({ kind: 'flush', ino: handle.ino })
  }

  #wrap(inner: FsPort): FsPort {
    return {
      ...inner,
      ...this.#wrapHandles(inner),
      rename: (from, to) => {
        inner.rename(from, to)
        this.#rename(from, to)
      },
      link: (from, to) => {
        inner.link(from, to)
        const ino = this.#lookup(from)
        if (ino !== undefined) this.#name(to, ino)
      },
      copyFile: (from, to, how) => {
        inner.copyFile(from, to, how)
        if (this.#isOutside(to)) return
        const bytes = nodeFs.readFileSync(to)
        const ino = this.#create(to, false)
        this.#sizes.set(ino, bytes.length)
        this.effects.push({ kind: 'data', ino, offset: 0, bytes })
      },
      truncate: (path, length) => {
        inner.truncate(path, length)
        const ino = this.#lookup(path)
        if (ino !== undefined) this.#truncated(ino, length)
      },
      unlink: (path) => {
        inner.unlink(path)
        this.#name(path, null)
      },
      rmdir: (path) => {
        inner.rmdir(path)
        this.#name(path, null)
      },
      mkdir: (path, mode) => {
        inner.mkdir(path, mode)
        if (!this.#isOutside(path)) this.#create(path, true)
      },
    }
  }

  #wrapHandles(inner: FsPort): Pick<FsPort, 'open' | 'close' | 'write' | 'fsync' | 'fdatasync' | 'fsyncLater'> {
    return {
      open: (path, flags, mode) => {
        const fd = inner.open(path, flags, mode)
        this.#opened(fd, path, flags)
        return fd
      },
      close: (fd) => {
        this.#open.delete(fd)
        inner.close(fd)
      },
      write: (fd, buffer, offset, length, position) => {
        const written = inner.write(fd, buffer, offset, length, position)
        this.#written(fd, Buffer.from(buffer.subarray(offset, offset + written)), position)
        return written
      },
      fsync: (fd) => {
        inner.fsync(fd)
        this.#flushed(fd)
      },
      fdatasync: (fd) => {
        inner.fdatasync(fd)
        this.#flushed(fd)
      },
      fsyncLater: async (fd) => {
        await inner.fsyncLater(fd)
        this.#flushed(fd)
      },
    }
  }
}
