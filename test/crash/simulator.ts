import * as nodeFs from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { FsPort } from '../../src/storage/fs.ts'

/**
 * A recorder of file-system calls, and the disk states that a power cut may leave after any of them. The model is strict:
 * a write or a name counts as durable only once its file or its directory was flushed; anything else may be there or not,
 * in any combination, and a write may be there by half.
 */

type DataEffect = { readonly kind: 'data'; readonly ino: number; readonly offset: number; readonly bytes: Buffer }
type SizeEffect = { readonly kind: 'truncate'; readonly ino: number; readonly size: number }
/** `add` null: the name goes. A rename is two changes of one effect: it happens whole or not at all. */
type NameEffect = {
  readonly kind: 'names'
  readonly dir: number
  readonly changes: readonly { dir: number; name: string; ino: number | null }[]
}
type FlushEffect = { readonly kind: 'flush'; readonly ino: number }
type AckEffect = { readonly kind: 'ack'; readonly label: string }
export type Effect = DataEffect | SizeEffect | NameEffect | FlushEffect | AckEffect

type Node = { readonly dir: true; readonly names: Map<string, number> } | { readonly dir: false; bytes: Buffer; readonly mode: number }
type Disk = Map<number, Node>
const ROOT = 1

const cloneDisk = (disk: Disk): Disk =>
  new Map([...disk].map(([ino, node]) => [ino, node.dir ? { dir: true, names: new Map(node.names) } : { ...node }]))

const applyEffect = (disk: Disk, effect: Effect): void => {
  if (effect.kind === 'names')
    for (const { dir, name, ino } of effect.changes) {
      const node = disk.get(dir)
      if (node?.dir !== true) continue
      if (ino === null) node.names.delete(name)
      else node.names.set(name, ino)
    }
  if (effect.kind !== 'data' && effect.kind !== 'truncate') return
  const node = disk.get(effect.ino)
  if (node === undefined || node.dir) return
  if (effect.kind === 'truncate')
    node.bytes = Buffer.concat([node.bytes.subarray(0, effect.size), Buffer.alloc(Math.max(0, effect.size - node.bytes.length))])
  else {
    const grown = Buffer.alloc(Math.max(node.bytes.length, effect.offset + effect.bytes.length))
    node.bytes.copy(grown)
    effect.bytes.copy(grown, effect.offset)
    node.bytes = grown
  }
}

/** Records what happens below `root`; everything else passes through. */
export class Recorder {
  readonly effects: Effect[] = []
  readonly fs: FsPort
  readonly #root: string
  readonly #base: Disk = new Map()
  readonly #live: Disk
  readonly #open = new Map<number, { ino: number; position: number; append: boolean }>()
  #next = ROOT

  constructor(inner: FsPort, root: string) {
    this.#root = root
    this.#load(root)
    this.#live = cloneDisk(this.#base)
    this.fs = this.#wrap(inner)
  }

  ack(label: string): void {
    this.effects.push({ kind: 'ack', label })
  }

  /** The tree as it was before the first effect. */
  get base(): Disk {
    return this.#base
  }

  /** Every inode that any effect made, empty: a name may become durable before its content. */
  get blank(): Disk {
    return new Map(
      [...this.#live].map(([ino, node]) => [
        ino,
        node.dir
          ? { dir: true as const, names: new Map<string, number>() }
          : { dir: false as const, bytes: Buffer.alloc(0), mode: node.mode },
      ]),
    )
  }

  #load(path: string): number {
    const ino = this.#next++
    const stat = nodeFs.lstatSync(path)
    if (!stat.isDirectory()) {
      this.#base.set(ino, { dir: false, bytes: nodeFs.readFileSync(path), mode: stat.mode & 0o777 })
      return ino
    }
    const names = new Map<string, number>()
    this.#base.set(ino, { dir: true, names })
    for (const name of nodeFs.readdirSync(path)) names.set(name, this.#load(join(path, name)))
    return ino
  }

  #lookup(path: string): number | undefined {
    const rest = relative(this.#root, path)
    if (rest.startsWith('..')) return undefined
    let ino: number | undefined = ROOT
    for (const name of rest === '' ? [] : rest.split('/')) {
      const node: Node | undefined = ino === undefined ? undefined : this.#live.get(ino)
      ino = node?.dir === true ? node.names.get(name) : undefined
    }
    return ino
  }

  #do(effect: Effect): void {
    this.effects.push(effect)
    applyEffect(this.#live, effect)
  }

  #name(path: string, ino: number | null): void {
    const dir = this.#lookup(dirname(path))
    if (dir !== undefined) this.#do({ kind: 'names', dir, changes: [{ dir, name: path.slice(path.lastIndexOf('/') + 1), ino }] })
  }

  #create(path: string, node: Node): number {
    const ino = this.#next++
    this.#live.set(ino, node)
    this.#name(path, ino)
    return ino
  }

  #opened(fd: number, path: string, flags: string | number, mode: number | undefined): void {
    const text = typeof flags === 'string' ? flags : 'r'
    let ino = this.#lookup(path)
    if (relative(this.#root, path).startsWith('..')) return
    if (ino === undefined) ino = this.#create(path, { dir: false, bytes: Buffer.alloc(0), mode: mode ?? 0o644 })
    else if (text.startsWith('w')) this.#do({ kind: 'truncate', ino, size: 0 })
    this.#open.set(fd, { ino, position: 0, append: text.startsWith('a') })
  }

  #written(fd: number, bytes: Buffer, position: number | null): void {
    const handle = this.#open.get(fd)
    if (handle === undefined) return
    const node = this.#live.get(handle.ino)
    const end = node?.dir === false ? node.bytes.length : 0
    const offset = handle.append ? end : (position ?? handle.position)
    if (position === null) handle.position = offset + bytes.length
    this.#do({ kind: 'data', ino: handle.ino, offset, bytes })
  }

  #flushed(fd: number): void {
    const handle = this.#open.get(fd)
    if (handle !== undefined) this.effects.push({ kind: 'flush', ino: handle.ino })
  }

  #wrap(inner: FsPort): FsPort {
    return {
      ...inner,
      open: (path, flags, mode) => {
        const fd = inner.open(path, flags, mode)
        this.#opened(fd, path, flags, mode)
        return fd
      },
      close: (fd) => {
        this.#open.delete(fd)
        inner.close(fd)
      },
      write: (fd, buffer, offset, length, position) => {
        const written = inner.write(fd, buffer, offset, length, position)
        this.#written(fd, Buffer.from(buffer.subarray(offset, offset + written)), position)
        return written
      },
      fsync: (fd) => {
        inner.fsync(fd)
        this.#flushed(fd)
      },
      fdatasync: (fd) => {
        inner.fdatasync(fd)
        this.#flushed(fd)
      },
      fsyncLater: async (fd) => {
        await inner.fsyncLater(fd)
        this.#flushed(fd)
      },
      rename: (from, to) => {
        inner.rename(from, to)
        const [ino, fromDir, toDir] = [this.#lookup(from), this.#lookup(dirname(from)), this.#lookup(dirname(to))]
        if (ino === undefined || fromDir === undefined || toDir === undefined) return
        const last = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
        this.#do({
          kind: 'names',
          dir: toDir,
          changes: [
            { dir: fromDir, name: last(from), ino: null },
            { dir: toDir, name: last(to), ino },
          ],
        })
      },
      unlink: (path) => {
        inner.unlink(path)
        this.#name(path, null)
      },
      rmdir: (path) => {
        inner.rmdir(path)
        this.#name(path, null)
      },
      mkdir: (path, mode) => {
        inner.mkdir(path, mode)
        this.#create(path, { dir: true, names: new Map() })
      },
    }
  }
}

/** One state: how many effects had happened, which of the pending ones are missing, and which write is there by half. */
export type State = { readonly at: number; readonly missing: ReadonlySet<number>; readonly halved: number | null }

/** Effects before `at` that no later flush before `at` covers. */
const pendingAt = (effects: readonly Effect[], at: number): number[] => {
  const flushedAfter = new Map<number, number>()
  for (let i = 0; i < at; i++) {
    const effect = effects[i]
    if (effect?.kind === 'flush') flushedAfter.set(effect.ino, i)
  }
  const pending: number[] = []
  for (let i = 0; i < at; i++) {
    const effect = effects[i]
    if (effect === undefined || effect.kind === 'flush' || effect.kind === 'ack') continue
    const ino = effect.kind === 'names' ? effect.dir : effect.ino
    if ((flushedAfter.get(ino) ?? -1) < i) pending.push(i)
  }
  return pending
}

/** All there, all missing, each one missing, each one alone, every prefix, each write by half, and some at random. */
export function* statesOf(effects: readonly Effect[], random: () => number, extra = 4): Generator<State> {
  for (let at = 0; at <= effects.length; at++) {
    const pending = pendingAt(effects, at)
    const seen = new Set<string>()
    const make = (missing: readonly number[], halved: number | null = null): State[] => {
      const key = `${missing.join()} ${halved ?? ''}`
      if (seen.has(key)) return []
      seen.add(key)
      return [{ at, missing: new Set(missing), halved }]
    }
    yield* make([])
    yield* make(pending)
    for (const one of pending) {
      yield* make([one])
      yield* make(pending.filter((i) => i !== one))
      yield* make(pending.filter((i) => i > one))
      if (effects[one]?.kind === 'data') yield* make([], one)
    }
    for (let n = 0; n < extra && pending.length > 2; n++) yield* make(pending.filter(() => random() < 0.5))
  }
}

/** Writes one state below `target`, which must not exist. */
export const materialise = (recorder: Recorder, state: State, target: string): void => {
  const disk = recorder.blank
  for (const [ino, node] of cloneDisk(recorder.base)) disk.set(ino, node)
  recorder.effects.slice(0, state.at).forEach((effect, i) => {
    if (state.missing.has(i)) return
    if (i === state.halved && effect.kind === 'data')
      applyEffect(disk, { ...effect, bytes: effect.bytes.subarray(0, effect.bytes.length >> 1) })
    else applyEffect(disk, effect)
  })
  const write = (ino: number, path: string): void => {
    const node = disk.get(ino)
    if (node === undefined) return
    if (!node.dir) {
      nodeFs.writeFileSync(path, node.bytes, { mode: node.mode | 0o600 })
      return
    }
    nodeFs.mkdirSync(path)
    for (const [name, child] of node.names) write(child, join(path, name))
  }
  write(ROOT, target)
}
