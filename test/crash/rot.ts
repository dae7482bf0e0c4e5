import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import netmonitor, { sampleFiles } from '../../migrations/index.ts'
import { App } from '../../src/engine/app.ts'
import type { Context } from '../../src/engine/context.ts'
import { createContext } from '../../src/engine/context.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { readIndex, writeIndex } from '../../src/storage/index-file.ts'
import { scanDirectory } from '../../src/storage/scan.ts'

/** A small store with everything in it, and damage of the kind that leaves no trace in a file's times. */

export const at = (store: string): Context => createContext({ store, dataset: netmonitor, code: 'as released', workers: 0 })

/** A folder in memory where there is one. */
export const scratchFolder = (): { scratch: string; remove: () => void } => {
  const scratch = nodeFs.mkdtempSync(join(nodeFs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'strata-rot-'))
  const remove = (): void => {
    nodeFs.rmSync(scratch, { recursive: true, force: true })
  }
  return { scratch, remove }
}

/** An edit that is old enough to be trusted. */
export const edit = (path: string, change: (text: string) => string): void => {
  nodeFs.writeFileSync(path, change(nodeFs.readFileSync(path, 'latin1')))
  const past = new Date(Date.now() - 60_000)
  nodeFs.utimesSync(path, past, past)
}

export const activeDirectory = (store: string): string =>
  join(store, (JSON.parse(nodeFs.readFileSync(join(store, 'CURRENT'), 'utf8')) as { directory: string }).directory)

/** Two days, four migrations, a checkpoint, a rollback and its redo. */
export const makeStore = async (dir: string): Promise<string> => {
  const [store, original] = [join(dir, 'store'), join(dir, 'original')]
  nodeFs.mkdirSync(join(original, 'data'), { recursive: true })
  for (const [path, bytes] of sampleFiles({ days: 2, endDate: '2026-01-02', seed: 1 })) {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    nodeFs.writeFileSync(join(original, path), JSON.stringify(Array.isArray(value) ? value.slice(0, 3) : value, null, 2))
    edit(join(original, path), (text) => text)
  }
  const app = new App(at(store))
  await app.init({ from: original })
  await app.waitForJob((await app.startMigration()).id)
  edit(join(activeDirectory(store), 'config.json'), (text) => text.replace('Google DNS', 'Google Resolver'))
  await app.checkpoint('edited')
  await app.rollbackMigration('', { exact: true })
  await app.redo()
  return store
}

const commitOf = (path: string): string => nodeFs.readFileSync(path, 'utf8').split(' ')[2] ?? ''

/** Lets the indexes of a store know the stats that its files have now: to them, nothing has happened. */
export const forgetTimes = (store: string): void => {
  for (const id of nodeFs.readdirSync(join(store, 'snapshots'))) {
    const path = join(store, 'index', id)
    if (!nodeFs.existsSync(path)) continue
    const index = readIndex(nodeFsPort, path, commitOf(path) as never)
    if (index === undefined) continue
    const { files } = scanDirectory(nodeFsPort, join(store, 'snapshots', id), () => false)
    const entries = new Map(
      [...index.entries].flatMap(([name, e]) => {
        const stat = files.get(name)
        return stat === undefined ? [[name, e] as const] : [[name, { ...e, stat: { ...stat, size: e.size } }] as const]
      }),
    )
    writeIndex(nodeFsPort, path, { ...index, entries, readMs: Date.now() + 60_000 })
  }
}

/** A copy that differs from the store in nothing that Strata looks at. */
export const copyStore = (store: string, to: string): string => {
  nodeFs.cpSync(store, to, { recursive: true, preserveTimestamps: true })
  forgetTimes(to)
  return to
}

/** Every file of the store, with its size. */
export const filesOf = (store: string, dir = ''): { path: string; size: number }[] =>
  nodeFs.readdirSync(join(store, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = dir === '' ? entry.name : `${dir}/${entry.name}`
    return entry.isDirectory() ? filesOf(store, path) : [{ path, size: nodeFs.statSync(join(store, path)).size }]
  })

/** Replaces a file's bytes and leaves its times to the kernel; see `forgetTimes`. */
export const put = (path: string, bytes: Uint8Array): void => {
  const { mode } = nodeFs.statSync(path)
  nodeFs.chmodSync(path, 0o600)
  nodeFs.writeFileSync(path, bytes)
  nodeFs.chmodSync(path, mode & 0o777)
}

export type Seen = { readonly snapshot: string; readonly content: readonly string[] }

/** What an application finds: the active snapshot, and the bytes of its files. */
export const seen = (store: string): Seen => {
  const dir = activeDirectory(store)
  const content = filesOf(dir).map(({ path }) => `${path} ${nodeFs.readFileSync(join(dir, path)).toString('base64')}`)
  return { snapshot: dir, content: content.sort() }
}
