import { join } from 'node:path'
import { StrataError, hasCode, systemCode } from '../core/errors.ts'
import { discard, fsyncDirectory, isLockedByGit, isTemporary, makeDirectory, ownLocks, removeTree, rename } from '../storage/durable.ts'
import { EVICTED } from '../storage/layout.ts'
import { TEMPORARY, unfinishedPacks } from '../storage/pack-write.ts'
import { Quarantine } from '../storage/quarantine.ts'
import { readPackedRefs, salvageRefs, writePackedRefs } from '../storage/refs.ts'
import type { Oid } from '../core/git-objects.ts'
import { refsOf } from '../core/state.ts'
import { finishForgetting } from './forget.ts'
import { completeFolders } from './session.ts'
import type { Session } from './session.ts'
import { announcedDirectories, sweepAnnounced } from './job.ts'
import { hasMemo } from './memo.ts'

/** Files of transactions that were never finished, and locks of ours. */
const temporaryFiles = ({ fs, root, paths }: Session['context']): string[] => {
  const inFolder = (dir: string, isOurs: (name: string) => boolean): string[] =>
    (fs.lstat(dir) === undefined ? [] : fs.readdir(dir)).filter(isOurs).map((name) => join(dir, name))
  return [
    ...inFolder(paths.packs, (name) => name.startsWith(TEMPORARY)),
    ...unfinishedPacks(fs, paths.packs),
    ...[root, paths.indexes, paths.journal, paths.repository, join(paths.repository, 'info')].flatMap((dir) => inFolder(dir, isTemporary)),
    ...['packed-refs', 'HEAD'].flatMap((name) => ownLocks(fs, join(paths.repository, name))),
  ]
}

/** What is to be done, in words, and how. */
type Chore = { readonly says: string; readonly run: () => void }

/** A job that a crash interrupted is over: before its commit point nothing had been switched. */
const endJob = (session: Session): void => {
  const { running } = session.state
  if (running === null) return
  const message = 'INTERRUPTED: the process ended before the switch; the snapshot before it stayed active'
  session.commit({ type: 'fail', jobId: running, data: { code: 'CANCELLED', message, file: null, record: null, step: null } })
}

const dropAnnounced = (session: Session): Chore[] => {
  const { length } = announcedDirectories(session)
  const { running } = session.state
  const directories = `${length} half-made ${length === 1 ? 'directory' : 'directories'}`
  const isKept = running !== null && hasMemo(session.context, running)
  const run = (): void => {
    sweepAnnounced(session)
  }
  return length === 0 ? [] : [{ says: isKept ? `set ${directories} aside for the next run` : `removed ${directories}`, run }]
}

const dropEvicted = ({ context: { fs, paths } }: Session): Chore[] => {
  const left = (fs.lstat(paths.staging) === undefined ? [] : fs.readdir(paths.staging)).filter((name) => name.endsWith(EVICTED))
  const run = (): void => {
    for (const name of left) removeTree(fs, join(paths.staging, name))
  }
  return left.length === 0 ? [] : [{ says: `removed ${left.length} evicted ${left.length === 1 ? 'directory' : 'directories'}`, run }]
}

/** Staged directories that no event announced were not made by us, or by whom is unknown: they are set aside, never deleted. */
const quarantineStaging = ({ context, state }: Session): Chore[] => {
  const { fs, paths, now } = context
  const ours = new Set(state.announced.filter((id) => state.snapshots[id] === undefined))
  const left = (fs.lstat(paths.staging) === undefined ? [] : fs.readdir(paths.staging)).filter(
    (name) => !ours.has(name) && !name.endsWith(EVICTED),
  )
  const at = now().getTime()
  const moveOne = (name: string): void => {
    makeDirectory(fs, paths.quarantine)
    rename(fs, join(paths.staging, name), join(paths.quarantine, `${at}-${name}`))
  }
  return left.map((name) => ({
    says: `set staging/${name} aside in quarantine/`,
    run: () => {
      moveOne(name)
    },
  }))
}

const dropTemporary = ({ context }: Session): Chore[] => {
  const { fs, paths } = context
  const identity = (path: string): string => {
    const found = fs.lstat(path)
    // Not its ctime: a lock is another name of a file, and goes before it.
    return found === undefined ? '' : `${found.ino} ${found.mtimeMs} ${found.size}`
  }
  const left = temporaryFiles(context).map((path) => ({ path, was: identity(path) }))
  const run = (): void => {
    // A process that was killed may have removed an index and not have come to the flush: its pack must not go before it.
    if (fs.lstat(paths.packs) !== undefined) fsyncDirectory(fs, paths.packs)
    // Once more: what was being finished when it was listed may be whole by now, and another's of the same name in its place.
    const now = new Set(temporaryFiles(context))
    for (const { path, was } of left) if (now.has(path) && identity(path) === was) discard(fs, path)
  }
  return left.length === 0 ? [] : [{ says: `removed ${left.length} temporary ${left.length === 1 ? 'file' : 'files'}`, run }]
}

/** A `forget` that the journal has, and the directories do not have yet. */
const forgetRest = (session: Session): Chore[] =>
  session.state.forgetting.map(({ path }) => ({
    says: `forgot ${path} in the directories; its space comes free with: strata gc`,
    run: () => {
      finishForgetting(session, path)
    },
  }))

/** A packed-refs that cannot be read is set aside; the refs in it that are whole are kept, and the journal's are made anew. */
const mendRefs = ({ context }: Session): Chore[] => {
  const { fs, paths, now } = context
  try {
    readPackedRefs(fs, paths.repository)
    return []
  } catch (error) {
    if (!hasCode(error, 'CORRUPT')) throw error
  }
  const run = (): void => {
    new Quarantine(fs, paths.quarantine, `${now().getTime()}-refs`).copy(join(paths.repository, 'packed-refs'), 'packed-refs')
    writePackedRefs(fs, paths.repository, salvageRefs(fs, paths.repository))
  }
  return [{ says: 'set a damaged packed-refs aside in quarantine/ and made it anew', run }]
}

const isAncestor = (session: Session, old: Oid, of: Oid): boolean => {
  for (let at: Oid | undefined = of; at !== undefined; at = session.repository.commit(at).parents[0]) if (at === old) return true
  return false
}

/** A branch that is ahead of the journal keeps its commits under another name. */
const saveLost = (session: Session): Chore[] => {
  const { fs, paths } = session.context
  const packed = new Map(salvageRefs(fs, paths.repository))
  const ahead = [...refsOf(session.state)].filter(([name, oid]) => {
    const found = packed.get(name)
    return found !== undefined && found !== oid && session.repository.packs.has(found) && !isAncestor(session, found, oid)
  })
  // While git is at work, `project` leaves the branches alone, too.
  if (ahead.length === 0 || isLockedByGit(fs, join(paths.repository, 'packed-refs'))) return []
  const run = (): void => {
    for (const [name, oid] of ahead) {
      packed.set(`refs/heads/lost/${(packed.get(name) ?? oid).slice(0, 12)}`, packed.get(name) ?? oid)
      packed.set(name, oid)
    }
    try {
      writePackedRefs(fs, paths.repository, packed)
    } catch (error) {
      if (!hasCode(error, 'LOCKED')) throw error
    }
  }
  return [{ says: `kept ${ahead.length} commits that the journal does not know under lost/`, run }]
}

const rewrote = (names: readonly string[]): string[] => (names.length === 0 ? [] : [`rewrote ${names.join(', ')} from the journal`])

/** What is to be done before refs, HEAD and CURRENT are made anew, and which of them will be. */
const examine = (session: Session): { todo: readonly Chore[]; stale: readonly string[] } => {
  const mend = mendRefs(session)
  return {
    todo: [
      ...dropAnnounced(session),
      ...dropEvicted(session),
      ...quarantineStaging(session),
      ...dropTemporary(session),
      ...mend,
      // What a branch has that was not rewritten yet is what must go.
      ...(session.state.forgetting.length > 0 ? [] : saveLost(session)),
      ...forgetRest(session),
    ],
    stale: mend.length > 0 ? [] : session.unprojected(),
  }
}

const ATTEMPTS = 10

const isGone = (error: unknown): boolean => systemCode(error instanceof StrataError ? error.cause : error) === 'ENOENT'

/**
 * Finishes or removes what an interrupted process left, and makes refs, HEAD and CURRENT say what the journal says.
 * What is going to be done is told first: the line takes the journal from a process that may be alive where the lock does not
 * reach, so that nothing it has yet to write can rest on what is gone, and nothing that is written here rests on a line that
 * such a process could still overrule. Running it again changes nothing.
 */
export const recover = (session: Session): string[] => {
  if (session.state.storeId === '') return []
  for (let attempt = 1; ; attempt++)
    try {
      return finishOrRemove(session)
    } catch (error) {
      // Gone between two looks: a process that the lock does not reach is at work, and what it has finished is no leftover any more.
      if (!isGone(error) || attempt === ATTEMPTS) throw session.explain(error)
    }
}

const finishOrRemove = (session: Session): string[] => {
  const { context } = session
  completeFolders(context)
  const { running } = session.state
  const { todo, stale } = examine(session)
  const says = [
    ...(running === null ? [] : [`ended job ${running}, which had been interrupted before its switch`]),
    ...todo.map((chore) => chore.says),
    ...rewrote(stale),
  ]
  if (says.length > 0) {
    session.commit({ type: 'note', event: { type: 'Recovered', data: { actions: says } } })
    for (const chore of todo) chore.run()
    // Last: until then, the job's announcement says what may be swept up.
    endJob(session)
  }
  // A job that was ended changes them once more.
  const later = rewrote(session.project().filter((name) => !stale.includes(name)))
  if (later.length > 0) session.commit({ type: 'note', event: { type: 'Recovered', data: { actions: later } } })
  const actions = [...says, ...later]
  for (const action of actions) context.log('warning', `recovered: ${action}`)
  return actions
}
