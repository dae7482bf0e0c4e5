import { describe, expect, test } from 'vitest'
import { StrataError } from '../../src/core/errors.ts'
import { fuzz } from './fuzz.ts'
import { TARGETS } from './targets.ts'

/** Inputs for each parser; more than a million in all in the nightly run. */
const INPUTS = 1500

describe('whatever the bytes, a parser gives a result or a StrataError', () => {
  for (const [i, target] of TARGETS.entries())
    test(target.name, { timeout: 120_000 }, async () => {
      const { findings, refused } = await fuzz(target, INPUTS, 1 + i)
      expect(findings).toEqual([])
      // Inputs that are all refused would prove little.
      expect(refused).toBeLessThan(INPUTS)
    })
})

describe('the fuzzer sees', () => {
  const found = async (run: (bytes: Buffer) => void): Promise<string> => {
    const target = { name: 'planted', input: (): Buffer => Buffer.from('some <bytes> that are read'), run }
    return (await fuzz(target, 1, 1)).findings[0] ?? ''
  }

  test('an error that is no StrataError, with the least bytes that make it', async () => {
    const thrower = (bytes: Buffer): void => {
      if (bytes.includes('<')) throw new TypeError('planted')
    }
    expect(await found(thrower)).toContain('TypeError: planted')
    expect(await found(thrower)).toMatch(/\n1 bytes: 3c$/)
  })

  test('one that computes for seconds', async () => {
    const busy = (): void => {
      const began = process.cpuUsage()
      while (process.cpuUsage(began).user < 1_700_000) /^(.*) <([^>]*)> x$/.test(' <'.repeat(1000))
    }
    expect(await found(busy)).toMatch(/took \d+ ms/)
  })

  test('a buffer of a declared size, also one that is never touched, and whose error becomes a StrataError', async () => {
    expect(await found(() => Buffer.alloc(2 ** 31))).toContain('allocates 2147483648 bytes')
    const disguised = (): void => {
      try {
        Buffer.allocUnsafe(2 ** 31)
      } catch {
        throw new StrataError('CORRUPT', 'no')
      }
    }
    expect(await found(disguised)).toContain('allocates 2147483648 bytes')
  })

  test('a parser that keeps what it was given', async () => {
    const kept: Buffer[] = []
    expect(await found(() => void kept.push(Buffer.alloc(60 * 1024 * 1024, 1)))).toContain('holds on')
    expect(kept).toHaveLength(1)
  })

  test('and lets a polite refusal pass', async () => {
    const polite = {
      name: 'polite',
      input: (): Buffer => Buffer.from('x'),
      run: (): void => {
        throw new StrataError('CORRUPT', 'no')
      },
    }
    expect(await fuzz(polite, 3, 1)).toMatchObject({ findings: [], refused: 3, inputs: 3 })
  })
})
