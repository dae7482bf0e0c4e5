import type { Oid } from '../core/git-objects.ts'
import type { Issue } from '../core/issues.ts'
import { issue } from '../core/issues.ts'

/** What `repair` can do about a finding. */
export type Heal =
  | { readonly kind: 'file'; readonly snapshot: string; readonly path: string }
  | { readonly kind: 'directory'; readonly snapshot: string }
  | { readonly kind: 'pack'; readonly name: string }
  | { readonly kind: 'loose'; readonly path: string }
  | { readonly kind: 'object'; readonly oid: Oid }
  | { readonly kind: 'cache'; readonly path: string }
  | { readonly kind: 'projections' }
  | { readonly kind: 'fixed'; readonly path: string }

export type Found = { readonly issue: Issue; readonly heal: Heal | null }

/** Which part of a store a check reads: all of it, or one of `of` parts that take turns. */
export type Part = { readonly part: number; readonly of: number }

const REPAIR = 'See what can be healed: strata repair'

export const damaged = (file: string, message: string, heal: Heal | null, more: Partial<Issue> = {}): Found => ({
  issue: issue({ code: 'CORRUPT', file, message, hint: REPAIR, ...more }),
  heal,
})

/** Something that can be made anew at any time: no data is in danger. */
export const stale = (file: string, message: string, heal: Heal): Found => ({
  issue: issue({
    severity: 'warning',
    code: 'CACHE_DAMAGED',
    file,
    message,
    hint: heal.kind === 'pack' ? REPAIR : 'strata repair makes it anew, or a command that works with it. Until then it only takes longer.',
  }),
  heal,
})

export const told = (found: Issue): Found => ({ issue: found, heal: null })
