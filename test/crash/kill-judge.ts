import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { contents, fingerprint } from '../support/tree.ts'
import { execute, strata } from './kill-process.ts'

/** The judge of stores that a killed or disturbed process left: CURRENT, bytes, stock git, and `strata verify`. */

/** What an application finds; null: there is no store yet. */
export type Active = { readonly version: string; readonly files: Readonly<Record<string, string>> } | null
/** What must hold whatever happens: it was there before the command. */
export type Before = {
  readonly active: Active
  readonly directories: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** The command removes directories: one is there whole, or not at all. */
  readonly evicts: boolean
  /** The command removes this file from directories: it is there, or not. */
  readonly forgets: string | null
  readonly original: string
  readonly fingerprint: Readonly<Record<string, string>>
}

const directoriesOf = (store: string): string[] => (existsSync(join(store, 'snapshots')) ? readdirSync(join(store, 'snapshots')) : [])

export const activeOf = (store: string): Active => {
  if (!existsSync(join(store, 'CURRENT'))) return null
  const { schemaVersion, directory } = JSON.parse(readFileSync(join(store, 'CURRENT'), 'utf8')) as Record<string, string>
  return { version: schemaVersion ?? '', files: contents(join(store, directory ?? '')) }
}

export const beforeOf = (store: string, original: string, { evicts = false, forgets = null as string | null } = {}): Before => ({
  evicts,
  forgets,
  active: activeOf(store),
  directories: Object.fromEntries(directoriesOf(store).map((id) => [id, contents(join(store, 'snapshots', id))])),
  original,
  fingerprint: fingerprint(original),
})

const without = (files: Readonly<Record<string, string>>, path: string | null): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(files).filter(([name]) => name !== path))

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const isKept = (dir: string, files: Readonly<Record<string, string>>, { evicts, forgets }: Before): boolean => {
  if (!existsSync(dir)) return evicts
  const now = contents(dir)
  return isSame(now, files) || isSame(now, without(files, forgets))
}

/** What no moment excuses. */
const lost = (store: string, before: Before): string[] => [
  ...Object.entries(before.directories).flatMap(([id, files]) =>
    isKept(join(store, 'snapshots', id), files, before) ? [] : [`snapshots/${id} is no longer what it was`],
  ),
  ...(isSame(fingerprint(before.original), before.fingerprint) ? [] : ['the original directory was touched']),
]

/** Right after the process ended, before anything recovers. `allowed`: what may be active now. */
export const atOnce = (store: string, before: Before, allowed: readonly Active[]): string[] => {
  try {
    const now = activeOf(store)
    const isKnown = allowed.some((side) => isSame(side, now))
    return [...(isKnown ? [] : [`${now?.version ?? 'nothing'} is active, and neither the old nor the new state`]), ...lost(store, before)]
  } catch (error) {
    return [`CURRENT cannot be used: ${String(error)}`]
  }
}

const GIT = { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
const git = (store: string, args: readonly string[]) =>
  execute('git', ['-c', 'safe.directory=*', '-c', 'core.quotePath=false', '-C', join(store, 'repo.git'), ...args], GIT)

const blobId = (bytes: Uint8Array): string => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

const gitProblems = async (store: string, files: readonly string[], dir: string): Promise<string[]> => {
  const { code, stdout, stderr } = await git(store, ['fsck', '--strict', '--full'])
  const said = `${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !line.startsWith('dangling '))
  if (code !== 0 || said.length > 0) return [`git fsck: exit ${String(code)}: ${said.join(' ')}`]
  const tree = await git(store, ['ls-tree', '-r', '-z', '--format=%(objectname) %(path)', 'HEAD:files'])
  const committed = tree.stdout.split('\0').filter((row) => row !== '')
  const there = files.map((path) => `${blobId(readFileSync(join(dir, path)))} ${path}`)
  return isSame(committed.sort(), there.sort()) ? [] : ['what stock git has is not what is active']
}

const LEFT =
  /^(CURRENT\.lock|staging\/.+|quarantine.*|index\/.*\.lock|repo\.git\/(HEAD|packed-refs)\.(lock|strata.*)|repo\.git\/.*(tmp_|\.keep).*)$/

/**
 * After a command that went well: everything is new, whole, committed, and nothing half-made is left.
 * `wasFull`: there was no room at some call, which must not fail a command for want of a cache.
 */
export const afterRetry = async (store: string, before: Before, after: Active, wasFull: boolean): Promise<string[]> => {
  const wrong = atOnce(store, before, [after])
  if (wrong.length > 0) return wrong
  const { directory = '' } = JSON.parse(readFileSync(join(store, 'CURRENT'), 'utf8')) as Record<string, string>
  wrong.push(...(await gitProblems(store, Object.keys(after?.files ?? {}), join(store, directory))))
  const verified = await strata(store, ['verify'])
  if (!isValid(verified.stdout, wasFull))
    wrong.push(`verify: exit ${String(verified.code)}: ${verified.stdout}${verified.stderr}`.slice(0, 1000))
  const left = readdirSync(store, { recursive: true, encoding: 'utf8' }).filter((path) => LEFT.test(path))
  return [...wrong, ...(left.length > 0 ? [`left behind: ${left.join(', ')}`] : [])]
}

const isValid = (stdout: string, wasFull: boolean): boolean => {
  try {
    const report = JSON.parse(stdout) as { valid: boolean; issues: { code: string; file: string | null }[] }
    // A snapshot that the journal tells of has its index: without one, every file is read again.
    const lacksIndex = report.issues.some(({ code, file }) => code === 'CACHE_DAMAGED' && file?.startsWith('index/') === true)
    return report.valid && (wasFull || !lacksIndex)
  } catch {
    return false
  }
}
