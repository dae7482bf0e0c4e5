import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Line, Slice, StrataEvent } from '../core/events.ts'
import { firstSeq, lastSeq } from '../core/events.ts'
import type { ObjectType, Oid } from '../core/git-objects.ts'
import { blobOid, decodeCommit, decodeTree, encodeCommit, objectOid } from '../core/git-objects.ts'
import type { FileEntry } from '../core/manifest.ts'
import { SnapshotTrees } from '../core/snapshot-trees.ts'
import { AUTHOR, commitMessage, sliceMessage, sliceTree } from '../core/slice.ts'
import type { State } from '../core/state.ts'
import { readFile } from '../storage/files.ts'
import type { Context } from './context.ts'
import { scan } from './directory.ts'

/**
 * Makes objects that the repository has lost once more, from what else there is: files from the directories, trees and manifests
 * from what the directories hold, commits from the events that recorded them. An object counts as healed only if its id comes out.
 */

export type Healed = { readonly oid: Oid; readonly type: ObjectType; readonly bytes: Uint8Array }

/** Where lost objects may come from. Files stay on the disk until one is wanted. */
export type Sources = {
  readonly files: ReadonlyMap<Oid, string>
  readonly made: ReadonlyMap<Oid, Healed>
  /** The root tree of what a directory holds, by the digest of its manifest. */
  readonly roots: ReadonlyMap<string, Oid>
}

/** Reads every file of the snapshots' directories, and of the directory that the data came from. */
export const readSources = (context: Context, state: State): Sources => {
  const { fs, paths } = context
  const files = new Map<Oid, string>()
  const made = new Map<Oid, Healed>()
  const roots = new Map<string, Oid>()
  const snapshots = Object.keys(state.snapshots).map((id) => paths.snapshot(id))
  const original = state.original === null ? [] : [state.original.path]
  for (const root of [...snapshots, ...original]) {
    if (fs.lstat(root)?.isDirectory() !== true) continue
    const scanned = scan(context, root)
    const entries: FileEntry[] = []
    for (const [path, stat] of scanned.files) {
      const bytes = readFile(fs, join(root, path))
      if (bytes === undefined) continue
      const oid = blobOid(bytes)
      files.set(oid, join(root, path))
      entries.push({ path, size: bytes.length, mode: stat.mode, oid, sha256: createHash('sha256').update(bytes).digest('hex') })
    }
    const trees = new SnapshotTrees(new Map(entries.map((f) => [f.path, f])), scanned.directories)
    roots.set(
      trees.digest(),
      trees.write((object) => made.set(object.oid, object)),
    )
  }
  return { files, made, roots }
}

export type ReadObject = (oid: Oid) => { type: string; bytes: Uint8Array } | undefined

/** The objects that `tips` lead to and that cannot be read; at `cut`, the history ends. */
export const missingFrom = (tips: Iterable<Oid>, cut: ReadonlySet<Oid>, read: ReadObject, hasBlob: (oid: Oid) => boolean): Set<Oid> => {
  const missing = new Set<Oid>()
  const seen = new Set<Oid>()
  const queue: { oid: Oid; type: ObjectType }[] = [...tips].map((oid) => ({ oid, type: 'commit' }))
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const { oid, type } = at
    if (seen.has(oid)) continue
    seen.add(oid)
    if (type === 'blob') {
      if (!hasBlob(oid)) missing.add(oid)
      continue
    }
    const found = read(oid)
    if (found === undefined) missing.add(oid)
    else if (type === 'commit') {
      const { tree, parents } = decodeCommit(found.bytes)
      queue.push({ oid: tree, type: 'tree' })
      // There the history ends.
      if (!cut.has(oid)) queue.push(...parents.map((parent) => ({ oid: parent, type: 'commit' as const })))
    } else
      queue.push(...decodeTree(found.bytes).map((e) => ({ oid: e.oid, type: e.mode === '40000' ? ('tree' as const) : ('blob' as const) })))
  }
  return missing
}

type CommitFact = {
  readonly commit: Oid
  readonly manifest: string
  readonly subjects: readonly string[]
  readonly parents: readonly Oid[]
  readonly trailers: (seq: number) => Record<string, string | number>
}

const LONGEST_TRANSACTION_S = 3600

/** The commit, if its id comes out for a time shortly before its event. */
const findTime = (of: { commit: Oid; parents: readonly Oid[]; message: string; tree: Oid }, at: number): Healed | undefined => {
  for (let timestamp = at + 1; timestamp > at - LONGEST_TRANSACTION_S; timestamp--) {
    const who = { ...AUTHOR, timestamp, timezone: '+0000' }
    const bytes = encodeCommit({ tree: of.tree, parents: of.parents, author: who, committer: who, message: of.message })
    if (objectOid('commit', bytes) === of.commit) return { oid: of.commit, type: 'commit', bytes }
  }
  return undefined
}

/** The commit, for one of the seqs that it may have been made with. */
const commitAt = (fact: CommitFact, tree: Oid, seqs: readonly number[], at: number): Healed | undefined => {
  for (const subject of fact.subjects)
    for (const seq of seqs) {
      const found = findTime({ ...fact, tree, message: commitMessage(subject, fact.trailers(seq)) }, at)
      if (found !== undefined) return found
    }
  return undefined
}

const subjectsOf = (
  context: Context,
  { from, to, carried }: { from: string; to: string; carried: string },
  event: StrataEvent,
): string[] => {
  const { chain } = context.dataset
  if (event.type === 'SnapshotCaptured') return [`Capture ${to}`, `Start at ${to}`, `Capture ${to}: written to the original directory`]
  if (event.type === 'CheckpointTaken') return [`Checkpoint ${to}: ${event.data.reason}`]
  const description = chain.migrations.find((m) => m.to.version === to)?.description ?? ''
  return [
    `Migrate ${from} to ${to}: ${description}`,
    `Mend ${to}: files of an older schema`,
    `Adopt into ${to}: data written to the original directory`,
    `Carry into ${to}: data written in ${carried}`,
  ]
}

type Maker = Extract<StrataEvent, { type: 'SnapshotCaptured' | 'CheckpointTaken' | 'SnapshotSealed' }>

/** What tells a sealed commit from others: its parent, its trailers, and the versions that its subject names. */
const sealedFact = (state: State, version: string, event: Extract<Maker, { type: 'SnapshotSealed' }>) => {
  const { from, fromCommit, carries } = event.data
  const versionOf = (id: string): string => state.snapshots[id]?.schemaVersion ?? ''
  const own: Record<string, string> = { Migration: version, Job: event.jobId ?? '' }
  if (carries !== undefined) own.Carries = `${carries.snapshot} ${carries.commit}`
  return { parents: [fromCommit], own, from: versionOf(from), carried: versionOf(carries?.snapshot ?? '') }
}

/** What the journal says of the commit of a snapshot. `head`: the snapshot's commit before the event. */
const factOf = (context: Context, state: State, head: Oid | undefined, event: Maker): CommitFact => {
  const { snapshot, commit, manifest } = event.data
  const version = state.snapshots[snapshot]?.schemaVersion ?? ''
  const before = event.type === 'CheckpointTaken' && head !== undefined ? [head] : []
  const { parents, own, from, carried } =
    event.type === 'SnapshotSealed' ? sealedFact(state, version, event) : { parents: before, own: {}, from: '', carried: '' }
  return {
    commit,
    manifest,
    parents,
    subjects: subjectsOf(context, { from, to: version, carried }, event),
    trailers: (seq) => ({ 'Strata-Snapshot': snapshot, 'Strata-Seq': seq, 'Schema-Version': version, ...own, 'Manifest-Sha256': manifest }),
  }
}

/** Commits of snapshots among `wanted`, made again from their events and the trees of `roots`. */
export const healCommits = (
  context: Context,
  state: State,
  lines: Iterable<Line>,
  wanted: ReadonlySet<Oid>,
  roots: ReadonlyMap<string, Oid>,
): Healed[] => {
  const heads = new Map<string, Oid>()
  const healed: Healed[] = []
  for (const line of lines)
    for (const event of line.events) {
      if (event.type !== 'SnapshotCaptured' && event.type !== 'CheckpointTaken' && event.type !== 'SnapshotSealed') continue
      const { snapshot, commit, manifest } = event.data
      const fact = wanted.has(commit) ? factOf(context, state, heads.get(snapshot), event) : undefined
      const tree = roots.get(manifest)
      heads.set(snapshot, commit)
      if (fact === undefined || tree === undefined) continue
      const first = firstSeq(line)
      const found = commitAt(fact, tree, [first, first - 1, event.seq], Math.floor(Date.parse(line.at) / 1000))
      if (found !== undefined) healed.push(found)
    }
  return healed
}

const slicesIn = (events: Iterable<StrataEvent>): Slice[] => {
  const slices: Slice[] = []
  for (const e of events) {
    const isMaker = e.type === 'SnapshotCaptured' || e.type === 'CheckpointTaken' || e.type === 'SnapshotSealed'
    if (isMaker && e.data.slice !== null) slices.push(e.data.slice)
  }
  return slices
}

/** Every object of the branch strata/journal, made again from the journal's lines, as far as the ids come out. */
export const remakeSlices = (lines: readonly { readonly line: Line; readonly text: string }[]): Healed[] => {
  const made = new Map<Oid, Healed>()
  const put = (type: ObjectType, bytes: Uint8Array): Oid => {
    const oid = objectOid(type, bytes)
    made.set(oid, { oid, type, bytes })
    return oid
  }
  const read = (oid: Oid): Uint8Array => made.get(oid)?.bytes ?? new Uint8Array()
  let [previous, from, root]: [Oid | null, number, Oid | undefined] = [null, 0, undefined]
  for (const { line } of lines)
    for (const { commit, upTo } of slicesIn(line.events)) {
      const wanted = lines.filter((l) => lastSeq(l.line) > from && lastSeq(l.line) <= upTo)
      root = sliceTree(root, wanted.map((l) => `${l.text}\n`).join(''), upTo, read, put)
      const fact = { commit, parents: previous === null ? [] : [previous], message: sliceMessage(upTo), tree: root }
      const found = findTime(fact, Math.floor(Date.parse(line.at) / 1000))
      if (found !== undefined) made.set(commit, found)
      previous = commit
      from = upTo
    }
  return [...made.values()]
}
