import type { AnyChain } from './chain.ts'
import { versionIndex } from './chain.ts'
import { checkChain } from './chain-checks.ts'
import { StrataError } from './errors.ts'
import type { Layout } from './json/index.ts'
import { headerVersion } from './header.ts'
import { kindOf, matchesGlob } from './schema.ts'

/** What an application declares about its data. A module given as `--migrations` exports it as default. */
export type Dataset = {
  /** The application's name, shown to people and written to the journal. */
  readonly name: string
  readonly chain: AnyChain
  /** Globs of paths that are not part of the dataset, such as `logs/**`. */
  readonly ignore: readonly string[]
  /** White space and escapes of written JSON: as the file had them, or as Go's MarshalIndent writes them. */
  readonly layout: Layout
  /** How long the migration of one file may take before it fails with MIGRATION_TIMEOUT (60); a second more for each megabyte of it. */
  readonly secondsPerFile?: number
  /** The version of a file without a header, from its first 4 KiB as text; null when it cannot be told. */
  readonly detect?: (file: { path: string; head: string }) => string | null
  /** The files of a fresh install, at the newest version: path to document. */
  readonly initial?: () => Readonly<Record<string, unknown>>
  /** Directories where data of this application may lie, most likely first. */
  readonly locations?: (where: {
    platform: string
    home: string
    cwd: string
    env: Readonly<Record<string, string | undefined>>
  }) => string[]
}

export type DatasetOptions = Pick<Dataset, 'name' | 'chain'> & Partial<Omit<Dataset, 'name' | 'chain'>>

/** Declares a dataset; checks the chain. Throws BAD_CHAIN. */
export const dataset = (options: DatasetOptions): Dataset => {
  checkChain(options.chain)
  return { ignore: [], layout: 'source', ...options }
}

export const isIgnored = (d: Pick<Dataset, 'ignore'>, path: string): boolean => d.ignore.some((glob) => matchesGlob(glob, path))

/** The schema version of one file: its header's, else the dataset's guess; null when neither says. */
export const fileVersion = (d: Pick<Dataset, 'detect'>, path: string, head: string): string | null =>
  headerVersion(head) ?? d.detect?.({ path, head }) ?? null

/** The step from which `path`, found to be of `version`, takes part: later steps that leave its kind alone do not count. */
export const effectiveIndex = (c: AnyChain, path: string, version: string, limit: number): number => {
  const start = versionIndex(c, version)
  if (start < 0) return start
  let index = start
  while (index < limit) {
    const [here, next] = [c.schemas[index], c.schemas[index + 1]]
    if (here === undefined || next === undefined) break
    const kind = kindOf(here.kinds, path) ?? kindOf(next.kinds, path)
    if (kind !== undefined && here.kinds[kind] !== next.kinds[kind]) break
    index += 1
  }
  return index
}

/** The chain position of `version`. Throws NEWER_SCHEMA when the chain does not know it. */
export const requireVersion = (d: Dataset, version: string): number => {
  const index = versionIndex(d.chain, version)
  if (index >= 0) return index
  const known = d.chain.schemas.map((s) => s.version)
  throw new StrataError('NEWER_SCHEMA', `schema version ${version} is not known to this ${d.name}, which knows ${known.join(', ')}`, {
    data: { version, known },
    hint: 'Start a newer version of the application, or go back to a snapshot that this one can read.',
  })
}
