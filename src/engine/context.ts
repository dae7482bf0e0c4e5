import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { customAlphabet } from 'nanoid'
import type { Dataset } from '../core/dataset.ts'
import { StrataError } from '../core/errors.ts'
import type { Actor } from '../core/events.ts'
import type { FsPort } from '../storage/fs.ts'
import { nodeFsPort } from '../storage/fs.ts'
import type { Layout } from '../storage/layout.ts'
import { layout } from '../storage/layout.ts'

export type LogEntry = {
  readonly time: string
  readonly level: 'info' | 'warning' | 'error'
  readonly step: string | null
  readonly file: string | null
  readonly message: string
}
export type Logger = (entry: LogEntry) => void

/** Everything an engine function needs from outside; nothing else is global. */
export type Context = {
  readonly root: string
  readonly paths: Layout
  readonly dataset: Dataset
  /** Where workers load the dataset from; null: everything runs on the calling thread. */
  readonly module: string | null
  readonly fs: FsPort
  readonly now: () => Date
  readonly id: () => string
  readonly actor: Actor
  readonly log: (level: LogEntry['level'], message: string, where?: { step?: string; file?: string }) => void
  readonly waitMs: number
  readonly workers: number | undefined
  /** The head of the journal that the caller has seen: a session that finds another is refused. */
  readonly expected?: string
}

export type ContextOptions = {
  store: string
  dataset: Dataset
  module?: string | null
  app?: string
  appVersion?: string
  log?: Logger
  waitMs?: number
  fs?: FsPort
  now?: () => Date
  workers?: number
}

/** Lower-case letters and digits: names of folders and branches must survive file systems that fold case. */
const newId = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 8)

export const createContext = (options: ContextOptions): Context => {
  if (options.store === '')
    throw new StrataError('BAD_ARGUMENT', 'the store has no directory', { hint: 'Name one: store: "/path/to/store"' })
  const root = resolve(options.store)
  const now = options.now ?? (() => new Date())
  const log = options.log ?? (() => undefined)
  return {
    root,
    paths: layout(root),
    dataset: options.dataset,
    module: options.module ?? null,
    fs: options.fs ?? nodeFsPort,
    now,
    id: newId,
    actor: { app: options.app ?? options.dataset.name, appVersion: options.appVersion ?? '', host: hostname(), pid: process.pid },
    log: (level, message, where = {}) => {
      log({ time: now().toISOString(), level, step: where.step ?? null, file: where.file ?? null, message })
    },
    waitMs: options.waitMs ?? 0,
    workers: options.workers,
  }
}
