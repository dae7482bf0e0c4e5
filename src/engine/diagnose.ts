import { join } from 'node:path'
import { cpus, release, totalmem } from 'node:os'
import { fromSystem, isStrataError } from '../core/errors.ts'
import type { Issue } from '../core/issues.ts'
import type { State } from '../core/state.ts'
import { readLines, segmentsOf } from '../storage/journal.ts'
import type { Context } from './context.ts'
import { readView } from './read.ts'

/** How many files there are below a folder, and their bytes; null where there is no folder. */
type Size = { readonly files: number; readonly bytes: number } | null

/**
 * What a maintainer needs to know of a store and the machine it is on. It holds no data of the user: no path, no file name, no message,
 * no value; ids are random, versions are the application's.
 */
export type Diagnosis = {
  readonly strata: string
  readonly node: string
  readonly system: {
    readonly platform: string
    readonly arch: string
    readonly release: string
    readonly cpus: number
    readonly memoryBytes: number
  }
  readonly chain: { readonly versions: readonly string[] }
  readonly disk: { readonly fileSystem: string; readonly freeBytes: number; readonly freeInodes: number } | null
  readonly sizes: Readonly<Record<'journal' | 'repository' | 'packs' | 'snapshots' | 'index' | 'memo' | 'staging' | 'quarantine', Size>>
  readonly journal: { readonly segments: number; readonly events: Readonly<Record<string, number>> } | { readonly error: string }
  readonly store: StoreFacts | { readonly error: string } | null
}

type StoreFacts = {
  readonly seq: number
  readonly active: string | null
  readonly isHeld: boolean
  readonly failures: number
  readonly snapshots: readonly {
    id: string
    schemaVersion: string
    files: number
    bytes: number
    isMaterialised: boolean
    createdAt: string
    verifiedAt: string | null
    findings: Readonly<Record<string, number>>
  }[]
  readonly jobs: readonly {
    id: string
    kind: string
    from: string
    to: string
    status: string
    errorCode: string | null
    files: number
    seconds: number | null
  }[]
}

/** Of statfs(2): the numbers that file systems are known by. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x01021994: 'tmpfs',
  0x794c7630: 'overlayfs',
  0x6969: 'nfs',
  0xff534d42: 'cifs',
  0xfe534d42: 'smb2',
  0x65735546: 'fuse',
  0x2fc12fc1: 'zfs',
  0x4d44: 'fat',
  0x5346544e: 'ntfs',
}

const sizeBelow = ({ fs }: Context, dir: string): Size => {
  if (fs.lstat(dir)?.isDirectory() !== true) return null
  let [files, bytes] = [0, 0]
  const walk = (at: string): void => {
    for (const name of fs.readdir(at)) {
      const stat = fs.lstat(join(at, name))
      if (stat?.isDirectory() === true) walk(join(at, name))
      else if (stat !== undefined) [files, bytes] = [files + 1, bytes + stat.size]
    }
  }
  walk(dir)
  return { files, bytes }
}

/** What cannot be found out is told by its code alone: a message may name a file. */
const orCode = <T>(find: () => T): T | { error: string } => {
  try {
    return find()
  } catch (cause) {
    const error = fromSystem(cause)
    return { error: isStrataError(error) ? error.code : 'UNEXPECTED' }
  }
}

const byCode = (findings: readonly Issue[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { code, count } of findings) counts[code] = (counts[code] ?? 0) + count
  return counts
}

const eventsByType = ({ fs, paths }: Context): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const line of readLines(fs, paths.journal)) for (const { type } of line.events) counts[type] = (counts[type] ?? 0) + 1
  return counts
}

const factsOf = ({ fs, paths }: Context, state: State): StoreFacts => ({
  seq: state.seq,
  active: state.active,
  isHeld: state.hold !== null,
  failures: state.failures?.count ?? 0,
  snapshots: Object.values(state.snapshots).map((s) => ({
    id: s.id,
    schemaVersion: s.schemaVersion,
    files: s.files,
    bytes: s.bytes,
    isMaterialised: fs.lstat(paths.snapshot(s.id)) !== undefined,
    createdAt: s.createdAt,
    verifiedAt: s.verifiedAt,
    findings: byCode(s.findings),
  })),
  jobs: state.jobs.map((j) => ({
    id: j.id,
    kind: j.kind,
    from: j.fromVersion,
    to: j.toVersion,
    status: j.status,
    errorCode: j.errorCode,
    files: j.files,
    seconds: j.endTime === null ? null : (Date.parse(j.endTime) - Date.parse(j.startTime)) / 1000,
  })),
})

/** Gathers the report; reads only, waits for nobody, and works on a damaged store as well. */
export const diagnose = (context: Context): Diagnosis => {
  const { fs, root, paths, dataset } = context
  const isThere = fs.lstat(root) !== undefined
  const disk = isThere ? fs.statfs(root) : null
  return {
    strata: STRATA_VERSION,
    node: process.versions.node,
    system: { platform: process.platform, arch: process.arch, release: release(), cpus: cpus().length, memoryBytes: totalmem() },
    chain: { versions: dataset.chain.schemas.map((s) => s.version) },
    disk: disk && {
      fileSystem: FILE_SYSTEMS[disk.type] ?? `0x${disk.type.toString(16)}`,
      freeBytes: disk.freeBytes,
      freeInodes: disk.freeInodes,
    },
    sizes: {
      journal: sizeBelow(context, paths.journal),
      repository: sizeBelow(context, paths.repository),
      packs: sizeBelow(context, paths.packs),
      snapshots: sizeBelow(context, paths.snapshots),
      index: sizeBelow(context, paths.indexes),
      memo: sizeBelow(context, join(root, 'memo')),
      staging: sizeBelow(context, paths.staging),
      quarantine: sizeBelow(context, paths.quarantine),
    },
    journal: orCode(() => ({
      segments: fs.lstat(paths.journal) === undefined ? 0 : segmentsOf(fs, paths.journal).length,
      events: eventsByType(context),
    })),
    store: orCode(() => {
      const state = readView(context)?.state
      return state === undefined ? null : factsOf(context, state)
    }),
  }
}
