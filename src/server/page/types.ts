/** What the server answers, as far as the page shows it. test/page/ compares these with what it really says. */

export type Failure = { readonly code: string; readonly message: string; readonly hint: string }
export type Issue = {
  readonly severity: string
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly file: string | null
  readonly count: number
}
export type Snapshot = {
  readonly id: string
  readonly schemaVersion: string
  readonly commit: string
  readonly from: string | null
  readonly job: string | null
  readonly files: number
  readonly bytes: number
  readonly readableBy: readonly string[]
  readonly createdAt: string
  readonly verifiedAt: string | null
  readonly findings: readonly Issue[]
}
export type Listed = Snapshot & { readonly isMaterialised: boolean; readonly isPinned: boolean }
export type Job = {
  readonly id: string
  readonly fromVersion: string
  readonly toVersion: string
  readonly status: string
  readonly kind: string
  readonly startTime: string
  readonly endTime: string | null
  readonly filesProcessed: number
  readonly totalFiles: number
  readonly error: string
  readonly snapshot: string | null
}
export type Overview = {
  readonly head: string
  readonly seq: number
  readonly dataset: string
  readonly versions: readonly string[]
  readonly active: string | null
  readonly hold: { readonly since: string; readonly reason: string } | null
  readonly snapshots: readonly Listed[]
  readonly jobs: readonly Job[]
  readonly running: string | null
  readonly redo: { readonly snapshot: string; readonly at: string } | null
  readonly lastVerified: { readonly at: string; readonly valid: boolean } | null
}
export type Status = {
  readonly needed: boolean
  readonly targetVersion: string
  readonly state: string
  readonly directory: string
  readonly pending: readonly { readonly version: string; readonly description: string; readonly changes: readonly string[] }[]
  readonly spaceNeeded: number
  readonly spaceFree: number
  readonly findings: readonly Issue[]
}
export type Progress = {
  readonly job: Job | null
  readonly phase: string
  readonly step: { readonly index: number; readonly total: number; readonly version: string; readonly description: string } | null
  readonly filesDone: number
  readonly filesTotal: number
  readonly bytesDone: number
  readonly bytesTotal: number
  readonly currentFile: string | null
  readonly remainingSeconds: number | null
  readonly safeToClose: boolean
  readonly cancellable: boolean
}
export type Event = {
  readonly seq: number
  readonly type: string
  readonly at: string
  readonly jobId?: string
  readonly data: Readonly<Record<string, unknown>>
}
export type History = { readonly events: readonly Event[]; readonly more: boolean }
export type Carried = {
  readonly path: string
  readonly change: string
  readonly result: string
  readonly added: number
  readonly removed: number
  readonly clashes: number
}
export type Preview = {
  readonly from: Snapshot
  readonly to: Snapshot
  readonly written: readonly { readonly path: string; readonly change: string }[]
  readonly carried: readonly Carried[]
  readonly pending: readonly string[]
  readonly inTheWay: readonly { readonly path: string; readonly why: string }[]
}
export type Report = {
  readonly valid: boolean
  readonly filesChecked: number
  readonly errorsFound: number
  readonly warningsFound: number
  readonly issues: readonly Issue[]
}
export type Difference = { readonly path: string; readonly change: string }
export type Diff = { readonly files: readonly Difference[] }
export type Comparison = {
  readonly before: Snapshot
  readonly after: Snapshot
  readonly kinds: readonly {
    readonly kind: string | null
    readonly added: number
    readonly removed: number
    readonly changed: number
    readonly records: {
      readonly before: number
      readonly after: number
      readonly added: number
      readonly removed: number
      readonly changed: number
    } | null
    readonly fields: readonly {
      readonly field: string
      readonly change: string
      readonly count: number
      readonly before: string | null
      readonly after: string | null
    }[]
  }[]
}
export type RecordCount = { readonly path: string; readonly before: number | null; readonly after: number | null }
export type SnapshotFiles = { readonly files: readonly { readonly path: string; readonly size: number; readonly sha256: string }[] }
export type FileContent = { readonly size: number; readonly base64: string }
export type Pruned = {
  readonly decisions: readonly {
    readonly snapshot: string
    readonly schemaVersion: string
    readonly bytes: number
    readonly directory: string
    readonly history: string
    readonly reasons: readonly string[]
  }[]
  readonly bytes: number
}
export type Collected = { readonly bytesBefore: number; readonly bytesAfter: number }
