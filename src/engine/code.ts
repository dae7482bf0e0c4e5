import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { moduleGraph } from '../storage/module-graph.ts'
import { ownPlace } from './modules.ts'

/** What identifies the code that makes a result; `hash` null: it cannot be told, for the reason that is given. */
export type Code = { readonly hash: string; readonly why: '' } | { readonly hash: null; readonly why: string }

/** Numbers, sorting and times of day come from these; a pure function depends on nothing else of a machine. */
const machine = (): string[] => {
  const { locale, timeZone } = Intl.DateTimeFormat().resolvedOptions()
  return [process.version, process.versions.icu ?? '', process.platform, process.arch, locale, timeZone]
}

const withLibrary = (hash: string): Code => ({
  hash: createHash('sha256')
    .update(JSON.stringify([STRATA_VERSION, STRATA_BUILD, ...machine(), hash]))
    .digest('hex'),
  why: '',
})

/** The identity of the dataset in the module at this path, and of the library that runs it. */
export const codeOf = (module: string): Code => {
  const path = module.startsWith('file:') ? fileURLToPath(module) : module
  const graph = moduleGraph(path, ownPlace(), performance.timeOrigin)
  return 'hash' in graph ? withLibrary(graph.hash) : { hash: null, why: graph.unknown }
}
