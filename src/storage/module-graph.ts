import { createHash } from 'node:crypto'
import * as nodeFs from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, extname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * What identifies the code of a dataset: the source text of everything that its module loads. The text of a function alone would not
 * do, since helpers, tables and packages change what it gives. Whatever is not understood for certain has no identity, and nothing
 * is remembered of what it made.
 */
export type Graph = { readonly hash: string } | { readonly unknown: string }

type Look = {
  readonly seen: Map<string, string>
  /** The folder of the library itself, which its build identifies. */
  readonly own: string
  readonly loadedMs: number
}

class Unknown extends Error {}

/** Built-ins that give the same for the same arguments, whatever the machine, and read nothing. */
const PURE = ['assert', 'buffer', 'crypto', 'events', 'path', 'punycode', 'querystring', 'string_decoder', 'url', 'util', 'zlib']
const CODE = ['.js', '.mjs', '.cjs', '.json', '.node', '.wasm']
const MOST_FILES = 20_000

/** `import x from`, `export … from`, `import 'x'`, `import('x')`, `require('x')`. A match in a comment is one too many, never one too few. */
const SPECIFIERS = /\b(?:from|import|require)\s*\(?\s*(["'`])((?:(?!\1)[^\\\n$])+)\1/g
const UNDERSTOOD = /\b(?:import|require)\s*\(\s*(["'`])(?:(?!\1)[^\\\n$])+\1/g
/** What a module could read besides the modules that it names. */
const DYNAMIC = /\b(?:import|require)\s*\(|\bcreateRequire\b|\bfetch\s*\(|\bprocess\s*(?:\?\.|\.\s*\w|[[\]),;}:])|[=(,{:[?]\s*process\b/

const statOf = (path: string): nodeFs.Stats | undefined => nodeFs.statSync(path, { throwIfNoEntry: false })

/** A file that cannot have changed since it was loaded: its inode was last touched before this process began. */
const loaded = (look: Look, path: string): nodeFs.Stats => {
  const stat = nodeFs.statSync(path)
  if (stat.ctimeMs > look.loadedMs) throw new Unknown(`${path} has changed since the program was started`)
  if (look.seen.size > MOST_FILES) throw new Unknown(`more than ${MOST_FILES} files are loaded`)
  return stat
}

const note = (look: Look, path: string): Buffer => {
  const bytes = nodeFs.readFileSync(path)
  loaded(look, path)
  look.seen.set(path, createHash('sha256').update(bytes).digest('hex'))
  return bytes
}

/** What a package manager has put there is known by its version and its stat: nobody edits it in place without leaving a time. */
const noteInstalled = (look: Look, path: string): void => {
  const { size, mtimeMs } = loaded(look, path)
  look.seen.set(path, `${size} ${mtimeMs}`)
}

const dependenciesOf = (manifest: Buffer): string[] => {
  const { dependencies, optionalDependencies, peerDependencies } = JSON.parse(manifest.toString('utf8')) as Record<
    string,
    object | undefined
  >
  return Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
}

/** Every file of code in a package, and in those that it depends on. */
const visitPackage = (look: Look, dir: string): void => {
  if (look.seen.has(join(dir, 'package.json'))) return
  const manifest = note(look, join(dir, 'package.json'))
  const list = (at: string): void => {
    for (const entry of nodeFs.readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name)
      if (entry.isDirectory() && entry.name !== 'node_modules') list(path)
      else if (entry.isFile() && CODE.includes(extname(entry.name)) && !look.seen.has(path)) noteInstalled(look, path)
    }
  }
  list(dir)
  for (const name of dependenciesOf(manifest)) {
    const found = packageDir(name, dir)
    // What is not installed is not loaded either; what is needed and missing would not have loaded.
    if (found !== undefined) visitDirectory(look, found)
  }
}

const packageDir = (name: string, from: string): string | undefined => {
  for (let at = from; ; at = dirname(at)) {
    const found = join(at, 'node_modules', name)
    if (statOf(join(found, 'package.json')) !== undefined) return nodeFs.realpathSync(found)
    if (dirname(at) === at) return undefined
  }
}

const isOwn = ({ own }: Look, path: string): boolean => path === own || path.startsWith(own + sep)

const visitDirectory = (look: Look, dir: string): void => {
  if (isOwn(look, dir) || isOwn(look, join(dir, 'dist'))) return
  visitPackage(look, dir)
}

const visitBare = (look: Look, specifier: string, from: string): void => {
  const [first = '', second = ''] = specifier.split('/')
  const name = first.startsWith('@') ? `${first}/${second}` : first
  const dir = packageDir(name, dirname(from))
  if (dir === undefined) throw new Unknown(`${from} loads ${specifier}, which is in no node_modules`)
  visitDirectory(look, dir)
}

const isBuiltin = (specifier: string): boolean => specifier.startsWith('node:') || builtinModules.includes(specifier)

const visitImport = (look: Look, specifier: string, from: string): void => {
  if (isBuiltin(specifier)) {
    const name = specifier.replace('node:', '').split('/')[0] ?? ''
    if (!PURE.includes(name)) throw new Unknown(`${from} loads ${specifier}, so it may read what nobody sees`)
    return
  }
  if (/^\.{0,2}\//.test(specifier)) visitFile(look, resolve(dirname(from), specifier))
  else if (specifier.startsWith('file:')) visitFile(look, fileURLToPath(specifier))
  else visitBare(look, specifier, from)
}

/** The installed package that a file belongs to: taken whole, since what it loads is said in ways of its own. */
const packageOf = (path: string): string | undefined => {
  if (!path.includes(`${sep}node_modules${sep}`)) return undefined
  for (let at = dirname(path); dirname(at) !== at; at = dirname(at)) if (statOf(join(at, 'package.json')) !== undefined) return at
  return undefined
}

const visitFile = (look: Look, named: string): void => {
  const stat = statOf(named)
  if (stat?.isFile() !== true) throw new Unknown(`${named} is no file`)
  const path = nodeFs.realpathSync(named)
  if (look.seen.has(path) || isOwn(look, path)) return
  const dir = packageOf(path)
  if (dir !== undefined) {
    visitPackage(look, dir)
    return
  }
  const text = note(look, path).toString('utf8')
  if (extname(path) === '.json') return
  if (DYNAMIC.test(text.replace(UNDERSTOOD, ''))) throw new Unknown(`${path} may read what nobody sees`)
  for (const [, , specifier = ''] of text.matchAll(SPECIFIERS)) visitImport(look, specifier, path)
}

/**
 * The identity of the module `entry` and of everything it loads. `own` is the library's folder, `loadedMs` when this process began:
 * a file that was touched since may not be what was loaded.
 */
export const moduleGraph = (entry: string, own: string, loadedMs: number): Graph => {
  const look: Look = { seen: new Map(), own, loadedMs }
  try {
    visitFile(look, entry)
  } catch (error) {
    return { unknown: error instanceof Error ? error.message : String(error) }
  }
  const rows = [...look.seen].sort(([a], [b]) => (a < b ? -1 : 1))
  return { hash: createHash('sha256').update(JSON.stringify(rows)).digest('hex') }
}
