import type { FileEntry } from '../core/manifest.ts'

/** How the files of a target differ from those before it, by path. `bytes` of all, `shared` of those that are the same. */
export type Counts = {
  readonly bytes: number
  readonly shared: number
  readonly changed: number
  readonly created: number
  readonly removed: number
}

type Files = ReadonlyMap<string, FileEntry>
/** Files that have become others, and what they were. */
type Since = ReadonlyMap<string, FileEntry | undefined>

class Sum {
  bytes = 0
  shared = 0
  changed = 0
  created = 0
  removed = 0

  /** Adds one path, or takes it away. */
  add(was: FileEntry | undefined, is: FileEntry | undefined, n: 1 | -1): void {
    if (is === undefined) {
      if (was !== undefined) this.removed += n
      return
    }
    this.bytes += n * is.size
    if (was === undefined) this.created += n
    else if (was.sha256 === is.sha256) this.shared += n * is.size
    else this.changed += n
  }
}

export const countAll = (before: Files, files: Files): Counts => {
  const sum = new Sum()
  for (const [path, file] of files) sum.add(before.get(path), file, 1)
  sum.removed = before.size - (files.size - sum.created)
  return sum
}

/** The same, from what it was before some files became others, on either side. */
export const recount = (
  { step, before: beforeSince }: { readonly step: { readonly counts: Counts }; readonly before: Since },
  before: Files,
  files: Files,
  filesSince: Since,
): Counts => {
  const sum = Object.assign(new Sum(), step.counts)
  for (const path of new Set([...beforeSince.keys(), ...filesSince.keys()])) {
    const [was, is] = [before.get(path), files.get(path)]
    sum.add(beforeSince.has(path) ? beforeSince.get(path) : was, filesSince.has(path) ? filesSince.get(path) : is, -1)
    sum.add(was, is, 1)
  }
  return sum
}

/** A file that has only got another path has changed: it has neither gone nor come. */
export const withMoves = ({ bytes, shared, changed, created, removed }: Counts, moved: number): Counts => ({
  bytes,
  shared,
  changed: changed + moved,
  created: created - moved,
  removed: removed - moved,
})
