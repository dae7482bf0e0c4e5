import { join } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import { legacyFiles } from '../core/issues.ts'
import type { Plan } from '../core/plan.ts'
import { planMigration } from '../core/plan.ts'
import type { Context } from './context.ts'
import { look } from './directory.ts'
import { readState } from './read.ts'
import { fileFindings, versionOf } from './survey.ts'

/** A plan made without writing: what the checkpoint before a migration would find is looked up in the changed files' heads. */
export const previewPlan = (context: Context, to?: string): { plan: Plan; edited: readonly string[] } => {
  const { chain } = context.dataset
  const state = readState(context)
  const plan = planMigration(state, chain, to)
  const { from } = plan
  const { changes } = look(context, from)
  const edited = [...changes.changed, ...changes.removed]
  if (plan.kind !== 'none' && plan.kind !== 'mend') return { plan, edited }
  const position = versionIndex(chain, from.schemaVersion)
  const root = context.paths.snapshot(from.id)
  const behind = changes.changed.flatMap((path) =>
    legacyFiles(fileFindings(context.dataset, position, path, versionOf(context.fs, context.dataset, join(root, path), path))),
  )
  const files = [...new Set([...legacyFiles(from.findings).filter((path) => !edited.includes(path)), ...behind])]
  return { plan: files.length === 0 ? { kind: 'none', from } : { kind: 'mend', from, files, position }, edited }
}
