import type { Dataset } from './dataset.ts'
import { effectiveIndex, fileVersion } from './dataset.ts'
import { json } from './codecs/index.ts'
import type { Kind } from './schema.ts'
import { codecOf, kindOf } from './schema.ts'

/** Which schema version a file is of, and so which step is its first. */

/** A header is at the beginning. */
export const HEAD_BYTES = 4096
const decoder = new TextDecoder()

/** Every form that files of this path have had, in versions up to `limit`; the newest first. */
const kindsOf = ({ chain }: Dataset, path: string, limit: number): Kind[] => {
  const found = new Set<Kind>()
  for (const { kinds } of chain.schemas.slice(0, limit + 1).reverse()) {
    const kind = kinds[kindOf(kinds, path) ?? '']
    if (kind !== undefined) found.add(kind)
  }
  return [...found]
}

/** Whether the version of a file can only be told from all of its bytes. */
export const isCoded = (dataset: Dataset, path: string): boolean =>
  kindsOf(dataset, path, dataset.chain.schemas.length).some((kind) => codecOf(kind, path) !== json)

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined

/** The version in the header of a file that is no JSON text. What cannot be read says nothing. */
const codedVersion = (kinds: readonly Kind[], path: string, bytes: Uint8Array): string | null => {
  for (const kind of kinds)
    try {
      const version = memberOf(memberOf(codecOf(kind, path).read(bytes, 'source').value, 'header'), 'schemaVersion')
      if (typeof version === 'string') return version
    } catch {
      continue
    }
  return null
}

/** The schema version that a file names, or that the dataset tells from its beginning; null when neither says. */
export const versionIn = (dataset: Dataset, path: string, bytes: Uint8Array): string | null => {
  if (!isCoded(dataset, path)) return fileVersion(dataset, path, decoder.decode(bytes.subarray(0, HEAD_BYTES)))
  const kinds = kindsOf(dataset, path, dataset.chain.schemas.length)
  // Where there was one form only, nothing has to be read.
  return kinds.length === 1 ? null : codedVersion(kinds, path, bytes)
}

/** The chain position from which a file of a dataset at `base` goes through the steps. */
export const startOf = (dataset: Dataset, path: string, bytes: Uint8Array, base: number): number => {
  const version = versionIn(dataset, path, bytes)
  const index = version === null ? base : effectiveIndex(dataset.chain, path, version, base)
  return index < 0 ? base : index
}
