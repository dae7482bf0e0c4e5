import { join } from 'node:path'
import type { Dataset } from '../core/dataset.ts'
import { StrataError } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import type { There } from '../core/paths.ts'
import type { Mended } from '../core/mend-file.ts'
import { mendFile } from '../core/mend-file.ts'
import { UNSTEADY } from '../core/reads.ts'
import { startOf } from '../core/start.ts'
import type { FileResult, Source, StepFile } from '../core/transform.ts'
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
  readonly base: number
  /** What was read of other files. */
  readonly #digests = new Map<string, string>()
  /** The bytes of the file being transformed, so that it is read once. */
  held: { path: string; bytes: Uint8Array } | undefined

  constructor(fs: FsPort, dataset: Dataset, task: TransformTask) {
    this.#fs = fs
    this.#dataset = dataset
    this.#root = task.root
    this.base = task.base
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
    return startOf(this.#dataset, path, this.bytes(path), this.base)
  }
}

const thereOf = ({ there, positions, base }: TransformTask): There | undefined =>
  there === null ? undefined : { position: positions.at(-1) ?? base, paths: there }

const transformerFor = ({ fs, dataset, cancelled }: TaskEnv, task: TransformTask): NonNullable<typeof kept> => {
  if (kept?.key === task.key) return kept
  if (dataset === null) throw new StrataError('BAD_ARGUMENT', 'a transform needs a dataset')
  const source = new DirectorySource(fs, dataset, task)
  const aborted = (): 'CANCELLED' | 'MIGRATION_TIMEOUT' | null =>
    cancelled?.() === true ? 'CANCELLED' : expired() ? 'MIGRATION_TIMEOUT' : null
  kept = { key: task.key, source, transformer: new Transformer(dataset, source, { aborted }, thereOf(task)) }
  return kept
}

type Written = Omit<Made, 'oid'> & { oid: Oid | null; place: number | null }
/** `at`: a file that holds the bytes, if there is one. */
type Pending = Written & { bytes: Uint8Array; at: SameFile | undefined }

/** A file on its way: the files that it stands for now, and what was written at each position. */
class Trail {
  readonly written: Written[][]
  #now: readonly Pending[]
  readonly #blobs: Blobs
  readonly #mode: number

  constructor(own: Pending, blobs: Blobs, positions: number) {
    this.#now = [own]
    this.#blobs = blobs
    this.#mode = own.mode
    this.written = Array.from({ length: positions }, () => [])
  }

  step(outputs: readonly StepFile[]): void {
    const before = new Map(this.#now.map((file) => [file.path, file]))
    this.#now = outputs.flatMap(({ path, bytes, from }) => {
      if (bytes !== null) return [this.#make(path, bytes)]
      const same = before.get(from)
      return same === undefined ? [] : [{ ...same, path }]
    })
  }

  mend({ outputs }: Mended): void {
    if (outputs.length > 0) this.step(outputs)
  }

  write(fs: FsPort, index: number, dir: string): void {
    this.#now = this.#now.map((file) => {
      // Only what is written anywhere becomes an object: a step that is passed on the way leaves none.
      const now = file.oid === null && file.place === null ? { ...file, place: this.#blobs.add(file.bytes) } : file
      writeStaged(fs, join(dir, now.path), now.bytes, now.mode, now.at)
      const { bytes: _, at: __, ...entry } = now
      this.written[index]?.push(entry)
      return { ...now, same: true, at: { path: join(dir, now.path), stat: null } }
    })
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

/** A file that no step touches. */
const unchanged = (path: string, steps: number): FileResult => ({
  path,
  steps: Array.from({ length: steps }, () => [{ path, bytes: null, from: path }]),
  issues: [],
  damaged: true,
  records: 0,
  reads: [],
  gathered: [],
})

type Done = { result: Omit<Transformed, 'steps'>; steps: Written[][] }

/** Only a mend says where files are already. */
const mendedBy = ({ dataset }: TaskEnv, { there }: TransformTask, work: (dataset: Dataset) => Mended): Mended =>
  there === null || dataset === null ? { outputs: [], issues: [] } : work(dataset)

const transformOne = (env: TaskEnv, task: TransformTask, file: TransformFile, blobs: Blobs): Done | undefined => {
  const { transformer, source } = transformerFor(env, task)
  const read = file.bytes === undefined ? readStable(env.fs, join(task.root, file.path), file.path) : { bytes: file.bytes }
  if (read === undefined || sha256(read.bytes) !== file.sha256) return undefined
  source.held = { path: file.path, bytes: read.bytes }
  const start = Math.min(source.start(file.path), task.base)
  const last = task.positions.at(-1) ?? task.base
  const made = file.isAsItIs === true ? unchanged(file.path, last - start) : transformer.file(file.path, start, last)
  // Bytes that came with the task are not what is in the directory now: nothing can be cloned from there.
  const at = 'stat' in read ? { path: join(task.root, file.path), stat: read.stat } : undefined
  const trail = new Trail({ ...file, same: true, place: null, bytes: read.bytes, at }, blobs, task.positions.length)
  const mended = mendedBy(env, task, (dataset) => mendFile(dataset, source, transformer, file.path, made))
  for (let position = start; position <= last; position++) {
    if (position === last) trail.mend(mended)
    const index = task.positions.indexOf(position)
    if (index >= 0) trail.write(env.fs, index, task.staging[index] ?? '')
    trail.step(made.steps[position - start] ?? [])
  }
  source.held = undefined
  const { path, issues, records, reads, damaged, gathered } = made
  return { result: { path, issues: [...issues, ...mended.issues], records, reads, damaged, gathered }, steps: trail.written }
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
