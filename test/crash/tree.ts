import { createHash } from 'node:crypto'
import * as nodeFs from 'node:fs'
import { join } from 'node:path'

/** Every file below a directory by its path; null is a folder, '' the directory itself. Parents come before what is in them. */
export type Tree = ReadonlyMap<string, Buffer | null>

export const readTree = (dir: string): Tree => {
  const tree = new Map<string, Buffer | null>()
  const walk = (at: string, path: string): void => {
    tree.set(path, null)
    for (const entry of nodeFs.readdirSync(at, { withFileTypes: true })) {
      const [below, name] = [join(at, entry.name), path === '' ? entry.name : `${path}/${entry.name}`]
      if (entry.isDirectory()) walk(below, name)
      else tree.set(name, nodeFs.readFileSync(below))
    }
  }
  if (nodeFs.existsSync(dir)) walk(dir, '')
  return tree
}

/** What is below `path`, with paths from there on. */
export const below = (tree: Tree, path: string): Tree =>
  new Map([...tree].flatMap(([name, bytes]) => (name.startsWith(`${path}/`) ? [[name.slice(path.length + 1), bytes] as const] : [])))

export const filesOf = (tree: Tree): Tree => new Map([...tree].filter(([, bytes]) => bytes !== null).sort(([a], [b]) => (a < b ? -1 : 1)))

const equal = (a: Buffer | null | undefined, b: Buffer | null | undefined): boolean =>
  a === b || (a instanceof Buffer && b instanceof Buffer && a.equals(b))

/** Paths that are there on one side only, or hold other bytes. */
export const differing = (a: Tree, b: Tree): string[] =>
  [...new Set([...a.keys(), ...b.keys()])].filter((path) => a.has(path) !== b.has(path) || !equal(a.get(path), b.get(path)))

/** The reserve holds random bytes that mean nothing: of it only the size counts. */
const RESERVE = 'reserve'
const hashes = new WeakMap<Buffer, string>()
const hashOf = (bytes: Buffer): string => {
  const known = hashes.get(bytes)
  if (known !== undefined) return known
  const hash = createHash('sha1').update(bytes).digest('base64')
  hashes.set(bytes, hash)
  return hash
}

/** What tells two trees apart. */
export const digestOf = (tree: Tree): string => {
  const lines: string[] = []
  for (const [path, bytes] of tree)
    lines.push(`${path}\0${bytes === null ? '/' : path.endsWith(RESERVE) ? String(bytes.length) : hashOf(bytes)}\n`)
  return createHash('sha1').update(lines.sort().join('')).digest('base64')
}

/** A lock that is another name of the file that was linked to it: on a disk the two are one file, in a tree they are not. */
const twinOf = (tree: Tree, path: string): string | undefined => {
  if (!path.endsWith('.lock')) return undefined
  const own = `${path.slice(0, -'.lock'.length)}.strata`
  return [...tree.keys()].find((name) => name.startsWith(own) && equal(tree.get(name), tree.get(path)))
}

/** Makes `dir` hold exactly `tree`. `now`: what it holds already, so that only the difference is written. */
export const writeTree = (dir: string, tree: Tree, now: Tree | undefined): void => {
  if (now === undefined) nodeFs.rmSync(dir, { recursive: true, force: true })
  const gone = [...(now ?? new Map<string, Buffer | null>())].filter(
    ([path, bytes]) => !tree.has(path) || (bytes === null) !== (tree.get(path) === null),
  )
  for (const [path, bytes] of gone.reverse())
    if (bytes === null) nodeFs.rmdirSync(join(dir, path))
    else nodeFs.unlinkSync(join(dir, path))
  const kept = new Map(now)
  // Names of one file have one buffer: on the disk they are one file again.
  const names = new Map<Buffer, string>()
  const lock: [string, string][] = []
  for (const [path] of gone) kept.delete(path)
  for (const [path, bytes] of tree) {
    if (kept.has(path) && equal(kept.get(path), bytes)) continue
    if (bytes === null) nodeFs.mkdirSync(join(dir, path), { mode: 0o755 })
    else {
      // A new file each time: what stays must not be told from what is new by its inode.
      if (kept.has(path)) nodeFs.unlinkSync(join(dir, path))
      const twin = twinOf(tree, path)
      const other = path.startsWith('snapshots/') ? names.get(bytes) : undefined
      if (other !== undefined) nodeFs.linkSync(join(dir, other), join(dir, path))
      else if (twin === undefined) nodeFs.writeFileSync(join(dir, path), bytes, { mode: 0o644 })
      else lock.push([twin, path])
      names.set(bytes, path)
    }
  }
  for (const [twin, path] of lock) nodeFs.linkSync(join(dir, twin), join(dir, path))
}
