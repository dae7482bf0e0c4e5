import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A directory tree, looked at without any code of the store. */

const walk = (root: string, at = ''): string[] =>
  readdirSync(join(root, at), { withFileTypes: true })
    .map((entry) => ({ path: at === '' ? entry.name : `${at}/${entry.name}`, folder: entry.isDirectory() }))
    .flatMap(({ path, folder }) => (folder ? [`${path}/`, ...walk(root, path)] : [path]))

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16)

/** Path to hash of every file. */
export const contents = (root: string): Record<string, string> =>
  Object.fromEntries(
    walk(root)
      .filter((path) => !path.endsWith('/'))
      .sort()
      .map((path) => [path, sha256(readFileSync(join(root, path)))]),
  )

/** Everything that a write would change: bytes, modes, inodes, and times of files and folders. */
export const fingerprint = (root: string): Record<string, string> =>
  Object.fromEntries(
    ['./', ...walk(root)].sort().map((path) => {
      const stat = lstatSync(join(root, path), { bigint: true })
      const what = `${stat.mode} ${stat.ino} ${stat.mtimeNs} ${stat.ctimeNs}`
      return [path, path.endsWith('/') ? what : `${what} ${stat.size} ${sha256(readFileSync(join(root, path)))}`]
    }),
  )

export type Content = ReadonlyMap<string, Uint8Array> | Readonly<Record<string, unknown>>

/** Text and bytes are written as they stand; anything else as Go's MarshalIndent would, escapes aside. */
export const put = (root: string, path: string, value: unknown): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  const bytes = typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value, null, 2)
  writeFileSync(join(root, path), bytes)
}

/** Yesterday's data: a file that was written just now is watched for two seconds when it cannot be read. */
export const putAll = (root: string, content: Content): void => {
  mkdirSync(root, { recursive: true })
  const yesterday = Date.now() / 1000 - 86_400
  for (const [path, value] of content instanceof Map ? (content as Map<string, unknown>) : Object.entries(content)) {
    put(root, path, value)
    utimesSync(join(root, path), yesterday, yesterday)
  }
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- parsed JSON, looked at by expectations
export const json = (root: string, path: string): any => JSON.parse(readFileSync(join(root, path), 'utf8'))

/** How many bytes the files of a folder hold together. */
export const bytesBelow = (root: string): number =>
  walk(root)
    .filter((path) => !path.endsWith('/'))
    .reduce((sum, path) => sum + lstatSync(join(root, path)).size, 0)
