import { versionIndex } from '../core/chain.ts'
import type { FieldChange, RecordChanges } from '../core/compare.ts'
import { FieldChanges, compareContent } from '../core/compare.ts'
import { StrataError, isStrataError } from '../core/errors.ts'
import { effectiveIndex } from '../core/dataset.ts'
import type { Parsed } from '../core/document.ts'
import { parseDocument } from '../core/document.ts'
import { resolveSnapshot } from '../core/resolve.ts'
import { kindOf } from '../core/schema.ts'
import { versionIn } from '../core/start.ts'
import type { Snapshot } from '../core/state.ts'
import type { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'
import type { Difference } from './directory.ts'
import { blobAt, diffSnapshots, reading } from './history.ts'
import { readState } from './read.ts'

/** A file's content in a snapshot as its kind describes it; null where it has no kind, or cannot be read as one. */
type Content = { readonly parsed: Parsed; readonly at: string }

export const contentOf = (context: Context, snapshot: Snapshot, path: string, bytes: Uint8Array): Content | null => {
  const { dataset } = context
  const position = versionIndex(dataset.chain, snapshot.schemaVersion)
  const version = versionIn(dataset, path, bytes)
  // A file of an older schema among newer ones is read as what it is.
  const index = version === null || position < 0 ? position : effectiveIndex(dataset.chain, path, version, position)
  const kinds = dataset.chain.schemas[index < 0 ? position : index]?.kinds
  const kind = kinds?.[kindOf(kinds, path) ?? '']
  if (kind === undefined) return null
  try {
    return { parsed: parseDocument(kind, path, bytes, dataset.layout), at: kind.at ?? '' }
  } catch (error) {
    if (isStrataError(error)) return null
    throw error
  }
}

const bytesAt = (repository: Repository, snapshot: Snapshot, path: string): Uint8Array | undefined => {
  const blob = blobAt(repository, snapshot.commit, path)
  return blob === undefined ? undefined : repository.blob(blob)
}

/** A larger file is told to differ, without a look inside: it would not fit into memory. */
export const MOST_BYTES = 64 * 2 ** 20

/** How one file differs. `isRead` false: its bytes differ, and no kind of the schema says what is in them. */
export type FileComparison = Difference & {
  readonly kind: string | null
  readonly isRead: boolean
  readonly records: RecordChanges | null
  readonly fields: readonly FieldChange[]
}

/** The files of one kind, summed up; `kind` is null for files of no kind. */
export type KindComparison = {
  readonly kind: string | null
  readonly added: number
  readonly removed: number
  readonly changed: number
  readonly unread: number
  readonly records: RecordChanges | null
  readonly fields: readonly FieldChange[]
}

export type Comparison = { readonly before: Snapshot; readonly after: Snapshot; readonly kinds: readonly KindComparison[] }

const kindName = (context: Context, snapshot: Snapshot, path: string): string | null => {
  const kinds = context.dataset.chain.schemas.find((s) => s.version === snapshot.schemaVersion)?.kinds
  return kinds === undefined ? null : (kindOf(kinds, path) ?? null)
}

const compareFile = (
  context: Context,
  repository: Repository,
  sides: { before: Snapshot; after: Snapshot },
  file: Difference,
  isLarge: boolean,
): FileComparison => {
  const { before, after } = sides
  const kind = kindName(context, file.change === 'removed' ? before : after, file.path)
  const none = { ...file, kind, isRead: false, records: null, fields: [] }
  if (file.change !== 'changed' || isLarge) return none
  const [was, is] = [bytesAt(repository, before, file.path), bytesAt(repository, after, file.path)]
  const [a, b] = [was && contentOf(context, before, file.path, was), is && contentOf(context, after, file.path, is)]
  if (!a || !b) return none
  return { ...none, isRead: true, ...compareContent(a.parsed, b.parsed, b.at) }
}

const summed = (a: RecordChanges | null, b: RecordChanges | null): RecordChanges | null => {
  if (a === null || b === null) return a ?? b
  return {
    before: a.before + b.before,
    after: a.after + b.after,
    added: a.added + b.added,
    removed: a.removed + b.removed,
    changed: a.changed + b.changed,
  }
}

/**
 * How two snapshots differ by kind of file, record and field, as committed; one file is in memory at a time. `path` narrows it to
 * a file or a folder. Throws ABSENT, NO_STORE.
 */
export const compareSnapshots = (context: Context, a: string, b: string, path?: string): Comparison => {
  const { before, after, files } = diffSnapshots(context, a, b, path)
  const kinds = new Map<string | null, { sum: KindComparison; fields: FieldChanges }>()
  reading(context, (repository) => {
    const all = [before, after].flatMap(({ commit }) => repository.manifest(commit).files)
    const large = new Set(all.filter(({ size }) => size > MOST_BYTES).map((f) => f.path))
    for (const file of files) {
      const found = compareFile(context, repository, { before, after }, file, large.has(file.path))
      const known = kinds.get(found.kind)
      const { sum, fields } = known ?? {
        sum: { kind: found.kind, added: 0, removed: 0, changed: 0, unread: 0, records: null, fields: [] },
        fields: new FieldChanges(),
      }
      fields.take(found.fields)
      kinds.set(found.kind, {
        fields,
        sum: {
          ...sum,
          [file.change]: sum[file.change] + 1,
          unread: sum.unread + (file.change === 'changed' && !found.isRead ? 1 : 0),
          records: summed(sum.records, found.records),
        },
      })
    }
  })
  return { before, after, kinds: [...kinds.values()].map(({ sum, fields }) => ({ ...sum, fields: fields.list })) }
}

/** A record (or, without a number, a document) in one snapshot of its lineage. `value` is undefined where there is none. */
export type Traced = {
  readonly snapshot: string
  readonly schemaVersion: string
  readonly description: string
  readonly value: unknown
  readonly fields: readonly FieldChange[]
}

const lineage = (snapshots: Readonly<Record<string, Snapshot>>, newest: Snapshot): Snapshot[] => {
  const found: Snapshot[] = []
  for (let at: Snapshot | undefined = newest; at !== undefined && !found.includes(at); at = snapshots[at.from ?? '']) found.push(at)
  return found.reverse()
}

/**
 * One record of a file through every step to a snapshot, oldest first: its value in each, and which fields the step changed.
 * `record` counts from 0; without it, the document around the records. Throws ABSENT.
 */
export const traceRecord = (context: Context, path: string, record?: number, name = '@'): Traced[] => {
  const state = readState(context)
  const { chain } = context.dataset
  const newest = resolveSnapshot(state, name)
  const traced = reading(context, (repository) => {
    let previous: unknown
    return lineage(state.snapshots, newest).map((snapshot): Traced => {
      const bytes = bytesAt(repository, snapshot, path)
      const content = bytes === undefined ? null : contentOf(context, snapshot, path, bytes)
      const value = record === undefined ? content?.parsed.head : content?.parsed.records?.[record]
      const changes = new FieldChanges()
      if (previous !== undefined && value !== undefined) changes.compare(previous ?? {}, value ?? {}, '')
      previous = value ?? previous
      const step = chain.migrations.find((m) => m.to.version === snapshot.schemaVersion)
      return {
        snapshot: snapshot.id,
        schemaVersion: snapshot.schemaVersion,
        description: snapshot.from === null ? 'as captured' : (step?.description ?? ''),
        value,
        fields: changes.list,
      }
    })
  })
  if (traced.every(({ value }) => value === undefined))
    throw new StrataError(
      'ABSENT',
      `no snapshot on the way to ${newest.id} has ${record === undefined ? '' : `record ${record} of `}${path}`,
      {
        data: { file: path, record: record ?? null },
        hint: 'Paths are relative to the data directory, with /. Records count from 0.',
      },
    )
  return traced
}
