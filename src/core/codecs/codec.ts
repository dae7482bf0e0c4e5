import type { ErrorData } from '../errors.ts'
import { StrataError, messageOf } from '../errors.ts'
import type { JsonDoc, Layout } from '../json/index.ts'
import { parseJson, stringifyJson } from '../json/index.ts'

/**
 * How the bytes of a file stand for a document. `read` throws a JSON_ error or BAD_FORMAT for bytes that are not of the format;
 * `write` gives the same bytes for the same document, whenever and wherever it runs with one version of Node.
 */
export type Codec = {
  /** For people: `gzip(MessagePack)`. */
  readonly name: string
  readonly read: (bytes: Uint8Array, layout: Layout) => JsonDoc
  readonly write: (doc: JsonDoc, layout: Layout) => Uint8Array
}

export const notOf = (format: string, cause: unknown, data: ErrorData = {}): StrataError =>
  new StrataError('BAD_FORMAT', `is not ${format}: ${messageOf(cause)}`, {
    data: { format, ...data },
    hint: 'Compare the file with an undamaged one of the same kind.',
    cause,
  })

const encoder = new TextEncoder()

/** JSON text in UTF-8, which keeps the source text of what nobody touched. What a kind is that names no codec. */
export const json: Codec = {
  name: 'JSON',
  read: (bytes, layout) => parseJson(bytes, { layout }),
  write: ({ value, spelling, style }, layout) => encoder.encode(stringifyJson(value, { layout, spelling, style })),
}

/** A document in another arrangement: `pack` before it is written by `inner`, `unpack` after it was read. */
export type Arrangement = {
  readonly name: string
  readonly pack: (document: unknown) => unknown
  readonly unpack: (packed: unknown) => unknown
}

/**
 * A format whose values are arranged otherwise than the documents that migrations see, such as columns instead of records:
 * `gzip(arranged(messagePack, columns))`. `unpack` must give back what was packed; what it throws is BAD_FORMAT.
 */
export const arranged = (inner: Codec, { name, pack, unpack }: Arrangement): Codec => ({
  name: `${name} in ${inner.name}`,
  read: (bytes, layout) => {
    const doc = inner.read(bytes, layout)
    try {
      return { ...doc, value: unpack(doc.value), spelling: null }
    } catch (cause) {
      throw notOf(name, cause)
    }
  },
  write: (doc, layout) => inner.write({ ...doc, value: pack(doc.value), spelling: null }, layout),
})
