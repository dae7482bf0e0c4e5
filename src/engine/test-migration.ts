import { fileURLToPath } from 'node:url'
import type { AnyMigration } from '../core/chain.ts'
import { checkChain } from '../core/chain-checks.ts'
import { StrataError } from '../core/errors.ts'
import type { Issue } from '../core/issues.ts'
import type { Sample } from '../core/lint.ts'
import { lintMigration } from '../core/lint.ts'
import { readSample } from './samples.ts'
import { trapped } from './traps.ts'

/** A folder with a golden sample (`golden/2.0.0`), or files of the version before: path to document, text or bytes. */
export type Samples = string | URL | Readonly<Record<string, unknown>>

const encoder = new TextEncoder()

const bytesOf = (value: unknown): Uint8Array =>
  value instanceof Uint8Array ? value : encoder.encode(typeof value === 'string' ? value : JSON.stringify(value, null, 2))

const sampleOf = (samples: Samples): Sample | null => {
  if (typeof samples === 'string') return readSample(samples)
  if (samples instanceof URL) return readSample(fileURLToPath(samples))
  return { files: new Map(Object.entries(samples).map(([path, value]) => [path, bytesOf(value)])), recorded: { before: {}, after: {} } }
}

/** One line for people. Messages hold no values of the data. */
const findingLine = ({ code, file, record, step, message, hint }: Issue): string => {
  const where = `${file ?? step ?? ''}${record === null ? '' : `, record ${record}`}`
  return `${code} ${where}: ${message}${hint === '' ? '' : `\n  ${hint}`}`
}

const NOT_FOR_INLINE = new Set(['SAMPLE_EDITED', 'BEHAVIOUR_CHANGED', 'NOT_RECORDED'])

/**
 * Everything that `strata lint` finds in one migration, as one line of a test in any framework. Throws FINDINGS, with the list in
 * the message and in `data.findings`; returns nothing when all is well. `allow`: codes that are meant.
 *
 *     test('2.0.0', () => testMigration(countSeconds, new URL('./golden/2.0.0', import.meta.url)))
 */
export const testMigration = (
  migration: { readonly from: unknown; readonly to: unknown; readonly description: string },
  samples: Samples,
  options: { readonly allow?: readonly string[]; readonly layout?: 'source' | 'go' } = {},
): void => {
  // What `migration` makes, with its types taken off: the check below is the one that a loaded chain gets.
  const m = migration as AnyMigration
  checkChain({ first: m.from, schemas: [m.from, m.to], migrations: [m] })
  const inline = typeof samples !== 'string' && !(samples instanceof URL)
  const found = lintMigration(m, sampleOf(samples), trapped, options.layout).filter(
    ({ code }) => options.allow?.includes(code) !== true && !(inline && NOT_FOR_INLINE.has(code)),
  )
  if (found.length === 0) return
  throw new StrataError('FINDINGS', `${m.to.version} ${m.description}: ${found.length} findings\n${found.map(findingLine).join('\n')}`, {
    data: { version: m.to.version, findings: found },
    hint: 'Each line says what to do.',
  })
}
