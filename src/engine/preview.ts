import { join } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import { legacyFiles } from '../core/issues.ts'
import type { Plan } from '../core/plan.ts'
import { planMigration } from '../core/plan.ts'
import type { Snapshot } from '../core/state.ts'
import { readFile } from '../storage/files.ts'
import type { Context } from './context.ts'
import { look } from './directory.ts'
import { readState } from './read.ts'
import { sha256 } from './staged-file.ts'
import { fileFindings, versionOf } from './survey.ts'

/** Files whose content is not what was committed last. Only those whose stat differs, or is too young to be trusted, are read. */
export const editedFiles = (context: Context, snapshot: Snapshot): string[] => {
  const { index, changes } = look(context, snapshot)
  const root = context.paths.snapshot(snapshot.id)
  const differs = (path: string): boolean => {
    const bytes = readFile(context.fs, join(root, path))
    return bytes === undefined || sha256(bytes) !== index?.entries.get(path)?.sha256
  }
  return [...changes.changed.filter(differs), ...changes.removed]
}

/** A plan made without writing: what the checkpoint before a migration would find is looked up in the changed files' heads. */
export const previewPlan = (context: Context, to?: string): { plan: Plan; edited: readonly string[] } => {
  const { chain } = context.dataset
  const state = readState(context)
  const plan = planMigration(state, chain, to)
  const { from } = plan
  const edited = editedFiles(context, from)
  if (plan.kind !== 'none' && plan.kind !== 'mend') return { plan, edited }
  const position = versionIndex(chain, from.schemaVersion)
  const root = context.paths.snapshot(from.id)
  const behind = edited.flatMap((path) => {
    const version = versionOf(context.fs, context.dataset, join(root, path), path)
    return legacyFiles(fileFindings(context.dataset, position, path, version))
  })
  const files = [...new Set([...legacyFiles(from.findings).filter((path) => !edited.includes(path)), ...behind])]
  return { plan: files.length === 0 ? { kind: 'none', from } : { kind: 'mend', from, files, position }, edited }
}
