import { homedir } from 'node:os'
import { versionIndex } from '../core/chain.ts'
import { StrataError, hasCode, isStrataError } from '../core/errors.ts'
import type { Issue } from '../core/issues.ts'
import { issueOf } from '../core/issues.ts'
import { pointerOf, activeSnapshot } from '../core/state.ts'
import type { State } from '../core/state.ts'
import { hasFailedRepeatedly, isHeld } from '../core/status.ts'
import { planMigration, summaryOf } from '../core/plan.ts'
import type { Context } from './context.ts'
import type { Survey } from './survey.ts'
import { initFresh, initFrom, surveyCandidates } from './init.ts'
import type { JobOptions } from './job-spec.ts'
import { carryLate } from './late.ts'
import { migrate } from './migrate.ts'
import { noteOriginal } from './original.ts'
import { silent } from './progress.ts'
import { hasData, readState } from './read.ts'
import { recover } from './recover.ts'
import { openSession } from './session.ts'

/** What an application needs to go on with its own start. */
export type Started = {
  /** Absolute path of the active directory: where the application reads and writes its files. */
  readonly directory: string
  readonly snapshot: string
  readonly schemaVersion: string
  /** Whether one of the schema versions that the application named can be read from `directory`. */
  readonly readable: boolean
  readonly migrated: boolean
  readonly jobId: string | null
  /** Why the migration did not happen: the application runs on the snapshot before it. */
  readonly error: StrataError | null
  readonly recovered: readonly string[]
  readonly findings: readonly Issue[]
}

export type StartOptions = {
  /** Upgrade when it is needed and not on hold. */
  readonly migrate?: boolean
  /** The schema versions that this application can read; by default the newest of the chain. */
  readonly reads?: readonly string[]
  /** Where data may lie when there is no store yet; by default the dataset's locations. */
  readonly from?: readonly string[]
}

export const defaultLocations = ({ dataset }: Pick<Context, 'dataset'>): string[] =>
  dataset.locations?.({ platform: process.platform, home: homedir(), cwd: process.cwd(), env: process.env }) ?? []

const describe = (s: Survey): string => `${s.path} (schema ${s.version ?? '?'}, ${s.files} files, ${s.bytes} bytes)`

/** Several places hold data: someone has to say which. */
export const ambiguous = (found: readonly Survey[]): StrataError =>
  new StrataError('AMBIGUOUS', `data was found in ${found.length} places: ${found.map(describe).join('; ')}`, {
    data: {
      candidates: found.map(({ path, version, files, bytes, newestMs }) => ({
        path,
        version,
        files,
        bytes,
        newest: new Date(newestMs).toISOString(),
      })),
    },
    hint: 'Name the one to use: init --from DIR. The others stay as they are.',
  })

/** Makes the store when there is none: from the only place that holds data, or fresh where none does. */
const bear = async (context: Context, places: readonly string[]): Promise<void> => {
  const found = surveyCandidates(context, places)
  const [first] = found
  if (found.length > 1) throw ambiguous(found)
  await (first === undefined ? initFresh(context) : initFrom(context, first))
}

const result = (context: Context, state: State, reads: readonly string[] | undefined, more: Partial<Started>): Started => {
  const pointer = pointerOf(state)
  if (pointer === undefined) throw new StrataError('NO_STORE', `there is no store at ${context.root}`)
  const wanted = reads ?? [context.dataset.chain.schemas.at(-1)?.version ?? '']
  return {
    directory: context.paths.snapshot(pointer.snapshot),
    snapshot: pointer.snapshot,
    schemaVersion: pointer.schemaVersion,
    readable: wanted.some((v) => pointer.readableBy.includes(v)),
    migrated: false,
    jobId: null,
    error: null,
    recovered: [],
    findings: [...(activeSnapshot(state)?.findings ?? []), ...state.originalFindings],
    ...more,
  }
}

/** A rollback holds automatic migration, and so do three failures in a row: then someone has to ask for it. */
const mayMigrate = (context: Context, state: State): boolean => {
  const { versions } = summaryOf(context.dataset)
  return !isHeld(state, versions) && !hasFailedRepeatedly(state, versions.at(-1) ?? '')
}

/**
 * The one call at an application's start: makes the store where there is none, recovers, compares the original directory,
 * migrates when asked to, and says which directory is active. A failed migration is reported, not thrown: the application
 * goes on with the snapshot before it. Throws AMBIGUOUS, JOURNAL_CORRUPT, NEWER_FORMAT.
 */
export const start = async (context: Context, options: StartOptions, job: JobOptions): Promise<Started> => {
  if (!hasData(context)) await bear(context, options.from ?? defaultLocations(context))
  const before = readState(context)
  // A store that a newer build has upgraded is looked at, never touched.
  if (versionIndex(context.dataset.chain, activeSnapshot(before)?.schemaVersion ?? '') < 0) {
    const error = caught(() => planMigration(before, context.dataset.chain))
    return result(context, before, options.reads, { error })
  }
  try {
    return await startWriting(context, options, job)
  } catch (error) {
    if (!isStrataError(error) || error.code !== 'LOCKED') throw error
    return result(context, readState(context), options.reads, { error })
  }
}

const caught = (act: () => unknown): StrataError | null => {
  try {
    act()
    return null
  } catch (error) {
    return isStrataError(error) ? error : null
  }
}

const startWriting = async (context: Context, options: StartOptions, job: JobOptions): Promise<Started> => {
  const session = await openSession(context)
  try {
    const recovered = recover(session)
    noteOriginal(session)
    await carryLate(session, { progress: silent }, { isStart: true })
    if (options.migrate !== true || !mayMigrate(context, session.state)) return result(context, session.state, options.reads, { recovered })
    try {
      const { kind, jobId } = await migrate(session, undefined, job)
      return result(context, session.state, options.reads, { recovered, migrated: kind !== 'none', jobId })
    } catch (error) {
      if (!isStrataError(error) || hasCode(error, 'CONFLICT')) throw error
      context.log('error', error.message, { file: issueOf(error).file ?? '' })
      return result(context, session.state, options.reads, { recovered, error })
    }
  } finally {
    await session.close()
  }
}
