import { join } from 'node:path'
import { versionIndex } from '../core/chain.ts'
import { StrataError } from '../core/errors.ts'
import { fileFrom, sourceOf } from '../core/memory.ts'
import { resolveSnapshot } from '../core/resolve.ts'
import type { Snapshot } from '../core/state.ts'
import { activeSnapshot } from '../core/state.ts'
import type { Source } from '../core/transform.ts'
import { Transformer } from '../core/transform.ts'
import { readStable } from '../storage/read-stable.ts'
import type { Repository } from '../storage/repository.ts'
import { expired, inTime } from './bounded.ts'
import type { Context } from './context.ts'
import { scan } from './directory.ts'
import { reading, showFile } from './history.ts'
import { readState } from './read.ts'

/** Files in the form of another schema version, in memory: nothing is written, no lock is taken. */

const absent = (where: string, path: string): StrataError =>
  new StrataError('ABSENT', `${where} has no file ${path}`, {
    data: { file: path },
    hint: 'Paths are relative to the data directory, with /.',
  })

const take = ({ dataset }: Context, source: Source, path: string, version: string): Uint8Array => {
  const transformer = new Transformer(dataset, source, { aborted: () => (expired() ? 'MIGRATION_TIMEOUT' : null) })
  const work = (): Uint8Array => fileFrom(transformer, dataset, source, path, version).bytes
  return inTime({ path, size: source.bytes(path).byteLength }, dataset.secondsPerFile, () => transformer.place, work)
}

/** The chain position of a snapshot. A file in it that is of another version, such as an old one that was put there, says so itself. */
const positionOf = ({ dataset }: Context, snapshot: Snapshot): number => {
  const base = versionIndex(dataset.chain, snapshot.schemaVersion)
  if (base >= 0) return base
  throw new StrataError('NEWER_SCHEMA', `${snapshot.id} is of schema ${snapshot.schemaVersion}, which this chain does not know`, {
    data: { version: snapshot.schemaVersion, known: dataset.chain.schemas.map((s) => s.version) },
    hint: 'Use the version of the application that knows it.',
  })
}

/** A file of the active directory, as it stands there now. Throws ABSENT, NO_STORE, and what a migration throws. */
export const readActive = (context: Context, path: string, version: string): Uint8Array => {
  const { fs, paths } = context
  const snapshot = activeSnapshot(readState(context))
  if (snapshot === undefined)
    throw new StrataError('NO_STORE', 'the store holds no snapshot yet', { hint: 'Capture one with: strata init --from DIR' })
  const root = paths.snapshot(snapshot.id)
  const here = [...scan(context, root).files.keys()]
  if (!here.includes(path)) throw absent(snapshot.id, path)
  const held = new Map<string, Uint8Array>()
  const bytes = (p: string): Uint8Array => {
    const read = held.get(p) ?? readStable(fs, join(root, p), p)?.bytes
    if (read === undefined) throw absent(snapshot.id, p)
    held.set(p, read)
    return read
  }
  return take(context, sourceOf(context.dataset, here, bytes, positionOf(context, snapshot)), path, version)
}

/** A file of any snapshot, as committed. Throws ABSENT, AMBIGUOUS, NO_STORE, and what a migration throws. */
export const readCommitted = (context: Context, name: string, path: string, version: string): Uint8Array => {
  const snapshot = resolveSnapshot(readState(context), name)
  return reading(context, (repository: Repository) => {
    const files = new Map(repository.manifest(snapshot.commit).files.map((f) => [f.path, f.oid]))
    // Says that there is no such file as `show` does.
    if (!files.has(path)) return showFile(context, name, path)
    const held = new Map<string, Uint8Array>()
    const bytes = (p: string): Uint8Array => {
      const oid = files.get(p)
      if (oid === undefined) throw absent(snapshot.id, p)
      const read = held.get(p) ?? repository.blob(oid)
      held.set(p, read)
      return read
    }
    return take(context, sourceOf(context.dataset, [...files.keys()], bytes, positionOf(context, snapshot)), path, version)
  })
}
