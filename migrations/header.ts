import * as z from 'zod'
import type { DataFileHeader } from '../src/index.ts'

/** T022's DataFileHeader: the first member of every file from 1.1.0 on. No times in it, so that a migration stays pure. */
export const header = z.looseObject({
  formatVersion: z.string(),
  schemaVersion: z.string(),
  createdWith: z.string(),
  migrations: z.array(z.looseObject({ version: z.string(), description: z.string() })),
})

/** What a header tells of a migration. */
export type Step = { readonly version: string; readonly description: string }

/** `createdWith` of files that were lifted from the application's own, which never carried a version. */
const UNVERSIONED = 'NetMonitor (unversioned)'

const fresh = (createdWith: string, step: Step): DataFileHeader => ({
  formatVersion: '1',
  schemaVersion: step.version,
  createdWith,
  migrations: [{ version: step.version, description: step.description }],
})

/** The header of a file that had none. */
export const liftedHeader = (step: Step): DataFileHeader => fresh(UNVERSIONED, step)

/** The header of a file that the migration makes. */
export const createdHeader = (step: Step): DataFileHeader => fresh('Strata', step)

export const isLifted = (of: DataFileHeader): boolean => of.createdWith === UNVERSIONED

/** The header after one more migration. */
export const stamped = (before: DataFileHeader, { version, description }: Step): DataFileHeader => ({
  ...before,
  schemaVersion: version,
  migrations: [...before.migrations, { version, description }],
})

/** The header without the migration to `version`; `previous` is the version that changed this kind of file before. */
export const unstamped = (after: DataFileHeader, version: string, previous: string): DataFileHeader => ({
  ...after,
  schemaVersion: previous,
  migrations: after.migrations.filter((m) => m.version !== version),
})

/** A problem unless the header names `version`, and as its newest migration. */
export const headerProblem = (of: DataFileHeader, version: string): string | undefined =>
  of.schemaVersion === version && of.migrations.at(-1)?.version === version ? undefined : 'the header does not name this version'
