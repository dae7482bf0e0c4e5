import { resolve } from 'node:path'
import type { ChainSummary } from '../light.ts'
import { StrataError, layout, currentPointer, nodeFsPort, placeOf, readView, statusOf } from '../light.ts'
import { fail, out, showExact } from './output.ts'
import type { Parsed } from './parse.ts'
import { commandHelp, generalHelp, parseCommandLine } from './parse.ts'
import { statusText } from './status-text.ts'

/** The chain that the command uses without `--migrations`: the file of its module, and its summary, kept by the build, if there is one. */
export type BuiltIn = { readonly module: string; readonly summary: () => string | undefined }

const place = (flags: Parsed['flags']) => {
  const root = resolve(typeof flags.store === 'string' ? flags.store : 'store')
  return { root, paths: layout(root), fs: nodeFsPort }
}

/** The summary of the built-in chain; undefined for another chain, which has to be loaded. */
const builtInSummary = (flags: Parsed['flags'], { summary }: BuiltIn): ChainSummary | undefined => {
  const text = flags.migrations === undefined ? summary() : undefined
  // The build wrote this file from the same chain.
  return text === undefined ? undefined : (JSON.parse(text) as ChainSummary)
}

const path = ({ flags }: Parsed): number => {
  const where = place(flags)
  const pointer = currentPointer(where)
  const directory = where.paths.snapshot(pointer.snapshot)
  out(flags.json === true ? JSON.stringify({ ...pointer, path: directory }) : directory)
  return 0
}

const status = ({ flags }: Parsed, summary: ChainSummary): number => {
  const where = place(flags)
  const found = statusOf(readView(where)?.state, summary, placeOf(where))
  out(flags.json === true ? JSON.stringify(found, null, 2) : statusText(found, where.root, summary.name))
  return found.needed ? 2 : 0
}

/** What is printed from the table of commands alone. */
const words = async ({ command, args: [shell = ''] }: Parsed): Promise<number> => {
  const { completion, isShell, manualPage } = await import('./completion.ts')
  if (command?.name === 'manual') out(manualPage(STRATA_VERSION))
  else if (isShell(shell)) out(completion(shell))
  else throw new StrataError('BAD_ARGUMENT', `there is no completion for ${shell}`, { hint: 'Shells: bash, zsh, fish' })
  return 0
}

const run = async (parsed: Parsed, builtIn: BuiltIn): Promise<number> => {
  const { command, flags } = parsed
  if (flags.version === true) {
    out(STRATA_VERSION)
    return 0
  }
  if (command === undefined || flags.help === true) {
    out(command === undefined ? generalHelp() : commandHelp(command))
    return command === undefined && flags.help !== true ? 1 : 0
  }
  showExact(flags.verbose === true)
  if (command.name === 'path') return path(parsed)
  if (command.name === 'completion' || command.name === 'manual') return words(parsed)
  const summary = command.name === 'status' ? builtInSummary(flags, builtIn) : undefined
  if (summary !== undefined) return status(parsed, summary)
  const { runCommand, loadSummary } = await import('./commands.ts')
  if (command.name === 'status') return status(parsed, await loadSummary(parsed, builtIn.module))
  return runCommand(command.name, parsed, builtIn.module)
}

/**
 * The start-up path: `status` and `path` answer from CURRENT and one journal segment. Everything else is loaded when needed.
 */
export const runProgram = async (args: readonly string[], builtIn: BuiltIn): Promise<void> => {
  // More file-system threads let more flushes be under way; it must be set before the first one starts.
  process.env.UV_THREADPOOL_SIZE ??= '16'
  // Whoever reads may stop (`strata history | head`); what is being done goes on all the same.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  let json = args.includes('--json')
  try {
    if (Number(process.versions.node.split('.')[0]) < 20)
      throw new StrataError('BAD_ARGUMENT', `Strata needs Node 20.19 or newer, this is ${process.versions.node}`)
    const parsed = parseCommandLine(args)
    json = parsed.flags.json === true
    process.exitCode = await run(parsed, builtIn)
  } catch (error) {
    fail(error, json)
    process.exitCode = 1
  }
}
