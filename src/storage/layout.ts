import { join } from 'node:path'

/** Where things are in a store (design section 2). */
export const layout = (root: string) => ({
  root,
  current: join(root, 'CURRENT'),
  journal: join(root, 'journal'),
  repository: join(root, 'repo.git'),
  packs: join(root, 'repo.git', 'objects', 'pack'),
  snapshots: join(root, 'snapshots'),
  snapshot: (id: string) => join(root, 'snapshots', id),
  index: (id: string) => join(root, 'index', id),
  indexes: join(root, 'index'),
  memo: join(root, 'memo'),
  staging: join(root, 'staging'),
  quarantine: join(root, 'quarantine'),
})

export type Layout = ReturnType<typeof layout>
