import { join } from 'node:path'
import type { ObjectType } from '../../src/core/git-objects.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import type { PackFinding } from '../../src/storage/pack-verify.ts'
import { verifyPack } from '../../src/storage/pack-verify.ts'
import type { FinishedPack } from '../../src/storage/pack-write.ts'
import { PackWriter, packEntry } from '../../src/storage/pack-write.ts'
import { createRepository } from '../../src/storage/repository.ts'
import { temporary } from './temporary.ts'

/** An empty bare repository, as `init` makes it, and where its packs are. */
export const emptyRepository = (): { repo: string; packs: string } => {
  const repo = join(temporary(), 'repo.git')
  createRepository(nodeFsPort, repo)
  return { repo, packs: join(repo, 'objects', 'pack') }
}

export const writePack = (packs: string, objects: readonly (readonly [ObjectType, Uint8Array])[]): FinishedPack => {
  const writer = new PackWriter(nodeFsPort, packs)
  for (const [type, bytes] of objects) writer.add(packEntry(type, bytes))
  const finished = writer.finish()
  if (finished === null) throw new Error('the pack is empty')
  return finished
}

/** What verifyPack sees and finds. */
export const verifyResult = (path: string): { seen: Map<string, string | undefined>; findings: PackFinding[] } => {
  const seen = new Map<string, string | undefined>()
  const findings: PackFinding[] = []
  verifyPack(nodeFsPort, path, { onObject: ({ oid, sha256 }) => seen.set(oid, sha256), onFinding: (found) => findings.push(found) })
  return { seen, findings }
}

/** Bytes that do not compress, the same each time. */
export const noise = (length: number, seed = 1): Buffer => {
  const bytes = Buffer.alloc(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}
