import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { customAlphabet } from 'nanoid'
import type { Dataset } from '../core/dataset.ts'
import { StrataError } from '../core/errors.ts'
import type { Actor } from '../core/events.ts'
import type { Code } from './code.ts'
import { codeOf } from './code.ts'
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
  /** What identifies the dataset's code: results of other code are never used. */
  readonly code: () => Code
  /** Where workers load the dataset from; null: everything runs on the calling thread. */
  readonly module: string | null
  readonly fs: FsPort
  readonly now: () => Date
  readonly id: () => string
  readonly actor: Actor
  readonly log: (level: LogEntry['level'], message: string, where?: { step?: string; file?: string }) => void
  readonly waitMs: number
  readonly workers: number | undefined
  /** The calling thread has nothing else to do. */
  readonly mayBlock: boolean
  /** The head of the journal that the caller has seen: a session that finds another is refused. */
  readonly expected?: string
}

export type ContextOptions = {
  store: string
  dataset: Dataset
  module?: string | null
  /** Stands for the identity of the dataset's code where it has no module. */
  code?: string
  app?: string
  appVersion?: string
  log?: Logger
  waitMs?: number
  fs?: FsPort
  now?: () => Date
  workers?: number
  /** The calling thread has nothing else to do (no window, no server): it works, too, some 50 ms at a time, in the place of one worker. */
  mayBlock?: boolean
}

/** Lower-case letters and digits: names of folders and branches must survive file systems that fold case. */
const newId = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 8)

const NO_MODULE: Code = { hash: null, why: 'the dataset was not loaded from a module' }
const codeFor = ({ code, module }: ContextOptions): Code => {
  if (code !== undefined) return { hash: code, why: '' }
  return module === undefined || module === null ? NO_MODULE : codeOf(module)
}

/** Worked out when it is first wanted: most commands do without. */
const once = <T>(make: () => T): (() => T) => {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}

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
    code: once(() => codeFor(options)),
    fs: options.fs ?? nodeFsPort,
    now,
    id: newId,
    actor: { app: options.app ?? options.dataset.name, appVersion: options.appVersion ?? '', host: hostname(), pid: process.pid },
    log: (level, message, where = {}) => {
      log({ time: now().toISOString(), level, step: where.step ?? null, file: where.file ?? null, message })
    },
    waitMs: options.waitMs ?? 0,
    workers: options.workers,
    mayBlock: options.mayBlock ?? false,
  }
}
