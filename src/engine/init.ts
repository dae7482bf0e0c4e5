import { join } from 'node:path'
import { StrataError } from '../core/errors.ts'
import { parseDocument, renderDocument } from '../core/document.ts'
import type { Dataset } from '../core/dataset.ts'
import { kindOf } from '../core/schema.ts'
import { stringifyJson } from '../core/json/index.ts'
import { makeDirectory, removeTree } from '../storage/durable.ts'
import type { Survey } from './survey.ts'
import type { Wanted } from './capture.ts'
import { captureDirectory } from './capture.ts'
import { survey } from './survey.ts'
import type { Context } from './context.ts'
import { hasData, intactPointer } from './read.ts'
import type { Pool } from './pool.ts'
import { poolFor } from './pool.ts'
import { writeOriginalIndex } from './original.ts'
import { recover } from './recover.ts'
import type { Session } from './session.ts'
import { createFolders, openSession } from './session.ts'
import { verifySnapshot } from './verify-directory.ts'
import { writeInitial } from './initial.ts'

/** The first folder or file of each pattern: without any of them a directory is not worth scanning. */
const landmarks = (dataset: Dataset): string[] =>
  dataset.chain.schemas
    .flatMap((s) => Object.values(s.kinds).flatMap(({ path }) => path.split('/').slice(0, 1)))
    .filter((name) => !/[*?[]/.test(name))

/** The directories among `candidates` that exist and hold files of the dataset. */
export const surveyCandidates = (context: Pick<Context, 'fs' | 'dataset'>, candidates: readonly string[]): Survey[] =>
  candidates.flatMap((dir) => {
    if (!landmarks(context.dataset).some((name) => context.fs.lstat(join(dir, name)) !== undefined)) return []
    const found = survey(context.fs, context.dataset, dir)
    return found.version === null ? [] : [found]
  })

const exists = (root: string): StrataError =>
  new StrataError('EXISTS', `there is a store at ${root} already`, { data: { root }, hint: 'See it with: strata status' })

/** A store that is there; if making it was interrupted at its very end, that is finished first. */
const refuseExisting = async (context: Context): Promise<void> => {
  if (!hasData(context)) return
  if (intactPointer(context) === undefined) {
    const session = await openSession(context)
    try {
      recover(session)
    } finally {
      await session.close()
    }
  }
  throw exists(context.root)
}

/** Captures the first snapshot of a store, compares each byte with what was captured, and makes it the active one. */
const captureFirst = async (session: Session, pool: Pool, from: Survey, wanted: Wanted): Promise<void> => {
  const captured = await captureDirectory(session, pool, from, wanted)
  if (wanted.source !== null) writeOriginalIndex(session, wanted.source, from.scanned, captured)
  const snapshot = session.state.snapshots[wanted.id]
  if (snapshot === undefined) throw new StrataError('ABSENT', `there is no snapshot ${wanted.id}`)
  const proof = await verifySnapshot(session.context, pool, snapshot, captured.files)
  session.commit({ type: 'verify', proofs: [proof] }, { type: 'activate', proof, reason: 'capture', hold: null })
  session.project()
}

/** Opens a store that is being made: announced, or begun and interrupted before. */
const begin = async (context: Context, id: string): Promise<Session> => {
  makeDirectory(context.fs, context.root)
  const session = await openSession(context)
  try {
    if (session.state.active !== null) throw exists(context.root)
    createFolders(context)
    recover(session)
    session.commit({
      type: 'create',
      data: { storeId: session.state.storeId || context.id() + context.id(), format: 1, dataset: context.dataset.name, announced: [id] },
    })
    return session
  } catch (error) {
    await session.close()
    throw error
  }
}

/** Makes a store from an existing data directory, which is only read. Throws EXISTS, NO_DATA, NEWER_SCHEMA and what capturing throws. */
export const initFrom = async (context: Context, from: Survey): Promise<void> => {
  await refuseExisting(context)
  const { version } = from
  if (version === null)
    throw new StrataError('NO_DATA', `${from.path} holds no data of ${context.dataset.name}`, {
      data: { path: from.path, files: from.files },
      hint: 'Name the directory that holds the data: strata init --from DIR',
    })
  const position = context.dataset.chain.schemas.findIndex((s) => s.version === version)
  if (position < 0)
    throw new StrataError('NEWER_SCHEMA', `${from.path} is of schema ${version}, which this chain does not know`, {
      data: { version },
      hint: 'Use the version of the application that wrote it.',
    })
  const id = `${version}-${context.id()}`
  const pool = poolFor(context, from.bytes)
  try {
    const session = await begin(context, id)
    try {
      const source = { path: from.path, snapshot: id }
      await captureFirst(session, pool, from, { id, version, subject: `Capture ${version}`, source })
    } finally {
      await session.close()
    }
  } finally {
    await pool.close()
  }
}

/** The bytes of a fresh install's files, checked against the newest schema. */
const initialFiles = (dataset: Dataset): Map<string, Uint8Array> => {
  const kinds = dataset.chain.schemas.at(-1)?.kinds ?? {}
  const files = new Map<string, Uint8Array>()
  for (const [path, value] of Object.entries(dataset.initial?.() ?? {})) {
    const text = new TextEncoder().encode(stringifyJson(value, { layout: dataset.layout }))
    const kind = kinds[kindOf(kinds, path) ?? '']
    files.set(path, kind === undefined ? text : renderDocument(kind, path, parseDocument(kind, path, text, dataset.layout), dataset.layout))
  }
  return files
}

/** Makes a store for a fresh install: born at the newest version from the dataset's initial files. */
export const initFresh = async (context: Context): Promise<void> => {
  await refuseExisting(context)
  const newest = context.dataset.chain.schemas.at(-1)
  if (newest === undefined) throw new StrataError('BAD_CHAIN', 'the chain has no schema')
  const id = `${newest.version}-${context.id()}`
  const session = await begin(context, id)
  const scratch = join(context.paths.staging, `${id}-initial`)
  try {
    writeInitial(context, scratch, initialFiles(context.dataset))
    const from = survey(context.fs, context.dataset, scratch)
    const pool = poolFor(context, from.bytes)
    try {
      await captureFirst(session, pool, from, { id, version: newest.version, subject: `Start at ${newest.version}`, source: null })
    } finally {
      await pool.close()
    }
  } finally {
    try {
      removeTree(context.fs, scratch)
    } finally {
      await session.close()
    }
  }
}
