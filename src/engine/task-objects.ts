import { dirname } from 'node:path'
import { messageOf } from '../core/errors.ts'
import { PackStore } from '../storage/pack-read.ts'
import type { PackVisitor } from '../storage/pack-verify.ts'
import { verifyEntries, verifyLarge } from '../storage/pack-verify.ts'
import type { ObjectsResult, ObjectsTask, TaskEnv } from './task-types.ts'

/** Reads objects of a pack and checks them; changes nothing. */
export const verifyObjects = async ({ fs }: TaskEnv, { path, entries }: ObjectsTask): Promise<ObjectsResult> => {
  const objects: ObjectsResult['objects'][number][] = []
  const findings: ObjectsResult['findings'][number][] = []
  // Its indexes are read where a delta leads to another object.
  const store = new PackStore(fs, dirname(path))
  try {
    const visitor: PackVisitor = { onObject: (object) => objects.push(object), onFinding: (finding) => findings.push(finding) }
    verifyEntries(fs, path, await verifyLarge(fs, path, entries, visitor), visitor, store)
  } catch (error) {
    findings.push({ oid: null, message: messageOf(error) })
  } finally {
    store.close()
  }
  return { type: 'objects', objects, findings }
}
