import { join } from 'node:path'
import { hasCode } from '../core/errors.ts'
import { dropOwnLock, makeDirectory, rename } from '../storage/durable.ts'
import { TEMPORARY } from '../storage/pack-write.ts'
import { readPackedRefs, salvageRefs, writePackedRefs } from '../storage/refs.ts'
import type { Oid } from '../core/git-objects.ts'
import { refsOf } from '../core/state.ts'
import { completeFolders } from './session.ts'
import type { Session } from './session.ts'
import { sweepAnnounced } from './job.ts'

/** Ends a job that a crash interrupted: before its commit point nothing had been switched. */
const endRunning = (session: Session): string[] => {
  const { running } = session.state
  const swept = sweepAnnounced(session)
  if (running === null) return swept.length === 0 ? [] : [`removed ${swept.length} half-made directories`]
  const job = session.state.jobs.find((j) => j.id === running)
  session.commit({
    type: 'fail',
    jobId: running,
    data: {
      code: 'CANCELLED',
      message: 'INTERRUPTED: the process ended before the switch; the snapshot before it stayed active',
      file: null,
      record: null,
      step: null,
    },
  })
  return [`ended job ${running} to ${job?.toVersion ?? ''}, which had been interrupted before its switch`]
}

/** Staged directories that no event announced were not made by us, or by whom is unknown: they are set aside, never deleted. */
const quarantineStaging = ({ context }: Session): string[] => {
  const { fs, paths, now } = context
  const left = fs.lstat(paths.staging) === undefined ? [] : fs.readdir(paths.staging)
  return left.map((name) => {
    makeDirectory(fs, paths.quarantine)
    rename(fs, join(paths.staging, name), join(paths.quarantine, `${now().getTime()}-${name}`))
    return `set staging/${name} aside in quarantine/`
  })
}

const dropTemporary = ({ context }: Session): string[] => {
  const { fs, paths } = context
  const inFolder = (dir: string, isOurs: (name: string) => boolean): string[] =>
    fs.lstat(dir) === undefined
      ? []
      : fs
          .readdir(dir)
          .filter(isOurs)
          .map((name) => join(dir, name))
  const left = [
    ...inFolder(paths.packs, (name) => name.startsWith(TEMPORARY)),
    ...inFolder(paths.indexes, (name) => name.endsWith('.lock')),
    ...[`${paths.current}.lock`].filter((path) => fs.lstat(path) !== undefined),
  ]
  for (const path of left) fs.unlink(path)
  const shared = ['packed-refs', 'HEAD'].map((name) => dropOwnLock(fs, join(paths.repository, name)))
  const count = shared.reduce((sum, n) => sum + n, left.length)
  return count === 0 ? [] : [`removed ${count} temporary files`]
}

const isAncestor = (session: Session, old: Oid, of: Oid): boolean => {
  for (let at: Oid | undefined = of; at !== undefined; at = session.repository.commit(at).parents[0]) if (at === old) return true
  return false
}

/** A packed-refs that cannot be read is set aside; the refs in it that are whole are kept, and the journal's are made anew. */
const mendRefs = ({ context }: Session): string[] => {
  const { fs, paths, now } = context
  try {
    readPackedRefs(fs, paths.repository)
    return []
  } catch (error) {
    if (!hasCode(error, 'CORRUPT')) throw error
  }
  const kept = salvageRefs(fs, paths.repository)
  makeDirectory(fs, paths.quarantine)
  rename(fs, join(paths.repository, 'packed-refs'), join(paths.quarantine, `${now().getTime()}-packed-refs`))
  writePackedRefs(fs, paths.repository, kept)
  return ['set a damaged packed-refs aside in quarantine/ and made it anew']
}

/** A branch that is ahead of the journal keeps its commits under another name. */
const saveLost = (session: Session): string[] => {
  const { fs, paths } = session.context
  const packed = readPackedRefs(fs, paths.repository)
  const ahead = [...refsOf(session.state)].filter(([name, oid]) => {
    const found = packed.get(name)
    return found !== undefined && found !== oid && session.repository.packs.has(found) && !isAncestor(session, found, oid)
  })
  if (ahead.length === 0) return []
  for (const [name, oid] of ahead) {
    packed.set(`refs/heads/lost/${(packed.get(name) ?? oid).slice(0, 12)}`, packed.get(name) ?? oid)
    packed.set(name, oid)
  }
  writePackedRefs(fs, paths.repository, packed)
  return [`kept ${ahead.length} commits that the journal does not know under lost/`]
}

/**
 * Finishes or removes what an interrupted process left, and makes refs, HEAD and CURRENT say what the journal says.
 * Running it again changes nothing.
 */
export const recover = (session: Session): string[] => {
  const { context } = session
  if (session.state.storeId === '') return []
  completeFolders(context)
  const actions = [
    ...endRunning(session),
    ...quarantineStaging(session),
    ...dropTemporary(session),
    ...mendRefs(session),
    ...saveLost(session),
  ]
  const projected = session.project()
  if (projected.length > 0) actions.push(`rewrote ${projected.join(', ')} from the journal`)
  if (actions.length === 0) return []
  session.commit({ type: 'note', event: { type: 'Recovered', data: { actions } } })
  for (const action of actions) context.log('warning', `recovered: ${action}`)
  return actions
}
