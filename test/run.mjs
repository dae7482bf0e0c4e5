#!/usr/bin/env node
// `npm test`: the static checks, two at a time, then the tests. Stops at the first failure and shows only that one's output.
//   npm test -- [CHECK…] [VITEST ARGUMENT…]     such as `npm test -- types lint`, `npm test -- tests test/core`
// The last line of a run of the tests is `N passed, N failed`, for whoever reads the log.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const modules = (path) => join(ROOT, 'node_modules', path)

// Longest first. Biome formats only; ESLint is the linter.
const CHECKS = {
  lint: ['ESLint', 'eslint/bin/eslint.js', '--max-warnings=0', '.'],
  types: ['type check', 'typescript/bin/tsc', '-p', '.', '--incremental', '--tsBuildInfoFile', 'node_modules/.cache/strata.tsbuildinfo'],
  page: ['type check of the page', 'typescript/bin/tsc', '-p', 'src/server/page'],
  layers: ['dependency-cruiser', 'dependency-cruiser/bin/dependency-cruise.mjs', '--output-type', 'err', 'src', 'migrations', 'test'],
  unused: ['knip', 'knip/bin/knip.js', '--no-progress', '--no-config-hints'],
  format: ['Biome', '@biomejs/biome/bin/biome', 'ci', process.stdout.isTTY ? '--colors=force' : '--colors=off', '.'],
}
const HINTS = {
  lint: 'npm run fix mends a part',
  format: 'npm run fix mends it',
  layers: 'the rules and their reasons: .dependency-cruiser.cjs',
}

// Node 20 reads these certificates at every start, which takes longer than all else that it does then; only npm has a use for them.
const { NODE_EXTRA_CA_CERTS: certificates, ...environment } = process.env
if (certificates !== undefined) environment.STRATA_CERTIFICATES = certificates

const running = new Set()
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Runs one of our tools; with `quiet`, its output is kept instead of shown. */
const tool = (script, args, quiet) =>
  new Promise((resolve) => {
    // What is piped can't see the terminal. The tests get no FORCE_COLOR: what they start would inherit it.
    const color = !process.stdout.isTTY ? { NO_COLOR: '1' } : quiet ? { FORCE_COLOR: '1' } : {}
    const child = spawn(process.execPath, [modules(script), ...args], {
      cwd: ROOT,
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
      env: { ...environment, ...color },
    })
    running.add(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (output += text))
    child.on('close', (code, signal) => {
      running.delete(child)
      resolve({ ok: code === 0, ended: signal ?? `exit ${code}`, output })
    })
  })

/** True when every check passed. After the first failure the others are stopped, and not reported. */
const staticChecks = async (names) => {
  const queue = [...names]
  let failed = false
  const worker = async () => {
    for (let name = queue.shift(); name && !failed; name = queue.shift()) {
      const [title, script, ...args] = CHECKS[name]
      const since = performance.now()
      const { ok, ended, output } = await tool(script, args, true)
      if (failed) return
      if (ok) {
        console.log(`✓ ${name.padEnd(7)} ${title}, ${seconds(since)}`)
        continue
      }
      failed = true
      console.log(
        `✗ ${name.padEnd(7)} ${title} failed (${ended}) after ${seconds(since)}${HINTS[name] ? `; ${HINTS[name]}` : ''}\n\n${output.trim()}\n`,
      )
      for (const child of running) child.kill()
    }
  }
  await Promise.all([worker(), worker()])
  return !failed
}

/** Failed tests, and files that failed before they had any. */
const countFailed = (report) =>
  report.numFailedTests +
  report.testResults.filter((file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')).length

const tests = async (args) => {
  const folder = mkdtempSync(join(tmpdir(), 'strata-test-'))
  try {
    const file = join(folder, 'report.json')
    const { ok, ended } = await tool(
      'vitest/vitest.mjs',
      ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...args],
      false,
    )
    const report = JSON.parse(readFileSync(file, 'utf8'))
    const failed = countFailed(report)
    if (!ok && failed === 0) console.log(`✗ tests   vitest failed outside of a test (${ended}); see above`)
    console.log(`${report.numPassedTests} passed, ${Math.max(failed, ok ? 0 : 1)} failed`)
    return ok
  } catch (error) {
    console.log(`✗ tests   vitest ended without a report (${error.code ?? error.message}); see above\n0 passed, 1 failed`)
    return false
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const main = async (args) => {
  const chosen = args.filter((arg) => arg in CHECKS || arg === 'tests')
  const rest = args.filter((arg) => !chosen.includes(arg))
  const wants = (name) => (chosen.length === 0 ? rest.length === 0 || name === 'tests' : chosen.includes(name))
  mkdirSync(modules('.cache'), { recursive: true })
  if (!(await staticChecks(Object.keys(CHECKS).filter(wants)))) return false
  return wants('tests') ? tests(rest) : true
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
