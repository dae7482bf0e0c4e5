import { join } from 'node:path'
import type { Dataset } from '../core/dataset.ts'
import { effectiveIndex, fileVersion } from '../core/dataset.ts'
import { StrataError } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import { headOf } from '../core/memory.ts'
import { UNSTEADY } from '../core/reads.ts'
import type { Source } from '../core/transform.ts'
import { Transformer } from '../core/transform.ts'
import type { FsPort } from '../storage/fs.ts'
import { readStable } from '../storage/read-stable.ts'
import { eachInTime, expired } from './bounded.ts'
import type { SameFile } from './staged-file.ts'
import { Blobs, sha256, writeStaged } from './staged-file.ts'
import type { Made, TaskEnv, TransformFile, TransformResult, TransformTask, Transformed } from './task-types.ts'

/** The transformer of the last task: its documents read through ctx serve all batches of one source. */
let kept: { key: string; transformer: Transformer; source: DirectorySource } | undefined

class DirectorySource implements Source {
  readonly paths: readonly string[]
  readonly #fs: FsPort
  readonly #dataset: Dataset
  readonly #root: string
  readonly #base: number
  /** What was read of other files. */
  readonly #digests = new Map<string, string>()
  /** The bytes of the file being transformed, so that it is read once. */
  held: { path: string; bytes: Uint8Array } | undefined

  constructor(fs: FsPort, dataset: Dataset, task: TransformTask) {
    this.#fs = fs
    this.#dataset = dataset
    this.#root = task.root
    this.#base = task.base
    this.paths = task.paths
  }
  bytes(path: string): Uint8Array {
    if (this.held?.path === path) return this.held.bytes
    const read = readStable(this.#fs, join(this.#root, path), path)
    if (read === undefined) throw new StrataError('ABSENT', `${path} has disappeared`, { data: { file: path } })
    const now = sha256(read.bytes)
    const before = this.#digests.get(path)
    this.#digests.set(path, before === undefined || before === now ? now : UNSTEADY)
    return read.bytes
  }
  sha256(path: string): string {
    return this.held?.path === path ? sha256(this.held.bytes) : (this.#digests.get(path) ?? UNSTEADY)
  }
  start(path: string): number {
    const version = fileVersion(this.#dataset, path, headOf(this.bytes(path)))
    const index = version === null ? this.#base : effectiveIndex(this.#dataset.chain, path, version, this.#base)
    return index < 0 ? this.#base : index
  }
}

const transformerFor = ({ fs, dataset, cancelled }: TaskEnv, task: TransformTask): NonNullable<typeof kept> => {
  if (kept?.key === task.key) return kept
  if (dataset === null) throw new StrataError('BAD_ARGUMENT', 'a transform needs a dataset')
  const source = new DirectorySource(fs, dataset, task)
  const aborted = (): 'CANCELLED' | 'MIGRATION_TIMEOUT' | null =>
    cancelled?.() === true ? 'CANCELLED' : expired() ? 'MIGRATION_TIMEOUT' : null
  kept = { key: task.key, source, transformer: new Transformer(dataset, source, { aborted }) }
  return kept
}

type Written = Omit<Made, 'oid'> & { oid: Oid | null; place: number | null }
/** `at`: a file that holds the bytes, if there is one. */
type Pending = Written & { bytes: Uint8Array; at: SameFile | undefined }

/** A file on its way: what it is now, the files derived from it so far, and what was written at each position. */
class Trail {
  readonly written: Written[][]
  #own: Pending | null
  #derived: Pending[] = []
  readonly #blobs: Blobs
  readonly #mode: number

  constructor(own: Pending, blobs: Blobs, positions: number) {
    this.#own = own
    this.#blobs = blobs
    this.#mode = own.mode
    this.written = Array.from({ length: positions }, () => [])
  }

  step(path: string, outputs: readonly { path: string; bytes: Uint8Array | null }[]): void {
    const own = outputs.find((f) => f.path === path)
    if (own === undefined) this.#own = null
    else if (own.bytes !== null) this.#own = this.#make(path, own.bytes)
    for (const { path: other, bytes } of outputs) if (other !== path && bytes !== null) this.#derived.push(this.#make(other, bytes))
  }

  write(fs: FsPort, index: number, dir: string): void {
    const settle = (file: Pending): Pending => {
      // Only what is written anywhere becomes an object: a step that is passed on the way leaves none.
      const now = file.oid === null && file.place === null ? { ...file, place: this.#blobs.add(file.bytes) } : file
      writeStaged(fs, join(dir, now.path), now.bytes, now.mode, now.at)
      const { bytes: _, at: __, ...entry } = now
      this.written[index]?.push(entry)
      return { ...now, same: true, at: { path: join(dir, now.path), stat: null } }
    }
    this.#own = this.#own === null ? null : settle(this.#own)
    this.#derived = this.#derived.map(settle)
  }

  #make(path: string, bytes: Uint8Array): Pending {
    return {
      path,
      size: bytes.byteLength,
      sha256: sha256(bytes),
      mode: this.#mode,
      same: false,
      oid: null,
      place: null,
      bytes,
      at: undefined,
    }
  }
}

type Done = { result: Omit<Transformed, 'steps'>; steps: Written[][] }

const transformOne = (env: TaskEnv, task: TransformTask, file: TransformFile, blobs: Blobs): Done | undefined => {
  const { transformer, source } = transformerFor(env, task)
  const read = file.bytes === undefined ? readStable(env.fs, join(task.root, file.path), file.path) : { bytes: file.bytes }
  if (read === undefined || sha256(read.bytes) !== file.sha256) return undefined
  source.held = { path: file.path, bytes: read.bytes }
  const start = Math.min(source.start(file.path), task.base)
  const last = task.positions.at(-1) ?? task.base
  const made = transformer.file(file.path, start, last)
  // Bytes that came with the task are not what is in the directory now: nothing can be cloned from there.
  const at = 'stat' in read ? { path: join(task.root, file.path), stat: read.stat } : undefined
  const trail = new Trail({ ...file, same: true, place: null, bytes: read.bytes, at }, blobs, task.positions.length)
  for (let position = start; position <= last; position++) {
    const index = task.positions.indexOf(position)
    if (index >= 0) trail.write(env.fs, index, task.staging[index] ?? '')
    trail.step(file.path, made.steps[position - start] ?? [{ path: file.path, bytes: null }])
  }
  source.held = undefined
  const { path, issues, records, reads, damaged } = made
  return { result: { path, issues, records, reads, damaged }, steps: trail.written }
}

/** Takes each file of a batch through all steps: read once, parsed once, written and encoded at every position. */
export const transform = (env: TaskEnv, task: TransformTask): TransformResult => {
  const blobs = new Blobs()
  const stale: string[] = []
  const done: NonNullable<ReturnType<typeof transformOne>>[] = []
  const { transformer } = transformerFor(env, task)
  try {
    eachInTime(
      task.files,
      env.dataset?.secondsPerFile,
      () => transformer.place,
      (file) => {
        const one = transformOne(env, task, file, blobs)
        if (one === undefined) stale.push(file.path)
        else done.push(one)
      },
    )
  } catch (error) {
    // What was ended in the middle of anything is not used again.
    kept = undefined
    throw error
  }
  const { pack, oid } = blobs.encode()
  const settle = ({ place, oid: known, ...rest }: Written): Made => ({ ...rest, oid: known ?? oid(place ?? -1) })
  const files = done.map(({ result, steps }) => ({ ...result, steps: steps.map((outputs) => outputs.map(settle)) }))
  return { type: 'transform', files, stale, pack }
}
