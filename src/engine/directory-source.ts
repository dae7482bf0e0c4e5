import { join } from 'node:path'
import type { Dataset } from '../core/dataset.ts'
import { StrataError } from '../core/errors.ts'
import type { There } from '../core/paths.ts'
import { UNSTEADY } from '../core/reads.ts'
import { startOf } from '../core/start.ts'
import type { Source } from '../core/transform.ts'
import { Transformer } from '../core/transform.ts'
import type { FsPort } from '../storage/fs.ts'
import { readStable } from '../storage/read-stable.ts'
import { expired } from './bounded.ts'
import { sha256 } from './staged-file.ts'
import type { TaskEnv, TransformTask } from './task-types.ts'

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
  /** The file being transformed: its bytes, so that it is read once; of a large one its beginning and SHA-256. */
  held: { path: string; bytes: Uint8Array } | undefined
  large: { path: string; head: Uint8Array; sha256: string } | undefined

  constructor(fs: FsPort, dataset: Dataset, task: TransformTask) {
    this.#fs = fs
    this.#dataset = dataset
    this.#root = task.root
    this.base = task.base
    this.paths = task.paths.split('\0').slice(0, -1)
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
    if (this.large?.path === path) return this.large.sha256
    return this.held?.path === path ? sha256(this.held.bytes) : (this.#digests.get(path) ?? UNSTEADY)
  }
  start(path: string): number {
    return startOf(this.#dataset, path, this.large?.path === path ? this.large.head : this.bytes(path), this.base)
  }
}

const thereOf = ({ there, positions, base }: TransformTask): There | undefined =>
  there === null ? undefined : { position: positions.at(-1) ?? base, paths: there }

export const transformerFor = ({ fs, dataset, cancelled }: TaskEnv, task: TransformTask): NonNullable<typeof kept> => {
  if (kept?.key === task.key) return kept
  if (dataset === null) throw new StrataError('BAD_ARGUMENT', 'a transform needs a dataset')
  const source = new DirectorySource(fs, dataset, task)
  const aborted = (): 'CANCELLED' | 'MIGRATION_TIMEOUT' | null =>
    cancelled?.() === true ? 'CANCELLED' : expired() ? 'MIGRATION_TIMEOUT' : null
  kept = { key: task.key, source, transformer: new Transformer(dataset, source, { aborted }, thereOf(task)) }
  return kept
}

/** What was ended in the middle of anything is not used again. */
export const forgetTransformer = (): void => {
  kept = undefined
}
