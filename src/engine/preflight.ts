import { join } from 'node:path'
import type { ErrorCode } from '../core/errors.ts'
import { StrataError, systemCode } from '../core/errors.ts'
import type { Plan } from '../core/plan.ts'
import { summaryOf } from '../core/plan.ts'
import { plural } from '../core/plural.ts'
import type { Unportable } from '../core/portable.ts'
import { limitsOf, tooLong, unportable } from '../core/portable.ts'
import type { State } from '../core/state.ts'
import { SPACE_FACTOR, hasFailedRepeatedly, isHeld } from '../core/status.ts'
import type { FileStat } from '../storage/scan.ts'
import type { Context } from './context.ts'

/** What a file system keeps for itself, or for root. */
const RESERVE = 0.03
/** An application that has written this recently may still be running. */
const RECENT_MS = 2000

/** `info`: worth knowing. `decision`: goes on, but someone may want it otherwise. `blocker`: would fail, so it is not begun. */
export type Finding = {
  readonly level: 'info' | 'decision' | 'blocker'
  readonly code: string
  readonly message: string
  readonly hint: string
  /** The first of the paths that it is about. */
  readonly file: string | null
  readonly count: number
}

/** What is about to be made: so many directories of these files. */
export type Wanted = { readonly snapshots: number; readonly bytes: number; readonly files: number; readonly paths: readonly string[] }

const finding = (
  level: Finding['level'],
  code: string,
  message: string,
  hint: string,
  { file = null, count = 1 }: { file?: string | null; count?: number } = {},
): Finding => ({ level, code, message, hint, file, count })

const spaceFindings = ({ fs, root }: Context, { snapshots, bytes, files }: Wanted): Finding[] => {
  if (snapshots === 0) return []
  const free = fs.statfs(root)
  const needed = Math.ceil(bytes * snapshots * SPACE_FACTOR)
  const inodes = files * snapshots
  const reserved = Math.ceil(needed * RESERVE)
  const isShort = needed + reserved > free.freeBytes
  // File systems that make inodes as they need them report none.
  const isFull = free.freeInodes > 0 && inodes > free.freeInodes
  return [
    isShort
      ? finding(
          'blocker',
          'NO_SPACE',
          `${needed} bytes are needed, and ${reserved} to spare; ${free.freeBytes} are free`,
          'Free some space, then try again.',
        )
      : finding('info', 'SPACE', `${needed} bytes are needed, and ${reserved} to spare; ${free.freeBytes} are free`, ''),
    ...(isFull
      ? [
          finding(
            'blocker',
            'NO_INODES',
            `${inodes} files are to be made, ${free.freeInodes} are free`,
            'Remove some files from this disk, then try again.',
          ),
        ]
      : []),
  ]
}

/** Asked, not tried: a dry run writes nothing. */
const permissionFindings = ({ fs, root, paths }: Context): Finding[] => {
  const folders = [root, paths.journal, paths.snapshots, paths.staging, paths.indexes, paths.repository, paths.packs]
  return folders
    .filter((path) => fs.lstat(path) !== undefined)
    .flatMap((path) => {
      try {
        fs.access(path, 'change')
        return []
      } catch (error) {
        const why = systemCode(error) === 'EROFS' ? 'is on a read-only disk' : `may not be written (${systemCode(error)})`
        return [finding('blocker', 'NOT_WRITABLE', `${path} ${why}`, 'Check who owns the store and its permissions.', { file: path })]
      }
    })
}

const UNPORTABLE: Readonly<Record<Unportable['code'], string>> = {
  NAME_RESERVED: 'named like a device of Windows',
  NAME_TRAILING: 'with a name that ends in a dot or a space, which Windows drops',
  NAME_CHARACTERS: 'with characters that Windows does not allow',
  NAMES_COLLIDE: 'that differ from another one only by case or Unicode form, which macOS and Windows do not tell apart',
}

const pathFindings = ({ paths: where }: Context, version: string, paths: readonly string[]): Finding[] => {
  // Ids are a version and nine more characters.
  const limits = limitsOf(process.platform)
  const long = tooLong(join(where.snapshots, `${version}-xxxxxxxx`), paths, limits)
  const blocked = (code: string, what: string, found: readonly string[]): Finding[] =>
    found.length === 0
      ? []
      : [
          finding(
            'blocker',
            code,
            `${plural(found.length, 'path')} ${what}`,
            'Shorten them, or move the store to a shorter path.',
            first(found),
          ),
        ]
  return [
    ...blocked('PATH_TOO_LONG', `would have more than the ${limits.path} bytes that this system allows`, long.paths),
    ...blocked('NAME_TOO_LONG', `would have a name of more than ${limits.name} bytes`, long.names),
    ...unportable(paths).map(({ code, paths: found }) =>
      finding(
        'info',
        code,
        `${plural(found.length, 'path')} ${UNPORTABLE[code]}`,
        'Kept as they are here; they can be restored on this system.',
        first(found),
      ),
    ),
  ]
}

const first = (paths: readonly string[]): { file: string | null; count: number } => ({ file: paths[0] ?? null, count: paths.length })

/** What would keep the work from being done, and what is worth knowing about the place where it is done. */
const placeFindings = (context: Context, version: string, wanted: Wanted): Finding[] => [
  ...spaceFindings(context, wanted),
  ...permissionFindings(context),
  ...pathFindings(context, version, wanted.paths),
]

/** What was found before a plan was made: files that differ from what was committed last, and the original directory's. */
export type Seen = {
  readonly edited: readonly string[]
  readonly files: ReadonlyMap<string, FileStat>
  readonly original: readonly { readonly path: string }[]
}

const LEFT_OUT = ['QUARANTINED', 'DAMAGED_FILE']

const decisions = (context: Context, state: State, plan: Plan, { edited, files, original }: Seen): Finding[] => {
  const { versions } = summaryOf(context.dataset)
  const newest = versions.at(-1) ?? ''
  const found: Finding[] = []
  if (isHeld(state, versions) && state.hold !== null)
    found.push(
      finding(
        'decision',
        'ON_HOLD',
        `on hold since ${state.hold.since}: ${state.hold.reason}`,
        'migrate ends the hold; redo returns to the newer data.',
      ),
    )
  if (original.length > 0)
    found.push(
      finding(
        'decision',
        'ORIGINAL_CHANGED',
        `${plural(original.length, 'file has', 'files have')} been written to the original directory since it was captured`,
        'Take them over first with: strata adopt. Or leave them there.',
        first(original.map(({ path }) => path)),
      ),
    )
  if (hasFailedRepeatedly(state, newest) && state.failures !== null)
    found.push(
      finding(
        'decision',
        'FAILED_REPEATEDLY',
        `the migration to ${newest} has failed ${state.failures.count} times in a row`,
        'See why: strata status. It is tried again only when you ask for it.',
        { count: state.failures.count },
      ),
    )
  const damaged = [...new Set(plan.from.findings.flatMap(({ code, file }) => (LEFT_OUT.includes(code) && file !== null ? [file] : [])))]
  if (damaged.length > 0)
    found.push(
      finding(
        'decision',
        'DAMAGED_FILES',
        `${plural(damaged.length, 'damaged file')} will be left out`,
        'Their bytes are kept. See: strata status',
        first(damaged),
      ),
    )
  const now = context.now().getTime()
  const recent = edited.filter((path) => (files.get(path)?.mtimeMs ?? 0) > now - RECENT_MS)
  if (recent.length > 0)
    found.push(
      finding(
        'decision',
        'APPLICATION_WRITING',
        `${plural(recent.length, 'file was', 'files were')} written within the last two seconds: the application seems to be running`,
        'Close it first. What it writes meanwhile is taken in, and the switch waits until it is quiet.',
        first(recent),
      ),
    )
  return found
}

/** Everything that is worth knowing before a plan is carried out; reads only. */
export const findingsBefore = (context: Context, state: State, plan: Plan, seen: Seen): Finding[] => {
  const paths = [...seen.files.keys()]
  const bytes = [...seen.files.values()].reduce((sum, file) => sum + file.size, 0)
  const snapshots = plan.kind === 'migration' ? plan.steps.length : plan.kind === 'mend' ? 1 : 0
  const versions = plan.kind === 'migration' ? plan.steps.map((step) => step.version) : [plan.from.schemaVersion]
  const longest = versions.reduce((a, b) => (b.length > a.length ? b : a))
  return [...placeFindings(context, longest, { snapshots, bytes, files: paths.length, paths }), ...decisions(context, state, plan, seen)]
}

const ERRORS: Readonly<Record<string, ErrorCode>> = {
  NO_SPACE: 'NO_SPACE',
  NO_INODES: 'NO_SPACE',
  NOT_WRITABLE: 'READ_ONLY',
  PATH_TOO_LONG: 'UNSUPPORTED_NAME',
  NAME_TOO_LONG: 'UNSUPPORTED_NAME',
}

/** Refuses early what would fail half-way. Throws NO_SPACE, READ_ONLY, UNSUPPORTED_NAME. */
export const preflight = (context: Context, bytes: number, files: number, snapshots: number, paths: readonly string[] = []): void => {
  const versions = context.dataset.chain.schemas.map((schema) => schema.version)
  const longest = versions.reduce((a, b) => (b.length > a.length ? b : a), '')
  const found = placeFindings(context, longest, { snapshots, bytes, files, paths })
  const blocker = found.find(({ level }) => level === 'blocker')
  if (blocker === undefined) return
  throw new StrataError(ERRORS[blocker.code] ?? 'READ_ONLY', blocker.message, {
    data: { file: blocker.file, findings: found.filter(({ level }) => level === 'blocker') },
    hint: `${blocker.hint} Nothing was changed.`,
  })
}
