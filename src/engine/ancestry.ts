import type { Oid } from '../core/git-objects.ts'
import { isOid } from '../core/git-objects.ts'
import type { Repository } from '../storage/repository.ts'

/** The trailer of a carry, with the commit up to which data was taken. */
export const CARRIES = /^Carries: \S+ ([0-9a-f]{40})$/m

/** The commits that one names: its parents, and the one whose data it carries, while that is there. */
export const restsOn = (repository: Repository, oid: Oid): Oid[] => {
  const { parents, message } = repository.commit(oid)
  const carried = CARRIES.exec(message)?.[1]
  return carried !== undefined && isOid(carried) && repository.isReadable(carried) ? [...parents, carried] : [...parents]
}

/** The commits that `roots` lead to, each after those that it names. */
export const oldestFirst = (repository: Repository, roots: Iterable<Oid>): Oid[] => {
  const found = new Set<Oid>()
  const waiting: { oid: Oid; isOpen: boolean }[] = [...roots].map((oid) => ({ oid, isOpen: false }))
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (found.has(at.oid)) continue
    if (at.isOpen) {
      found.add(at.oid)
      continue
    }
    waiting.push({ oid: at.oid, isOpen: true })
    for (const oid of restsOn(repository, at.oid)) if (!found.has(oid)) waiting.push({ oid, isOpen: false })
  }
  return [...found]
}
