import { join } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import { legacyFiles } from '../core/issues.ts'
import type { Plan } from '../core/plan.ts'
import { planMigration } from '../core/plan.ts'
import type { Snapshot } from '../core/state.ts'
import { readFile } from '../storage/files.ts'
import type { Context } from './context.ts'
import type { Looked } from './directory.ts'
import { look } from './directory.ts'
import type { OriginalChange } from './original.ts'
import type { Finding } from './preflight.ts'
import { findingsBefore } from './preflight.ts'
import { readState } from './read.ts'
import { sha256 } from './staged-file.ts'
import { findingsOnDisk } from './survey.ts'

const editedOf = (context: Context, snapshot: Snapshot, { index, changes }: Looked): string[] => {
  const root = context.paths.snapshot(snapshot.id)
  const differs = (path: string): boolean => {
    const bytes = readFile(context.fs, join(root, path))
    return bytes === undefined || sha256(bytes) !== index?.entries.get(path)?.sha256
  }
  return [...changes.changed.filter(differs), ...changes.removed]
}

/** Files whose content is not what was committed last. Only those whose stat differs, or is too young to be trusted, are read. */
export const editedFiles = (context: Context, snapshot: Snapshot): string[] => editedOf(context, snapshot, look(context, snapshot))

export type Preview = {
  readonly plan: Plan
  /** Files that the checkpoint would take in first. */
  readonly edited: readonly string[]
  readonly preflight: readonly Finding[]
}

/** A plan made without writing: what the checkpoint before a migration would find is looked up in the changed files' heads. */
export const previewPlan = (context: Context, original: readonly OriginalChange[], to?: string): Preview => {
  const state = readState(context)
  const planned = planMigration(state, context.dataset.chain, to)
  const looked = look(context, planned.from)
  const edited = editedOf(context, planned.from, looked)
  const plan = planned.kind === 'none' || planned.kind === 'mend' ? mendPlan(context, planned.from, edited) : planned
  return { plan, edited, preflight: findingsBefore(context, state, plan, { edited, original, files: looked.changes.scanned.files }) }
}

const mendPlan = (context: Context, from: Snapshot, edited: readonly string[]): Plan => {
  const position = versionIndex(context.dataset.chain, from.schemaVersion)
  const root = context.paths.snapshot(from.id)
  const behind = edited.flatMap((path) => legacyFiles(findingsOnDisk(context.fs, context.dataset, position, root, path)))
  const files = [...new Set([...legacyFiles(from.findings).filter((path) => !edited.includes(path)), ...behind])]
  return files.length === 0 ? { kind: 'none', from } : { kind: 'mend', from, files, position }
}
