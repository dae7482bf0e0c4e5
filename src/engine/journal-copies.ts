import type { Commit, Oid } from '../core/git-objects.ts'
import { decodeLine } from '../core/events.ts'
import type { Piece } from '../storage/journal-salvage.ts'
import { piecesOf } from '../storage/journal-salvage.ts'
import { readLooseRefs, salvageRefs } from '../storage/refs.ts'
import type { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'

/** What the repository knows of the journal: its slices, and the trailers of its commits. All of it may be damaged. */

const attempt = <T>(read: () => T): T | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

const TRAILER = /^([A-Z][A-Za-z0-9-]*): (.*)$/gm

export type FoundCommit = Commit & { readonly oid: Oid; readonly trailers: ReadonlyMap<string, string> }

/** Every commit that can be read: those of `listed` (of all packs), and what the branches lead to. */
export const allCommits = ({ fs, paths }: Context, repository: Repository, listed: Iterable<Oid>): Map<Oid, FoundCommit> => {
  const found = new Map<Oid, FoundCommit>()
  const tips = [...salvageRefs(fs, paths.repository).values(), ...readLooseRefs(fs, paths.repository).values()]
  const queue = [...tips, ...listed]
  for (let oid = queue.pop(); oid !== undefined; oid = queue.pop()) {
    if (found.has(oid)) continue
    const at = oid
    const commit = attempt(() => repository.commit(at))
    if (commit === undefined) continue
    const trailers = new Map(Array.from(commit.message.matchAll(TRAILER), ([, key = '', value = '']) => [key, value]))
    found.set(oid, { ...commit, oid, trailers })
    queue.push(...commit.parents)
  }
  return found
}

const isSlice = ({ message }: FoundCommit): boolean => message.startsWith('Journal up to event ')

/** The newest commit of the journal's branch. */
export const newestSlice = (commits: Iterable<FoundCommit>): { commit: Oid; upTo: number } | null => {
  let best: { commit: Oid; upTo: number } | null = null
  for (const commit of commits) {
    const upTo = Number(commit.trailers.get('Strata-Seq'))
    if (isSlice(commit) && upTo >= (best?.upTo ?? 0)) best = { commit: commit.oid, upTo }
  }
  return best
}

/** Every line in every slice that can be read. */
export const journalCopies = (repository: Repository, commits: Iterable<FoundCommit>): Piece[] => {
  const seen = new Set<Oid>()
  const pieces: Piece[] = []
  const walk = (tree: Oid): void => {
    if (seen.has(tree)) return
    seen.add(tree)
    for (const entry of attempt(() => repository.tree(tree)) ?? []) {
      if (entry.mode === '40000') walk(entry.oid)
      else if (!seen.has(entry.oid)) {
        seen.add(entry.oid)
        const bytes = attempt(() => repository.blob(entry.oid))
        if (bytes !== undefined) pieces.push(...piecesOf(Buffer.from(bytes).toString('utf8'), (row) => attempt(() => decodeLine(row))))
      }
    }
  }
  for (const commit of commits) if (isSlice(commit)) walk(commit.tree)
  return pieces
}
