import { StrataError } from '../core/errors.ts'
import type { Pointer } from '../core/pointer.ts'
import { decodePointer } from '../core/pointer.ts'
import type { State } from '../core/state.ts'
import { readText } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import type { JournalView } from '../storage/journal.ts'
import { readJournal } from '../storage/journal.ts'
import type { Layout } from '../storage/layout.ts'

type Where = { readonly root: string; readonly paths: Layout; readonly fs: FsPort }

export const noStore = (root: string): StrataError =>
  new StrataError('NO_STORE', `there is no store at ${root}`, { data: { root }, hint: 'Create one with: strata init --from DIR' })

/** CURRENT as it stands; undefined when there is none. Throws CORRUPT or NEWER_FORMAT. */
export const readPointer = ({ fs, paths }: Where): Pointer | undefined => {
  const text = readText(fs, paths.current)
  return text === undefined ? undefined : decodePointer(text)
}

/** The journal's newest state, checked against CURRENT; undefined when there is no store. Writes nothing, takes no lock. */
export const readView = (where: Where): JournalView | undefined => readJournal(where.fs, where.paths.journal, readPointer(where)?.seq ?? 0)

/** The state of a store that has data. Throws NO_STORE. */
export const readState = (where: Where): State => {
  const view = readView(where)
  if (view?.state.active === undefined || view.state.active === null) throw noStore(where.root)
  return view.state
}

/** Whether there is a store with a snapshot in it. */
export const hasData = (where: Where): boolean => typeof readView(where)?.state.active === 'string'
