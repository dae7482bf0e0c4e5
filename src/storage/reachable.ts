import type { ObjectType, Oid } from '../core/git-objects.ts'
import { isOid, oidAt } from '../core/git-objects.ts'
import type { PackStore } from './pack-read.ts'

/** The ids that a tree names, of whatever mode: a branch that someone else made may hold links. Submodules are not here. */
const treeIds = (bytes: Buffer): { oid: Oid; isTree: boolean }[] => {
  const found: { oid: Oid; isTree: boolean }[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at)
    if (end < 0 || end + 21 > bytes.length) break
    const mode = bytes.toString('latin1', at, bytes.indexOf(0x20, at))
    if (mode !== '160000') found.push({ oid: oidAt(bytes, end + 1), isTree: mode === '40000' })
    at = end + 21
  }
  return found
}

const named = (text: string, key: string): Oid[] =>
  (text.split('\n\n', 1)[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith(`${key} `))
    .map((line) => line.slice(key.length + 1))
    .filter(isOid)

const leadsTo = (type: ObjectType, bytes: Buffer, isCut: boolean): { oid: Oid; isBlob: boolean }[] => {
  if (type === 'blob') return []
  if (type === 'tree') return treeIds(bytes).map(({ oid, isTree }) => ({ oid, isBlob: !isTree }))
  const text = bytes.toString('latin1')
  const ids = type === 'tag' ? named(text, 'object') : [...named(text, 'tree'), ...(isCut ? [] : named(text, 'parent'))]
  return ids.map((oid) => ({ oid, isBlob: false }))
}

/** Everything that `roots` lead to; at `cut`, the history ends. `missing` is told of what is not there. */
export const reachable = (store: PackStore, roots: Iterable<Oid>, cut: ReadonlySet<Oid>, missing: (oid: Oid) => void): Set<Oid> => {
  const seen = new Set<Oid>()
  const queue: Oid[] = []
  const add = (oid: Oid, isBlob: boolean): void => {
    if (seen.has(oid)) return
    seen.add(oid)
    // A blob leads nowhere: it need not be read.
    if (!isBlob) queue.push(oid)
  }
  for (const oid of roots) add(oid, false)
  for (let oid = queue.pop(); oid !== undefined; oid = queue.pop()) {
    const found = store.read(oid)
    if (found === undefined) missing(oid)
    else for (const next of leadsTo(found.type, found.bytes, cut.has(oid))) add(next.oid, next.isBlob)
  }
  return seen
}
