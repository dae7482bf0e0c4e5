import { describe, expect, test } from 'vitest'
import { StrataError } from '../../src/core/errors.ts'
import { fuzz } from './fuzz.ts'
import { TARGETS } from './targets.ts'

/** Inputs for each parser; a million in all in the nightly run. */
const INPUTS = 1500

describe('whatever the bytes, a parser gives a result or a StrataError', () => {
  for (const [i, target] of TARGETS.entries())
    test(target.name, { timeout: 120_000 }, async () => {
      const { findings, refused } = await fuzz(target, INPUTS, 1 + i)
      expect(findings).toEqual([])
      // Inputs that are all refused, or none, would prove little.
      expect(refused).toBeLessThan(INPUTS)
    })
})

test('a parser that throws anything else, hangs or lets a bomb off is caught', async () => {
  const input = (): Buffer => Buffer.from('x')
  const thrower = {
    name: 'thrower',
    input,
    run: (): void => {
      ;(undefined as unknown as { a: string }).a.trim()
    },
  }
  const slow = {
    name: 'slow',
    input,
    run: (): void => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2100)
    },
  }
  const polite = {
    name: 'polite',
    input,
    run: (): void => {
      throw new StrataError('CORRUPT', 'no')
    },
  }
  expect((await fuzz(thrower, 3, 1)).findings[0]).toContain('TypeError')
  expect((await fuzz(slow, 1, 1)).findings[0]).toContain('took')
  expect(await fuzz(polite, 3, 1)).toMatchObject({ findings: [], refused: 3 })
})
