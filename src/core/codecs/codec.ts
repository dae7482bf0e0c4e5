import type { ErrorData } from '../errors.ts'
import { StrataError, messageOf } from '../errors.ts'
import type { JsonDoc, Layout } from '../json/index.ts'
import { parseJson, sameJson, stringifyJson } from '../json/index.ts'

/**
 * How the bytes of a file stand for a document. `read` throws a JSON_ error or BAD_FORMAT for bytes that are not of the format;
 * `write` gives the same bytes for the same document, whenever and wherever it runs with one version of Node.
 */
export type Codec<N extends string = string> = {
  /** For people: `gzip(MessagePack)`. */
  readonly name: N
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
export const json: Codec<'JSON'> = {
  name: 'JSON',
  read: (bytes, layout) => parseJson(bytes, { layout }),
  write: ({ value, spelling, style }, layout) => encoder.encode(stringifyJson(value, { layout, spelling, style })),
}

/** A document in another arrangement: `pack` before it is written by `inner`, `unpack` after it was read. */
export type Arrangement<N extends string = string> = {
  readonly name: N
  readonly pack: (document: unknown) => unknown
  readonly unpack: (packed: unknown) => unknown
}

/**
 * A format whose values are arranged otherwise than the documents that migrations see, such as columns instead of records:
 * `gzip(arranged(messagePack, columns))`. `unpack` must give back what was packed, which each write makes sure of (INVALID_RESULT);
 * what it throws while a file is read is BAD_FORMAT.
 */
export const arranged = <I extends string, const N extends string>(
  inner: Codec<I>,
  { name, pack, unpack }: Arrangement<N>,
): Codec<`${N} in ${I}`> => ({
  name: `${name} in ${inner.name}`,
  read: (bytes, layout) => {
    const doc = inner.read(bytes, layout)
    try {
      return { ...doc, value: unpack(doc.value), spelling: null }
    } catch (cause) {
      throw notOf(name, cause)
    }
  },
  write: (doc, layout) => {
    const bytes = inner.write({ ...doc, value: pack(doc.value), spelling: null }, layout)
    // It takes the place of the original: what does not come back would be lost.
    if (!sameJson(doc.value, unpack(inner.read(bytes, layout).value)))
      throw new StrataError('INVALID_RESULT', `${name}: unpack does not give back what pack was given`, {
        hint: 'Keep what the arrangement has no place for beside it, as it is.',
      })
    return bytes
  },
})
