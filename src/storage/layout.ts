import { join } from 'node:path'
import { StrataError } from '../core/errors.ts'

const ID = /^[0-9a-zA-Z+-][0-9a-zA-Z.+-]{0,254}$/

/** Ids come from the journal, which may be someone else's: as the name of a folder none leads out of the store. */
const checked = (id: string): string => {
  if (ID.test(id)) return id
  throw new StrataError('CORRUPT', `${JSON.stringify(id.slice(0, 80))} is not the id of a snapshot`, {
    data: { file: 'journal' },
    hint: 'The journal was not written by Strata, or is damaged: strata verify',
  })
}

/** Ends the name of a directory on its way out: an event says so, and its snapshot is in the repository. */
export const EVICTED = '.evicted'

/** Where things are in a store (design section 2). */
export const layout = (root: string) => ({
  root,
  current: join(root, 'CURRENT'),
  reserve: join(root, 'reserve'),
  journal: join(root, 'journal'),
  repository: join(root, 'repo.git'),
  packs: join(root, 'repo.git', 'objects', 'pack'),
  snapshots: join(root, 'snapshots'),
  snapshot: (id: string) => join(root, 'snapshots', checked(id)),
  index: (id: string) => join(root, 'index', checked(id)),
  indexes: join(root, 'index'),
  staging: join(root, 'staging'),
  staged: (id: string) => join(root, 'staging', checked(id)),
  quarantine: join(root, 'quarantine'),
  memos: join(root, 'memo'),
  memo: (name: string) => join(root, 'memo', checked(name)),
  leftovers: join(root, 'memo', 'left'),
  leftover: (id: string) => join(root, 'memo', 'left', checked(id)),
})

export type Layout = ReturnType<typeof layout>
