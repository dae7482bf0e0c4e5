import { StrataError, hasCode } from '../core/errors.ts'
import type { Issue } from '../core/issues.ts'
import { collapse, issueOf } from '../core/issues.ts'
import type { State } from '../core/state.ts'
import { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'
import { examine } from './examine.ts'
import { examineActive } from './examine-directory.ts'
import type { Found, Part } from './found.ts'
import { readState } from './read.ts'
import { recover } from './recover.ts'
import { openSession } from './session.ts'

/** T022's ValidationReport. `errorsFound` and `warningsFound` sum the counts of the issues. */
export type ValidationReport = { valid: boolean; filesChecked: number; errorsFound: number; warningsFound: number; issues: Issue[] }

const reportOf = (issues: readonly Issue[], filesChecked: number): ValidationReport => {
  const all = collapse(issues)
  const sum = (severity: Issue['severity']): number => all.filter((i) => i.severity === severity).reduce((n, i) => n + i.count, 0)
  return { valid: sum('error') === 0, filesChecked, errorsFound: sum('error'), warningsFound: sum('warning'), issues: all }
}

const stateOrIssue = (context: Context): State | Issue => {
  try {
    return readState(context)
  } catch (error) {
    if (hasCode(error, 'NO_STORE')) throw error
    return issueOf(error)
  }
}

type Examine = (repository: Repository, state: State) => Promise<{ readonly found: readonly Found[]; readonly filesChecked: number }>

const withRepository = async (context: Context, look: Examine): Promise<ValidationReport> => {
  const state = stateOrIssue(context)
  if ('severity' in state) return reportOf([state], 0)
  const repository = new Repository(context.fs, context.paths.repository)
  try {
    const { found, filesChecked } = await look(repository, state)
    return reportOf(
      found.map(({ issue }) => issue),
      filesChecked,
    )
  } finally {
    repository.close()
  }
}

const verifyPart = (context: Context, part: Part | null): Promise<ValidationReport> =>
  withRepository(context, (repository, state) => examine(context, repository, state, { part, isJournalSound: true }))

/**
 * Reads every byte of the directories and the repository, compares SHA-256 with the manifests and git ids with the
 * objects, and checks the journal's chain. Changes nothing, takes no lock. Throws NO_STORE.
 */
export const verifyStore = (context: Context): Promise<ValidationReport> => verifyPart(context, null)

/** Reads every byte of the active directory alone, and compares it with its manifest. Changes nothing. Throws NO_STORE. */
export const verifyActive = (context: Context): Promise<ValidationReport> =>
  withRepository(context, async (repository, state) => {
    const { found, files } = await examineActive(context, repository, state)
    return { found, filesChecked: files }
  })

const remember = async (context: Context, part: Part, report: ValidationReport): Promise<void> => {
  const session = await openSession(context)
  try {
    recover(session)
    const { valid, filesChecked, errorsFound: errors, warningsFound: warnings, issues } = report
    session.commit({ type: 'note', event: { type: 'IntegrityChecked', data: { valid, filesChecked, errors, warnings, sample: part } } })
    if (!valid) session.commit({ type: 'note', event: { type: 'CorruptionFound', data: { issues: issues.slice(0, MOST_ISSUES) } } })
  } finally {
    await session.close()
  }
}

const MOST_ISSUES = 50

export type SampleReport = ValidationReport & { readonly sample: Part }

/**
 * Reads one of `of` parts: the one after the part that the journal remembers, so that `of` calls read everything. A store that
 * cannot be written is checked all the same. Throws NO_STORE, BAD_ARGUMENT.
 */
export const verifySample = async (context: Context, of: number): Promise<SampleReport> => {
  if (!Number.isSafeInteger(of) || of < 1 || of > 10_000)
    throw new StrataError('BAD_ARGUMENT', `1/${of} is not a part that can be checked`, { hint: 'Give one such as 1/30.' })
  const state = stateOrIssue(context)
  const last = 'severity' in state ? null : state.sampled
  const sample = { part: last?.of === of ? (last.part + 1) % of : 0, of }
  const report = await verifyPart(context, sample)
  try {
    await remember(context, sample, report)
  } catch (error) {
    if (!hasCode(error, 'LOCKED', 'READ_ONLY', 'JOURNAL_CORRUPT', 'DURABILITY', 'CONFLICT', 'UNTRUSTED')) throw error
    context.log('warning', 'the part that was checked could not be noted in the journal')
  }
  return { ...report, sample }
}
