import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Line, StrataEvent } from '../../src/core/events.ts'
import { decodeLine, encodeLine, firstSeq, genesis, lastSeq } from '../../src/core/events.ts'
import { AT, actor, captured, created } from '../contract/stories.ts'
import { failure } from '../contract/temporary.ts'

const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex')
const events: StrataEvent[] = [
  { seq: 4, id: 'a', ...created() },
  { seq: 5, id: 'b', ...captured('s0', '1.0.0', 1) },
]
const body: Omit<Line, 'hash'> = { v: 1, epoch: 2, at: AT, actor, events, prev: sha256('x') }

/** A line with a right hash around any members. */
const line = (members: object): string => {
  const text = JSON.stringify(members).slice(0, -1)
  return `${text},"hash":"${sha256(text)}"}`
}

describe('a line of the journal', () => {
  test('is read back as it was written, and tells its first and last event', () => {
    const { text, hash } = encodeLine(body)
    expect(text).not.toContain('\n')
    expect(decodeLine(text)).toEqual({ ...body, hash })
    expect([firstSeq(body as Line), lastSeq(body as Line)]).toEqual([4, 5])
  })

  test('has the hash of its own bytes up to, and without, ,"hash" — recomputed here from the text', () => {
    const { text, hash } = encodeLine({ ...body, actor: { ...actor, app: 'ü","hash":"' } })
    const bytes = Buffer.from(text)
    const end = bytes.lastIndexOf(',"hash":"')
    expect(sha256(bytes.subarray(0, end))).toBe(hash)
    expect(bytes.subarray(end).toString()).toBe(`,"hash":"${hash}"}`)
    expect(Object.keys(JSON.parse(text))).toEqual(['v', 'epoch', 'at', 'actor', 'events', 'prev', 'hash'])
  })

  test('begins a store with the SHA-256 of its id', () => expect(genesis('store-1')).toBe(sha256('store-1')))

  test('whose bytes were changed anywhere is not read', () => {
    const bytes = Buffer.from(encodeLine(body).text)
    for (let at = 0; at < bytes.length; at++) {
      const bad = Buffer.from(bytes)
      bad[at] = (bad[at] ?? 0) ^ (1 << (at % 8))
      expect(decodeLine(bad.toString())).toBeUndefined()
      expect(decodeLine(bytes.subarray(0, at).toString())).toBeUndefined()
    }
    expect(decodeLine(`${bytes.toString()} `)).toBeUndefined()
  })

  test.each([
    ['no events', { ...body, events: [] }],
    ['events that are no list', { ...body, events: {} }],
    ['a gap between its events', { ...body, events: [events[0], { ...events[1], seq: 7 }] }],
    ['an event without a seq', { ...body, events: [{ ...events[0], seq: undefined }] }],
    ['an event of no type', { ...body, events: [{ ...events[0], type: 1 }] }],
    ['an event without data', { ...body, events: [{ seq: 1, id: 'a', type: 'x' }] }],
    ['an event that is null', { ...body, events: [null] }],
    ['an epoch that is no integer', { ...body, epoch: '2' }],
    ['no prev', { ...body, prev: undefined }],
    ['no time', { ...body, at: null }],
    ['no actor', { ...body, actor: undefined }],
  ])('with %s is not read, though its hash is right', (_name, members) => {
    expect(decodeLine(line(members))).toBeUndefined()
  })

  test('that is a list or no JSON is not read', () => {
    expect(decodeLine('')).toBeUndefined()
    for (const text of ['[1', '{"v":1', '{', 'null']) expect(decodeLine(`${text},"hash":"${sha256(text)}"}`)).toBeUndefined()
  })

  test('of a type that this version does not know is kept', () => {
    const unknown = line({ ...body, events: [{ seq: 4, id: 'a', type: 'Sung', data: { loud: true }, more: 1 }], extra: 'x' })
    expect(decodeLine(unknown)?.events[0]).toEqual({ seq: 4, id: 'a', type: 'Sung', data: { loud: true }, more: 1 })
  })

  test('of a later format is NEWER_FORMAT', () => {
    expect(failure(() => decodeLine(line({ ...body, v: 2 }))).code).toBe('NEWER_FORMAT')
    expect(failure(() => decodeLine(line({ v: 2, anything: 'else' }))).code).toBe('NEWER_FORMAT')
    expect(decodeLine(line({ v: 2 }).replace('"v":2', '"v":3'))).toBeUndefined()
  })
})
