import { StrataError } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { FsPort } from '../storage/fs.ts'
import type { JournalView } from '../storage/journal.ts'
import type { Layout } from '../storage/layout.ts'
import { readLooseRefs, salvageRefs } from '../storage/refs.ts'
import type { Repository } from '../storage/repository.ts'

const SEQ = /^Strata-Seq: (\d+)$/m

type Where = { readonly fs: FsPort; readonly paths: Layout }

/** The highest seq that a branch's commit names: the journal had it, for a branch is written after the line that it rests on. */
export const seqOfRefs = ({ fs, paths }: Where, repository: Repository): { seq: number; ref: string } => {
  let best = { seq: 0, ref: '' }
  for (const [ref, oid] of new Map([...salvageRefs(fs, paths.repository), ...readLooseRefs(fs, paths.repository)])) {
    if (ref.startsWith('refs/heads/lost/')) continue
    const seq = seqOf(repository, oid)
    if (seq > best.seq) best = { seq, ref }
  }
  return best
}

const seqOf = (repository: Repository, oid: Oid): number => {
  try {
    return repository.packs.has(oid) ? Number(SEQ.exec(repository.commit(oid).message)?.[1] ?? 0) : 0
  } catch {
    // It is no commit of ours, or cannot be read: it says nothing of the journal.
    return 0
  }
}

/**
 * A bad last line of the journal is a torn write only while nothing else has seen its events. Throws JOURNAL_CORRUPT when a
 * branch's commit names a later event than the journal has.
 */
export const refuseLostLine = (where: Where, repository: Repository, view: JournalView | undefined): void => {
  if (view?.torn !== true) return
  const { seq, ref } = seqOfRefs(where, repository)
  if (seq <= view.state.seq) return
  throw new StrataError(
    'JOURNAL_CORRUPT',
    `the journal ends at event ${view.state.seq}, but ${ref} rests on event ${seq}: its last line is damaged`,
    { data: { file: 'journal', seq, ref }, hint: 'Nothing is written to the store any more. See what can be healed: strata repair' },
  )
}
