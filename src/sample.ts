import { nodeFsPort } from './storage/fs.ts'
import { writeInitial } from './engine/initial.ts'

/** Writes sample files below `dir`, replacing what was there: only `npm start` calls it, on a directory of its own. */
export const writeSampleDirectory = (dir: string, files: Iterable<[string, Uint8Array]>): void => {
  writeInitial({ fs: nodeFsPort }, dir, new Map(files))
}
