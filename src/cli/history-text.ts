import type { HistoryEvent } from '../index.ts'
import { printable } from '../index.ts'
import { paint, plural, size, when } from './output.ts'
import { findingText } from './status-text.ts'

const job = (id: string | undefined): string => (id === undefined ? '' : paint('dim', ` ${id}`))

const carriedText = (carried: { files: number; added: number } | undefined): string =>
  carried === undefined
    ? ''
    : `, with ${plural(carried.files, 'file')} written since${carried.added > 0 ? ` (${plural(carried.added, 'record')})` : ''}`

/** What was done for the store's own health. */
const careText = (e: HistoryEvent): string => {
  switch (e.type) {
    case 'Recovered':
      return `recovered: ${e.data.actions.map(printable).join('; ')}`
    case 'Repaired':
      return `repaired: ${plural(e.data.actions.length, 'thing')} healed, ${e.data.lost.length} lost`
    case 'IntegrityChecked':
      return `checked ${plural(e.data.filesChecked, 'file and object')}${e.data.sample === null ? '' : ` (part ${e.data.sample.part + 1} of ${e.data.sample.of})`}: ${plural(e.data.errors, 'error')}`
    case 'Pinned':
      return `pinned ${e.data.snapshot}${e.data.note === '' ? '' : ` (${printable(e.data.note)})`}`
    case 'Unpinned':
      return `unpinned ${e.data.snapshot}`
    case 'Evicted':
      return `removed the directories of ${e.data.snapshots.join(', ')}; they are in the repository`
    case 'Pruned':
      return `pruned ${plural(e.data.snapshots.length, 'snapshot')}; the history ends at ${plural(e.data.cut.length, 'commit')}`
    case 'Forgotten':
      return `forgot ${e.data.path} in ${plural(e.data.snapshots.length, 'snapshot')}`
    case 'Erased':
      return `${e.data.path} is in no directory any more`
    case 'Compacted':
      return `rewrote packs: ${size(e.data.bytesBefore)} to ${size(e.data.bytesAfter)}, ${plural(e.data.dropped, 'object')} dropped`
    case 'CorruptionFound':
      return paint('red', `damage found: ${plural(e.data.issues.length, 'finding')}`)
    default:
      return e.type
  }
}

/** One event in words; the details of a job's steps only where they are asked for. */
const sentence = (e: HistoryEvent): string | undefined => {
  switch (e.type) {
    case 'StoreCreated':
      return `store created for ${printable(e.data.dataset)}`
    case 'SnapshotCaptured':
      return `captured ${e.data.snapshot}: ${plural(e.data.files, 'file')}, ${size(e.data.bytes)}${e.data.source === null ? '' : ` from ${printable(e.data.source.path)}`}`
    case 'CheckpointTaken':
      return `checkpoint of ${e.data.snapshot}: ${plural(e.data.changed, 'file')} (${printable(e.data.reason)})`
    case 'MigrationStarted':
      return `${e.data.kind} started: ${e.data.fromVersion} to ${e.data.toVersion}`
    case 'StepCompleted':
      return `step ${e.data.version}: ${e.data.changed} changed, ${e.data.created} created, ${e.data.removed} removed (${printable(e.data.description)})`
    case 'SnapshotSealed':
      return `sealed ${e.data.snapshot}: ${plural(e.data.files, 'file')}, ${size(e.data.bytes)}`
    case 'SnapshotActivated':
      return `${paint('bold', `active: ${e.data.snapshot} (${e.data.reason})`)}${carriedText(e.data.carried)}`
    case 'MigrationFailed':
      return paint('red', `failed: ${e.data.code}: ${printable(e.data.message)}`)
    case 'Adopted':
      return `adopted ${plural(e.data.files.length, 'file')} from ${printable(e.data.source.path)}`
    case 'OriginalCompared':
      return `the original directory has ${plural(e.data.findings.length, 'newer file')}`
    case 'HoldLifted':
      return 'automatic migration is on again'
    case 'SnapshotVerified':
      return `verified ${e.data.snapshot}: ${plural(e.data.files, 'file')}, ${size(e.data.bytes)}`
    default:
      return careText(e)
  }
}

/** `12 min ago` and a date alike. */
const TIME = 10

const DETAILS: readonly string[] = ['SnapshotVerified', 'StepCompleted', 'SnapshotSealed']

export const eventText = (e: HistoryEvent, detail: boolean): string[] => {
  if (!detail && DETAILS.includes(e.type)) return []
  const line = `${paint('dim', when(e.at).padStart(TIME))}  ${sentence(e) ?? e.type}${job(e.jobId)}`
  return detail && e.type === 'StepCompleted' ? [line, ...e.data.issues.map(findingText)] : [line]
}

type FileVersion = { at: string; oid: string; blob: string | null; change: string; subject: string }

export const fileVersionText = (v: FileVersion): string =>
  `${paint('dim', when(v.at).padStart(TIME))}  ${v.change.padEnd(8)} ${(v.blob ?? '-').slice(0, 10)}  ${printable(v.subject)} ${paint('dim', v.oid.slice(0, 10))}`
