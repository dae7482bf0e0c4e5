import type { Oid } from '../core/git-objects.ts'
import type { Repository } from '../storage/repository.ts'

/** Versions of one file, or folder, on one branch, the newest first. */
export type Families = ReadonlyMap<Oid, readonly Oid[]>

const SNAPSHOT = /^Strata-Snapshot: (\S+)$/m

/** Calls back with what stands at each path where both trees have something, and not the same; what is the same is not read. */
const eachChanged = (repository: Repository, newer: Oid, older: Oid, found: (newer: Oid, older: Oid) => void): void => {
  if (newer === older) return
  found(newer, older)
  const before = new Map(repository.tree(older).map((entry) => [entry.name, entry]))
  for (const entry of repository.tree(newer)) {
    const old = before.get(entry.name)
    if (old === undefined || old.oid === entry.oid || (old.mode === '40000') !== (entry.mode === '40000')) continue
    if (entry.mode === '40000') eachChanged(repository, entry.oid, old.oid, found)
    else found(entry.oid, old.oid)
  }
}

/**
 * What an application wrote again and again, as the checkpoints of its snapshots have it, with the folders and manifests that change
 * along: what `gc` can store as little more than the newest version. `heads`: the commits that branches lead to.
 */
export const familiesOf = (repository: Repository, heads: Iterable<Oid>): Families => {
  const newestOf = new Map<Oid, Oid>()
  const families = new Map<Oid, Oid[]>()
  const add = (newer: Oid, older: Oid): void => {
    if (newestOf.has(older) || families.has(older)) return
    const newest = newestOf.get(newer) ?? newer
    if (newest === older) return
    const family = families.get(newest) ?? [newest]
    newestOf.set(older, newest)
    family.push(older)
    families.set(newest, family)
  }
  const seen = new Set<Oid>()
  for (const head of heads)
    for (let at: Oid | undefined = head; at !== undefined && !seen.has(at); ) {
      seen.add(at)
      const commit = repository.commit(at)
      const [parent] = commit.parents
      const before = parent === undefined ? undefined : repository.commit(parent)
      // A migrated snapshot's files are of another schema than those they were made of.
      const isSame = before !== undefined && SNAPSHOT.exec(before.message)?.[1] === SNAPSHOT.exec(commit.message)?.[1]
      if (isSame) eachChanged(repository, commit.tree, before.tree, add)
      at = isSame ? parent : undefined
    }
  return families
}
