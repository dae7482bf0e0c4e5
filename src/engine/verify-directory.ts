import type { VerifiedSnapshot } from '../core/decide.ts'
import { verified } from '../core/decide.ts'
import type { FileEntry } from '../core/manifest.ts'
import type { Snapshot } from '../core/state.ts'
import { batches } from './batches.ts'
import type { Context } from './context.ts'
import type { Pool } from './pool.ts'
import type { VerifyResult } from './task-types.ts'

export type DirectoryCheck = { readonly files: number; readonly bytes: number; readonly wrong: readonly { path: string; why: string }[] }

/** Reads every byte of a directory and compares it with the manifest. Changes nothing. */
export const checkDirectory = async (
  pool: Pool,
  root: string,
  files: readonly FileEntry[],
  onProgress?: (files: number, bytes: number) => void,
): Promise<DirectoryCheck> => {
  const wrong: { path: string; why: string }[] = []
  let [count, bytes] = [0, 0]
  const tasks = (function* () {
    for (const batch of batches(files))
      yield { type: 'verify' as const, root, files: batch.map(({ path, size, sha256 }) => ({ path, size, sha256 })) }
  })()
  const take = (result: VerifyResult): void => {
    count += result.checked
    bytes += result.bytes
    wrong.push(...result.wrong)
    onProgress?.(result.checked, result.bytes)
  }
  await pool.each(
    tasks,
    take,
    files.reduce((sum, f) => sum + f.size, 0),
  )
  return { files: count, bytes, wrong }
}

/** The proof that a snapshot may be activated. Throws CORRUPT. */
export const verifySnapshot = async (
  context: Context,
  pool: Pool,
  snapshot: Snapshot,
  files: readonly FileEntry[],
  /** How much was compared before, of files whose stat has not changed since. */
  compared = { files: 0, bytes: 0 },
): Promise<VerifiedSnapshot> => {
  const check = await checkDirectory(pool, context.paths.snapshot(snapshot.id), files)
  for (const { path, why } of check.wrong) context.log('error', `${path} ${why}`, { file: path, step: snapshot.schemaVersion })
  return verified({
    snapshot: snapshot.id,
    commit: snapshot.commit,
    files: check.files + compared.files,
    bytes: check.bytes + compared.bytes,
    differences: check.wrong.length,
  })
}
