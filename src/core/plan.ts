import type { AnyChain, AnyMigration } from './chain.ts'
import { isNewer, versionIndex } from './chain.ts'
import { StrataError } from './errors.ts'
import { legacyFiles } from './issues.ts'
import type { Snapshot, State } from './state.ts'
import { activeSnapshot } from './state.ts'
import type { ChainSummary, PlanStep } from './status.ts'

/**
 * What `migrate` would do. `redo`: an earlier result is still right, so it is only switched to. `mend`: the dataset is up to
 * date, but some files are of an older schema and go through the chain alone.
 */
export type Plan =
  | { readonly kind: 'none'; readonly from: Snapshot }
  | { readonly kind: 'redo'; readonly from: Snapshot; readonly target: Snapshot }
  | { readonly kind: 'mend'; readonly from: Snapshot; readonly files: readonly string[]; readonly position: number }
  | { readonly kind: 'migration'; readonly from: Snapshot; readonly base: number; readonly to: number; readonly steps: readonly PlanStep[] }

const isReversible = (m: AnyMigration): boolean =>
  Object.values(m.files).every(
    (step) =>
      (step.derive ?? step.gather ?? step.made) !== undefined || step.file?.rollback !== undefined || step.record?.rollback !== undefined,
  )

const planSteps = (chain: AnyChain, base: number, to: number): PlanStep[] =>
  chain.migrations.slice(base, to).map((m) => ({
    version: m.to.version,
    description: m.description,
    changes: m.changes,
    reversible: isReversible(m),
    readableFrom: m.readableFrom ?? null,
  }))

/** What start-up needs to know of a chain; the build keeps it for the built-in one, so that `status` need not load it. */
export const summaryOf = (dataset: { name: string; chain: AnyChain }): ChainSummary => ({
  name: dataset.name,
  versions: dataset.chain.schemas.map((s) => s.version),
  steps: planSteps(dataset.chain, 0, dataset.chain.migrations.length),
})

const unknownVersion = (chain: AnyChain, version: string): StrataError =>
  isNewer(chain, version)
    ? new StrataError('NEWER_SCHEMA', `the active snapshot is of schema ${version}, newer than every version this chain knows`, {
        data: { version, known: chain.schemas.map((s) => s.version) },
        hint: 'Use the newer version of the application, or go back to a snapshot that this one can read: rollback VERSION --exact.',
      })
    : new StrataError('BAD_CHAIN', `schema version ${version} is not in the chain`, {
        data: { version, known: chain.schemas.map((s) => s.version) },
        hint: 'Use the chain that the store was made with.',
      })

const targetIndex = (chain: AnyChain, to: string | undefined): number => {
  const last = chain.schemas.length - 1
  if (to === undefined) return last
  const index = versionIndex(chain, to)
  if (index < 0)
    throw new StrataError('ABSENT', `there is no schema version ${to}`, {
      data: { version: to },
      hint: `Name one of: ${chain.schemas.map((s) => s.version).join(', ')}`,
    })
  return index
}

/** The earlier result that a rollback left, if migrating now would only make it again. */
const remembered = (state: State, from: Snapshot, version: string): Snapshot | undefined => {
  const last = state.undone.at(-1)
  const left = last === undefined ? undefined : state.snapshots[last.left]
  return last?.target === from.id && last.commit === from.commit && left?.schemaVersion === version ? left : undefined
}

/** Works out what has to be done; pure. Throws NEWER_SCHEMA, BAD_CHAIN, ABSENT, or BAD_ARGUMENT for a version that lies behind. */
export const planMigration = (state: State, chain: AnyChain, to?: string): Plan => {
  const from = activeSnapshot(state)
  if (from === undefined)
    throw new StrataError('NO_STORE', 'the store holds no snapshot yet', { hint: 'Capture one with: strata init --from DIR' })
  const base = versionIndex(chain, from.schemaVersion)
  if (base < 0) throw unknownVersion(chain, from.schemaVersion)
  const target = targetIndex(chain, to)
  if (target < base)
    throw new StrataError('BAD_ARGUMENT', `the active snapshot is at ${from.schemaVersion}, past ${to ?? ''}`, {
      hint: `Go back with: strata rollback ${chain.schemas[target + 1]?.version ?? ''}`,
    })
  if (target === base) {
    const files = legacyFiles(from.findings)
    return files.length === 0 ? { kind: 'none', from } : { kind: 'mend', from, files, position: base }
  }
  const again = remembered(state, from, chain.schemas[target]?.version ?? '')
  return again === undefined
    ? { kind: 'migration', from, base, to: target, steps: planSteps(chain, base, target) }
    : { kind: 'redo', from, target: again }
}
