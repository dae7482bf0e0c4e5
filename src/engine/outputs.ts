import { StrataError } from '../core/errors.ts'
import type { Made, Transformed } from './task-types.ts'

/** The path of a file before and after a target, where it has only got another one: a step puts it before what it derives from it. */
const moveOf = ({ path, steps }: Transformed, index: number): [string, string] | undefined => {
  const before = index === 0 ? path : steps[index - 1]?.[0]?.path
  const after = steps[index] ?? []
  const [own] = after
  return before === undefined || own === undefined || after.some((made) => made.path === before) ? undefined : [before, own.path]
}

const twice = (made: Made, { path }: Transformed): StrataError =>
  new StrataError('EXISTS', `the migration makes ${made.path} from ${path}, but the dataset has a file of that name already`, {
    data: { file: made.path, source: path },
    hint: 'Move the existing file out of the data directory, then migrate again. The active snapshot is untouched.',
  })

/** The files of one target, as results come and go. */
export class Outputs {
  readonly #index: number
  readonly #files = new Map<string, Made>()
  readonly #moves = new Map<Transformed, [string, string]>()
  /** Whether two files were made for one path, be it for a moment only. */
  #isClashing = false

  constructor(index: number) {
    this.#index = index
  }

  add(result: Transformed): void {
    for (const made of result.steps[this.#index] ?? []) {
      this.#isClashing ||= this.#files.has(made.path)
      this.#files.set(made.path, made)
    }
    const move = moveOf(result, this.#index)
    if (move !== undefined) this.#moves.set(result, move)
  }

  remove(result: Transformed): void {
    for (const made of result.steps[this.#index] ?? []) if (this.#files.get(made.path) === made) this.#files.delete(made.path)
    this.#moves.delete(result)
  }

  /** What there is, where `results` are all of them. Throws EXISTS when two files were made for one path. */
  files(results: Iterable<Transformed>): ReadonlyMap<string, Made> {
    if (this.#isClashing) this.#lookAgain(results)
    return this.#files
  }

  /** Files that have only got another path: from, to. */
  get moves(): [string, string][] {
    return [...this.#moves.values()]
  }

  #lookAgain(results: Iterable<Transformed>): void {
    this.#files.clear()
    for (const result of results)
      for (const made of result.steps[this.#index] ?? []) {
        if (this.#files.has(made.path)) throw twice(made, result)
        this.#files.set(made.path, made)
      }
    this.#isClashing = false
  }
}
