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

/** The records of `theirs` that `base` does not have, as multisets, in their order. */
export const addedRecords = (base: readonly unknown[], theirs: readonly unknown[], dataset: Dataset): unknown[] => {
  const left = countOf(base, dataset)
  return theirs.filter((record) => {
    const key = identity(record, dataset)
    const had = left.get(key) ?? 0
    left.set(key, had - 1)
    return had <= 0
  })
}

/** A record file that was written on both sides: ours, and the records that theirs has more than `base` had. */
export const mergeRecords = (
  dataset: Dataset,
  kind: Kind,
  sides: { ours: Uint8Array; theirs: Uint8Array; base: Uint8Array | null },
): { bytes: Uint8Array; added: number } => {
  const parse = (bytes: Uint8Array): ReturnType<typeof parseDocument> => parseDocument(kind, bytes, dataset.layout)
  const ours = parse(sides.ours)
  const base = sides.base === null ? [] : (parse(sides.base).records ?? [])
  const added = addedRecords(base, parse(sides.theirs).records ?? [], dataset)
  const records = [...(ours.records ?? []), ...added]
  return { bytes: renderDocument(kind, { ...ours, records }, dataset.layout), added: added.length }
}
