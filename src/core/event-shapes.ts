/**
 * What the data of each event must be. A journal may be someone else's: its hashes prove that nobody changed it since, not that
 * Strata wrote it. By hand, since start-up loads no package. Unknown members and unknown events pass.
 */
type Check = (value: unknown) => boolean

const text: Check = (value) => typeof value === 'string'
const count: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0
const flag: Check = (value) => typeof value === 'boolean'
const oid: Check = (value) => typeof value === 'string' && /^[0-9a-f]{40}$/.test(value)
/** An id names folders and a branch. */
const id: Check = (value) => typeof value === 'string' && /^[0-9a-zA-Z+-][0-9a-zA-Z.+-]{0,254}$/.test(value)
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check)
const members = (shape: Readonly<Record<string, Check>>): Check => {
  const checks = Object.entries(shape)
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    const found = value as Readonly<Record<string, unknown>>
    return checks.every(([name, check]) => check(found[name]))
  }
}

/** A member that older or other writers leave out. */
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)
const carries = members({ snapshot: id, commit: oid })
const slice = members({ commit: oid, upTo: count })
const issue = members({
  severity: (value) => value === 'error' || value === 'warning',
  code: text,
  message: text,
  hint: text,
  file: orNull(text),
  record: orNull(count),
  line: orNull(count),
  column: orNull(count),
  snapshot: orNull(text),
  step: orNull(text),
  count,
})
/** Whether a value has the members of an issue, of their types. */
export const isIssue: (value: unknown) => boolean = issue
const source = members({ path: text, snapshot: id })
const content = { files: count, bytes: count, manifest: text, findings: listOf(issue) }
const made = { snapshot: id, schemaVersion: text, commit: oid, readableBy: listOf(text), slice: orNull(slice), ...content }

/** By type of event; `events.ts` sees to it that none is missing. */
export const SHAPES = {
  StoreCreated: members({ storeId: text, format: (value) => value === 1, dataset: text, announced: listOf(id) }),
  SegmentOpened: members({ reducer: count, state: (value) => typeof value === 'object' }),
  SnapshotCaptured: members({ ...made, source: orNull(source) }),
  CheckpointTaken: members({ snapshot: id, commit: oid, changed: count, reason: text, slice, ...content }),
  MigrationStarted: members({
    kind: text,
    from: id,
    fromCommit: oid,
    fromVersion: text,
    toVersion: text,
    steps: listOf(members({ version: text, snapshot: id })),
    announced: listOf(id),
    files: count,
  }),
  StepCompleted: members({
    version: text,
    description: text,
    changed: count,
    created: count,
    removed: count,
    records: count,
    issues: listOf(issue),
    transformed: optional(count),
    remembered: optional(count),
  }),
  SnapshotSealed: members({ ...made, from: id, fromCommit: oid, carries: optional(carries), shared: optional(count) }),
  SnapshotVerified: members({ snapshot: id, commit: oid, files: count, bytes: count }),
  SnapshotActivated: members({
    snapshot: id,
    from: orNull(id),
    reason: text,
    hold: orNull(members({ reason: text, newest: text })),
    carried: optional(members({ files: count, added: count, removed: count, clashes: count })),
    pausedMs: optional(count),
  }),
  HoldLifted: members({ snapshot: id }),
  MigrationFailed: members({ code: text, message: text, file: orNull(text), record: orNull(count), step: orNull(text) }),
  IntegrityChecked: members({
    valid: flag,
    filesChecked: count,
    errors: count,
    warnings: count,
    sample: orNull(members({ part: count, of: count })),
  }),
  CorruptionFound: members({ issues: listOf(issue) }),
  Recovered: members({ actions: listOf(text) }),
  Repaired: members({ actions: listOf(text), lost: listOf(text) }),
  Adopted: members({ files: listOf(text), source }),
  Pinned: members({ snapshot: id, commit: oid, note: text }),
  Unpinned: members({ snapshot: id }),
  Evicted: members({ snapshots: listOf(id) }),
  Pruned: members({ snapshots: listOf(id), cut: listOf(oid) }),
  Forgotten: members({
    path: text,
    snapshots: listOf(members({ snapshot: id, files: count, bytes: count, manifest: text })),
    commits: listOf(members({ was: oid, is: oid })),
  }),
  Erased: members({ path: text, slice }),
  Compacted: members({ packsBefore: count, packsAfter: count, bytesBefore: count, bytesAfter: count, dropped: count }),
  OriginalCompared: members({ path: text, findings: listOf(issue) }),
} as const satisfies Readonly<Record<string, Check>>

/** Whether the data of an event is what its type says; of an unknown type, anything is. */
export const isEventData = (type: string, data: unknown): boolean => {
  const known: Readonly<Record<string, Check>> = SHAPES
  return Object.hasOwn(known, type) ? known[type]?.(data) === true : data !== undefined
}

const snapshot = members({
  id,
  commit: oid,
  sealed: oid,
  schemaVersion: text,
  from: orNull(id),
  fromCommit: orNull(oid),
  carries: orNull(carries),
  shared: count,
  job: orNull(text),
  readableBy: listOf(text),
  createdAt: text,
  verifiedAt: orNull(text),
  verifiedCommit: orNull(oid),
  ...content,
})
const job = members({
  id: text,
  kind: text,
  from: id,
  fromCommit: oid,
  fromVersion: text,
  toVersion: text,
  status: text,
  startTime: text,
  endTime: orNull(text),
  files: count,
  filesProcessed: count,
  filesTransformed: count,
  filesRemembered: count,
  error: text,
  errorCode: orNull(text),
  pausedMs: orNull(count),
  steps: listOf(members({ version: text, snapshot: id })),
})

const isState = members({
  storeId: text,
  dataset: text,
  seq: count,
  pointerSeq: count,
  active: orNull(id),
  hold: orNull(members({ since: text, reason: text, newest: text })),
  snapshots: (value) => typeof value === 'object' && value !== null && Object.entries(value).every(([name, s]) => id(name) && snapshot(s)),
  jobs: listOf(job),
  running: orNull(text),
  announced: listOf(id),
  undone: listOf(members({ left: id, target: id, commit: oid, at: text })),
  left: listOf(members({ snapshot: id, commit: oid, late: count })),
  failures: orNull(members({ toVersion: text, count, message: text })),
  original: orNull(source),
  originalFindings: listOf(issue),
  journal: orNull(oid),
  sliced: count,
  lastVerified: orNull(members({ at: text, valid: flag })),
  sampled: orNull(members({ part: count, of: count })),
  pins: listOf(members({ snapshot: id, commit: oid, note: text, at: text })),
  cut: listOf(oid),
  dropped: listOf(text),
  forgetting: listOf(
    members({ path: text, was: (value) => typeof value === 'object' && value !== null && Object.values(value).every(oid) }),
  ),
  unknownCritical: listOf(text),
})

/** Whether the state that a segment begins with has the members of our reducer's; if not, the journal is folded from its start. */
export const isSavedState = (value: unknown): boolean => isState(value)
