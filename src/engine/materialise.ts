import type { Snapshot } from '../core/state.ts'
import { makeDirectory, removeTree } from '../storage/durable.ts'
import { remember, scan } from './directory.ts'
import { extractManifest } from './extract.ts'
import type { Session } from './session.ts'
import { flushStaged, letRest, publish } from './staged-directory.ts'

/** Brings back a snapshot's directory from the repository. */
export const materialise = async (session: Session, snapshot: Snapshot): Promise<void> => {
  const { context, repository } = session
  const manifest = repository.manifest(snapshot.commit)
  const staging = context.paths.staged(snapshot.id)
  removeTree(context.fs, staging)
  makeDirectory(context.fs, context.paths.staging)
  await extractManifest(context, manifest, staging)
  const staged = scan(context, staging)
  await flushStaged(context, staging, staged)
  await letRest(staged, context.now)
  const files = new Map(manifest.files.map((f) => [f.path, f]))
  remember(context, snapshot.id, snapshot.commit, files, staged, context.now().getTime())
  publish(context, snapshot.id)
  context.log('info', `the directory of ${snapshot.id} was restored from the repository`, { step: snapshot.schemaVersion })
}
