import { join, relative, resolve } from 'node:path'
import type { Issue } from '../index.ts'
import { StrataError, describeChain, historyText, lint, loadDataset, newMigration } from '../index.ts'
import { out, paint, plural } from './output.ts'
import type { Parsed } from './parse.ts'
import { text } from './run.ts'
import { findingText } from './status-text.ts'

/** Commands for the author of migrations. They need no store. */

/** `sources`: this project's own, for the chain that is built in. */
type Place = { readonly module: string; readonly sources: string | null }

const print = (parsed: Parsed, value: unknown, lines: readonly string[]): void => {
  out(parsed.flags.json === true ? JSON.stringify(value, null, 2) : lines.join('\n'))
}

const byVersion = (findings: readonly Issue[]): string[] => {
  const versions = [...new Set(findings.map((f) => f.step ?? ''))]
  return versions.flatMap((version) => [
    ...(version === '' ? [] : [paint('bold', version)]),
    ...findings.filter((f) => (f.step ?? '') === version).map(findingText),
  ])
}

const lintCommand = async (parsed: Parsed, { module, sources }: Place): Promise<number> => {
  const samples = text(parsed.flags.samples) ?? (sources === null ? undefined : join(sources, 'golden'))
  const report = await lint(module, { samples, record: parsed.flags.record === true })
  const verdict = report.findings.length === 0 ? paint('green', 'nothing found') : plural(report.findings.length, 'finding')
  print(parsed, report, [
    ...byVersion(report.findings),
    ...report.recorded.map((version) => `recorded ${version}: from now on its results are held against these`),
    `${plural(report.migrations, 'migration')}: ${verdict}`,
  ])
  return report.findings.length > 0 ? 2 : 0
}

const newCommand = async (parsed: Parsed, { module, sources }: Place): Promise<number> => {
  const from = text(parsed.flags.from)
  const made = await newMigration(module, parsed.args[0] ?? '', {
    to: text(parsed.flags.to),
    from: from === undefined ? undefined : resolve(from),
    ownSources: sources,
  })
  print(parsed, made, [
    `Wrote ${made.version}:`,
    ...made.files.map((f) => `  ${relative('.', f)}`),
    'Next:',
    ...made.next.map((line) => `  ${line}`),
  ])
  return 0
}

const docsCommand = async (parsed: Parsed, { module }: Place): Promise<number> => {
  const { name, chain } = await loadDataset(module)
  const versions = await describeChain(chain)
  print(parsed, { name, versions }, [historyText(name, versions)])
  return 0
}

const COMMANDS = { lint: lintCommand, new: newCommand, docs: docsCommand } as const

export const runAuthorCommand = async (name: string, parsed: Parsed, builtIn: string): Promise<number> => {
  const module = text(parsed.flags.migrations)
  if (!Object.hasOwn(COMMANDS, name)) throw new StrataError('BAD_ARGUMENT', `there is no command ${name}`)
  const place = { module: resolve(module ?? builtIn), sources: module === undefined ? resolve(builtIn, '../../migrations') : null }
  return COMMANDS[name as keyof typeof COMMANDS](parsed, place)
}
