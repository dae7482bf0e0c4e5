import type { Oid } from '../core/git-objects.ts'
import type { Manifest } from '../core/manifest.ts'
import { isWithin } from '../core/state.ts'
import type { Repository, Transaction } from '../storage/repository.ts'
import { CARRIES } from './ancestry.ts'
import { blobAt } from './history.ts'

/** A commit as it is once the path was taken out of it and of those before it. */
export type Rewritten = { readonly commit: Oid; readonly manifest: string | null; readonly files: number; readonly bytes: number }

/** Which commits have something at the path; equal trees are looked at once. */
export const holders = (repository: Repository, commits: readonly Oid[], path: string): Set<Oid> => {
  const known = new Map<Oid, boolean>()
  return new Set(
    commits.filter((oid) => {
      const { tree } = repository.commit(oid)
      const has = known.get(tree) ?? blobAt(repository, oid, path) !== undefined
      known.set(tree, has)
      return has
    }),
  )
}

const withoutPath = (manifest: Manifest, path: string): Manifest => ({
  files: manifest.files.filter((f) => !isWithin(f.path, path)),
  directories: manifest.directories.filter((d) => !isWithin(d.path, path)),
})

const DIGEST = /^Manifest-Sha256: [0-9a-f]{64}$/m
/** Trees of so many bytes are made durable at a time: memory must not grow with the history. */
const MOST_HELD = 32 * 1024 * 1024

/** Writes the commits anew that had the path, and those that rest on them. What is written is durable; nothing names it yet. */
export const rewriteWithout = (
  repository: Repository,
  commits: readonly Oid[],
  having: ReadonlySet<Oid>,
  path: string,
): Map<Oid, Rewritten> => {
  const done = new Map<Oid, Rewritten>()
  let transaction: Transaction = repository.begin()
  const rewrite = (oid: Oid): Rewritten | undefined => {
    const { tree, parents, message: before, committer } = repository.commit(oid)
    const now = (old: Oid): Oid => done.get(old)?.commit ?? old
    const message = before.replace(CARRIES, (line, old: Oid) => line.replace(old, now(old)))
    const info = { parents: parents.map(now), message, timestamp: committer.timestamp }
    if (!having.has(oid)) {
      const isSame = message === before && info.parents.every((parent, i) => parent === parents[i])
      return isSame ? undefined : { commit: transaction.addCommit(tree, info), manifest: null, files: 0, bytes: 0 }
    }
    const manifest = withoutPath(repository.manifest(oid), path)
    const bytes = manifest.files.reduce((sum, f) => sum + f.size, 0)
    const stored = transaction.addSnapshot(manifest, (digest) => ({
      ...info,
      message: message.replace(DIGEST, `Manifest-Sha256: ${digest}`),
    }))
    return { ...stored, files: manifest.files.length, bytes }
  }
  try {
    for (const oid of commits) {
      const made = rewrite(oid)
      if (made !== undefined) done.set(oid, made)
      if (transaction.held > MOST_HELD) {
        transaction.finish()
        transaction = repository.begin()
      }
    }
    transaction.finish()
    return done
  } catch (error) {
    transaction.abort()
    throw error
  }
}
