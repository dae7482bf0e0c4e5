import { createHash } from 'node:crypto'
import { matchesGlob } from './schema.ts'

/**
 * What a result depends on besides the file that it was made from: the content of another file (`sha256` null: there was none), or
 * which files there are that a glob matches. What a step reads through ctx must be told here, or its result would be used again
 * when it no longer holds.
 */
export type Read = { readonly path: string; readonly sha256: string | null } | { readonly glob: string; readonly sha256: string }

/** The files of a dataset as far as a read looks at them. */
export type Present = ReadonlyMap<string, { readonly sha256: string }>

/** What is noted of a file that changed while it was read: no later content is the same. */
export const UNSTEADY = ''

const listed = (paths: Iterable<string>, glob: string): string[] => [...paths].filter((path) => matchesGlob(glob, path))

/** The digest of a list of paths, in whatever order. */
export const listDigest = (paths: Iterable<string>): string =>
  createHash('sha256')
    .update([...paths].sort().join('\0'))
    .digest('hex')

/** Whether reading once more would give what was read then. */
export const holds = (read: Read, files: Present): boolean =>
  'glob' in read ? listDigest(listed(files.keys(), read.glob)) === read.sha256 : (files.get(read.path)?.sha256 ?? null) === read.sha256

/** Whether a change of these files may change what was read. */
export const isTouched = (read: Read, changed: ReadonlySet<string>): boolean =>
  'glob' in read ? listed(changed, read.glob).length > 0 : changed.has(read.path)

const note = <T extends string | null>(seen: Map<string, T | typeof UNSTEADY>, name: string, sha256: T): void => {
  const before = seen.get(name)
  seen.set(name, before === undefined || before === sha256 ? sha256 : UNSTEADY)
}

/** Gathers reads: of a file once, however often it is read. */
export class Reads {
  readonly #files = new Map<string, string | null>()
  readonly #lists = new Map<string, string>()

  get all(): readonly Read[] {
    return [
      ...Array.from(this.#files, ([path, sha256]) => ({ path, sha256 })),
      ...Array.from(this.#lists, ([glob, sha256]) => ({ glob, sha256 })),
    ]
  }

  file(path: string, sha256: string | null): void {
    note(this.#files, path, sha256)
  }

  /** `sha256`: the digest of the paths that the glob matched. */
  list(glob: string, sha256: string): void {
    note(this.#lists, glob, sha256)
  }

  /** What another result depended on, which this one was made with. */
  also(reads: readonly Read[]): void {
    for (const read of reads) {
      if ('glob' in read) note(this.#lists, read.glob, read.sha256)
      else this.file(read.path, read.sha256)
    }
  }
}
