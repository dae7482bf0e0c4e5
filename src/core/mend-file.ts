import { versionIndex } from './chain.ts'
import type { Dataset } from './dataset.ts'
import { issue } from './issues.ts'
import type { Issue } from './issues.ts'
import { mendRecords } from './mend-records.ts'
import type { Mended } from './mend-records.ts'
import { pathBefore } from './paths.ts'
import { kindOf } from './schema.ts'
import { versionIn } from './start.ts'
import type { FileResult, Source, Transformer } from './transform.ts'

/** Another file of the dataset that was at `path` at an older position: the steps have put it elsewhere, and an old build wrote a new one. */
const twinOf = (dataset: Dataset, source: Source, path: string, start: number, own: string): string | undefined => {
  const kinds = dataset.chain.schemas[source.base]?.kinds ?? {}
  const name = kindOf(kinds, own)
  const before = (other: string): string => {
    let at = other
    for (let i = source.base - 1; i >= start; i--) at = pathBefore(dataset, at, i)
    return at
  }
  return source.paths.find((other) => other !== own && kindOf(kinds, other) === name && before(other) === path)
}

const twice = (file: string, twin: string): Issue =>
  issue({
    severity: 'warning',
    code: 'FILE_TWICE',
    file,
    message: `stands beside ${twin}, which is of the same name in older versions; what is derived from that one stays`,
    hint: 'Both are kept. Merge what one has more, or take one away.',
  })

/**
 * A file of an older version in a dataset that is up to date, as its steps have left it, and what is derived from it; or one whose
 * records were mended. A header names the version that changed the file last: what later ones derive from it is made, too.
 */
export const mendFile = (dataset: Dataset, source: Source, transformer: Transformer, path: string, { steps }: FileResult): Mended => {
  const last = steps.at(-1)
  if (last === undefined) return mendRecords(dataset, source, transformer, path)
  const [own, ...derived] = last.map((file) => ({ ...file, from: file.path }))
  if (own === undefined) return { outputs: [], issues: [] }
  const version = versionIn(dataset, path, source.bytes(path)) ?? ''
  const since = Math.max(0, versionIndex(dataset.chain, version))
  const again = own.bytes === null ? [] : transformer.rederive(own.path, source.base, own.bytes, since)
  const twin = twinOf(dataset, source, path, source.start(path), own.path)
  const all = new Map([...derived, ...again].map((file) => [file.path, file]))
  const taken = new Set(twin === undefined ? [] : source.paths)
  return {
    outputs: [own, ...[...all.values()].filter((file) => !taken.has(file.path))],
    issues: twin === undefined ? [] : [twice(own.path, twin)],
  }
}
