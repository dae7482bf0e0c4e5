import { ExtData, ExtensionCodec, decode, encode } from '@msgpack/msgpack'
import { StrataError } from '../errors.ts'
import { JsonNumber, checkSerialisable } from '../json/index.ts'
import type { JsonDoc } from '../json/index.ts'
import { GO_STYLE } from '../json/index.ts'
import type { Codec } from './codec.ts'
import { notOf } from './codec.ts'

/** The extension type of a number that MessagePack has no form for, as its JSON text: `1.0`, `1e400`. */
const NUMBER_TEXT = 0x4a
const INTEGER = /^-?(?:0|[1-9]\d*)$/
const [MIN_INT64, MAX_UINT64] = [-(2n ** 63n), 2n ** 64n - 1n]

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const extensions = new ExtensionCodec()
extensions.register({
  type: NUMBER_TEXT,
  encode: (value: unknown) => (value instanceof JsonNumber ? encoder.encode(value.text) : null),
  decode: (bytes) => new JsonNumber(decoder.decode(bytes)),
})

const isSmall = (n: number): boolean => n >= -0x80000000 && n <= 0xffffffff

/** Numbers beyond 32 bits are integers there too, not floats. */
const packed = (value: unknown): unknown => {
  if (typeof value === 'number') return Number.isSafeInteger(value) && !isSmall(value) ? BigInt(value) : value
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof JsonNumber) {
    const whole = INTEGER.test(value.text) && value.text !== '-0' ? BigInt(value.text) : undefined
    return whole !== undefined && whole >= MIN_INT64 && whole <= MAX_UINT64 ? whole : value
  }
  if (Array.isArray(value)) return value.map(packed)
  if (Object.hasOwn(value, '__proto__'))
    throw new StrataError('INVALID_RESULT', 'a member is named __proto__, which readers of MessagePack refuse', {
      hint: 'Give the member another name.',
    })
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, packed(member)]))
}

const foreign = (what: string): StrataError => new StrataError('BAD_FORMAT', `holds ${what}, which no document has`)

const unpackedNumber = (value: number): unknown => {
  if (!Number.isFinite(value)) throw foreign('a number that is not finite')
  return Object.is(value, -0) ? new JsonNumber('-0') : value
}

/** What a document may hold; everything else that MessagePack knows is refused. */
const unpacked = (value: unknown): unknown => {
  if (typeof value === 'number') return unpackedNumber(value)
  if (typeof value === 'bigint') {
    const near = Number(value)
    return Number.isSafeInteger(near) ? near : new JsonNumber(String(value))
  }
  if (typeof value !== 'object' || value === null || value instanceof JsonNumber) return value
  if (Array.isArray(value)) {
    // In place: a day has a hundred thousand.
    for (let i = 0; i < value.length; i++) value[i] = unpacked(value[i])
    return value
  }
  if (ArrayBuffer.isView(value)) throw foreign('binary data')
  if (value instanceof ExtData || value instanceof Date) throw foreign('an extension type')
  const members = value as Record<string, unknown>
  for (const name of Object.keys(members)) members[name] = unpacked(members[name])
  return members
}

const read = (bytes: Uint8Array): JsonDoc => {
  try {
    return { value: unpacked(decode(bytes, { extensionCodec: extensions, useBigInt64: true })), spelling: null, style: GO_STYLE }
  } catch (cause) {
    throw notOf('MessagePack', cause)
  }
}

/**
 * MessagePack. Integers stay integers up to 64 bits; a number whose text JavaScript would not write (`1.0`, `1e400`) is kept as that
 * text in extension type 74. Binary data, times and numbers that are not finite are BAD_FORMAT; so is a member named `__proto__`,
 * which is INVALID_RESULT when written. The order of names like `443` is lost.
 */
export const messagePack: Codec<'MessagePack'> = {
  name: 'MessagePack',
  read,
  write: ({ value }) => {
    checkSerialisable(value)
    return encode(packed(value), { extensionCodec: extensions, useBigInt64: true })
  },
}
