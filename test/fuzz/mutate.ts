/** Seeded mutations of bytes: what a damaged disk, a careless hand or an enemy may make of a file. */

export type Random = () => number

export const randomFrom = (seed: number): Random => {
  let state = seed >>> 0
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const below = (random: Random, n: number): number => Math.floor(random() * n)
export const pick = <T>(random: Random, from: readonly T[]): T => {
  const found = from[below(random, from.length)]
  if (found === undefined) throw new Error('nothing to pick from')
  return found
}

const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff]
const TEXTS = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '-',
  '../',
  '/',
  '.git',
  '%',
  '%2E',
  '"\\ud800"',
  '\\u0000',
  '\ufeff',
  '1e400',
  '-0',
  '1.0',
  '9007199254740993',
  'null',
  'true',
  '__proto__',
  'constructor',
  '0'.repeat(40),
  'f'.repeat(64),
  '9'.repeat(400),
  '['.repeat(300),
  '{"a":'.repeat(300),
  ' '.repeat(5000),
  '"schemaVersion"',
  '"header":{',
  '-1',
  '1e9',
].map((text) => Buffer.from(text)) // prettier-ignore
const INVALID = [
  Buffer.from([0xff]),
  Buffer.from([0xc0, 0xaf]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xf5, 0x80, 0x80, 0x80]),
  Buffer.from([0xe2, 0x82]),
]

const splice = (bytes: Buffer, at: number, remove: number, put: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(Math.min(bytes.length, at + remove))])

const number = (random: Random): Buffer => {
  const bytes = Buffer.alloc(pick(random, [1, 2, 4]))
  bytes.writeUIntBE(pick(random, EXTREMES) % 256 ** bytes.length, 0, bytes.length)
  return bytes
}

type Change = (bytes: Buffer, random: Random, other: Buffer) => Buffer

const CHANGES: readonly Change[] = [
  (bytes, random) => {
    const copy = Buffer.from(bytes)
    const at = below(random, Math.max(1, copy.length))
    if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8))
    return copy
  },
  (bytes, random) => splice(bytes, below(random, bytes.length + 1), 1, Buffer.from([below(random, 256)])),
  (bytes, random) => splice(bytes, below(random, bytes.length + 1), below(random, 4), number(random)),
  (bytes, random) => splice(bytes, below(random, bytes.length + 1), below(random, 4), pick(random, TEXTS)),
  (bytes, random) => splice(bytes, below(random, bytes.length + 1), below(random, 2), pick(random, INVALID)),
  (bytes, random) => splice(bytes, below(random, bytes.length + 1), below(random, 64), Buffer.alloc(0)),
  (bytes, random) => {
    const from = below(random, bytes.length + 1)
    return splice(bytes, below(random, bytes.length + 1), 0, bytes.subarray(from, from + below(random, 200)))
  },
  (bytes, random) => bytes.subarray(0, below(random, bytes.length + 1)),
  (bytes, random, other) =>
    Buffer.concat([bytes.subarray(0, below(random, bytes.length + 1)), other.subarray(below(random, other.length + 1))]),
  (bytes, random) => splice(bytes, below(random, bytes.length + 1), below(random, 30), Buffer.from(String(pick(random, EXTREMES)))),
]

/** Far more of something than there ever is: what takes time by the square of its input shows, and what recurses. */
const pump = (bytes: Buffer, random: Random): Buffer => {
  const at = below(random, bytes.length + 1)
  const kind = below(random, 4)
  if (kind === 0) {
    const [open, close] = pick(random, [
      ['[', ']'],
      ['{"a":', '}'],
      ['{"header":', '}'],
    ] as const) // prettier-ignore
    const depth = pick(random, [190, 250, 1500, 20_000])
    return splice(bytes, at, below(random, 4), Buffer.from(`${open.repeat(depth)}1${close.repeat(depth)}`))
  }
  const from = below(random, bytes.length + 1)
  const span = kind === 1 ? pick(random, TEXTS) : bytes.subarray(from, from + 1 + below(random, kind === 2 ? 6 : 60))
  if (span.length === 0) return bytes
  const many = Buffer.concat(Array.from({ length: Math.ceil(100_000 / span.length) }, () => span))
  return Buffer.concat([bytes.subarray(0, at), many, random() < 0.5 ? Buffer.alloc(0) : bytes.subarray(at)])
}

const PUMPED = 1 / 150

/** One to four changes of a seed; now and then a big one. */
export const mutate = (random: Random, seeds: readonly Buffer[]): Buffer => {
  let bytes = pick(random, seeds)
  for (let left = 1 + below(random, 4); left > 0; left--) bytes = pick(random, CHANGES)(bytes, random, pick(random, seeds))
  return random() < PUMPED ? pump(bytes, random) : bytes
}
