#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { nodeFsPort, readText } from '../light.ts'
import { runProgram } from './program.ts'

/** The command of the package: the built-in chain is a file beside it. */
const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

await runProgram(process.argv.slice(2), {
  module: beside('./netmonitor.js'),
  summary: () => readText(nodeFsPort, beside('./netmonitor.summary.json')),
})
