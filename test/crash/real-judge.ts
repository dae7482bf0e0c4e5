import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'

/** What must hold after a real power cut, judged by the driver's log, the bytes on the disk and stock git; no code of the store. */

type Files = Readonly<Record<string, string>>
type Entry = { readonly ms: number } & (
  | { readonly t: 'base'; readonly snapshots: Readonly<Record<string, Files>> }
  | {
      readonly t: 'editing' | 'edited'
      readonly snapshot: string
      readonly path: string
      readonly oid?: string
      readonly way?: string
      readonly flushed?: boolean
    }
  | { readonly t: 'begin'; readonly kind: string; readonly to: string | null }
  | Ack
  | { readonly t: 'error'; readonly kind: string; readonly code: string; readonly message: string }
)
export type Ack = {
  readonly t: 'ack'
  readonly kind: string
  readonly refused?: string
  readonly snapshot: string
  readonly schemaVersion: string
  readonly hash: string
  readonly seq: number
  readonly commit?: string
  readonly files?: Files
}

/** What the log of one life of the driver adds up to. */
export type Expected = {
  readonly entries: readonly Entry[]
  readonly last: Ack | undefined
  readonly acknowledged: readonly Ack[]
  /** The commands that were under way. */
  readonly running: readonly { readonly kind: string; readonly to: string | null }[]
  /** Snapshot, then path, to the only content it may have; null: the application has not flushed it. */
  readonly durable: ReadonlyMap<string, ReadonlyMap<string, string | null>>
  /**
   * Files (snapshot/path) that were being overwritten in their own blocks, neither flushed nor in an acknowledged checkpoint: the
   * bytes may have reached the disk and the times of the file not. No stat tells that from rot.
   */
  readonly overwritten: ReadonlySet<string>
  /** Snapshots whose directories a prune may have removed, each as a whole. */
  readonly evictable: ReadonlySet<string>
}

const blobId = (bytes: Uint8Array): string => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

const filesOf = (dir: string): Files =>
  Object.fromEntries(
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path): [string, string] => [relative(dir, path), blobId(readFileSync(path))])
      .sort(),
  )

const entriesOf = (log: string): Entry[] =>
  (existsSync(log) ? readFileSync(log, 'utf8') : '')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Entry)

/**
 * `cutMs`: when the cut was asked for. A flush that is under way in that moment may return without having flushed (seen with XFS on
 * the application's own fsync), so what was acknowledged from then on counts as begun only.
 */
export const expectedFrom = (log: string, before: Ack | undefined, cutMs: number): Expected => {
  const entries = entriesOf(log)
  const durable = new Map<string, Map<string, string | null>>()
  const acknowledged: Ack[] = []
  const overwritten = new Set<string>()
  const evictable = new Set<string>()
  let [last, running]: [Ack | undefined, Expected['running']] = [before, []]
  const know = (snapshot: string, files: Files): void => void durable.set(snapshot, new Map(Object.entries(files)))
  const edit = (entry: Extract<Entry, { path: string }>): void => {
    const name = `${entry.snapshot}/${entry.path}`
    const isFlushed = entry.t === 'edited' && entry.flushed === true && entry.ms < cutMs
    durable.get(entry.snapshot)?.set(entry.path, isFlushed ? (entry.oid ?? null) : null)
    if (entry.way === 'inPlace' && !isFlushed) overwritten.add(name)
    else overwritten.delete(name)
  }
  for (const entry of entries) {
    if (entry.t === 'base') for (const [snapshot, files] of Object.entries(entry.snapshots)) know(snapshot, files)
    if (entry.t === 'editing' || entry.t === 'edited') edit(entry)
    if (entry.t === 'begin') running = [...running, entry]
    if (entry.t === 'begin' && entry.kind === 'prune') for (const snapshot of durable.keys()) evictable.add(snapshot)
    if (entry.t !== 'ack' || entry.ms >= cutMs) continue
    running = []
    last = entry
    acknowledged.push(entry)
    if (entry.refused === undefined) overwritten.clear()
    // A snapshot that this command made: every byte of it is Strata's.
    if (entry.files !== undefined && !durable.has(entry.snapshot)) know(entry.snapshot, entry.files)
  }
  return { entries, last, acknowledged, running, durable, overwritten, evictable }
}

const git = (store: string, args: readonly string[], input = ''): { status: number | null; stdout: string; stderr: string } =>
  spawnSync('git', ['-c', 'safe.directory=*', '-c', 'core.quotePath=false', '-C', join(store, 'repo.git'), ...args], {
    encoding: 'utf8',
    input,
    maxBuffer: 1 << 28,
    env: { PATH: process.env.PATH ?? '', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', LC_ALL: 'C' },
  })

/** The dataset's files in a commit; undefined where it cannot be read. */
const committed = (store: string, commit: string): Files | undefined => {
  const { status, stdout } = git(store, ['ls-tree', '-r', '-z', `${commit}:files`])
  if (status !== 0) return undefined
  const rows = stdout.split('\0').filter((row) => row !== '')
  return Object.fromEntries(rows.map((row): [string, string] => [row.slice(row.indexOf('\t') + 1), row.slice(12, 52)]).sort())
}

const difference = (a: Files, b: Files): string =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((path) => a[path] !== b[path])
    .map((path) => `${path} ${a[path] ?? 'none'} / ${b[path] ?? 'none'}`)
    .join(', ')

type Pointer = { readonly snapshot: string; readonly directory: string; readonly schemaVersion: string }

const pointerOf = (store: string): Pointer => {
  const pointer = JSON.parse(readFileSync(join(store, 'CURRENT'), 'utf8')) as Pointer
  if (!existsSync(join(store, pointer.directory))) throw new Error(`${pointer.directory} is missing`)
  return pointer
}

/** The active snapshot is the acknowledged one, or that of a command which was under way. */
const activeIsRight = ({ last, running, durable }: Expected, { snapshot, schemaVersion }: Pointer): boolean =>
  // Where nothing was acknowledged, the recovering start has made the store.
  snapshot === last?.snapshot ||
  last === undefined ||
  running.some(({ kind, to }) => (kind === 'migrate' ? schemaVersion === to : ['rollback', 'redo'].includes(kind) && durable.has(snapshot)))

/** What was flushed is there, in every directory, byte for byte. */
const lostFiles = (store: string, { durable, evictable }: Expected): string[] =>
  [...durable].flatMap(([snapshot, files]) => {
    const dir = join(store, 'snapshots', snapshot)
    if (evictable.has(snapshot) && !existsSync(dir)) return []
    const now = existsSync(dir) ? filesOf(dir) : {}
    return [...files]
      .filter(([path, oid]) => oid !== null && now[path] !== oid)
      .map(([path, oid]) => `snapshots/${snapshot}/${path} was flushed as ${oid ?? ''} and is ${now[path] ?? 'gone'}`)
  })

/** An application may open CURRENT before anything recovers. */
export const beforeRecovery = (store: string, expected: Expected): string[] => {
  if (!existsSync(join(store, 'CURRENT'))) return expected.last === undefined ? [] : ['CURRENT is gone']
  try {
    const pointer = pointerOf(store)
    const wrong = activeIsRight(expected, pointer) ? [] : [`CURRENT names ${pointer.snapshot} before recovery`]
    return [...wrong, ...lostFiles(store, expected)]
  } catch (error) {
    return [`CURRENT cannot be used: ${String(error)}`]
  }
}

/** Hashes of the journal's lines, from the last one back along `prev`. */
const chainOf = (store: string): Set<string> => {
  const names = readdirSync(join(store, 'journal')).filter((name) => name.endsWith('.jsonl'))
  const rows = names.sort().flatMap((name) => readFileSync(join(store, 'journal', name), 'utf8').split('\n'))
  const lines = rows.flatMap((row) => {
    try {
      return [JSON.parse(row) as { prev: string; hash: string }]
    } catch {
      return [] // a torn tail
    }
  })
  const byHash = new Map(lines.map((line) => [line.hash, line]))
  const found = new Set<string>()
  for (let at = lines.at(-1); at !== undefined; at = byHash.get(at.prev)) found.add(at.hash)
  return found
}

const lostCommits = (store: string, acknowledged: readonly Ack[]): string[] => {
  const wrong: string[] = []
  for (const { kind, commit, files } of acknowledged) {
    if (files === undefined) continue
    const now = committed(store, commit ?? '')
    if (now === undefined) wrong.push(`commit ${commit ?? 'without id'} of an acknowledged ${kind} cannot be read`)
    else if (difference(files, now) !== '') wrong.push(`commit ${commit ?? ''} of an acknowledged ${kind}: ${difference(files, now)}`)
  }
  return wrong
}

/** `all`: what was acknowledged since the disk was made. Recovery has been run, and a checkpoint. */
export const afterRecovery = (store: string, expected: Expected, all: readonly Ack[]): string[] => {
  const pointer = pointerOf(store)
  const wrong = activeIsRight(expected, pointer)
    ? []
    : [`${pointer.snapshot} is active; ${expected.last?.snapshot ?? 'none'} was acknowledged`]
  wrong.push(...lostFiles(store, expected), ...lostCommits(store, expected.acknowledged))
  const chain = chainOf(store)
  const gone = all.filter(({ hash }) => !chain.has(hash))
  if (gone.length > 0) wrong.push(`${gone.length} acknowledged lines of the journal are gone, the first up to event ${gone[0]?.seq ?? 0}`)
  const ids = all.flatMap(({ commit }) => commit ?? [])
  const missing = ids.length === 0 ? [] : git(store, ['cat-file', '--batch-check'], `${ids.join('\n')}\n`).stdout.match(/^.* missing$/gm)
  wrong.push(...(missing ?? []).map((row) => `git cat-file: ${row}`))
  const active = committed(store, `refs/heads/${pointer.snapshot}`)
  const isTold = ([path]: [string, string]): boolean => !expected.overwritten.has(`${pointer.snapshot}/${path}`)
  const told = (files: Files): Files => Object.fromEntries(Object.entries(files).filter(isTold))
  const onDisk = told(filesOf(join(store, pointer.directory)))
  if (active === undefined) wrong.push(`branch ${pointer.snapshot} cannot be read`)
  else if (difference(told(active), onDisk) !== '')
    wrong.push(`a checkpoint has passed over what is on the disk: ${difference(told(active), onDisk)}`)
  const { status, stdout, stderr } = git(store, ['fsck', '--strict', '--full', '--no-dangling'])
  if (status !== 0 || stderr !== '') wrong.push(`git fsck: exit ${status ?? ''} ${stdout}${stderr}`)
  return wrong
}
