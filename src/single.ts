import { isMainThread } from 'node:worker_threads'
import { runProgram } from './cli/program.ts'
import { bringAlong } from './engine/modules.ts'
import type { Modules } from './engine/modules.ts'

/** What build.mjs puts before this: the path of the file, the summary of its chain, and how it starts workers and loads modules. */
declare const STRATA_SINGLE: Omit<Modules, 'datasets' | 'own'> & { readonly file: string; readonly summary: string }

/**
 * The whole program in one file: the command, its workers and NetMonitor's chain. `node build.mjs --single` makes it, for Node as
 * `dist/strata.mjs`, and for a single executable, in which the file is the executable itself, as `dist/strata.cjs`.
 */
const { file, summary, ...rest } = STRATA_SINGLE
bringAlong({ ...rest, own: () => file, datasets: new Map([[file, async () => (await import('../migrations/index.ts')).default]]) })

if (isMainThread) void runProgram(process.argv.slice(2), { module: file, summary: () => summary })
else void import('./engine/worker.ts')
