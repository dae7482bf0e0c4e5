import { join } from 'node:path'
import type { Recorded, Sample } from '../core/lint.ts'
import { StrataError } from '../core/errors.ts'
import { makeDirectory, replaceFile } from '../storage/durable.ts'
import { readFile, readText } from '../storage/files.ts'
import { nodeFsPort } from '../storage/fs.ts'
import { scanDirectory } from '../storage/scan.ts'

/**
 * Golden samples: `VERSION/before/` holds a small dataset of the version before, as the application wrote it; `VERSION/sample.json`
 * the hashes of these files and of what the migration made of them when it was released.
 */

const RECORD = 'sample.json'
const BEFORE = 'before'
const fs = nodeFsPort

const isHashes = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && Object.values(value).every((hash) => typeof hash === 'string')

const parseRecord = (path: string, text: string): Recorded => {
  const damaged = (cause?: unknown): StrataError =>
    new StrataError('CORRUPT', `${path} is not what strata lint --record wrote`, {
      data: { file: path },
      hint: 'Put it back from your repository.',
      cause,
    })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw damaged(error)
  }
  const { before, after } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  if (!isHashes(before) || !isHashes(after)) throw damaged()
  return { before, after }
}

/** Files below a directory; none where there is no such directory. */
const filesIn = (root: string): Map<string, Uint8Array> => {
  if (fs.lstat(root)?.isDirectory() !== true) return new Map()
  const paths = [...scanDirectory(fs, root, () => false).files.keys()].sort()
  return new Map(paths.map((path) => [path, readFile(fs, join(root, path)) ?? new Uint8Array()]))
}

/** The golden sample in a folder such as `golden/1.1.0`; null where it holds no file. Throws CORRUPT for a damaged record. */
export const readSample = (folder: string): Sample | null => {
  const files = filesIn(join(folder, BEFORE))
  const text = readText(fs, join(folder, RECORD))
  if (files.size === 0 && text === undefined) return null
  return { files, recorded: text === undefined ? null : parseRecord(join(folder, RECORD), text) }
}

const encoder = new TextEncoder()

export const writeText = (path: string, text: string | Uint8Array): void => {
  makeDirectory(fs, join(path, '..'), 0o755)
  replaceFile(fs, path, typeof text === 'string' ? encoder.encode(text) : text, { mode: 0o644 })
}

export const writeRecord = (folder: string, recorded: Recorded): void => {
  writeText(join(folder, RECORD), `${JSON.stringify(recorded, null, 2)}\n`)
}

export const writeSample = (folder: string, files: ReadonlyMap<string, Uint8Array>): void => {
  for (const [path, bytes] of files) writeText(join(folder, BEFORE, path), bytes)
}

export const exists = (path: string): boolean => fs.lstat(path) !== undefined
export const isFolder = (path: string): boolean => fs.lstat(path)?.isDirectory() === true
export { filesIn }
