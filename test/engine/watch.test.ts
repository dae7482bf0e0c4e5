import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { OpenHints } from '../../src/engine/hints.ts'
import type { WatchEvent, WatchOptions } from '../../src/engine/watch.ts'
import type * as internals from '../../src/internal.ts'
import { NETMONITOR, library } from '../support/library.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { ROOT, day, migrated, upgraded } from '../support/sandbox.ts'
import { json, put } from '../support/tree.ts'

// From the same build as the library: an error is one of its class.
const { createContext, loadDataset, watchStore } = (await import(pathToFileURL(join(ROOT, 'dist/internal.js')).href)) as typeof internals
const netmonitor = await loadDataset(NETMONITOR)

const DAY = 'data/2025-12-14.json'
const NEVER_MS = 600_000

/** What has been told so far, and a wait for more; the wait is for processes, never a measure. */
const listener = () => {
  const events: WatchEvent[] = []
  const told = async (type: WatchEvent['type'], count = 1): Promise<WatchEvent[]> => {
    for (let i = 0; i < 400 && events.filter((e) => e.type === type).length < count; i++) await sleep(25)
    const found = events.filter((e) => e.type === type)
    expect(found.length, `${type} of ${JSON.stringify(events)}`).toBeGreaterThanOrEqual(count)
    return found
  }
  return { events, told, onEvent: (event: WatchEvent): void => void events.push(event) }
}

const nothing: OpenHints = () => Promise.resolve({ close: () => Promise.resolve() })

/** A watcher with hints, a clock and checkpoints of the test's own. */
const watched = async (box: Sandbox, options: Partial<WatchOptions> = {}, openHints: OpenHints = nothing) => {
  const clock = { now: 0 }
  const reasons: string[] = []
  const heard = listener()
  const app = await library.App.open({ store: box.store, migrations: NETMONITOR })
  const watching = await watchStore(
    createContext({ store: box.store, dataset: netmonitor }),
    { pollMs: NEVER_MS, onEvent: heard.onEvent, ...options },
    {
      openHints,
      now: () => clock.now,
      checkpoint: (reason) => {
        reasons.push(reason)
        return app.checkpoint(reason)
      },
    },
  )
  onTestFinished(() => watching.close())
  return { ...heard, watching, clock, reasons }
}

const write = (box: Sandbox, ms: number): void => {
  const file = json(box.active(), DAY)
  file.results.push({ ts: 1765733139432 + ms, endpoint_id: 'fd6a02b', latency_ms: ms, st: 0 })
  box.edit(DAY, file)
}

describe('app.watch, with the notices of the system', () => {
  const open = async (box: Sandbox, options: Partial<WatchOptions> = {}) => {
    const heard = listener()
    const app = await library.App.open({ store: box.store, migrations: NETMONITOR })
    const watching = await app.watch({ pollMs: NEVER_MS, onEvent: heard.onEvent, ...options })
    onTestFinished(() => watching.close())
    return heard
  }

  it('tells that files were written, and, after a switch by another process, those in the new directory', async () => {
    const box = upgraded()
    const { told } = await open(box)
    write(box, 1)
    expect((await told('changed'))[0]).toMatchObject({ files: [DAY] })
    box.ok('rollback')
    expect((await told('switched'))[0]).toMatchObject({ directory: box.active(), snapshot: box.snapshot(), schemaVersion: '1.0.0' })
    box.edit('notes.txt', 'hello')
    expect((await told('changed', 2)).at(-1)).toMatchObject({ files: ['notes.txt'] })
  })

  it('commits nothing unless it is asked to', async () => {
    const box = upgraded()
    const { told, events } = await open(box)
    write(box, 1)
    await told('changed')
    await sleep(300)
    expect(events.map((e) => e.type)).toEqual(['changed'])
    expect(box.git('log', '-1', '--format=%s', box.snapshot())).not.toContain('watching')
  })

  it('without a store says NO_STORE', async () => {
    const app = await library.App.open({ store: join(upgraded().dir, 'nowhere'), migrations: NETMONITOR })
    await expect(app.watch({ onEvent: () => undefined })).rejects.toMatchObject({ code: 'NO_STORE' })
  })
})

describe('without a single hint', () => {
  it('a look finds everything that happened: edits, removals, a switch, files of an older schema in both places', async () => {
    const box = migrated()
    const { events, watching } = await watched(box)
    expect(events).toEqual([])
    write(box, 1)
    box.edit('data/2025-12-16.json', readFileSync(join(box.data, DAY)))
    put(box.data, 'data/2025-12-20.json', '[]')
    await watching.look()
    expect(events.map((e) => [e.type, 'files' in e ? [...e.files].sort() : []])).toEqual([
      ['changed', [DAY, 'data/2025-12-16.json']],
      ['legacy', ['data/2025-12-16.json']],
      ['legacy', ['data/2025-12-20.json']],
    ])
    rmSync(join(box.active(), 'data/2025-12-16.json'))
    await watching.look()
    expect(events.at(-1)).toEqual({ type: 'changed', files: ['data/2025-12-16.json'] })
    box.ok('rollback')
    await watching.look()
    expect(events.at(-1)).toMatchObject({ type: 'switched', directory: box.active() })
    const count = events.length
    await watching.look()
    expect(events).toHaveLength(count)
  })

  it('what was written before it began is told, too', async () => {
    const box = upgraded()
    write(box, 1)
    expect((await watched(box)).events).toEqual([{ type: 'changed', files: [DAY] }])
  })

  it('it looks by itself, and often once the system has no more handles to give', async () => {
    const box = upgraded()
    const { told } = await watched(box, { pollMs: 200 })
    write(box, 1)
    await told('changed')

    const full = upgraded()
    const heard = await watched(full, {}, () => Promise.reject(new Error('ENOSPC: System limit for number of file watchers reached')))
    expect((await heard.told('polling'))[0]).toMatchObject({ why: expect.stringContaining('ENOSPC') })
    write(full, 1)
    await heard.told('changed')
  })

  it('hints that end later are replaced by looking, too', async () => {
    const box = upgraded()
    let end: (why: string) => void = () => undefined
    const { told, events } = await watched(box, {}, (_paths, _hint, onEnd) => {
      end = onEnd
      return nothing(_paths, _hint, onEnd)
    })
    end('EMFILE: too many open files')
    end('EMFILE: too many open files')
    write(box, 1)
    await told('changed')
    expect(events.filter((e) => e.type === 'polling')).toHaveLength(1)
  })
})

describe('checkpoints while watching', () => {
  const policy = { quietMs: 10, everyMs: 100, atLeastMs: 1000 }

  it('wait until it is quiet, come at most so often, and at least so often', async () => {
    const box = upgraded()
    const { clock, watching, reasons, events } = await watched(box, { checkpoints: policy })
    const at = async (now: number, ms?: number): Promise<number> => {
      clock.now = now
      if (ms !== undefined) write(box, ms)
      await watching.look()
      return reasons.length
    }
    expect(await at(200, 1)).toBe(0)
    expect(await at(205)).toBe(0)
    expect(await at(215)).toBe(1)
    expect(events.at(-1)).toMatchObject({ type: 'checkpoint', files: [DAY] })
    expect(await at(250, 2)).toBe(1)
    expect(await at(300)).toBe(1)
    expect(await at(320)).toBe(2)
    for (let now = 330; now < 1310; now += 5) expect(await at(now, now)).toBe(2)
    expect(await at(1325, 3)).toBe(3)
    expect(box.doc('checkpoint').changed).toEqual([])
  })

  it('a clock of the machine that jumps changes nothing: it is not looked at', async () => {
    const box = upgraded()
    const real = Date.now
    onTestFinished(() => {
      Date.now = real
    })
    const { clock, watching, reasons } = await watched(box, { checkpoints: policy })
    write(box, 1)
    clock.now = 200
    Date.now = () => real() - 40 * 86_400_000
    await watching.look()
    expect(reasons).toHaveLength(0)
    Date.now = () => real() + 40 * 86_400_000
    await watching.look()
    expect(reasons).toHaveLength(0)
    Date.now = real
    clock.now = 320
    await watching.look()
    expect(reasons).toHaveLength(1)
  })

  it('two hosts at once commit it once, and neither fails', async () => {
    const box = upgraded()
    const [a, b] = [await watched(box, { checkpoints: policy }), await watched(box, { checkpoints: policy })]
    write(box, 1)
    for (const host of [a, b]) {
      host.clock.now = 200
      await host.watching.look()
      host.clock.now = 250
    }
    await Promise.all([a.watching.look(), b.watching.look()])
    for (const host of [a, b]) {
      host.clock.now = 500
      await host.watching.look()
    }
    expect([...a.events, ...b.events].filter((e) => e.type === 'error')).toEqual([])
    expect([...a.events, ...b.events].filter((e) => e.type === 'checkpoint')).toHaveLength(1)
    expect(box.git('log', '--format=%s', box.snapshot()).match(/while watching/g)).toHaveLength(1)
  })

  it('carry over what was written into the directory that was left', async () => {
    const box = upgraded()
    const old = box.directoryOf(box.doc('show', '@-').snapshot.id)
    const { clock, watching, events } = await watched(box, { checkpoints: policy })
    put(old, DAY, [...json(old, DAY), { ts: 1765733139432, id: 'fd6a02b', ms: 7, st: 0, err: null }])
    write(box, 8)
    clock.now = 200
    await watching.look()
    clock.now = 320
    await watching.look()
    await watching.look()
    expect(events.map((e) => e.type)).toEqual(['changed', 'checkpoint', 'switched'])
    expect(
      day(box.active(), '2025-12-14')
        .results.slice(-2)
        .map((r) => r.latency_ms),
    ).toEqual([8, 7])
  })
})

describe('strata watch', () => {
  it('prints a JSON line for each event, commits, and ends well when it is stopped', async () => {
    const box = upgraded()
    const child = spawn(process.execPath, [join(ROOT, 'dist/cli.cjs'), '--store', box.store, 'watch', '--json', '--every', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const { events, told } = listener()
    let rest = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      events.push(...lines.map((line) => JSON.parse(line) as WatchEvent))
    })
    // Whatever was written before it began is told at its first look.
    write(box, 1)
    await told('checkpoint')
    box.ok('rollback', '--wait', '10')
    await told('switched')
    const ended = new Promise((resolve) => {
      child.once('exit', resolve)
    })
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })
})
