#!/usr/bin/env node
import { join } from 'node:path'
import { nodeFsPort, readText } from '../light.ts'
import { forgiveReaders } from './output.ts'
import { runQuickly } from './quick.ts'

/**
 * The command of the package: the built-in chain is a file beside it. The start-up path is in this one file, and a CommonJS module:
 * Node's loader of ES modules takes a quarter of what starting Node does. The program is in others, with what it shares with the library.
 */
const beside = (name: string): string => join(__dirname, name)
const builtIn = { module: beside('netmonitor.js'), summary: () => readText(nodeFsPort, beside('netmonitor.summary.json')) }
const args = process.argv.slice(2)

forgiveReaders()
if (!runQuickly(args, builtIn)) void import('./program.ts').then(({ runProgram }) => runProgram(args, builtIn))
