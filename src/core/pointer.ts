import { StrataError } from './errors.ts'

/** Why automatic migration is off since a rollback. */
export type Hold = { readonly since: string; readonly reason: string }

/** CURRENT: what an application opens at start, in any language. A frozen format; `directory` is relative to the store, with `/`. */
export type Pointer = {
  readonly format: 1
  readonly storeId: string
  readonly seq: number
  readonly snapshot: string
  readonly directory: string
  readonly schemaVersion: string
  readonly readableBy: readonly string[]
  readonly hold: Hold | null
}

export const encodePointer = (p: Pointer): string =>
  `${JSON.stringify({
    format: p.format,
    storeId: p.storeId,
    seq: p.seq,
    snapshot: p.snapshot,
    directory: p.directory,
    schemaVersion: p.schemaVersion,
    readableBy: p.readableBy,
    hold: p.hold,
  })}\n`

const isText = (value: unknown): value is string => typeof value === 'string'

const isHold = (value: unknown): value is Hold | null =>
  value === null || (typeof value === 'object' && 'since' in value && isText(value.since) && 'reason' in value && isText(value.reason))

const corrupt = (why: string): StrataError =>
  new StrataError('CORRUPT', `CURRENT ${why}`, {
    data: { file: 'CURRENT' },
    hint: 'The journal has everything that CURRENT says; the next command that writes puts it right, for example: strata checkpoint',
  })

const DIRECTORY = /^snapshots\/(?!\.)[0-9a-zA-Z.+-]+$/

const members = (value: Record<string, unknown>): Pointer => {
  const { storeId, seq, snapshot, directory, schemaVersion, readableBy, hold } = value
  const texts = isText(storeId) && isText(snapshot) && isText(directory) && isText(schemaVersion)
  const list = Array.isArray(readableBy) && readableBy.every(isText)
  if (!texts || !list || !Number.isSafeInteger(seq) || !isHold(hold)) throw corrupt('lacks a member, or has one of a wrong type')
  if (!DIRECTORY.test(directory)) throw corrupt('names a directory outside snapshots/')
  return { format: 1, storeId, seq: Number(seq), snapshot, directory, schemaVersion, readableBy, hold }
}

/** Reads CURRENT. Throws CORRUPT, or NEWER_FORMAT. */
export const decodePointer = (text: string): Pointer => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw corrupt(`is not JSON: ${error instanceof Error ? error.message : ''}`)
  }
  if (typeof value !== 'object' || value === null || !('format' in value)) throw corrupt('names no format')
  if (typeof value.format === 'number' && value.format > 1)
    throw new StrataError('NEWER_FORMAT', `this store has format ${value.format}; this Strata knows format 1`, {
      data: { format: value.format },
      hint: 'Use the newer version of the application. Nothing was changed.',
    })
  if (value.format !== 1) throw corrupt('names an unknown format')
  return members({ ...value })
}
