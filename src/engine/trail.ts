import { join } from 'node:path'
import type { Oid } from '../core/git-objects.ts'
import type { Mended } from '../core/mend-records.ts'
import type { FileResult, StepFile } from '../core/transform.ts'
import type { Link } from '../storage/link.ts'
import { copyLarge, spill } from './large-file.ts'
import type { Blobs, SameFile } from './staged-file.ts'
import { sha256, writeStaged } from './staged-file.ts'
import type { KeptLink, Made, TaskEnv, Transformed } from './task-types.ts'

/** `at`: a file that holds the bytes, if there is one; there is of a large one, whose bytes are not in memory. `isKept`: it is a snapshot's, or another name of such a file. */
export type Pending = Omit<Made, 'oid'> & { oid: Oid | null; bytes: Uint8Array | null; at: SameFile | undefined; isKept: boolean }

/** A file on its way: the files that it stands for now, and what was written at each position. */
export class Trail {
  readonly written: Made[][]
  readonly links: KeptLink[] = []
  #now: readonly Pending[]
  readonly #env: TaskEnv
  readonly #blobs: Blobs
  readonly #mode: number
  readonly #isImmutable: boolean

  constructor(env: TaskEnv, own: Pending & { isImmutable?: boolean }, blobs: Blobs, positions: number) {
    this.#now = [own]
    this.#env = env
    this.#blobs = blobs
    this.#mode = own.mode
    this.#isImmutable = own.isImmutable === true
    this.written = Array.from({ length: positions }, () => [])
  }

  /** `large`: what the step has made of a large file, on the disk. */
  step(outputs: readonly StepFile[], large?: Pending): void {
    const before = new Map(this.#now.map((file) => [file.path, file]))
    this.#now = outputs.flatMap(({ path, bytes, from }) => {
      if (bytes !== null) return [this.#make(path, bytes)]
      if (large?.path === path) return [large]
      const same = before.get(from)
      return same === undefined ? [] : [{ ...same, path }]
    })
  }

  mend({ outputs }: Mended): void {
    if (outputs.length > 0) this.step(outputs)
  }

  write(index: number, dir: string): void {
    this.#now = this.#now.map((file) => {
      const path = join(dir, file.path)
      const now = this.#stored(file)
      const link = this.#put(now, path)
      const { bytes: _, at: __, isKept: wasKept, ...entry } = now
      const isKept = wasKept && link !== undefined
      if (isKept) this.links.push({ ...link, sha256: now.sha256 })
      this.written[index]?.push(entry)
      return { ...now, same: true, isKept, at: { path, stat: null, isImmutable: this.#isImmutable } }
    })
  }

  #put({ bytes, mode, at }: Pending, path: string): Link | undefined {
    const { fs } = this.#env
    if (bytes !== null) return writeStaged(fs, path, bytes, mode, at)
    return at === undefined || at.path === path ? undefined : copyLarge(fs, at, path, mode)
  }

  /** Only what is written anywhere becomes an object: a step that is passed on the way leaves none. */
  #stored(file: Pending): Pending & { oid: Oid } {
    const { oid } = file
    if (oid !== null) return { ...file, oid }
    if (file.bytes !== null) return { ...file, oid: this.#blobs.add(file.bytes) }
    const spilled = spill(this.#env.fs, this.#env.packs, file.at?.path ?? '', file.size)
    this.#blobs.addLarge(spilled)
    return { ...file, oid: spilled.oid }
  }

  #make(path: string, bytes: Uint8Array): Pending {
    return {
      path,
      size: bytes.byteLength,
      sha256: sha256(bytes),
      mode: this.#mode,
      same: false,
      oid: null,
      bytes,
      at: undefined,
      isKept: false,
    }
  }
}

/** A file that no step touches. */
export const unchanged = (path: string, steps: number): FileResult => ({
  path,
  steps: Array.from({ length: steps }, () => [{ path, bytes: null, from: path }]),
  issues: [],
  damaged: true,
  records: 0,
  reads: [],
  gathered: [],
})

/** One file, written at every position. */
export type Done = { result: Omit<Transformed, 'steps'>; steps: Made[][]; links: readonly KeptLink[] }

export const doneOf = (made: FileResult, { written, links }: Trail): Done => {
  const { path, issues, records, reads, damaged, gathered } = made
  return { result: { path, issues, records, reads, damaged, gathered }, steps: written, links }
}
