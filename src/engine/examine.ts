import { messageOf } from '../core/errors.ts'
import { issueOf } from '../core/issues.ts'
import { encodePointer } from '../core/pointer.ts'
import type { State } from '../core/state.ts'
import { pointerOf, refsOf } from '../core/state.ts'
import { epochsOf, notesOf } from '../storage/epochs.ts'
import { readText } from '../storage/files.ts'
import { readLines } from '../storage/journal.ts'
import { salvage } from '../storage/journal-salvage.ts'
import { readHead, readLooseRefs, readPackedRefs } from '../storage/refs.ts'
import type { Repository } from '../storage/repository.ts'
import { RESERVE_BYTES } from '../storage/reserve.ts'
import { isWholeIndex } from '../storage/index-file.ts'
import type { Context } from './context.ts'
import { examineDirectories, readingPool } from './examine-directory.ts'
import { ORIGINAL_INDEX } from './original.ts'
import type { Objects } from './examine-repository.ts'
import { examineFixed, examineHistory, examineObjects } from './examine-repository.ts'
import type { Found, Part } from './found.ts'
import { damaged, stale, told } from './found.ts'
import { refuseLostLine } from './lost-line.ts'
import { damagedLogs } from './memo.ts'
import { readView } from './read.ts'

/** Everything that is wrong with a store, and what heals it. Reads only. */

const examineJournal = (context: Context, repository: Repository, state: State): Found[] => {
  const { fs, paths } = context
  let highest = 0
  try {
    for (const { epoch } of readLines(fs, paths.journal)) highest = Math.max(highest, epoch)
    refuseLostLine(context, repository, readView(context))
  } catch (error) {
    return [told(issueOf(error))]
  }
  const segments = salvage(fs, paths.journal, [])
    .segments.filter((s) => !s.isSound)
    .map(({ name }) => damaged(`journal/${name}`, 'has bytes that no append of Strata leaves', null))
  return [...segments, ...examineEpochs(context, state, highest)]
}

const PROJECTIONS = { kind: 'projections' } as const

const examineProjections = ({ fs, paths }: Context, state: State): Found[] => {
  const found: Found[] = []
  const wrong = (file: string, message: string): void => void found.push(damaged(file, message, PROJECTIONS))
  const pointer = pointerOf(state)
  if (pointer !== undefined && readText(fs, paths.current) !== encodePointer(pointer)) wrong('CURRENT', 'is not what the journal says')
  try {
    const packed = readPackedRefs(fs, paths.repository)
    const loose = readLooseRefs(fs, paths.repository)
    for (const [name, oid] of refsOf(state)) {
      const now = loose.get(name) ?? packed.get(name)
      if (now !== oid) wrong('repo.git/packed-refs', `${name} is ${now ?? 'missing'}; the journal says ${oid}`)
    }
  } catch (error) {
    wrong('repo.git/packed-refs', messageOf(error))
  }
  if (readHead(fs, paths.repository) !== `refs/heads/${state.active ?? 'none'}`) wrong('repo.git/HEAD', 'does not name the active snapshot')
  return found
}

/** `highest` is the epoch of the journal's newest lines. */
const examineEpochs = ({ fs, paths }: Context, state: State, highest: number): Found[] => {
  const epochs = epochsOf(fs, paths.journal)
  const cache = (epoch: number, message: string): Found =>
    stale(`journal/epoch-${epoch}`, message, { kind: 'cache', path: `journal/epoch-${epoch}` })
  if (highest > Math.max(0, ...epochs)) return [cache(highest, 'is missing')]
  return epochs.flatMap((epoch) => {
    const notes = notesOf(fs, paths.journal, epoch)
    if (notes.damaged) return [cache(epoch, 'has a line that no session wrote')]
    return epoch === highest && notes.seq < state.seq ? [cache(epoch, `notes events up to ${notes.seq} of ${state.seq}`)] : []
  })
}

const examineCaches = (context: Context, state: State): Found[] => {
  const { fs, paths } = context
  const wanted = Object.keys(state.snapshots).filter((id) => fs.lstat(paths.snapshot(id)) !== undefined)
  const original = state.original !== null && fs.lstat(state.original.path) !== undefined ? [ORIGINAL_INDEX] : []
  const names = new Set([...(fs.lstat(paths.indexes) === undefined ? [] : fs.readdir(paths.indexes)), ...wanted, ...original])
  const found = [...names].flatMap((name) => {
    const path = `index/${name}`
    if (fs.lstat(paths.index(name)) === undefined) return [stale(path, 'is missing', { kind: 'cache', path })]
    return isWholeIndex(fs, paths.index(name)) ? [] : [stale(path, 'is not what was written', { kind: 'cache', path })]
  })
  for (const name of damagedLogs(context))
    found.push(stale(`memo/${name}`, 'is not what was written', { kind: 'cache', path: `memo/${name}` }))
  const reserve = (fs.lstat(paths.reserve)?.size ?? 0) < RESERVE_BYTES
  if (reserve) found.push(stale('reserve', 'the room for a rollback on a full disk is not there', { kind: 'cache', path: 'reserve' }))
  return found
}

export type Examined = { readonly found: Found[]; readonly objects: Objects; readonly filesChecked: number }

/** Every object and every file. */
const readAll = async (
  context: Context,
  repository: Repository,
  state: State,
  { part, objects }: { readonly part: Part | null; readonly objects?: Objects },
) => {
  const bytes = Object.values(state.snapshots).reduce((sum, s) => sum + s.bytes, 0)
  const pool = readingPool(context, part === null ? bytes : bytes / part.of)
  try {
    const read = objects ?? (await examineObjects(context, repository, part, pool))
    return { objects: read, directories: await examineDirectories(context, repository, state, part, pool) }
  } finally {
    await pool.close()
  }
}

/** Compares a store with what `state` says of it. `isJournalSound`: `state` is what its journal says. `objects`: they have been read. */
export const examine = async (
  context: Context,
  repository: Repository,
  state: State,
  options: { readonly part: Part | null; readonly isJournalSound: boolean; readonly objects?: Objects },
): Promise<Examined> => {
  const { part, isJournalSound } = options
  const { objects, directories } = await readAll(context, repository, state, options)
  const found = [
    ...(isJournalSound ? examineJournal(context, repository, state) : []),
    ...examineProjections(context, state),
    ...examineFixed(context),
    ...objects.found,
    ...examineHistory(repository, state, objects, part),
    ...directories.found,
    ...examineCaches(context, state),
    ...state.originalFindings.map(told),
  ]
  return { found, objects, filesChecked: directories.files + objects.types.size }
}
