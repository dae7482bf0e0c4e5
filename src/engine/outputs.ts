import { StrataError } from '../core/errors.ts'
import type { FileEntry } from '../core/manifest.ts'
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

/** What a step has made of the dataset as a whole: the files that it put there, and all whose place it took. */
export type Whole = { readonly files: ReadonlyMap<string, FileEntry>; readonly gone: ReadonlySet<string> }

/** The files of one target, kept up as results come and go. */
export class Outputs {
  readonly #index: number
  readonly #files = new Map<string, FileEntry>()
  readonly #moves = new Map<Transformed, [string, string]>()
  #whole: Whole | undefined
  /** Whether two files were made for one path, be it for a moment only. */
  #isClashing = false
  #since: Map<string, FileEntry | undefined> | undefined

  constructor(index: number) {
    this.#index = index
  }

  add(result: Transformed): void {
    for (const made of result.steps[this.#index] ?? []) {
      this.#isClashing ||= this.#files.has(made.path)
      this.#set(made.path, made)
    }
    const move = moveOf(result, this.#index)
    if (move !== undefined) this.#moves.set(result, move)
  }

  remove(result: Transformed): void {
    for (const made of result.steps[this.#index] ?? []) if (this.#files.get(made.path) === made) this.#set(made.path, undefined)
    this.#moves.delete(result)
  }

  /** Puts what was made of the dataset as a whole over the files; without any, takes it away again, and what it had replaced is missing. */
  cover(whole: Whole | undefined): void {
    for (const path of this.#whole?.files.keys() ?? []) this.#set(path, undefined)
    this.#whole = whole
    this.#putWhole((path, file) => {
      this.#set(path, file)
    })
  }

  /** From here on it is noted what becomes another file. */
  mark(): void {
    this.#since = new Map()
  }

  /** What became another file since `mark`, or went, and what it was. */
  get since(): ReadonlyMap<string, FileEntry | undefined> {
    return this.#since ?? new Map()
  }

  /** What there is, where `results` are all of them. Throws EXISTS when two files were made for one path. */
  files(results: Iterable<Transformed>): ReadonlyMap<string, FileEntry> {
    if (this.#isClashing) this.#lookAgain(results)
    return this.#files
  }

  /** Files that have only got another path: from, to. */
  get moves(): [string, string][] {
    return [...this.#moves.values()]
  }

  #set(path: string, file: FileEntry | undefined): void {
    if (this.#since?.has(path) === false) this.#since.set(path, this.#files.get(path))
    if (file === undefined) this.#files.delete(path)
    else this.#files.set(path, file)
  }

  #putWhole(put: (path: string, file: FileEntry | undefined) => void): void {
    for (const path of this.#whole?.gone ?? []) put(path, undefined)
    for (const [path, file] of this.#whole?.files ?? []) put(path, file)
  }

  #lookAgain(results: Iterable<Transformed>): void {
    const found = new Map<string, FileEntry>()
    for (const result of results)
      for (const made of result.steps[this.#index] ?? []) {
        if (found.has(made.path)) throw twice(made, result)
        found.set(made.path, made)
      }
    this.#putWhole((path, file) => {
      if (file === undefined) found.delete(path)
      else found.set(path, file)
    })
    for (const path of [...this.#files.keys()]) if (!found.has(path)) this.#set(path, undefined)
    for (const [path, file] of found) if (this.#files.get(path) !== file) this.#set(path, file)
    this.#isClashing = false
  }
}
