import type { Dataset } from './dataset.ts'
import type { Put } from './assemble.ts'
import { assemble, isAssembledAt, passEnds } from './assemble.ts'
import { isIgnored, requireVersion } from './dataset.ts'
import { renderDocument, thawed } from './document.ts'
import { StrataError } from './errors.ts'
import type { Issue } from './issues.ts'
import type { RunOptions } from './work.ts'
import type { Gathered } from './notes.ts'
import { kindOf } from './schema.ts'
import { startOf } from './start.ts'
import type { Source } from './transform.ts'
import { Transformer } from './transform.ts'

export type Files = ReadonlyMap<string, Uint8Array>

/** A source over files in memory or anywhere else. A file whose version cannot be told is taken to be at `base`. */
export const sourceOf = (dataset: Dataset, paths: readonly string[], bytes: (path: string) => Uint8Array, base: number): Source => ({
  paths,
  base,
  bytes,
  start: (path) => startOf(dataset, path, bytes(path), base),
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
  const steps: Map<string, Uint8Array>[] = []
  const issues: Issue[] = []
  const damaged = new Set<string>()
  let position = requireVersion(dataset, from)
  for (const end of passEnds(dataset, position, requireVersion(dataset, to))) {
    const pass = runPass(dataset, steps.at(-1) ?? files, position, end, { run, damaged })
    steps.push(...pass.steps)
    issues.push(...pass.issues)
    position = end
  }
  return { steps, issues }
}

/** All files through the steps up to one that looks at the dataset as a whole, and that. */
const runPass = (
  dataset: Dataset,
  files: Files,
  position: number,
  end: number,
  { run, damaged }: { run: RunOptions; damaged: Set<string> },
): { steps: Map<string, Uint8Array>[]; issues: Issue[] } => {
  const transformer = new Transformer(dataset, memorySource(dataset, files, position), run)
  const steps = Array.from({ length: end - position }, () => new Map<string, Uint8Array>())
  const issues: Issue[] = []
  const gathered: Gathered[] = []
  for (const [path, own] of files) {
    if (isIgnored(dataset, path)) continue
    if (damaged.has(path)) {
      for (const step of steps) step.set(path, own)
      continue
    }
    const result = transformer.file(path, position, end)
    issues.push(...result.issues)
    gathered.push(...result.gathered)
    if (result.damaged) damaged.add(path)
    let before = new Map([[path, own]])
    result.steps.forEach((made, i) => {
      const now = new Map(made.map((f) => [f.path, f.bytes ?? before.get(f.from) ?? new Uint8Array()]))
      for (const [name, bytes] of now) {
        refuseTwice(steps[i], name, path)
        steps[i]?.set(name, bytes)
      }
      before = now
    })
  }
  const last = steps.at(-1)
  if (last !== undefined && isAssembledAt(dataset, end)) {
    const source = memorySource(dataset, last, end)
    const put: Put = (path, bytes) => {
      if (bytes === null) last.delete(path)
      else last.set(path, bytes)
    }
    issues.push(...assemble(dataset, source, end - 1, gathered, new Transformer(dataset, source, run), put))
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

/** Whether a step between two chain positions changes the kind of `path`. */
const isChanged = (dataset: Dataset, path: string, from: number, to: number): boolean =>
  dataset.chain.migrations.slice(Math.min(from, to), Math.max(from, to)).some((m) => {
    const [before, after] = [kindOf(m.from.kinds, path), kindOf(m.to.kinds, path)]
    return before !== after || (before !== undefined && m.files[before] !== undefined)
  })

/** A file in the form of another schema version, and where it is there. */
export type Converted = { readonly path: string; readonly bytes: Uint8Array }

/**
 * One file as it is at another schema version, by `migrate` or `rollback`; its own bytes where no step in between changes it.
 * Throws ABSENT for a file that there is none of at that version, and what a migration throws.
 */
export const fileFrom = (transformer: Transformer, dataset: Dataset, source: Source, path: string, version: string): Converted => {
  const index = requireVersion(dataset, version)
  if (!source.paths.includes(path)) throw new StrataError('ABSENT', `there is no ${path}`, { data: { file: path } })
  if (!isChanged(dataset, path, source.start(path), index)) return { path, bytes: source.bytes(path) }
  const absent = new StrataError('ABSENT', `${path} is of no kind in ${version}`, {
    data: { file: path, version },
    hint: 'That version has no such file.',
  })
  const kinds = dataset.chain.schemas[index]?.kinds ?? {}
  if (kindOf(kinds, transformer.paths.between(path, source.start(path), index)) === undefined) throw absent
  const { parsed, path: at } = transformer.other(path, index)
  const kind = kinds[kindOf(kinds, at) ?? '']
  if (kind === undefined) throw absent
  return { path: at, bytes: renderDocument(kind, at, thawed(parsed), dataset.layout) }
}

/** The same over a dataset in memory that is at `base`. */
export const fileAt = (dataset: Dataset, files: Files, path: string, base: string, version: string): Uint8Array => {
  const source = memorySource(dataset, files, requireVersion(dataset, base))
  return fileFrom(new Transformer(dataset, source), dataset, source, path, version).bytes
}
