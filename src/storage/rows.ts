/**
 * Files by path, with the numbers of their stats in columns, and what else is known of one made when it is asked for: of 10,000 files
 * that is a handful of objects, where a map of entries takes tens of thousands, and most commands only want to know that nothing differs.
 */

/** What a file's stat said; times in milliseconds as the kernel gave them (about a quarter microsecond of precision). */
export type FileStat = {
  readonly size: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly ino: number
  readonly mode: number
  /** How many names the file has. */
  readonly links: number
}

/** Numbers of each file: size, mtimeMs, ctimeMs, ino, mode, links. */
export const COLUMNS = 6
const MTIME = 1

export const statAt = (numbers: Float64Array, row: number): FileStat => {
  const [size = 0, mtimeMs = 0, ctimeMs = 0, ino = 0, mode = 0, links = 1] = numbers.subarray(row * COLUMNS, (row + 1) * COLUMNS)
  return { size, mtimeMs, ctimeMs, ino, mode, links }
}

export class Rows<V> implements ReadonlyMap<string, V> {
  readonly paths: readonly string[]
  readonly numbers: Float64Array
  readonly #make: (row: number) => V
  #rows: ReadonlyMap<string, number> | undefined
  readonly #made: V[]

  /** `make` is asked once for a row. */
  constructor(paths: readonly string[], numbers: Float64Array, make: (row: number) => V) {
    this.paths = paths
    this.numbers = numbers
    this.#make = make
    this.#made = new Array<V>(paths.length)
  }

  get size(): number {
    return this.#all.size
  }

  has(path: string): boolean {
    return this.#all.has(path)
  }

  get(path: string): V | undefined {
    const row = this.#all.get(path)
    return row === undefined ? undefined : this.#at(row)
  }

  forEach(each: (value: V, path: string, map: ReadonlyMap<string, V>) => void): void {
    for (const [path, value] of this) each(value, path, this)
  }

  keys(): MapIterator<string> {
    return this.#all.keys()
  }

  *values(): MapIterator<V> {
    for (const row of this.#all.values()) yield this.#at(row)
  }

  *entries(): MapIterator<[string, V]> {
    for (const [path, row] of this.#all) yield [path, this.#at(row)]
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries()
  }

  #at(row: number): V {
    return (this.#made[row] ??= this.#make(row))
  }

  get #all(): ReadonlyMap<string, number> {
    return (this.#rows ??= new Map(this.paths.map((path, row) => [path, row])))
  }
}

const isSameRow = (a: Float64Array, b: Float64Array, from: number): boolean => {
  for (let at = from; at < from + COLUMNS; at++) if (a[at] !== b[at]) return false
  return true
}

const samePaths = (a: readonly string[], b: readonly string[]): boolean => {
  if (a.length !== b.length) return false
  for (let row = 0; row < a.length; row++) if (a[row] !== b[row]) return false
  return true
}

/**
 * The paths whose row in `now` is another than in `was`, or whose time of change `isYoung` says so of; undefined where the two do not
 * hold the same paths in the same order, which directories that nothing was added to or taken from do.
 */
export const differingRows = (was: Rows<unknown>, now: Rows<unknown>, isYoung: (mtimeMs: number) => boolean): string[] | undefined => {
  const { paths, numbers } = now
  if (!samePaths(was.paths, paths)) return undefined
  return paths.filter((_, row) => !isSameRow(was.numbers, numbers, row * COLUMNS) || isYoung(numbers[row * COLUMNS + MTIME] ?? 0))
}
