import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyStore } from '../../src/engine/verify.ts'
import { findAll, healAll } from './rot-sweep.ts'
import { at, copyStore, makeStore, scratchFolder } from './rot.ts'

const { scratch, remove } = scratchFolder()
afterAll(remove)

let base = ''
beforeAll(async () => {
  base = await makeStore(scratch)
}, 60_000)

/** Bytes of each file that are tried; all of them in the nightly run. */
const BYTES = 3

describe('single damage', () => {
  test('is found, whatever byte or file it is; without any, nothing is', { timeout: 600_000 }, async () => {
    expect((await verifyStore(at(copyStore(base, `${scratch}/whole`)))).issues).toEqual([])
    const { missed, tried } = await findAll(base, scratch, BYTES)
    expect(missed).toEqual([])
    expect(tried).toBeGreaterThan(100)
  })

  test('is healed, and what the application sees is as it was', { timeout: 600_000 }, async () => {
    const { wrong, tried } = await healAll(base, scratch, BYTES, 3)
    expect(wrong).toEqual([])
    expect(tried).toBeGreaterThan(50)
  })
})
