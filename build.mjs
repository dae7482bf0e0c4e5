#!/usr/bin/env node
// The step before `npm start` and `npm test`: node_modules as package-lock.json says, dist/ as the sources say.
// Nothing to do is the usual case, so only node: built-ins are loaded at the top.
//   node build.mjs [--force] [--types] [--check] [--pack] [--single] [--executable]
// --single makes dist/strata.mjs, the whole program in one file that needs Node and nothing else; --executable makes dist/strata
// from it, which needs nothing at all: this Node with the program inside (https://nodejs.org/api/single-executable-applications.html).
// --pack makes dist/ from nothing, with its declarations: nothing of an earlier build gets into a package.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = dirname(fileURLToPath(import.meta.url))
const OLDEST_NODE = [20, 19]
const ENTRIES = {
  program: 'src/cli/program.ts',
  index: 'src/index.ts',
  worker: 'src/engine/worker.ts',
  netmonitor: 'migrations/index.ts',
  internal: 'src/internal.ts',
  start: 'src/cli/start.ts',
  open: 'src/open.ts',
}
const INPUTS = ['src', 'migrations', 'build.mjs', 'package.json', 'tsconfig.json']
const INSTALL_STAMP = 'node_modules/.strata-stamp'
const BUILD_STAMP = 'dist/.stamp'
const SUMMARY = 'dist/netmonitor.summary.json'
const LOCK = '.strata-build.lock'

class Failure extends Error {}

const at = (path) => join(ROOT, path)
const say = (line) => process.stderr.write(`${line}\n`)
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

const readIf = (path) => {
  try {
    return fs.readFileSync(at(path), 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

const parseIf = (path) => {
  try {
    return JSON.parse(readIf(path) ?? 'null')
  } catch {
    return null // a damaged stamp counts as none
  }
}

/** A reader of `path` sees the old bytes or the new ones, never half of them. */
const replace = (path, bytes, mode = 0o644) => {
  const temporary = at(`${path}.${process.pid}.tmp`)
  fs.mkdirSync(dirname(temporary), { recursive: true })
  fs.writeFileSync(temporary, bytes, { mode })
  fs.renameSync(temporary, at(path))
}

const checkNode = () => {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return
  throw new Failure(
    `Strata needs Node.js ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node} (${process.execPath}).\n` +
      'Install a current release from https://nodejs.org, or switch to one (nvm install 20), then run the command again.',
  )
}

/* ---- one at a time ---- */

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

const tryLock = () => {
  try {
    fs.writeFileSync(at(LOCK), String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return false
  }
}

/** Takes the lock of a dead process away. An empty lock is one whose owner is between creating and writing it, unless it is old. */
const breakLock = () => {
  const owner = readIf(LOCK)
  if (owner === undefined) return
  const age = Date.now() - (fs.statSync(at(LOCK), { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
  if (owner === '' ? age < 10_000 : isAlive(Number(owner)) && age < 20 * 60_000) return
  const aside = at(`${LOCK}.${process.pid}`)
  try {
    fs.renameSync(at(LOCK), aside)
    fs.unlinkSync(aside)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error // another one broke it first
  }
}

const withLock = async (work) => {
  for (let waited = 0; !tryLock(); waited += 50) {
    breakLock()
    if (waited === 2000) say('strata: waiting for another build to finish …')
    await sleep(50)
  }
  try {
    return await work()
  } finally {
    fs.rmSync(at(LOCK), { force: true })
  }
}

/* ---- node_modules ---- */

const lockHash = () => {
  const lock = readIf('package-lock.json')
  if (lock === undefined)
    throw new Failure('package-lock.json is missing. Restore it (git checkout package-lock.json) and run the command again.')
  return sha256(lock)
}

const isInstalled = () => readIf(INSTALL_STAMP) === lockHash()

/** Whether npm itself (`npm install`, `npm ci`) left exactly what package-lock.json says; optional packages are per platform. */
const npmInstalledIt = () => {
  const here = parseIf('node_modules/.package-lock.json')?.packages
  const wanted = parseIf('package-lock.json')?.packages
  if (!here || !wanted) return false
  const { dependencies, devDependencies } = JSON.parse(readIf('package.json'))
  return (
    Object.keys({ ...dependencies, ...devDependencies }).every((name) => fs.existsSync(at(`node_modules/${name}/package.json`))) &&
    Object.entries(wanted).every(
      ([path, { version, optional, devOptional }]) =>
        path === '' || (here[path] ? here[path].version === version : Boolean(optional || devOptional)),
    )
  )
}

const INSTALL_HINTS = [
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|ENOTCACHED/,
    'The package registry could not be reached. Connect to the network, or name a registry or proxy you can reach\n' +
      '(npm config set registry URL, npm config set proxy URL), then run the command again.',
  ],
  [/EUSAGE/, 'package.json and package-lock.json disagree. Run `npm install` once and commit both files.'],
  [
    /EACCES|EPERM/,
    `A file in ${at('node_modules')} may not be written by this user. Give the folder back to yourself (chown -R) or delete it.`,
  ],
  [/ENOSPC/, `The disk is full. Free about 300 MB for ${at('node_modules')}, then run the command again.`],
]

const install = () => {
  if (npmInstalledIt()) return replace(INSTALL_STAMP, lockHash())
  say('strata: installing packages (npm ci) …')
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const npmCli = process.env.npm_execpath
  const options = { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 2 ** 20 }
  const run =
    npmCli && /npm-cli\.c?js$/.test(npmCli)
      ? spawnSync(process.execPath, [npmCli, ...args], options)
      : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
  if (run.error?.code === 'ENOENT')
    throw new Failure('npm was not found. It comes with Node.js: install that from https://nodejs.org, then run the command again.')
  if (run.status === 0) return replace(INSTALL_STAMP, lockHash())
  const output = `${run.stdout ?? ''}${run.stderr ?? ''}${run.error ? `${run.error.message}\n` : ''}`.trim()
  const hint = INSTALL_HINTS.find(([pattern]) => pattern.test(output))?.[1] ?? 'What npm said is above. Run `npm ci` by hand to try again.'
  throw new Failure(`${output}\n\nstrata: npm ci failed (${run.signal ?? `exit ${run.status}`}). ${hint}`)
}

/* ---- dist ---- */

/** Every file that the build reads, sorted: [path, mtimeMs, size]. */
const listInputs = () => {
  const rows = []
  const visit = (path) => {
    const stat = fs.statSync(at(path), { throwIfNoEntry: false })
    if (stat?.isDirectory()) for (const name of fs.readdirSync(at(path))) visit(`${path}/${name}`)
    else if (stat?.isFile() && !path.endsWith('.md')) rows.push([path, stat.mtimeMs, stat.size])
  }
  INPUTS.forEach(visit)
  return rows.sort(([a], [b]) => (a < b ? -1 : 1))
}

const hashInputs = (rows) => {
  const hash = createHash('sha256')
  for (const [path, , size] of rows) hash.update(`${path}\0${size}\0`).update(fs.readFileSync(at(path)))
  return hash.digest('hex').slice(0, 16)
}

const outputsExist = (stamp) => stamp.outputs.every((path) => fs.existsSync(at(path)))

const isBuilt = () => {
  const stamp = parseIf(BUILD_STAMP)
  return stamp !== null && JSON.stringify(stamp.inputs) === JSON.stringify(listInputs()) && outputsExist(stamp)
}

const loadEsbuild = async () => {
  try {
    return await import('esbuild')
  } catch (error) {
    throw new Failure(`strata: esbuild does not load: ${error.message}\nDelete node_modules and run the command again.`)
  }
}

/** The page as strings that go into the server: it is served from memory, and a single file holds it all. */
const page = async (esbuild) => {
  if (!fs.existsSync(at('src/server/page/main.ts'))) return {}
  const { outputFiles } = await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: { page: 'src/server/page/main.ts', style: 'src/server/page/style.css' },
    outdir: 'dist/page',
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2022', 'chrome110', 'firefox115', 'safari16.4'],
    write: false,
    logLevel: 'silent',
  })
  const textOf = (name) => outputFiles.find((file) => file.path.endsWith(name)).text
  return {
    '/': { type: 'text/html; charset=utf-8', text: readIf('src/server/page/index.html') },
    '/page.js': { type: 'text/javascript; charset=utf-8', text: textOf('page.js') },
    '/style.css': { type: 'text/css; charset=utf-8', text: textOf('style.css') },
  }
}

const definitions = async (esbuild, build) => ({
  STRATA_VERSION: JSON.stringify(JSON.parse(readIf('package.json')).version),
  STRATA_BUILD: JSON.stringify(build),
  STRATA_PAGE: JSON.stringify(await page(esbuild)),
})

/** What the command loads first is one file: a chunk more costs more than what is in it. The program beside it is what it may load then. */
const startFile = {
  name: 'start-file',
  setup: ({ onResolve }) => {
    onResolve({ filter: /\/program\.ts$/ }, () => ({ path: './program.js', external: true }))
  },
}

/** zod's messages in fifty languages are half of it, and every thread would read them at its start: English is all that is used. */
const englishOnly = {
  name: 'english-only',
  setup: ({ onLoad }) => {
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
      loader: 'js',
    }))
  },
}

const bundle = async (esbuild, build) => {
  const present = (entries) => Object.fromEntries(Object.entries(entries).filter(([, path]) => fs.existsSync(at(path))))
  if (Object.keys(present(ENTRIES)).length === 0) return []
  try {
    const common = {
      absWorkingDir: ROOT,
      outdir: 'dist',
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      // zod, semver, uuid and MessagePack are bundled: Node opens the many files of a package at once, which is more than a process with few handles has.
      external: ['chokidar', 'diff', 'isomorphic-git', 'nanoid'],
      sourcemap: 'linked',
      define: await definitions(esbuild, build),
      write: false,
      logLevel: 'silent',
    }
    const results = await Promise.all([
      esbuild.build({
        ...common,
        entryPoints: present(ENTRIES),
        splitting: true,
        chunkNames: 'chunks/[name]-[hash]',
        plugins: [englishOnly],
      }),
      esbuild.build({
        ...common,
        entryPoints: present({ cli: 'src/cli/main.ts' }),
        format: 'cjs',
        outExtension: { '.js': '.cjs' },
        plugins: [startFile],
      }),
    ])
    const files = results.flatMap(({ outputFiles }) => outputFiles)
    return files.map((file) => ({ path: file.path.slice(ROOT.length + 1).replaceAll('\\', '/'), bytes: file.contents }))
  } catch (error) {
    if (!error.errors)
      throw new Failure(
        `strata: esbuild failed: ${error.message}\nIf node_modules came from another machine, delete it and run the command again.`,
      )
    const lines = await esbuild.formatMessages(error.errors, { kind: 'error', color: process.stderr.isTTY === true })
    throw new Failure(`${lines.join('')}strata: the build failed with ${error.errors.length} error(s); dist/ is as it was.`)
  }
}

/** Chunks first, entries after, stamp last: whoever starts dist/cli.cjs meanwhile finds all the chunks that it names. */
const publish = (files, stamp, previous) => {
  const isChunk = (path) => path.startsWith('dist/chunks/')
  for (const { path, bytes } of [...files].sort((a, b) => isChunk(b.path) - isChunk(a.path))) {
    if (isChunk(path) && fs.existsSync(at(path))) continue // named by its content
    replace(path, bytes, path === 'dist/cli.cjs' ? 0o755 : 0o644)
  }
  replace(BUILD_STAMP, JSON.stringify(stamp))
  // A program started from the previous build may still load its chunks; older ones go.
  const keep = new Set([...stamp.outputs, ...(previous?.outputs ?? [])])
  for (const folder of ['dist', 'dist/chunks'])
    for (const entry of fs.existsSync(at(folder)) ? fs.readdirSync(at(folder), { withFileTypes: true }) : []) {
      const path = `${folder}/${entry.name}`
      const isEntryGone = !isChunk(path) && !stamp.outputs.includes(path)
      if (entry.isFile() && path !== BUILD_STAMP && (isEntryGone || !keep.has(path))) fs.rmSync(at(path), { force: true })
    }
}

const build = async (force) => {
  const previous = parseIf(BUILD_STAMP)
  const inputs = listInputs() // before reading: what changes during the build is newer than the stamp
  const id = hashInputs(inputs)
  if (!force && previous?.build === id && outputsExist(previous)) return replace(BUILD_STAMP, JSON.stringify({ ...previous, inputs }))
  const files = await bundle(await loadEsbuild(), id)
  const outputs = [...files.map((file) => file.path), ...(fs.existsSync(at(ENTRIES.netmonitor)) ? [SUMMARY] : [])]
  publish(files, { build: id, outputs, inputs }, previous)
  if (outputs.includes(SUMMARY)) await writeSummary(id)
}

/** What `strata status` says of the built-in chain without loading it: worked out once, here. */
const writeSummary = async (id) => {
  const { summary } = await import(`${pathToFileURL(at('dist/netmonitor.js')).href}?${id}`)
  replace(SUMMARY, JSON.stringify(summary))
}

/* ---- the program in one file ---- */

const SINGLE = {
  esm: {
    path: 'dist/strata.mjs',
    before: (summary) => `#!/usr/bin/env node
import { createRequire } from 'node:module'
import { fileURLToPath as strataPath } from 'node:url'
import { Worker as StrataWorker } from 'node:worker_threads'
const require = createRequire(import.meta.url)
const STRATA_SINGLE = {
  file: strataPath(import.meta.url),
  summary: ${summary},
  worker: (options) => new StrataWorker(new URL(import.meta.url), options),
  load: (url) => import(url),
}
`,
  },
  // In an executable there is no file to start a worker from, and no import() but the default loader's.
  cjs: {
    path: 'dist/strata.cjs',
    before: (summary) => `const STRATA_SINGLE = (() => {
  const { constants, Script } = require('node:vm')
  const { Worker, workerData } = require('node:worker_threads')
  const sea = require('node:sea')
  const source = () => (sea.isSea() ? sea.getAsset('strata.cjs', 'utf8') : require('node:fs').readFileSync(__filename, 'utf8'))
  return {
    file: process.execPath,
    summary: ${summary},
    worker: (options) => new Worker(source(), { ...options, eval: true }),
    load: new Script('(url) => import(url)', { importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER }).runInThisContext(),
  }
})()
`,
  },
}

const buildSingle = async (format) => {
  const { path, before } = SINGLE[format]
  const { build: id } = parseIf(BUILD_STAMP)
  const esbuild = await loadEsbuild()
  const result = await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: ['src/single.ts'],
    outfile: path,
    bundle: true,
    format,
    platform: 'node',
    target: 'node20',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'eof',
    plugins: [englishOnly],
    banner: { js: before(JSON.stringify(readIf(SUMMARY))) },
    define: await definitions(esbuild, id),
    // Nothing of the file asks where it is: the banner does.
    ...(format === 'cjs' && { logOverride: { 'empty-import-meta': 'silent' } }),
    write: false,
    logLevel: 'silent',
  })
  for (const file of result.outputFiles) replace(path, file.contents, 0o755)
}

const buildExecutable = async () => {
  await buildSingle('cjs')
  const place = at('dist/executable')
  fs.rmSync(place, { recursive: true, force: true })
  fs.mkdirSync(place)
  const config = join(place, 'sea.json')
  const blob = join(place, 'sea.blob')
  const name = process.platform === 'win32' ? 'strata.exe' : 'strata'
  fs.writeFileSync(
    config,
    JSON.stringify({
      main: at('dist/strata.cjs'),
      output: blob,
      disableExperimentalSEAWarning: true,
      assets: { 'strata.cjs': at('dist/strata.cjs') },
    }),
  )
  const made = spawnSync(process.execPath, ['--experimental-sea-config', config], { encoding: 'utf8' })
  if (made.status !== 0) throw new Failure(`${made.stdout}${made.stderr}\nstrata: Node ${process.versions.node} made no single executable.`)
  const program = join(place, name)
  fs.copyFileSync(process.execPath, program)
  fs.chmodSync(program, 0o755)
  const { inject } = await import('postject')
  const { log, warn } = console
  // It prints a warning about the signature section of every Linux binary.
  Object.assign(console, { log: () => undefined, warn: () => undefined })
  await inject(program, 'NODE_SEA_BLOB', fs.readFileSync(blob), {
    sentinelFuse: 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2',
    ...(process.platform === 'darwin' && { machoSegmentName: 'NODE_SEA' }),
  }).finally(() => Object.assign(console, { log, warn }))
  for (const left of [config, blob]) fs.rmSync(left)
}

const emitTypes = () => {
  fs.rmSync(at('dist/types'), { recursive: true, force: true })
  const run = spawnSync(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (run.status !== 0)
    throw new Failure(`${run.stdout}${run.stderr}\nstrata: the declarations were not written; mend the type errors above.`)
}

const FLAGS = ['--force', '--types', '--check', '--pack', '--single', '--executable']

const main = async (flags) => {
  const unknown = flags.find((flag) => !FLAGS.includes(flag))
  if (unknown) throw new Failure(`build.mjs knows ${FLAGS.join(', ')}, not ${unknown}.`)
  checkNode()
  const pack = flags.includes('--pack')
  const force = pack || flags.includes('--force')
  if (flags.includes('--check')) {
    if (!isInstalled() && !npmInstalledIt())
      throw new Failure('strata: node_modules is not what package-lock.json says. Run `node build.mjs`.')
    if (!isBuilt()) throw new Failure('strata: dist/ is older than the sources. Run `node build.mjs`.')
    return
  }
  if (!isInstalled()) await withLock(() => isInstalled() || install())
  if (pack) await withLock(() => fs.rmSync(at('dist'), { recursive: true, force: true }))
  if (force || !isBuilt()) await withLock(() => (!force && isBuilt()) || build(force))
  if (pack || flags.includes('--types')) await withLock(emitTypes)
  if (pack || flags.includes('--single')) await withLock(() => buildSingle('esm'))
  if (flags.includes('--executable')) await withLock(buildExecutable)
}

main(process.argv.slice(2)).catch((error) => {
  say(error instanceof Failure ? error.message : error.stack)
  process.exitCode = 1
})
