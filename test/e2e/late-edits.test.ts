import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Sandbox } from '../support/sandbox.ts'
import { TOY, toyCaptured, toyMigrated, toyModule } from '../support/toy.ts'
import { contents, json, put } from '../support/tree.ts'

/**
 * A migration that waits, once, in the middle of `days/2.json`, until the test has written what an application would write
 * meanwhile. `flag` is made when it is there; it goes on when the flag is gone.
 */
const pausing = (dir: string): string => {
  const [flag, done] = [join(dir, 'paused'), join(dir, 'done')]
  return toyModule({
    setup: `
const wait = () => {
  if (existsSync(${JSON.stringify(done)})) return
  writeFileSync(${JSON.stringify(done)}, '')
  writeFileSync(${JSON.stringify(flag)}, '')
  for (let i = 0; i < 200 && existsSync(${JSON.stringify(flag)}); i++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
}`,
    record: '(r) => { if (r.n === 3) wait(); return r }',
  })
}

const ended = (child: ReturnType<Sandbox['background']>): Promise<number | null> =>
  new Promise((resolve) => {
    child.once('exit', resolve)
  })

/** Migrates, and does `act` while days/2.json is being transformed. */
const during = async (act: (box: Sandbox, from: string) => void): Promise<{ box: Sandbox; code: number | null; from: string }> => {
  const box = toyCaptured(toyModule())
  // What was made of a file before it changed once more stays in the pack.
  box.allowLeftovers()
  const module = pausing(box.dir)
  const child = box.background('migrate', '--migrations', module)
  const end = ended(child)
  const flag = join(box.dir, 'paused')
  for (let i = 0; i < 400 && !existsSync(flag); i++) await sleep(25)
  expect(existsSync(flag)).toBe(true)
  const from = box.active()
  act(box, from)
  rmSync(flag)
  const code = await end
  box.judge()
  return { box, code, from }
}

describe('what the application writes while a migration runs', () => {
  it('to a file that was done already is in the new snapshot', async () => {
    const { box, code } = await during((_, from) => put(from, 'days/1.json', '[{"n": 1},\n {"n": 2}, {"n": 40}]'))
    expect(code).toBe(0)
    expect(json(box.active(), 'days/1.json').list).toHaveLength(3)
    expect(json(box.active(), 'sums/1.json').sum).toBe(43)
  })

  it('to the very file that is being transformed is, too', async () => {
    const { box } = await during((_, from) => put(from, 'days/2.json', '[{"n": 3}, {"n": 50}]'))
    expect(json(box.active(), 'sums/2.json').sum).toBe(53)
  })

  it('as a new file is, too; one that it removed is not', async () => {
    const { box, code } = await during((_, from) => {
      put(from, 'days/3.json', '[{"n": 7}]')
      rmSync(join(from, 'days/1.json'))
    })
    expect(code).toBe(0)
    expect(Object.keys(contents(box.active()))).toEqual(['days/2.json', 'days/3.json', 'settings.json', 'sums/2.json', 'sums/3.json'])
  })

  it('is in the directory that is left, and in its history', async () => {
    const { box, from } = await during((_, dir) => put(dir, 'days/1.json', '[{"n": 40}]'))
    expect(json(from, 'days/1.json')).toEqual([{ n: 40 }])
    expect(box.ok('show', '@-:days/1.json')).toBe('[{"n": 40}]')
    box.ok('rollback')
    expect(json(box.active(), 'days/1.json')).toEqual([{ n: 40 }])
    expect(box.doc('verify').valid).toBe(true)
  })

  it('and other commands meanwhile: readers answer, writers are refused', async () => {
    await during((box) => {
      expect(box.run(['path']).code).toBe(0)
      const status = box.doc('status')
      expect(status.state).toBe('running')
      expect(box.run(['show', '@']).code).toBe(0)
      expect(box.run(['verify']).code).toBe(0)
      expect(box.refused('checkpoint').code).toBe('LOCKED')
    })
  })
})

describe('edits of a directory that is not active', () => {
  it('are committed on its branch before rollback activates it, and said', () => {
    const box = toyMigrated()
    const target = box.doc('show', '@-').snapshot.id
    const before = box.git('rev-parse', target)
    writeFileSync(join(box.directoryOf(target), 'days/1.json'), '[{"n": 99}]')
    const ran = box.run(['rollback'])
    expect(ran.code).toBe(0)
    expect(ran.stderr).toContain(target)
    expect(box.git('rev-parse', `${target}~`)).toBe(before)
    expect(box.git('show', `${target}~:files/days/1.json`)).toBe(TOY['days/1.json'])
    expect(box.ok('show', '@:days/1.json')).toBe('[{"n": 99}]')
  })

  it('and of the one that redo returns to are, too', () => {
    const box = toyMigrated()
    const top = box.snapshot()
    box.ok('rollback')
    put(box.directoryOf(top), 'days/9.json', '{"header":{"schemaVersion":"2.0.0"},"list":[]}')
    box.ok('redo')
    expect(box.snapshot()).toBe(top)
    expect(box.git('log', '-1', '--format=%s', top)).toContain('Checkpoint')
  })

  it('and `migrate` after a rollback is a new migration only where the side below was edited', () => {
    const box = toyMigrated()
    const top = box.snapshot()
    box.ok('rollback')
    box.edit('days/1.json', '[{"n": 5}]')
    box.ok('migrate')
    expect(box.snapshot()).not.toBe(top)
    expect(json(box.active(), 'sums/1.json').sum).toBe(5)
    expect(readdirSync(box.directoryOf(top))).toContain('sums')
  })
})
