import { StrataError } from '../core/errors.ts'
import type { FsPort } from '../storage/fs.ts'
import type { JournalView } from '../storage/journal.ts'
import type { Layout } from '../storage/layout.ts'
import { readLooseRefs, salvageRefs } from '../storage/refs.ts'
import type { Repository } from '../storage/repository.ts'

const SEQ = /^Strata-Seq: (\d+)$/m

/**
 * A bad last line of the journal is a torn write only while nothing else has seen its events: a ref is written after the line
 * that it rests on. Throws JOURNAL_CORRUPT when a branch's commit names a later event than the journal has.
 */
export const refuseLostLine = (
  where: { readonly fs: FsPort; readonly paths: Layout },
  repository: Repository,
  view: JournalView | undefined,
): void => {
  if (view?.torn !== true) return
  const { fs, paths } = where
  for (const [name, oid] of new Map([...salvageRefs(fs, paths.repository), ...readLooseRefs(fs, paths.repository)])) {
    const seq = repository.packs.has(oid) ? Number(SEQ.exec(repository.commit(oid).message)?.[1] ?? 0) : 0
    if (seq > view.state.seq)
      throw new StrataError(
        'JOURNAL_CORRUPT',
        `the journal ends at event ${view.state.seq}, but ${name} rests on event ${seq}: its last line is damaged`,
        {
          data: { file: 'journal', seq, ref: name },
          hint: 'Nothing is written to the store any more. CURRENT still names the active directory, and every snapshot is in the repository.',
        },
      )
  }
}
