import { basename, dirname, join } from 'node:path'
import { fsyncDirectory, makeDirectory, rename, replaceFile } from './durable.ts'
import { readFile } from './files.ts'
import type { FsPort } from './fs.ts'

/** Damaged bytes are set aside, never deleted: someone may still get something out of them. */
export class Quarantine {
  readonly #fs: FsPort
  readonly #dir: string

  /** `folder` is where everything of one repair goes, below `quarantine/`. */
  constructor(fs: FsPort, root: string, folder: string) {
    this.#fs = fs
    this.#dir = join(root, folder)
  }

  /** Moves a file away; nothing happens where there is none. */
  move(path: string, name = basename(path)): void {
    if (this.#fs.lstat(path) === undefined) return
    rename(this.#fs, path, this.#place(name))
    fsyncDirectory(this.#fs, dirname(this.#place(name)))
    fsyncDirectory(this.#fs, dirname(path))
  }

  /** Keeps a durable copy of a file. */
  copy(path: string, name: string): void {
    const bytes = readFile(this.#fs, path)
    if (bytes !== undefined) replaceFile(this.#fs, this.#place(name), bytes)
  }

  #place(name: string): string {
    const path = join(this.#dir, name)
    makeDirectory(this.#fs, dirname(path))
    return path
  }
}
