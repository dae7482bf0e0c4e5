import type { ObjectType, Oid } from './git-objects.ts'
import { decodeTree, encodeTree } from './git-objects.ts'

/** A subject, then git trailers that stock tools can read. */
export const commitMessage = (subject: string, trailers: Readonly<Record<string, string | number>>): string =>
  `${subject}\n\n${Object.entries(trailers)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('')}`

export const AUTHOR = { name: 'Strata', email: 'strata@localhost' }

type Put = (type: ObjectType, bytes: Uint8Array) => Oid

const insert = (tree: Oid | undefined, path: readonly string[], blob: Oid, read: (oid: Oid) => Uint8Array, put: Put): Oid => {
  const [name = '', ...rest] = path
  const entries = tree === undefined ? [] : decodeTree(read(tree))
  const before = entries.find((e) => e.name === name)
  const oid = rest.length === 0 ? blob : insert(before?.oid, rest, blob, read, put)
  const mode = rest.length === 0 ? ('100644' as const) : ('40000' as const)
  return put('tree', encodeTree([...entries.filter((e) => e.name !== name), { mode, name, oid }]))
}

/** The tree of the branch strata/journal with one more slice: an immutable file, in folders of at most 256. */
export const sliceTree = (root: Oid | undefined, text: string, upTo: number, read: (oid: Oid) => Uint8Array, put: Put): Oid => {
  const blob = put('blob', Buffer.from(text))
  const hex = upTo.toString(16).padStart(8, '0')
  return insert(root, [hex.slice(0, 4), hex.slice(4, 6), `${String(upTo).padStart(10, '0')}.jsonl`], blob, read, put)
}

export const sliceMessage = (upTo: number): string => commitMessage(`Journal up to event ${upTo}`, { 'Strata-Seq': upTo })
