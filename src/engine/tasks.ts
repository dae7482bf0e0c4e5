import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Dataset } from '../core/dataset.ts'
import { effectiveIndex, fileVersion } from '../core/dataset.ts'
import { StrataError, messageOf, systemCode } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { Issue } from '../core/issues.ts'
import { headOf } from '../core/memory.ts'
import type { Source } from '../core/transform.ts'
import { Transformer } from '../core/transform.ts'
import type { FsPort } from '../storage/fs.ts'
import type { EncodedBatch } from '../storage/pack-write.ts'
import { encodeEntries } from '../storage/pack-write.ts'
import { readStable } from '../storage/read-stable.ts'
import type { FileStat } from '../storage/scan.ts'
import { writeAll } from '../storage/durable.ts'
import { readFile } from '../storage/files.ts'

/**
 * The work that runs in workers, or on the main thread when there is little of it: whole batches with synchronous calls,
 * nothing shared, plain data in and out (measurements: half the time of promises, and status answers at once).
 */

/** Content of one file, as the manifest will list it. */
export type Content = { readonly path: string; readonly size: number; readonly sha256: string; readonly oid: Oid }

export type CaptureFile = { readonly path: string; readonly known: string | null }
export type CaptureTask = {
  readonly type: 'capture'
  readonly root: string
  readonly copyTo: string | null
  readonly files: readonly CaptureFile[]
}
export type Captured = Content & { readonly stat: FileStat; readonly version: string | null; readonly same: boolean }
export type CaptureResult = {
  readonly type: 'capture'
  readonly files: readonly Captured[]
  readonly gone: readonly string[]
  readonly pack: EncodedBatch
}

export type TransformFile = {
  readonly path: string
  readonly sha256: string
  readonly oid: Oid
  readonly size: number
  readonly mode: number
}
export type TransformTask = {
  readonly type: 'transform'
  /** Identifies the source: a worker keeps what it worked out of other files while this stays the same. */
  readonly key: string
  readonly root: string
  readonly paths: readonly string[]
  /** Chain position of the source. A file that is behind it is taken there first. */
  readonly base: number
  /** Chain positions to write, ascending, and the directory for each. */
  readonly positions: readonly number[]
  readonly staging: readonly string[]
  readonly files: readonly TransformFile[]
}
/** One file at one position; `same`: its bytes are those of the position before. */
export type Made = Content & { readonly mode: number; readonly same: boolean }
export type Transformed = {
  readonly path: string
  readonly steps: readonly (readonly Made[])[]
  readonly issues: readonly Issue[]
  readonly records: number
  readonly reads: readonly string[]
  readonly damaged: boolean
}
export type TransformResult = {
  readonly type: 'transform'
  readonly files: readonly Transformed[]
  readonly stale: readonly string[]
  readonly pack: EncodedBatch
}

export type VerifyTask = {
  readonly type: 'verify'
  readonly root: string
  readonly files: readonly { path: string; size: number; sha256: string }[]
}
export type VerifyResult = {
  readonly type: 'verify'
  readonly checked: number
  readonly bytes: number
  readonly wrong: readonly { path: string; why: string }[]
}

export type Task = CaptureTask | TransformTask | VerifyTask
export type Result = CaptureResult | TransformResult | VerifyResult
export type ResultOf<T extends Task> = Extract<Result, { type: T['type'] }>

export type TaskEnv = { readonly fs: FsPort; readonly dataset: Dataset | null }

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Gathers blobs of a batch into one buffer of pack entries. */
class Blobs {
  readonly #bytes: { type: 'blob'; bytes: Uint8Array }[] = []
  readonly #where: number[] = []
  /** Reserves a place; the object id is known after `encode`. */
  add(bytes: Uint8Array): number {
    this.#where.push(this.#bytes.length)
    return this.#bytes.push({ type: 'blob', bytes }) - 1
  }
  encode(): { pack: EncodedBatch; oid: (place: number) => Oid } {
    const pack = encodeEntries(this.#bytes)
    return {
      pack,
      oid: (place) => {
        const entry = pack.table[place]
        if (entry === undefined) throw new StrataError('ABSENT', 'a blob of this batch was not encoded')
        return entry.oid
      },
    }
  }
}

const makeParents = (fs: FsPort, path: string): void => {
  const dir = dirname(path)
  if (fs.lstat(dir) !== undefined) return
  makeParents(fs, dir)
  try {
    fs.mkdir(dir, 0o755)
  } catch (error) {
    // Another worker was faster.
    if (systemCode(error) !== 'EEXIST') throw error
  }
}

/** Writes a file of a staged directory; made durable later, together with the others of its batch. */
export const writeStaged = (fs: FsPort, path: string, bytes: Uint8Array, mode: number): void => {
  makeParents(fs, path)
  const fd = fs.open(path, 'w', mode)
  try {
    writeAll(fs, fd, bytes)
    if (fs.fstat(fd).size !== bytes.byteLength) throw new StrataError('NO_SPACE', `${path} was not written whole`)
  } finally {
    fs.close(fd)
  }
  // The process's umask takes group and other write bits off a new file.
  if ((mode & 0o022) !== 0) fs.chmod(path, mode)
}

const capture = ({ fs, dataset }: TaskEnv, task: CaptureTask): CaptureResult => {
  const blobs = new Blobs()
  const gone: string[] = []
  const done: (Omit<Captured, 'oid'> & { place: number | null })[] = []
  for (const { path, known } of task.files) {
    const read = readStable(fs, join(task.root, path), path)
    if (read === undefined) {
      gone.push(path)
      continue
    }
    const { bytes, stat } = read
    const hash = sha256(bytes)
    const same = hash === known
    if (task.copyTo !== null) writeStaged(fs, join(task.copyTo, path), bytes, stat.mode)
    const version = dataset === null ? null : fileVersion(dataset, path, headOf(bytes))
    done.push({ path, size: bytes.byteLength, sha256: hash, stat, version, same, place: same ? null : blobs.add(bytes) })
  }
  const { pack, oid } = blobs.encode()
  const files = done.map(({ place, ...rest }) => ({ ...rest, oid: place === null ? ('' as Oid) : oid(place) }))
  return { type: 'capture', files, gone, pack }
}

/** The transformer of the last task: its documents read through ctx serve all batches of one source. */
let kept: { key: string; transformer: Transformer; source: DirectorySource } | undefined

class DirectorySource implements Source {
  readonly paths: readonly string[]
  readonly #fs: FsPort
  readonly #dataset: Dataset
  readonly #root: string
  readonly #base: number
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
    return read.bytes
  }
  start(path: string): number {
    const version = fileVersion(this.#dataset, path, headOf(this.bytes(path)))
    const index = version === null ? this.#base : effectiveIndex(this.#dataset.chain, path, version, this.#base)
    return index < 0 ? this.#base : index
  }
}

const transformerFor = ({ fs, dataset }: TaskEnv, task: TransformTask): NonNullable<typeof kept> => {
  if (kept?.key === task.key) return kept
  if (dataset === null) throw new StrataError('BAD_ARGUMENT', 'a transform needs a dataset')
  const source = new DirectorySource(fs, dataset, task)
  kept = { key: task.key, source, transformer: new Transformer(dataset, source) }
  return kept
}

type Pending = Omit<Made, 'oid'> & { oid: Oid | null; place: number | null; bytes: Uint8Array }

/** A file on its way: what it is now, the files derived from it so far, and what was written at each position. */
class Trail {
  readonly written: Omit<Pending, 'bytes'>[][]
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
    const now = this.#own === null ? this.#derived : [this.#own, ...this.#derived]
    for (const file of now) {
      writeStaged(fs, join(dir, file.path), file.bytes, file.mode)
      const { bytes: _, ...entry } = file
      this.written[index]?.push(entry)
    }
    const settled = (file: Pending): Pending => ({ ...file, same: true })
    this.#own = this.#own === null ? null : settled(this.#own)
    this.#derived = this.#derived.map(settled)
  }

  #make(path: string, bytes: Uint8Array): Pending {
    return {
      path,
      size: bytes.byteLength,
      sha256: sha256(bytes),
      mode: this.#mode,
      same: false,
      oid: null,
      place: this.#blobs.add(bytes),
      bytes,
    }
  }
}

type Done = { result: Omit<Transformed, 'steps'>; steps: Omit<Pending, 'bytes'>[][] }

const transformOne = (env: TaskEnv, task: TransformTask, file: TransformFile, blobs: Blobs): Done | undefined => {
  const { transformer, source } = transformerFor(env, task)
  const read = readStable(env.fs, join(task.root, file.path), file.path)
  if (read === undefined || sha256(read.bytes) !== file.sha256) return undefined
  source.held = { path: file.path, bytes: read.bytes }
  const start = Math.min(source.start(file.path), task.base)
  const last = task.positions.at(-1) ?? task.base
  const made = transformer.file(file.path, start, last)
  const trail = new Trail({ ...file, same: true, place: null, bytes: read.bytes }, blobs, task.positions.length)
  for (let position = start; position <= last; position++) {
    const index = task.positions.indexOf(position)
    if (index >= 0) trail.write(env.fs, index, task.staging[index] ?? '')
    trail.step(file.path, made.steps[position - start] ?? [{ path: file.path, bytes: null }])
  }
  source.held = undefined
  const { path, issues, records, reads, damaged } = made
  return { result: { path, issues, records, reads, damaged }, steps: trail.written }
}

const transform = (env: TaskEnv, task: TransformTask): TransformResult => {
  const blobs = new Blobs()
  const stale: string[] = []
  const done: NonNullable<ReturnType<typeof transformOne>>[] = []
  for (const file of task.files) {
    const one = transformOne(env, task, file, blobs)
    if (one === undefined) stale.push(file.path)
    else done.push(one)
  }
  const { pack, oid } = blobs.encode()
  const settle = ({ place, oid: known, ...rest }: Omit<Pending, 'bytes'>): Made => ({ ...rest, oid: known ?? oid(place ?? -1) })
  const files = done.map(({ result, steps }) => ({ ...result, steps: steps.map((outputs) => outputs.map(settle)) }))
  return { type: 'transform', files, stale, pack }
}

const verifyOne = (fs: FsPort, root: string, file: VerifyTask['files'][number]): string | null => {
  try {
    const bytes = readFile(fs, join(root, file.path))
    if (bytes === undefined) return 'is missing'
    if (bytes.byteLength !== file.size) return `has ${bytes.byteLength} bytes instead of ${file.size}`
    return sha256(bytes) === file.sha256 ? null : 'has other content than its hash says'
  } catch (error) {
    return `cannot be read: ${messageOf(error)}`
  }
}

const verify = ({ fs }: TaskEnv, task: VerifyTask): VerifyResult => {
  const wrong = task.files.flatMap((file) => {
    const why = verifyOne(fs, task.root, file)
    return why === null ? [] : [{ path: file.path, why }]
  })
  return { type: 'verify', checked: task.files.length, bytes: task.files.reduce((sum, f) => sum + f.size, 0), wrong }
}

export const runTask = (env: TaskEnv, task: Task): Result => {
  switch (task.type) {
    case 'capture':
      return capture(env, task)
    case 'transform':
      return transform(env, task)
    case 'verify':
      return verify(env, task)
  }
}
