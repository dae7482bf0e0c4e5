import * as zlib from 'node:zlib'
import { StrataError } from '../errors.ts'
import type { Codec } from './codec.ts'
import { json, notOf } from './codec.ts'

/** A damaged or hostile file must not take all the memory there is. */
const MOST_BYTES = 2 ** 30

type Squeeze<N extends string> = {
  readonly name: N
  readonly compress: (bytes: Uint8Array) => Uint8Array
  readonly expand: (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array
}

const compressed = <N extends string, I extends string>({ name, compress, expand }: Squeeze<N>, inner: Codec<I>): Codec<`${N}(${I})`> => ({
  name: `${name}(${inner.name})`,
  read: (bytes, layout) => {
    let content: Uint8Array
    try {
      content = expand(bytes, { maxOutputLength: MOST_BYTES })
    } catch (cause) {
      throw notOf(name, cause)
    }
    return inner.read(content, layout)
  },
  write: (doc, layout) => compress(inner.write(doc, layout)),
})

// Who gives none has no name of its own to infer: then I is 'JSON'.
const orJson = <I extends string>(inner: Codec<I> | undefined): Codec<I> => inner ?? (json as Codec as Codec<I>)

/** Where RFC 1952 has the operating system; 255 is "unknown": equal content is equal bytes on every machine. */
const OS_BYTE = 9

const gzipped = (bytes: Uint8Array): Uint8Array => {
  // Node writes no time.
  const made = zlib.gzipSync(bytes)
  made[OS_BYTE] = 255
  return made
}

/** Another format in gzip (RFC 1952), without time or system; by default JSON. */
export const gzip = <I extends string = 'JSON'>(inner?: Codec<I>): Codec<`gzip(${I})`> =>
  compressed({ name: 'gzip', compress: gzipped, expand: zlib.gunzipSync }, orJson(inner))

/** Node's default of 11 takes a hundred times as long for a few percent. */
const BROTLI_QUALITY = 5

/** Another format in brotli (RFC 7932); by default JSON. */
export const brotli = <I extends string = 'JSON'>(inner?: Codec<I>): Codec<`brotli(${I})`> =>
  compressed(
    {
      name: 'brotli',
      compress: (bytes) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } }),
      expand: zlib.brotliDecompressSync,
    },
    orJson(inner),
  )

type Zstd = { readonly zstdCompressSync?: Squeeze<'zstd'>['compress']; readonly zstdDecompressSync?: Squeeze<'zstd'>['expand'] }
// The types are those of the oldest Node that is supported.
const newer: Zstd & Pick<typeof zlib, 'constants'> = zlib

/** Another format in Zstandard (RFC 8878), which Node has from 22.15 on; by default JSON. Throws BAD_ARGUMENT in an older one. */
export const zstd = <I extends string = 'JSON'>(inner?: Codec<I>): Codec<`zstd(${I})`> => {
  const { zstdCompressSync: compress, zstdDecompressSync: expand }: Zstd = newer
  if (compress === undefined || expand === undefined)
    throw new StrataError('BAD_ARGUMENT', `Node ${process.version} has no Zstandard`, {
      data: { node: process.version },
      hint: 'Use Node 22.15 or newer, or gzip or brotli.',
    })
  return compressed({ name: 'zstd', compress, expand }, orJson(inner))
}
