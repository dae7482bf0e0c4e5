import type { Issue } from './issues.ts'
import { collapse, issue } from './issues.ts'
import { Reads } from './reads.ts'

/** What a step has gathered from one file, for what is made of all of them. `value` is plain JSON. */
export type Gathered = { readonly index: number; readonly kind: string; readonly path: string; readonly value: unknown }

/** What is noted while a file, and all that is made from it, goes through the steps. */
export class Notes {
  readonly reads = new Reads()
  readonly found: Issue[] = []
  readonly gathered: Gathered[] = []
  readonly #warned = new Map<string, Issue>()

  get issues(): Issue[] {
    return collapse([...this.found, ...this.#warned.values()])
  }

  /** Drops what was found and warned of. */
  forget(): void {
    this.found.length = 0
    this.gathered.length = 0
    this.#warned.clear()
  }

  /** A day may warn a hundred thousand times of the same thing: it is counted. */
  warn(about: { readonly code: string; readonly message: string; readonly hint: string } & Pick<Issue, 'file' | 'record' | 'step'>): void {
    const key = `${about.file ?? ''} ${about.step ?? ''} ${about.code} ${about.message}`
    const before = this.#warned.get(key)
    if (before === undefined) this.#warned.set(key, issue({ severity: 'warning', ...about }))
    else before.count += 1
  }
}
