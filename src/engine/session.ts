import { join } from 'node:path'
import type { Command } from '../core/decide.ts'
import { decide } from '../core/decide.ts'
import type { Slice, StrataEvent } from '../core/events.ts'
import { encodePointer } from '../core/pointer.ts'
import { StrataError, fromSystem, hasCode, messageOf } from '../core/errors.ts'
import type { State } from '../core/state.ts'
import { pointerOf, refsOf } from '../core/state.ts'
import { isLockedByGit, makeDirectory, replaceFile } from '../storage/durable.ts'
import { readText } from '../storage/files.ts'
import type { JournalView } from '../storage/journal.ts'
import { textAfter } from '../storage/journal.ts'
import { flushNewest } from '../storage/journal-tail.ts'
import { JournalWriter, conflict } from '../storage/journal-writer.ts'
import type { Lock } from '../storage/lock.ts'
import { acquireLock } from '../storage/lock.ts'
import type { Refs } from '../storage/refs.ts'
import { encodePackedRefs, readHead, readPackedRefs, writeHead, writePackedRefs } from '../storage/refs.ts'
import { readShallow, writeShallow } from '../storage/shallow.ts'
import type { Transaction } from '../storage/repository.ts'
import { releasePacks } from '../storage/pack-write.ts'
import { Repository, createRepository, isCreated } from '../storage/repository.ts'
import { keepReserve } from '../storage/reserve.ts'
import { requireTrust } from '../storage/trust.ts'
import type { Context } from './context.ts'
import { refuseLostLine } from './lost-line.ts'
import { readView } from './read.ts'

/** The one writer of a store, from lock to release. Nothing is written before the first transaction or append. */
export class Session {
  readonly context: Context
  readonly repository: Repository
  readonly #journal: JournalWriter
  readonly #lock: Lock

  constructor(context: Context, lock: Lock, journal: JournalWriter, repository: Repository) {
    this.context = context
    this.repository = repository
    this.#lock = lock
    this.#journal = journal
  }

  get state(): State {
    return this.#journal.state
  }

  /** Decides and makes the result durable; then it has happened. */
  commit(...commands: readonly Command[]): readonly StrataEvent[] {
    return this.#journal.append(commands.flatMap((command) => decide(this.state, command)))
  }

  /** Takes the journal from every session before this one. Throws CONFLICT. */
  claim(): void {
    this.#journal.claim()
  }

  /** An error as what it is: one that another writer caused, by sweeping up what this one was making, is a CONFLICT. */
  explain(error: unknown): Error {
    const named = fromSystem(error)
    if (hasCode(named, 'CONFLICT') || !this.#journal.isOverruled) return named
    return conflict(0, named)
  }

  /** Opens a transaction, runs `fill`, makes the objects durable together with the journal's latest slice. */
  transact<T>(fill: (transaction: Transaction) => T): { result: T; slice: Slice } {
    const transaction = this.repository.begin()
    try {
      const result = fill(transaction)
      const slice = this.#slice(transaction)
      transaction.finish()
      return { result, slice }
    } catch (error) {
      transaction.abort()
      throw error
    }
  }

  /** Ends a transaction that was filled over some time. */
  seal<T>(transaction: Transaction, fill: (transaction: Transaction) => T): { result: T; slice: Slice } {
    const result = fill(transaction)
    const slice = this.#slice(transaction)
    transaction.finish()
    return { result, slice }
  }

  /** Which of refs, HEAD and CURRENT differ from what the journal says, and can be written now. */
  unprojected(): string[] {
    const { fs, paths } = this.context
    const isFree = (name: string): boolean => !isLockedByGit(fs, join(paths.repository, name))
    const cut = this.#isCutKnown() ? [] : ['shallow']
    const refs = this.#refs() !== undefined && isFree('packed-refs') ? ['refs'] : []
    const head = this.#head() !== undefined && isFree('HEAD') ? ['HEAD'] : []
    return [...cut, ...refs, ...head, ...(this.#current() === undefined ? [] : ['CURRENT'])]
  }

  /**
   * Writes what the journal says into refs, CURRENT and HEAD, as far as it differs. What CURRENT is going to name has a branch before it
   * does; HEAD comes last, because an application waits for CURRENT, and nobody for HEAD.
   */
  project(): string[] {
    const done: string[] = []
    if (this.#projectUntilCurrent(done))
      this.#unlessGitIsAtWork(() => {
        this.#projectHead(done)
      })
    return done
  }

  /** `project` up to CURRENT, for which an application waits; the caller owes the rest. */
  projectCurrent(): void {
    this.#projectUntilCurrent([])
  }

  get seconds(): number {
    return Math.floor(this.context.now().getTime() / 1000)
  }

  async close(): Promise<void> {
    try {
      this.#journal.close()
      this.repository.close()
      if (this.state.storeId !== '') keepReserve(this.context.fs, this.context.paths.reserve)
    } finally {
      // Whatever else fails: a process that goes on must not keep others out.
      await this.#lock.release()
    }
  }

  /** While git is at work in the repository, refs and HEAD wait for the next command; the journal and CURRENT do not. False then. */
  #unlessGitIsAtWork(write: () => void): boolean {
    try {
      write()
      return true
    } catch (error) {
      if (!hasCode(error, 'LOCKED')) throw error
      // They may be what a killed process has written and not flushed, and this session may have nothing to append.
      flushNewest(this.context.fs, this.context.paths.journal)
      this.context.log('warning', `${messageOf(error)}; the branches follow with the next command`)
      return false
    }
  }

  #projectRefs(done: string[]): void {
    const { fs, paths } = this.context
    // First: without the end of the history, what it no longer holds would be missing from it.
    if (!this.#isCutKnown()) {
      this.claim()
      writeShallow(fs, paths.repository, this.state.cut)
      done.push('shallow')
    }
    const refs = this.#refs()
    if (refs === undefined) return
    this.claim()
    writePackedRefs(fs, paths.repository, refs)
    done.push('refs')
  }

  /** False where HEAD has to wait as well. */
  #projectUntilCurrent(done: string[]): boolean {
    // Whoever has claimed the journal since writes them from what it reads there, this session's events included.
    if (this.#journal.isOverruled) return false
    const isDone = this.#unlessGitIsAtWork(() => {
      this.#projectRefs(done)
    })
    this.#writeCurrent(done)
    return isDone
  }

  #writeCurrent(done: string[]): void {
    const current = this.#current()
    if (current === undefined) return
    this.claim()
    replaceFile(this.context.fs, this.context.paths.current, Buffer.from(current))
    done.push('CURRENT')
  }

  #projectHead(done: string[]): void {
    const { fs, paths } = this.context
    const head = this.#head()
    if (head !== undefined) {
      this.claim()
      writeHead(fs, paths.repository, head)
      done.push('HEAD')
    }
    releasePacks(fs, paths.packs)
  }

  /** What each projection should be; undefined where that is what it is. */
  #refs(): Refs | undefined {
    const { fs, paths } = this.context
    const before = readPackedRefs(fs, paths.repository)
    const after = new Map([...before, ...refsOf(this.state)])
    for (const ref of this.state.dropped) after.delete(ref)
    return encodePackedRefs(before) === encodePackedRefs(after) ? undefined : after
  }

  #isCutKnown(): boolean {
    const { fs, paths } = this.context
    const known = readShallow(fs, paths.repository)
    return known.size === this.state.cut.length && this.state.cut.every((oid) => known.has(oid))
  }

  #head(): string | undefined {
    const { fs, paths } = this.context
    const head = `refs/heads/${this.state.active ?? 'none'}`
    return readHead(fs, paths.repository) === head ? undefined : head
  }

  #current(): string | undefined {
    const pointer = pointerOf(this.state)
    const text = pointer === undefined ? undefined : encodePointer(pointer)
    return readText(this.context.fs, this.context.paths.current) === text ? undefined : text
  }

  #slice(transaction: Transaction): Slice {
    const { fs, paths } = this.context
    const { text, upTo } = textAfter(fs, paths.journal, this.state.sliced)
    return { commit: transaction.addSlice(this.state.journal, text, upTo, this.seconds), upTo }
  }
}

const foldersOf = ({ root, paths }: Context): string[] => [root, paths.journal, paths.snapshots, paths.indexes, paths.staging]

/** Makes the folders of a store; safe to repeat, also after a kill. */
export const createFolders = (context: Context): void => {
  for (const dir of foldersOf(context)) makeDirectory(context.fs, dir)
  createRepository(context.fs, context.paths.repository)
}

/** A store that was begun has all its folders, durably: they come before its first event. Someone may have removed one since. */
export const completeFolders = (context: Context): void => {
  const { fs, paths } = context
  if (foldersOf(context).some((dir) => fs.lstat(dir) === undefined) || !isCreated(fs, paths.repository)) createFolders(context)
}

const requireExpected = ({ expected }: Context, view: JournalView | undefined): void => {
  const head = view?.prev ?? ''
  if (expected === undefined || expected === head) return
  throw new StrataError('STALE', 'the store has changed since it was looked at', {
    data: { expected, head },
    hint: 'Look again, then decide. Nothing was changed.',
  })
}

/** Takes the lock, unless it is `held` already, and reads the journal. The caller recovers, works and closes. Throws LOCKED, and STALE where `expected` is no more. */
export const openSession = async (context: Context, held?: Lock): Promise<Session> => {
  const { fs, root, paths, actor, now, id, waitMs } = context
  requireTrust(fs, paths, [])
  const lock = held ?? (await acquireLock(fs, root, { app: actor.app, pid: actor.pid, since: now().toISOString() }, waitMs))
  try {
    const view = readView(context)
    requireExpected(context, view)
    requireTrust(fs, paths, Object.keys(view?.state.snapshots ?? {}))
    const repository = new Repository(fs, paths.repository)
    refuseLostLine(context, repository, view)
    return new Session(
      context,
      lock,
      new JournalWriter({ fs, dir: paths.journal, actor, now: () => now().toISOString(), id }, view),
      repository,
    )
  } catch (error) {
    await lock.release()
    throw error
  }
}
