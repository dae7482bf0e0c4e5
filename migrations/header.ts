export type Header = {
  formatVersion: string
  schemaVersion: string
  createdWith: string
  migrations: { version: string; description: string }[]
}
type Step = { readonly version: string; readonly description: string }

const UNVERSIONED = 'NetMonitor (unversioned)'

/** The header of a file that had none, lifted from what the application wrote. */
export const lifted = ({ version, description }: Step): Header => ({
  formatVersion: '1',
  schemaVersion: version,
  createdWith: UNVERSIONED,
  migrations: [{ version, description }],
})

/** The header after one more migration; members it does not know stay. */
export const stamped = (header: Header, { version, description }: Step): Header => ({
  ...header,
  schemaVersion: version,
  migrations: [...header.migrations, { version, description }],
})

/** The header of a file that a migration creates. */
export const created = ({ version, description }: Step): Header => ({
  formatVersion: '1',
  schemaVersion: version,
  createdWith: 'Strata',
  migrations: [{ version, description }],
})

/** The header before the last migration: `previous` is the version that changed this kind of file then. */
export const unstamped = (header: Header, previous: string): Header => ({
  ...header,
  schemaVersion: previous,
  migrations: header.migrations.slice(0, -1),
})

export const headerProblem = (header: Header, version: string): string | undefined =>
  header.schemaVersion === version && header.migrations.at(-1)?.version === version ? undefined : `the header does not say ${version}`
