import { dirname, join, resolve } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import type { Dataset } from '../core/dataset.ts'
import { StrataError, isStrataError } from '../core/errors.ts'
import type { Issue } from '../core/issues.ts'
import { issueOf } from '../core/issues.ts'
import { lintMigration, recordOf } from '../core/lint.ts'
import { migrateFiles } from '../core/memory.ts'
import type { Scaffold } from '../core/scaffold.ts'
import { nextVersion, scaffold } from '../core/scaffold.ts'
import { loadDataset, moduleFile } from './load.ts'
import { exists, filesIn, isFolder, readSample, writeRecord, writeSample, writeText } from './samples.ts'
import { trapped } from './traps.ts'

/** What the author of migrations is given: checks of a whole chain over its golden samples, and the beginning of a new migration. */

/** Where the golden samples of a module's migrations lie: beside it. */
const samplesBeside = (module: string): string => join(dirname(moduleFile(module)), 'golden')

export type LintReport = {
  readonly migrations: number
  readonly findings: readonly Issue[]
  /** Versions whose results were recorded just now. */
  readonly recorded: readonly string[]
}

/** What keeps a module from being a chain; all of it where the chain itself says so. */
const loadFindings = (error: unknown): Issue[] => {
  const { problems } = isStrataError(error) ? error.data : {}
  const first = issueOf(error)
  return Array.isArray(problems) && problems.length > 1 ? problems.map((message) => ({ ...first, message: String(message) })) : [first]
}

/**
 * Everything that is wrong with a module's migrations, as far as their samples show: see `lintMigration`. `record` notes the results
 * of migrations that have none noted and no finding; what is noted already is never changed.
 */
export const lint = async (module: string, options: { samples?: string; record?: boolean } = {}): Promise<LintReport> => {
  let dataset: Dataset
  try {
    dataset = await loadDataset(module)
  } catch (error) {
    return { migrations: 0, findings: loadFindings(error), recorded: [] }
  }
  const samples = resolve(options.samples ?? samplesBeside(module))
  const findings: Issue[] = []
  const recorded: string[] = []
  for (const m of dataset.chain.migrations) {
    const folder = join(samples, m.to.version)
    const sample = readSample(folder)
    const found = lintMigration(m, sample, trapped, dataset.layout)
    const open = found.filter((f) => f.code !== 'NOT_RECORDED')
    // What is wrong is not made the measure of later runs; what is only lost on the way back may be.
    const isSound = open.every((f) => f.severity === 'warning' && f.code !== 'DAMAGED_SAMPLE')
    if (options.record !== true || sample?.recorded !== null || !isSound) {
      findings.push(...found)
      continue
    }
    writeRecord(folder, recordOf(m, sample.files, dataset.layout))
    recorded.push(m.to.version)
    findings.push(...open)
  }
  return { migrations: dataset.chain.migrations.length, findings, recorded }
}

/** A small dataset of the newest version: what the last migration makes of its own sample, else a directory's, else the initial files. */
const newestFiles = (dataset: Dataset, samples: string, from: string | undefined): ReadonlyMap<string, Uint8Array> => {
  const { schemas, migrations } = dataset.chain
  const newest = schemas.at(-1)?.version ?? ''
  if (from !== undefined) {
    if (!isFolder(from))
      throw new StrataError('NO_DATA', `${from} is not a directory`, { data: { path: from }, hint: 'Name a small data directory.' })
    const files = filesIn(from)
    return schemas.length === 1 ? files : (migrateFiles(dataset, files, schemas[0]?.version ?? '', newest).steps.at(-1) ?? files)
  }
  const last = migrations.at(-1)
  const before = readSample(join(samples, newest))
  if (last !== undefined && before !== null && before.files.size > 0)
    return migrateFiles(dataset, before.files, last.from.version, newest).steps[0] ?? new Map()
  const encoder = new TextEncoder()
  const initial = dataset.initial?.() ?? {}
  return new Map(Object.entries(initial).map(([path, doc]) => [path, encoder.encode(JSON.stringify(doc, null, 2))]))
}

export type NewMigration = { readonly version: string; readonly files: readonly string[]; readonly next: readonly string[] }

type Layout = {
  readonly folder: string
  readonly tests: string
  readonly samples: string
  readonly style: 'own' | 'package'
  readonly extension: string
}

/** This project's own layout where its sources are, else everything beside the application's module. */
const layoutFor = (module: string, ownSources: string | null): Layout => {
  if (ownSources !== null) {
    if (!isFolder(ownSources))
      throw new StrataError('BAD_ARGUMENT', 'the built-in migrations have no sources here', {
        hint: 'Name your own: strata --migrations MODULE new "…"',
      })
    const tests = join(ownSources, '../test/migrations')
    return { folder: ownSources, tests, samples: join(ownSources, 'golden'), style: 'own', extension: '.ts' }
  }
  const file = moduleFile(module)
  const folder = dirname(file)
  const extension = /\.[cm]?[jt]s$/.exec(file)?.[0] ?? '.js'
  return { folder, tests: folder, samples: join(folder, 'golden'), style: 'package', extension }
}

/** Where a schema of `version` is exported, in the sources beside the module: the module itself would import the migration that imports it. */
const findSchema = (folder: string, module: string, version: string): { name: string; file: string } => {
  const declares = new RegExp(`export const (\\w+) = schema\\(\\s*['"\`]${version.replaceAll('.', '\\.')}['"\`]`)
  for (const [path, bytes] of filesIn(folder)) {
    if (!/^[^/]+\.[cm]?[jt]s$/.test(path) || resolve(folder, path) === resolve(module)) continue
    const name = declares.exec(Buffer.from(bytes).toString('utf8'))?.[1]
    if (name !== undefined) return { name, file: path }
  }
  throw new StrataError('ABSENT', `no file beside ${module} exports the schema of ${version}`, {
    data: { module, version },
    hint: `Keep the schemas in a file of their own: export const v${version.split('.')[0] ?? ''} = schema('${version}', { … }).`,
  })
}

/**
 * Writes a new migration after the newest one, its test and its golden sample; nothing that is there is overwritten. Throws EXISTS,
 * BAD_ARGUMENT, NO_DATA, and what loading the module throws.
 */
export const newMigration = async (
  module: string,
  title: string,
  options: { to?: string; from?: string; ownSources?: string | null; now?: () => Date } = {},
): Promise<NewMigration> => {
  const dataset = await loadDataset(module)
  const newest = dataset.chain.schemas.at(-1)?.version ?? ''
  const version = nextVersion(newest, options.to)
  if (versionIndex(dataset.chain, version) >= 0)
    throw new StrataError('EXISTS', `there is a version ${version} already`, { data: { version } })
  const ownSources = options.ownSources ?? null
  const layout = layoutFor(module, ownSources)
  const schema = findSchema(layout.folder, ownSources === null ? moduleFile(module) : join(layout.folder, 'index.ts'), newest)
  const createdAt = `${(options.now?.() ?? new Date()).toISOString().slice(0, 10)}T00:00:00Z`
  const made: Scaffold = scaffold({ ...layout, version, title, schema, createdAt })
  const targets = [join(layout.folder, made.migration.name), join(layout.tests, made.test.name)]
  const sample = join(layout.samples, version)
  for (const path of [...targets, sample])
    if (exists(path))
      throw new StrataError('EXISTS', `${path} is there already`, {
        data: { path },
        hint: 'Nothing was written. Choose another title or version.',
      })
  const files = newestFiles(dataset, layout.samples, options.from)
  writeText(targets[0] ?? '', made.migration.text)
  writeText(targets[1] ?? '', made.test.text)
  writeSample(sample, files)
  return { version, files: [...targets, ...[...files.keys()].map((path) => join(sample, 'before', path))], next: made.next }
}
