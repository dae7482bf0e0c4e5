import { join } from 'node:path'
import { isMendable } from '../core/mend-records.ts'
import type { FileResult, Keep } from '../core/transform.ts'
import { discard } from '../storage/durable.ts'
import type { FsPort } from '../storage/fs.ts'
import { piecesOf } from '../storage/read-large.ts'
import type { FileStat } from '../storage/scan.ts'
import { statFile } from '../storage/scan.ts'
import { transformerFor } from './directory-source.ts'
import { hashLarge, writePieces } from './large-file.ts'
import type { Blobs } from './staged-file.ts'
import type { TaskEnv, TransformFile, TransformTask } from './task-types.ts'
import type { Done, Pending } from './trail.ts'
import { Trail, doneOf, unchanged } from './trail.ts'

/** A single file of an older version that is larger than this goes through the steps piece by piece, and no more than that. */
const MENDED_WHOLE = 32 * 1024 * 1024

/** Where a result is put that is not of any target. */
const scratchOf = (task: TransformTask, position: number): string => join(task.staging.at(-1) ?? '', `.strata-step-${position}`)

const isAsBefore = (fs: FsPort, path: string, { size, mtimeMs, ctimeMs, ino }: FileStat): boolean => {
  const now = statFile(fs, path)
  return now?.size === size && now.mtimeMs === mtimeMs && now.ctimeMs === ctimeMs && now.ino === ino
}

/** Tells how far a large file is: of its size, the share of its steps that are taken. */
class Meter {
  readonly #advance: (bytes: number) => void
  readonly #size: number
  readonly #steps: number
  #taken = 0
  #told = 0

  constructor(advance: (bytes: number) => void, size: number, steps: number) {
    this.#advance = advance
    this.#size = size
    this.#steps = Math.max(1, steps)
  }

  /** What a step has written; it is about as large as the file. */
  *through(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
    let written = 0
    for (const piece of pieces) {
      yield piece
      written += piece.byteLength
      this.#tell(this.#taken + Math.min(1, written / this.#size))
    }
    this.#taken += 1
    this.#tell(this.#taken)
  }

  end(isDone: boolean): void {
    this.#tell(isDone ? this.#steps : 0)
  }

  #tell(steps: number): void {
    const now = Math.round(this.#size * Math.min(1, steps / this.#steps))
    if (now !== this.#told) this.#advance(now - this.#told)
    this.#told = now
  }
}

/** What the steps have made of a large file, each result where it belongs. */
class Results {
  readonly #fs: FsPort
  readonly #task: TransformTask
  readonly #mode: number
  readonly #meter: Meter
  readonly #at = new Map<number, Pending>()
  readonly #scratch: string[] = []

  constructor(fs: FsPort, task: TransformTask, mode: number, meter: Meter) {
    this.#fs = fs
    this.#task = task
    this.#mode = mode
    this.#meter = meter
  }

  keep: Keep = (position, path, pieces) => {
    const { positions, staging } = this.#task
    const index = positions.indexOf(position)
    const at = index < 0 ? scratchOf(this.#task, position) : join(staging[index] ?? '', path)
    if (index < 0) this.#scratch.push(at)
    const written = writePieces(this.#fs, at, this.#meter.through(pieces), this.#mode)
    const own = { path: at, stat: null, isImmutable: false }
    const file = { path, ...written, mode: this.#mode, same: false, oid: null, bytes: null, isKept: false, at: own }
    this.#at.set(position, file)
    return { pieces: () => piecesOf(this.#fs, at), size: written.size }
  }

  at(position: number): Pending | undefined {
    return this.#at.get(position)
  }

  dropScratch(): void {
    for (const path of this.#scratch) discard(this.#fs, path)
  }

  dropAll(): void {
    for (const { at } of this.#at.values()) discard(this.#fs, at?.path ?? '')
  }
}

const writeAt = (env: TaskEnv, task: TransformTask, own: Pending, made: FileResult, results: Results, blobs: Blobs): Trail => {
  const last = task.positions.at(-1) ?? task.base
  const start = last - made.steps.length
  const trail = new Trail(env, own, blobs, task.positions.length)
  for (let position = start; position <= last; position++) {
    const index = task.positions.indexOf(position)
    if (index >= 0) trail.write(index, task.staging[index] ?? '')
    trail.step(made.steps[position - start] ?? [], results.at(position + 1))
  }
  return trail
}

const dropWritten = (fs: FsPort, task: TransformTask, { written }: Trail): void => {
  written.forEach((files, i) => {
    for (const { path } of files) discard(fs, join(task.staging[i] ?? '', path))
  })
}

const told = ({ result, ...rest }: Done): Done => ({ ...rest, result: { ...result, isTold: true } })

/** Takes one large file through the steps piece by piece; undefined when it has changed meanwhile, `whole` where a step has to see it whole. */
export const transformLarge = (env: TaskEnv, task: TransformTask, file: TransformFile, blobs: Blobs): Done | 'whole' | undefined => {
  const { fs, dataset } = env
  const { transformer, source } = transformerFor(env, task)
  // A mend looks for records of older forms, and at what stands beside the file: in memory.
  if (task.there !== null && dataset !== null && (file.size < MENDED_WHOLE || isMendable(dataset, file.path, task.base))) return 'whole'
  const root = join(task.root, file.path)
  const found = hashLarge(fs, root, file.path)
  if (found?.sha256 !== file.sha256) return undefined
  const { stat } = found
  const pieces = (): Iterable<Uint8Array> => piecesOf(fs, root)
  const [head = new Uint8Array()] = pieces()
  source.large = { path: file.path, head, sha256: file.sha256 }
  const last = task.positions.at(-1) ?? task.base
  const meter = new Meter(env.advance ?? (() => undefined), file.size, last - task.base)
  const results = new Results(fs, task, file.mode, meter)
  let isDone = false
  try {
    const start = Math.min(source.start(file.path), task.base)
    const made =
      file.isAsItIs === true
        ? unchanged(file.path, last - start)
        : transformer.byRecords(file.path, start, last, { pieces, size: file.size }, results.keep)
    if (made === undefined) return 'whole'
    const at = { path: root, stat, isImmutable: file.isImmutable === true }
    const own: Pending = { ...file, same: true, bytes: null, isKept: task.isSnapshot, at }
    const trail = writeAt(env, task, own, made, results, blobs)
    isDone = isAsBefore(fs, root, stat)
    if (isDone) return told(doneOf(made, trail))
    dropWritten(fs, task, trail)
  } catch (error) {
    // An application that writes into the file while it is read makes it look damaged.
    if (isAsBefore(fs, root, stat)) throw error
    results.dropAll()
  } finally {
    source.large = undefined
    meter.end(isDone)
    results.dropScratch()
  }
  return undefined
}
