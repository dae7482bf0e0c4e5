import type { AnyMigration } from './chain.ts'
import type { Dataset } from './dataset.ts'
import { StrataError, isStrataError, messageOf } from './errors.ts'
import { isRefusedChange } from './freeze.ts'
import { listDigest } from './reads.ts'
import { kindOf, matchesGlob, patternsOf } from './schema.ts'
import { settled } from './step-failure.ts'

/** The paths that files have at another chain position, where they are known: a file goes where it is already. */
export type There = { readonly position: number; readonly paths: Iterable<string> }

const migrationAt = ({ chain }: Dataset, index: number): AnyMigration => {
  const m = chain.migrations[index]
  if (m === undefined) throw new StrataError('ABSENT', `there is no migration at position ${index}`)
  return m
}

const unlike = (m: AnyMigration, path: string, kind: string): StrataError =>
  new StrataError('INVALID_RESULT', `${path} is no path of the kind ${kind}`, {
    data: { file: path, kind, step: m.to.version },
    hint: `Let files.${kind}.path give a path that the kind's patterns match.`,
  })

/** Whether a migration takes files to other paths. */
const isMoving = (m: AnyMigration): boolean => Object.values(m.files).some((step) => step.path !== undefined)

/** What a path function gives. Throws MIGRATION_FAILED with the file and the step, INVALID_RESULT for what is no path. */
const asked = (m: AnyMigration, path: string, kind: string, work: () => string): string => {
  try {
    // Not as the types say: a migration may be written in JavaScript.
    const given: unknown = settled(work())
    if (typeof given === 'string') return given
  } catch (error) {
    const code = isStrataError(error) ? error.code : isRefusedChange(error) ? 'INPUT_CHANGED' : 'MIGRATION_FAILED'
    throw new StrataError(code, `files.${kind}.path: ${messageOf(error)}`, { data: { file: path, step: m.to.version }, cause: error })
  }
  throw new StrataError('INVALID_RESULT', `files.${kind}.path gave no path`, { data: { file: path, step: m.to.version } })
}

/** The path that a file had before migration `index`. */
export const pathBefore = (dataset: Dataset, path: string, index: number): string => {
  const m = migrationAt(dataset, index)
  const kind = kindOf(m.to.kinds, path)
  const back = kind === undefined ? undefined : m.files[kind]?.path?.rollback
  return kind === undefined || back === undefined ? path : asked(m, path, kind, () => back(path))
}

/** Which path each file of a dataset has, version by version. `base`: the chain position that the dataset is at. */
export class Paths {
  readonly #dataset: Dataset
  readonly #base: number
  /** For each chain position: the path there, to that at `base`. */
  readonly #at = new Map<number, ReadonlyMap<string, string>>()
  readonly #lists = new Map<string, readonly string[]>()
  readonly #digests = new Map<string, string>()
  readonly #settled: ReadonlyMap<string, string>

  constructor(dataset: Dataset, paths: readonly string[], base: number, there?: There) {
    this.#dataset = dataset
    this.#base = base
    this.#at.set(base, new Map(paths.map((path) => [path, path])))
    this.#settled = there === undefined ? new Map() : this.#settle(there)
  }

  /** The paths of a kind at a chain position, in order. */
  list(kind: string, position: number): readonly string[] {
    const key = `${position} ${kind}`
    const known = this.#lists.get(key)
    if (known !== undefined) return known
    const kinds = this.#dataset.chain.schemas[position]?.kinds ?? {}
    const patterns = patternsOf(kinds[kind])
    const paths = [...this.#all(position).keys()].filter((path) => patterns.some((glob) => matchesGlob(glob, path))).sort()
    // It is handed to migrations, and serves all files.
    this.#lists.set(key, Object.freeze(paths))
    return paths
  }

  /** Whether files may have other paths at a position: where one is, or whether it is, may then depend on all that there are. */
  hasMoves(position: number): boolean {
    const [from, to] = [Math.min(this.#base, position), Math.max(this.#base, position)]
    return this.#dataset.chain.migrations.slice(from, to).some(isMoving)
  }

  /** Which paths at `base` a pattern matches, as a digest: many files ask for the same. */
  digestOf(glob: string): string {
    const known = this.#digests.get(glob)
    const digest = known ?? listDigest([...this.#all(this.#base).keys()].filter((path) => matchesGlob(glob, path)))
    if (known === undefined) this.#digests.set(glob, digest)
    return digest
  }

  /** The path at `base` of the file that is at `path` at another position; undefined when there is none. */
  origin(path: string, position: number): string | undefined {
    return this.#all(position).get(path)
  }

  /** The path that a file has after migration `index`. */
  after(path: string, index: number): string {
    const m = migrationAt(this.#dataset, index)
    const kind = kindOf(m.from.kinds, path)
    const move = kind === undefined ? undefined : m.files[kind]?.path?.migrate
    if (kind === undefined || move === undefined) return path
    const all = this.list(kind, index)
    const moved = this.#settled.get(`${index} ${path}`) ?? asked(m, path, kind, () => move(path, all))
    const target = m.to.kinds[kind]
    if (!patternsOf(target).some((glob) => matchesGlob(glob, moved))) throw unlike(m, moved, kind)
    return moved
  }

  /** The path at another position. */
  between(path: string, from: number, to: number): string {
    let at = path
    for (let i = from; i < to; i++) at = this.after(at, i)
    for (let i = from; i > to; i--) at = pathBefore(this.#dataset, at, i - 1)
    return at
  }

  #all(position: number): ReadonlyMap<string, string> {
    const known = this.#at.get(position)
    if (known !== undefined) return known
    const isUp = position > this.#base
    const nearer = this.#all(isUp ? position - 1 : position + 1)
    const m = migrationAt(this.#dataset, isUp ? position - 1 : position)
    if (!isMoving(m)) return nearer
    const moved = Array.from(nearer, ([path, origin]): [string, string] => [
      isUp ? this.after(path, position - 1) : pathBefore(this.#dataset, path, position),
      origin,
    ])
    const all = new Map(moved)
    this.#at.set(position, all)
    return all
  }

  /** The way of each file that is there already. */
  #settle({ position, paths }: There): ReadonlyMap<string, string> {
    const settled = new Map<string, string>()
    for (const path of paths) {
      let at = path
      for (let i = position - 1; i >= 0; i--) {
        const before = pathBefore(this.#dataset, at, i)
        settled.set(`${i} ${before}`, at)
        at = before
      }
    }
    return settled
  }
}
