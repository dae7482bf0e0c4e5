import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { captured, sample, sandbox, upgraded } from '../support/sandbox.ts'
import type { Sandbox } from '../support/sandbox.ts'
import { contents, fingerprint } from '../support/tree.ts'

/** Starts `command`, kills it when `when` says so, and gives whether it was still alive. */
const killed = async (box: Sandbox, command: string[], when: () => boolean): Promise<boolean> => {
  box.allowLeftovers()
  const child = box.background(...command)
  const end = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve()
    })
  })
  while (child.exitCode === null && !when()) await sleep(1)
  const alive = child.exitCode === null
  child.kill('SIGKILL')
  await end
  return alive
}

const folder = (path: string): string[] => (existsSync(path) ? readdirSync(path) : [])

const MOMENTS: [string, (box: Sandbox) => () => boolean][] = [
  ['when the lock is taken', (box) => () => folder(join(box.store, 'journal')).some((name) => name === 'epoch-2')],
  ['when staging begins', (box) => () => folder(join(box.store, 'staging')).length > 0],
  ['when two steps are staged', (box) => () => folder(join(box.store, 'staging')).length > 1],
  ['when the first snapshot is published', (box) => () => folder(join(box.store, 'snapshots')).length > 1],
  ['when all are published', (box) => () => folder(join(box.store, 'snapshots')).length > 4],
  ['when a pack is being written', (box) => () => folder(join(box.store, 'repo.git/objects/pack')).some((name) => name.includes('tmp_'))],
]

describe('kill -9 in the middle of migrate', () => {
  it.each(MOMENTS)('%s: the old or the new state exactly, and a second recovery changes nothing', async (_, moment) => {
    const box = captured(sample(4))
    const old = box.snapshot()
    const original = fingerprint(box.data)
    await killed(box, ['migrate', '-q'], moment(box))

    // What an application in another language finds, before any command has run.
    const found = box.current()
    if (found.snapshot === old) expect(contents(box.active())).toEqual(contents(box.data))

    box.run(['checkpoint'])
    const { snapshot, schemaVersion } = box.current()
    if (snapshot === old) expect(contents(box.active())).toEqual(contents(box.data))
    else expect(schemaVersion).toBe('2.2.0')
    expect(folder(join(box.store, 'staging'))).toEqual([])
    expect(box.doc('status').state).not.toBe('running')
    const verified = box.doc('verify')
    expect(verified.issues).toEqual([])

    const events = box.doc('history').length
    const before = contents(join(box.store, 'snapshots'))
    box.run(['checkpoint'])
    expect(box.doc('history')).toHaveLength(events)
    expect(contents(join(box.store, 'snapshots'))).toEqual(before)
    expect(fingerprint(box.data)).toEqual(original)
  })

  it('again and again, and the next one ends well', async () => {
    const box = captured(sample(4))
    for (let i = 0; i < 6; i++) {
      const until = Date.now() + 130 + i * 40
      if (!(await killed(box, ['migrate', '-q'], () => Date.now() > until))) break
    }
    box.ok('migrate')
    expect(box.current().schemaVersion).toBe('2.2.0')
    expect(box.doc('verify').issues).toEqual([])
    expect(folder(join(box.store, 'snapshots')).filter((id) => id.startsWith('2.2.0'))).toContain(box.snapshot())
    box.ok('rollback', '1.1.0')
    expect(contents(box.active())).toEqual(contents(box.data))
  })

  it('a killed job is told by status and history as interrupted, not as failed by the migration', async () => {
    const box = captured(sample(4))
    if (!(await killed(box, ['migrate', '-q'], () => folder(join(box.store, 'staging')).length > 0))) return
    box.run(['checkpoint'])
    expect(box.doc('status').lastJob).toMatchObject({ status: 'failed', error: expect.stringContaining('INTERRUPTED') })
    expect(box.doc('status').state).toBe('pending')
  })
})

describe('kill -9 in the middle of init, rollback and adopt', () => {
  const after = (ms: number): (() => boolean) => {
    const until = Date.now() + ms
    return () => Date.now() > until
  }

  it.each([150, 190, 230])('of init after %d ms: the next init works, or the store is there and whole', async (ms) => {
    const box = sandbox(sample(4))
    await killed(box, ['init', '--from', box.data], after(ms))
    const ran = box.run(['init', '--from', box.data, '--json'])
    if (ran.code !== 0) {
      expect(JSON.parse(ran.stdout).error.code).toBe('EXISTS')
      box.ok('checkpoint')
    }
    expect(contents(box.active())).toEqual(contents(box.data))
    expect(box.doc('verify').issues).toEqual([])
  })

  it.each([120, 160, 200])('of rollback after %d ms: one of the two is active, and the other can be reached', async (ms) => {
    const box = upgraded()
    const [up, down] = [contents(box.active()), contents(box.data)]
    await killed(box, ['rollback', '-q'], after(ms))
    box.run(['checkpoint'])
    const isUp = box.current().schemaVersion === '2.2.0'
    expect(contents(box.active())).toEqual(isUp ? up : down)
    box.ok(isUp ? 'rollback' : 'redo')
    expect(contents(box.active())).toEqual(isUp ? down : up)
  })
})
