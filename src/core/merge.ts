import type { Dataset } from './dataset.ts'
import { parseDocument, renderDocument } from './document.ts'
import { stringifyJson } from './json/index.ts'
import type { Kind } from './schema.ts'

/** A record's identity: its canonical text. Two alike records are two records. */
const identity = (record: unknown, dataset: Dataset): string => stringifyJson(record, { layout: dataset.layout })

const countOf = (records: readonly unknown[], dataset: Dataset): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const record of records) {
    const key = identity(record, dataset)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/** Which records of `theirs` are more than `base` has, as multisets. */
const isAdded = (base: readonly unknown[], theirs: readonly unknown[], dataset: Dataset): boolean[] => {
  const left = countOf(base, dataset)
  return theirs.map((record) => {
    const key = identity(record, dataset)
    const had = left.get(key) ?? 0
    left.set(key, had - 1)
    return had <= 0
  })
}

/** The records of `theirs` that `base` does not have, as multisets, in their order. */
export const addedRecords = (base: readonly unknown[], theirs: readonly unknown[], dataset: Dataset): unknown[] => {
  const added = isAdded(base, theirs, dataset)
  return theirs.filter((_, i) => added[i])
}

/** `theirs` and `base` as their writer left them, before the chain; both of `kind`. */
export type Written = { readonly kind: Kind; readonly path: string; readonly base: Uint8Array | null; readonly theirs: Uint8Array }

/** Whether every record that was there before is still there: a build that appends keeps them, one that rewrites may not. */
export const keepsRecords = (dataset: Dataset, { kind, path, base, theirs }: Written): boolean => {
  const recordsOf = (bytes: Uint8Array): readonly unknown[] => parseDocument(kind, path, bytes, dataset.layout).records ?? []
  return base === null || addedRecords(recordsOf(theirs), recordsOf(base), dataset).length === 0
}

/**
 * A record file that was written on both sides: ours, and the records that theirs has more than `base` had. What a step makes
 * of a record may depend on the file around it, so they are told apart as they were `written` where that is known; a step
 * keeps the order of records.
 */
export const mergeRecords = (
  dataset: Dataset,
  kind: Kind,
  path: string,
  sides: { ours: Uint8Array; theirs: Uint8Array; base: Uint8Array | null },
  written?: Written,
): { bytes: Uint8Array; added: number } => {
  const recordsOf = (of: Kind, bytes: Uint8Array | null, at = path): readonly unknown[] =>
    bytes === null ? [] : (parseDocument(of, at, bytes, dataset.layout).records ?? [])
  const ours = parseDocument(kind, path, sides.ours, dataset.layout)
  const theirs = recordsOf(kind, sides.theirs)
  const marks =
    written === undefined
      ? []
      : isAdded(recordsOf(written.kind, written.base, written.path), recordsOf(written.kind, written.theirs, written.path), dataset)
  const added =
    marks.length === theirs.length ? theirs.filter((_, i) => marks[i]) : addedRecords(recordsOf(kind, sides.base), theirs, dataset)
  const records = [...(ours.records ?? []), ...added]
  return { bytes: renderDocument(kind, path, { ...ours, records }, dataset.layout), added: added.length }
}
