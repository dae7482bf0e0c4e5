import { createHash } from 'node:crypto'
import type { AnyCtx, AnyMigration, Signal } from './chain.ts'
import { StrataError } from './errors.ts'
import type { Kinds } from './schema.ts'

/** What a step's functions are given besides their input. Everything here is a function of step, path and input. */

/** Why a step should give up: the job was cancelled, or the file's time is over. */
export type Ending = 'CANCELLED' | 'MIGRATION_TIMEOUT'

/** What a step is working at: the file, the record in it (null: what is around the records), and that very value. */
export type At = { readonly file: string; readonly record: number | null; readonly unit: unknown }

/** A document and its records, as what a step's function is given: however many there are, they are looked at one by one. */
export class Listed {
  readonly head: unknown
  readonly records: Iterable<unknown>
  constructor(head: unknown, records: Iterable<unknown>) {
    this.head = head
    this.records = records
  }
}

export type CtxParts = {
  readonly m: AnyMigration
  readonly direction: string
  readonly kinds: Kinds
  readonly at: () => At
  readonly find: (kind: string, path?: string) => unknown
  readonly paths: (kind: string) => readonly string[]
  readonly warn: AnyCtx['warn']
  readonly aborted: () => Ending | null
}

const uuidFrom = (hex: string): string => {
  const variant = ((Number.parseInt(hex.slice(16, 18), 16) & 0x3f) | 0x80).toString(16)
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(18, 20)}`, hex.slice(20, 32)].join('-')
}

const seedOf = (place: readonly unknown[], unit: unknown): string => {
  if (!(unit instanceof Listed)) return JSON.stringify([...place, unit])
  const hash = createHash('sha256').update(JSON.stringify([unit.head]))
  for (const record of unit.records) hash.update(JSON.stringify([record]))
  return JSON.stringify([...place, hash.digest('hex')])
}

/** Ids of version 8 (RFC 9562): the SHA-256 of step, path, place, input and how many were given out for that input before. */
const idsOf = ({ m, direction, at }: CtxParts): (() => string) => {
  let here: { unit: unknown; record: number | null; seed: string; calls: number } | undefined
  return () => {
    const { file, record, unit } = at()
    if (here === undefined || here.unit !== unit || here.record !== record)
      here = { unit, record, seed: seedOf([m.to.version, direction, file, record], unit), calls: 0 }
    here.calls += 1
    return uuidFrom(createHash('sha256').update(`${here.calls} ${here.seed}`).digest('hex'))
  }
}

const SAID: Readonly<Record<Ending, string>> = {
  CANCELLED: 'CANCELLED: stopped on request; the active snapshot is as it was',
  MIGRATION_TIMEOUT: 'the step gave up: the time for this file is over',
}

const signalOf = (aborted: CtxParts['aborted']): Signal => ({
  get aborted() {
    return aborted() !== null
  },
  throwIfAborted: () => {
    const why = aborted()
    if (why !== null) throw new StrataError(why, SAID[why], { hint: 'Nothing was switched. Start again at any time.' })
  },
})

export const createCtx = (parts: CtxParts): AnyCtx => ({
  path: parts.at().file,
  find: parts.find,
  paths: parts.paths,
  read: (kind, path) => {
    const found = parts.find(kind, path)
    if (found === undefined) throw new StrataError('ABSENT', `the dataset has no ${path ?? parts.kinds[kind]?.path ?? kind}`)
    return found
  },
  warn: parts.warn,
  id: idsOf(parts),
  now: () => Date.parse(parts.m.createdAt),
  signal: signalOf(parts.aborted),
})
