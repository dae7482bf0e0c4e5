import { durability, openToFlush } from './durable.ts'
import type { FsPort } from './fs.ts'
import { areHandlesScarce } from './fs.ts'
import type { FileStat } from './scan.ts'
import { fileStat, isRacy, isSameStat, TICK_MS } from './scan.ts'

/** Node has four threads for these calls, and the others that work meanwhile want handles, too. */
const IN_FLIGHT = 8

/**
 * Flushes files in the background while others are still being written, so that little is left to wait for at the end. Whoever makes a
 * directory durable flushes what this has not: it only knows, of a file whose stat is still the same, that it need not be flushed again.
 */
export class EarlyFlush {
  readonly #fs: FsPort
  readonly #flushed = new Map<string, FileStat>()
  readonly #waiting: { readonly path: string; readonly sinceMs: number }[] = []
  readonly #running = new Set<Promise<void>>()
  #error: Error | undefined

  constructor(fs: FsPort) {
    this.#fs = fs
  }

  /** Files that have just been written. */
  add(paths: Iterable<string>): void {
    if (areHandlesScarce()) return
    const sinceMs = Date.now()
    for (const path of paths) this.#waiting.push({ path, sinceMs })
    while (this.#running.size < IN_FLIGHT && this.#next(sinceMs) !== undefined) this.#start()
  }

  /** Whether a file that has this stat now needs no flush. */
  has(path: string, stat: FileStat): boolean {
    const flushed = this.#flushed.get(path)
    return flushed !== undefined && isSameStat(flushed, stat)
  }

  /** Begins nothing more, and waits for what is under way. Throws DURABILITY when the disk has refused any of it: that is final. */
  async settle(): Promise<void> {
    this.#waiting.length = 0
    await Promise.all(this.#running)
    if (this.#error !== undefined) throw this.#error
  }

  /** The file that waits longest, once a later write would show in its times. */
  #next(nowMs: number): string | undefined {
    const [first] = this.#waiting
    return first !== undefined && nowMs - first.sinceMs > TICK_MS ? first.path : undefined
  }

  #start(): void {
    const lane = this.#lane().finally(() => this.#running.delete(lane))
    this.#running.add(lane)
  }

  async #lane(): Promise<void> {
    for (let path = this.#next(Date.now()); path !== undefined; path = this.#next(Date.now())) {
      this.#waiting.shift()
      await this.#flush(path)
    }
  }

  async #flush(path: string): Promise<void> {
    let fd: number | undefined
    try {
      fd = openToFlush(this.#fs, path)
    } catch {
      // It has gone again, or too many files are open: whoever makes the directory durable sees to it.
      return
    }
    try {
      const stat = fileStat(this.#fs.fstat(fd))
      // Of a file as young as that a later write might not show, and it would need its flush.
      const isYoung = isRacy(stat.mtimeMs, Date.now())
      await this.#fs.fsyncLater(fd)
      if (!isYoung) this.#flushed.set(path, stat)
    } catch (error) {
      this.#error ??= durability(path, error)
    } finally {
      this.#fs.close(fd)
    }
  }
}
