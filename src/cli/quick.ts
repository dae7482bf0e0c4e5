import { resolve } from 'node:path'
import type { ChainSummary } from '../light.ts'
import { currentPointer, layout, nodeFsPort, placeOf, readView, statusOf } from '../light.ts'
import { fail, out, showExact } from './output.ts'
import type { Parsed } from './parse.ts'
import { parseCommandLine } from './parse.ts'
import { statusText } from './status-text.ts'

/** The start-up path: `path` and `status` answer from CURRENT and one journal segment. */

/** The chain that the command uses without `--migrations`: the file of its module, and its summary, kept by the build, if there is one. */
export type BuiltIn = { readonly module: string; readonly summary: () => string | undefined }

const place = (flags: Parsed['flags']) => {
  const root = resolve(typeof flags.store === 'string' ? flags.store : 'store')
  return { root, paths: layout(root), fs: nodeFsPort }
}

/** The summary of the built-in chain; undefined for another chain, which has to be loaded. */
export const builtInSummary = (flags: Parsed['flags'], { summary }: BuiltIn): ChainSummary | undefined => {
  const text = flags.migrations === undefined ? summary() : undefined
  // The build wrote this file from the same chain.
  return text === undefined ? undefined : (JSON.parse(text) as ChainSummary)
}

export const path = ({ flags }: Parsed): number => {
  const where = place(flags)
  const pointer = currentPointer(where)
  const directory = where.paths.snapshot(pointer.snapshot)
  out(flags.json === true ? JSON.stringify({ ...pointer, path: directory }) : directory)
  return 0
}

export const status = ({ flags }: Parsed, summary: ChainSummary): number => {
  const where = place(flags)
  const found = statusOf(readView(where)?.state, summary, placeOf(where))
  out(flags.json === true ? JSON.stringify(found, null, 2) : statusText(found, where.root, summary.name))
  return found.needed ? 2 : 0
}

/** What is to be done where the start-up path is all that it takes. */
const quickly = (parsed: Parsed, builtIn: BuiltIn): (() => number) | undefined => {
  const { command, flags } = parsed
  if (flags.version === true || flags.help === true) return undefined
  if (command?.name === 'path') return () => path(parsed)
  const summary = command?.name === 'status' ? builtInSummary(flags, builtIn) : undefined
  return summary === undefined ? undefined : () => status(parsed, summary)
}

const parse = (args: readonly string[]): Parsed | undefined => {
  // The words are looked for before they are understood: of no other command are the arguments read twice.
  if (!args.some((word) => word === 'path' || word === 'status')) return undefined
  try {
    return parseCommandLine(args)
  } catch {
    // The program says what is wrong with them.
    return undefined
  }
}

/** Runs `path` and `status` of the built-in chain; false where it takes the whole program. */
export const runQuickly = (args: readonly string[], builtIn: BuiltIn): boolean => {
  const parsed = parse(args)
  const run = parsed === undefined ? undefined : quickly(parsed, builtIn)
  if (parsed === undefined || run === undefined) return false
  showExact(parsed.flags.verbose === true)
  try {
    process.exitCode = run()
  } catch (error) {
    fail(error, parsed.flags.json === true)
    process.exitCode = 1
  }
  return true
}
