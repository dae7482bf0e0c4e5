import fc from 'fast-check'
import { decide, verified } from '../../src/core/decide.ts'
import type { Command } from '../../src/core/decide.ts'
import type { Actor, EventData, NewEvent } from '../../src/core/events.ts'
import type { Oid } from '../../src/core/git-objects.ts'
import type { State } from '../../src/core/state.ts'
import { initialState } from '../../src/core/state.ts'
import { evolve } from '../../src/core/state.ts'

/** Events and states for given / when / then. */

export const AT = '2026-01-02T03:04:05.678Z'
export const actor: Actor = { app: 'test', appVersion: '1.0.0', host: 'here', pid: 7 }
export const oid = (n: number): Oid => n.toString(16).padStart(40, '0') as Oid

export const created = (announced: string[] = ['s0']): NewEvent => ({
  type: 'StoreCreated',
  data: { storeId: 'store-1', format: 1, dataset: 'Test', announced },
})

const snapshotData = (snapshot: string, version: string, n: number): EventData['SnapshotCaptured'] => ({
  snapshot,
  schemaVersion: version,
  commit: oid(n),
  files: 2,
  bytes: 10,
  manifest: 'm',
  source: null,
  readableBy: [version],
  findings: [],
  slice: null,
})

export const captured = (snapshot: string, version: string, n: number): NewEvent => ({
  type: 'SnapshotCaptured',
  data: snapshotData(snapshot, version, n),
})

export const sealedData = (snapshot: string, version: string, n: number, from: string, fromN: number): EventData['SnapshotSealed'] => {
  const { source: _, ...rest } = snapshotData(snapshot, version, n)
  return { ...rest, from, fromCommit: oid(fromN) }
}

export const completedData = (version: string): EventData['StepCompleted'] => ({
  version,
  description: 'd',
  changed: 1,
  created: 0,
  removed: 0,
  records: 0,
  issues: [],
})

const startedData = (
  from: string,
  fromN: number,
  fromVersion: string,
  steps: { version: string; snapshot: string }[],
): EventData['MigrationStarted'] => ({
  kind: 'migration',
  from,
  fromCommit: oid(fromN),
  fromVersion,
  toVersion: steps.at(-1)?.version ?? fromVersion,
  steps,
  announced: steps.map((s) => s.snapshot),
  files: 2,
})

export const proof = (snapshot: string, n: number) => verified({ snapshot, commit: oid(n), files: 2, bytes: 10, differences: 0 })

/** The state after these events, each in a line of its own. */
export const after = (...events: readonly NewEvent[]): State => apply(initialState, events)

export const apply = (state: State, events: readonly NewEvent[], at = AT): State =>
  events.reduce((s, event) => evolve(s, { seq: s.seq + 1, id: `e${s.seq + 1}`, ...event }, at), state)

/** The state after these commands. */
export const told = (...commands: readonly Command[]): State => commands.reduce((s, command) => apply(s, decide(s, command)), initialState)

export const create: Command = { type: 'create', data: { storeId: 'store-1', format: 1, dataset: 'Test', announced: ['s0'] } }
export const capture = (snapshot: string, version: string, n: number): Command => ({
  type: 'capture',
  data: snapshotData(snapshot, version, n),
})
export const activate = (snapshot: string, n: number, more: Partial<Extract<Command, { type: 'activate' }>> = {}): Command => ({
  type: 'activate',
  proof: proof(snapshot, n),
  reason: 'migration',
  hold: null,
  ...more,
})
export const start = (
  jobId: string,
  from: string,
  fromN: number,
  fromVersion: string,
  steps: { version: string; snapshot: string }[],
): Command => ({
  type: 'start',
  jobId,
  data: startedData(from, fromN, fromVersion, steps),
})

/** A whole job of one or more steps, from snapshot `from`; snapshot i gets commit n + i. */
export const job = (jobId: string, from: string, fromN: number, fromVersion: string, versions: readonly string[], n: number): Command[] => {
  const steps = versions.map((version, i) => ({ version, snapshot: `${jobId}-${i}` }))
  return [
    start(jobId, from, fromN, fromVersion, steps),
    {
      type: 'seal',
      jobId,
      steps: steps.map(({ version, snapshot }, i) => ({
        completed: completedData(version),
        sealed: sealedData(snapshot, version, n + i, steps[i - 1]?.snapshot ?? from, i === 0 ? fromN : n + i - 1),
      })),
    },
    activate(steps.at(-1)?.snapshot ?? '', n + steps.length - 1, { jobId }),
  ]
}

const id = fc.constantFrom('s0', 's1', 's2', 's3')
const n = fc.integer({ min: 1, max: 3 })
const version = fc.constantFrom('1.0.0', '1.1.0', '2.0.0')
const jobId = fc.constantFrom('j1', 'j2')
const slice = fc.option(fc.record({ commit: n.map(oid), upTo: fc.nat(50) }))
const hold = fc.option(fc.record({ reason: fc.constant('a "reason" \u2028 \ufffd'), newest: version }))

/** Any command, sensible or not: decide refuses what the state does not allow. */
export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    type: fc.constant('capture' as const),
    data: fc.tuple(id, version, n, slice).map(([s, v, c, part]) => ({ ...snapshotData(s, v, c), slice: part })),
  }),
  fc.record({
    type: fc.constant('checkpoint' as const),
    data: fc.tuple(id, n, fc.nat(50)).map(([snapshot, c, upTo]) => ({
      snapshot,
      commit: oid(c),
      changed: 1,
      files: 3,
      bytes: c,
      manifest: 'n',
      reason: 'é',
      findings: [],
      slice: { commit: oid(9), upTo },
    })), // prettier-ignore
  }),
  fc.tuple(jobId, id, n, version, id).map(([j, from, c, v, to]) => start(j, from, c, v, [{ version: v, snapshot: to }])),
  fc.tuple(jobId, id, version, n, id).map(
    ([j, s, v, c, from]): Command => ({
      type: 'seal',
      jobId: j,
      steps: [{ completed: completedData(v), sealed: sealedData(s, v, c, from, c) }],
    }),
  ),
  fc
    .record({
      s: id,
      c: n,
      reason: fc.constantFrom('migration' as const, 'rollback' as const, 'redo' as const, 'restore' as const),
      j: fc.option(jobId, { nil: undefined }),
      hold,
    })
    .map(({ s, c, reason, j, hold: h }) => activate(s, c, { reason, jobId: j, hold: h })),
  fc
    .tuple(jobId, fc.constantFrom('MIGRATION_FAILED', 'CANCELLED', 'UNSTABLE'))
    .map(([j, code]): Command => ({ type: 'fail', jobId: j, data: { code, message: code, file: null, record: null, step: null } })),
  fc.tuple(id, n).map(([s, c]): Command => ({ type: 'verify', proofs: [proof(s, c)] })),
  fc.constant<Command>({ type: 'note', event: { type: 'HoldLifted', data: { snapshot: 's0' } } }),
  fc.boolean().map(
    (valid): Command => ({
      type: 'note',
      event: { type: 'IntegrityChecked', data: { valid, filesChecked: 1, errors: 0, warnings: 0, sample: null } },
    }),
  ),
)
