import type { AnyMigration, SchemaVersion } from './chain.ts'
import type { Dataset } from './dataset.ts'
import { requireVersion } from './dataset.ts'
import { parseDocument, setAside, shapeProblem } from './document.ts'
import { StrataError } from './errors.ts'
import type { Issue } from './issues.ts'
import { fileFrom, memorySource, migrateFiles } from './memory.ts'
import type { Files } from './memory.ts'
import { kindOf } from './schema.ts'
import { Transformer } from './transform.ts'

/** T022's Migration over a whole dataset in memory: path to bytes. The engine does the same file by file. */
export type ManagedMigration = {
  version(): string
  description(): string
  schemaVersion(): SchemaVersion
  migrate(data: Files): Files
  /** Throws what is wrong with a dataset of this version. */
  validate(data: Files): void
  rollback(data: Files): Files
}

export const schemaVersionOf = (m: AnyMigration): SchemaVersion => ({
  version: m.to.version,
  createdAt: m.createdAt,
  description: m.description,
  changes: [...m.changes],
})

/** Whether a file went unchanged through the step because it could not be read: then it goes back unchanged too. */
const isDamaged = (m: AnyMigration, name: string, path: string, bytes: Uint8Array, dataset: Dataset): boolean => {
  const kind = m.to.kinds[name]
  if (kind === undefined || kind.damaged === 'fail') return false
  try {
    return shapeProblem(kind, setAside(kind, parseDocument(kind, path, bytes, dataset.layout))) !== null
  } catch {
    return true
  }
}

const undo = (dataset: Dataset, m: AnyMigration, data: Files): Files => {
  const back = new Map<string, Uint8Array>()
  const source = memorySource(dataset, data, requireVersion(dataset, m.to.version))
  const transformer = new Transformer(dataset, source)
  for (const [path, bytes] of data) {
    const now = kindOf(m.to.kinds, path)
    const kind = now === undefined ? undefined : m.to.kinds[now]
    // A file that the step made goes; one that it did not touch stays.
    if (now !== undefined && m.from.kinds[now] === undefined) continue
    const same = now === undefined || kind === m.from.kinds[now]
    const made =
      same || isDamaged(m, now, path, bytes, dataset) ? { path, bytes } : fileFrom(transformer, dataset, source, path, m.from.version)
    back.set(made.path, made.bytes)
  }
  return back
}

const managed = (dataset: Dataset, m: AnyMigration): ManagedMigration => ({
  version: () => m.to.version,
  description: () => m.description,
  schemaVersion: () => schemaVersionOf(m),
  migrate: (data) => migrateFiles(dataset, data, m.from.version, m.to.version).steps[0] ?? new Map(),
  validate: (data) => {
    const index = requireVersion(dataset, m.to.version)
    const transformer = new Transformer(dataset, memorySource(dataset, data, index))
    for (const path of data.keys()) if (kindOf(m.to.kinds, path) !== undefined) transformer.check(path, index)
  },
  rollback: (data) => undo(dataset, m, data),
})

/** T022's MigrationManager: the chain, where the data stands, and the steps that are left. Backups are always made. */
export class MigrationManager {
  readonly migrations: readonly ManagedMigration[]
  readonly currentVersion: string
  readonly backupEnabled = true
  readonly #dataset: Dataset

  constructor(dataset: Dataset, currentVersion: string) {
    requireVersion(dataset, currentVersion)
    this.#dataset = dataset
    this.currentVersion = currentVersion
    this.migrations = dataset.chain.migrations.map((m) => managed(dataset, m))
  }

  /** The migrations that lead from `currentVersion` to the newest version. */
  pending(): readonly ManagedMigration[] {
    return this.migrations.slice(requireVersion(this.#dataset, this.currentVersion))
  }

  /** Takes a dataset in memory to the newest version. */
  migrate(data: Files): { data: Files; issues: readonly Issue[] } {
    const newest = this.#dataset.chain.schemas.at(-1)
    if (newest === undefined) throw new StrataError('BAD_CHAIN', 'the chain has no schema')
    const { steps, issues } = migrateFiles(this.#dataset, data, this.currentVersion, newest.version)
    return { data: steps.at(-1) ?? data, issues }
  }
}
