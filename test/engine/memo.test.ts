import * as nodeFs from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Dataset } from '../../src/core/dataset.ts'
import { migrateFiles } from '../../src/core/memory.ts'
import type { Context } from '../../src/engine/context.ts'
import { createContext } from '../../src/engine/context.ts'
import { initFrom } from '../../src/engine/init.ts'
import { migrate } from '../../src/engine/migrate.ts'
import { silent } from '../../src/engine/progress.ts'
import { recover } from '../../src/engine/recover.ts'
import { rollback } from '../../src/engine/rollback.ts'
import type { Session } from '../../src/engine/session.ts'
import { openSession } from '../../src/engine/session.ts'
import { survey } from '../../src/engine/survey.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import type { FsPort } from '../../src/storage/fs.ts'
import { temporary } from '../contract/temporary.ts'
import { toy } from '../core/toy.ts'
import { killedAfterNote } from '../crash/ports.ts'
import { bytesBelow, contents } from '../support/tree.ts'

/* Every record holds what the settings said when it was migrated: a result that is used again although they have changed shows. */

const SET: Dataset = {
  ...toy({
    record: (r, ctx) => {
      if (r.n > 90) ctx.warn('MANY', 'more than is usual')
      return { ...r, first: ctx.read('settings').items[0] ?? '' }
    },
  }),
  detect: ({ path }) => (path === 'note.txt' ? null : '1.0.0'),
}

const at = (store: string, fs: FsPort = nodeFsPort, code = 'one'): Context => createContext({ store, dataset: SET, code, fs, workers: 0 })

const inStore = async <T>(context: Context, work: (session: Session) => Promise<T>): Promise<T> => {
  const session = await openSession(context)
  try {
    recover(session)
    return await work(session)
  } finally {
    await session.close()
  }
}

type Job = { filesTransformed: number; filesRemembered: number; issues: readonly unknown[] }

const issuesOf = (store: string, jobId: string): unknown[] =>
  nodeFs
    .readdirSync(join(store, 'journal'))
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => nodeFs.readFileSync(join(store, 'journal', name), 'utf8').split('\n'))
    .flatMap((line) =>
      line === '' ? [] : (JSON.parse(line) as { events: { type: string; jobId?: string; data: { issues: unknown[] } }[] }).events,
    )
    .flatMap((event) => (event.type === 'StepCompleted' && event.jobId === jobId ? event.data.issues : []))

const up = (store: string, context = at(store), to?: string): Promise<Job> =>
  inStore(context, async (session) => {
    const { jobId, state } = await migrate(session, to, { progress: silent })
    const job = state.jobs.find((j) => j.id === jobId)
    return {
      filesTransformed: job?.filesTransformed ?? 0,
      filesRemembered: job?.filesRemembered ?? 0,
      issues: issuesOf(store, jobId ?? ''),
    }
  })

const down = (store: string): Promise<unknown> => inStore(at(store), (session) => rollback(session, { name: '2.0.0' }, true))

const active = (store: string): string =>
  join(store, (JSON.parse(nodeFs.readFileSync(join(store, 'CURRENT'), 'utf8')) as { directory: string }).directory)

const day = (...n: number[]): string => JSON.stringify(n.map((one) => ({ n: one })))
const FIRST = {
  'settings.json': '{"items":["a"]}',
  'days/1.json': day(1, 2),
  'days/2.json': day(91),
  'days/3.json': '{}',
  'note.txt': 'note',
}

const write = (dir: string, path: string, text: string | null): void => {
  nodeFs.mkdirSync(join(dir, path, '..'), { recursive: true })
  if (text === null) nodeFs.rmSync(join(dir, path), { force: true })
  else nodeFs.writeFileSync(join(dir, path), text)
  const past = new Date(Date.now() - 60_000)
  if (text !== null) nodeFs.utimesSync(join(dir, path), past, past)
}

const made = async (content: Readonly<Record<string, string>> = FIRST): Promise<string> => {
  const dir = temporary()
  for (const [path, text] of Object.entries(content)) write(join(dir, 'data'), path, text)
  const store = join(dir, 'store')
  await initFrom(at(store), survey(nodeFsPort, SET, join(dir, 'data')))
  return store
}

/** What a run without any memory makes of the active directory. */
const fresh = (dir: string): { files: Map<string, string>; issues: unknown[] } => {
  const paths = nodeFs.readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((path) => nodeFs.statSync(join(dir, path)).isFile())
  const files = new Map(paths.sort().map((path) => [path, nodeFs.readFileSync(join(dir, path))]))
  const { steps, issues } = migrateFiles(SET, files, '1.0.0', '4.0.0')
  return { files: new Map([...(steps.at(-1) ?? [])].map(([path, bytes]) => [path, Buffer.from(bytes).toString('utf8')])), issues }
}

const asText = (dir: string): Map<string, string> =>
  new Map(Object.keys(contents(dir)).map((path) => [path, nodeFs.readFileSync(join(dir, path), 'utf8')]))

const sorted = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort()

const logs = (store: string): string[] => nodeFs.readdirSync(join(store, 'memo')).filter((name) => name !== 'left')

type Change = readonly [path: string, text: string | null]
const days = fc.array(fc.integer({ min: 0, max: 99 }), { maxLength: 3 }).map((n) => day(...n))
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(
    fc.constantFrom('days/1.json', 'days/2.json', 'days/3.json', 'days/4.json'),
    fc.oneof(days, fc.constant('{}'), fc.constant(null)),
  ),
  fc.tuple(
    fc.constant('settings.json'),
    fc.constantFrom('a', 'b').map((item) => `{"items":["${item}"]}`),
  ),
  fc.tuple(fc.constant('note.txt'), fc.constantFrom('one', 'two', null)),
)
const round = fc.record({ changes: fc.array(change, { maxLength: 3 }), how: fc.constantFrom('run', 'run', 'killed', 'damaged', 'to') })

describe('a run that remembers gives what one gives that knows nothing, byte for byte', () => {
  test('over any edits, kills and damage between the runs', { timeout: 300_000 }, async () => {
    let remembered = 0
    await fc.assert(
      fc.asyncProperty(fc.array(round, { minLength: 2, maxLength: 5 }), fc.nat(), async (rounds, seed) => {
        const store = await made()
        try {
          for (const { changes, how } of rounds) {
            const dir = active(store)
            for (const [path, text] of changes) write(dir, path, text)
            const wanted = fresh(dir)
            if (how === 'killed') await up(store, at(store, killedAfterNote(nodeFsPort).port)).catch(() => undefined)
            if (how === 'damaged') damageOne(store, seed)
            if (how === 'to') await up(store, at(store), '2.0.0')
            const job = await up(store)
            expect(asText(active(store))).toEqual(wanted.files)
            if (how !== 'to' && job.issues.length > 0) expect(sorted(job.issues)).toEqual(sorted(wanted.issues))
            remembered += job.filesRemembered
            await down(store)
          }
        } finally {
          nodeFs.rmSync(store, { recursive: true, force: true })
        }
      }),
      { numRuns: 20 },
    )
    expect(remembered).toBeGreaterThan(50)
  })
})

/** Flips one bit of one log, or cuts it there. */
const damageOne = (store: string, seed: number): void => {
  const name = nodeFs.existsSync(join(store, 'memo')) ? logs(store)[0] : undefined
  if (name === undefined) return
  const path = join(store, 'memo', name)
  const bytes = nodeFs.readFileSync(path)
  const offset = seed % Math.max(1, bytes.length)
  bytes[offset] = (bytes[offset] ?? 0) ^ (1 << (seed % 8))
  nodeFs.writeFileSync(path, seed % 3 === 0 ? bytes.subarray(0, offset) : bytes)
}

/** Up and down once, so that there is something to remember; then an edit, so that going up again is not a switch. */
const edited = async (path = 'days/1.json', text = day(5)): Promise<string> => {
  const store = await made()
  await up(store)
  await down(store)
  write(active(store), path, text)
  return store
}

describe('what is remembered', () => {
  test('is everything but what was changed', async () => {
    const store = await edited()
    expect(await up(store)).toMatchObject({ filesTransformed: 1, filesRemembered: 4 })
  })

  test('is not what was read through ctx, if that has changed', async () => {
    const store = await edited('settings.json', '{"items":["b"]}')
    // The damaged day was not read with the settings, nor was the note.
    expect(await up(store)).toMatchObject({ filesTransformed: 3, filesRemembered: 2 })
    expect(nodeFs.readFileSync(join(active(store), 'days/1.json'), 'utf8')).toContain('"b"')
  })

  test('is nothing that other code made', async () => {
    const store = await edited()
    expect(await up(store, at(store, nodeFsPort, 'two'))).toMatchObject({ filesTransformed: 5, filesRemembered: 0 })
  })

  test('is nothing where the code cannot be told', async () => {
    const store = await edited()
    const { code: _, ...rest } = at(store)
    const unknown = { ...rest, code: () => ({ hash: null, why: 'a test' }) as const }
    expect(await up(store, unknown)).toMatchObject({ filesTransformed: 5, filesRemembered: 0 })
  })

  test('is what a run has done before it was killed, and what that has left is used up', async () => {
    const store = await made()
    const { port, wasKilled } = killedAfterNote(nodeFsPort)
    await up(store, at(store, port)).catch(() => undefined)
    expect(wasKilled()).toBe(true)
    expect(await up(store)).toMatchObject({ filesTransformed: 0, filesRemembered: 5 })
    expect(nodeFs.readdirSync(join(store, 'memo'))).toEqual([expect.stringMatching(/^[0-9a-f]{32}-job-[0-9a-z]{8}$/)])
  })

  test('is not used where the outputs are no longer what they were', async () => {
    const store = await made()
    const { port } = killedAfterNote(nodeFsPort)
    await up(store, at(store, port)).catch(() => undefined)
    await inStore(at(store), () => Promise.resolve())
    const left = join(store, 'memo/left')
    const last = nodeFs.readdirSync(left).find((name) => name.startsWith('4.0.0')) ?? ''
    nodeFs.writeFileSync(join(left, last, 'days/1.json'), '{"list":[],"x":1}')
    nodeFs.rmSync(join(left, last, 'days/2.json'))
    nodeFs.symlinkSync('/etc/hostname', join(left, last, 'days/2.json'))
    const wanted = fresh(active(store))
    expect(await up(store)).toMatchObject({ filesTransformed: 2, filesRemembered: 3 })
    expect(asText(active(store))).toEqual(wanted.files)
  })

  test('can be lost: nothing else is', async () => {
    const store = await edited()
    nodeFs.rmSync(join(store, 'memo'), { recursive: true })
    expect(await up(store)).toMatchObject({ filesTransformed: 5, filesRemembered: 0 })
  })

  test('stays small, however often it goes up and down', async () => {
    const store = await made()
    for (let i = 0; i < 12; i++) {
      write(active(store), 'days/1.json', day(i))
      await up(store, at(store, nodeFsPort, `code ${i % 10}`))
      await down(store)
    }
    expect(logs(store).length).toBeLessThanOrEqual(8)
    expect(bytesBelow(join(store, 'memo'))).toBeLessThan(64 * 1024)
  })

  test('does not keep a job from its end where it cannot be written', async () => {
    const store = await edited()
    nodeFs.rmSync(join(store, 'memo'), { recursive: true })
    nodeFs.writeFileSync(join(store, 'memo'), 'in the way')
    const wanted = fresh(active(store))
    // Something that is no folder is refused before anything is written.
    await expect(openSession(at(store))).rejects.toThrow('memo in the store is no directory')
    nodeFs.rmSync(join(store, 'memo'))
    const failing: FsPort = {
      ...nodeFsPort,
      mkdir: (path, mode) => {
        if (path.endsWith('memo')) throw Object.assign(new Error('EACCES: no'), { code: 'EACCES' })
        nodeFsPort.mkdir(path, mode)
      },
    }
    expect(await up(store, at(store, failing))).toMatchObject({ filesTransformed: 5, filesRemembered: 0 })
    expect(asText(active(store))).toEqual(wanted.files)
  })
})
