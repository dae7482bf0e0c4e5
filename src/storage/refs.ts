import { join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import type { Oid } from '../core/git-objects.ts'
import { compareBytes } from '../core/names.ts'
import { replaceShared } from './durable.ts'
import { readText } from './files.ts'
import type { FsPort } from './fs.ts'

export type Refs = ReadonlyMap<string, Oid>

/** No `peeled`: stock git then looks up by itself what a tag leads to. */
const HEADER = '# pack-refs with: sorted \n'
const ANY_HEADER = /^# pack-refs with:(?: (?:peeled|fully-peeled|sorted))* ?$/
const PEELED = /^\^[0-9a-f]{40}$/
const ROW = /^([0-9a-f]{40}) (refs\/[^\s]+)$/

const isOid = (text: string): text is Oid => /^[0-9a-f]{40}$/.test(text)

/** The refs in packed-refs. Throws CORRUPT. */
export const readPackedRefs = (fs: FsPort, repository: string): Map<string, Oid> => {
  const refs = new Map<string, Oid>()
  for (const line of (readText(fs, join(repository, 'packed-refs')) ?? '').split('\n')) {
    if (line === '' || ANY_HEADER.test(line) || PEELED.test(line)) continue
    const [, oid, name] = ROW.exec(line) ?? []
    if (oid === undefined || name === undefined || !isOid(oid))
      throw new StrataError('CORRUPT', 'packed-refs has a line that is no ref', {
        data: { file: 'repo.git/packed-refs' },
        hint: 'The next command that writes sets it aside and makes it anew from the journal, for example: strata checkpoint',
      })
    refs.set(name, oid)
  }
  return refs
}

/** The rows of a damaged packed-refs that are whole. */
export const salvageRefs = (fs: FsPort, repository: string): Map<string, Oid> =>
  new Map(
    (readText(fs, join(repository, 'packed-refs')) ?? '').split('\n').flatMap((line) => {
      const [, oid, name] = ROW.exec(line) ?? []
      return oid !== undefined && name !== undefined && isOid(oid) ? [[name, oid] as const] : []
    }),
  )

const looseUnder = (fs: FsPort, dir: string, prefix: string, found: Map<string, Oid>): void => {
  for (const name of fs.readdir(dir)) {
    const path = join(dir, name)
    const stat = fs.lstat(path)
    if (stat?.isDirectory() === true) looseUnder(fs, path, `${prefix}/${name}`, found)
    else if (!name.endsWith('.lock')) {
      const text = readText(fs, path)?.trim() ?? ''
      if (isOid(text)) found.set(`${prefix}/${name}`, text)
    }
  }
}

/** Refs that stock git wrote as files of their own; they override the packed ones, as in git. */
export const readLooseRefs = (fs: FsPort, repository: string): Map<string, Oid> => {
  const found = new Map<string, Oid>()
  const dir = join(repository, 'refs')
  if (fs.lstat(dir) !== undefined) looseUnder(fs, dir, 'refs', found)
  return found
}

export const encodePackedRefs = (refs: Refs): string =>
  HEADER +
  [...refs]
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([name, oid]) => `${oid} ${name}\n`)
    .join('')

/** Replaces all refs in one step. */
export const writePackedRefs = (fs: FsPort, repository: string, refs: Refs): void => {
  replaceShared(fs, join(repository, 'packed-refs'), Buffer.from(encodePackedRefs(refs)))
}

export const readHead = (fs: FsPort, repository: string): string | undefined =>
  /^ref: (refs\/\S+)\s*$/.exec(readText(fs, join(repository, 'HEAD')) ?? '')?.[1]

export const writeHead = (fs: FsPort, repository: string, ref: string): void => {
  replaceShared(fs, join(repository, 'HEAD'), Buffer.from(`ref: ${ref}\n`))
}
