import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import { addEndpointMetadataFields } from '../../migrations/1.1.0-add-endpoint-metadata-fields.ts'
import netmonitor, { sampleFiles } from '../../migrations/index.ts'
import { v1_0 } from '../../migrations/schemas.ts'
import type { Dataset } from '../../src/core/dataset.ts'
import { adopt } from '../../src/engine/adopt.ts'
import { checkpoint } from '../../src/engine/checkpoint.ts'
import type { Context } from '../../src/engine/context.ts'
import { createContext } from '../../src/engine/context.ts'
import { initFrom } from '../../src/engine/init.ts'
import { migrate } from '../../src/engine/migrate.ts'
import type { ProgressSink } from '../../src/engine/progress.ts'
import { recover } from '../../src/engine/recover.ts'
import { repairStore } from '../../src/engine/repair.ts'
import { restoreLive } from '../../src/engine/restore-live.ts'
import { collectGarbage, mergePacks } from '../../src/engine/gc.ts'
import { forget } from '../../src/engine/forget.ts'
import { pin, prune, unpin } from '../../src/engine/prune.ts'
import { redo, rollback } from '../../src/engine/rollback.ts'
import type { Session } from '../../src/engine/session.ts'
import { openSession } from '../../src/engine/session.ts'
import { start } from '../../src/engine/start.ts'
import { survey } from '../../src/engine/survey.ts'
import type { FsPort } from '../../src/storage/fs.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { chain, dataset } from '../../src/index.ts'
import { afterLine, killedAfterFolder, killedAfterNote } from './ports.ts'
import type { Tree } from './tree.ts'

const silent: ProgressSink = { started: () => undefined, phase: () => undefined, totals: () => undefined, advance: () => undefined }

/** `moment`: ids and times follow from it, so that the same disk comes to the same bytes; without it they are as ever. */
export type Place = { readonly store: string; readonly original: string; readonly moment?: number }
/** What an application does to a file of its own meanwhile. */
export type Meanwhile = (path: string, change: (text: string) => string) => void
export type Scenario = {
  readonly name: string
  readonly before: (place: Place) => Promise<void>
  /** The command that is cut. */
  readonly run: (place: Place, fs: FsPort, meanwhile?: Meanwhile) => Promise<void>
  /** What must be true besides once the command has been acknowledged; what is wrong, in words. */
  readonly acknowledged?: (store: Tree) => string[]
  /** It is told to drop history. */
  readonly drops?: true
  /** How the next start opens the store; by default it recovers. Returns what it did. */
  readonly reopen?: (context: Context) => Promise<string[]>
}

/** Later than any file was written: no command has to wait until its files are old enough to be trusted. */
const FAR = Date.UTC(2090, 0, 1)

export const contextAt = ({ store, moment }: Place, fs: FsPort = nodeFsPort, of: Dataset = netmonitor): Context => {
  const context = createContext({ store, dataset: of, code: of === netmonitor ? 'as released' : 'another', fs, workers: 0 })
  let count = 0
  if (moment === undefined) return context
  return {
    ...context,
    now: () => new Date(FAR + moment * 1000),
    id: () => `z${String(moment).padStart(3, '0')}${String(++count).padStart(4, '0')}`,
  }
}

export const writing = async (context: Context, work: (session: Session) => Promise<unknown>): Promise<string[]> => {
  const session = await openSession(context)
  try {
    const done = recover(session)
    await work(session)
    return done
  } finally {
    await session.close()
  }
}

const activeDirectory = (store: string): string =>
  join(store, (JSON.parse(nodeFs.readFileSync(join(store, 'CURRENT'), 'utf8')) as { directory: string }).directory)

const age = (path: string): void => {
  const past = new Date(Date.now() - 60_000)
  nodeFs.utimesSync(path, past, past)
}

/** An edit that is old enough to be trusted. */
const edit = (path: string, change: (text: string) => string): void => {
  nodeFs.writeFileSync(path, change(nodeFs.readFileSync(path, 'utf8')))
  age(path)
}

const renamed = (text: string): string => text.replace('Google DNS', 'Google Resolver')
const oneMoreNow = (text: string): string =>
  text.replace(/\n {2}\]\n\}$/, ',\n    {"ts":1767300000001,"endpoint_id":"fd6a02b","latency_ms":4,"st":0}\n  ]\n}')
const oneMore = (text: string): string => text.replace(/\n\]$/, ',\n  {"ts":1767300000000,"id":"fd6a02b","ms":3,"st":0,"err":null}\n]')

/** Three small days, the oldest of which will be compacted, and a configuration. */
export const makeOriginal = (dir: string): void => {
  nodeFs.mkdirSync(join(dir, 'data'), { recursive: true })
  for (const [path, bytes] of sampleFiles({ days: 3, endDate: '2026-01-02', seed: 1 })) {
    const text = Buffer.from(bytes).toString('utf8')
    const value: unknown = JSON.parse(text)
    nodeFs.writeFileSync(join(dir, path), Array.isArray(value) ? JSON.stringify(value.slice(0, 3), null, 2) : text)
    age(join(dir, path))
  }
}

const nothing = (): Promise<void> => Promise.resolve()
const init = (place: Place, fs: FsPort = nodeFsPort): Promise<void> =>
  initFrom(contextAt(place, fs), survey(fs, netmonitor, place.original))
const inStore = async (place: Place, fs: FsPort, work: (session: Session) => Promise<unknown>): Promise<void> => {
  await writing(contextAt(place, fs), work)
}
const upgradeTo = (place: Place, to: string | undefined, fs: FsPort = nodeFsPort): Promise<void> =>
  inStore(place, fs, (session) => migrate(session, to, { progress: silent }))
const upgrade = (place: Place, fs: FsPort = nodeFsPort): Promise<void> => upgradeTo(place, undefined, fs)
const back = (place: Place, fs: FsPort = nodeFsPort): Promise<void> => inStore(place, fs, (session) => rollback(session, {}, true))
const check = (place: Place, fs: FsPort = nodeFsPort): Promise<void> =>
  inStore(place, fs, (session) => checkpoint(session, session.state.active ?? '', 'edited'))

const editActive = ({ store }: Place): void => {
  edit(join(activeDirectory(store), 'config.json'), renamed)
}

/** A day that is over. What is not older than a moment is copied instead of shared. */
const closedDay = ({ store }: Place): string => join(activeDirectory(store), 'data/2025-12-31.json')

/** Several files changed, one added, one gone. */
const editMany = ({ store }: Place): void => {
  const dir = activeDirectory(store)
  edit(join(dir, 'config.json'), renamed)
  edit(join(dir, 'data/2026-01-01.json'), oneMore)
  nodeFs.copyFileSync(join(dir, 'data/2026-01-02.json'), join(dir, 'data/2026-01-03.json'))
  age(join(dir, 'data/2026-01-03.json'))
  nodeFs.unlinkSync(join(dir, 'data/2026-01-02.json'))
}

/** A day that grows, a setting that changes, a day that goes: at the newest version. */
const writeNow = ({ store }: Place): void => {
  const dir = activeDirectory(store)
  edit(join(dir, 'config.json'), renamed)
  edit(join(dir, 'data/2026-01-02.json'), oneMoreNow)
  nodeFs.unlinkSync(join(dir, 'data/2026-01-01.json'))
}

/** The same at the first version. */
const writeThen = ({ store }: Place): void => {
  edit(join(activeDirectory(store), 'data/2026-01-02.json'), oneMore)
}

/** The application writes between the last checkpoint and the switch; once. */
const whileItWrites = (place: Place, fs: FsPort, meanwhile: Meanwhile = edit): FsPort => {
  const path = join(activeDirectory(place.store), 'config.json')
  return afterLine(fs, 'SnapshotSealed', () => {
    meanwhile(path, renamed)
  })
}

/** A build of the application with a mistake in its first migration. */
const broken = dataset({
  name: netmonitor.name,
  detect: netmonitor.detect,
  chain: chain(v1_0).add({
    ...addEndpointMetadataFields,
    files: {
      ...addEndpointMetadataFields.files,
      config: {
        file: {
          migrate: () => {
            throw new Error('a mistake in a step')
          },
        },
      },
    },
  }),
})

const failing = async (place: Place, fs: FsPort): Promise<void> => {
  const failed = await writing(contextAt(place, fs, broken), (session) => migrate(session, undefined, { progress: silent })).then(
    () => false,
    () => true,
  )
  if (!failed) throw new Error('the migration was to fail')
}

const journalOf = (store: Tree): string =>
  [...store].flatMap(([path, bytes]) => (/^journal\/\d+\.jsonl$/.test(path) ? [bytes?.toString('latin1') ?? ''] : [])).join('')

const SEGMENT_EVENTS = 1000

/** As many events as a segment may hold. */
const fillSegment = (place: Place): Promise<void> =>
  inStore(place, nodeFsPort, (session) => {
    const note = { type: 'note' as const, event: { type: 'Recovered' as const, data: { actions: [] } } }
    session.commit(...Array.from({ length: SEGMENT_EVENTS - session.state.seq }, () => note))
    return nothing()
  })

/** A process is killed right after it made its n-th folder, and the next one goes on: what the first one flushed is all it flushed. */
const initAfterKill = (n: number): Scenario => ({
  name: `init after one that was killed when it had made folder ${n}`,
  before: nothing,
  run: async (place, fs) => {
    const { port, wasKilled } = killedAfterFolder(fs, n)
    await init(place, port).catch((error: unknown) => {
      if (!wasKilled()) throw error
    })
    // After a power cut fewer folders may be missing.
    if (wasKilled()) await init(place, fs)
  },
})

/** The line of the rollback, which no slice in the repository has: the redo behind it is told again. */
const rotLine = ({ store }: Place): void => {
  const path = join(store, 'journal/00000001.jsonl')
  nodeFs.writeFileSync(path, nodeFs.readFileSync(path, 'latin1').replace('"reason":"rollback"', '"reason":"rollbacc"'), 'latin1')
}

/** The last byte of a pack's index, its checksum: stock git reads on, Strata copies the pack. */
const rotIndex = ({ store }: Place): void => {
  const dir = join(store, 'repo.git/objects/pack')
  const name = nodeFs.readdirSync(dir).find((n) => n.endsWith('.idx')) ?? ''
  const bytes = nodeFs.readFileSync(join(dir, name))
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
  nodeFs.chmodSync(join(dir, name), 0o600)
  nodeFs.writeFileSync(join(dir, name), bytes)
}

const mend = async (place: Place, fs: FsPort): Promise<void> => {
  await repairStore(contextAt(place, fs))
}
const mendAgain = async (context: Context): Promise<string[]> => [...(await repairStore(context)).actions]
const again = (place: Place): Promise<void> => inStore(place, nodeFsPort, (session) => redo(session, false))

const packsIn = (store: Tree): number => [...store.keys()].filter((path) => path.endsWith('.idx')).length

/** Four steps in one job: three directories that nobody needs, one of them written to; and a few checkpoints. */
const prunable = async (place: Place): Promise<void> => {
  await init(place)
  await upgrade(place)
  for (const name of nodeFs.readdirSync(join(place.store, 'snapshots')))
    if (name.startsWith('1.1.0-')) edit(join(place.store, 'snapshots', name, 'config.json'), renamed)
  for (let n = 0; n < 3; n++) {
    edit(join(activeDirectory(place.store), 'config.json'), (text) => `${text}\n`)
    await check(place)
  }
}

/** Commands with one outcome. A new command that writes belongs here, with an entry of its own. */
export const SCENARIOS: readonly Scenario[] = [
  { name: 'init', before: nothing, run: init },
  { name: 'migrate', before: (place) => init(place), run: upgrade },
  {
    name: 'migrate, which leaves a day that is over as it is',
    before: async (place) => {
      await init(place)
      await upgradeTo(place, '1.2.0')
      age(closedDay(place))
    },
    run: (place, fs) => upgradeTo(place, '2.0.0', fs),
  },
  {
    name: 'rollback to a directory that shares a file with one that was written to',
    before: async (place) => {
      await init(place)
      await upgradeTo(place, '1.2.0')
      age(closedDay(place))
      await upgradeTo(place, '2.0.0')
      edit(closedDay(place), (text) => `${text}\n`)
    },
    run: back,
    acknowledged: (store) => (journalOf(store).includes('was written to through another directory') ? [] : ['nothing was put back']),
  },
  {
    name: 'checkpoint',
    before: async (place) => {
      await init(place)
      editActive(place)
    },
    run: check,
  },
  {
    name: 'checkpoint of several files',
    before: async (place) => {
      await init(place)
      editMany(place)
    },
    run: check,
  },
  {
    name: 'checkpoint that opens a segment',
    before: async (place) => {
      await init(place)
      await fillSegment(place)
      editActive(place)
    },
    run: check,
    acknowledged: (store) => (store.has('journal/00000002.jsonl') ? [] : ['there is no second segment']),
  },
  {
    name: 'rollback',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      editActive(place)
    },
    run: back,
  },
  {
    name: 'rollback to a directory that is gone',
    before: async (place) => {
      await init(place)
      const first = activeDirectory(place.store)
      await upgrade(place)
      nodeFs.rmSync(first, { recursive: true })
    },
    run: back,
  },
  {
    name: 'rollback that takes along what was written',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      writeNow(place)
    },
    run: (place, fs) => inStore(place, fs, (session) => rollback(session, {}, false)),
  },
  {
    name: 'rollback that takes along what was written, to a directory that has been written to as well',
    before: async (place) => {
      await init(place)
      const first = activeDirectory(place.store)
      await upgrade(place)
      writeNow(place)
      edit(join(first, 'data/2026-01-02.json'), oneMore)
    },
    run: (place, fs) => inStore(place, fs, (session) => rollback(session, {}, false)),
  },
  {
    name: 'redo that takes along what was written',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      writeNow(place)
      await inStore(place, nodeFsPort, (session) => rollback(session, {}, false))
      writeThen(place)
    },
    run: (place, fs) => inStore(place, fs, (session) => redo(session, false)),
  },
  {
    name: 'prune of directories that were written to, and of history',
    before: prunable,
    run: (place, fs) => inStore(place, fs, (session) => prune(session, { directories: 0, days: 0 })),
    drops: true,
    acknowledged: (store) => [
      ...(store.has('repo.git/shallow') ? [] : ['the end of the history is not told']),
      ...([...store.keys()].some((path) => path.startsWith('snapshots/1.1.0-')) ? ['a directory is still there'] : []),
    ],
  },
  {
    name: 'gc',
    before: async (place) => {
      await prunable(place)
      await inStore(place, nodeFsPort, (session) => prune(session, { directories: 0, days: 0 }))
    },
    run: (place, fs) => inStore(place, fs, (session) => Promise.resolve(collectGarbage(session))),
    drops: true,
    acknowledged: (store) => (packsIn(store) <= 2 ? [] : ['the packs were not merged']),
  },
  {
    name: 'forget of a file in every snapshot',
    before: async (place) => {
      await prunable(place)
      await inStore(place, nodeFsPort, (session) => Promise.resolve(pin(session, '1.2.0', 'kept')))
    },
    run: (place, fs) => inStore(place, fs, (session) => forget(session, 'data/2026-01-01.json')),
    drops: true,
    acknowledged: (store) =>
      [...store.keys()].some((path) => path.endsWith('/data/2026-01-01.json')) ? ['a directory still has the file'] : [],
  },
  {
    name: 'merging of packs',
    before: prunable,
    run: (place, fs) =>
      inStore(place, fs, (session) => {
        mergePacks(session, 2)
        return nothing()
      }),
    acknowledged: (store) => (packsIn(store) <= 2 ? [] : ['the packs were not merged']),
  },
  {
    name: 'pin and unpin',
    before: prunable,
    run: (place, fs) =>
      inStore(place, fs, (session) => {
        pin(session, '1.1.0', 'kept')
        pin(session, '2.0.0', '')
        unpin(session, '2.0.0')
        return nothing()
      }),
    acknowledged: (store) => {
      const refs = store.get('repo.git/packed-refs')?.toString('utf8') ?? ''
      return refs.includes('refs/pins/1.1.0-') && !refs.includes('refs/pins/2.0.0-') ? [] : ['the pins are not what they should be']
    },
  },
  {
    name: 'redo',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      await back(place)
    },
    run: (place, fs) => inStore(place, fs, (session) => redo(session, false)),
  },
  {
    name: 'adopt',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      edit(join(place.original, 'data/2026-01-02.json'), oneMore)
    },
    run: (place, fs) => inStore(place, fs, (session) => adopt(session, { progress: silent })),
  },
  {
    name: 'restore of a day and its like into the active data',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      writeNow(place)
    },
    run: (place, fs) => inStore(place, fs, (session) => restoreLive(session, '1.0.0:data', { progress: silent })),
  },
]

/** What is cut besides: more than one command, or more than the command at work, or one that is to fail. */
export const SPECIAL: readonly Scenario[] = [
  {
    name: 'start',
    before: nothing,
    run: async (place, fs) => {
      await start(contextAt(place, fs), { migrate: true, from: [] }, { progress: silent })
    },
  },
  {
    name: 'migrate while the application writes',
    before: (place) => init(place),
    run: (place, fs, meanwhile) => upgrade(place, whileItWrites(place, fs, meanwhile)),
  },
  {
    name: 'migrate again, most of it remembered',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      await back(place)
      writeThen(place)
    },
    run: upgrade,
    acknowledged: (store) => (journalOf(store).includes('"transformed":1,"remembered":3}') ? [] : ['nothing was remembered']),
  },
  {
    name: 'migrate, after one that was killed',
    before: async (place) => {
      await init(place)
      const { port, wasKilled } = killedAfterNote(nodeFsPort)
      await upgrade(place, port).catch((error: unknown) => {
        if (!wasKilled()) throw error
      })
    },
    run: upgrade,
    acknowledged: (store) => (journalOf(store).includes('"transformed":0,"remembered":4}') ? [] : ['nothing was remembered']),
  },
  {
    name: 'a migration that fails',
    before: (place) => init(place),
    run: failing,
    acknowledged: (store) => (journalOf(store).includes('"MigrationFailed"') ? [] : ['the failure is not in the journal']),
  },
  {
    name: 'repair of the journal',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      await back(place)
      await again(place)
      rotLine(place)
    },
    run: mend,
    reopen: mendAgain,
  },
  {
    name: 'repair of a pack',
    before: async (place) => {
      await init(place)
      await upgrade(place)
      rotIndex(place)
    },
    run: mend,
    reopen: mendAgain,
  },
  ...[1, 2, 7].map(initAfterKill),
]
