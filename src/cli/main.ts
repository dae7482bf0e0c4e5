#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { nodeFsPort, readText } from '../light.ts'
import { forgiveReaders } from './output.ts'
import { runQuickly } from './quick.ts'

/**
 * The command of the package: the built-in chain is a file beside it. The start-up path is in this one file, which Node loads faster
 * than many; the program is in others, with what it shares with the library.
 */
const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const builtIn = { module: beside('./netmonitor.js'), summary: () => readText(nodeFsPort, beside('./netmonitor.summary.json')) }
const args = process.argv.slice(2)

forgiveReaders()
if (!runQuickly(args, builtIn)) await (await import('./program.ts')).runProgram(args, builtIn)
