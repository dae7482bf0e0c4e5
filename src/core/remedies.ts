import type { ErrorCode } from './errors.ts'

/** For the reference: why each error comes, and what to do about it. The hint of the error itself is about the case at hand. */
export const REMEDIES: Readonly<Record<ErrorCode, { readonly cause: string; readonly remedy: string }>> = {
  ABSENT: {
    cause: 'What was named (a snapshot, path, job, pin or record) does not exist.',
    remedy: '`strata history` lists snapshots and jobs.',
  },
  AMBIGUOUS: {
    cause: 'A name is the beginning of several snapshots, or data was found in several places.',
    remedy: 'Give more letters, or name the directory with `--from`.',
  },
  AMBIGUOUS_KIND: { cause: 'A path belongs to two kinds of a schema.', remedy: 'Make the patterns of the kinds exclude each other.' },
  ASYNC_STEP: {
    cause: 'A function of a migration is asynchronous, or returned a promise.',
    remedy: 'Make it synchronous: a step may read through `ctx` only.',
  },
  BAD_ARGUMENT: { cause: 'The input of the caller cannot be used as it stands.', remedy: 'The message names what was wrong with it.' },
  BAD_CHAIN: {
    cause: 'The migrations do not form a chain: a gap, a wrong order, a schema that would change data.',
    remedy: '`strata lint` names the place.',
  },
  BAD_FORMAT: {
    cause: 'A file is not of the format that its kind names: not gzip, not MessagePack, or it holds what no document has.',
    remedy: 'Restore it from an earlier snapshot: `strata history PATH` says which there are.',
  },
  CANCELLED: {
    cause: 'The job was stopped before its switch.',
    remedy: 'Nothing was switched. Run it again when you like: what is remembered is not done twice.',
  },
  CONFLICT: {
    cause: 'Another process has written to the store where the lock does not reach it.',
    remedy: 'Nothing was switched. Run the command again; let only one machine write.',
  },
  CORRUPT: {
    cause: 'Stored bytes are not what their hash says.',
    remedy: '`strata verify` names all of it, `strata repair` heals it from another copy. Check the disk.',
  },
  DATA_LOST: {
    cause: 'A step would lose records or members that it did not declare to lose.',
    remedy: 'Nothing was switched. Mend the step, or declare the loss in its `conserves`.',
  },
  DATA_WRITTEN_SINCE: {
    cause: 'Going there would hide what has been written since, and it cannot be carried along.',
    remedy: '`--exact` goes all the same; what was written stays in the history, and `redo` returns to it.',
  },
  DUPLICATE_VERSION: { cause: 'Two migrations of a chain lead to one version.', remedy: 'Give one of them another version.' },
  DURABILITY: {
    cause: 'The disk did not confirm a write.',
    remedy: 'Free space, check the disk, then open the store again. What was active stays active.',
  },
  EXISTS: { cause: 'The target is already there.', remedy: 'Name another place; `restore --replace` moves aside what is in the way.' },
  FINDINGS: {
    cause: '`testMigration` found something.',
    remedy: '`data.findings` lists it: lossy round trips, dropped members, impure steps.',
  },
  INPUT_CHANGED: {
    cause: 'A migration changed the value that it was given.',
    remedy: 'Return a new value. Inputs are frozen in `lint` and tests only, so it may have gone unseen before.',
  },
  INVALID_RESULT: {
    cause: 'A migration returned what cannot be stored, or does not fit its schema.',
    remedy: 'The message names the file, the record and the member.',
  },
  JOURNAL_CORRUPT: {
    cause: 'The journal is damaged: a line is not what its hash says, or lines are missing.',
    remedy: 'Nothing is written any more; `CURRENT` still names the active directory. `strata repair` rebuilds it from its copies.',
  },
  JSON_DEPTH: {
    cause: 'A document is nested deeper than the limit.',
    remedy: 'Mend the file, or let its kind be kept as it is (`damaged`).',
  },
  JSON_DUPLICATE_KEY: {
    cause: 'An object has one key twice: readers would disagree about its value.',
    remedy: 'Remove one; line and column are in the message.',
  },
  JSON_ENCODING: { cause: 'A file is not valid UTF-8.', remedy: 'Mend the file; line and column are in the message.' },
  JSON_SYNTAX: {
    cause: 'A file is not JSON: often one that was cut off while it was written.',
    remedy: 'Mend it, or take an earlier version: `strata history PATH`, `strata restore`.',
  },
  LOCKED: {
    cause: 'Another process writes to the store, or git to its repository.',
    remedy: 'The message names who and since when. `--wait SECONDS` waits for it.',
  },
  MIGRATION_FAILED: {
    cause: 'A step threw an error.',
    remedy: 'The active snapshot is untouched. The message names the step, the file and the record.',
  },
  MIGRATION_REPEATEDLY_FAILED: {
    cause: 'Three attempts in a row failed: no more automatic ones.',
    remedy: 'The application runs on the old snapshot. Mend the cause, then `strata migrate`.',
  },
  MIGRATION_TIMEOUT: {
    cause: 'A step did not end within the time limit of a file.',
    remedy: 'Mend the step, or raise `secondsPerFile` of the dataset.',
  },
  NEWER_FORMAT: {
    cause: 'The store was written by a newer Strata.',
    remedy: 'Use the newer version of the application. Nothing was changed.',
  },
  NEWER_SCHEMA: {
    cause: 'The active data is newer than all versions that this build knows.',
    remedy: 'Use the newer version, or go back to what this one reads: `strata rollback`.',
  },
  NEEDS_NEWER_VERSION: {
    cause: 'Only the version that wrote the data can carry it back.',
    remedy: 'Roll back with that version, or with `--exact`, which leaves it where it is.',
  },
  NO_DATA: { cause: 'Nothing to capture was found.', remedy: 'Name the data directory with `--from`.' },
  NO_PATTERN: { cause: 'A kind does not say which files belong to it.', remedy: 'Give it a `path` pattern.' },
  NO_STORE: { cause: 'There is no store in that directory.', remedy: '`strata init --from DIR` makes one; `--store` names another place.' },
  NOTHING_TO_REDO: { cause: 'Nothing has been rolled back since the last migration.', remedy: '`strata migrate` upgrades.' },
  NOTHING_TO_ROLL_BACK: {
    cause: 'There is nothing before the active snapshot that could be gone back to.',
    remedy: '`strata history` shows what there is.',
  },
  NO_SPACE: {
    cause: 'There are not enough bytes or inodes for what was planned.',
    remedy: 'Free some space (`strata prune`, `strata gc`). A rollback works on a full disk.',
  },
  READ_ONLY: { cause: 'The store, or the disk, may only be read.', remedy: 'Check the owner and the permissions. Reading commands work.' },
  RESULT_BIGINT: { cause: 'A migration returned a BigInt, which JSON cannot hold.', remedy: 'Return a number, or a text.' },
  RESULT_CYCLE: { cause: 'A migration returned something that contains itself.', remedy: 'Return plain data.' },
  RESULT_NAN: { cause: 'A migration returned NaN or an infinity.', remedy: 'Return null, or leave the member out.' },
  RESULT_UNDEFINED: {
    cause: 'A migration returned undefined, or nothing at all.',
    remedy: 'Return the value; to drop a file, use a dataset step.',
  },
  SPECIAL_FILE: {
    cause: 'There is something that is neither a file nor a folder: a link, a socket, a device.',
    remedy: 'Move it out of the data directory, or let the dataset ignore it.',
  },
  STALE: { cause: 'The store has changed since the caller looked at it.', remedy: 'Look again, then decide.' },
  UNREADABLE: { cause: 'A file cannot be read.', remedy: 'Check its permissions and the disk. A backup is never partial.' },
  UNSTABLE: {
    cause: 'A file kept changing while it was read.',
    remedy: 'Close the application that writes it, or migrate with `--online`.',
  },
  UNSUPPORTED_NAME: {
    cause: 'A name that other systems cannot hold, or two that they take for one.',
    remedy: 'Rename it; the message lists all of them.',
  },
  UNTRUSTED: {
    cause: 'The store is not laid out as Strata does it, or belongs to someone else.',
    remedy: 'Look at what the message names before you use it.',
  },
}
