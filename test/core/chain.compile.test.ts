import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

/*
 * A long chain must not make its author wait. Times are the machine's; what the compiler makes is the program's: the types it
 * creates, and how often it instantiates a generic one. zod's own work for one more schema of two kinds is in these figures.
 */

const ROOT = join(import.meta.dirname, '../..')
const FILE = join(import.meta.dirname, 'a-long-chain.ts')

const source = (steps: number): string => {
  const shape = (i: number): string =>
    `file('settings.json', z.looseObject({ f${i}: z.string(), list: z.array(z.looseObject({ id: z.string() })) }))`
  const about = "description: '', createdAt: '', changes: []"
  const step = (i: number): string =>
    `const s${i} = schema('1.${i}.0', { ...s${i - 1}.kinds, settings: ${shape(i)} })
const m${i} = migration(s${i - 1}, s${i}, { ${about}, files: { settings: { file: {
  migrate: ({ f${i - 1}, ...rest }) => ({ ...rest, f${i}: f${i - 1} }),
  rollback: ({ f${i}, ...rest }) => ({ ...rest, f${i - 1}: f${i} }),
} } } })`
  const all = Array.from({ length: steps }, (_, i) => i + 1)
  return `import { z } from 'zod'
import { chain, migration } from '../../src/core/chain.ts'
import { file, records, schema } from '../../src/core/schema.ts'
const s0 = schema('1.0.0', { settings: ${shape(0)}, days: records('d/*.json', 'r', z.looseObject({}), z.looseObject({ n: z.number() })) })
${all.map(step).join('\n')}
export const long = chain(s0)${all.map((i) => `.add(m${i})`).join('')}
`
}

const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config,
  ts.sys,
  ROOT,
)
const parsed = new Map<string, ts.SourceFile | undefined>()

const compile = (text: string): { errors: string[]; types: number; instantiations: number } => {
  const host = ts.createCompilerHost(options)
  const inner = ts.createCompilerHost(options)
  host.fileExists = (path) => path === FILE || inner.fileExists(path)
  host.getSourceFile = (path, ...rest) => {
    if (path === FILE) return ts.createSourceFile(path, text, rest[0], true)
    if (!parsed.has(path)) parsed.set(path, inner.getSourceFile(path, ...rest))
    return parsed.get(path)
  }
  const program = ts.createProgram([FILE], options, host)
  const errors = program.getSemanticDiagnostics(program.getSourceFile(FILE)).map((d) => ts.flattenDiagnosticMessageText(d.messageText, ' '))
  return { errors, types: program.getTypeCount(), instantiations: program.getInstantiationCount() }
}

test('a chain of 60 steps takes the compiler less than twice the types of one step, and each step costs the same', () => {
  const [one, half, all] = [1, 30, 60].map((steps) => compile(source(steps)))
  expect([one?.errors, half?.errors, all?.errors]).toEqual([[], [], []])
  console.log(
    `types: ${one?.types} for 1 step, ${all?.types} for 60; instantiations: ${one?.instantiations}, ${half?.instantiations}, ${all?.instantiations}`,
  )
  expect(all?.types ?? Infinity).toBeLessThan(2 * (one?.types ?? 0))
  const perStep = (a: typeof one, b: typeof one, steps: number): number =>
    ((b?.instantiations ?? Infinity) - (a?.instantiations ?? 0)) / steps
  // Were it to grow with the length of the chain, the second half would be dearer.
  expect(perStep(half, all, 30)).toBeLessThan(1.1 * perStep(one, half, 29))
}, 120_000)

test('a mistake in the last of 60 steps is found', () => {
  const { errors } = compile(source(60).replace('f60: f59 })', 'f60: 7 })'))
  expect(errors.join()).toMatch(/number.*string/)
}, 120_000)
