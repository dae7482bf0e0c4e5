import type { Dataset } from './dataset.ts'
import { effectiveIndex, fileVersion, isIgnored, requireVersion } from './dataset.ts'
import { renderDocument } from './document.ts'
import { StrataError } from './errors.ts'
import type { Issue } from './issues.ts'
import { entries, fromEntries } from './json/index.ts'
import type { RunOptions } from './file-work.ts'
import { kindOf } from './schema.ts'
import type { Source } from './transform.ts'
import { Transformer } from './transform.ts'

export type Files = ReadonlyMap<string, Uint8Array>

const HEAD_BYTES = 4096
const decoder = new TextDecoder()

export const headOf = (bytes: Uint8Array): string => decoder.decode(bytes.subarray(0, HEAD_BYTES))

/** A source over files in memory or anywhere else. A file whose version cannot be told is taken to be at `base`. */
export const sourceOf = (dataset: Dataset, paths: readonly string[], bytes: (path: string) => Uint8Array, base: number): Source => ({
  paths,
  bytes,
  start: (path) => {
    const version = fileVersion(dataset, path, headOf(bytes(path)))
    const index = version === null ? base : effectiveIndex(dataset.chain, path, version, base)
    return index < 0 ? base : index
  },
})

export const memorySource = (dataset: Dataset, files: Files, base: number): Source => {
  const bytes = (path: string): Uint8Array => {
    const found = files.get(path)
    if (found === undefined) throw new StrataError('ABSENT', `there is no ${path}`)
    return found
  }
  return sourceOf(dataset, [...files.keys()], bytes, base)
}

/** Takes a whole dataset in memory from one schema version to a later one; one map of files and one list of issues per step. */
export const migrateFiles = (
  dataset: Dataset,
  files: Files,
  from: string,
  to: string,
  run: RunOptions = {},
): { steps: Map<string, Uint8Array>[]; issues: Issue[] } => {
  const [start, end] = [requireVersion(dataset, from), requireVersion(dataset, to)]
  const source = memorySource(dataset, files, start)
  const transformer = new Transformer(dataset, source, run)
  const steps = Array.from({ length: end - start }, () => new Map<string, Uint8Array>())
  const issues: Issue[] = []
  for (const path of files.keys()) {
    if (isIgnored(dataset, path)) continue
    const result = transformer.file(path, start, end)
    issues.push(...result.issues)
    result.steps.forEach((made, i) => {
      const before = i === 0 ? files : steps[i - 1]
      for (const f of made) {
        refuseTwice(steps[i], f.path, path)
        steps[i]?.set(f.path, f.bytes ?? before?.get(f.path) ?? new Uint8Array())
      }
    })
    carryDerived(result.steps, steps)
  }
  return { steps, issues }
}

const refuseTwice = (files: Files | undefined, path: string, source: string): void => {
  if (files?.has(path) !== true) return
  throw new StrataError('EXISTS', `there would be two files ${path}, one of them made from ${source}`, {
    data: { file: path, source },
    hint: 'Take the existing file out of the data, then migrate again.',
  })
}

/** Files that an earlier step derived stay in the snapshots after it. */
const carryDerived = (made: readonly (readonly { path: string }[])[], steps: Map<string, Uint8Array>[]): void => {
  made.forEach((files, i) => {
    for (const { path } of files)
      for (let later = i + 1; later < steps.length; later++) {
        const before = steps[later - 1]?.get(path)
        if (before !== undefined && path !== files[0]?.path && !steps[later]?.has(path)) steps[later]?.set(path, before)
      }
  })
}

/** Whether a step between two chain positions changes the kind of `path`. */
const isChanged = (dataset: Dataset, path: string, from: number, to: number): boolean =>
  dataset.chain.migrations.slice(Math.min(from, to), Math.max(from, to)).some((m) => {
    const [before, after] = [kindOf(m.from.kinds, path), kindOf(m.to.kinds, path)]
    return before !== after || (before !== undefined && m.files[before] !== undefined)
  })

/**
 * One file as it is at another schema version, by `migrate` or `rollback`; its own bytes where no step in between changes it.
 * Throws ABSENT for a file that there is none of at that version, and what a migration throws.
 */
export const fileFrom = (transformer: Transformer, dataset: Dataset, source: Source, path: string, version: string): Uint8Array => {
  const index = requireVersion(dataset, version)
  if (!source.paths.includes(path)) throw new StrataError('ABSENT', `there is no ${path}`, { data: { file: path } })
  if (!isChanged(dataset, path, source.start(path), index)) return source.bytes(path)
  const kinds = dataset.chain.schemas[index]?.kinds ?? {}
  const kind = kinds[kindOf(kinds, path) ?? '']
  if (kind === undefined)
    throw new StrataError('ABSENT', `${path} is of no kind in ${version}`, {
      data: { file: path, version },
      hint: 'That version has no such file.',
    })
  const parsed = transformer.document(path, index)
  // The shared document is frozen; rendering puts the records back into a copy of its head. A spread would lose the order of its keys.
  const isObject = typeof parsed.head === 'object' && parsed.head !== null && !Array.isArray(parsed.head)
  const head = isObject ? fromEntries(entries(parsed.head)) : parsed.head
  return renderDocument(kind, { ...parsed, head }, dataset.layout)
}

/** The same over a dataset in memory that is at `base`. */
export const fileAt = (dataset: Dataset, files: Files, path: string, base: string, version: string): Uint8Array => {
  const source = memorySource(dataset, files, requireVersion(dataset, base))
  return fileFrom(new Transformer(dataset, source), dataset, source, path, version)
}
