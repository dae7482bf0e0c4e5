import { StrataError } from '../light.ts'
import { fail, forgiveReaders, out, showExact } from './output.ts'
import type { Parsed } from './parse.ts'
import { commandHelp, generalHelp, parseCommandLine } from './parse.ts'
import type { BuiltIn } from './quick.ts'
import { builtInSummary, path, status } from './quick.ts'

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

/** Runs a command; what it needs is loaded with it. */
export const runProgram = async (args: readonly string[], builtIn: BuiltIn): Promise<void> => {
  // More file-system threads let more flushes be under way; it must be set before the first one starts.
  process.env.UV_THREADPOOL_SIZE ??= '16'
  forgiveReaders()
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
