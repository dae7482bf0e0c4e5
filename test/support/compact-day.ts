import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { decode } from '@msgpack/msgpack'
import { json } from './tree.ts'

/** A second reader of compact days, which shares no code with the migration: gzip, MessagePack, columns. */

type Values = Record<string, unknown>
export type Day = { readonly date: string; readonly results: Values[] }
type Extra = readonly (readonly [name: string, text?: string])[]
type Packed = {
  readonly date: string
  readonly results: {
    readonly endpoints: readonly string[]
    readonly ts: readonly number[]
    readonly endpoint: readonly number[]
    readonly latency_ms: readonly (number | null)[]
    readonly st: readonly number[]
    readonly error: Readonly<Record<string, string>>
    readonly utcOffset: Readonly<Record<string, string>>
    readonly extra: Readonly<Record<string, Extra>>
  }
}

const rowsOf = ({ results: { endpoints, ts, endpoint, latency_ms, st, error, utcOffset, extra } }: Packed): Values[] => {
  let instant = 0
  return ts.map((delta, i) => {
    instant += delta
    const row: Values = { ts: instant, endpoint_id: endpoints[endpoint[i] ?? -1], latency_ms: latency_ms[i], st: st[i] }
    if (utcOffset[i] !== undefined) row.utcOffset = utcOffset[i]
    if (error[i] !== undefined) row.error = error[i]
    for (const [name, text] of extra[i] ?? []) if (text !== undefined) row[name] = JSON.parse(text) as unknown
    return row
  })
}

/** A day from 1.1.0 on, in whichever format it is. */
export const day = (root: string, date: string): Day => {
  const path = join(root, `data/${date}.msgpack.gz`)
  if (!existsSync(path)) return json(root, `data/${date}.json`) as Day
  // What else it holds is nothing to these tests.
  const packed = decode(gunzipSync(readFileSync(path))) as Packed
  return { ...packed, results: rowsOf(packed) }
}
