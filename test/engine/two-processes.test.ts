import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { leftovers, migratedStore, misplaced, reader, unexpected, writer } from './two-writers.ts'

describe('two processes that wait for each other', () => {
  it('lose no acknowledged event, end, and are read all the time without a wait or a half state', { timeout: 120_000 }, async () => {
    const made = await migratedStore()
    const stop = reader(made.dir)
    const orders = { commands: 60, waitMs: 60_000 }
    const both = await Promise.all([writer(made.dir, 'a', { ...orders, seed: 1 }), writer(made.dir, 'b', { ...orders, seed: 2 })])
    const seen = await stop()
    expect(both.flatMap((worked) => unexpected(worked))).toEqual([])
    expect(seen.wrong).toEqual([])
    expect(seen.reads).toBeGreaterThan(5)
    expect(seen.longest.status).toBeLessThan(2000)
    const acknowledged = both.flatMap((worked) => worked.acknowledged)
    expect(acknowledged.length).toBeGreaterThan(60)
    expect(await misplaced(made, acknowledged)).toEqual([])
    expect(await leftovers(made)).toEqual([])
  })

  it('a planted mistake is caught: a pointer file that is written in place is seen by half', { timeout: 60_000 }, async () => {
    const made = await migratedStore()
    const current = join(made.dir, 'store/CURRENT')
    const text = readFileSync(current, 'utf8')
    const stop = reader(made.dir)
    const end = Date.now() + 3000
    while (Date.now() < end) {
      await sleep(1)
      writeFileSync(current, text.slice(0, text.length >> 1))
      await sleep(1)
      writeFileSync(current, text)
    }
    const seen = await stop()
    expect(seen.reads).toBeGreaterThan(0)
    expect(seen.wrong.join()).toContain('SyntaxError')
  })
})
