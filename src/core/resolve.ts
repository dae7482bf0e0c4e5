import { StrataError } from './errors.ts'
import type { Snapshot, State } from './state.ts'
import { activeSnapshot, beforeJob, lineage } from './state.ts'

const absent = (name: string): StrataError =>
  new StrataError('ABSENT', `there is no snapshot ${name}`, { data: { name }, hint: 'See which there are: strata history' })

const before = (state: State): Snapshot | undefined => {
  const active = activeSnapshot(state)
  const id = active === undefined ? null : beforeJob(state, active)
  return id === null ? undefined : state.snapshots[id]
}

/**
 * The snapshot that a name means: an id, its unique prefix, a schema version (the newest of it, first on the way to the
 * active one), `@` (the active one), `@-` (the one before the last job). Throws ABSENT or AMBIGUOUS.
 */
export const resolveSnapshot = (state: State, name: string): Snapshot => {
  const all = Object.values(state.snapshots)
  const special = name === '@' ? activeSnapshot(state) : name === '@-' ? before(state) : undefined
  const exact = special ?? (Object.hasOwn(state.snapshots, name) ? state.snapshots[name] : undefined)
  if (exact !== undefined) return exact
  if (name.startsWith('@')) throw absent(name)
  const version = lineage(state).find((s) => s.schemaVersion === name) ?? all.filter((s) => s.schemaVersion === name).at(-1)
  if (version !== undefined) return version
  const matches = name === '' ? [] : all.filter((s) => s.id.startsWith(name))
  if (matches.length > 1)
    throw new StrataError('AMBIGUOUS', `${name} is the beginning of ${matches.length} snapshots: ${matches.map((s) => s.id).join(', ')}`, {
      data: { matches: matches.map((s) => s.id) },
      hint: 'Give more letters.',
    })
  const [only] = matches
  if (only === undefined) throw absent(name)
  return only
}
