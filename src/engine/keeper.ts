import type { Context } from './context.ts'
import type { Forgotten } from './forget.ts'
import { forget, previewForget } from './forget.ts'
import type { Collected } from './gc.ts'
import { collectGarbage, previewGc } from './gc.ts'
import type { PinnedSnapshot, PruneOptions, Pruned } from './prune.ts'
import { pin, previewPrune, prune, unpin } from './prune.ts'
import type { JobOptions } from './job-spec.ts'
import { Reader, guarded } from './reader.ts'
import type { RestoredLive } from './restore-live.ts'
import { restoreLive } from './restore-live.ts'
import type { Restored } from './restore.ts'
import { restoreTo } from './restore.ts'
import type { Session } from './session.ts'

/** What keeps a store in order: getting files back out of it, and keeping it small. */
export abstract class Keeper extends Reader {
  readonly #context: Context

  constructor(context: Context) {
    super(context)
    this.#context = context
  }

  /** Runs `work` as the store's one writer. */
  protected abstract inSession<T>(work: (session: Session, job: JobOptions) => Promise<T>): Promise<T>

  /**
   * Writes a file, a folder or a whole snapshot, as committed, into the directory `to`, outside of the store. `name` is a snapshot or
   * the id of a checkpoint, `NAME:PATH`, or a job's `backupPath`. Throws ABSENT, NO_SPACE, CORRUPT, and EXISTS for files that are in
   * the way and differ, unless `replace`: then they are moved aside, and kept.
   *
   *     await app.restore('1.0.0:data', { to: '/tmp/old' })
   */
  restore(name: string, { to, replace = false }: { to: string; replace?: boolean }): Promise<Restored> {
    return guarded(() => restoreTo(this.#context, name, to, replace))
  }

  /** What is kept of directories and history, and what goes, with the reasons; with `dryRun` nothing is done. Throws BAD_ARGUMENT. */
  prune(options: PruneOptions = {}): Promise<Pruned> {
    if (options.dryRun === true) return guarded(() => Promise.resolve(previewPrune(this.#context, options)))
    return this.inSession((session) => prune(session, options))
  }

  /** Makes the space of what nothing leads to free; with `dryRun` only says how much. Throws NO_SPACE, CORRUPT. */
  gc({ dryRun = false }: { dryRun?: boolean } = {}): Promise<Collected> {
    if (dryRun) return guarded(() => Promise.resolve(previewGc(this.#context)))
    return this.inSession((session) => Promise.resolve(collectGarbage(session)))
  }

  /**
   * Removes a file, or a folder with all in it, from every snapshot and every commit: what should never have been captured. With
   * `dryRun` it only says what would be rewritten, and where else it is. Throws ABSENT, BAD_ARGUMENT, LOCKED, NO_SPACE.
   *
   *     await app.forget('data/secret.txt', { dryRun: true })
   */
  forget(path: string, { dryRun = false }: { dryRun?: boolean } = {}): Promise<Forgotten> {
    if (dryRun) return guarded(() => Promise.resolve(previewForget(this.#context, path)))
    return this.inSession((session) => forget(session, path))
  }

  /** Keeps a snapshot and its directory, whatever `prune` is told. Throws ABSENT, AMBIGUOUS. */
  pin(name: string, note = ''): Promise<PinnedSnapshot> {
    return this.inSession((session) => Promise.resolve(pin(session, name, note)))
  }

  /** Throws ABSENT when it is not pinned. */
  unpin(name: string): Promise<{ readonly snapshot: string }> {
    return this.inSession((session) => Promise.resolve(unpin(session, name)))
  }

  /**
   * The same into the active data, as a job: what was written is committed first, and a rollback goes back. A file of another schema
   * version is taken through the steps between. Throws ABSENT, BAD_ARGUMENT, UNSTABLE, and what a migration throws.
   */
  restoreLive(name: string): Promise<RestoredLive> {
    return this.inSession((session, job) => restoreLive(session, name, job))
  }
}
