import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT, sample } from '../support/sandbox.ts'
import { putAll } from '../support/tree.ts'

/** The package as its users get it: packed, installed into an empty project, and used there. */

const dir = mkdtempSync(join(tmpdir(), 'strata-package-'))
const project = join(dir, 'project')
let tarball = ''

/** What npm needs of an environment that test/run.mjs keeps from everything else. */
const { STRATA_CERTIFICATES: certificates = process.env.NODE_EXTRA_CA_CERTS } = process.env
const environment = { ...process.env, ...(certificates === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificates }) }

const run = (command: string, args: readonly string[], cwd = project): { code: number | null; out: string } => {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: 240_000,
    env: { ...environment, npm_config_loglevel: 'error' },
  })
  return { code: status, out: `${stdout}${stderr}` }
}
const tool = (name: string, ...args: string[]): { code: number | null; out: string } => run(join(ROOT, 'node_modules/.bin', name), args)

beforeAll(() => {
  // Packed from a copy: packing makes dist/ anew, which other tests are running from.
  const source = join(dir, 'source')
  mkdirSync(source)
  for (const name of readdirSync(ROOT)) {
    if (['.git', 'node_modules', 'dist', 'test'].includes(name)) continue
    cpSync(join(ROOT, name), join(source, name), { recursive: true })
  }
  execFileSync('ln', ['-s', join(ROOT, 'node_modules'), join(source, 'node_modules')])
  const packed = run('npm', ['pack', '--json', '--pack-destination', dir], source)
  expect(packed.code, packed.out).toBe(0)
  tarball = join(dir, readdirSync(dir).find((name) => name.endsWith('.tgz')) ?? '')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
  const installed = run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball])
  expect(installed.code, installed.out).toBe(0)
}, 300_000)

afterAll(() => {
  rmSync(dir, { recursive: true, force: true })
})

describe('the package', () => {
  test('holds what it needs and nothing of the workshop', () => {
    const names = execFileSync('tar', ['tzf', tarball], { encoding: 'utf8' }).trim().split('\n')
    for (const name of [
      'dist/cli.cjs',
      'dist/index.js',
      'dist/worker.js',
      'dist/types/src/index.d.ts',
      'README.md',
      'LICENSE',
      'store/README.md',
    ])
      expect(names).toContain(`package/${name}`)
    expect(names.filter((name) => /\.map$|\.stamp|internal|\/test\/|package\/src\/|\.lock$/.test(name))).toEqual([])
  })

  test('runs nothing when it is installed, and has few dependencies, each named with its reason', () => {
    const about = JSON.parse(readFileSync(join(project, 'node_modules/strata-store/package.json'), 'utf8'))
    for (const hook of ['preinstall', 'install', 'postinstall', 'prepare']) expect(about.scripts[hook]).toBeUndefined()
    const readme = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8')
    const reasons = readme.slice(readme.indexOf('## Dependencies'))
    for (const name of Object.keys(about.dependencies)) expect(reasons).toContain(`| \`${name}\` |`)
  })

  test('publint and attw find nothing', () => {
    expect(tool('publint', 'run', tarball, '--strict')).toMatchObject({ code: 0 })
    const types = tool('attw', tarball, '--profile', 'esm-only', '--no-emoji')
    expect(types.code, types.out).toBe(0)
  })

  test('its command does the main job in an empty project', () => {
    putAll(join(project, 'data'), sample(2))
    const started = run('npx', ['strata', 'start', '--from', 'data', '--quiet'])
    expect(started.code, started.out).toBe(0)
    expect(run('npx', ['strata', 'status']).out).toContain('up to date')
    expect(run('npx', ['strata', 'rollback']).code).toBe(0)
    expect(run('npx', ['strata', 'verify']).code).toBe(0)
  })

  test('its library does, from JavaScript, and its types are right for TypeScript', () => {
    writeFileSync(
      join(project, 'app.ts'),
      `import { App, chain, dataset, file, migration, schema, type MigrationStatus } from 'strata-store'
import { summary } from 'strata-store/netmonitor'
import { fileURLToPath } from 'node:url'
const app = await App.open({ store: 'store', migrations: fileURLToPath(import.meta.resolve('strata-store/netmonitor')) })
const status: MigrationStatus = await app.checkMigrationsNeeded()
console.log(status.state, summary.versions.length > 4, typeof chain, typeof dataset, typeof file, typeof migration, typeof schema)
`,
    )
    const options = [
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--strict',
      '--types',
      'node',
      '--typeRoots',
      join(ROOT, 'node_modules/@types'),
    ]
    const compiled = tool('tsc', ...options, 'app.ts')
    expect(compiled.out).toBe('')
    const ran = run('node', ['app.js'])
    expect(ran.out.trim()).toMatch(/^held true function function function function function$/)
  })
})
