// Whole processes, measured from outside: wall time, peak memory, bytes on disk.
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const TIME = '/usr/bin/time'
export const hasTime = existsSync(TIME)

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

// Node 20 reads these certificates at every start; whoever uses an application has seldom set any.
const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env

/** Runs a program to its end; throws with what it said when it fails. `ok`: exit codes that are no failure. */
export const run = (command, args, { cwd, env, ok = [0], input } = {}) => {
  const scratch = mkdtempSync(join(tmpdir(), 'strata-bench-time-'))
  const file = join(scratch, 'kb')
  // GNU time: the largest resident set of the program or of any that it waited for.
  const [program, words] = hasTime ? [TIME, ['-q', '-f', '%M', '-o', file, command, ...args]] : [command, args]
  const began = performance.now()
  const { status, stdout, stderr, error } = spawnSync(program, words, {
    cwd,
    input,
    env: { ...environment, ...env },
    maxBuffer: 1 << 30,
  })
  const ms = performance.now() - began
  const memory = hasTime && existsSync(file) ? Number(readFileSync(file, 'utf8').trim().split('\n').at(-1)) * 1024 : null
  rmSync(scratch, { recursive: true, force: true })
  if (error !== undefined || !ok.includes(status ?? -1))
    throw new Error(`${command} ${args.join(' ')}: exit ${status ?? error?.message}\n${stdout}${stderr}`.slice(0, 4000))
  return { ms, memory, stdout: stdout.toString() }
}

/** Whether a program is there to be run beside ours. */
export const isInstalled = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

/** Bytes in files below a folder. */
export const bytesBelow = (dir) => {
  let bytes = 0
  for (const name of readdirSync(dir)) {
    const path = join(dir, name)
    const stat = lstatSync(path)
    bytes += stat.isDirectory() ? bytesBelow(path) : stat.size
  }
  return bytes
}
