import { expect, test } from 'vitest'
import { report } from '../nightly/figures.ts'
import type { Fuzzed } from './fuzz.ts'
import { fuzz } from './fuzz.ts'
import { TARGETS } from './targets.ts'

const TOTAL = 1_000_000

test('a million inputs: only results and StrataErrors', async () => {
  const each = Math.ceil(TOTAL / TARGETS.length)
  const done: Fuzzed[] = []
  for (const [i, target] of TARGETS.entries()) done.push(await fuzz(target, each, 1000 + i))
  const findings = done.flatMap((d) => d.findings)
  const sum = (of: (d: (typeof done)[number]) => number): number => done.reduce((total, d) => total + of(d), 0)
  report('parsers', { parsers: TARGETS.length, inputs: sum((d) => d.inputs), refused: sum((d) => d.refused), findings: findings.length })
  expect(findings).toEqual([])
})
