import { resolve } from 'node:path'
import { StrataError, hasCode } from '../core/errors.ts'
import type { Pointer } from '../core/pointer.ts'
import { decodePointer } from '../core/pointer.ts'
import type { State } from '../core/state.ts'
import { pointerOf } from '../core/state.ts'
import { readText } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import { nodeFsPort } from '../storage/fs.ts'
import { flushNewest, lastPointerSeq } from '../storage/journal-tail.ts'
import type { JournalView } from '../storage/journal.ts'
import { readJournal } from '../storage/journal.ts'
import type { Layout } from '../storage/layout.ts'
import { layout } from '../storage/layout.ts'
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

/** What the journal says that CURRENT should; undefined where it cannot be read, or what it says is not on the disk yet. */
const toldPointer = (where: Where): Pointer | undefined => {
  try {
    const told = pointerOf(readState(where))
    // Of a process that was killed the line may be in the cache alone: nobody may rest on it before it is flushed.
    return told !== undefined && flushNewest(where.fs, where.paths.journal) ? told : undefined
  } catch (error) {
    if (hasCode(error, 'NEWER_FORMAT', 'NO_STORE')) throw error
    return undefined
  }
}

/**
 * What CURRENT says, if the journal's newest switch is the one it names; else what it should say (a process was killed between the
 * two, or CURRENT is missing or damaged). Where the journal is damaged, CURRENT stands. Throws NO_STORE, NEWER_FORMAT.
 */
export const currentPointer = (where: Where): Pointer => {
  const current = intactPointer(where)
  const agrees = current !== undefined && lastPointerSeq(where.fs, where.paths.journal) === current.seq
  const found = agrees ? current : (toldPointer(where) ?? current)
  if (found === undefined) throw noStore(where.root)
  refuseLink(where.fs, where.root, where.paths.snapshot(found.snapshot))
  return found
}

/** Where an application finds its data. */
export type OpenedStore = {
  /** Absolute path of the active directory. */
  readonly directory: string
  readonly snapshot: string
  readonly schemaVersion: string
  /** The schema versions whose applications can read and write it. */
  readonly readableBy: readonly string[]
  readonly hold: Pointer['hold']
}

/**
 * The active directory of a store, from CURRENT, checked against the journal: within milliseconds, whatever the store's size. Takes
 * no lock, loads no migration, writes nothing. Throws NO_STORE, NEWER_FORMAT, UNTRUSTED.
 *
 *     const { directory, readableBy } = openStore('/data/store')
 */
export const openStore = (store: string): OpenedStore => {
  const root = resolve(store)
  const where = { root, paths: layout(root), fs: nodeFsPort }
  const { snapshot, schemaVersion, readableBy, hold } = currentPointer(where)
  return { directory: where.paths.snapshot(snapshot), snapshot, schemaVersion, readableBy, hold }
}

/** The state of a store that has data. Throws NO_STORE. */
export const readState = (where: Where): State => {
  const view = readView(where)
  if (view?.state.active === undefined || view.state.active === null) throw noStore(where.root)
  return view.state
}

/** Whether there is a store with a snapshot in it. */
export const hasData = (where: Where): boolean => typeof readView(where)?.state.active === 'string'
