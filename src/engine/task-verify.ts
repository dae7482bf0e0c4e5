import { join } from 'node:path'
import { messageOf } from '../core/errors.ts'
import { hashFile } from '../storage/files.ts'
import type { FsPort } from '../storage/fs.ts'
import type { TaskEnv, VerifyResult, VerifyTask } from './task-types.ts'

const verifyOne = (fs: FsPort, root: string, file: VerifyTask['files'][number]): string | null => {
  try {
    const found = hashFile(fs, join(root, file.path))
    if (found === undefined) return 'is missing'
    if (found.size !== file.size) return `has ${found.size} bytes instead of ${file.size}`
    return found.sha256 === file.sha256 ? null : 'has other content than its hash says'
  } catch (error) {
    return `cannot be read: ${messageOf(error)}`
  }
}

/** Reads every byte and compares; changes nothing. */
export const verify = ({ fs }: TaskEnv, task: VerifyTask): VerifyResult => {
  const wrong = task.files.flatMap((file) => {
    const why = verifyOne(fs, task.root, file)
    return why === null ? [] : [{ path: file.path, why }]
  })
  return { type: 'verify', checked: task.files.length, bytes: task.files.reduce((sum, f) => sum + f.size, 0), wrong }
}
