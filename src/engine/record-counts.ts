import { resolveSnapshot } from '../core/resolve.ts'
import type { Snapshot } from '../core/state.ts'
import { Repository } from '../storage/repository.ts'
import { MOST_BYTES, contentOf } from './compare.ts'
import type { Context } from './context.ts'
import { readState } from './read.ts'

/** How many records a file has in two snapshots; null where it is not there, holds none, or cannot be read. */
export type RecordCount = { readonly path: string; readonly before: number | null; readonly after: number | null }

type Counted = ReadonlyMap<string, number>

/** Lets whoever shares this thread have a turn between two files. */
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

const countIn = async (
  context: Context,
  repository: Repository,
  snapshot: Snapshot,
  known: Map<string, number | null>,
): Promise<Counted> => {
  const found = new Map<string, number>()
  for (const { path, oid, size } of repository.manifest(snapshot.commit).files) {
    if (size > MOST_BYTES) continue
    const key = `${snapshot.schemaVersion} ${path} ${oid}`
    if (!known.has(key)) {
      const content = contentOf(context, snapshot, path, repository.blob(oid))
      known.set(key, content?.parsed.records?.length ?? null)
      await turn()
    }
    const count = known.get(key)
    if (typeof count === 'number') found.set(path, count)
  }
  return found
}

/** The records of each file of two snapshots, as committed, by path; one file is in memory at a time. Throws ABSENT, NO_STORE. */
export const countRecords = async (context: Context, a: string, b: string): Promise<RecordCount[]> => {
  const state = readState(context)
  const [before, after] = [resolveSnapshot(state, a), resolveSnapshot(state, b)]
  const repository = new Repository(context.fs, context.paths.repository)
  try {
    const known = new Map<string, number | null>()
    const was = await countIn(context, repository, before, known)
    const is = await countIn(context, repository, after, known)
    const paths = [...new Set([...was.keys(), ...is.keys()])].sort()
    return paths.map((path) => ({ path, before: was.get(path) ?? null, after: is.get(path) ?? null }))
  } finally {
    repository.close()
  }
}
