import { join } from 'node:path'
import { gatheringAt } from '../core/assemble.ts'
import type { FileEntry } from '../core/manifest.ts'
import type { Gathered } from '../core/notes.ts'
import { kindOf } from '../core/schema.ts'
import { batches } from './batches.ts'
import type { JobWork } from './job-spec.ts'
import { throwIfCancelled } from './job-spec.ts'

/**
 * An index that a migration made of all files says something else once some of them are others: a job that brings files into a
 * snapshot has it made anew.
 */
export const regather = async (work: JobWork, before: ReadonlyMap<string, FileEntry>): Promise<void> => {
  const { session, staging, pool, targets, transaction } = work
  const { dataset, fs } = session.context
  const [target] = targets
  if (target === undefined) return
  const { position } = target
  const kinds = dataset.chain.schemas[position]?.kinds ?? {}
  const { files } = staging.step(0, before)
  const paths = new Set([...files.keys(), ...before.keys()])
  const changed = new Set(
    [...paths].filter((path) => files.get(path)?.sha256 !== before.get(path)?.sha256).map((path) => kindOf(kinds, path)),
  )
  const wanted = gatheringAt(dataset, position).filter(({ from }) => changed.has(from))
  if (wanted.length === 0) return
  const indexes = [...new Set(wanted.map(({ index }) => index))]
  const sources = new Set(wanted.map(({ from }) => from))
  const root = staging.directory(target)
  const gathered: Gathered[] = []
  const all = [...files.keys()]
  const tasks = (function* () {
    for (const batch of batches([...files.values()].filter(({ path }) => sources.has(kindOf(kinds, path) ?? ''))))
      yield { type: 'gather' as const, root, position, indexes, paths: all, files: batch.map(({ path, size }) => ({ path, size })) }
  })()
  await pool.each(tasks, (result) => {
    throwIfCancelled(work.signal)
    gathered.push(...result.gathered)
  })
  for (const index of indexes) {
    const task = { type: 'assemble' as const, root, paths: all, position: index + 1, gathered, bytes: 0, isAgain: true }
    const { made, issues } = await pool.run(task)
    const sized = made.map(({ path, size }) => ({ path, size, known: null }))
    const captured = await pool.run({ type: 'capture', root, copyTo: null, base: null, files: sized })
    transaction.addBatch(captured.pack)
    for (const { path, size, sha256, oid } of captured.files) {
      const mode = files.get(path)?.mode ?? 0o600
      fs.chmod(join(root, path), mode)
      staging.put(path, [{ path, size, sha256, oid, mode, same: false }], issues)
    }
  }
}
