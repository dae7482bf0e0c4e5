import { join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import { lastSeq } from '../core/events.ts'
import type { State } from '../core/state.ts'
import { evolveLine, initialState } from '../core/state.ts'
import { acknowledge, acknowledgedSeq, claimEpoch, dropEpochsBelow, epochsOf } from '../storage/epochs.ts'
import { makeDirectory, replaceFile } from '../storage/durable.ts'
import { segmentName } from '../storage/journal.ts'
import type { Piece, Salvaged } from '../storage/journal-salvage.ts'
import { rewriteSegment, rewritesOf, salvage, segmentCount } from '../storage/journal-salvage.ts'
import type { Quarantine } from '../storage/quarantine.ts'
import type { Repository } from '../storage/repository.ts'
import type { Context } from './context.ts'
import type { Objects } from './examine-repository.ts'
import { allCommits, journalCopies } from './journal-copies.ts'
import { seqOfRefs } from './lost-line.ts'
import { intactPointer } from './read.ts'
import { retell } from './rebuild-journal.ts'
import type { Retold } from './rebuild-journal.ts'

/** How a journal becomes whole again. `retold` is null where every line that counted is there or has a copy. */
export type JournalPlan = {
  readonly isSound: boolean
  readonly salvaged: Salvaged
  readonly copies: readonly Piece[]
  readonly retold: Retold | null
  readonly epoch: number
  readonly state: State
  readonly lines: readonly Piece[]
  readonly actions: readonly string[]
  readonly lost: readonly string[]
}

const plural = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`

const tellRetold = (retold: Retold): string =>
  `write ${plural(retold.events, 'event')} after the last whole line again, from what follows them, the commits and CURRENT`

/** Works out what the journal should be. Reads only. Throws JOURNAL_CORRUPT where nothing is left to rebuild it from. */
export const planJournal = (context: Context, repository: Repository, objects: Objects): JournalPlan => {
  const { fs, paths } = context
  const listed = [...objects.types].flatMap(([oid, type]) => (type === 'commit' ? [oid] : []))
  const commits = allCommits(context, repository, listed)
  const copies = journalCopies(repository, commits.values())
  const salvaged = salvage(fs, paths.journal, copies)
  const pointer = intactPointer(context)
  const state = salvaged.kept.reduce((s, { line }) => evolveLine(s, line), initialState)
  const seen = Math.max(pointer?.seq ?? 0, acknowledgedSeq(fs, paths.journal), seqOfRefs(context, repository).seq)
  const epochs = [...salvaged.kept, ...salvaged.later.flat()].map(({ line }) => line.epoch)
  const epoch = Math.max(0, ...epochs, ...epochsOf(fs, paths.journal)) + 1
  const isWhole = salvaged.later.length === 0 && state.seq >= seen && salvaged.kept.length > 0
  if (isWhole) {
    const actions = salvaged.isSound
      ? []
      : rewritesOf(salvaged).map(({ name, text }) =>
          text === null ? `set journal/${name} aside` : `write journal/${name} again from its copy in the repository`,
        )
    return { isSound: actions.length === 0, salvaged, copies, retold: null, epoch, state, lines: salvaged.kept, actions, lost: [] }
  }
  if (commits.size === 0 && salvaged.kept.length === 0 && pointer === undefined && salvaged.later.length === 0)
    throw new StrataError('NO_STORE', `there is no store at ${context.root}`, {
      data: { root: context.root },
      hint: 'Create one with: strata init --from DIR',
    })
  const retold = retell(context, repository, { salvaged, commits, pointer, seen }, epoch)
  const lines = [...salvaged.kept, ...retold.lines]
  const lost = retold.lost === 0 ? [] : [`${plural(retold.lost, 'event')} of the journal`]
  return { isSound: false, salvaged, copies, retold, epoch, state: retold.state, lines, actions: [tellRetold(retold)], lost }
}

/**
 * Makes the journal what the plan says. Its old bytes are kept first; then the new lines are there in one step, as a segment of a
 * higher epoch, and a store can be opened again; then damaged segments are put right one by one. Each step may be the last.
 */
export const applyJournalPlan = (context: Context, plan: JournalPlan, quarantine: Quarantine): void => {
  if (plan.isSound) return
  const { fs, paths } = context
  makeDirectory(fs, paths.journal)
  for (const name of fs.readdir(paths.journal)) quarantine.copy(join(paths.journal, name), join('journal', name))
  const { retold } = plan
  if (retold !== null) {
    const numbers = plan.salvaged.segments.map(({ name }) => Number(name.slice(0, 8)))
    const text = retold.lines.map((l) => `${l.text}\n`).join('')
    const { epoch, fd } = claimEpoch(fs, paths.journal, plan.epoch - 1)
    try {
      if (epoch !== plan.epoch)
        throw new StrataError('CONFLICT', 'another process writes to this store', { hint: 'Run the command again.' })
      replaceFile(fs, join(paths.journal, segmentName(Math.max(segmentCount(plan.salvaged.kept), ...numbers) + 1)), Buffer.from(text))
      const [last] = retold.lines.slice(-1)
      if (last !== undefined) acknowledge(fs, fd, epoch, lastSeq(last.line))
    } finally {
      fs.close(fd)
    }
    dropEpochsBelow(fs, paths.journal, epoch)
  }
  for (const rewrite of rewritesOf(salvage(fs, paths.journal, plan.copies))) rewriteSegment(fs, paths.journal, rewrite)
}
