import { StrataError, hasCode } from '../core/errors.ts'
import type { Pointer } from '../core/pointer.ts'
import { decodePointer } from '../core/pointer.ts'
import type { State } from '../core/state.ts'
import { pointerOf } from '../core/state.ts'
import { readText } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import type { JournalView } from '../storage/journal.ts'
import { readJournal } from '../storage/journal.ts'
import type { Layout } from '../storage/layout.ts'
import { refuseLink } from '../storage/trust.ts'

type Where = { readonly root: string; readonly paths: Layout; readonly fs: FsPort }

const noStore = (root: string): StrataError =>
  new StrataError('NO_STORE', `there is no store at ${root}`, { data: { root }, hint: 'Create one with: strata init --from DIR' })

/** CURRENT as it stands; undefined when there is none. Throws CORRUPT or NEWER_FORMAT. */
export const readPointer = ({ fs, paths }: Where): Pointer | undefined => {
  const text = readText(fs, paths.current)
  return text === undefined ? undefined : decodePointer(text)
}

/** undefined for a damaged pointer: the journal says the same. Throws NEWER_FORMAT. */
const intact = (text: string): Pointer | undefined => {
  try {
    return decodePointer(text)
  } catch (error) {
    if (hasCode(error, 'CORRUPT')) return undefined
    throw error
  }
}

/** CURRENT, or undefined where it is missing or damaged. Throws NEWER_FORMAT. */
export const intactPointer = ({ fs, paths }: Where): Pointer | undefined => {
  const text = readText(fs, paths.current)
  return text === undefined ? undefined : intact(text)
}

/** How far the journal must reach; 0 where CURRENT is missing or damaged: the journal is the truth, CURRENT a copy. */
const seqOfPointer = (where: Where): number => intactPointer(where)?.seq ?? 0

/** The journal's newest state, checked against CURRENT; undefined when there is no store. Writes nothing, takes no lock. */
export const readView = (where: Where): JournalView | undefined => readJournal(where.fs, where.paths.journal, seqOfPointer(where))

/** What CURRENT says, or what it should say where it is missing or damaged. Throws NO_STORE, NEWER_FORMAT. */
export const currentPointer = (where: Where): Pointer => {
  const found = intactPointer(where) ?? pointerOf(readState(where))
  if (found === undefined) throw noStore(where.root)
  refuseLink(where.fs, where.root, where.paths.snapshot(found.snapshot))
  return found
}

/** The state of a store that has data. Throws NO_STORE. */
export const readState = (where: Where): State => {
  const view = readView(where)
  if (view?.state.active === undefined || view.state.active === null) throw noStore(where.root)
  return view.state
}

/** Whether there is a store with a snapshot in it. */
export const hasData = (where: Where): boolean => typeof readView(where)?.state.active === 'string'
