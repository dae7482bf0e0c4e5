import { join } from 'node:path'
import { messageOf } from '../core/errors.ts'
import { readPieces } from '../storage/journal.ts'
import { acquireLock } from '../storage/lock.ts'
import { Quarantine } from '../storage/quarantine.ts'
import { Repository } from '../storage/repository.ts'
import { checkpoint } from './checkpoint.ts'
import type { Context } from './context.ts'
import type { Examined } from './examine.ts'
import { examine } from './examine.ts'
import type { Objects } from './examine-repository.ts'
import { readingPool } from './examine-directory.ts'
import { examineObjects } from './examine-repository.ts'
import type { Work } from './heal.ts'
import { healDirectories, healObjects, healPacks, healSmall, recommit, tellFiles } from './heal.ts'
import { ORIGINAL_INDEX, rebuildOriginalIndex } from './original.ts'
import { recover } from './recover.ts'
import { applyJournalPlan, planJournal } from './repair-journal.ts'
import type { Session } from './session.ts'
import { openSession } from './session.ts'

/** What a repair did, or would do. `lost`: what no copy is left of. */
export type RepairReport = { readonly applied: boolean; readonly actions: readonly string[]; readonly lost: readonly string[] }

/** A look at a directory without an index makes one. */
const remakeIndexes = async (session: Session): Promise<void> => {
  const { fs, paths } = session.context
  const isGone = (id: string): boolean => fs.lstat(paths.index(id)) === undefined
  if (isGone(ORIGINAL_INDEX)) rebuildOriginalIndex(session)
  for (const id of Object.keys(session.state.snapshots))
    if (isGone(id) && fs.lstat(paths.snapshot(id)) !== undefined) await checkpoint(session, id, 'repaired')
}

const errorsIn = ({ found }: Examined): string[] =>
  found
    .filter(({ issue }) => issue.severity === 'error' && (issue.code === 'CORRUPT' || issue.code === 'JOURNAL_CORRUPT'))
    .map(({ issue }) => `${issue.file ?? ''}: ${issue.message}`)

const newWork = (context: Context, dryRun: boolean): Work => ({
  context,
  quarantine: new Quarantine(context.fs, context.paths.quarantine, `${context.now().getTime()}-repair`),
  actions: [],
  dryRun,
})

const readObjects = async (context: Context, repository: Repository): Promise<Objects> => {
  const { fs, paths } = context
  const packs = fs.lstat(paths.packs) === undefined ? [] : fs.readdir(paths.packs)
  const pool = readingPool(
    context,
    packs.reduce((sum, name) => sum + (fs.lstat(join(paths.packs, name))?.size ?? 0), 0),
  )
  try {
    return await examineObjects(context, repository, null, pool)
  } finally {
    await pool.close()
  }
}

/** What `repairStore` would do; reads only. */
export const planRepair = async (context: Context): Promise<RepairReport> => {
  const work = newWork(context, true)
  const repository = new Repository(context.fs, context.paths.repository)
  try {
    const objects = await readObjects(context, repository)
    const saved = await healPacks(work, objects.found)
    const journal = planJournal(context, repository, objects)
    work.actions.push(...journal.actions)
    const examined = await examine(context, repository, journal.state, { part: null, isJournalSound: journal.isSound, objects })
    const lost = healObjects(work, repository, { state: journal.state, lines: journal.lines, types: objects.types, saved })
    tellFiles(work, journal.state, repository, examined.found)
    healSmall(work, examined.found)
    return { applied: false, actions: work.actions, lost: [...journal.lost, ...lost.map((oid) => `object ${oid} of the repository`)] }
  } finally {
    repository.close()
  }
}

/**
 * Heals directories from the repository, the repository from directories, the journal from its copies, and everything else from
 * the journal. Damaged bytes are kept in quarantine/. Throws LOCKED, NO_STORE, JOURNAL_CORRUPT where nothing is left.
 */
export const repairStore = async (context: Context): Promise<RepairReport> => {
  const { fs, root, paths, actor, now, waitMs } = context
  const work = newWork(context, false)
  const lock = await acquireLock(fs, root, { app: actor.app, pid: actor.pid, since: now().toISOString() }, waitMs)
  let handedOver = false
  try {
    const repository = new Repository(fs, paths.repository)
    let objects = await readObjects(context, repository)
    if (objects.found.length > 0) {
      await healPacks(work, objects.found)
      repository.packs.refresh()
      objects = await readObjects(context, repository)
    }
    const journal = planJournal(context, repository, objects)
    work.actions.push(...journal.actions)
    applyJournalPlan(context, journal, work.quarantine)
    repository.close()
    handedOver = true
    return await repairWith(work, await openSession(context, lock), objects, journal.lost)
  } finally {
    if (!handedOver) await lock.release()
  }
}

const repairWith = async (work: Work, session: Session, objects: Objects, lostEvents: readonly string[]): Promise<RepairReport> => {
  const { context, actions } = work
  const { repository } = session
  try {
    const recovered = recover(session)
    const first = await examine(context, repository, session.state, { part: null, isJournalSound: true, objects })
    const lines = [...readPieces(context.fs, context.paths.journal)]
    const missing = healObjects(work, repository, {
      state: session.state,
      lines,
      types: objects.types,
      saved: new Map(),
    })
    await recommit(work, session)
    await healDirectories(work, session, first.found)
    healSmall(work, first.found)
    await remakeIndexes(session)
    session.project()
    const after = await examine(context, repository, session.state, { part: null, isJournalSound: true })
    const left = errorsIn(after).filter((text) => !missing.some((oid) => text.includes(oid)))
    const lost = [...lostEvents, ...missing.map((oid) => `object ${oid} of the repository`), ...left]
    const done = [...actions, ...recovered]
    if (done.length > 0) session.commit({ type: 'note', event: { type: 'Repaired', data: { actions: done, lost } } })
    for (const action of done) context.log('info', `repaired: ${action}`)
    return { applied: true, actions: done, lost }
  } catch (error) {
    context.log('error', `the repair stopped: ${messageOf(error)}`)
    throw error
  } finally {
    await session.close()
  }
}
