import { dirname, join } from 'node:path'
import { createHash } from 'node:crypto'
import { StrataError } from '../core/errors.ts'
import type { Manifest } from '../core/manifest.ts'
import { checkPath } from '../core/names.ts'
import type { Snapshot } from '../core/state.ts'
import { makeDirectory, removeTree, writeAll } from '../storage/durable.ts'
import type { Repository } from '../storage/repository.ts'
import { flushStaged, makeFolders, publish } from './staged-directory.ts'
import type { Context } from './context.ts'
import { remember, scan } from './directory.ts'
import type { Session } from './session.ts'

const writeOne = ({ fs }: Context, repository: Repository, dir: string, file: Manifest['files'][number]): void => {
  checkPath(file.path)
  const bytes = repository.blob(file.oid, file.size)
  if (createHash('sha256').update(bytes).digest('hex') !== file.sha256)
    throw new StrataError('CORRUPT', `${file.path} in the repository is not what its manifest says`, {
      data: { file: file.path, oid: file.oid },
      hint: 'Run: strata verify',
    })
  const path = join(dir, file.path)
  const fd = fs.open(path, 'wx', file.mode)
  try {
    writeAll(fs, fd, bytes)
  } finally {
    fs.close(fd)
  }
  if ((file.mode & 0o022) !== 0) fs.chmod(path, file.mode)
}

/** Writes every file of a manifest below a directory that must not exist yet; each is checked against its SHA-256. */
const writeManifest = (context: Context, repository: Repository, manifest: Manifest, dir: string): void => {
  for (const { path } of manifest.directories) checkPath(path)
  makeDirectory(context.fs, dirname(dir))
  makeFolders(context, dir, { files: new Map(), directories: manifest.directories })
  for (const file of manifest.files) writeOne(context, repository, dir, file)
}

/** Brings back a snapshot's directory from the repository. */
export const materialise = async (session: Session, snapshot: Snapshot): Promise<void> => {
  const { context, repository } = session
  const manifest = repository.manifest(snapshot.commit)
  const staging = context.paths.staged(snapshot.id)
  removeTree(context.fs, staging)
  writeManifest(context, repository, manifest, staging)
  const staged = scan(context, staging)
  await flushStaged(context, staging, staged)
  const files = new Map(manifest.files.map((f) => [f.path, f]))
  remember(context, snapshot.id, snapshot.commit, files, staged, context.now().getTime())
  publish(context, snapshot.id)
  context.log('info', `the directory of ${snapshot.id} was restored from the repository`, { step: snapshot.schemaVersion })
}
