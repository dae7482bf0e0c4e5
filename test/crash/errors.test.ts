import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { StrataError, fromSystem } from '../../src/core/errors.ts'
import { nodeFsPort } from '../../src/storage/fs.ts'
import { faultyFs } from '../contract/faulty-fs.ts'
import type { Op, Verdict } from '../contract/faulty-fs.ts'
import type { Sides } from './judge.ts'
import { activeOf, afterRecovery, atOnce, same } from './judge.ts'
import type { Place, Scenario } from './scenarios.ts'
import { SCENARIOS, makeOriginal } from './scenarios.ts'

/** Calls of each command at which each error is tried: all of them with STRATA_ERROR_POINTS=0. */
const POINTS = Number(process.env.STRATA_ERROR_POINTS ?? 2)
const CODES = ['EIO', 'ENOSPC', 'EMFILE', 'EACCES', 'EROFS'] as const

const shared = nodeFs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const scratch = nodeFs.mkdtempSync(join(shared, 'strata-errors-'))
afterAll(() => {
  nodeFs.rmSync(scratch, { recursive: true, force: true })
})

let count = 0
const prepare = async (scenario: Scenario): Promise<Place> => {
  const dir = join(scratch, String(count++))
  const place = { store: join(dir, 'store'), original: join(dir, 'original') }
  makeOriginal(place.original)
  nodeFs.mkdirSync(place.store)
  await scenario.before(place)
  return place
}

/** Copies keep inode-independent content; the store's caches notice the new inodes and look again. */
const copyOf = (place: Place): Place => {
  const dir = join(scratch, String(count++))
  nodeFs.cpSync(join(place.store, '..'), dir, { recursive: true, preserveTimestamps: true })
  return { store: join(dir, 'store'), original: place.original }
}

const WRITES: readonly Op['call'][] = [
  'open',
  'write',
  'fsync',
  'fdatasync',
  'fsyncLater',
  'rename',
  'mkdir',
  'unlink',
  'rmdir',
  'chmod',
  'close',
]

/** The nth call fails: with an error, or by taking only half of what it is given. */
const failAt = (n: number, code: string | null) => {
  let seen = 0
  return (op: Op): Verdict => {
    if (code === null) return op.call === 'write' && ++seen === n ? { most: Math.max(1, (op.bytes?.length ?? 2) >> 1) } : undefined
    return ++seen === n ? { code } : undefined
  }
}

const tryOnce = async (scenario: Scenario, base: Place, sides: Sides, n: number, code: string | null): Promise<string[]> => {
  const place = copyOf(base)
  let error: unknown = null
  try {
    await scenario.run(place, faultyFs(nodeFsPort, failAt(n, code)).fs)
  } catch (caught) {
    // As it crosses the public API.
    error = fromSystem(caught)
  }
  const where = `${code ?? 'half a write'} at call ${n}`
  const wrong = [
    ...atOnce(sides, place.store),
    ...(await afterRecovery(sides, place.store, error === null ? 'this content' : 'nothing')),
  ].map((w) => `${where}: ${w}`)
  // The retry: what the user does next.
  if (error !== null && wrong.length === 0) {
    const now = activeOf(place.store)
    const { before, after } = sides
    const isOther = now?.snapshot !== before?.snapshot || (before !== null && now !== null && !same(before.content, now.content))
    const done = now !== null && after !== null && isOther && same(now.content, after.content)
    if (!done) await scenario.run(place, nodeFsPort).catch((caught: unknown) => wrong.push(`${where}: the retry failed: ${String(caught)}`))
  }
  nodeFs.rmSync(join(place.store, '..'), { recursive: true, force: true })
  if (error !== null && !(error instanceof StrataError))
    wrong.push(`${where}: ${error instanceof Error ? (error.stack ?? '') : 'not an error'}`)
  return wrong
}

describe('an error of the file system at any call leaves the old or the new snapshot, and a retry works', () => {
  for (const scenario of SCENARIOS.filter((s) => s.name !== 'init'))
    test(scenario.name, { timeout: 600_000 }, async () => {
      const base = await prepare(scenario)
      const recorded = copyOf(base)
      const { fs, ops } = faultyFs(nodeFsPort)
      const before = activeOf(recorded.store)
      await scenario.run(recorded, fs)
      const sides: Sides = { before, after: activeOf(recorded.store) }
      const calls = ops.length
      const writes = ops.filter((op) => op.call === 'write').length
      expect(ops.filter((op) => WRITES.includes(op.call)).length).toBeGreaterThan(10)
      const wrong: string[] = []
      for (const code of [...CODES, null]) {
        const total = code === null ? writes : calls
        const step = POINTS === 0 ? 1 : Math.max(1, total / POINTS)
        for (let n = 1; n <= total && wrong.length < 5; n += step)
          wrong.push(...(await tryOnce(scenario, base, sides, Math.floor(n), code)))
      }
      expect(wrong).toEqual([])
    })
})
