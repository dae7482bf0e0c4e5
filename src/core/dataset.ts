import type { AnyChain } from './chain.ts'
import { versionIndex } from './chain.ts'
import { checkChain } from './chain-checks.ts'
import { StrataError, messageOf } from './errors.ts'
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
  /**
   * Files that the application never writes again once they are there, such as a day that is over: globs, or a function that picks them
   * out of all paths that there are, whatever their version. Snapshots may share them under several names (hard links).
   */
  readonly immutable?: readonly string[] | ((paths: readonly string[]) => Iterable<string>)
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

/** Declares a dataset; checks it. Throws BAD_CHAIN, BAD_ARGUMENT. */
export const dataset = (options: DatasetOptions): Dataset => {
  checkChain(options.chain)
  immutablePaths(options, [])
  return { ignore: [], layout: 'source', ...options }
}

export const isIgnored = (d: Pick<Dataset, 'ignore'>, path: string): boolean => d.ignore.some((glob) => matchesGlob(glob, path))

const badImmutable = (name: string, why: string, cause?: unknown): StrataError =>
  new StrataError('BAD_ARGUMENT', `immutable of ${name} ${why}`, {
    data: { dataset: name },
    hint: "Give globs, such as ['archive/**'], or a function from all paths to those that are never written again.",
    cause,
  })

const pickedBy = (pick: (paths: readonly string[]) => Iterable<string>, name: string, paths: readonly string[]): Set<string> => {
  try {
    return new Set(pick(paths))
  } catch (error) {
    throw badImmutable(name, `cannot be worked out: ${messageOf(error)}`, error)
  }
}

/** Of the paths that a snapshot has, those that the application never writes again. Throws BAD_ARGUMENT. */
export const immutablePaths = ({ name, immutable }: Pick<Dataset, 'name' | 'immutable'>, paths: readonly string[]): ReadonlySet<string> => {
  if (immutable === undefined) return new Set()
  if (typeof immutable === 'function') return pickedBy(immutable, name, Object.freeze([...paths]))
  // A module may be plain JavaScript: a text is a list of letters otherwise.
  const globs: readonly unknown[] = Array.isArray(immutable) ? immutable : [null]
  if (globs.some((glob) => typeof glob !== 'string')) throw badImmutable(name, 'is no list of globs')
  return new Set(paths.filter((path) => immutable.some((glob) => matchesGlob(glob, path))))
}

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
