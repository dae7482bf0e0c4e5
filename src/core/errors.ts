/**
 * Every error that crosses the public API. `code` is stable; `data` holds the facts of the moment
 * (paths, counts, versions), never values of the user's data.
 */
export const ERROR_CODES = [
  'ABSENT', // a path, snapshot, job or record that was asked for does not exist
  'AMBIGUOUS', // a name matches several snapshots, or several candidate directories
  'AMBIGUOUS_KIND', // a path belongs to two kinds of a schema
  'ASYNC_STEP', // a function of a migration is asynchronous, or returned a promise
  'BAD_ARGUMENT', // the caller's input is not usable as it stands
  'BAD_CHAIN', // the migrations do not form a chain
  'BAD_FORMAT', // a file is not of the format that its kind names: gzip, MessagePack, …
  'CANCELLED', // stopped at the caller's request; nothing was switched
  'CONFLICT', // another writer took over the store
  'CORRUPT', // stored bytes are not what their hash says
  'DATA_LOST', // a step would lose records or members that it did not announce
  'DATA_WRITTEN_SINCE', // going there would hide data written since
  'DUPLICATE_VERSION', // two migrations of a chain lead to one version
  'DURABILITY', // the disk did not confirm a write; the store is read-only until reopened
  'EXISTS', // the target is already there
  'FINDINGS', // testMigration found something; `data.findings` has the list
  'INPUT_CHANGED', // a migration changed its input; seen where inputs are frozen: in lint and testMigration
  'INVALID_RESULT', // a migration returned something that cannot be stored, or of a wrong shape
  'JOURNAL_CORRUPT', // the journal's chain is broken: read-only until repair
  'JSON_DEPTH', // nested deeper than the limit
  'JSON_DUPLICATE_KEY',
  'JSON_ENCODING', // not valid UTF-8
  'JSON_SYNTAX',
  'LOCKED', // another process writes to the store
  'MIGRATION_FAILED', // a step threw
  'MIGRATION_REPEATEDLY_FAILED', // three attempts in a row failed; automatic retry is off
  'MIGRATION_TIMEOUT', // a step did not come to an end within the time limit of a file
  'NEWER_FORMAT', // the store was written by a newer Strata
  'NEWER_SCHEMA', // the active snapshot is newer than every version this chain knows
  'NEEDS_NEWER_VERSION', // what was written since can only be carried back by the version that wrote it
  'NO_DATA', // nothing to capture was found
  'NO_PATTERN', // a kind does not say which files belong to it
  'NO_STORE',
  'NOTHING_TO_REDO',
  'NOTHING_TO_ROLL_BACK',
  'NO_SPACE', // not enough bytes or inodes for what was planned
  'READ_ONLY',
  'RESULT_BIGINT', // a migration returned a BigInt, which JSON cannot hold
  'RESULT_CYCLE', // … something that contains itself
  'RESULT_NAN', // … NaN or an infinity
  'RESULT_UNDEFINED', // … undefined, or nothing at all
  'SPECIAL_FILE', // neither a regular file nor a directory
  'STALE', // the store has changed since the caller looked at it
  'UNREADABLE',
  'UNSTABLE', // a file kept changing while it was read
  'UNSUPPORTED_NAME',
  'UNTRUSTED', // the store is not laid out as Strata does it, or belongs to someone else
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

export type ErrorData = Readonly<Record<string, unknown>>

export class StrataError extends Error {
  readonly code: ErrorCode
  readonly data: ErrorData
  readonly hint: string

  constructor(code: ErrorCode, message: string, options: { data?: ErrorData; hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'StrataError'
    this.code = code
    this.data = options.data ?? {}
    this.hint = options.hint ?? ''
  }

  toJSON(): { code: ErrorCode; message: string; hint: string; data: ErrorData } {
    return { code: this.code, message: this.message, hint: this.hint, data: this.data }
  }
}

export const isStrataError = (error: unknown): error is StrataError => error instanceof StrataError

/** Whether `error` is a StrataError with one of `codes`. */
export const hasCode = (error: unknown, ...codes: ErrorCode[]): boolean => error instanceof StrataError && codes.includes(error.code)

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The `code` of a Node system error (`ENOENT`, …), or an empty string. */
export const systemCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

/** Whether it is the disk that failed, or a writer that did not rest: nothing is said about what the file holds. */
export const isOfDisk = (error: unknown): boolean => {
  if (hasCode(error, 'CORRUPT', 'UNREADABLE', 'UNSTABLE')) return true
  if (error instanceof StrataError) return isOfDisk(error.cause)
  return /^E[A-Z0-9]+$/.test(systemCode(error))
}

const SYSTEM: Readonly<Record<string, { code: ErrorCode; hint: string }>> = {
  ENOSPC: { code: 'NO_SPACE', hint: 'Free some space, then try again.' },
  EDQUOT: { code: 'NO_SPACE', hint: 'Your quota on this disk is used up. Free some space, then try again.' },
  EROFS: { code: 'READ_ONLY', hint: 'The disk is mounted read-only. Reading commands work.' },
  EACCES: { code: 'READ_ONLY', hint: 'Check who owns the store and its permissions.' },
  EPERM: { code: 'READ_ONLY', hint: 'Check who owns the store and its permissions.' },
}

/** A system error as a StrataError that names the path; anything else, which would be a mistake of ours, as it is. */
export const fromSystem = (error: unknown): Error => {
  const code = systemCode(error)
  if (!(error instanceof Error)) return new Error(String(error))
  if (error instanceof StrataError || !/^E[A-Z0-9]+$/.test(code)) return error
  const path = 'path' in error && typeof error.path === 'string' ? error.path : null
  const known = SYSTEM[code] ?? { code: 'UNREADABLE' as const, hint: 'The active snapshot is as it was. Check the disk, then try again.' }
  return new StrataError(known.code, error.message, { data: { path, systemCode: code }, hint: known.hint, cause: error })
}
