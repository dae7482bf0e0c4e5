import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import type { Trapped } from '../core/lint.ts'
import { inTime } from './bounded.ts'

/**
 * Runs a migration under a made-up clock and made-up chances, and notes which it asks. Two runs under different ones tell
 * whether its result depends on them. Everything is put back before anyone else has a turn: migrations are synchronous.
 */

type Patch = { readonly of: object; readonly name: string; readonly value: unknown }

const YEAR = 365 * 24 * 3_600_000

const trappedDate = (now: () => number): unknown =>
  new Proxy(Date, {
    construct: (target, args: number[]) => Reflect.construct(target, args.length === 0 ? [now()] : args) as Date,
    apply: () => new Date(now()).toString(),
    get: (target, name, receiver) => (name === 'now' ? now : (Reflect.get(target, name, receiver) as unknown)),
  })

const patchesFor = (variant: number, note: (what: string) => void): Patch[] => {
  let calls = 0
  const clock = (): number => {
    note('the clock')
    return (31 + variant) * YEAR + calls++ * 1000 * (variant + 1)
  }
  const chance = (): number => {
    note('randomness')
    return ((variant * 37 + ++calls * 11) % 97) / 97
  }
  const uuid = (): string =>
    `00000000-0000-4000-8000-${Math.floor(chance() * 1e12)
      .toString()
      .padStart(12, '0')}`
  const bytes = (size: number): Buffer => Buffer.alloc(size, Math.floor(chance() * 256))
  const fill = <T extends ArrayBufferView>(array: T): T => {
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).fill(Math.floor(chance() * 256))
    return array
  }
  return [
    { of: globalThis, name: 'Date', value: trappedDate(clock) },
    { of: performance, name: 'now', value: clock },
    { of: process, name: 'hrtime', value: Object.assign(() => [clock(), 0], { bigint: () => BigInt(clock()) }) },
    { of: Math, name: 'random', value: chance },
    { of: globalThis.crypto, name: 'randomUUID', value: uuid },
    { of: globalThis.crypto, name: 'getRandomValues', value: fill },
    { of: crypto, name: 'randomUUID', value: uuid },
    { of: crypto, name: 'randomBytes', value: bytes },
    {
      of: crypto,
      name: 'randomInt',
      value: (a: number, b?: number) => Math.floor(chance() * (b === undefined ? a : b - a)) + (b === undefined ? 0 : a),
    },
  ]
}

/** Puts the patches in place; returns what takes them out again. */
const install = (patches: readonly Patch[]): (() => void) => {
  const before = patches.map(({ of, name }) => Object.getOwnPropertyDescriptor(of, name))
  for (const { of, name, value } of patches) Object.defineProperty(of, name, { value, configurable: true, writable: true })
  // What a module imported by name from node:crypto follows.
  syncBuiltinESMExports()
  return () => {
    patches.forEach(({ of, name }, i) => {
      const own = before[i]
      if (own === undefined) Reflect.deleteProperty(of, name)
      else Object.defineProperty(of, name, own)
    })
    syncBuiltinESMExports()
  }
}

/** Ended like any migration when it takes too long. */
export const trapped: Trapped = (variant, work) => {
  const used = new Set<string>()
  const restore = install(patchesFor(variant, (what) => used.add(what)))
  try {
    const value = inTime({ path: 'the golden sample', size: 0 }, undefined, () => ({ step: null, record: null }), work)
    return { value, used: [...used].sort() }
  } finally {
    restore()
  }
}
