import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import netmonitor, { sampleFiles } from '../../migrations/index.ts'
import { adopt } from '../../src/engine/adopt.ts'
import { checkpoint } from '../../src/engine/checkpoint.ts'
import type { Context } from '../../src/engine/context.ts'
import { createContext } from '../../src/engine/context.ts'
import { initFrom } from '../../src/engine/init.ts'
import { migrate } from '../../src/engine/migrate.ts'
import type { ProgressSink } from '../../src/engine/progress.ts'
import { recover } from '../../src/engine/recover.ts'
import { redo, rollback } from '../../src/engine/rollback.ts'
import type { Session } from '../../src/engine/session.ts'
import { openSession } from '../../src/engine/session.ts'
import { survey } from '../../src/engine/survey.ts'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'

const silent: ProgressSink = { started: () => undefined, phase: () => undefined, totals: () => undefined, advance: () => undefined }

export type Place = { readonly store: string; readonly original: string }
export type Scenario = {
  readonly name: string
  readonly before: (place: Place) => Promise<void>
  readonly run: (place: Place, fs: FsPort) => Promise<void>
}

export const contextAt = (store: string, fs: FsPort = nodeFsPort): Context => createContext({ store, dataset: netmonitor, fs, workers: 0 })

export const writing = async (store: string, fs: FsPort, work: (session: Session) => Promise<unknown>): Promise<void> => {
  const session = await openSession(contextAt(store, fs))
  try {
    recover(session)
    await work(session)
  } finally {
    await session.close()
  }
}

const activeDirectory = (store: string): string =>
  join(store, (JSON.parse(nodeFs.readFileSync(join(store, 'CURRENT'), 'utf8')) as { directory: string }).directory)

/** An edit that is old enough to be trusted. */
const edit = (path: string, change: (text: string) => string): void => {
  nodeFs.writeFileSync(path, change(nodeFs.readFileSync(path, 'utf8')))
  const past = new Date(Date.now() - 60_000)
  nodeFs.utimesSync(path, past, past)
}

/** Two small days and a configuration. */
export const makeOriginal = (dir: string): void => {
  nodeFs.mkdirSync(join(dir, 'data'), { recursive: true })
  for (const [path, bytes] of sampleFiles({ days: 2, endDate: '2026-01-02', seed: 1 })) {
    const text = Buffer.from(bytes).toString('utf8')
    const value: unknown = JSON.parse(text)
    nodeFs.writeFileSync(join(dir, path), Array.isArray(value) ? JSON.stringify(value.slice(0, 3), null, 2) : text)
    const past = new Date(Date.now() - 60_000)
    nodeFs.utimesSync(join(dir, path), past, past)
  }
}

const init = (place: Place, fs: FsPort = nodeFsPort): Promise<void> => {
  const context = contextAt(place.store, fs)
  return initFrom(context, survey(fs, netmonitor, place.original))
}
const upgrade = (place: Place, fs: FsPort = nodeFsPort): Promise<void> =>
  writing(place.store, fs, (session) => migrate(session, undefined, { progress: silent }))
const back = (place: Place, fs: FsPort = nodeFsPort): Promise<void> =>
  writing(place.store, fs, (session) => rollback(session, undefined, true))

export const SCENARIOS: readonly Scenario[] = [
  { name: 'init', before: () => Promise.resolve(), run: init },
  { name: 'migrate', before: (place) => init(place), run: upgrade },
  {
    name: 'checkpoint',
    before: async (place) => {
      await init(place)
      edit(join(activeDirectory(place.store), 'config.json'), (text) => text.replace('Google DNS', 'Google Resolver'))
    },
    run: (place, fs) => writing(place.store, fs, (session) => checkpoint(session, session.state.active ?? '', 'edited')),
  },
  {
    name: 'rollback',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      edit(join(activeDirectory(place.store), 'config.json'), (text) => text.replace('Google DNS', 'Google Resolver'))
    },
    run: back,
  },
  {
    name: 'redo',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      await back(place)
    },
    run: (place, fs) => writing(place.store, fs, (session) => redo(session, false)),
  },
  {
    name: 'adopt',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      edit(join(place.original, 'data/2026-01-02.json'), (text) =>
        text.replace(/\n\]$/, ',\n  {"ts":1767300000000,"id":"fd6a02b","ms":3,"st":0,"err":null}\n]'),
      )
    },
    run: (place, fs) => writing(place.store, fs, (session) => adopt(session, { progress: silent })),
  },
]
