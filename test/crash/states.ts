import type { Effect, Recorder } from './simulator.ts'
import { ROOT, applyNames } from './simulator.ts'
import type { Tree } from './tree.ts'

/**
 * A write that is not there as it was made: its first half only, or all of its length as zeros, which is what a file system
 * leaves that makes the size durable before the blocks.
 */
type Torn = { readonly write: number; readonly as: 'half' | 'zeros' }

/** One state: how many effects had happened, which of the pending ones are missing, and which write is torn. */
export type State = { readonly at: number; readonly missing: readonly number[]; readonly torn: Torn | null }

const TEARS: readonly Torn['as'][] = ['half', 'zeros']

export const randomFrom = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 4294967296
}

/** Effects before `at` that no later flush before `at` covers. */
const pendingAt = (effects: readonly Effect[], at: number): number[] => {
  const flushedAfter = new Map<number, number>()
  const pending: number[] = []
  for (let i = at - 1; i >= 0; i--) {
    const effect = effects[i]
    if (effect?.kind === 'flush' && !flushedAfter.has(effect.ino)) flushedAfter.set(effect.ino, i)
    if (effect === undefined || effect.kind === 'flush' || effect.kind === 'ack' || effect.kind === 'edit') continue
    if (!flushedAfter.has(effect.kind === 'names' ? effect.dir : effect.ino)) pending.push(i)
  }
  return pending.reverse()
}

/** Few enough to try every combination. */
const ALL_OF = 6

/**
 * All there, all missing, each one missing, each one alone, every prefix, each write torn in each way, and `extra` at random; where few
 * are pending, every combination.
 */
export function* statesOf(effects: readonly Effect[], random: () => number, extra: number, from = 0): Generator<State> {
  for (let at = from; at <= effects.length; at++) {
    const pending = pendingAt(effects, at)
    const seen = new Set<string>()
    const make = (missing: readonly number[], torn: Torn | null = null): State[] => {
      const key = `${missing.join()} ${torn?.write ?? ''} ${torn?.as ?? ''}`
      if (seen.has(key)) return []
      seen.add(key)
      return [{ at, missing, torn }]
    }
    yield* make([])
    yield* make(pending)
    for (const one of pending) {
      yield* make([one])
      yield* make(pending.filter((i) => i !== one))
      yield* make(pending.filter((i) => i > one))
      if (effects[one]?.kind === 'data') for (const as of TEARS) yield* make([], { write: one, as })
    }
    if (pending.length <= ALL_OF)
      for (let bits = 0; bits < 1 << pending.length; bits++) yield* make(pending.filter((_, n) => (bits >> n) % 2 === 1))
    else
      for (let n = 0; n < extra; n++) {
        const missing = pending.filter(() => random() < 0.5)
        const writes = pending.filter((i) => effects[i]?.kind === 'data' && !missing.includes(i))
        const write = random() < 0.3 ? writes[Math.floor(random() * writes.length)] : undefined
        yield* make(missing, write === undefined ? null : { write, as: random() < 0.5 ? 'half' : 'zeros' })
      }
  }
}

const written = (bytes: Buffer, as: Torn['as'] | undefined): Buffer => {
  if (as === 'half') return bytes.subarray(0, bytes.length >> 1)
  return as === 'zeros' ? Buffer.alloc(bytes.length) : bytes
}

const applyContent = (bytes: Buffer, effect: Effect, torn: Torn['as'] | undefined): Buffer => {
  if (effect.kind === 'edit') return effect.bytes
  if (effect.kind === 'truncate')
    return Buffer.concat([bytes.subarray(0, effect.size), Buffer.alloc(Math.max(0, effect.size - bytes.length))])
  if (effect.kind !== 'data') return bytes
  const added = written(effect.bytes, torn)
  const grown = Buffer.alloc(Math.max(bytes.length, effect.offset + added.length))
  bytes.copy(grown)
  added.copy(grown, effect.offset)
  return grown
}

/** Makes the trees that states stand for; equal content is one and the same buffer. */
export class Imager {
  readonly #recorder: Recorder
  readonly #contents = new Map<string, Buffer>()

  constructor(recorder: Recorder) {
    this.#recorder = recorder
  }

  /** What is below `path` of the recorded directory in a state. */
  image(state: State, path: string): Tree {
    const { folders, changes } = this.#apply(state)
    const tree = new Map<string, Buffer | null>()
    const walk = (ino: number, at: string): void => {
      const names = folders.get(ino)
      tree.set(at, names === undefined ? this.#content(ino, changes.get(ino) ?? [], state.torn) : null)
      for (const [name, child] of names ?? []) walk(child, at === '' ? name : `${at}/${name}`)
    }
    const start = folders.get(ROOT)?.get(path)
    if (start !== undefined) walk(start, '')
    return tree
  }

  #apply(state: State): { folders: Map<number, Map<string, number>>; changes: Map<number, number[]> } {
    const { effects, baseNames } = this.#recorder
    const folders = new Map([...this.#recorder.folders].map((ino) => [ino, new Map(baseNames.get(ino))]))
    const changes = new Map<number, number[]>()
    const missing = new Set(state.missing)
    for (let i = 0; i < state.at; i++) {
      const effect = effects[i]
      if (effect === undefined || missing.has(i)) continue
      if (effect.kind === 'names') applyNames(folders, effect)
      else if (effect.kind === 'data' || effect.kind === 'truncate' || effect.kind === 'edit') {
        const list = changes.get(effect.ino)
        if (list === undefined) changes.set(effect.ino, [i])
        else list.push(i)
      }
    }
    return { folders, changes }
  }

  #content(ino: number, changes: readonly number[], torn: Torn | null): Buffer {
    const { effects, baseBytes } = this.#recorder
    let bytes = baseBytes.get(ino) ?? Buffer.alloc(0)
    let key = String(ino)
    for (const i of changes) {
      const effect = effects[i]
      const as = i === torn?.write ? torn.as : undefined
      key += `,${i}${as ?? ''}`
      const known = this.#contents.get(key)
      bytes = known ?? (effect === undefined ? bytes : applyContent(bytes, effect, as))
      if (known === undefined) this.#contents.set(key, bytes)
    }
    const empty = this.#contents.get(key)
    if (empty === undefined) this.#contents.set(key, bytes)
    return empty ?? bytes
  }
}
