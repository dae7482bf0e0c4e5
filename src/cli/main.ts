#!/usr/bin/env node
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChainSummary } from '../light.ts'
import { StrataError, layout, currentPointer, nodeFsPort, readText, readView, statusOf } from '../light.ts'
import { fail, out, showExact } from './output.ts'
import type { Parsed } from './parse.ts'
import { commandHelp, generalHelp, parseCommandLine } from './parse.ts'
import { statusText } from './status-text.ts'

/**
 * The start-up path: `status` and `path` answer from CURRENT and one journal segment. Everything else is loaded when needed.
 * More file-system threads let more flushes be under way; it must be set before the first one starts.
 */
process.env.UV_THREADPOOL_SIZE ??= '16'

const BUILT_IN = fileURLToPath(new URL('./netmonitor.js', import.meta.url))
const SUMMARY = fileURLToPath(new URL('./netmonitor.summary.json', import.meta.url))

const place = (flags: Parsed['flags']) => {
  const root = resolve(typeof flags.store === 'string' ? flags.store : 'store')
  return { root, paths: layout(root), fs: nodeFsPort }
}

/** The summary of the built-in chain, kept by the build; undefined for another chain, which has to be loaded. */
const builtInSummary = (flags: Parsed['flags']): ChainSummary | undefined => {
  const text = flags.migrations === undefined ? readText(nodeFsPort, SUMMARY) : undefined
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
  const spaceFree = where.fs.lstat(where.root) === undefined ? 0 : where.fs.statfs(where.root).freeBytes
  const found = statusOf(readView(where)?.state, summary, { directoryOf: where.paths.snapshot, spaceFree })
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

const run = async (parsed: Parsed): Promise<number> => {
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
  const summary = command.name === 'status' ? builtInSummary(flags) : undefined
  if (summary !== undefined) return status(parsed, summary)
  const { runCommand, loadSummary } = await import('./commands.ts')
  if (command.name === 'status') return status(parsed, await loadSummary(parsed, BUILT_IN))
  return runCommand(command.name, parsed, BUILT_IN)
}

const main = async (): Promise<void> => {
  let json = process.argv.includes('--json')
  try {
    const parsed = parseCommandLine(process.argv.slice(2))
    json = parsed.flags.json === true
    process.exitCode = await run(parsed)
  } catch (error) {
    fail(error, json)
    process.exitCode = 1
  }
}

if (Number(process.versions.node.split('.')[0]) < 20)
  fail(new StrataError('BAD_ARGUMENT', `Strata needs Node 20.19 or newer, this is ${process.versions.node}`), false)
else await main()
